"""An entry of conntrack is two tuples: how the first packet looked, and how a reply must look.

::

    original   10.244.1.2:40000 > 10.96.0.10:80      what the client sent
    reply      10.244.2.3:8080  > 10.244.1.2:40000   what will come back: the destination was translated

Where the two are mirror images nothing was translated; where they are not, the difference *is* the translation. The
table ``conntrack`` of a namespace holds each entry under both tuples, as the kernel's hash does
(`nf_conntrack_core.c: nf_ct_invert_tuple`).

Left out: zones, and the message type in an ICMP tuple (two pings with one id that cross each other are one entry).
"""

from __future__ import annotations

from k8slearn.journal import World
from k8slearn.linux.rows import Connection, Tuple
from k8slearn.packet import Packet

PINGS = ("icmp", "icmp6")
"""Their tuples have the echo id in both places of a port."""
PORTS = ("tcp", "udp", "sctp")
"""Protocols with ports."""


def tuple_of(packet: Packet) -> Tuple:
    """The tuple that a packet has on the wire."""
    return tuple.__new__(Tuple, packet[: len(Tuple._fields)])  # these are a packet's first fields


def inverse(t: Tuple) -> Tuple:
    """What an answer to this tuple looks like."""
    return Tuple(t.proto, t.dst, t.src, t.dport, t.sport)


def is_dnat(row: Connection) -> bool:
    """Was the destination translated?"""
    o, r = row.original, row.reply
    return o.dst != r.src or (o.dport != r.sport and o.proto not in PINGS)


def is_snat(row: Connection) -> bool:
    """Was the source translated?"""
    o, r = row.original, row.reply
    return o.src != r.dst or o.sport != r.dport


def lookup(world: World, netns: str, t: Tuple) -> Connection | None:
    """The live entry that a packet with this tuple belongs to."""
    found: Connection | None = world.rows[netns, "conntrack"].get(t)
    return found if found is not None and found.until > world.clock else None


def text(row: Connection) -> str:
    """An entry in one line, for a person."""
    o, r = row.original, row.reply
    return f"{o.proto} {_side(o)}, reply {_side(r)}"


def _side(t: Tuple) -> str:
    if ":" in t.src:
        return f"[{t.src}]:{t.sport} > [{t.dst}]:{t.dport}"
    return f"{t.src}:{t.sport} > {t.dst}:{t.dport}"
