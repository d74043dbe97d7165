"""``k8slearn lab``: the course in a folder of the learner's own, open in JupyterLab at the introduction.

A learner's folder lives longer than one version of the course, and it holds their work. So a copy remembers what it
copied (``.k8slearn/copied.json``: file -> SHA-256). A file that still is what was copied may be replaced by the
new version; one that the learner has changed is kept, and the new version goes beside it under another name. A course
in a folder that may only be read (a class's own) opens as it is; what one does in it is kept in the home folder.

Left out: merging a learner's changes with a new version, and removing files that the course no longer has.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import k8slearn
from k8slearn.errors import Refused

FIRST = "00-introduction.ipynb"
"""The notebook that opens first."""

_AUTHORS_ONLY = {"text", ".ipynb_checkpoints"}
_MEMORY = Path(".k8slearn", "copied.json")
_SETTINGS = Path(".k8slearn", "lab", "overrides.json")


def open_lab(directory: Path, *options: str) -> int:
    """Copy the course into `directory` and become JupyterLab there; returns (where a process cannot become another,
    once it is closed) its exit status.

    `options` go to ``jupyter lab`` as they are. Raises `Refused` if JupyterLab is not installed.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise Refused("JupyterLab is not installed here; try: pip install 'k8slearn[course]'")
    for note in _ready(directory):
        print(note, flush=True)
    print(_OPENS, flush=True)
    start = [sys.executable, "-m", "jupyterlab", f"--LabApp.default_url=/lab/tree/{FIRST}", *_QUIET]
    command = [*start, *_as_root(), *options]
    os.environ.setdefault("PYTHONSTARTUP", str(_EXTENSION))
    if os.name == "posix":
        os.chdir(directory)
        os.execv(sys.executable, command)
    return subprocess.run(command, cwd=directory, check=False).returncode


def _as_root() -> tuple[str, ...]:
    """Jupyter wants root to say so. In a container one often is root, and the lab listens on this machine alone."""
    return ("--allow-root",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()


def _ready(directory: Path) -> list[str]:
    """The course in this folder, and where every cluster of a notebook is saved as it changes (`notebook`)."""
    os.environ["K8SLEARN_AUTOSAVE"] = str(directory.resolve() / ".k8slearn")
    if not (directory / FIRST).is_file() or os.access(directory, os.W_OK):
        return copy_course(course(), directory)
    kept = Path.home() / ".k8slearn"
    os.environ["K8SLEARN_AUTOSAVE"] = str(kept)
    return [f"{directory} can only be read. {_READ_ONLY.format(kept=kept)}"]


_READ_ONLY = (
    "What you do to a cluster is kept in {kept}; to keep a notebook, choose File, Download in JupyterLab. "
    "A folder of your own keeps everything: k8slearn lab ~/my-course"
)
_OPENS = (
    "Your browser opens the course. If it does not, copy the last address below into it. "
    "To stop, save, and press Control-C here."
)
_EXTENSION = Path(k8slearn.__file__).parent / "notebook" / "startup.py"
"""Run by every Python kernel of the lab as it starts, so that commands and sentences are there after a restart, too."""

_QUIET = (
    "--LabApp.app_settings_dir=.k8slearn/lab",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
_WISHES = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 10},
}
"""No question to any server outside this machine, nor to the learner whether to ask: the course works offline. A
notebook is saved ten seconds after it changed (JupyterLab's own wish: two minutes)."""


def course() -> Path:
    """Where the course stands: beside the package in a checkout, inside it when installed."""
    package = Path(k8slearn.__file__).parent
    for place in (package.parent / "course", package / "_course"):
        if (place / FIRST).is_file():
            return place
    raise Refused(f"the course is not here: neither beside nor inside the package is there a {FIRST}")


def copy_course(source: Path, directory: Path) -> list[str]:
    """Copy what is new; never overwrite what a learner has changed. Returns one sentence for each file kept."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        known = _remembered(directory)
        notes = [n for name in _files(source) if (n := _copy(source, directory, name, known))]
        _write(directory / _SETTINGS, json.dumps(_WISHES).encode())
        _remember(directory, {name: _hash(source / name) for name in _files(source)})
    except OSError as wrong:
        raise Refused(
            f"the course cannot be copied into {directory}: {wrong.strerror or wrong}; try: k8slearn lab ~/my-course"
        ) from wrong
    return notes


def _copy(source: Path, directory: Path, name: str, known: Mapping[str, str]) -> str:
    """Copy one file; returns the note for the learner, or nothing."""
    ours, theirs = source / name, directory / name
    new = _hash(ours)
    if not theirs.exists() or _hash(theirs) == known.get(name):
        _write(theirs, ours.read_bytes())
        return ""
    if new in (_hash(theirs), known.get(name)):
        return ""
    beside = _free(theirs, new)
    _write(beside, ours.read_bytes())
    return f"{name} holds your changes, so it stays as it is; the course's new version is beside it: {beside.name}"


def _free(theirs: Path, new: str) -> Path:
    """A name beside a learner's file that nothing else has: ``01-x.new.ipynb``, ``01-x.new2.ipynb``, ..."""
    names = (theirs.with_name(f"{theirs.stem}.new{n}{theirs.suffix}") for n in ("", *range(2, 1000)))
    return next(path for path in names if not path.exists() or _hash(path) == new)


def _files(source: Path) -> Iterator[str]:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and name.parts[0] not in _AUTHORS_ONLY:
            yield name.as_posix()


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """All of the file or none of it, even when the machine stops half-way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    half.replace(path)


def _remembered(directory: Path) -> dict[str, str]:
    try:
        found = json.loads((directory / _MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(directory: Path, hashes: Mapping[str, str]) -> None:
    _write(directory / _MEMORY, json.dumps(dict(hashes), indent=1, sort_keys=True).encode())
