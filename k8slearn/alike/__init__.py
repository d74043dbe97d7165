"""Which pods are wired alike: nothing on the way of their packets tells one from the other, but for policies.

Two pods are alike when the world looks the same with their names exchanged: the same rows in their network namespaces,
the same rows about them on the machines (the cable, the routes, the neighbours), addresses within the same networks,
the same places in the rules. What is only one pod's own (its address, its cable's name, its MAC) is written as SELF,
and what is left is compared as text (`lines`). Whatever is not understood makes a pod unlike every other one: it costs
time, and never a wrong answer.

Pods of two machines are in two classes. Whether the classes may stand for each other, since their machines are alike,
is the second question (`machines`). The chain that only one pod's packets enter, by its cable, is no part of all that
(`rules`), nor are the rows that Cilium's programs ask for one pod: `packetsets` asks them. So a new policy, or a pod's
new label, leaves the classes as they are, and what was found is remembered until a row changes that is about them
(`remembered`).

Left out: sockets at other ports than the one that is asked about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from k8slearn.alike import rules
from k8slearn.alike.lines import (
    Places,
    Tables,
    Words,
    items_of,
    masked,
    networks_in,
    parts_of,
    socket_word,
    tables_of,
    text_of,
)
from k8slearn.alike.machines import Class, merged
from k8slearn.alike.rules import Own, Puzzled, Read
from k8slearn.cni.cilium import maps
from k8slearn.journal import Key, Table, World
from k8slearn.linux import device, ip

__all__ = ["Places", "Puzzled", "Wiring", "remembered", "wiring"]
BY_CONTENT = {"chain", "ipset", "ipset-member", maps.POLICY}
"""Tables of which only a part is read, which is looked at again (`Read.holds`), or nothing (`packetsets` does)."""


@dataclass(slots=True)
class Wiring:
    """The classes of pods, and the chains that are their own."""

    classes: dict[str, int] = field(default_factory=dict)
    own: Own = field(default_factory=dict)
    homes: list[str] = field(default_factory=list)
    """Class -> the machine of its pods."""
    like: list[int] = field(default_factory=list)
    """Class -> a number that is the same for classes of two machines that may stand for each other."""
    stamps: tuple[object, ...] = ()
    read: dict[str, Read] = field(default_factory=dict)
    places: Places = field(default_factory=dict)

    def holds(self, world: World, places: Places, tables: Tables) -> bool:
        """Has nothing changed that this was found out from?"""
        if places != self.places or self.stamps != _stamps(world, tables):
            return False
        return all(read.holds(world, scope) for scope, read in self.read.items())


def remembered(world: World, places: Places, port: int, proto: str, known: Wiring | None) -> Wiring:
    """The wiring that is known already, where it still holds; else it is found out anew. Raises Puzzled."""
    tables = tables_of(world)
    if known is not None and known.holds(world, places, tables):
        return known
    return _Finder(world, places, port, proto, tables).found


def wiring(world: World, places: Places, port: int, proto: str) -> Wiring:
    """Sort the pods into classes. Raises Puzzled."""
    return remembered(world, places, port, proto, None)


def _stamps(world: World, tables: Tables) -> tuple[object, ...]:
    """Something that is another one as soon as a row changes, for each table."""
    rows = world.rows
    return tuple(
        rows[scope, table].index(_stamp) for scope, some in tables.items() for table in some if table not in BY_CONTENT
    )


def _stamp(rows: Table) -> object:
    return object()


class _Finder:
    """Collects what everybody says of each pod."""

    def __init__(self, world: World, places: Places, port: int, proto: str, tables: Tables) -> None:
        self.world, self.places, self.tables = world, places, tables
        self.asked, self.socket = (port, proto), socket_word(proto, port)
        inner = {scope for scope, _ in places.values() if "/" in scope}
        self.machines = sorted({*world.scopes("netns")} - inner)
        self.words = Words(world, places, self.machines)
        self.said: dict[str, dict[str, list[str]]] = {pod: {} for pod in places}
        self.networks: dict[str, dict[str, list[str]]] = {}
        """Network -> who speaks -> what they say."""
        self.lines: dict[str, list[str]] = {machine: [] for machine in self.machines}
        """What a machine says when it means no pod."""
        self.found = Wiring(places=dict(places), stamps=_stamps(world, tables))
        for machine in self.machines:
            self._rows(machine)
            self._rules(machine)
            self._endpoints(machine)
        texts = {pod: self._own(pod) for pod in places}
        self.words.add_networks(self.networks, places)
        self._sort(texts)

    # --- what is said ---

    def _own(self, pod: str) -> str:
        """Everything in a pod's own network namespace."""
        scope = self.places[pod][0]
        if "/" not in scope:
            return ""
        of = [self._text(scope, table) for table in self.tables.get(scope, ())]
        text = masked("\n".join(of), (*self.words.of[pod], pod))
        words, networks = _scanned(text)
        for network in networks:
            self.networks.setdefault(network, {}).setdefault("", []).append(network)
        if self.words.meant(words):
            self._of_others(pod, scope)
        return text

    def _text(self, scope: str, table: str) -> str:
        return self.world.rows[scope, table].index(text_of(table, self.socket if table == "socket" else ""))

    def _of_others(self, pod: str, scope: str) -> None:
        """What a pod's own tables say of other pods, as their neighbours' MACs."""
        for table in self.tables.get(scope, ()):
            for text, candidates, _ in self.world.rows[scope, table].index(items_of(table)):
                for other in self.words.meant(candidates) - {pod}:
                    self.said[other].setdefault("", []).append(f"{pod}: {masked(text, self.words.of[other])}")

    def _rows(self, machine: str) -> None:
        """What a machine's tables say of each pod."""
        for table in self.tables.get(machine, ()):
            if table in BY_CONTENT:
                continue
            rows = self.world.rows[machine, table]
            for network, texts in rows.index(networks_in(table)).items():
                self.networks.setdefault(network, {}).setdefault(machine, []).extend(texts)
            for text, candidates, _ in rows.index(items_of(table)):
                if table == "socket" and self.socket not in text:
                    continue
                pods = self.words.meant(candidates)
                for pod in pods:
                    own = tuple(word for word in candidates if self.words.pods.get(word) == pod)
                    self.said[pod].setdefault(machine, []).append(masked(text, own))
                if not pods:
                    self.lines[machine].append(text)

    def _rules(self, machine: str) -> None:
        read = self.found.read[machine] = rules.read(self.world, machine, self.places, self.words, self.asked)
        for pod, line in read.pods:
            self.said[pod].setdefault(machine, []).append(line)
        for network, line in read.networks:
            self.networks.setdefault(network, {}).setdefault(machine, []).append(line)
        self.lines[machine] += read.machine
        for pod, side, chain in read.own:
            self._owned(machine, pod, side, chain)

    def _endpoints(self, machine: str) -> None:
        """Under Cilium a pod's own rows stand in a map; its program asks them for what it sends."""
        programs, devices = self.world.rows[machine, "bpf"], device.by_index(self.world, machine)
        for address, row in self.world.rows[machine, maps.LXC].items():
            pod, link = self.words.pods.get(str(address)), devices.get(row.ifindex)
            if pod is not None and link is not None and (link.name, "ingress") in programs:
                for side in ("dst", "src"):
                    self._owned(machine, pod, side, (machine, maps.POLICY, row.id))

    def _owned(self, machine: str, pod: str, side: str, key: Key) -> None:
        if self.found.own.setdefault(pod, {}).setdefault(side, (machine, key))[1] != key:
            raise Puzzled("a cable with two chains")

    # --- who is alike ---

    def _sort(self, texts: dict[str, str]) -> None:
        """Into classes of one machine, and these into those that may stand for each other."""
        roles = {n: _roles(n, said) for n, said in self.networks.items() if not n.endswith(("/32", "/128"))}
        spans = [(*ip.network(n), ip.bits(n), n) for n in roles]
        numbers: dict[Any, int] = {}
        classes: list[Class] = []
        for pod, (scope, address) in self.places.items():
            machine, _, inner = scope.partition("/")
            told = {who: tuple(sorted(lines)) for who, lines in sorted(self.said[pod].items())}
            inside = tuple(sorted({tuple(roles[n].items()) for n in _holding(address, spans)}))
            sides = tuple(sorted(self.found.own.get(pod, ())))
            key = (machine, texts[pod] if inner else address, inside, tuple(told.items()), sides)
            number = self.found.classes[pod] = numbers.setdefault(key, len(numbers))
            if number == len(classes):
                said = _joined(told, inside)
                classes.append(Class(machine, texts[pod] if inner else address, said, sides))
        self.found.homes = [one.home for one in classes]
        self.found.like = merged(classes, self.lines, self.words.machines)


_scanned = lru_cache(maxsize=512)(parts_of)
"""The words and the networks in a text that many pods share."""


def _roles(network: str, said: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """What each says of a network, whichever it is: of two networks of which the same is said, either will do."""
    length = network.partition("/")[2]
    return {
        who: tuple(sorted({f"in /{length} {line.replace(network, 'NET')}" for line in lines}))
        for who, lines in sorted(said.items())
    }


def _holding(address: str, spans: list[tuple[int, int, int, str]]) -> Iterator[str]:
    """The networks that an address is in."""
    number, width = ip.number(address), ip.bits(address)
    return (
        n for base, prefix, bits, n in spans if bits == width and number >> width - prefix == base >> width - prefix
    )


def _joined(told: dict[str, tuple[str, ...]], inside: tuple[Any, ...]) -> dict[str, tuple[str, ...]]:
    """What each says of a pod, and of the networks that it is in."""
    found: dict[str, list[str]] = {who: list(lines) for who, lines in told.items()}
    for role in inside:
        for who, lines in role:
            found.setdefault(who, []).extend(lines)
    return {who: tuple(lines) for who, lines in found.items()}
