"""conntrack: the kernel's memory of connections, and the address translation that leans on it.

The first packet of a connection makes an entry with two tuples: how it looks, and how its reply must look. nat rules
see only that first packet; they change the reply tuple, and every later packet is rewritten from the two tuples
(`nf_nat_core.c`). The entry counts only when the packet leaves the last hook (confirmation): what was dropped before
is forgotten.

The table holds an entry under both of its tuples, as the kernel's hash does.

Left out: helpers (FTP and the like), zones, sequence tracking, the table's size limit, events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from k8slearn.journal import Put
from k8slearn.linux.rows import Connection, Tuple
from k8slearn.linux.skb import Net, Skb, Tracked
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, Walk

IGNORE, INVALID = "ignore", "INVALID"
TCP: Mapping[tuple[bool, str], Mapping[str, str]] = {
    (False, "SYN"): {"": "SYN_SENT", "SYN_SENT": "SYN_SENT", "TIME_WAIT": "SYN_SENT", "CLOSE": "SYN_SENT"},
    (False, "SYN-ACK"): {"": INVALID},
    (False, "ACK"): {"": "ESTABLISHED", "SYN_SENT": INVALID, "SYN_RECV": "ESTABLISHED"},
    (False, "RST"): {"": INVALID, "SYN_SENT": "CLOSE", "SYN_RECV": "CLOSE", "ESTABLISHED": "CLOSE"},
    (False, "FIN"): {"": INVALID, "SYN_SENT": INVALID, "SYN_RECV": "FIN_WAIT", "ESTABLISHED": "FIN_WAIT"},
    (True, "SYN"): {"SYN_SENT": IGNORE, "ESTABLISHED": INVALID},
    (True, "SYN-ACK"): {"SYN_SENT": "SYN_RECV", "CLOSE": INVALID},
    (True, "ACK"): {},
    (True, "RST"): {"SYN_SENT": "CLOSE", "SYN_RECV": "CLOSE", "ESTABLISHED": "CLOSE"},
    (True, "FIN"): {"SYN_SENT": INVALID, "ESTABLISHED": "CLOSE_WAIT", "FIN_WAIT": "LAST_ACK"},
}
"""(is a reply, flags) -> state before -> state after; what is not listed stays as it is
(`nf_conntrack_proto_tcp.c`)."""

TIMEOUTS = {
    "SYN_SENT": 120, "SYN_RECV": 60, "ESTABLISHED": 432000, "FIN_WAIT": 120, "CLOSE_WAIT": 60,
    "LAST_ACK": 30, "TIME_WAIT": 120, "CLOSE": 10, "udp": 30, "udp-replied": 120, "icmp": 30,
}  # fmt: skip
"""Seconds until an entry is forgotten: the kernel's defaults."""


def tuple_of(packet: Packet) -> Tuple:
    return Tuple(packet.proto, packet.src, packet.dst, packet.sport, packet.dport)


def inverse(t: Tuple) -> Tuple:
    return Tuple(t.proto, t.dst, t.src, t.dport, t.sport)


def is_dnat(row: Connection) -> bool:
    return (row.original.dst, row.original.dport) != (row.reply.src, row.reply.sport)


def is_snat(row: Connection) -> bool:
    return (row.original.src, row.original.sport) != (row.reply.dst, row.reply.dport)


def lookup(net: Net, netns: str, t: Tuple) -> Connection | None:
    """The live entry that a packet with this tuple belongs to."""
    found: Connection | None = net.world.table(netns, "conntrack").get(t)
    return found if found is not None and found.until > net.world.clock else None


def find(net: Net, skb: Skb, hook: str) -> Walk[None]:
    """Give the packet its connection, old or new (`nf_conntrack_core.c: nf_conntrack_in`)."""
    if skb.tracked is not None or skb.state:
        return
    packet = skb.packet
    if packet.proto == "icmp" and packet.inner is not None:
        _related(net, skb, packet.inner)
        return
    mine = tuple_of(packet)
    row = lookup(net, skb.netns, mine)
    before = row.state if row is not None else ""
    reply = row is not None and mine != row.original
    state = _next(packet, before, reply)
    if state == INVALID:
        skb.state = INVALID
        says = f"conntrack: {packet.flags} fits no connection: INVALID"
        yield Step(skb.netns, "conntrack", says, packet, packet, None, skb.iif or skb.oif, hook)
        return
    if row is None:
        row = Connection(mine, inverse(mine), state, until=net.world.clock + _timeout(mine.proto, state, False))
        skb.tracked = Tracked(row)
        return
    replied = row.replied or reply
    row = replace(
        row,
        state=state,
        replied=replied,
        assured=row.assured or _assured(row, state),
        until=net.world.clock + _timeout(mine.proto, state, replied),
    )
    info = "ESTABLISHED" if replied else "NEW"
    skb.tracked = Tracked(row, reply, info, True, True, True)
    if row != net.world.table(skb.netns, "conntrack").get(mine):
        yield Put((skb.netns, "conntrack", row.original), row)
        yield Put((skb.netns, "conntrack", row.reply), row)


