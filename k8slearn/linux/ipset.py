"""ipset: named sets of addresses, networks and ports, which a rule can ask about (``-m set --match-set NAME src``).

A thousand addresses in a set cost a rule one look-up, where a thousand rules would cost a thousand: that is why network
policy is written with sets. A set's *type* says what its elements are made of (``hash:ip,port``: an address and a
port), and a rule says for each part whether the packet's source or destination is meant. Networks are looked up from
the longest prefix on; an element with ``nomatch`` is an exception. The types, and what an element of each has::

    hash:ip            ip
    hash:net           net
    hash:ip,port       ip, port
    hash:net,port      net, port
    hash:ip,port,ip    ip, port, ip
    hash:ip,port,net   ip, port, net
    hash:net,iface     net, iface
    bitmap:ip          ip
    bitmap:port        number
    list:set           set

A set is a row ``(netns, "ipset", NAME)``, an element a row ``(netns, "ipset-member", (NAME, parts))``; they are found
by an index. The program that changes them is ``shell/ipset.py``.

Left out: the types with marks, MACs or two networks, ``netmask`` and ``bitmask``, ``forceadd``, ``skbinfo``, how a hash
grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from k8slearn.journal import Key, Put, Remove, Table, World
from k8slearn.linux import icmp, ip
from k8slearn.linux.rules import Match, Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet

PARTS: dict[str, tuple[str, ...]] = {
    "hash:ip": ("ip",),
    "hash:net": ("net",),
    "hash:ip,port": ("ip", "port"),
    "hash:net,port": ("net", "port"),
    "hash:ip,port,ip": ("ip", "port", "ip"),
    "hash:ip,port,net": ("ip", "port", "net"),
    "hash:net,iface": ("net", "iface"),
    "bitmap:ip": ("ip",),
    "bitmap:port": ("number",),
    "list:set": ("set",),
}
"""Type of set -> what its elements are made of."""


@dataclass(frozen=True, slots=True)
class IpSet:
    """A set's header, as ``ipset list`` shows it."""

    kind: str
    family: str = "inet"
    """``inet`` or ``inet6``; a bitmap of addresses is IPv4's, one of ports belongs to both."""
    hashsize: int = 1024
    maxelem: int = 65536
    timeout: int | None = None
    """Seconds that an element stays where nobody says otherwise; 0: for ever; None: elements have no timeout."""
    counters: bool = False
    comment: bool = False
    first: int = 0
    last: int = 0
    """A bitmap's range."""
    size: int = 8
    """How many sets a ``list:set`` takes."""
    sets: tuple[str, ...] = ()
    """The members of a ``list:set``, in order."""


@dataclass(frozen=True, slots=True)
class Member:
    """One element of a set."""

    parts: tuple[str, ...]
    """``("10.0.0.1", "tcp:80")``; a network always with its prefix length."""
    until: float = 0.0
    """The second of the logical clock at which it is forgotten; 0: never."""
    packets: int = 0
    size: int = 0
    comment: str = ""
    nomatch: bool = False


class _Members:
    """The elements of one set, and the prefix lengths that occur among them, the longest first."""

    __slots__ = ("exact", "lengths")

    def __init__(self) -> None:
        self.exact: dict[tuple[str, ...], Member] = {}
        self.lengths: list[int] = []


def _index(rows: Table) -> dict[str, _Members]:
    found: dict[str, _Members] = {}
    for name, member in rows.items():
        assert isinstance(name, tuple)
        found.setdefault(name[0], _Members()).exact[member.parts] = member
    for members in found.values():
        lengths = {int(part.partition("/")[2]) for parts in members.exact for part in parts if _is_network(part)}
        members.lengths = sorted(lengths, reverse=True)
    return found


def _is_network(part: str) -> bool:
    return "/" in part and not part.startswith(("icmp", "ipv6-icmp"))


def members(world: World, netns: str, name: str) -> dict[tuple[str, ...], Member]:
    """The living elements of a set, in the order in which they were added."""
    clock = world.clock
    found = world.table(netns, "ipset-member").index(_index).get(name)
    every = found.exact if found is not None else {}
    return {parts: m for parts, m in every.items() if not m.until or m.until > clock}


def references(world: World, netns: str, name: str) -> int:
    """How many rules and sets hold this set."""
    lists: int = sum(row.sets.count(name) for row in world.table(netns, "ipset").values())
    chains = world.table(netns, "chain").items()
    rules = (r for k, c in chains if isinstance(k, tuple) and k[0] in ("ip", "ip6") for r in c.rules)
    return lists + sum(list(names_in(rule)).count(name) for rule in rules)


def names_in(rule: Rule) -> Iterator[str]:
    """The sets that a rule asks or changes."""
    for match in rule.matches:
        if match.option == "--match-set":
            yield match.value.split(" ")[0]
    for option, value in rule.options:
        if option in ("--add-set", "--del-set"):
            yield value.split(" ")[0]


