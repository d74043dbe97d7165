"""What a rule can read: the words for it, its type, and what must be true of a packet so that it is there at all.

::

    ip                length  ttl  protocol  saddr  daddr
    ip6               nexthdr  hoplimit  saddr  daddr
    tcp               sport  dport  flags
    udp               sport  dport
    sctp              sport  dport
    th                sport  dport
    icmp              type  code
    icmpv6            type  code
    meta              mark  iifname  oifname  iif  oif  l4proto  nfproto  length
    ct                state  status  direction  mark  protocol  original|reply ip saddr  original|reply ip daddr
                      original|reply ip6 saddr  original|reply ip6 daddr  original|reply proto-src
                      original|reply proto-dst
    fib saddr|daddr   type  oif  oifname

``tcp dport`` is two bytes of the transport header, so it is read only where ``meta l4proto tcp`` holds: nft adds that
condition unseen, and leaves it out again when it lists the rule. `PAYLOAD`, `META`, `CT` and `FIB` have a row for each,
and `parse_selector` reads them (``fib saddr . iif type``).

Left out: link-layer headers, IP options, raw payload (``@th,16,16``), sockets, users, times, ``jhash``, ``symhash``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from k8slearn.linux.nft.scan import Cursor
from k8slearn.linux.nft.types import BYTE, SHORT, TYPES, Type
from k8slearn.linux.nft.values import Selector


class Header(NamedTuple):
    """Where a field lies: the header, the byte it begins at, and how many bits it has."""

    header: str
    offset: int
    bits: int


def _rows(header: str, fields: Mapping[str, tuple[Type, int]]) -> dict[str, tuple[Type, Header]]:
    return {f"{header} {name}": (kind, Header(header, at, kind.bits)) for name, (kind, at) in fields.items()}


PORT = TYPES["inet_service"]
PORTS = {"sport": (PORT, 0), "dport": (PORT, 2)}
PAYLOAD: Mapping[str, tuple[Type, Header]] = {
    **_rows("ip", {"length": (SHORT, 2), "ttl": (BYTE, 8), "protocol": (TYPES["inet_proto"], 9),
                   "saddr": (TYPES["ipv4_addr"], 12), "daddr": (TYPES["ipv4_addr"], 16)}),
    **_rows("ip6", {"nexthdr": (TYPES["inet_proto"], 6), "hoplimit": (BYTE, 7),
                    "saddr": (TYPES["ipv6_addr"], 8), "daddr": (TYPES["ipv6_addr"], 24)}),
    **_rows("tcp", {**PORTS, "flags": (TYPES["tcp_flag"], 13)}),
    **_rows("udp", PORTS),
    **_rows("sctp", PORTS),
    **_rows("th", PORTS),
    **_rows("icmp", {"type": (TYPES["icmp_type"], 0), "code": (TYPES["icmp_code"], 1)}),
    **_rows("icmpv6", {"type": (TYPES["icmpv6_type"], 0), "code": (TYPES["icmpv6_code"], 1)}),
}  # fmt: skip
"""Fields of the packet itself."""
META: Mapping[str, Type] = {
    "mark": TYPES["mark"],
    "iifname": TYPES["ifname"],
    "oifname": TYPES["ifname"],
    "iif": TYPES["iface_index"],
    "oif": TYPES["iface_index"],
    "l4proto": TYPES["inet_proto"],
    "nfproto": TYPES["nf_proto"],
    "length": TYPES["integer"],
}
"""What the kernel keeps beside the packet."""
UNQUALIFIED = ("iifname", "oifname", "iif", "oif")
"""nft prints these without ``meta``."""
CT: Mapping[str, Type] = {
    "state": TYPES["ct_state"],
    "status": TYPES["ct_status"],
    "direction": TYPES["ct_dir"],
    "mark": TYPES["mark"],
    "protocol": TYPES["inet_proto"],
}
CT_SIDES: Mapping[str, Type] = {
    "ip saddr": TYPES["ipv4_addr"],
    "ip daddr": TYPES["ipv4_addr"],
    "ip6 saddr": TYPES["ipv6_addr"],
    "ip6 daddr": TYPES["ipv6_addr"],
    "proto-src": PORT,
    "proto-dst": PORT,
}
FIB: Mapping[str, Type] = {
    "type": TYPES["fib_addrtype"],
    "oif": TYPES["iface_index"],
    "oifname": TYPES["ifname"],
}
STARTS = ("ip", "ip6", "tcp", "udp", "sctp", "th", "icmp", "icmpv6", "meta", "ct", "fib", "numgen", "mark",
          *UNQUALIFIED)  # fmt: skip
"""The words that an expression can begin with."""
UNMODELLED = frozenset(
    """
    ether vlan arp ah esp comp udplite dccp dst frag hbh mh rt srh tproxy socket jhash symhash osf queue
    synproxy dup fwd meter quota ipsec exthdr igmp geneve gre vxlan cgroup
    """.split()  # noqa: SIM905
)
"""Words that real rules may begin with and this engine does not know."""


def parse_selector(cursor: Cursor, family: str) -> Selector:
    """What stands at the cursor, in nft's own words."""
    start, word = cursor.place, cursor.take().text
    if word == "mark" or word in UNQUALIFIED:
        return Selector(f"meta {word}" if word == "mark" else word, META[word])
    if word == "meta":
        return _meta(cursor, start)
    if word == "ct":
        return _ct(cursor, family, start)
    if word == "fib":
        return _fib(cursor, start)
    words = f"{word} {cursor.text}"
    if words not in PAYLOAD:
        cursor.unexpected()
    cursor.take()
    return Selector(words, PAYLOAD[words][0])


def _meta(cursor: Cursor, start: int) -> Selector:
    name = cursor.take().text
    if name not in META:
        cursor.fail(start, f"meta {name} is not modelled here")
    return Selector(name if name in UNQUALIFIED else f"meta {name}", META[name])


def _ct(cursor: Cursor, family: str, start: int) -> Selector:
    name = cursor.take().text
    if name in ("original", "reply"):
        side = cursor.take().text
        if side in ("ip", "ip6"):
            side = f"{side} {cursor.take().text}"
        if side in ("saddr", "daddr"):
            if family == "inet":
                cursor.fail(start, 'cannot determine ip protocol version, use "ip daddr" or "ip6 daddr" instead')
            side = f"{family} {side}"
        if side == "protocol":
            return Selector("ct protocol", CT["protocol"])
        if side in CT_SIDES:
            return Selector(f"ct {name} {side}", CT_SIDES[side])
        name = f"{name} {side}"
    if name not in CT:
        cursor.fail(start, f"ct {name} is not modelled here")
    return Selector(f"ct {name}", CT[name])


def _fib(cursor: Cursor, start: int) -> Selector:
    parts = [cursor.take().text]
    while cursor.eat("."):
        parts.append(cursor.take().text)
    if parts[0] not in ("saddr", "daddr") or not set(parts[1:]) <= {"iif", "oif", "mark"}:
        cursor.fail(start, f"fib {' . '.join(parts)} is not modelled here")
    result = cursor.text
    if result not in FIB:
        cursor.unexpected("type")
    cursor.take()
    kind = FIB[result]
    if result == "oif" and (cursor.text in ("missing", "exists") or cursor.peek() in ("missing", "exists")):
        kind = TYPES["boolean"]
    return Selector(f"fib {' . '.join(parts)} {result}", kind)
