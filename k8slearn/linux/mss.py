"""TCPMSS: a router that lowers the segment size which two ends agree on.

An end says in its SYN how long a segment it takes (MSS): its own device's MTU less 40 bytes. If a link on the way is
narrower and ICMP gets lost, long segments vanish: the MTU black hole. ``-j TCPMSS --clamp-mss-to-pmtu`` on the router
lowers the number in the SYN to what the way takes, in both directions (`xt_TCPMSS.c`).

Left out: adding the option to a SYN that has none.
"""

from __future__ import annotations

from k8slearn.linux import fib
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Step


def tcpmss(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """Never raises the number, and looks at SYNs only."""
    packet, said = skb.packet, dict(rule.options)
    if "SYN" not in packet.flags.split("-") or not packet.mss:
        return ""
    wanted = int(said["--set-mss"]) if "--set-mss" in said else _path_mtu(net, skb) - _headers(packet.family)
    if wanted < packet.mss:
        skb.packet = packet._replace(mss=wanted)
        says = f"MSS {packet.mss} becomes {wanted}"
        net.say(Step(skb.netns, "rule", says, packet, skb.packet, None, skb.oif or skb.iif, hook))
    return ""


def _headers(family: str) -> int:
    return 60 if family == "ip6" else 40


def _path_mtu(net: Net, skb: Skb) -> int:
    """The narrower of the way on and the way back."""
    back = fib.lookup(net.world, skb.netns, skb.packet.src)
    links = [fib.link(net.world, skb.netns, dev) for dev in (skb.oif, back.dev) if dev]
    return min((link.mtu for link in links if link is not None), default=65535)
