"""An exercise that survives its kernel: each entry is on disk before the next command is read.

The file is JSON lines: a head that says whose work it is, then every input, undo, redo and reset in the order in
which they happened. A line is written and synced at once, so a kernel that is killed leaves a file with at most the
command in flight missing; half a line at the end is left out when the file is read.

Left out: two kernels on one file. The second one is told, and does not save.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from k8slearn import __version__
from k8slearn.errors import Refused
from k8slearn.grading.inert import as_filename
from k8slearn.grading.record import canonical

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster
    from k8slearn.grading.exercise import Exercise

RESET = {"kind": "reset"}


class Saved:
    """The file of one learner's exercise, open for appending."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self.path = path
        self._file = file

    @classmethod
    def open(cls, folder: Path, exercise: Exercise) -> Saved | None:
        """Bring the exercise to where its file ends and follow it from there; None where nothing can be saved."""
        path = folder / f"{exercise.id}-{as_filename(exercise.learner)}.jsonl"
        head = {"engine": __version__, "exercise": exercise.id, "learner": exercise.learner, "variant": exercise.variant}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lines, end = _read(path)
            if lines and lines[0].get("variant") != exercise.variant:
                path.rename(path.with_suffix(".older.jsonl"))
                lines, end = [], 0
            file = path.open("a", encoding="utf-8", newline="")
        except OSError:
            return None
        if not _locked(file):
            file.close()
            return None
        file.truncate(end)
        saved = cls(path, file)
        if not lines:
            saved._append(head)
        _catch_up(exercise.cluster, lines[1:])
        saved._follow(exercise.cluster)
        return saved

    def reset(self, cluster: Cluster) -> None:
        """From here on the file follows another cluster."""
        self._append(RESET)
        self._follow(cluster)

    def _follow(self, cluster: Cluster) -> None:
        cluster.engine.listeners.append(self._append)

    def _append(self, line: Mapping[str, Any]) -> None:
        self._file.write(canonical(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of a file and where they end in bytes; a broken line ends what can be read."""
    if not path.exists():
        return [], 0
    lines: list[dict[str, Any]] = []
    end = 0
    for raw in path.read_bytes().splitlines(keepends=True):
        try:
            line = json.loads(raw)
        except ValueError:
            break
        if not raw.endswith(b"\n") or not isinstance(line, dict):
            break
        lines.append(line)
        end += len(raw)
    return lines, end


def _catch_up(cluster: Cluster, lines: list[dict[str, Any]]) -> None:
    """Do again what the file says, from the last reset on; an entry that this engine refuses is passed over."""
    last = max((n for n, line in enumerate(lines) if line == RESET), default=-1)
    engine = cluster.engine
    doing = {"undo": engine.undo, "redo": engine.redo}
    for line in lines[last + 1 :]:
        try:
            if line.get("kind") in doing:
                doing[line["kind"]]()
            else:
                engine.do(line["kind"], line["arguments"])
        except (Refused, KeyError):
            continue


def _locked(file: IO[str]) -> bool:
    try:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return True  # no such locks on this system
    except OSError:
        return False
    return True
