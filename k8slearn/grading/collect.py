"""What was handed in: a folder of learners, a zip of it, or a list of repositories' checkouts.

================  ====================================================================================
a folder          ``LEARNER/EXERCISE.ipynb``
a zip             the same inside, also under one folder of any name; it is read, never unpacked
a CSV file        ``LEARNER,FOLDER`` per line: a checkout, searched for EXERCISE.ipynb three folders deep
================  ====================================================================================

A notebook that stands twice in one learner's hand-in counts where it stands nearest to the top.

Left out: cloning repositories (the workflow's checkout does it) and tarballs.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from k8slearn.errors import Refused
from k8slearn.grading import shelf

SHAPE = "LEARNER/EXERCISE.ipynb"
DEEPEST = 3
MOST_MEMBERS = 200_000


class Found(NamedTuple):
    """A notebook: a file, or the member of a zip."""

    path: Path
    member: str = ""


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
    return {f.name: {p.stem: Found(p) for p in f.iterdir() if p.suffix == ".ipynb"} for f in folders}


def _zip(path: Path) -> HandedIn:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [i.filename for i in archive.infolist()[:MOST_MEMBERS] if not i.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as wrong:
        raise Refused(f"the zip {path} cannot be read: {wrong}") from wrong
    found: HandedIn = {}
    for name in sorted(names, key=lambda n: (n.count("/"), n)):
        *above, learner, last = ["", *name.split("/")]
        stem, dot, kind = last.rpartition(".")
        if kind == "ipynb" and dot and len(above) <= 2 and learner not in ("", ".", "..", "__MACOSX"):
            found.setdefault(learner, {}).setdefault(stem, Found(path, name))
    return found


def _listed(path: Path) -> HandedIn:
    found: HandedIn = {}
    for line in read_lines(path, "list"):
        if len(line) < 2 or not (path.parent / line[1].strip()).is_dir():
            raise Refused(f"the list {path} has a line that is not LEARNER,FOLDER: {','.join(line)[:80]!r}")
        theirs = found.setdefault(line[0].strip(), {})
        for notebook in _notebooks(path.parent / line[1].strip()):
            theirs.setdefault(notebook.stem, Found(notebook))
    return found


def _notebooks(checkout: Path) -> Iterator[Path]:
    """The exercises in a checkout, nearest to its top first. No link is followed."""
    known = set(shelf.ids())
    found = []
    for folder, inside, files in os.walk(checkout, followlinks=False):
        depth = len(Path(folder).relative_to(checkout).parts)
        inside[:] = [] if depth == DEEPEST else [name for name in inside if not name.startswith(".")]
        found += [(depth, folder, f) for f in files if f.endswith(".ipynb") and f.removesuffix(".ipynb") in known]
    return (Path(folder, name) for _, folder, name in sorted(found))


def read_roster(path: Path) -> list[str]:
    """The learners of a roster: the first column of a CSV file, one learner per line, blank lines and # left out."""
    return [line[0].strip() for line in read_lines(path, "roster")]


def read_lines(path: Path, what: str) -> list[list[str]]:
    """The lines of a CSV file that say something."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [line for line in csv.reader(file) if line and line[0].strip() and line[0][0] != "#"]
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        raise Refused(f"the {what} {path} cannot be read: {wrong}") from wrong


def learners(handed_in: HandedIn, roster: Iterable[str]) -> list[str]:
    return sorted({*handed_in, *roster})
