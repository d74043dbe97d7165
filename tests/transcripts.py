"""Transcripts: what a person typed and what came out, as text that anybody can read and write.

A file of transcripts is one session. Blocks are separated by blank lines; a block is a command, lines of input if it
takes any, a line ``----`` and what it printed (standard output, then standard error, then ``[exit N]`` unless N is 0).
Output that has blank lines in it stands between doubled lines ``----``. Lines that begin with ``#`` are for the reader.

    cluster nodes=2 network=bridge

    apply
    apiVersion: v1
    …

    $ kubectl get pods
    ----
    NAME   READY   …

Commands: ``cluster KEY=VALUE…`` (once, at the start), ``apply`` and ``apply NAMESPACE``, ``$ COMMAND`` (kubectl),
``node-1$ COMMAND``, ``default/web$ COMMAND`` and ``outside$ COMMAND`` (in that place), ``advance SECONDS``, ``undo``,
``trace SOURCE DESTINATION PORT``. `play` runs a file and returns it as it should be; ``pytest --rewrite`` writes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8slearn import Cluster
from k8slearn.errors import CommandError, Refused

LINE = "----"
PLACE = re.compile(r"(?P<place>[^\s$]*)\$ (?P<command>.*)")


@dataclass(frozen=True)
class Block:
    """One command with its input; `comment` stands above it."""

    comment: str
    command: str
    stdin: str


def play(path: Path) -> str:
    """The text of the file, with what our cluster prints."""
    session = Session()
    return "\n\n".join(_written(block, session.do(block)) for block in blocks(path.read_text())) + "\n"


def check(path: Path, rewrite: bool) -> None:
    """Assert that the file says what our cluster prints, or make it say so."""
    now = play(path)
    if rewrite:
        path.write_text(now)
    assert now == path.read_text()


def blocks(text: str) -> Iterator[Block]:
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        comment: list[str] = []
        while at < len(lines) and lines[at].startswith("#"):
            comment.append(lines[at])
            at += 1
        start = at
        while at < len(lines) and lines[at].strip() and lines[at] != LINE:
            at += 1
        command = lines[start:at]
        at = _past_output(lines, at)
        if command:
            yield Block("\n".join(comment), command[0], "\n".join(command[1:]))


def _past_output(lines: list[str], at: int) -> int:
    if at >= len(lines) or lines[at] != LINE:
        return at
    if lines[at + 1 : at + 2] == [LINE]:
        end = next(i for i in range(at + 2, len(lines)) if lines[i : i + 2] == [LINE, LINE])
        return end + 2
    while at < len(lines) and lines[at].strip():
        at += 1
    return at


def _written(block: Block, output: str | None) -> str:
    parts = [p for p in (block.comment, block.command, block.stdin) if p]
    if output is None:
        return "\n".join(parts)
    output = output.rstrip("\n")
    if "\n\n" in output or output.startswith("\n"):
        return "\n".join([*parts, LINE, LINE, output, LINE, LINE])
    return "\n".join([*parts, LINE, *([output] if output else [])])


class Session:
    """A cluster that is told one block after the other."""

    def __init__(self) -> None:
        self.cluster: Any = None

    def do(self, block: Block) -> str | None:
        """What a block prints; None for one that prints nothing by its nature."""
        word, _, rest = block.command.partition(" ")
        if word == "cluster":
            self.cluster = Cluster(**{k: _value(v) for k, v in (w.split("=", 1) for w in rest.split())})
            return None
        if self.cluster is None:
            self.cluster = Cluster(nodes=2)
        place = PLACE.fullmatch(block.command)
        if place:
            return self._run(place["place"], place["command"], block.stdin)
        try:
            return VERBS[word](self.cluster, rest.split(), block.stdin)
        except Refused as error:
            return str(error)

    def _run(self, place: str, command: str, stdin: str) -> str:
        stdin = stdin + "\n" if stdin else ""
        if not place:
            try:
                result = self.cluster.engine.do("kubectl", {"command": command, "stdin": stdin})
            except CommandError as error:
                return f"{error.stdout}{error.stderr}[exit {error.exit_code}]"
        else:
            result = _place(self.cluster, place).run(command, stdin=stdin)
        ended = f"[exit {int(result.exit_code)}]" if result.exit_code else ""
        return str(result.stdout + result.stderr + ended)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _place(cluster: Any, place: str) -> Any:
    if place.startswith("outside"):
        return cluster.outside(*filter(None, [place.partition(":")[2]]))
    namespace, slash, name = place.partition("/")
    return cluster.pod(name, namespace) if slash else cluster.node(place)


def _apply(cluster: Any, words: list[str], stdin: str) -> str | None:
    cluster.apply(stdin, *words)
    return None


def _advance(cluster: Any, words: list[str], stdin: str) -> str | None:
    cluster.advance(float(words[0]))
    return None


def _undo(cluster: Any, words: list[str], stdin: str) -> str | None:
    cluster.undo()
    return None


def _trace(cluster: Any, words: list[str], stdin: str) -> str:
    trace = cluster.trace(words[0], words[1], int(words[2]) if len(words) > 2 else 80)
    seen = f", answered by {trace.answered_by}, which saw {trace.source_seen}" if trace.answered_by else ""
    return f"{trace.outcome}{seen}"


VERBS: dict[str, Callable[[Any, list[str], str], str | None]] = {
    "apply": _apply,
    "advance": _advance,
    "undo": _undo,
    "trace": _trace,
}
