"""Rows as lines of text, and the words in them that mean one pod, or one machine, and nobody else.

A pod's words are its network namespace, its addresses, its cables' ends and their MACs; a machine's are its name, its
addresses, its devices' MACs, and the networks that hold nobody else's addresses. Written as SELF, HERE and THERE, they
leave a text that is the same for all who stand at such a place.

Left out: words that two have in common (they mean nobody), and words in what no packet meets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from k8slearn.cni.cilium import identity, maps
from k8slearn.journal import Table, World
from k8slearn.linux import ip
from k8slearn.linux.rows import Address, Link, Route

ASIDE = {
    "call",
    "container",
    "counter",
    "file",
    "binary",
    "sandbox",
    "kube-proxy",
    "bgp",
    "flannel",
    "cilium_endpoint",
    "cilium_ipam",
    "daemon",
    "capture",
    "module",
}
"""Tables that no packet ever meets: what programs, agents and the runtime keep."""
TOKEN = re.compile(r"\d+\.\d+\.\d+\.\d+(?:(?=/32)|(?![\d./]))|[A-Za-z0-9_:/-]+")
"""A word that could be a pod's. The first address of a network is no pod's there."""
NETWORK = re.compile(r"\d+\.\d+\.\d+\.\d+/\d+|[0-9a-f]*:[0-9a-f:]*:[0-9a-f:]*/\d+")
EITHER = re.compile(f"{NETWORK.pattern}|{TOKEN.pattern}")
PARTS = re.compile(f"({NETWORK.pattern})|({TOKEN.pattern})")
EDGE = re.compile(r"[A-Za-z0-9_:/.-]\0|\0[A-Za-z0-9_:.-]|\0/(?!32)")
"""A word that was only a part of one."""
Places = Mapping[str, tuple[str, str]]
Tables = Mapping[str, list[str]]
Item = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A row as text, the words in it that could be somebody's, and its networks."""
SELF, HERE, THERE = "SELF", "HERE", "THERE"


def tables_of(world: World) -> Tables:
    """The tables of each scope that a packet may meet."""
    found: dict[str, list[str]] = {}
    for scope, table in sorted(world.tables()):
        if table not in ASIDE and scope != "api":
            found.setdefault(scope, []).append(table)
    return found


# --- rows --------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def items_of(table: str) -> Callable[[Table], list[Item]]:
    """An index of a table: its rows as text, each with its words."""

    def items(rows: Table) -> list[Item]:
        return [_item(*_text(table, name, row)) for name, row in rows.items()]

    return items


def _item(own: str, shared: str) -> Item:
    (words, networks), (more, others) = parts_of(own), _parts_of_many(shared)
    return own + shared, words + more, networks + others


