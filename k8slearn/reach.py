"""Who can reach whom: one question for every pair of pods, all answered by the same packet walk.

``kubectl`` has no such command, because no real cluster can be asked without sending the packets. Here they are sent in
forks of the world, one for each way that chance can fall, and nothing remembers them.

A thousand pods are a million pairs, and most walks are the same but for names. Pods that are wired `alike` are one
class, and classes of machines that are alike are one again; what a policy agent's rules say of each pair is asked for
all pairs at once (`packetsets`); and one walk is taken for each two classes and each answer of those rules.

All three remember what they looked at: after a change only that is asked again which could have become otherwise.
What is remembered belongs to the cluster (it hangs at its settings' row), and is believed only while the very rows are
there.

Left out: pods that have no address of the family (yet): they have no row and no column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from k8slearn import alike, endpoints, packetsets
from k8slearn.alike import Places, Puzzled, Wiring
from k8slearn.journal import Table, World, drive
from k8slearn.linux import fib, socket
from k8slearn.matrix import Matrix
from k8slearn.packetsets import Packets

EGRESS, INGRESS, OPEN, ITSELF = "egress", "ingress", "open", "itself"
"""Who stops a packet: the sender's own rules, the receiver's, nobody; and a pod that asks itself."""
STOPPED = {EGRESS: ("dst", "source"), INGRESS: ("src", "destination")}
"""Whose chain that is."""
Kind = tuple[int, int, str]
"""A class of senders, a class of receivers, and who stops their packets: one walk stands for all such pairs."""
Pairing = tuple[int, int, bool, str]
"""The same for machines that are alike: classes that may stand for each other, on one machine or on two."""


class Outcome(NamedTuple):
    """What a walk came to."""

    outcomes: tuple[str, ...]
    met: frozenset[str]
    """The stops at which its packets were let through."""


def matrix(world: World, port: int = 80, protocol: str = "TCP", family: int = 4) -> Matrix:
    """Ask for every pair of pods, each pod itself included, at their addresses of one family.

    A walk is taken for each class of equal ones (`alike`, `packetsets`), where the rules are understood; else for each
    pair.
    """
    places, proto = endpoints.pods(world, family), protocol.lower()
    try:
        cells: Mapping[tuple[str, str], tuple[str, ...]] = Classes(world, places, port, proto, family).cells()
    except Puzzled:
        cells = {(a, b): _walked(world, places, a, b, port, proto) for a in places for b in places}
    return Matrix(tuple(places), port, protocol, cells, family)


def _walked(world: World, places: Places, source: str, to: str, port: int, proto: str) -> tuple[str, ...]:
    """Every outcome that chance leaves to one pair."""
    found = socket.fates(world, places[source][0], places[to][1], port, proto)
    return tuple(sorted({fate.outcome for fate in found}))


class Cells(Mapping[tuple[str, str], tuple[str, ...]]):
    """The cells of a matrix by kinds of pairs: what one pair of each kind came to."""

    def __init__(
        self,
        names: tuple[str, ...],
        classes: list[int],
        rows: list[tuple[int, int, int]],
        outcomes: Mapping[Kind, tuple[str, ...]],
    ) -> None:
        self._names, self._classes, self._rows, self._outcomes = names, classes, rows, outcomes
        self._number = {name: n for n, name in enumerate(names)}

    def __getitem__(self, pair: tuple[str, str]) -> tuple[str, ...]:
        a, b = self._number[pair[0]], self._number[pair[1]]
        one, unsent, unheard = self._rows[a]
        word = ITSELF if a == b else EGRESS if unsent >> b & 1 else INGRESS if unheard >> b & 1 else OPEN
        return self._outcomes[one, self._classes[b], word]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return product(self._names, self._names)

    def __len__(self) -> int:
        return len(self._names) ** 2


@dataclass(slots=True)
class Memory:
    """What the last matrices of a cluster were found out from, by (port, protocol, family)."""

    wirings: dict[tuple[int, str, int], Wiring] = field(default_factory=dict)
    outcomes: dict[tuple[int, str, int], dict[Pairing, Outcome]] = field(default_factory=dict)
    packets: dict[tuple[int, str, int], Packets] = field(default_factory=dict)


def _memory(rows: Table) -> Memory:
    return Memory()


class Classes:
    """Pods that are wired alike, and what each one's own rules let through. A set of pods is a number: a bit each."""

    def __init__(self, world: World, places: Places, port: int, proto: str, family: int) -> None:
        self.world, self.places, self.port, self.proto = world, places, port, proto
        self.names = tuple(places)
        memory, about = world.table("cluster", "settings").index(_memory), (port, proto, family)
        known = memory.wirings.get(about)
        self.wiring = memory.wirings[about] = alike.remembered(world, places, port, proto, known)
        if self.wiring is not known:
            memory.outcomes[about] = {}
        self.outcomes = memory.outcomes[about]
        self.classes = [self.wiring.classes[pod] for pod in self.names]
        self.members: dict[int, int] = {}
        for n, number in enumerate(self.classes):
            self.members[number] = self.members.get(number, 0) | 1 << n
        machines = [scope for scope in world.scopes("addr") if "/" not in scope]
        held = [row.address for scope in machines for row in world.rows[scope, "addr"].values()]
        self.addresses = (*(address for _, address in places.values()), *held)
        before = memory.packets.get(about)
        self.packets = before if before is not None and before.addresses == self.addresses else Packets(self.addresses)
        memory.packets[about] = self.packets.within(world)
        self.unsent = [self._stopped(pod, "dst") for pod in self.names]
        """For each pod the pods that its own chain lets nothing through to."""
        self.unheard = turned([self._stopped(pod, "src") for pod in self.names], len(self.addresses))
        """For each address the pods whose own chain lets nothing through from there."""

    def _stopped(self, pod: str, side: str) -> int:
        """The far addresses that a pod's own chain drops packets to (dst), or from (src)."""
        scope, key = self.wiring.own.get(pod, {}).get(side, ("", None))
        if key is None:
            return 0
        found = self.packets.dropped(scope, key, packetsets.Asked(side, self.places[pod][1], self.proto, self.port))
        if found is None:
            raise Puzzled("a pod's own chain is not understood")
        return found

    def cells(self) -> Cells:
        """Walk once for each kind of pair."""
        rows = [(one, self.unsent[a], self._unheard_of(a)) for a, one in enumerate(self.classes)]
        found: dict[Kind, tuple[int, int]] = {}
        met: Counter[tuple[int, int, int]] = Counter()
        for a, (one, unsent, unheard) in enumerate(rows):
            found.setdefault((one, one, ITSELF), (a, a))
            met[rows[a]] += 1
            if met[rows[a]] > 2:
                continue  # two equal rows leave out one pod each, themselves: together they have had every kind
            for other, there in self.members.items():
                for word, pods in _parted(there & ~(1 << a), unsent, unheard):
                    if pods and (one, other, word) not in found:
                        found[one, other, word] = (a, (pods & -pods).bit_length() - 1)
        outcomes: dict[Kind, tuple[str, ...]] = {}
        for kind in sorted(found, key=lambda kind: kind[2] in STOPPED):
            outcomes[kind] = self._outcome(kind, *found[kind])
        return Cells(self.names, self.classes, rows, outcomes)

    def _outcome(self, kind: Kind, a: int, b: int) -> tuple[str, ...]:
        """What one walk said that stands for all of this kind, on whichever machines that are alike."""
        one, other, word = kind
        like, homes = self.wiring.like, self.wiring.homes
        pairing = (like[one], like[other], homes[one] == homes[other])
        known = self.outcomes.get((*pairing, word))
        if known is not None:
            return known.outcomes
        opened = self.outcomes.get((*pairing, OPEN))
        if opened is not None and word in opened.met:
            return ("timeout",)
        known = self.outcomes[(*pairing, word)] = self._walked(word, self.names[a], self.names[b])
        return known.outcomes

    def _walked(self, word: str, source: str, to: str) -> Outcome:
        """One walk; an open one also says whether it met the chains that could have dropped it."""
        fork, (netns, _), (_, address) = self.world.fork(), self.places[source], self.places[to]
        attempt = drive(socket.connect(fork, netns, address, self.port, self.proto, attempts=1), fork.apply)
        keys = {step.because.key for step in attempt.legs[0].steps if step.because is not None}
        met = set()
        for by, (side, end) in STOPPED.items() if word == OPEN else ():
            own = self.wiring.own.get(source if end == "source" else to, {}).get(side)
            if own is not None and own[1] in keys:
                met.add(by)
        if attempt.draws:
            return Outcome(_walked(self.world, self.places, source, to, self.port, self.proto), frozenset(met))
        return Outcome((attempt.ending.outcome,), frozenset(met))

    def _unheard_of(self, a: int) -> int:
        """The pods that do not hear this one. One on its node's network sends from the address that the route says."""
        scope = self.places[self.names[a]][0]
        if "/" in scope:
            return self.unheard[a]
        found = 0
        for pods in self.members.values():
            address = self.places[self.names[(pods & -pods).bit_length() - 1]][1]
            way = fib.lookup(self.world, scope, address)
            source = fib.source_for(self.world, scope, way, address) if way.kind in ("unicast", "local") else ""
            if source in self.addresses:
                found |= pods & self.unheard[self.addresses.index(source)]
        return found


def turned(rows: Sequence[int], width: int) -> list[int]:
    """Row -> bits of columns becomes column -> bits of rows. Equal rows are turned together, and equal columns."""
    groups: dict[int, int] = {}
    for n, row in enumerate(rows):
        groups[row] = groups.get(row, 0) | 1 << n
    columns = zip(*(format(row, f"0{width}b") for row in groups), strict=True)
    found: dict[tuple[str, ...], int] = {}
    turned = []
    for column in columns:
        if column not in found:
            found[column] = sum(pods for pods, bit in zip(groups.values(), column, strict=True) if bit == "1")
        turned.append(found[column])
    return turned[::-1]


def _parted(pods: int, unsent: int, unheard: int) -> Iterator[tuple[str, int]]:
    """Destinations by who stops packets to them: the sender's own rules, the receiver's, or nobody."""
    yield EGRESS, pods & unsent
    yield INGRESS, pods & ~unsent & unheard
    yield OPEN, pods & ~unsent & ~unheard
