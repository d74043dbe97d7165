"""Grade a class: SUBMISSIONS/LEARNER/EXERCISE.ipynb -> a `Row` for each learner and exercise.

One submission is one task for one worker, and whatever happens there is a row: a score, or zero with a sentence that
says why. Nothing of a learner's is run or imported; a notebook is read as data, its newest record is replayed.
The rows come out in the order of their names, for any number of workers.

Left out: zips, git checkouts, late hand-ins, and workers on other machines.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from k8slearn.errors import Refused
from k8slearn.grading import shelf
from k8slearn.grading.definition import load
from k8slearn.grading.feedback import STATES
from k8slearn.grading.judge import Judgement, judge
from k8slearn.grading.notebook import newest_record
from k8slearn.grading.pool import Allowance, Broken, Pool
from k8slearn.grading.record import read_record
from k8slearn.grading.variant import learner_name

STRANGE_FILES = 20
"""How many notebooks that are no exercise get a row, per learner."""


class Task(NamedTuple):
    """One submission: everything that a worker needs to know. No path means that nothing was handed in."""

    learner: str
    exercise: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Row:
    """One learner's result in one exercise. `status` is a key of `STATUSES`."""

    learner: str
    exercise: str
    points: float
    max_points: float
    status: str
    message: str = ""
    judgement: Judgement | None = None


STATUSES = {
    "done": "every check holds",
    "not done": "some checks do not hold",
    "missing": "no notebook was handed in",
    "refused": "the notebook or its record cannot be graded",
    "limit": "grading it broke a limit of memory or time",
}


def grade_run(
    submissions: Path,
    jobs: int | None = None,
    roster: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    allowance: Allowance | None = None,
) -> list[Row]:
    """Grade every submission; `progress` is told (done, total). Raises `Refused` if there is nothing to grade."""
    tasks = find_tasks(submissions, read_roster(roster) if roster else ())
    for exercise in {t.exercise for t in tasks} & set(shelf.ids()):
        load(exercise)  # warm: a worker is a fork, and begins with what is read here
    rows = {task: _zero(task, "missing", "no notebook was handed in") for task in tasks}
    handed_in = [task for task in tasks if task.path]
    pool: Pool[Task, Row] = Pool(grade, jobs or os.cpu_count() or 1, allowance or Allowance())
    for count, (number, result) in enumerate(pool.run(handed_in), 1):
        task = handed_in[number]
        rows[task] = _zero(task, "limit", result.says) if isinstance(result, Broken) else result
        progress(count, len(handed_in))
    return list(rows.values())


def grade(task: Task) -> Row:
    """Grade one submission. Whatever is wrong with it is a row with zero points and a sentence."""
    assert task.path is not None
    try:
        return _graded(task, task.path)
    except Refused as refused:
        return _zero(task, "refused", str(refused))
    except MemoryError:
        raise
    except Exception as broken:
        return _zero(task, "refused", f"the record cannot be replayed ({type(broken).__name__})")


def _graded(task: Task, path: Path) -> Row:
    definition = load(task.exercise)
    found = newest_record(path)
    if found is None:
        return _zero(task, "refused", "the notebook holds no record: run a cell with exercise.check() and save it")
    judgement = judge(definition, read_record(found), learner_name(task.learner))
    status = STATES[judgement.done]
    missed = [v.says.splitlines()[0] for v in judgement.verdicts if v.says]
    return Row(task.learner, task.exercise, judgement.points, judgement.max_points, status, " ".join(missed), judgement)


def _zero(task: Task, status: str, message: str) -> Row:
    worth = load(task.exercise).max_points if task.exercise in shelf.ids() else 0
    return Row(task.learner, task.exercise, 0, worth, status, message)


def find_tasks(submissions: Path, roster: Iterable[str] = ()) -> list[Task]:
    """Every learner's notebooks, and a task without a path where one is missing that others handed in."""
    if not submissions.is_dir():
        raise Refused(f"{submissions} is not a folder; it should hold LEARNER/EXERCISE.ipynb")
    folders = {p.name: p for p in submissions.iterdir() if p.is_dir() and not p.is_symlink() and p.name[0] != "."}
    handed_in = {name: _notebooks(folder) for name, folder in folders.items()}
    known = set(shelf.ids())
    asked = sorted({exercise for found in handed_in.values() for exercise in found} & known)
    learners = sorted({*folders, *roster})
    tasks = [t for name in learners for t in _tasks_of(name, handed_in.get(name, {}), asked, known)]
    if not any(t.path for t in tasks):
        raise Refused(f"{submissions} holds no LEARNER/EXERCISE.ipynb")
    return tasks


def _notebooks(folder: Path) -> dict[str, Path]:
    return {p.stem: p for p in folder.iterdir() if p.suffix == ".ipynb"}


def _tasks_of(learner: str, found: dict[str, Path], asked: list[str], known: set[str]) -> list[Task]:
    strange = sorted(set(found) - known)[:STRANGE_FILES]
    return [Task(learner, exercise, found.get(exercise)) for exercise in [*asked, *strange]]


def read_roster(path: Path) -> list[str]:
    """The learners of a roster: the first column of a CSV file, one learner per line, blank lines and # left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [line[0].strip() for line in csv.reader(file) if line and line[0].strip() and line[0][0] != "#"]
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        raise Refused(f"the roster {path} cannot be read: {wrong}") from wrong
