"""The packets of a connection that stands go the way of the one before: tables decide by a flow, not by what it says.

A kernel asks its tables who sends to whom, by which devices, and what conntrack knows of the two. What a segment says,
and how long it is, seldom matters; so Linux itself can let the later packets of a connection pass by a shortcut
(`nf_flow_table`). Here the way of a packet is remembered for the rest of its conversation::

    SYN       walked    makes connections, asks the nat rules
    SYN-ACK   walked ──── remembered ───┐
    ACK       walked ──── remembered ─┐ │
    request   ◄── the way of the ACK ─┘ │
    answer    ◄── the way of the SYN-ACK┘

Both ends do their work for each packet, conntrack is asked about each, and each has its own steps with the same rows
for reasons. A way counts where every step on it had such a row, where nothing was learned since but connections, and
where no rule, program or queue could have looked at more than the flow (`BY_FLOW`); any other packet is walked.

Left out: ways for what is not TCP, through tunnels, past nftables and IPVS, and while counters and captures are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from k8slearn.journal import Table
from k8slearn.linux import conntrack, listen
from k8slearn.linux.connection import lookup
from k8slearn.linux.rows import Connection, Link, Tuple
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Outgoing, Skb
from k8slearn.linux.targets import TARGETS
from k8slearn.packet import Packet
from k8slearn.trace import Step, step

LONGEST = 65535
BY_FLOW = (
    *("", "comment", "tcp", "udp", "sctp", "multiport", "iprange", "addrtype", "mac", "pkttype", "ttl", "hl"),
    *("mark", "physdev", "set", "state", "conntrack", "rpfilter"),
)
"""Modules whose conditions hold for all packets of a flow or for none, but for `BY_PACKET`."""
BY_PACKET = ("--tcp-flags", "--ctstatus", "--ctexpire")
SAME_FOR_ALL = ("REJECT", "MARK")
"""Targets that do the same to every packet of a flow (so do the verdicts, and jumps)."""
BETWEEN = ("transmit", "bridge", "rule", "neighbour", "route", "nat")
"""The steps of a packet that was let through on its whole way."""


class Way(NamedTuple):
    """What a packet went through from its socket to the other."""

    log: list[Step]
    met: list[tuple[str, Tuple, Connection]]
    """What conntrack knew of the packet on its way (`skb.Net.met`)."""
    room: int
    """A packet of so many bytes fits everywhere."""
    compared: int


def repeat(net: Net, out: Outgoing, log: list[Step]) -> Callable[[], tuple[Step, ...]] | None:
    """Send a packet the way of the one before, if it has one and that is still good; None: it has to walk.

    Returns what says its steps; `log` is where the receiving socket says its own."""
    way: Way | None = net.ways.get(_flow(net, out)) if net.ways else None
    if way is None or out.packet.size > way.room or not all(_stays(net, out.packet, *met) for met in way.met):
        return None
    end, packet = way.log[-1], out.packet
    net.compared += way.compared
    listen.receive(net, Skb(end.where, _saying(end.before, packet), end.dev))
    return lambda: (*_copied(way.log, packet, f"{out.name}: {packet}"), *log)


def remember(net: Net, out: Outgoing, log: list[Step], compared: int) -> None:
    """Keep the way of a packet that has walked, if the next one of its flow would go the same."""
    if any(command.key[1] != "conntrack" for command in net.effects):
        net.ways.clear()
    elif out.packet.proto == "tcp" and log[-1].what == "deliver" and not net.world.rows[out.netns, "pmtu"]:
        way = _way(net, log, net.compared - compared)
        if way is not None:
            net.ways[_flow(net, out)] = way


def _flow(net: Net, out: Outgoing) -> tuple[object, ...]:
    """What a packet that goes the same way has in common with this one: all but flags, payload and length."""
    packet = out.packet
    return (out.netns, out.discover, out.dev, out.mark, net.time, *packet[:5], *packet[7:11], *packet[12:17])


def _way(net: Net, log: list[Step], compared: int) -> Way | None:
    """The way of a packet from what was said on it, or None where it need not hold for the next one."""
    left, end = log[0], log[-1]
    room = _room(net, left.where)
    for one in log[1:]:
        where = one.where
        if where != left.where:
            room = min(room, _room(net, where)) if _crossed(net, left, where) else 0
        if not room or ((one.because is None or one.what not in BETWEEN) and one is not end):
            return None
        left = one
    return Way(log, net.met, room, compared)


def _crossed(net: Net, left: Step, to: str) -> bool:
    """Does a cable lead from this step to there, so that there is no other copy of the packet?"""
    link: Link | None = net.world.rows[left.where, "link"].get(left.dev)
    return left.what == "transmit" and link is not None and link.peer is not None and link.peer[0] == to


def _stays(net: Net, packet: Packet, netns: str, mine: Tuple, before: Connection) -> bool:
    """Is the connection what it was, and would this packet leave it so?"""
    row = lookup(net.world, netns, mine)
    if row is None or (row.reply, row.replied, row.mark) != (before.reply, before.replied, before.mark):
        return False
    return conntrack.stays(net, netns, row, packet.flags, mine != row.original)


def _room(net: Net, netns: str) -> int:
    """How long a packet may be that goes anywhere in a namespace; 0: there are queues, programs (they hang at queues),
    devices that stand on others or rules that look at each packet by itself."""
    found = net.rooms.get(netns)
    if found is None:
        rows = net.world.rows
        if (
            rows[netns, "qdisc"]
            or rows[netns, "upper"]
            or rows[netns, "ipvs"]
            or not rows[netns, "chain"].index(_by_flow)
        ):
            found = 0
        else:
            found = min(rows[netns, "link"].index(_narrowest), rows[netns, "route"].index(_narrowest))
        net.rooms[netns] = found
    return found


def _narrowest(rows: Table) -> int:
    return min((row.mtu or LONGEST for row in rows.values()), default=LONGEST)


def _by_flow(chains: Table) -> bool:
    """Do the rules of a namespace say the same of all packets of a flow? (nat's are asked for the first alone.)"""
    names: Iterable[Any] = chains.items()
    return all(name[0] != "nft" and (name[1] == "nat" or all(map(_alike, chain.rules))) for name, chain in names)


def _alike(rule: Rule) -> bool:
    if rule.target in TARGETS and rule.target not in SAME_FOR_ALL:
        return False
    return all(match.module in BY_FLOW and match.option not in BY_PACKET for match in rule.matches)


def _copied(log: list[Step], packet: Packet, sent: str) -> Iterator[Step]:
    """The same steps of another packet, but for its delivery."""
    old = new = packet
    yield log[0]._replace(says=sent, before=packet, after=packet)
    for where, what, says, before, after, because, dev, hook, reason in log[1:-1]:
        if before is not old:
            old, new = before, _saying(before, packet)
        mine = new
        if after is not old:
            old, new = after, _saying(after, packet)
        yield step((where, what, says, mine, new, because, dev, hook, reason))


def _saying(there: Packet, packet: Packet) -> Packet:
    """A packet as it looks at some place of the way, with what another one says: flags, payload, length, MSS."""
    proto, src, dst, sport, dport, _, _, ttl, eth_src, eth_dst, inner, _, df, mtu, tag, vni, cipher, _, *rest = there
    head = (proto, src, dst, sport, dport, packet.flags, packet.payload, ttl, eth_src, eth_dst, inner, packet.size)
    return tuple.__new__(Packet, (*head, df, mtu, tag, vni, cipher, packet.mss, *rest))
