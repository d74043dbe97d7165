"""A tunnel's outer packet is one that the machine itself sends (ip_tunnel_core.c: iptunnel_xmit), whatever the tunnel.

It passes OUTPUT and POSTROUTING of the tunnel's home with a connection of its own; of the inner packet it keeps only
the mark, and that only inside one namespace (`skb_scrub_packet`). So ``-j MASQUERADE`` on a mark catches both, unless
somebody takes the mark off between them.

Left out: what only one kind of tunnel does (`vxlan`, ...).
"""

from __future__ import annotations

from k8slearn.linux import netfilter, path, pmtu
from k8slearn.linux.fib import Found
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Step

DEPTH = 8
"""So many devices may send through each other until the kernel calls it a dead loop (XMIT_RECURSION_LIMIT)."""


def nested(frame: Packet) -> bool:
    """Is it so often wrapped already that this must be a tunnel inside itself?"""
    depth, inside = 0, frame.inner
    while inside is not None:
        depth, inside = depth + 1, inside.inner
    return depth >= DEPTH


def send(net: Net, home: str, outer: Packet, found: Found, mark: int, by: str) -> None:
    """The outer packet leaves the machine the way that routing `found`; `by` is the tunnel's name."""
    net.say(Step(home, "send", f"{by}: {outer}", outer, outer, found.because, found.dev))
    skb = Skb(home, outer, "", found.dev)
    skb.via, skb.mark = found.via, mark
    skb.mtu = pmtu.mtu(net.world, home, found, outer.dst)
    if not netfilter.run(net, skb, "OUTPUT"):
        return
    if skb.packet.dst != outer.dst or skb.mark != mark:
        path.reroute(net, skb)
        return
    path.output(net, skb)
    net.errno = ""  # a tunnel's device does not say what became of the outer packet
