"""A claim and the facts that support it: what an explanation is, where a machine has to judge it.

A learner explains by pointing: each fact is a step of a packet (evidence, as in ``grading.checks``). An explanation is
good if its facts are **true** (they hold in the cluster as it was given), **relevant** (each bears on a part of
the claim) and **sufficient** (no part is left without one). An author says what the parts are; which of several steps
a learner picks for a part is theirs::

    PARTS = {"who decided": lambda work, trace, step: step.what == "rule" and "MASQUERADE" in step.says}

    @check("sufficient", asks="Nothing that the claim needs is missing.")
    def enough(work):
        sufficient(work, "why", PARTS)

Left out: facts that are no steps of a packet (a line of YAML, a row that no packet met), and steps of a request by URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from k8slearn.grading.checks import Failed, Work
from k8slearn.trace import Step, Trace

Part = Callable[[Work, Trace, Step], bool]
"""Whether a fact bears on this part of the claim."""
_DRAWN = re.compile(r":[3-6]\d{4}\b")


def true(work: Work, question: str) -> None:
    """Fails unless every fact holds in the cluster as the learner found it, whatever was done to it since."""
    for trace, step in work.facts(question):
        before = work.trace(trace.source, trace.destination, trace.port, trace.protocol, work.started)
        if _told(step) not in map(_told, before.steps):
            raise Failed(f"In the cluster as you found it no packet meets this: {step.says}", "Point at its own steps.")


def relevant(work: Work, question: str, parts: Mapping[str, Part]) -> None:
    """Fails if a fact bears on no part of the claim."""
    for trace, step in work.facts(question):
        if not any(part(work, trace, step) for part in parts.values()):
            raise Failed(
                f"True or not, this says nothing about the claim: {step.says}", "What would change without it?"
            )


def sufficient(work: Work, question: str, parts: Mapping[str, Part]) -> None:
    """Fails, and names it, if a part of the claim has no fact."""
    facts = work.facts(question)
    for name, part in parts.items():
        if not any(part(work, trace, step) for trace, step in facts):
            raise Failed(f"None of your {len(facts)} facts shows {name}.", "Which step would somebody ask you for?")


def still_open(work: Work, question: str, parts: Mapping[str, Part]) -> str:
    """Which parts of the claim no fact shows yet: what a hint may say of an explanation."""
    given = work.facts(question) if question in work.answers else []
    missing = [name for name, part in parts.items() if not any(part(work, *fact) for fact in given)]
    return f"You have {len(given)} facts. None of them shows: {'; '.join(missing) or '(every part has one)'}."


def _told(step: Step) -> tuple[str, str, str, str]:
    """What a step says, but for the source port that a client drew."""
    because = step.because.text if step.because else ""
    return step.where, step.what, _DRAWN.sub(":*", step.says), _DRAWN.sub(":*", because)
