"""ifb: a device that gives back what traffic control redirected to it, so that what comes *in* can be queued.

``tc`` shapes only what a device sends. The bandwidth plugin therefore redirects a pod's traffic to an ifb, queues it
there as if it were sent, and the ifb lets it go on where it came from. What nobody redirected it drops (ifb.c: ifb_xmit
asks for ``skb->redirected``).

`redirect` is what an ingress filter does (`ingress.py`).

Left out: queues for several processors, redirecting what goes out.
"""

from __future__ import annotations

from collections.abc import Callable

from k8slearn.linux import path
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net
from k8slearn.packet import Packet
from k8slearn.trace import Step


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> None:
    """Back to where it was taken from, or gone."""
    back = net.redirected.pop((netns, device.name, frame), None)
    if back is not None:
        back()
        return
    why = path.link_because(netns, device)
    says = f"{device.name}: an ifb lets go only what tc redirected to it"
    net.say(Step(netns, "drop", says, frame, frame, why, device.name, reason="CONSUMED"))


Back = Callable[[], None]
"""What happens to a redirected frame when the ifb lets it go."""


def redirect(net: Net, netns: str, device: Link, frame: Packet, back: Back) -> None:
    """``tc ... action mirred egress redirect dev ifb0``: through the ifb, then `back`."""
    net.redirected[netns, device.name, frame] = back
    net.count((netns, "counter", ("link", device.name, "rx")), frame.size + DRIVERS[device.kind].rx)
    if net.world.get((netns, "qdisc", (device.name, "root"))) is None:
        net.count((netns, "counter", ("qdisc", device.name, "root", "sent")), frame.size + DRIVERS[device.kind].tx)
    path.hand_over(net, netns, device, frame)