def parts_of(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words in a text, and its networks. A network of one address is that address, too."""
    words, networks = set(), set()
    for network, word in PARTS.findall(text):
        if word:
            words.add(word)
            continue
        networks.add(network)
        if network.endswith(("/32", "/128")):
            words.add(network.partition("/")[0])
    return tuple(words), tuple(networks)


_parts_of_many = lru_cache(maxsize=4096)(parts_of)


@lru_cache(maxsize=256)
def text_of(table: str, about: str = "") -> Callable[[Table], str]:
    """An index of a table: all its rows as one text; of sockets those that `about` is in."""

    def text(rows: Table) -> str:
        return "".join(sorted(one for one in (_whole(table, name, row) for name, row in rows.items()) if about in one))

    return text


def _whole(table: str, name: object, row: Any) -> str:
    own, shared = _text(table, name, row)
    return own + shared


def _text(table: str, name: object, row: Any) -> tuple[str, str]:
    """A row, without the numbers and names that say nothing of a packet's way: what is its own, what many have."""
    if table == "link":
        shared = (*_values(Link)(row), row.port._replace(number=0), row.spec)
        return f"link {row.name!r} {row.mac!r} {row.peer!r} ", _shown(shared)
    if table == "route":
        return f"route {row.dst!r} {row.via!r} {row.dev!r} {row.src!r} ", _shown(_values(row.__class__)(row))
    if table == "addr":
        usual = row.prefix < 31 and row.broadcast == _broadcast(row.address, row.prefix)
        broadcast = "usual" if usual else row.broadcast
        return f"addr {row.dev!r} {row.address!r} {broadcast!r} ", _shown(_values(Address)(row))
    if table == "socket":
        return f"socket {socket_word(row.proto, row.port)} {row.address} {row.v6only}\n", ""
    if table == maps.LXC:
        return f"{table} {name!r} {row.mac!r} {row.node_mac!r} {row.host}\n", ""
    if table == maps.IPCACHE and identity.LEAST <= row.identity < identity.LOCAL:
        return f"{table} {name!r} a pod {row.tunnel!r} {row.key}\n", ""
    if table == "netns":
        row = row.ipv6
    elif is_dataclass(row):
        row = _values(row.__class__)(row)
    return f"{table} {name!r} {row!r}\n", ""


def socket_word(proto: str, port: int) -> str:
    """How the line of a socket begins."""
    return f"({proto}, {port})"


OTHERWISE = {
    Link: ("name", "mac", "peer", "index", "port", "spec"),
    Route: ("dst", "via", "dev", "src"),
    Address: ("dev", "address", "broadcast"),
}
"""Fields that `_text` shows by themselves."""


@lru_cache(maxsize=256)
def _values(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    """The fields of a row: quicker than its ``repr``."""
    without = OTHERWISE.get(kind, ())
    return attrgetter(*(field.name for field in fields(kind) if field.name not in without), "__class__.__name__")


@lru_cache(maxsize=4096)
def _shown(value: object) -> str:
    return f"{value!r}\n"


@lru_cache(maxsize=4096)
def _broadcast(address: str, prefix: int) -> str:
    width = ip.bits(address)
    return ip.text(ip.number(address) & ip.mask(prefix, width) | (1 << width - prefix) - 1, width)


@lru_cache(maxsize=256)
def networks_in(table: str) -> Callable[[Table], dict[str, list[str]]]:
    """An index of a table: network -> the rows that speak of it."""

    def networks(rows: Table) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for text, _, some in rows.index(items_of(table)):
            for network in some:
                found.setdefault(network, []).append(text)
        return found

    return networks


# --- words -------------------------------------------------------------------------------------


class Words:
    """Whom a word means: a pod (``namespace/name``) or a machine (its scope)."""

    def __init__(self, world: World, places: Places, machines: Iterable[str]) -> None:
        self.pods: dict[str, str] = {}
        self.machines: dict[str, str] = {}
        self.of: dict[str, tuple[str, ...]] = dict.fromkeys(places, ())
        inner = {scope: pod for pod, (scope, _) in places.items() if "/" in scope}
        claims: dict[str, set[str]] = {}
        strong: dict[str, str] = {}
        for pod, (scope, address) in places.items():
            for word in (address, *_of_netns(world, scope)) if "/" in scope else ():
                claims.setdefault(word, set()).add(pod)
        for machine in machines:
            for word, owner, first in _of_machine(world, machine, inner):
                claims.setdefault(word, set()).add(owner)
                if first:
                    strong[word] = owner
        for word, owners in claims.items():
            sole = strong.get(word) or (next(iter(owners)) if len(owners) == 1 else "")
            if sole in places:
                self.pods[word] = sole
                self.of[sole] = (*self.of[sole], word)
            elif sole:
                self.machines[word] = sole

    def meant(self, words: Iterable[str]) -> set[str]:
        """The pods that are meant by some of these words."""
        return {self.pods[word] for word in words if word in self.pods}

    def add_networks(self, networks: Iterable[str], places: Places) -> None:
        """A network with the addresses of one machine and its pods, and no others, means that machine."""
        held = [(ip.number(word), ip.bits(word), owner) for word, owner in self.machines.items() if ip.is_address(word)]
        held += [(ip.number(a), ip.bits(a), scope.partition("/")[0]) for scope, a in places.values()]
        for network in networks:
            (base, prefix), width = ip.network(network), ip.bits(network)
            if prefix == width:
                continue
            mask = ip.mask(prefix, width)
            owners = {owner for number, bits, owner in held if number & mask == base and bits == width}
            if len(owners) == 1:
                self.machines[network] = owners.pop()


def _of_netns(world: World, scope: str) -> Iterator[str]:
    yield scope
    for row in world.rows[scope, "addr"].values():
        if row.dev != "lo":
            yield row.address
    for row in world.rows[scope, "link"].values():
        if row.name != "lo" and row.mac:
            yield row.mac
        if row.peer is not None:
            yield row.peer[1]


def _of_machine(world: World, machine: str, inner: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """(word, whose it is, is it surely theirs). The end of a cable is the one's whom it leads to."""
    for word in {machine, machine.removeprefix("node:")}:
        yield word, machine, True
    for row in world.rows[machine, "addr"].values():
        if row.dev != "lo":
            yield row.address, machine, False
    for row in world.rows[machine, "link"].values():
        led = row.peer[0] if row.peer is not None else ""
        owner = inner.get(led) or (led if led and row.master and "/" not in led else machine)
        if row.mac and row.name != "lo":
            yield row.mac, owner, not row.master and owner == machine


def masked(text: str, words: tuple[str, ...]) -> str:
    """The text with these words as SELF."""
    quick = text
    for word in words:
        quick = quick.replace(word, "\0")
    if EDGE.search(quick) is None:
        return quick.replace("\0", SELF)
    return TOKEN.sub(lambda found: SELF if found[0] in words else found[0], text)


class Seen:
    """Texts as somebody at one machine speaks of another: HERE is the speaker's, THERE the other's."""

    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = owners
        self._found: dict[tuple[str, str, str], str] = {}
        self._named: dict[str, frozenset[str]] = {}

    def named(self, text: str) -> frozenset[str]:
        """The machines that a text speaks of."""
        found = self._named.get(text)
        if found is None:
            owners = (self._owner(word) for word in EITHER.findall(text))
            found = self._named[text] = frozenset(owner for owner in owners if owner)
        return found

    def seen(self, text: str, here: str, there: str) -> str:
        found = self._found.get((text, here, there))
        if found is None:
            meant = self.named(text)
            if here not in meant and there not in meant:
                found = text
            else:
                names = {there: THERE, here: HERE}
                found = EITHER.sub(lambda word: self._name(word[0], names), text)
            self._found[text, here, there] = found
        return found

    def _owner(self, word: str) -> str:
        return self._owners.get(word) or self._owners.get(word.removesuffix("/32").removesuffix("/128"), "")

    def _name(self, word: str, names: Mapping[str, str]) -> str:
        name = names.get(self._owner(word))
        return word if name is None else f"{name}/{word.partition('/')[2]}" if NETWORK.fullmatch(word) else name