def _next(packet: Packet, before: str, reply: bool) -> str:
    if packet.proto != "tcp":
        return ""
    row = TCP.get(
        (
            reply,
            packet.flags.removesuffix("-ACK")
            if packet.flags in ("RST-ACK", "FIN-ACK")
            else packet.flags.replace("PSH-", ""),
        ),
        {},
    )
    after = row.get(before, before)
    return before if after == IGNORE else after


def _assured(row: Connection, state: str) -> bool:
    """TCP: once the handshake is through. UDP and ICMP need traffic for two seconds and never, in the kernel."""
    return row.original.proto == "tcp" and row.replied and state == "ESTABLISHED"


def _timeout(proto: str, state: str, replied: bool) -> float:
    return float(TIMEOUTS[state or ("udp-replied" if proto == "udp" and replied else proto)])


def _related(net: Net, skb: Skb, inner: Packet) -> None:
    """An ICMP error belongs to the connection of the packet that it quotes."""
    about = inverse(tuple_of(inner))
    row = lookup(net, skb.netns, about)
    if row is None:
        skb.state = INVALID
    else:
        skb.tracked = Tracked(row, about != row.original, "RELATED", True, True, True)


def confirm(net: Net, skb: Skb, hook: str) -> Walk[None]:
    """The last hook: from here on the kernel remembers the connection."""
    tracked = skb.tracked
    if tracked is None or tracked.confirmed or tracked.info != "NEW":
        return
    tracked.confirmed = True
    yield Put((skb.netns, "conntrack", tracked.row.original), tracked.row)
    yield Put((skb.netns, "conntrack", tracked.row.reply), tracked.row)
    says = f"conntrack: new connection confirmed: {_text(tracked.row)}"
    because = Because((skb.netns, "conntrack", tracked.row.original), _text(tracked.row))
    yield Step(skb.netns, "conntrack", says, skb.packet, skb.packet, because, skb.oif or skb.iif, hook)


def _text(row: Connection) -> str:
    o, r = row.original, row.reply
    return f"{o.proto} {o.src}:{o.sport} > {o.dst}:{o.dport}, reply {r.src}:{r.sport} > {r.dst}:{r.dport}"


def set_destination(tracked: Tracked, address: str, port: int) -> None:
    """DNAT: the reply will come from there."""
    row = tracked.row
    reply = row.reply._replace(src=address, sport=port or row.reply.sport)
    tracked.row, tracked.dst_done = replace(row, reply=reply), True


def set_source(net: Net, skb: Skb, address: str, port: int) -> None:
    """SNAT: the reply will go to there; a port that is taken gives way to the next free one."""
    assert skb.tracked is not None
    row = skb.tracked.row
    reply = row.reply._replace(dst=address, dport=port or row.reply.dport)
    while lookup(net, skb.netns, reply) is not None:
        reply = reply._replace(dport=1024 + (reply.dport - 1023) % 64512)
    skb.tracked.row, skb.tracked.src_done = replace(row, reply=reply), True


def translate(net: Net, skb: Skb, hook: str) -> Walk[None]:
    """Rewrite the packet as its connection says: destination at PREROUTING and OUTPUT, source at POSTROUTING
    and INPUT."""
    tracked, before = skb.tracked, skb.packet
    assert tracked is not None
    row, source = tracked.row, hook in ("POSTROUTING", "INPUT")
    changes = is_snat(row) if source != tracked.reply else is_dnat(row)
    if not changes:
        return
    target = inverse(row.original if tracked.reply else row.reply)
    if before.inner is not None:
        skb.packet = _translate_error(before, row, target, tracked.reply, source)
    elif source:
        skb.packet = before._replace(src=target.src, sport=target.sport)
    else:
        skb.packet = before._replace(dst=target.dst, dport=target.dport)
    if skb.packet != before:
        what = (
            f"source {before.src}:{before.sport} becomes {skb.packet.src}:{skb.packet.sport}"
            if source
            else f"destination {before.dst}:{before.dport} becomes {skb.packet.dst}:{skb.packet.dport}"
        )
        because = Because((skb.netns, "conntrack", row.original), _text(row))
        yield Step(skb.netns, "nat", what, before, skb.packet, because, skb.oif or skb.iif, hook)


def _translate_error(packet: Packet, row: Connection, target: Tuple, reply: bool, source: bool) -> Packet:
    """An ICMP error is rewritten outside and in the packet that it quotes (`nf_nat_proto.c:
    nf_nat_icmp_reply_translation`)."""
    inner = packet.inner
    assert inner is not None
    quoted = row.original if reply else row.reply
    if source:
        return packet._replace(src=target.src, inner=inner._replace(dst=quoted.dst, dport=quoted.dport))
    return packet._replace(dst=target.dst, inner=inner._replace(src=quoted.src, sport=quoted.sport))
