"""Neighbour discovery: who on this link has that IPv6 address? Asked by an ICMPv6 packet (RFC 4861), not by ARP.

::

    who has fd00::2?   from fd00::1, to ff02::1:ff00:2 (the group of all whose address ends so), MAC 33:33:ff:00:00:02
    I have it          from fd00::2, to fd00::1

So a firewall sees it. The question passes OUTPUT and POSTROUTING, and at the other end PREROUTING and INPUT: an
ip6tables policy that drops ICMPv6 cuts a machine off, which dropping ICMP never does in IPv4. conntrack does not track
it (UNTRACKED). A machine answers only for the addresses of the device that was asked on, and for another's where
``proxy_ndp`` is on and it was told to (``ip -6 neigh add proxy``), a moment later than whoever has it. The question's
target is the packet's `payload`.

Left out: duplicate address detection, router solicitations and advertisements, redirects, anycast.
"""

from __future__ import annotations

from functools import partial

from k8slearn.linux import arp, fib, icmp, ip, netfilter, path, sysctl
from k8slearn.linux.rows import Address, Link
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

ASKS, TELLS = "neighbour-solicitation", "neighbour-advertisement"
MESSAGES = (ASKS, TELLS)
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
SOLICITED = ip.number("ff02::1:ff00:0")
SIZE = 72
"""An IPv6 header, the message and its one option, the sender's MAC."""
HOPS = 255
"""Whoever is not on the link cannot make this hop limit arrive."""


def group_of(address: str) -> str:
    """The solicited-node multicast address: ``fd00::2`` listens to ``ff02::1:ff00:2``."""
    return ip.text(SOLICITED | ip.number(address) & 0xFFFFFF, 128)


def group_mac(group: str) -> str:
    """The MAC of an IPv6 multicast address: 33:33 and its last four bytes (RFC 2464)."""
    last = ip.number(group) & 0xFFFFFFFF
    return "33:33:" + ":".join(f"{last >> shift & 255:02x}" for shift in (24, 16, 8, 0))


def resolve(net: Net, skb: Skb, dev: str, address: str) -> str:
    """The MAC for an address on a link. Empty: the packet waits (in `net.held`) until somebody answers."""
    if ip.is_multicast(address):
        return group_mac(address)
    return arp.resolve(net, skb, dev, address)


def ask(net: Net, skb: Skb, link: Link, address: str) -> None:
    """`ndisc.c: ndisc_solicit`: from the packet's own source if that is the link's, else from its link-local one."""
    here = _on(net, skb.netns, link.name)
    own = [row.address for row in here if row.address == skb.packet.src]
    src = next(iter([*own, *(row.address for row in here if ip.is_link_local(row.address))]), "")
    if not src:
        says = f"{link.name} has no link-local address to ask from"
        net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, None, link.name, reason="NOT_SPECIFIED"))
        return
    group = group_of(address)
    question = _message(ASKS, src, group, address)
    net.say(
        Step(
            skb.netns,
            "arp",
            f"who has {address}? asked of {group} on {link.name}",
            skb.packet,
            question,
            None,
            link.name,
        )
    )
    _send(net, skb.netns, link, question)


def _message(flags: str, src: str, dst: str, target: str) -> Packet:
    return Packet("icmp6", src, dst, flags=flags, payload=target, ttl=HOPS, size=SIZE, df=False)


def _send(net: Net, netns: str, link: Link, message: Packet) -> None:
    """`ndisc_send_skb`: a packet of this machine's own that needs no route, until a rule marks it; conntrack leaves it
    alone."""
    skb = Skb(netns, message, "", link.name)
    skb.state = "UNTRACKED"
    net.stat(netns, "Ip6OutRequests")
    icmp.count(net, netns, message, "Out")
    if not netfilter.run(net, skb, "OUTPUT"):
        return
    if skb.mark:
        path.reroute(net, skb)
    elif netfilter.run(net, skb, "POSTROUTING"):
        path.send_to_neighbour(net, skb)


def receive(net: Net, skb: Skb) -> None:
    """A question or an answer has passed INPUT (`ndisc.c: ndisc_rcv`)."""
    packet, link = skb.packet, fib.link(net.world, skb.netns, skb.iif)
    if link is None or packet.ttl != HOPS:
        says = f"hop limit {packet.ttl}: not from this link"
        net.say(Step(skb.netns, "drop", says, packet, packet, None, skb.iif, reason="IPV6_NDISC_HOP_LIMIT"))
        return
    if packet.flags == TELLS:
        arp.learn(net, skb.netns, link, packet.payload, packet.eth_src, "REACHABLE")
        path.neighbour_found(net, skb.netns, link.name, packet.payload, packet.eth_src)
        return
    own = next((row for row in _on(net, skb.netns, link.name) if row.address == packet.payload), None)
    if own is None and not _proxies(net, skb.netns, link.name, packet.payload):
        says = f"{packet.payload} is not on {link.name}: no answer"
        net.say(Step(skb.netns, "drop", says, packet, packet, None, link.name, reason="IPV6_NDISC_NS_OTHERHOST"))
        return
    arp.learn(net, skb.netns, link, packet.src, packet.eth_src, "STALE")
    answer = partial(_answer, net, skb.netns, link, packet, own)
    (answer if own is not None else partial(net.late.append, answer))()


def _answer(net: Net, netns: str, link: Link, question: Packet, own: Address | None) -> None:
    src = question.payload if own is not None else _nearest(net, netns, link.name, question.src)
    answer = _message(TELLS, src, question.src, question.payload)
    says = f"{question.payload} is at {link.mac}"
    net.say(Step(netns, "arp", says, question, answer, _why(netns, own), link.name))
    _send(net, netns, link, answer)


def _why(netns: str, own: Address | None) -> Because | None:
    if own is None:
        return None
    key = (netns, "addr", (own.dev, f"{own.address}/{own.prefix}"))
    return Because(key, f"inet6 {own.address}/{own.prefix} dev {own.dev}")


def _nearest(net: Net, netns: str, dev: str, towards: str) -> str:
    return fib.select_source(net.world, netns, dev, towards)


def _on(net: Net, netns: str, dev: str) -> list[Address]:
    rows = net.world.table(netns, "addr").values()
    return [row for row in rows if row.dev == dev and ":" in row.address]


def _proxies(net: Net, netns: str, dev: str, address: str) -> bool:
    """Was this machine told to answer for the address (``ip -6 neigh add proxy``), and may it (``proxy_ndp``)?"""
    world = net.world
    on = any(sysctl.is_on(world, netns, f"net.ipv6.conf.{name}.proxy_ndp") for name in ("all", dev))
    forwards = sysctl.is_on(world, netns, "net.ipv6.conf.all.forwarding")
    return on and forwards and (dev, address) in world.table(netns, "proxy")


def listens(net: Net, netns: str, dev: str, group: str) -> bool:
    """Has this device joined the group: all nodes, all routers, or that of one of its addresses (`mcast.c`)?"""
    if group == ALL_NODES:
        return True
    if group == ALL_ROUTERS:
        return sysctl.is_on(net.world, netns, "net.ipv6.conf.all.forwarding")
    if any(group_of(row.address) == group for row in _on(net, netns, dev)):
        return True
    proxied = (row for row in net.world.table(netns, "proxy").values() if row.dev == dev and ":" in row.address)
    return any(group_of(row.address) == group for row in proxied)
