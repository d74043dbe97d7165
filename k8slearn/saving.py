"""A cluster in a file: one JSON line says how it started, one line more for each thing that was done to it.

Like etcd's write-ahead log: a line is appended and flushed to the disk when its input is done, so whatever dies, at
most the input in flight is missing. A last line that was cut off in the middle is no line; `read` says so and goes on
without it. Only inputs are written (journal.py): loading does them again. `undo` and `redo` are lines of their own.

Left out: two writers of one file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from k8slearn import __version__
from k8slearn.components import Host, Settings, Subnet, Topology
from k8slearn.errors import Refused

FORMAT = "k8slearn cluster"
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a file said. `done` and `undone` are lines, oldest first; `odd` is what a person should hear."""

    settings: Settings
    done: tuple[Line, ...]
    undone: tuple[Line, ...]
    odd: tuple[str, ...]


def write(path: Path, settings: Settings, lines: Iterable[Line]) -> None:
    """The whole file at once: a reader finds the old one or the new one. Another cluster's file becomes ``NAME~``."""
    text = "".join(map(_text, [_header(settings), *lines]))
    try:
        _keep(path, text)
        fresh = path.with_name(f".{path.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from None


def append(path: Path, line: Line) -> None:
    """One line more, on the disk when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_text(line))
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Saved:
    """What the file says. Raises `Refused` with one sentence where it is none of ours."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    first, _, rest = raw.partition(b"\n")
    header = _parsed(first)
    if header is None or header.get("format") != FORMAT:
        raise Refused(f"{path} is not a saved cluster: its first line is not that of a {FORMAT!r} file")
    odd = [] if header.get("engine") == __version__ else [_other_engine(path, header)]
    done: list[Line] = []
    undone: list[Line] = []
    for number, line in enumerate(_lines(rest, odd, path), 2):
        entry = _parsed(line)
        if entry is None or not _move(entry, done, undone):
            raise Refused(f"{path}, line {number}: that is no input of a cluster")
    return Saved(_settings(header, path), tuple(done), tuple(reversed(undone)), tuple(odd))


def _lines(rest: bytes, odd: list[str], path: Path) -> list[bytes]:
    lines = rest.split(b"\n")
    torn = lines.pop()
    if torn:
        odd.append(f"{path}: the last line was cut off ({len(torn)} bytes); what it would have done is missing")
    return lines


def _move(entry: Line, done: list[Line], undone: list[Line]) -> bool:
    """Do to the two piles what the line did to the cluster. False where that is impossible."""
    kind = entry.get("kind")
    if kind in ("undo", "redo"):
        source, target = (done, undone) if kind == "undo" else (undone, done)
        if source:
            target.append(source.pop())
            return True
        return False
    if not isinstance(kind, str) or not isinstance(entry.get("arguments"), dict):
        return False
    done.append(entry)
    undone.clear()
    return True


def _header(settings: Settings) -> Line:
    return {"format": FORMAT, "engine": __version__, "settings": asdict(settings)}


def _settings(header: Line, path: Path) -> Settings:
    given = header.get("settings")
    names = {f.name for f in fields(Settings)}
    needed = {f.name for f in fields(Settings) if f.default is MISSING}
    if not isinstance(given, dict) or not needed <= set(given) <= names or not isinstance(given["nodes"], list):
        raise Refused(f"{path}: the first line does not say how the cluster started")
    try:
        topology = _topology(given.get("topology") or {})
    except (TypeError, ValueError, AttributeError):
        raise Refused(f"{path}: the first line does not say what the network under the cluster is") from None
    return Settings(**{**given, "nodes": tuple(map(tuple, given["nodes"])), "topology": topology})


def _topology(given: Mapping[str, Any]) -> Topology:
    """The values that JSON has made lists and objects of."""
    rows: dict[str, Callable[..., Any]] = {"subnets": Subnet, "peers": Subnet, "routers": _host, "machines": _host}
    made = {name: tuple(make(**row) for row in given.get(name, ())) for name, make in rows.items()}
    return Topology(**{**given, **made, "commands": tuple((m, line) for m, line in given.get("commands", ()))})


def _host(name: str, addresses: Iterable[str], ports: Iterable[tuple[str, int]]) -> Host:
    return Host(name, tuple(addresses), tuple((proto, port) for proto, port in ports))


def _other_engine(path: Path, header: Line) -> str:
    return (
        f"{path} was written by k8slearn {header.get('engine')}, this is {__version__}: "
        "the same inputs are done again, but what follows from them may differ"
    )


def _keep(path: Path, text: str) -> None:
    """Before a file is replaced: refuse what is not ours, and put aside what the new one does not go on from."""
    if not path.exists():
        return
    old = path.read_bytes()
    if old and (_parsed(old.partition(b"\n")[0]) or {}).get("format") != FORMAT:
        raise Refused(f"{path} exists and is not a saved cluster: choose another name")
    whole = old[: old.rfind(b"\n") + 1]
    if not text.encode().startswith(whole):
        path.replace(path.with_name(path.name + "~"))


def _text(line: Line) -> str:
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
