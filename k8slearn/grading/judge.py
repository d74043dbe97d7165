"""Judge one record: is it this learner's, does it replay, and which checks hold.

The same function serves the learner (feedback now) and the instructor (the grade later), on the same bytes, in an
engine that nobody else has touched.

Left out: partial points within a check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from k8slearn import __version__
from k8slearn.cluster import Cluster
from k8slearn.errors import Refused
from k8slearn.grading.checks import Check, Failed, Work
from k8slearn.grading.definition import Definition
from k8slearn.grading.record import Record, canonical
from k8slearn.grading.start import answers_in, done_in, replay, work_in
from k8slearn.grading.variant import Variant, nameless
from k8slearn.journal import digest

MOST_KIND = 400
"""How many letters of what a check says are compared between learners."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found. `says` and `hint` are empty when it holds."""

    check: str
    asks: str
    max_points: float
    holds: bool
    says: str = ""
    hint: str = ""
    kind: str = ""
    """The first line of `says` without the names of this variant: equal for those who went wrong in the same way."""
    hidden: bool = False

    @property
    def points(self) -> float:
        return self.max_points if self.holds else 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a record is worth. `odd` is for the instructor: it takes no points away."""

    verdicts: tuple[Verdict, ...]
    odd: tuple[str, ...] = ()
    entries: int = 0
    """How many inputs and answers the record holds."""
    work: str = ""
    """A digest of them without the names of this variant: the same for learners who did the same."""

    @property
    def points(self) -> float:
        return sum(v.points for v in self.verdicts)

    @property
    def max_points(self) -> float:
        return sum(v.max_points for v in self.verdicts)

    @property
    def done(self) -> bool:
        return all(v.holds for v in self.verdicts)


def judge(definition: Definition, record: Record, learner: str, token: str = "") -> Judgement:
    """Replay a record and ask every check; raises `Refused` when the record is not this learner's work.

    `token` is the one that the course signed for this learner and exercise, "" where it signs none."""
    variant = definition.variant(learner, token)
    _belongs(record, definition.id, learner, variant)
    cluster, odd = replay(definition, variant, record)
    if record.engine != __version__:
        odd.append(f"made by engine {record.engine[:20]}, graded by {__version__}")
    work = work_of(definition, variant, cluster)
    verdicts = tuple(_ask(check, work, odd) for check in definition.checks)
    inputs = done_in(cluster)
    done = nameless(canonical([(i.kind, i.arguments) for i in inputs]), variant)
    return Judgement(verdicts, tuple(odd[:20]), len(inputs), digest("work", done, length=32))


def work_of(definition: Definition, variant: Variant, cluster: Cluster) -> Work:
    """What has been done in this cluster and answered, for checks and hints to look at."""
    inputs = done_in(cluster)
    told = _explanations(definition, variant)
    return Work(cluster, answers_in(inputs), variant, work_in(inputs), cluster.engine.floor, told)


def _belongs(record: Record, exercise: str, learner: str, variant: Variant) -> None:
    if record.exercise != exercise:
        raise Refused(f"this record is for the exercise {record.exercise!r}, not {exercise!r}")
    if record.learner != learner:
        raise Refused(
            f"this record was made by the learner {record.learner!r}, not {learner!r}: "
            f"open the exercise with learner={learner!r} and do it there"
        )
    if variant.get("token") != record.variant.get("token"):
        raise Refused(
            "this record was not made in the version of the exercise that the course released to this learner"
        )
    if canonical(record.variant) != canonical(variant):
        raise Refused("this record was made for another variant of the exercise than this learner's")


def _explanations(definition: Definition, variant: Variant) -> Mapping[str, Mapping[str, str]]:
    filled = (definition.question(q.id, variant) for q in definition.questions)
    return {q.id: {str(c.value): c.explains for c in q.choices} for q in filled}


def _ask(check: Check, work: Work, odd: list[str]) -> Verdict:
    """One check's verdict. A check that breaks is the author's fault: it gives no points and is reported."""

    def missed(says: str, hint: str = "") -> Verdict:
        kind = nameless(says.split("\n", 1)[0][:MOST_KIND], work.variant)
        return Verdict(check.id, check.asks, check.points, False, says, hint, kind, check.hidden)

    try:
        check.judge(work)
    except Failed as failed:
        return missed(failed.says, failed.hint)
    except Refused as refused:
        return missed(str(refused))
    except MemoryError:
        raise
    except Exception as broken:
        odd.append(f"the check {check.id} broke: {type(broken).__name__}: {broken}")
        return missed(f"This check could not be asked of your cluster ({type(broken).__name__}): tell your instructor.")
    return Verdict(check.id, check.asks, check.points, True, hidden=check.hidden)
