"""conntrack: the kernel's memory of connections.

::

    PREROUTING, OUTPUT ── find ──┬─ an entry has this tuple: its next state, its new timeout
                                 ├─ none: a new entry, which nobody else sees yet (NEW)
                                 └─ fits nowhere: INVALID
    INPUT, POSTROUTING ─ confirm ── the packet got through: from here on the kernel remembers

The first packet of a connection makes an entry with two tuples (`connection.py`). nat rules see only that first
packet (`nat.py`); `conntrack_states.py` says which state follows on which, and for how long each is kept. What was
dropped before the last hook is forgotten. A table that is full takes no new connection: the kernel then looks for an
entry that is not ASSURED in the eight hash buckets nearby, and drops the packet where there is none
(`nf_conntrack_core.c: early_drop`).

Left out: helpers (FTP and the like) with what they expect, zones, sequence tracking, events (``conntrack -E``),
accounting, timeout policies, clash resolution.
"""

from __future__ import annotations

from zlib import crc32

from k8slearn.journal import Put, Remove, Table, World
from k8slearn.linux import sysctl
from k8slearn.linux.connection import PINGS, inverse, is_dnat, is_snat, text, tuple_of
from k8slearn.linux.connection import lookup as lookup_in
from k8slearn.linux.conntrack_states import IGNORE, INVALID, REOPEN, after, first, remembered, timeout
from k8slearn.linux.nat import connection_because, null_binding, set_destination, set_source, translate
from k8slearn.linux.rows import Connection, Tuple
from k8slearn.linux.skb import Net, Skb, Tracked
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

__all__ = [
    "confirm",
    "find",
    "inverse",
    "is_dnat",
    "is_snat",
    "lookup",
    "null_binding",
    "set_destination",
    "set_source",
    "translate",
    "tuple_of",
]

STREAM = 2.0
"""Seconds after which an answered UDP conversation counts as a stream (`nf_conntrack_proto_udp.c`)."""
EVICTION_RANGE = 8
"""How many hash buckets `early_drop` looks into."""
DISCOVERY = (
    *("neighbour-solicitation", "neighbour-advertisement", "router-solicitation", "router-advertisement", "redirect"),
)
"""ICMPv6's own business on a link, which is never tracked (`nf_conntrack_proto_icmpv6.c`)."""


def lookup(net: Net, netns: str, t: Tuple) -> Connection | None:
    """The live entry that a packet with this tuple belongs to."""
    return lookup_in(net.world, netns, t)


def find(net: Net, skb: Skb, hook: str) -> bool:
    """Give the packet its connection, old or new (`nf_conntrack_core.c: nf_conntrack_in`); False: it ends here."""
    if skb.tracked is not None or skb.state:
        return True
    packet = skb.packet
    if packet.proto in PINGS:
        if packet.inner is not None:
            _related(net, skb, packet.inner)
            return True
        if packet.flags in DISCOVERY:
            skb.state = "UNTRACKED"
            return True
    mine = tuple_of(packet)
    row = lookup_in(net.world, skb.netns, mine)
    if row is None:
        return _new(net, skb, mine, hook)
    reply = mine != row.original or (row.original == row.reply and packet.flags == "echo-reply")
    state = after(row, packet.flags, reply)
    if state == REOPEN:
        _forget(net, skb.netns, row)
        return _new(net, skb, mine, hook)
    if state == INVALID:
        net.say(_invalid(skb, hook))
        return True
    renewed = _next(net, skb.netns, row, state, packet.flags, reply)
    skb.tracked = Tracked(renewed, reply, "ESTABLISHED" if renewed.replied else "NEW", True, True, True)
    net.met.append((skb.netns, mine, renewed))
    if packet.proto == "tcp" and not row.replied and packet.flags.startswith("RST"):
        _forget(net, skb.netns, row)
    elif renewed is not row:
        _write(net, skb.netns, renewed)
    return True


def _invalid(skb: Skb, hook: str) -> Step:
    skb.state = INVALID
    says = f"conntrack: {skb.packet.flags} fits no connection: INVALID"
    return Step(skb.netns, "conntrack", says, skb.packet, skb.packet, None, skb.iif or skb.oif, hook)


def _new(net: Net, skb: Skb, mine: Tuple, hook: str) -> bool:
    """The first packet of a connection (`init_conntrack`)."""
    loose = mine.proto != "tcp" or sysctl.is_on(net.world, skb.netns, "net.netfilter.nf_conntrack_tcp_loose")
    state = first(mine.proto, skb.packet.flags, loose)
    if state == INVALID:
        net.say(_invalid(skb, hook))
        return True
    if not _room(net, skb, mine, hook):
        return False
    clock = net.world.clock
    until = clock + _kept(net, skb.netns, mine.proto, state, False)
    skb.tracked = Tracked(Connection(mine, inverse(mine), state, until=until, since=clock))
    return True


def stays(net: Net, netns: str, row: Connection, flags: str, reply: bool) -> bool:
    """Does a packet leave its connection as it is?"""
    state = after(row, flags, reply)
    return state not in (REOPEN, INVALID) and _next(net, netns, row, state, flags, reply) is row


