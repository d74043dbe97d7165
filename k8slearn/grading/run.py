"""Grade a class: what was handed in -> a `Row` for each learner and exercise.

One submission is one task for one worker, and whatever happens there is a row: a score, or zero with a sentence that
says why. Nothing of a learner's is run or imported; a notebook is read as data, its newest record is replayed.
The rows come out in the order of their names, for any number of workers. What is late is marked afterwards (`late`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from k8slearn.errors import Refused
from k8slearn.grading import gradebook, shelf
from k8slearn.grading.collect import SHAPE, Found, HandedIn, collect, learners, read_roster
from k8slearn.grading.definition import load
from k8slearn.grading.feedback import STATES
from k8slearn.grading.judge import judge
from k8slearn.grading.machines import grade_at, readable
from k8slearn.grading.notebook import newest_record
from k8slearn.grading.pool import Allowance, Broken, Pool
from k8slearn.grading.record import read_record
from k8slearn.grading.row import STATUSES, Row, Task
from k8slearn.grading.start import made_of
from k8slearn.grading.token import sign
from k8slearn.grading.variant import learner_name

__all__ = ["STATUSES", "Course", "Row", "Task", "find_tasks", "grade", "grade_run", "grade_tasks"]

STRANGE_FILES = 20
"""How many notebooks that are no exercise get a row, per learner."""
KEEP_EVERY = 50


@dataclass(frozen=True, slots=True)
class Course:
    """What the instructor has and learners have not: the roster, the secret, the checks that are hidden."""

    roster: Path | None = None
    secret: bytes = b""
    hidden: Path | None = None


def grade_run(
    submissions: Path,
    jobs: int | None = None,
    course: Course | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    allowance: Allowance | None = None,
    book: gradebook.Gradebook | None = None,
    scheduler: str = "",
) -> list[Row]:
    """Grade every submission; `progress` is told (done, total). Raises `Refused` if there is nothing to grade.

    `scheduler` is a Dask cluster's address; without one the workers are `jobs` processes of this machine."""
    tasks = find_tasks(submissions, course or Course())
    return grade_tasks(tasks, jobs, progress, allowance, book, scheduler)


def grade_tasks(
    tasks: list[Task],
    jobs: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    allowance: Allowance | None = None,
    book: gradebook.Gradebook | None = None,
    scheduler: str = "",
) -> list[Row]:
    """`grade_run` over submissions that have been listed already."""
    for exercise in {t.exercise for t in tasks} & set(shelf.ids()):
        load(exercise)  # warm: a worker is a fork, and begins with what is read here
    rows = {task: _zero(task, "missing", "no notebook was handed in") for task in tasks}
    decided = _decided(tasks) if book else {}
    known = book.known() if book else {}
    rows |= {t: replace(known[d], learner=t.learner, exercise=t.exercise) for t, d in decided.items() if d in known}
    starts = {task: _start(task) for task in tasks if task.path and decided.get(task) not in known}
    left = sorted(starts, key=lambda task: starts[task])
    results = _results(left, [starts[task] for task in left], jobs, allowance or Allowance(), scheduler)
    for count, (number, result) in enumerate(results, 1):
        task = left[number]
        rows[task] = _zero(task, "limit", result.says) if isinstance(result, Broken) else result
        if book:
            book.remember(rows[task], decided[task])
            if count % KEEP_EVERY == 0:
                book.keep()
        progress(count, len(left))
    return list(rows.values())


def _results(
    tasks: list[Task], kinds: list[tuple[str, str]], jobs: int | None, allowance: Allowance, scheduler: str
) -> Iterator[tuple[int, Row | Broken]]:
    """Each task's number and result as they come, from the workers of this machine and from those of a cluster."""
    if not scheduler:
        yield from Pool(grade, jobs or os.cpu_count() or 1, allowance).run(tasks, kinds)
        return
    sent = [number for number, task in enumerate(tasks) if readable(task)]
    for number in sorted(set(range(len(tasks))) - set(sent)):
        yield number, grade(tasks[number])
    for number, result in grade_at(scheduler, [tasks[number] for number in sent], allowance):
        yield sent[number], result


def _start(task: Task) -> tuple[str, str]:
    """Which start this task is replayed from; equal ones are built once."""
    try:
        definition = load(task.exercise)
        return task.exercise, made_of(definition, definition.variant(learner_name(task.learner), task.token))
    except Refused:
        return task.exercise, ""


def _decided(tasks: Iterable[Task]) -> dict[Task, str]:
    checks: dict[str, str] = {}
    return {task: gradebook.of(task, checks) for task in tasks if task.path}


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
    definition = load(task.exercise).with_hidden(task.hidden)
    found = newest_record(path, task.member)
    if found is None:
        return _zero(task, "refused", "the notebook holds no record: run a cell with exercise.check() and save it")
    judgement = judge(definition, read_record(found), learner_name(task.learner), task.token)
    judgement = replace(
        judgement, odd=(*judgement.odd, *(f"another copy does not count: {n}" for n in task.copies[:5]))
    )
    status = STATES[judgement.done]
    missed = [v.says.splitlines()[0] for v in judgement.verdicts if v.says]
    return Row(task.learner, task.exercise, judgement.points, judgement.max_points, status, " ".join(missed), judgement)


def _zero(task: Task, status: str, message: str) -> Row:
    known = task.exercise in shelf.ids()
    worth = load(task.exercise).with_hidden(task.hidden).max_points if known else 0
    return Row(task.learner, task.exercise, 0, worth, status, message)


def find_tasks(submissions: Path, course: Course | None = None) -> list[Task]:
    """Every learner's notebooks, and a task without a path where one is missing that others handed in."""
    course = course or Course()
    handed_in = collect(submissions)
    known = set(shelf.ids())
    asked = sorted({exercise for found in handed_in.values() for exercise in found} & known)
    names = learners(handed_in, read_roster(course.roster) if course.roster else ())
    tasks = [task for name in names for task in _tasks_of(name, handed_in, asked, course)]
    if not any(t.path for t in tasks):
        raise Refused(f"{submissions} holds no {SHAPE}")
    return tasks


def _tasks_of(learner: str, handed_in: HandedIn, asked: list[str], course: Course) -> list[Task]:
    theirs = handed_in.get(learner, {})
    strange = sorted(set(theirs) - set(asked))[:STRANGE_FILES]
    return [_task(learner, exercise, theirs.get(exercise), course) for exercise in [*asked, *strange]]


def _task(learner: str, exercise: str, found: Found | None, course: Course) -> Task:
    path, member, copies, since = found or Found(Path())
    token = sign(course.secret, exercise, _signed_name(learner)) if course.secret else ""
    return Task(learner, exercise, path if found else None, member, token, course.hidden, copies, since)


def _signed_name(learner: str) -> str:
    """The name that a token was made for; one that is no name gets its sentence when it is graded."""
    try:
        return learner_name(learner)
    except Refused:
        return ""
