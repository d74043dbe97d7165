"""``k8slearn``: the command line (contract.md, "Command line").

Each command is a row of `commands.COMMANDS` and a function that imports what it needs when it runs, so that ``--help``
is instant. Exit status: 0 done; 1 the thing asked about failed; 2 wrong use or bad input, one sentence on standard
error. What is odd about the input and hinders nobody is a note there.

Left out (so far): ``serve``.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import k8slearn
from k8slearn.cli.asking import DONE, FAILED
from k8slearn.cli.commands import COMMANDS, WRONG
from k8slearn.errors import CommandError, Refused

__all__ = ["COMMANDS", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    given, given_on = parser.parse_known_args(arguments)
    if given_on and not COMMANDS[given.command].hands_on:
        parser.error(f"{given.command} does not know {given_on[0]}")
    given.hands_on = given_on
    with warnings.catch_warnings():
        warnings.showwarning = _note
        return _ended(given)


def _ended(given: argparse.Namespace) -> int:
    try:
        status: int = given.run(given)
        sys.stdout.flush()
        return status
    except (Refused, OSError) as wrong:
        if isinstance(wrong, BrokenPipeError):
            return _reader_left()
        print(f"k8slearn {given.command}: {_sentence(wrong)}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print(f"k8slearn {given.command}: interrupted", file=sys.stderr)
        return FAILED


def _sentence(wrong: Exception) -> str:
    text = f"{wrong.filename}: {wrong.strerror}" if isinstance(wrong, OSError) and wrong.strerror else str(wrong)
    return " ".join(text.split()) if not isinstance(wrong, CommandError) else text


def _note(message: Warning | str, *where: object, **more: object) -> None:
    print(f"note: {message}", file=sys.stderr)


def _reader_left() -> int:
    """``| head`` closed the pipe: that is no error of anybody's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


class _Parser(argparse.ArgumentParser):
    """Wrong use is one sentence on standard error, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="k8slearn", description="A cluster network in memory that tells you the truth and explains it."
    )
    parser.add_argument("--version", action="version", version=f"k8slearn {k8slearn.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.help, description=command.help, epilog=command.example)
        one.formatter_class = argparse.RawDescriptionHelpFormatter
        one.set_defaults(run=command.run)
        for option in command.options:
            one.add_argument(*option.names, help=option.help, **option.settings)  # type: ignore[arg-type]  # argparse's own
    return parser
