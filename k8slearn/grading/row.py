"""A submission as a task for a worker, and what comes of it: a row of every report.

Left out: nothing that a report needs; what a learner did is in their record.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from k8slearn.grading.judge import Judgement


class Task(NamedTuple):
    """One submission: everything that a worker needs to know. No path means that nothing was handed in."""

    learner: str
    exercise: str
    path: Path | None
    member: str = ""
    token: str = ""
    hidden: Path | None = None
    copies: tuple[str, ...] = ()
    """Other copies of the notebook, which do not count."""
    since: float | None = None
    """When it was handed in (seconds since 1970), if anything says so."""


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
    late: str = ""
    """How late it was handed in, and what that cost: a sentence; "" when it was in time, or there was no deadline."""


STATUSES = {
    "done": "every check holds",
    "not done": "some checks do not hold",
    "missing": "no notebook was handed in",
    "refused": "the notebook or its record cannot be graded",
    "limit": "grading it broke a limit of memory or time",
}
