"""Every way in which chance can let an attempt end, each with its exact probability.

A rule with ``--probability`` draws; an attempt is run once for each way the draws can fall, and the probabilities of
equal ends are added up. They are fractions, and they add up to 1.

A packet that a queue loses is sent again; all its tries are one draw, as `qdisc.py` tells.

Left out: the time that lost tries take (an end is counted as if patience sufficed); more than one draw that is kept
from one SYN to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from k8slearn.journal import Command, World, drive
from k8slearn.linux import netns, qdisc
from k8slearn.linux.attempt import connect, syn_times
from k8slearn.trace import Attempt, Draw, Ending, Fate

KERNELS = frozenset(netns.TABLES)
"""The tables of the kernel's own; what else a walk writes is a program's map, and remembers what was chosen."""


class _Leaf(NamedTuple):
    probability: Fraction
    ending: Ending
    learned: bool


@dataclass(slots=True)
class _Explorer:
    """Runs an attempt once for each way chance can fall (a depth-first walk over the draws)."""

    world: World
    question: tuple[str, str, int, str]

    def explore(self, attempts: int) -> list[_Leaf]:
        leaves: list[_Leaf] = []
        todo: list[tuple[bool, ...]] = [()]
        while todo:
            forced = todo.pop()
            attempt, learned = self.run(forced, attempts)
            said = [d.hit for d in attempt.draws]
            todo += [(*said[:n], True) for n in range(len(forced), len(said)) if attempt.draws[n].probability < 1]
            leaves.append(_Leaf(_product(attempt.draws), attempt.ending, learned))
        return leaves

    def run(self, forced: tuple[bool, ...], attempts: int) -> tuple[Attempt, bool]:
        scope, dst, port, proto = self.question
        fork = self.world.fork()
        walk = connect(fork, scope, dst, port, proto, forced=forced, attempts=attempts)
        tables = set[str]()

        def write(command: Command) -> None:
            tables.add(command.key[1])
            fork.apply(command)

        attempt = drive(walk, write)
        programs = any(table not in KERNELS and not table.startswith("nft") for table in tables)
        settled = "conntrack" in tables or programs or attempt.legs[0].name == "connect"
        return attempt, settled or qdisc.gave_up(attempt.draws)


def _product(draws: tuple[Draw, ...]) -> Fraction:
    out = Fraction(1)
    for draw in draws:
        out *= draw.probability
    return out


def fates(world: World, netns: str, dst: str, port: int = 80, proto: str = "tcp") -> list[Fate]:
    """Every possible end of an attempt with its exact probability, the likeliest first.

    A first SYN that is lost before any kernel confirmed its connection leaves chance as it was: the next SYN draws
    afresh. So one round of draws is enough to know them all. What a program remembers, or told the socket, stays.
    """
    explorer = _Explorer(world, (netns, dst, port, proto))
    first = explorer.explore(1)
    again = sum(
        (leaf.probability for leaf in first if leaf.ending.outcome == "timeout" and not leaf.learned), Fraction(0)
    )
    tries = len(syn_times(world, netns, proto))
    rounds = sum((again**n for n in range(tries)), Fraction(0))
    total: dict[Ending, Fraction] = {}
    for leaf in first:
        if leaf.ending.outcome == "timeout" and not leaf.learned:
            continue
        ending = leaf.ending._replace(payload="", error="")
        total[ending] = total.get(ending, Fraction(0)) + leaf.probability * rounds
    lost = 1 - sum(total.values(), Fraction(0))
    if lost:
        total[Ending("timeout")] = total.get(Ending("timeout"), Fraction(0)) + lost
    found = [Fate(p, e.outcome, e.answered_by, e.source_seen, e.destination_seen) for e, p in total.items()]
    return sorted(found, key=lambda f: (-f.probability, f.outcome, f.answered_by or ""))


def certain(ending: Ending) -> list[Fate]:
    """The fates of an attempt that chance has no part in."""
    return [Fate(Fraction(1), ending.outcome, ending.answered_by, ending.source_seen, ending.destination_seen)]
