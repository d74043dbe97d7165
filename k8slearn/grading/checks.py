"""What the author of an exercise writes: checks that ask the world, never the learner's text.

A check is a function of a `Work`. It returns nothing when what it asks holds, and raises `Failed` with a sentence
when it does not. Ask for every possible fate, never for one draw, and probe as well what must *not* be reachable::

    @check("web-answers", points=2, asks="Every pod reaches the Service web.")
    def web_answers(work):
        for pod in work.pods("default"):
            work.connects(pod, "svc:default/web", 80)

A hint may look, too, at the cluster as it is now: a function of a `Work` that returns a sentence is `@hint`.

Left out: partial points within one check; write two checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from k8slearn.errors import Refused
from k8slearn.journal import Input

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster
    from k8slearn.trace import Step, Trace

T = TypeVar("T")
MOST_FACTS = 8
"""So many facts may support one claim: who names every step has explained nothing."""


class Failed(Exception):
    """What a check asked does not hold: one sentence about the network, and the nearest hint."""

    def __init__(self, says: str, hint: str = "") -> None:
        super().__init__(says)
        self.says = says
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked of the learner's cluster and answers, and what it is worth."""

    id: str
    asks: str
    points: float
    judge: Callable[[Work], None]
    hidden: bool = False
    """Is it the instructor's own? Then learners read whether it holds, and nothing else."""


def check(name: str, *, asks: str, points: float = 1) -> Callable[[Callable[[Work], None]], Check]:
    """Make a check of a function; `asks` is the sentence that the learner reads."""
    return lambda judge: Check(name, asks, points, judge)


@dataclass(frozen=True, slots=True)
class Hint:
    """A hint that looks at the learner's own cluster before it speaks."""

    tells: Callable[[Work], str]


def hint(tells: Callable[[Work], str]) -> Hint:
    """Make a hint of a function; it stands behind the first one of exercise.toml, and before the plainer ones."""
    return Hint(tells)


def load_hints(path: Path) -> tuple[Hint, ...]:
    """The hints of a checks.py, in the order in which they stand there."""
    return tuple(value for value in run_file(path).values() if isinstance(value, Hint))


def load_checks(path: Path) -> tuple[Check, ...]:
    """The checks of a checks.py, in the order in which they stand there."""
    return tuple(value for value in run_file(path).values() if isinstance(value, Check))


