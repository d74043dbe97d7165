"""Late hand-ins: marked, and where the course wishes it, worth less for each day begun.

When something was handed in is what its file, its zip or the list of checkouts says (`collect`); what a notebook says
of itself is never believed. A grade is remembered as it was earned, and what lateness costs is taken off each time
anew: with another deadline nothing is graded again.

Left out: an hour's grace, and penalties that are not so much for each day.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from k8slearn.grading.row import Row, Task

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when, in seconds since 1970; for whom it is another time; and how many percent each day begun costs."""

    until: float
    own: Mapping[str, float] = field(default_factory=dict)
    percent: float = 0.0

    def marked(self, rows: Iterable[Row], tasks: Iterable[Task]) -> list[Row]:
        """The rows, and of those that were handed in late how late, and what that cost."""
        handed_in = {(task.learner, task.exercise): task for task in tasks if task.path}
        return [self._marked(row, handed_in.get((row.learner, row.exercise))) for row in rows]

    def _marked(self, row: Row, task: Task | None) -> Row:
        if task is None:
            return row
        if task.since is None:
            return replace(row, late="Nothing says when this was handed in.")
        over = task.since - self.own.get(row.learner, self.until)
        if over <= 0:
            return row
        cost = round(row.points * min(100.0, self.percent * math.ceil(over / DAY)) / 100, 2)
        said = f"Handed in {told(over)} after the deadline"
        if cost:
            said += f": {cost:g} of the {row.points:g} points are taken off"
        return replace(row, points=round(row.points - cost, 2), late=f"{said}.")


def told(seconds: float) -> str:
    """A length of time in words: its two largest units."""
    left, words = math.ceil(seconds), []
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        words += [f"{count} {name}{'s' * (count > 1)}"] if count else []
    return " ".join(words[:2])