# --- a packet asks -----------------------------------------------------------------------------


def test(match: Match) -> Callable[[Net, Skb, Key], bool]:
    """``-m set --match-set NAME src,dst``."""
    name, _, words = match.value.partition(" ")
    sides, negated = tuple(words.split(",")), match.negated
    return lambda net, skb, key: _holds(net, skb, name, sides) != negated


def _holds(net: Net, skb: Skb, name: str, sides: tuple[str, ...]) -> bool:
    row: IpSet | None = net.world.get((skb.netns, "ipset", name))
    if row is None or not _fits(row, skb.packet, sides):
        return False
    if row.kind == "list:set":
        return any(_holds(net, skb, member, sides) for member in row.sets)
    found = net.world.table(skb.netns, "ipset-member").index(_index).get(name)
    if found is None:
        return False
    for parts in product(
        *(_part(skb, kind, side, found.lengths) for kind, side in zip(PARTS[row.kind], sides, strict=False))
    ):
        member = found.exact.get(parts)
        if member is not None and (not member.until or member.until > net.time):
            if row.counters and not member.nomatch:
                _count(net, skb, name, parts)
            return not member.nomatch
    return False


def _fits(row: IpSet, packet: Packet, sides: tuple[str, ...]) -> bool:
    """A set answers for its own IP, and needs a side for each part of its elements."""
    family = "inet6" if packet.family == "ip6" else "inet"
    return row.kind in ("list:set", "bitmap:port") or (row.family == family and len(sides) >= len(PARTS[row.kind]))


def _part(skb: Skb, kind: str, side: str, lengths: list[int]) -> list[str]:
    """What the packet has for one part of an element: one word, for a network one for each prefix length."""
    packet = skb.packet
    if kind == "iface":
        return [skb.iif if side == "src" else skb.oif]
    if kind == "port":
        return [_port(packet, side)]
    if kind == "number":
        return [str(packet.sport if side == "src" else packet.dport)] if packet.proto in ("tcp", "udp", "sctp") else []
    address = packet.src if side == "src" else packet.dst
    return [address] if kind == "ip" else [ip.network_of(address, length) for length in lengths]


def _port(packet: Packet, side: str) -> str:
    if packet.proto in ("icmp", "icmp6"):
        known = icmp.NUMBERS if packet.proto == "icmp" else icmp.NUMBERS6
        kind, code = known.get(packet.flags, (0, 0))
        return f"{'icmp' if packet.proto == 'icmp' else 'ipv6-icmp'}:{kind}/{code}"
    return f"{packet.proto}:{packet.sport if side == 'src' else packet.dport}"


def _count(net: Net, skb: Skb, name: str, parts: tuple[str, ...]) -> None:
    key: Key = (skb.netns, "ipset-member", (name, parts))
    member: Member = net.recall(key)
    net.learned[key] = replace(member, packets=member.packets + 1, size=member.size + skb.packet.size)


# --- a packet changes a set --------------------------------------------------------------------


def target(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """``-j SET --add-set NAME src --exist --timeout 60``, ``-j SET --del-set NAME src``."""
    said = dict(rule.options)
    for option in ("--add-set", "--del-set"):
        name, _, words = said.get(option, "").partition(" ")
        row: IpSet | None = net.world.get((skb.netns, "ipset", name))
        sides = tuple(words.split(","))
        if row is None or row.kind == "list:set" or not _fits(row, skb.packet, sides):
            continue
        whole = [ip.bits(skb.packet.src)]
        parts = tuple(
            part for kind, side in zip(PARTS[row.kind], sides, strict=False) for part in _part(skb, kind, side, whole)
        )
        if len(parts) == len(PARTS[row.kind]):
            _change(net, skb, name, row, parts, said if option == "--add-set" else None)
    return ""


def _change(net: Net, skb: Skb, name: str, row: IpSet, parts: tuple[str, ...], said: dict[str, Any] | None) -> None:
    """Add (as `said`) or remove one element."""
    key: Key = (skb.netns, "ipset-member", (name, parts))
    living, now = members(net.world, skb.netns, name), net.time
    if said is None:
        net.write(Remove(key))
        return
    known = parts in living
    if (known and "--exist" not in said) or (not known and len(living) >= row.maxelem) or not in_range(row, parts):
        return
    seconds = int(said["--timeout"]) if "--timeout" in said else row.timeout
    net.write(Put(key, Member(parts, now + seconds if seconds and row.timeout is not None else 0.0)))


def in_range(row: IpSet, parts: tuple[str, ...]) -> bool:
    """Has the bitmap a place for this element? (A hash has one for any.)"""
    if not row.kind.startswith("bitmap"):
        return True
    number = int(parts[0]) if row.kind == "bitmap:port" else ip.number(parts[0])
    return row.first <= number <= row.last