def run_file(path: Path) -> dict[str, Any]:
    """Run a Python file that the exercise's author wrote; the names that it bound."""
    names: dict[str, Any] = {"__name__": f"{path.parent.name}.{path.stem}", "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    return names


@dataclass(frozen=True, slots=True)
class Answer:
    """What the learner answered, and the revision of the cluster at which they did."""

    question: str
    value: Any
    revision: int


@dataclass(eq=False)
class Work:
    """A learner's work, replayed: what a check may ask."""

    cluster: Cluster
    """The cluster as the learner left it."""
    answers: Mapping[str, Answer]
    variant: Mapping[str, Any]
    inputs: tuple[Input, ...] = ()
    """What the learner did, without the start and without the answers."""
    started: int = 0
    """The revision at which the learner took over."""
    explanations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Question -> value as text -> why a learner might have chosen it, and what is true instead."""
    _asked: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    """What was asked before: checks often ask the same, and the walk is most of what grading costs."""
    _pasts: dict[int, Cluster] = field(default_factory=dict, repr=False)
    """The cluster at an earlier revision, for checks to look at."""

    def answer(self, question: str) -> Answer:
        """The answer to a question; fails while there is none."""
        if question not in self.answers:
            raise Failed(f"You have not answered the question {question!r} yet.")
        return self.answers[question]

    def chose(self, question: str, right: Any, hint: str = "") -> None:
        """Fails with the choice's own explanation unless the answer is `right`."""
        given = self.answer(question).value
        if not same(given, right):
            why = self.explanations.get(question, {}).get(str(given), "")
            raise Failed(f"You answered {shown(given)}. {why}".strip(), hint)

    def predicted(self, question: str, kinds: tuple[str, ...] = ("send",)) -> None:
        """Fails if the answer was given after the learner had seen the packet go."""
        seen = next((i.revision for i in self.inputs if i.kind in kinds), None)
        if seen is not None and self.answer(question).revision >= seen:
            raise Failed("This answer came after you had sent the packet: undo, predict, then send.")

    def pods(self, namespace: str | None = None) -> list[str]:
        """Every pod as ``NAMESPACE/NAME``."""
        found = [p["metadata"] for p in self.cluster.get("pods", namespace=namespace)]
        return [f"{m.get('namespace', 'default')}/{m['name']}" for m in found]

    def meetings(self, port: int) -> str:
        """What becomes of a connection between any two Pods of the default namespace: a sentence for a hint."""
        told = []
        for one, other in permutations(self.pods("default"), 2):
            trace = self.trace(one, other, port)
            seen = f" (seen as {trace.source_seen})" if trace.source_seen else ""
            told.append(f"{one.partition('/')[2]} to {other.partition('/')[2]} {trace.outcome}{seen}")
        return f"As things stand on port {port}: {', '.join(told) or 'there are no two Pods'}."

    def connects(
        self,
        source: str,
        destination: str,
        port: int = 80,
        protocol: str = "TCP",
        *,
        answered_by: str | None = None,
        source_seen: str | None = None,
        hint: str = "",
    ) -> Trace:
        """Fails unless every fate of this attempt connects (and is answered by, and seen as, what is given)."""
        trace = self.trace(source, destination, port, protocol)
        wanted = {"outcome": "connected", "answered_by": answered_by, "source_seen": source_seen}
        for fate in trace.fates():
            for name, value in wanted.items():
                if value is not None and getattr(fate, name) != value:
                    told = f"{name.replace('_', ' ')} is {getattr(fate, name)}, not {value}"
                    raise Failed(f"From {source} to {destination} port {port}: {told}.\n{explained(trace)}", hint)
        return trace

    def blocked(self, source: str, destination: str, port: int = 80, protocol: str = "TCP", *, hint: str = "") -> Trace:
        """Fails if any fate of this attempt connects."""
        trace = self.trace(source, destination, port, protocol)
        if any(fate.outcome == "connected" for fate in trace.fates()):
            raise Failed(f"{source} can reach {destination} port {port}, and it must not.\n{explained(trace)}", hint)
        return trace

    def trace(
        self, source: str, destination: str, port: int = 80, protocol: str = "TCP", revision: int | None = None
    ) -> Trace:
        """A trace in the learner's cluster, now or as it was at a revision of their own work; an endpoint that is not
        there is the learner's failure, not ours."""
        cluster = self.cluster if revision is None else self.at(revision)
        try:
            return self.once(cluster.trace, source, destination, port, protocol)
        except Refused as missing:
            raise Failed(f"From {source} to {destination} nothing could be sent: {missing}") from missing

    def once(self, ask: Callable[..., T], *given: Hashable) -> T:
        """`ask(*given)`, asked once while the learner's cluster stands as it does; what comes of it is for reading."""
        key = (ask, self.cluster.journal.revision, *given)
        if key not in self._asked:
            self._asked[key] = ask(*given)
        found: T = self._asked[key]
        return found

    def evidence(self, question: str) -> tuple[Trace, Step]:
        """The trace and the step that the learner points at, asked again at the revision that they name.

        Evidence is ``{source, destination, port, protocol, revision, step}``; with a ``url`` in place of a destination
        it is a step of that request's own connection.
        """
        return self.pointed(question, self.answer(question).value)

    def facts(self, question: str) -> list[tuple[Trace, Step]]:
        """The facts that the learner chose, each looked up as evidence is; `grading.facts` judges them."""
        given = self.answer(question).value
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_FACTS:
            raise Failed(f"The answer to {question!r} is a list of at most {MOST_FACTS} facts.")
        return [self.pointed(question, fact) for fact in given]

    def pointed(self, question: str, given: Any) -> tuple[Trace, Step]:
        """The step that one piece of evidence points at; fails where there is none."""
        try:
            revision, number = int(given["revision"]), int(given["step"])
            past = self.at(revision)
            steps = (trace := self._asked_of(past, given)).steps
            if not 1 <= number <= len(steps):
                raise Failed(f"That trace has {len(steps)} steps; you point at step {number}.")
            return trace, steps[number - 1]
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            reason = str(wrong) if isinstance(wrong, Refused) else "it needs source, destination, revision and step"
            raise Failed(f"The evidence for {question!r} cannot be looked up: {reason}") from wrong

    def at(self, revision: int) -> Cluster:
        """The cluster as it was at a revision of the learner's own work."""
        last = self.cluster.journal.revision
        if not self.started <= revision <= last:
            raise Failed(f"Revision {revision} is not in your work: it goes from {self.started} to {last}.")
        if revision == last:
            return self.cluster
        if revision not in self._pasts:
            self._pasts[revision] = self.cluster.at(revision)
        return self._pasts[revision]

    def _asked_of(self, past: Cluster, given: Mapping[str, Any]) -> Trace:
        """The question that a learner's evidence names, asked again."""
        if "url" in given:
            return self.once(past.request, given["source"], given["url"]).first
        port, protocol = int(given.get("port", 80)), given.get("protocol", "TCP")
        return self.once(past.trace, given["source"], given["destination"], port, protocol)


def same(given: Any, right: Any) -> bool:
    """Equal as JSON: 1 is not true, and "80" is 80 when a person has typed it."""
    if isinstance(given, bool) or isinstance(right, bool):
        return given is right
    return bool(given == right) or str(given).strip() == str(right)


def shown(value: Any) -> str:
    """A value of the learner's as one short line."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= 120 else text[:117] + "…"


def explained(trace: Trace) -> str:
    """The trace's own sentences."""
    told = trace.explain()
    return told if isinstance(told, str) else "\n".join(map(str, told))