def _next(net: Net, netns: str, row: Connection, state: str, flags: str, reply: bool) -> Connection:
    """The entry after a packet that belongs to it."""
    proto, clock, before = row.original.proto, net.world.clock, row.state
    assured, until, last = row.assured, row.until, ""
    if proto == "udp":
        stream = row.replied and clock - row.since >= STREAM
        assured = assured or stream
        until = clock + timeout(net.world, netns, proto, "stream" if stream else "")
    elif proto == "tcp":
        answered = row.replied and before in ("SYN_RECV", "ESTABLISHED")
        assured = assured or (answered and state == "ESTABLISHED")
        last = remembered(flags, reply, before, state)
        if state == IGNORE:
            state = before
        elif row.replied or before != "SYN_SENT" or state != "SYN_SENT":
            until = clock + _kept(net, netns, proto, state, row.replied)
    else:
        assured = assured or (proto == "sctp" and state == "ESTABLISHED" and before == "COOKIE_ECHOED")
        until = clock + timeout(net.world, netns, proto, state)
    fin = state != "SYN_RECV" and (row.fin or state == "FIN_WAIT")
    replied = row.replied or reply
    if (state, replied, assured, until, fin, last) == (before, row.replied, row.assured, row.until, row.fin, row.last):
        return row
    return Connection(row.original, row.reply, state, replied, assured, row.mark, until, row.since, fin, last, row.ipvs)


def _kept(net: Net, netns: str, proto: str, state: str, replied: bool) -> float:
    """The state's timeout; a connection that was picked up in its middle is not trusted for five days."""
    seconds = timeout(net.world, netns, proto, state)
    if state == "ESTABLISHED" and proto == "tcp" and not replied:
        short = sysctl.read(net.world, netns, "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged")
        return min(seconds, float(short or 0))
    return seconds


def _related(net: Net, skb: Skb, inner: Packet) -> None:
    """An ICMP error belongs to the connection of the packet that it quotes, if it goes to that packet's sender
    (`nf_conntrack_proto_icmp.c: nf_conntrack_inet_error`)."""
    about = inverse(tuple_of(inner))
    row = lookup_in(net.world, skb.netns, about)
    if row is None or skb.packet.dst != inner.src:
        skb.state = INVALID
    else:
        skb.tracked = Tracked(row, about != row.original, "RELATED", True, True, True)


def confirm(net: Net, skb: Skb, hook: str) -> bool:
    """The last hook: from here on the kernel remembers the connection; False: its tuple was taken."""
    tracked = skb.tracked
    if tracked is None or tracked.confirmed or tracked.info != "NEW":
        return True
    row = tracked.row
    because = connection_because(net, skb.netns, row)
    if lookup_in(net.world, skb.netns, row.reply) is not None:
        says = "conntrack: another connection has this reply tuple, and no port was free"
        net.say(_drop(skb, says, because, hook))
        return False
    tracked.confirmed = True
    _write(net, skb.netns, row)
    says = f"conntrack: new connection confirmed: {because.text}"
    net.say(Step(skb.netns, "conntrack", says, skb.packet, skb.packet, because, skb.oif or skb.iif, hook))
    return True


def _write(net: Net, netns: str, row: Connection) -> None:
    """The entry, under both its tuples."""
    net.write(Put((netns, "conntrack", row.original), row), Put((netns, "conntrack", row.reply), row))


def _forget(net: Net, netns: str, row: Connection) -> None:
    """Closed before it was open, or opened anew: the entry goes at once (`nf_ct_kill`)."""
    net.write(Remove((netns, "conntrack", row.original)), Remove((netns, "conntrack", row.reply)))


def _drop(skb: Skb, says: str, because: Because | None, hook: str) -> Step:
    dev = skb.oif or skb.iif
    return Step(skb.netns, "drop", says, skb.packet, skb.packet, because, dev, hook, "NETFILTER_DROP")


# --- a full table ------------------------------------------------------------------------------


def entries(world: World, netns: str) -> list[Connection]:
    """The living entries, in the order in which they came to be."""
    clock = world.clock
    rows: Table = world.rows[netns, "conntrack"]
    return [row for name, row in rows.items() if name == row.original and row.until > clock]


def machine_setting(world: World, netns: str, name: str) -> int:
    """A setting that only a machine's first namespace can write, and that counts in all of them."""
    here = world.get((netns, "netns", ""))
    return int(sysctl.read(world, here.machine if here is not None else netns, name) or 0)


def _room(net: Net, skb: Skb, mine: Tuple, hook: str) -> bool:
    """Is there a place for one entry more (`__nf_conntrack_alloc`)? Each namespace counts its own."""
    world, netns = net.world, skb.netns
    most = machine_setting(world, netns, "net.netfilter.nf_conntrack_max")
    if not most or len(world.rows[netns, "conntrack"]) < 2 * most or len(entries(world, netns)) < most:
        return True
    victims = _early_drop(world, netns, mine)
    for row in victims:
        _forget(net, netns, row)
        because = Because((netns, "conntrack", row.original), text(row))
        says = f"nf_conntrack: table full, an entry that is not ASSURED gives way: {because.text}"
        net.say(Step(netns, "conntrack", says, skb.packet, skb.packet, because, skb.iif or skb.oif, hook))
    if victims:
        return True
    why = Because((netns, "sysctl", "net.netfilter.nf_conntrack_max"), f"net.netfilter.nf_conntrack_max = {most}")
    net.say(_drop(skb, "nf_conntrack: table full, dropping packet", why, hook))
    return False


def _early_drop(world: World, netns: str, mine: Tuple) -> list[Connection]:
    """The entries of the first bucket, of eight from the newcomer's on, that has any which are not ASSURED."""
    buckets = max(1, machine_setting(world, netns, "net.netfilter.nf_conntrack_buckets"))
    first = _bucket(mine, buckets)
    near: dict[int, list[Connection]] = {}
    for row in entries(world, netns):
        for t in () if row.assured else (row.original, row.reply):
            away = (_bucket(t, buckets) - first) % buckets
            if away < EVICTION_RANGE:
                near.setdefault(away, []).append(row)
    return near[min(near)] if near else []


def _bucket(t: Tuple, buckets: int) -> int:
    """The kernel hashes with a number drawn at boot; so its buckets are as good as any."""
    return crc32(repr(t).encode()) * buckets >> 32
