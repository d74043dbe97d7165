"""Every way in which chance can let an attempt end, each with its exact probability.

A rule with ``--probability`` draws; an attempt is run once for each way the draws can fall, and the probabilities of
equal ends are added up. They are fractions, and they add up to 1.

A packet that a queue loses is sent again; all its tries are one draw, as `qdisc.py` tells.

Left out: the time that lost tries take (an end is counted as if patience sufficed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from k8slearn.journal import Command, Key, World, drive
from k8slearn.linux import netns, qdisc
from k8slearn.linux.attempt import connect, syn_times
from k8slearn.trace import Attempt, Draw, Ending, Fate

KERNELS = frozenset(netns.TABLES)
"""The tables of the kernel's own; what else a walk writes is a program's map, and remembers what was chosen."""
KEEPS = ("conntrack", "recent", "ipvs-client")
"""The tables that keep what was drawn: a connection that was confirmed, and a client that an affinity remembers."""
Learned = frozenset[Key]
Ends = dict[Ending, Fraction]


class _Leaf(NamedTuple):
    """One way in which the draws of one SYN fell."""

    probability: Fraction
    ending: Ending
    again: bool
    """It ended in silence, and a machine that drew has kept nothing: the next SYN draws afresh there."""
    world: World
    learned: Learned
    sport: int | None


@dataclass(slots=True)
class _Explorer:
    """Runs an attempt once for each way chance can fall (a depth-first walk over the draws)."""

    question: tuple[str, str, int, str]
    asking: Mapping[str, Any]
    leaves: dict[Learned, list[_Leaf]] = field(default_factory=dict)
    known: dict[tuple[Learned, int], Ends] = field(default_factory=dict)

    def ends(self, start: _Leaf, tries: int) -> Ends:
        """Every end of an attempt that goes on from here with so many SYNs."""
        found = self.known.get((start.learned, tries))
        if found is not None:
            return found
        if start.learned not in self.leaves:
            self.leaves[start.learned] = list(self.explore(start))
        total: Ends = {}
        again: dict[Learned, tuple[Fraction, _Leaf]] = {}
        for leaf in self.leaves[start.learned]:
            if leaf.again and tries > 1:
                before = again.get(leaf.learned, (Fraction(0), leaf))
                again[leaf.learned] = (before[0] + leaf.probability, leaf)
            else:
                total[leaf.ending] = total.get(leaf.ending, Fraction(0)) + leaf.probability
        for share, leaf in again.values():
            for ending, probability in self.ends(leaf, tries - 1).items():
                total[ending] = total.get(ending, Fraction(0)) + share * probability
        self.known[start.learned, tries] = total
        return total

    def explore(self, start: _Leaf) -> Iterator[_Leaf]:
        """One SYN, once for each way its draws can fall."""
        todo: list[tuple[bool, ...]] = [()]
        while todo:
            forced = todo.pop()
            attempt, leaf = self.run(start, forced)
            said = [d.hit for d in attempt.draws]
            todo += [(*said[:n], True) for n in range(len(forced), len(said)) if attempt.draws[n].probability < 1]
            yield leaf

    def run(self, start: _Leaf, forced: tuple[bool, ...]) -> tuple[Attempt, _Leaf]:
        scope, dst, port, proto = self.question
        fork = start.world.fork()
        walk = connect(fork, scope, dst, port, proto, sport=start.sport, forced=forced, attempts=1, **self.asking)
        written = set[Key]()

        def write(command: Command) -> None:
            written.add(command.key)
            fork.apply(command)

        attempt = drive(walk, write)
        kept = {key for key in written if key[1] in KEEPS and getattr(key[2], "proto", proto) == proto}
        programs = any(key[1] not in KERNELS and not key[1].startswith("nft") for key in written)
        settled = programs or attempt.legs[0].name == "connect" or qdisc.gave_up(attempt.draws)
        free = {draw.key[0] for draw in attempt.draws} - {key[0] for key in kept}
        silent = attempt.ending.outcome == "timeout"
        ending = Ending("timeout") if silent else attempt.ending._replace(payload="", error="")
        sport = next((s.before.sport for s in attempt.steps if s.what == "send"), start.sport)
        again = silent and not settled and (bool(free) or not kept)
        return attempt, _Leaf(_product(attempt.draws), ending, again, fork, start.learned | kept, sport)


def _product(draws: tuple[Draw, ...]) -> Fraction:
    out = Fraction(1)
    for draw in draws:
        out *= draw.probability
    return out


def fates(world: World, netns: str, dst: str, port: int = 80, proto: str = "tcp", **asking: Any) -> list[Fate]:
    """Every possible end of an attempt with its exact probability, the likeliest first.

    `asking` is for `connect`: a request of one's own, and how long its answer is waited for.

    A SYN that is lost before the machine that drew has confirmed its connection leaves chance there as it was: the
    next SYN draws afresh. What a machine confirmed, an affinity or a program remembers, or told the socket, stays.
    """
    start = _Leaf(Fraction(1), Ending("timeout"), True, world, frozenset(), None)
    total = _Explorer((netns, dst, port, proto), asking).ends(start, len(syn_times(world, netns, proto)))
    found = [Fate(p, e.outcome, e.answered_by, e.source_seen, e.destination_seen) for e, p in total.items()]
    return sorted(found, key=lambda f: (-f.probability, f.outcome, f.answered_by or ""))


def certain(ending: Ending) -> list[Fate]:
    """The fates of an attempt that chance has no part in."""
    return [Fate(Fraction(1), ending.outcome, ending.answered_by, ending.source_seen, ending.destination_seen)]
