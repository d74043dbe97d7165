"""The smallest changes that flip an outcome, found by typing them on copies of the cluster.

A failed attempt names the step where it ended, and on its way it read rows. What a person might type about these is
*proposed* (`services`, `policies`, `history`, `kernel`; `closing` for a connection that should not be), typed on a copy
where every component does what it would do, and the question is asked again. An edit that is handed out has flipped the
outcome there, in every fate that chance leaves. One change is tried before two, two before three.

Edits are ordered by how many fields they change; of equals, what takes back what somebody typed stands first, then what
opens or closes the fewest other pairs of pods.

Left out: edits of files and of running containers; more than three changes at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from k8slearn.engine import Engine
from k8slearn.repair import closing, history, kernel, policies, services
from k8slearn.repair.edit import Candidate, Case, Edit, Typed, asked
from k8slearn.repair.effects import Effects
from k8slearn.repair.typed import row_text
from k8slearn.verbs import Question

__all__ = ["Case", "Edit", "Question", "Typed", "asked", "edits", "row_text", "smallest"]

BUDGET = 150
"""How many times a question is asked again, at most."""
DEPTH = 3
WIDTH = 6
"""So many copies that came further are gone on with."""
MOST = 6
"""Of so many edits, the smallest, it is counted what else they do."""
FURTHER = f"the other pairs were counted of the {MOST} smallest edits only"


def edits(engine: Engine, question: Question) -> list[Edit]:
    """Every edit that was found, the smallest first. The engine is not changed."""
    before = asked(engine, question)
    found = sorted(_found(before, every=True), key=_rank)
    return _weighed(before, found[:MOST]) + [replace(_edit(case), limited=FURTHER) for case in found[MOST:]]


def smallest(engine: Engine, question: Question) -> Edit | None:
    """The smallest edit; None where none was found."""
    before = asked(engine, question)
    found = sorted(_found(before, every=False), key=_rank)
    equals = [case for case in found if _rank(case) == _rank(found[0])]
    return next(iter(_weighed(before, equals[:MOST])), None)


def _weighed(before: Case, cases: list[Case]) -> list[Edit]:
    """With what else they do, and in their order."""
    effects = Effects(before)
    return sorted((effects.of(_edit(case), case) for case in cases), key=_cost)


def _found(before: Case, every: bool) -> list[Case]:
    """The copies on which it comes out otherwise, after as few changes as possible; not `every`: of the smallest."""
    until, left, closes = before.engine.journal.revision, BUDGET, before.connects == 1
    frontier = [before] if before.question.address is not None else []
    for _ in range(1 if closes else DEPTH):
        flipped: list[Case] = []
        further: list[Case] = []
        for case in frontier:
            for candidate in _proposed(case, until, closes):
                if left == 0 or (flipped and not every and candidate.size > _size(flipped[0])):
                    break
                left -= 1
                after = case.typing(candidate)
                if after is not None and after.connects == 1 - closes and after.connects != before.connects:
                    flipped.append(after)
                elif after is not None and (after.connects > case.connects or after.end != case.end):
                    further.append(after)
        if flipped:
            return flipped
        frontier = sorted(further, key=lambda case: -case.connects)[:WIDTH]
    return []


def _proposed(case: Case, until: int, closes: bool) -> list[Candidate]:
    """What might be typed, each once, the smallest first."""
    rooms = [closing.candidates(case)] if closes else _rooms(case, until)
    seen = {(change.typed, change.ask) for change in case.done}
    fresh: dict[object, Candidate] = {}
    for candidate in chain.from_iterable(rooms):
        if (candidate.typed, candidate.ask) not in seen:
            fresh.setdefault((candidate.typed, candidate.ask), candidate)
    return sorted(fresh.values(), key=lambda candidate: (candidate.size, not candidate.restores))


def _rooms(case: Case, until: int) -> list[Iterator[Candidate]]:
    rooms = [services.candidates(case), policies.candidates(case), history.candidates(case, until)]
    return [*rooms, kernel.candidates(case)]


def _size(case: Case) -> int:
    return sum(change.size for change in case.done)


def _rank(case: Case) -> tuple[int, bool]:
    return _size(case), not all(change.restores for change in case.done)


def _cost(edit: Edit) -> tuple[int, bool, int, int]:
    return edit.size, not edit.restores, len(edit.opens) + len(edit.closes), len(edit.typed)


def _edit(case: Case) -> Edit:
    typed = tuple(step for change in case.done for step in change.typed)
    says, restores = "; then ".join(change.says for change in case.done), all(c.restores for c in case.done)
    return Edit(says, typed, _size(case), case.attempt.ending.outcome, restores=restores)
