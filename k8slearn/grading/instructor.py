"""What an instructor's commands do: `grade` a class, `explain` one grade, `release` the learners' versions.

Left out: sending reports to a learning platform; its import takes the CSV.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from k8slearn.errors import Refused
from k8slearn.grading.classreport import Mistake, misconceptions
from k8slearn.grading.collect import moment, own_deadlines
from k8slearn.grading.feedback import as_text
from k8slearn.grading.gradebook import Gradebook
from k8slearn.grading.inert import one_line, plain
from k8slearn.grading.late import Deadline
from k8slearn.grading.release import write_release
from k8slearn.grading.report import write_reports
from k8slearn.grading.run import Course, find_tasks, grade, grade_tasks
from k8slearn.grading.token import make_secret, read_secret


def grade_class(given: argparse.Namespace, progress: Callable[[int, int], None]) -> int:
    """``k8slearn grade``: the exit status."""
    submissions, course, deadline = Path(given.submissions), _course(given), _deadline(given)
    if given.explain:
        print(explained(submissions, course, *given.explain))
        return 0
    if not given.out:
        raise Refused("give --out REPORT, the folder for the reports, or --explain LEARNER EXERCISE")
    tasks = find_tasks(submissions, course)  # first: nothing is written where there is nothing to grade
    with ExitStack() as held:
        url = given.gradebook or _beside(Path(given.out))
        book = held.enter_context(Gradebook(url)) if url else None
        rows = grade_tasks(tasks, given.jobs, progress, book=book, scheduler=given.scheduler or "")
    rows = deadline.marked(rows, tasks) if deadline else rows
    write_reports(rows, Path(given.out))
    done = sum(row.status == "done" for row in rows)
    print(f"{len(rows)} graded, {done} done; see {Path(given.out) / 'summary.md'}")
    return 0


def _beside(out: Path) -> str:
    """The gradebook where no other is named: a file among the reports, if SQLAlchemy is installed."""
    if find_spec("sqlalchemy") is None:
        return ""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise Refused(f"the report cannot be written to {out}: {wrong.strerror}") from wrong
    return f"sqlite:///{out / 'gradebook.sqlite'}"


def _course(given: argparse.Namespace) -> Course:
    if given.hidden and not Path(given.hidden).is_dir():
        raise Refused(f"--hidden {given.hidden} is not a folder; it should hold EXERCISE/checks.py")
    secret = read_secret(Path(given.secret)) if given.secret else b""
    return Course(_path(given.roster), secret, _path(given.hidden))


def _deadline(given: argparse.Namespace) -> Deadline | None:
    if not given.deadline:
        if given.late_penalty:
            raise Refused("--late-penalty needs --deadline TIME")
        return None
    if not 0 <= given.late_penalty <= 100:
        raise Refused(f"--late-penalty is a percentage from 0 to 100, not {given.late_penalty:g}")
    own = own_deadlines(Path(given.roster)) if given.roster else {}
    return Deadline(moment(given.deadline, "--deadline"), own, given.late_penalty)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


def explained(submissions: Path, course: Course, learner: str, exercise: str) -> str:
    """One grade in full: every check, what it asked and what it saw, and what was odd."""
    found = [t for t in find_tasks(submissions, course) if (t.learner, t.exercise) == (learner, exercise)]
    if not found:
        raise Refused(f"{submissions} has no learner {learner!r} with an exercise {exercise!r}")
    if found[0].path is None:
        return f"{one_line(learner)}, {one_line(exercise)}: no notebook was handed in"
    row = grade(found[0])
    if row.judgement is None:
        return f"{one_line(learner)}, {one_line(exercise)}: {row.status}: {one_line(row.message)}"
    missed = [Mistake(exercise, v.check, v.kind) for v in row.judgement.verdicts if not v.holds]
    known = misconceptions(exercise, missed)
    beliefs = [f"Misconception: {known[m]} (check {m.check})" for m in missed if m in known]
    odd = [f"Odd: {one_line(told)}" for told in row.judgement.odd]
    return plain("\n".join([as_text(f"{learner}, {exercise}", row.judgement), *beliefs, *odd]), 100_000)


def release_course(given: argparse.Namespace) -> int:
    """``k8slearn release``: the exit status."""
    secret = make_secret(Path(given.secret)) if given.secret else b""
    written = write_release(Path(given.out), _path(given.roster), secret, given.nbgrader)
    print(f"{written} notebooks in {given.out}")
    return 0
