"""IPVS: the kernel's own load balancer. It takes what arrives *for this machine*, and sends it on to another.

A **virtual server** is a protocol, an address and a port; behind it stand **real servers**, and a *scheduler* chooses
one for each new connection. It hangs at netfilter's hooks, behind the filter, so the address must be one of the
machine's own (kube-proxy puts all of them on a dummy, ``kube-ipvs0``)::

    INPUT    mangle filter security ─ ipvs ── the destination is rewritten ── routed ── OUTPUT ── POSTROUTING ── out
    OUTPUT   raw conntrack mangle nat ─ ipvs ── the same for what starts here ── filter security
    FORWARD  mangle filter security ─ ipvs ── an answer: its source is the virtual server's again
    INPUT                             ipvs ── the same for an answer to this machine

So a connection through IPVS meets the chains INPUT and OUTPUT of a router where one that netfilter translates meets
FORWARD; its answers meet FORWARD. No rule decides: the virtual server is found by a hash.

Virtual servers are rows ``(netns, "ipvs", (protocol, address, port))``; which client was sent where (``-p``,
persistence) is a row of ``ipvs-client``. Its connections are conntrack's, as with ``net.ipv4.vs.conntrack=1``, which
kube-proxy sets: an entry that IPVS has translated says so (`Connection.ipvs`), and nat leaves it alone.

This is a sketch, written from `ip_vs_core.c` and `ip_vs_xmit.c`; the kernels that we have to hold things against are
built without IPVS, so nothing here was ever compared with a real one.

Left out: every scheduler but ``rr``, and of ``rr`` the turn itself: which server's turn it is depends on all clients,
so each is as likely as the others. Weights, direct routing and tunnels (``-g``, ``-i``), firewall marks, fragments,
timeouts of its own, the sync daemon; IPVS without conntrack; that what starts here passes OUTPUT twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from k8slearn.journal import Key, Put
from k8slearn.linux import fib, icmp, nat, netfilter, path, pmtu
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Because, Step

Name = tuple[str, str, int]
"""A virtual server's: (protocol, address, port)."""


class Server(NamedTuple):
    """A real server."""

    address: str
    port: int

    def __str__(self) -> str:
        return place(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Virtual:
    """A virtual server, as ``ipvsadm -Ln`` lists it."""

    servers: tuple[Server, ...] = ()
    scheduler: str = "rr"
    persistent: int = 0
    """Seconds that a client stays with its server; 0: every connection is scheduled anew."""


class Client(NamedTuple):
    """A client that stays with its server (in the kernel: a connection template)."""

    server: Server
    until: float


def place(address: str, port: int) -> str:
    """``10.96.0.10:53``, ``[fd00::a]:53``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def key(netns: str, name: Name) -> Key:
    """Where the world keeps this virtual server."""
    return (netns, "ipvs", name)


def line(name: Name, virtual: Virtual) -> str:
    """``TCP  10.96.0.10:53 rr persistent 10800``."""
    proto, address, port = name
    persistent = f" persistent {virtual.persistent}" if virtual.persistent else ""
    return f"{proto.upper():4} {place(address, port)} {virtual.scheduler}{persistent}"


def passes(net: Net, skb: Skb, hook: str) -> bool:
    """Does the packet go on at this hook (`ip_vs_in_hook`, `ip_vs_out_hook`)? False: it ends here, or was sent on."""
    tracked = skb.tracked
    if tracked is None:
        return True
    if not tracked.row.ipvs:
        name = (skb.packet.proto, skb.packet.dst, skb.packet.dport)
        virtual: Virtual | None = net.world.rows[skb.netns, "ipvs"].get(name)
        begins = not tracked.confirmed and (skb.packet.proto != "tcp" or skb.packet.flags == "SYN")
        if hook == "FORWARD" or virtual is None or not begins:
            return True
        if not _scheduled(net, skb, name, virtual, hook):
            return False
    rewritten = nat.rewrite(net, skb, hook, source=tracked.reply)
    if rewritten is not None:
        net.say(rewritten)
    return _sent_on(net, skb) if hook == "INPUT" and not tracked.reply else True


def _scheduled(net: Net, skb: Skb, name: Name, virtual: Virtual, hook: str) -> bool:
    """A new connection gets its real server (`ip_vs_schedule`); without one its client hears so (`ip_vs_leave`)."""
    tracked, why = skb.tracked, Because(key(skb.netns, name), line(name, virtual))
    assert tracked is not None
    if not virtual.servers:
        says = f"ipvs: {place(*name[1:])} has no real server"
        dev = skb.iif or skb.oif
        net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, why, dev, hook, "NETFILTER_DROP"))
        icmp.error(net, skb, "port-unreachable")
        return False
    server = _chosen(net, skb, name, virtual)
    says = f"ipvs {virtual.scheduler}: {server}, one of {len(virtual.servers)} real servers of {place(*name[1:])}"
    net.say(Step(skb.netns, "rule", says, skb.packet, skb.packet, why, skb.iif or skb.oif, hook))
    nat.set_destination(tracked, server.address, server.port)
    tracked.row = tracked.row._replace(ipvs=True)
    return True


def _chosen(net: Net, skb: Skb, name: Name, virtual: Virtual) -> Server:
    """Where the client went before if it stays there, else any (`ip_vs_sched_persist`, `ip_vs_rr.c`)."""
    client = (skb.netns, "ipvs-client", (name, skb.packet.src))
    known: Client | None = net.world.get(client) if virtual.persistent else None
    stays = known is not None and known.until > net.time and known.server in virtual.servers
    server = known.server if known is not None and stays else _drawn(net, skb, name, virtual)
    if virtual.persistent:
        net.write(Put(client, Client(server, net.time + virtual.persistent)))
    return server


def _drawn(net: Net, skb: Skb, name: Name, virtual: Virtual) -> Server:
    """Each is as likely: half after half."""
    low, high = 0, len(virtual.servers)
    while high - low > 1:
        middle = (low + high) // 2
        words = f"ipvs {virtual.scheduler}: one of the first {middle} of {len(virtual.servers)}"
        if net.draw(key(skb.netns, name), words, Fraction(middle - low, high - low)):
            high = middle
        else:
            low = middle
    return virtual.servers[low]


def _sent_on(net: Net, skb: Skb) -> bool:
    """Route it to its real server and send it as this machine's own (`ip_vs_nat_xmit`); True: the server is here."""
    world, packet = net.world, skb.packet
    found = fib.lookup(world, skb.netns, packet.dst)
    if found.kind == "local":
        return True
    says = f"ipvs: {packet.dst} goes {path.way(found)}"
    if found.kind != "unicast" or packet.ttl <= 1:
        says = "ipvs: TTL reached 0" if found.kind == "unicast" else f"ipvs: no route to {packet.dst}"
        net.say(Step(skb.netns, "drop", says, packet, packet, found.because, skb.iif, "INPUT", "IP_OUTNOROUTES"))
        icmp.error(net, skb, "time-exceeded" if found.kind == "unicast" else "host-unreachable")
        return False
    net.say(Step(skb.netns, "route", says, packet, packet, found.because, skb.iif, "INPUT"))
    skb.packet, skb.iif, skb.oif, skb.via = packet.older(), "", found.dev, found.via
    skb.mtu = pmtu.mtu(world, skb.netns, found, packet.dst)
    if netfilter.run(net, skb, "OUTPUT"):
        path.output(net, skb)
        net.errno = ""
    return False
