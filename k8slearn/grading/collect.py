"""What was handed in: a folder of learners, a zip of it, or a list of repositories' checkouts.

================  ====================================================================================
a folder          ``LEARNER/EXERCISE.ipynb``
a zip             the same inside, also under one folder of any name; it is read, never unpacked
a CSV file        ``LEARNER,FOLDER`` per line: a checkout, searched for EXERCISE.ipynb three folders deep; a third
                  column says when it was handed in (``git log -1 --format=%cI``)
================  ====================================================================================

An exercise that stands twice in one learner's hand-in, or as a copy that a browser or Jupyter has named
(``X (1).ipynb``, ``X-Copy1.ipynb``), counts where it stands nearest to the top, and there in its newest copy; the
others are named to the instructor.

Left out: cloning repositories (the workflow's checkout does it) and tarballs.
"""

from __future__ import annotations

import csv
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from k8slearn.errors import Refused
from k8slearn.grading import shelf

SHAPE = "LEARNER/EXERCISE.ipynb"
DEEPEST = 3
MOST_MEMBERS = 200_000
STAMP = "timestamp.txt"
_COPY = re.compile(r"( ?\(\d+\)|-Copy\d+)$")


class Found(NamedTuple):
    """A notebook: a file, or the member of a zip."""

    path: Path
    member: str = ""
    copies: tuple[str, ...] = ()
    """Names of other copies of it, which do not count."""
    since: float | None = None
    """When it was handed in (seconds since 1970), as the file or the zip (taken as UTC) says; None: nothing says so."""


class Copy(NamedTuple):
    """One of perhaps several notebooks of one exercise; the least counts."""

    depth: int
    age: float
    name: str
    found: Found


HandedIn = dict[str, dict[str, Found]]
"""Learner -> exercise -> notebook."""


def collect(submissions: Path) -> HandedIn:
    """Everything that was handed in; raises `Refused` with one sentence if this is nothing that holds hand-ins."""
    if submissions.is_dir():
        return _folder(submissions)
    if not submissions.is_file():
        raise Refused(f"{submissions} is not a folder; it should hold {SHAPE}")
    return _zip(submissions) if zipfile.is_zipfile(submissions) else _listed(submissions)


def _folder(submissions: Path) -> HandedIn:
    folders = [p for p in submissions.iterdir() if p.is_dir() and not p.is_symlink() and p.name[0] != "."]
    return {f.name: _counting(_copies(f)) for f in folders}


def _copies(folder: Path) -> Iterator[Copy]:
    """The notebooks of a learner's folder. nbgrader writes beside them when they were handed in."""
    stamp = folder / STAMP
    stamped = _stamped(stamp) if stamp.is_file() else None
    for path in folder.iterdir():
        if path.suffix == ".ipynb":
            changed = path.lstat().st_mtime
            yield Copy(0, -changed, path.name, Found(path, since=stamped if stamp.is_file() else changed))


def _stamped(path: Path) -> float | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return moment(file.read(80), str(path))
    except (OSError, Refused):
        return None


def _counting(copies: Iterable[Copy]) -> dict[str, Found]:
    """Exercise -> the notebook that counts."""
    found: dict[str, list[Copy]] = {}
    for copy in copies:
        found.setdefault(_exercise(copy.name.removesuffix(".ipynb")), []).append(copy)
    return {exercise: _first(sorted(of)) for exercise, of in found.items()}


def _first(copies: list[Copy]) -> Found:
    return copies[0].found._replace(copies=tuple(copy.name for copy in copies[1:]))


def _exercise(stem: str) -> str:
    """Which exercise a notebook of this name is: a copy's name has something behind it."""
    plain = _COPY.sub("", stem)
    return plain if plain in shelf.ids() else stem


def _zip(path: Path) -> HandedIn:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [i for i in archive.infolist()[:MOST_MEMBERS] if not i.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as wrong:
        raise Refused(f"the zip {path} cannot be read: {wrong}") from wrong
    found: dict[str, list[Copy]] = {}
    for member in members:
        *above, learner, last = ["", *member.filename.split("/")]
        _, dot, kind = last.rpartition(".")
        if kind == "ipynb" and dot and len(above) <= 2 and learner not in ("", ".", "..", "__MACOSX"):
            since = _zipped(member)
            of = Found(path, member.filename, since=since)
            found.setdefault(learner, []).append(Copy(member.filename.count("/"), -(since or 0.0), last, of))
    return {learner: _counting(copies) for learner, copies in found.items()}


def _zipped(member: zipfile.ZipInfo) -> float | None:
    try:
        return datetime(*member.date_time, tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _listed(path: Path) -> HandedIn:
    found: dict[str, list[Copy]] = {}
    for line in read_lines(path, "list"):
        if len(line) < 2 or not (path.parent / line[1].strip()).is_dir():
            raise Refused(f"the list {path} has a line that is not LEARNER,FOLDER: {','.join(line)[:80]!r}")
        since = moment(line[2], f"the list {path}") if len(line) > 2 and line[2].strip() else None
        theirs = found.setdefault(line[0].strip(), [])
        for copy in _notebooks(path.parent / line[1].strip()):
            theirs.append(copy._replace(found=copy.found._replace(since=since)))
    return {learner: _counting(copies) for learner, copies in found.items()}


def _notebooks(checkout: Path) -> Iterator[Copy]:
    """The exercises in a checkout. No link is followed, and the time of a file there says nothing."""
    known = set(shelf.ids())
    for folder, inside, files in os.walk(checkout, followlinks=False):
        depth = len(Path(folder).relative_to(checkout).parts)
        inside[:] = [] if depth == DEEPEST else sorted(name for name in inside if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(".ipynb") and _exercise(name.removesuffix(".ipynb")) in known:
                yield Copy(depth, 0.0, name, Found(Path(folder, name)))


def moment(text: str, where: str) -> float:
    """A time as ISO 8601 writes it, in seconds since 1970; without a zone it is UTC. Raises `Refused`."""
    try:
        found = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        raise Refused(f"{where} has the time {text.strip()[:40]!r}; write it as 2026-12-01T12:00+01:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def read_roster(path: Path) -> list[str]:
    """The learners of a roster: the first column of a CSV file, one learner per line, blank lines and # left out."""
    return [line[0].strip() for line in read_lines(path, "roster")]


def own_deadlines(path: Path) -> dict[str, float]:
    """The second column of a roster: a learner's own deadline, where they have one."""
    lines = [line for line in read_lines(path, "roster") if len(line) > 1 and line[1].strip()]
    return {line[0].strip(): moment(line[1], f"the roster {path}") for line in lines}


def read_lines(path: Path, what: str) -> list[list[str]]:
    """The lines of a CSV file that say something."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [line for line in csv.reader(file) if line and line[0].strip() and line[0][0] != "#"]
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        raise Refused(f"the {what} {path} cannot be read: {wrong}") from wrong


def learners(handed_in: HandedIn, roster: Iterable[str]) -> list[str]:
    return sorted({*handed_in, *roster})
