"""An ipvlan: one network card, one MAC, several IP stacks behind it, told apart by their addresses.

::

    pod A: 10.0.0.5 ──┐ by IP address                          (every frame has eth0's MAC)
    pod B: 10.0.0.6 ──┼── node: eth0 02:..:01 ── wire
       the node's own ┘

Where a switch lets only one MAC through (a cloud, a Wi-Fi), a macvlan fails and an ipvlan works. Its mode is that of
all ipvlans of the card:

====  ================================================================================================
l2    the pod routes and asks by ARP itself; its broadcasts go to its siblings and out, not to the node
l3    the pod's packets are handed to the node's routes (OUTPUT and POSTROUTING see them): no ARP, no
      broadcast, and the world needs a route to the pod's address
l3s   as l3, and what comes in passes the node's PREROUTING and INPUT first: conntrack works there
====  ================================================================================================

``private`` pods do not reach their siblings, ``vepa`` ones only by way of the switch outside. A pod and its node do
not reach each other over the card in l2: the node's question never comes to the pod.

Left out: multicast; that two ipvlans of one card refuse the same address; IPv6's solicitations in l3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from k8slearn.journal import Commands, Put, World
from k8slearn.linux import fib, link, listen, macvlan, netfilter, path, stack
from k8slearn.linux.device import find, lower_of, refused
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Ipvlan, Link
from k8slearn.linux.skb import Net, Outgoing, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

MODES = ("l2", "l3", "l3s")
FLAGS = ("bridge", "private", "vepa")


def add(world: World, netns: str, name: str, lower: str, spec: Ipvlan, mtu: int = 0, into: str = "") -> Commands:
    """``ip link add link LOWER name NAME type ipvlan mode MODE FLAG``: it sets the mode of its siblings as well."""
    below, place = macvlan.base(world, netns, lower, "ipvlan")
    if DRIVERS[below.kind].link_type != "ether":
        raise refused("Invalid argument")
    if below.master or any(row.kind == "macvlan" for _, row in stack.uppers(world, *place)):
        raise refused("Device or resource busy")
    fields: dict[str, Any] = {"lower": place, "spec": spec, "arp": spec.mode == "l2"}
    yield from link.add(world, into or netns, name, "ipvlan", mtu or below.mtu, below.mac, **fields)
    yield from _spread(world, place, spec)


def set_mode(world: World, netns: str, name: str, mode: str, flag: str) -> Commands:
    """``ip link set NAME type ipvlan mode MODE FLAG``; an empty word leaves it as it is."""
    device = find(world, netns, name)
    if not isinstance(device.spec, Ipvlan) or device.lower is None:
        raise refused("Operation not supported")
    yield from _spread(world, device.lower, Ipvlan(mode or device.spec.mode, flag or device.spec.flag))


def _spread(world: World, place: stack.Place, spec: Ipvlan) -> Commands:
    for scope, row in stack.uppers(world, *place):
        if row.kind == "ipvlan" and row.spec != spec:
            yield Put((scope, "link", row.name), replace(row, spec=spec, arp=spec.mode == "l2"))


def _siblings(net: Net, place: stack.Place) -> Iterator[tuple[str, Link]]:
    return ((scope, row) for scope, row in stack.uppers(net.world, *place) if isinstance(row.spec, Ipvlan))


def _owner(net: Net, place: stack.Place, address: str) -> tuple[str, Link] | None:
    """Which ipvlan of a card has this address (`ipvlan_core.c: ipvlan_addr_lookup`)."""
    for scope, row in _siblings(net, place):
        found = fib.local_address(net.world, scope, address)
        if found is not None and found.dev == row.name:
            return scope, row
    return None


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> None:
    """To a sibling directly, or out as the mode says (`ipvlan_core.c: ipvlan_queue_xmit`)."""
    below, place, spec = lower_of(net.world, device), device.lower, device.spec
    if below is None or place is None or not isinstance(spec, Ipvlan):
        return
    routed = spec.mode != "l2"
    if spec.flag != "vepa" and (routed or frame.eth_dst == frame.eth_src):
        owner = _owner(net, place, frame.dst)
        if owner is not None:
            _to_sibling(net, netns, device, frame, owner)
            return
    if routed:
        _by_the_node(net, netns, device, place, frame)
    elif frame.eth_dst == below.mac and spec.flag != "vepa":
        path.arrive(net, Skb(place[0], frame, below.name), below)
    else:
        if stack.is_group(frame.eth_dst):
            _to_all(net, place, frame, (netns, device.name))
        path.hand_over(net, place[0], below, frame)


def _to_sibling(net: Net, netns: str, device: Link, frame: Packet, owner: tuple[str, Link]) -> None:
    assert isinstance(device.spec, Ipvlan)
    scope, row = owner
    if device.spec.flag == "private":
        says = f"{device.name}: {frame.dst} is another ipvlan, and they are private"
        net.say(Step(netns, "drop", says, frame, frame, because(netns, device), device.name, reason="CONSUMED"))
        return
    says = f"{device.name}: {frame.dst} is another ipvlan of the card: it stays in the house"
    net.say(Step(netns, "bridge", says, frame, frame, because(netns, device), device.name))
    path.arrive(net, Skb(scope, frame._replace(eth_dst=row.mac), row.name), row)


def _by_the_node(net: Net, netns: str, device: Link, place: stack.Place, frame: Packet) -> None:
    """l3: the node's own table says where it goes (`ipvlan_process_v4_outbound`)."""
    if frame.proto == "arp" or stack.is_group(frame.eth_dst):
        return
    packet = frame._replace(eth_src="", eth_dst="")
    found = fib.lookup(net.world, place[0], packet.dst, src=packet.src, oif=place[1])
    if found.kind not in ("unicast", "local"):
        says = f"{device.name}: the routes below have no way to {packet.dst}"
        net.say(Step(place[0], "drop", says, packet, packet, found.because, place[1], "", "NOT_SPECIFIED"))
        return
    path.send_local(net, Outgoing(place[0], packet, f"from {device.name}"))


