"""dummy: a device that swallows what it is given. It holds an address that no cable can take down with it.

kube-proxy in its IPVS mode puts all Services' addresses on one (``kube-ipvs0``), NodeLocal DNSCache its own.

Left out: nothing.
"""

from __future__ import annotations

from k8slearn.linux import path
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net
from k8slearn.packet import Packet
from k8slearn.trace import Step


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> None:
    """Gone (dummy.c: dummy_xmit)."""
    why = path.link_because(netns, device)
    says = f"{device.name}: a dummy swallows what it is given"
    net.say(Step(netns, "drop", says, frame, frame, why, device.name, reason="CONSUMED"))
