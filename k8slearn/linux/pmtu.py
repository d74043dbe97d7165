"""Path MTU: the longest packet that gets all the way to an address without being cut up.

A link takes packets up to its own MTU. Beyond the first router nobody knows; so Linux sends with the don't-fragment
bit and learns from who complains (RFC 1191): a router that has to forward a packet over a smaller link drops it and
tells the sender ``frag-needed`` with the size that fits, an IPv6 router ``packet-too-big``. The sender remembers that
for ten minutes::

    longest packet =  what was learned of the path  >  the route's own mtu  >  the device's MTU

Where somebody filters ICMP the complaint never comes: the **MTU black hole**. Small packets pass, big ones vanish.

A complaint is believed only by who has a socket for the packet that it quotes (`route.c: ipv4_sk_update_pmtu`), never
below 552 (`min_pmtu`; IPv6: 1280), never to make the path wider.

Left out: ``tcp_mtu_probing``, ``ip_forward_use_pmtu=1``, ``ip_no_pmtu_disc=3``.
"""

from __future__ import annotations

from k8slearn.journal import Put, World
from k8slearn.linux import fib, stack, sysctl
from k8slearn.linux.fib import Found
from k8slearn.linux.rows import PathMtu, Tuple
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

EXPIRES = 600.0
LONGEST = 65535
LEAST = {"ip": 552, "ip6": 1280}
COMPLAINTS = ("frag-needed", "packet-too-big")


def mtu(world: World, netns: str, found: Found, dst: str, *, forwarding: bool = False) -> int:
    """The longest IP packet, in bytes, that may leave on this way (`route.c: ipv4_mtu`, `ip6_mtu`).

    A forwarding box does not use what it learned for itself (``ip_forward_use_pmtu=0``).
    """
    learned = None if forwarding or not world.rows[netns, "pmtu"] else known(world, netns, found, dst)
    if learned is not None:
        return learned.mtu
    link = world.rows[netns, "link"].get("lo" if found.kind == "local" else found.dev)
    told = found.route.mtu if found.route is not None else 0
    return min(told or (link.mtu if link is not None else LONGEST), LONGEST)


def known(world: World, netns: str, found: Found, dst: str) -> PathMtu | None:
    """What this machine has learned of the way to `dst`, while it is good."""
    row: PathMtu | None = world.rows[netns, "pmtu"].get(dst)
    if row is None or row.until <= world.clock or (row.dev, row.via) != (found.dev, found.via):
        return None
    return row


def locked(world: World, netns: str, found: Found, dst: str) -> bool:
    """Does nothing go there with DF (`ip_dont_fragment`): ``mtu lock``, or somebody claimed less than ``min_pmtu``?"""
    if found.route is not None and found.route.mtu_lock:
        return True
    row = known(world, netns, found, dst)
    return row is not None and row.locked


def learn(net: Net, skb: Skb) -> None:
    """A complaint has come in for a packet that one of this machine's sockets sent."""
    packet, inner = skb.packet, skb.packet.inner
    if inner is None or not _believed(net, skb, inner):
        return
    found = fib.lookup(net.world, skb.netns, inner.dst)
    before, least = mtu(net.world, skb.netns, found, inner.dst), LEAST[packet.family]
    fixed = found.route is not None and found.route.mtu_lock
    if found.kind != "unicast" or fixed or packet.mtu >= before:
        return
    size = max(packet.mtu, least) if packet.family == "ip6" else packet.mtu
    locked = size < least
    size = min(before, least) if locked else size
    row = PathMtu(inner.dst, size, net.world.clock + EXPIRES, found.dev, found.via, locked)
    key = (skb.netns, "pmtu", inner.dst)
    net.write(Put(key, row))
    says = f"learns: packets to {inner.dst} may have {size} bytes"
    net.say(Step(skb.netns, "route", says, packet, packet, Because(key, f"{inner.dst} mtu {size}"), skb.iif))


def _believed(net: Net, skb: Skb, inner: Packet) -> bool:
    """Is there a socket that sent it, and may the path be learned at all (``ip_no_pmtu_disc``)?"""
    if skb.packet.family == "ip" and sysctl.is_on(net.world, skb.netns, "net.ipv4.ip_no_pmtu_disc"):
        return False
    if inner.proto == "ipip":
        return bool(stack.tunnels(net.world, skb.netns, "ipip"))
    if inner.proto == "udp":
        rows = net.world.rows[skb.netns, "socket"].values()
        if any(row.proto == "udp" and row.port == inner.sport for row in rows):
            return True
    here = (skb.netns, Tuple(inner.proto, inner.dst, inner.src, inner.dport, inner.sport))
    return here in net.ends or here in net.servers
