"""A rule's selector reads a field of the packet, or what the kernel knows beside it: the table for the walk.

A reader gives the value, or None where the field is not there (a TCP port of a UDP packet): a rule that asks for it
ends there, whatever it compares with.

Left out: ports of protocols that have none (the kernel reads what bytes stand there), IPv6 extension headers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from k8slearn.journal import Key, Put
from k8slearn.linux import fib, icmp, ip
from k8slearn.linux.connection import is_dnat, is_snat
from k8slearn.linux.nft import types
from k8slearn.linux.nft.types import STATES, STATUSES, TCP_FLAGS, TYPES, Value
from k8slearn.linux.nft.values import Concat, Left, Masked, Numgen, Selector
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet

Reader = Callable[[Net, Skb, "Any"], Any]
NAMES = {"icmp6": "ipv6-icmp", "ipip": "ipencap"}
"""Where a packet's protocol has another name than nft's."""
WITH_PORTS = ("tcp", "udp", "sctp", "udplite", "dccp")
INC = "nftinc"
"""The world table of ``numgen inc``: what each rule gave last."""


def now(net: Net) -> float:
    """The second of the logical clock at this point of the walk."""
    return max(net.world.clock, net.time)


def reader(left: Left) -> Reader:
    """The function that reads this from a packet."""
    match left:
        case Selector():
            return _selector(left)
        case Concat(parts=parts):
            return _concat([_selector(part) for part in parts])
        case Masked():
            return _masked(left)
        case Numgen():
            return partial(_random if left.mode == "random" else _next, left)


def _concat(parts: list[Reader]) -> Reader:
    def read(net: Net, skb: Skb, here: Any) -> tuple[Value, ...] | None:
        found = tuple([part(net, skb, here) for part in parts])
        return None if None in found else found

    return read


def _masked(left: Masked) -> Reader:
    inner, kind = _selector(left.left), left.type

    def read(net: Net, skb: Skb, here: Any) -> Value | None:
        value = inner(net, skb, here)
        if value is None:
            return None
        return types.value_of(kind, types.number(kind, value) & left.mask ^ left.xor)

    return read


def _selector(selector: Selector) -> Reader:
    words = selector.words
    if words in READERS:
        return READERS[words]
    first, _, rest = words.partition(" ")
    if first == "fib":
        return _fib(rest, selector.type)
    if first in ("tcp", "udp", "sctp", "th"):
        return _port(first, rest)
    if first == "ct":
        side, _, name = rest.partition(" ")
        return _side(side, name.split()[-1])
    raise AssertionError(f"no reader for {words}")


# --- the packet ----------------------------------------------------------------------------------


def _of(family: str, get: Callable[[Packet], Any]) -> Reader:
    return lambda net, skb, here: get(skb.packet) if skb.packet.family == family else None


def protocol(packet: Packet) -> str:
    """The packet's protocol in nft's words."""
    return NAMES.get(packet.proto, packet.proto)


def _port(header: str, name: str) -> Reader:
    protocols = WITH_PORTS if header == "th" else (header,)
    if name == "dport":
        return lambda net, skb, here: skb.packet.dport if skb.packet.proto in protocols else None
    return lambda net, skb, here: skb.packet.sport if skb.packet.proto in protocols else None


def tcp_flags(packet: Packet) -> int | None:
    """The flags of a TCP packet as bits."""
    if packet.proto != "tcp":
        return None
    return sum(TCP_FLAGS.get(name.lower(), 0) for name in packet.flags.split("-"))


def _icmp(proto: str, at: int, kind: types.Type) -> Reader:
    def read(net: Net, skb: Skb, here: Any) -> Value | None:
        return types.value_of(kind, icmp.numbers(skb.packet)[at]) if skb.packet.proto == proto else None

    return read


# --- beside the packet ---------------------------------------------------------------------------


def _state(net: Net, skb: Skb, here: Any) -> int:
    if skb.tracked is not None:
        return STATES[skb.tracked.info.lower()]
    return STATES["untracked" if skb.state == "UNTRACKED" else "invalid"]


def _status(net: Net, skb: Skb, here: Any) -> int | None:
    tracked = skb.tracked
    if tracked is None:
        return None
    row = tracked.row
    held = {
        "seen-reply": row.replied,
        "assured": row.assured,
        "confirmed": tracked.confirmed,
        "snat": is_snat(row),
        "dnat": is_dnat(row),
    }
    return sum(STATUSES[name] for name, true in held.items() if true)


def _ct(get: Callable[[Any], Any]) -> Reader:
    return lambda net, skb, here: get(skb.tracked) if skb.tracked is not None else None


FIELDS = {"saddr": "src", "daddr": "dst", "proto-src": "sport", "proto-dst": "dport"}


def _side(side: str, name: str) -> Reader:
    return _ct(lambda tracked: getattr(getattr(tracked.row, side), FIELDS[name]))


def _fib(words: str, kind: types.Type) -> Reader:
    """``saddr type``, ``daddr . iif type``, ``saddr . iif oif``."""
    keys, _, result = words.rpartition(" ")
    address_of = {"saddr": "src", "daddr": "dst"}[keys.partition(" ")[0]]
    by = [key for key in keys.split(" . ")[1:] if key in ("iif", "oif")]

    def address_type(net: Net, skb: Skb, here: Any) -> str:
        address = getattr(skb.packet, address_of)
        if ip.is_multicast(address):
            return "multicast"
        found = fib.lookup(net.world, skb.netns, address)
        if found.kind not in ("local", "broadcast"):
            return "unicast"
        dev = getattr(skb, by[0]) if by else ""
        return "unicast" if dev and found.dev and found.dev != dev else found.kind

    def device(net: Net, skb: Skb, here: Any) -> Value:
        mark = skb.mark if "mark" in keys else 0
        found = fib.lookup(net.world, skb.netns, getattr(skb.packet, address_of), mark=mark)
        dev = found.dev if found.kind == "unicast" else ""
        wanted = getattr(skb, by[0]) if by else ""
        dev = dev if not wanted or dev == wanted else ""
        return ("exists" if dev else "missing") if kind.name == "boolean" else dev or 0

    return address_type if result == "type" else device


# --- numbers that are made -----------------------------------------------------------------------


def _random(numgen: Numgen, net: Net, skb: Skb, here: Any) -> int:
    """One of N, each as likely: half after half, so that few throws find it and every fate has exactly 1/N."""
    low, high, words = 0, numgen.mod, f"numgen random mod {numgen.mod}"
    while high - low > 1:
        middle = (low + high) // 2
        if net.draw(here.key, f"{words} < {middle}", Fraction(middle - low, high - low)):
            high = middle
        else:
            low = middle
    return low + numgen.offset


def _next(numgen: Numgen, net: Net, skb: Skb, here: Any) -> int:
    """The next in turn; the rule remembers it."""
    key: Key = (skb.netns, INC, (*here.name, here.rule.handle))
    before = net.world.get(key)
    given = 0 if before is None else (int(before) + 1) % numgen.mod
    here.learned.append(Put(key, given))
    return given + numgen.offset


READERS: Mapping[str, Reader] = {
    "ip saddr": _of("ip", lambda packet: packet.src),
    "ip daddr": _of("ip", lambda packet: packet.dst),
    "ip protocol": _of("ip", protocol),
    "ip ttl": _of("ip", lambda packet: packet.ttl),
    "ip length": _of("ip", lambda packet: packet.size),
    "ip6 saddr": _of("ip6", lambda packet: packet.src),
    "ip6 daddr": _of("ip6", lambda packet: packet.dst),
    "ip6 nexthdr": _of("ip6", protocol),
    "ip6 hoplimit": _of("ip6", lambda packet: packet.ttl),
    "tcp flags": lambda net, skb, here: tcp_flags(skb.packet),
    "icmp type": _icmp("icmp", 0, TYPES["icmp_type"]),
    "icmp code": _icmp("icmp", 1, TYPES["icmp_code"]),
    "icmpv6 type": _icmp("icmp6", 0, TYPES["icmpv6_type"]),
    "icmpv6 code": _icmp("icmp6", 1, TYPES["icmpv6_code"]),
    "meta mark": lambda net, skb, here: skb.mark,
    "iifname": lambda net, skb, here: skb.iif,
    "oifname": lambda net, skb, here: skb.oif,
    "iif": lambda net, skb, here: skb.iif or 0,
    "oif": lambda net, skb, here: skb.oif or 0,
    "meta l4proto": lambda net, skb, here: protocol(skb.packet),
    "meta nfproto": lambda net, skb, here: "ipv6" if skb.packet.family == "ip6" else "ipv4",
    "meta length": lambda net, skb, here: skb.packet.size,
    "ct state": _state,
    "ct status": _status,
    "ct direction": _ct(lambda tracked: "reply" if tracked.reply else "original"),
    "ct mark": _ct(lambda tracked: tracked.row.mark),
    "ct protocol": _ct(lambda tracked: NAMES.get(tracked.row.original.proto, tracked.row.original.proto)),
}
"""Words -> what reads them; ports, connections' sides and fib look-ups are made by the functions above."""