def _to_all(net: Net, place: stack.Place, frame: Packet, but: stack.Place | None) -> None:
    for scope, row in _siblings(net, place):
        if (scope, row.name) != but and row.up:
            net.wire.append((scope, row.name, frame))


def take(net: Net, skb: Skb, below: Link) -> bool:
    """A frame has come in by the card: is its address one of ours (`ipvlan_core.c: ipvlan_handle_frame`)?"""
    place, frame = (skb.netns, below.name), skb.packet
    mode = next((row.spec.mode for _, row in _siblings(net, place) if isinstance(row.spec, Ipvlan)), "")
    if stack.is_group(frame.eth_dst):
        if mode == "l2" and frame.eth_src != below.mac:
            _to_all(net, place, frame, None)
        return False
    owner = _owner(net, place, frame.dst)
    if owner is None:
        return False
    scope, row = owner
    says = f"{below.name}: {frame.dst} is {row.name}"
    net.say(Step(scope, "receive", says, frame, frame, because(scope, row), row.name))
    if mode == "l3s":
        _symmetric(net, skb, scope, row)
    else:
        path.arrive(net, Skb(scope, frame, row.name), row)
    return True


def _symmetric(net: Net, skb: Skb, scope: str, row: Link) -> None:
    """l3s: the node's PREROUTING and INPUT, then the pod's socket (`ipvlan_l3s.c: ipvlan_nf_input`)."""
    for hook in ("PREROUTING", "INPUT"):
        if not netfilter.run(net, skb, hook):
            return
    if row.up:
        listen.receive(net, Skb(scope, skb.packet, row.name))


def because(netns: str, device: Link) -> Because:
    assert isinstance(device.spec, Ipvlan)
    below = device.lower[1] if device.lower is not None else ""
    text = f"{device.name}@{below}: ipvlan mode {device.spec.mode} {device.spec.flag}"
    return Because((netns, "link", device.name), text)
