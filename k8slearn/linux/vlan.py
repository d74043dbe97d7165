"""A vlan: one wire, several networks, told apart by four bytes in the Ethernet header (IEEE 802.1Q).

::

    dst MAC │ src MAC │ 8100 · priority · id 10 │ 0800 │ IP packet        with the tag, on eth0
    dst MAC │ src MAC │ 0800 │ IP packet                                  without it, on eth0.10

``eth0.10`` puts the tag 10 on what it sends and hands it to ``eth0``. What comes in by ``eth0`` with the tag 10 loses
it and comes in by ``eth0.10``; what has no tag, or one that no vlan asked for, never gets there. The tag is not part
of the MTU: a frame may be four bytes longer with it.

The device goes down and up with the one below, wears its MAC and cannot have a larger MTU (`stack.py`).

Left out: 802.1ad and a tag within a tag (refused), priorities, GVRP and MVRP, ``reorder_hdr off``, ``loose_binding``.
"""

from __future__ import annotations

from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import link, path, stack
from k8slearn.linux.device import error, find, lower_of, refused
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link, Vlan
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

LARGEST = 4094


def add(
    world: World, netns: str, name: str, lower: str, number: int, mac: str = "", mtu: int = 0, into: str = ""
) -> Commands:
    """``ip link add link LOWER name NAME type vlan id NUMBER``: down, in `into` (empty: where LOWER is)."""
    below = find(world, netns, lower)
    if below.kind == "vlan":
        raise CommandError("ip link type vlan: a tag within a tag is not modelled here\n", 1)
    if number > LARGEST:
        raise error("8021q: Invalid VLAN id.")
    if DRIVERS[below.kind].link_type != "ether":
        raise error("8021q: VLANs not supported on device.")
    if any(row.spec == Vlan(number) for _, row in stack.uppers(world, netns, lower)):
        raise error("8021q: VLAN device already exists.")
    if mtu > below.mtu:
        raise refused("Invalid argument")
    fields: dict[str, Any] = {"lower": (netns, lower), "spec": Vlan(number), "pinned": bool(mac)}
    yield from link.add(world, into or netns, name, "vlan", mtu or below.mtu, mac or below.mac, **fields)


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> None:
    """Put the tag on and hand the frame to the device below (`vlan_dev.c: vlan_dev_hard_start_xmit`)."""
    below = lower_of(net.world, device)
    if below is None or device.lower is None or not isinstance(device.spec, Vlan):
        return
    tagged = frame._replace(tag=device.spec.id)
    says = f"{device.name}: puts the 802.1Q tag {device.spec.id} on"
    net.say(Step(netns, "encapsulate", says, frame, tagged, because(netns, device), device.name))
    path.hand_over(net, device.lower[0], below, tagged)


def take(net: Net, skb: Skb, below: Link) -> bool:
    """A frame has come in by the device below: is its tag one of ours (`vlan_core.c: vlan_do_receive`)?"""
    frame = skb.packet
    if not frame.tag:
        return False
    for netns, device in stack.uppers(net.world, skb.netns, below.name):
        if isinstance(device.spec, Vlan) and device.spec.id == frame.tag:
            bare = frame._replace(tag=0)
            says = f"{device.name}: takes the 802.1Q tag {frame.tag} off"
            net.say(Step(netns, "decapsulate", says, frame, bare, because(netns, device), device.name))
            path.arrive(net, Skb(netns, bare, device.name), device)
            return True
    return False


def because(netns: str, device: Link) -> Because:
    assert isinstance(device.spec, Vlan)
    below = device.lower[1] if device.lower is not None else ""
    return Because((netns, "link", device.name), f"{device.name}@{below}: vlan protocol 802.1Q id {device.spec.id}")
