"""A program on a machine: it reads the world, says what it would write, and returns what it printed.

Everything that a person could type is a `Program`: ``ip``, ``curl``, ``/opt/cni/bin/bridge``, ``kubectl``. It is a
generator: it yields commands (each is applied before it goes on) and returns a `Result`. So the same program serves
to ask (on a fork of the world, which is thrown away) and to do (the journal writes what it yields).

Left out: signals; a program runs to its end at one instant of the logical clock.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from k8slearn.journal import Command, World


class Result(NamedTuple):
    """What a command printed and how it ended (0: done)."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a program: where (`netns`, a scope), with which arguments, standard input and environment."""

    world: World
    netns: str
    argv: tuple[str, ...]
    """Without the program's own name."""
    stdin: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


Running = Generator[Command, None, Result]
Program = Callable[[Call], Running]
