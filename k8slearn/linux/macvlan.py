"""A macvlan: one network card with several MACs, each of them a device of its own.

::

    pod A: eth0 02:..:0a ──┐ by MAC                       pod B: eth0 02:..:0b ──┐
                           ├── node: eth0 02:..:01 ── wire                       ├── (the same eth0)
              the node's own stack ──┘

The CNI plugin macvlan makes one and moves it into the pod: so a pod stands on the node's own network, without a
bridge. A frame that comes in goes to the device whose MAC it names, a broadcast to all of them *and* to the node.
A frame that goes out may stay in the house; that is the mode:

========  ==================================================================================
bridge    to another macvlan of the same card directly; everything else goes out by the wire
private   everything goes out by the wire; what comes back from a sibling is not taken
vepa      everything goes out; the switch outside may send it back (hairpin)
passthru  the only device of its card; it wears the card's MAC and takes everything
========  ==================================================================================

In no mode does a frame go from a macvlan to the stack of the card below or back: **the node cannot talk to its own
macvlan pods over that card**. Its frame leaves by the wire, and no switch sends a frame back where it came from.

Left out: mode ``source``, the filter flags, broadcast queues, multicast; that ``state`` remembers the namespace in
which the device last learned of its carrier.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.journal import Commands, Put, World
from k8slearn.linux import link, path, stack
from k8slearn.linux.device import carrier, find, lower_of, refused
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link, Macvlan
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

MODES = ("private", "vepa", "bridge", "passthru")
DIRECT = {"bridge"}
"""Modes that see each other's frames before they leave by the wire."""
FROM_SIBLING = {"vepa": {"vepa", "bridge"}, "bridge": {"vepa"}}
"""Mode of a macvlan whose broadcast comes back from outside -> the modes that get it now; the others have had it, or
must not (`macvlan.c: macvlan_multicast_rx`)."""


def add(
    world: World, netns: str, name: str, lower: str, mode: str = "vepa", mac: str = "", mtu: int = 0, into: str = ""
) -> Commands:
    """``ip link add link LOWER name NAME type macvlan mode MODE``. On a macvlan: on what that one stands on."""
    below, place = base(world, netns, lower, "macvlan")
    if DRIVERS[below.kind].link_type != "ether" or mtu > below.mtu:
        raise refused("Invalid argument")
    others = [row for _, row in stack.uppers(world, *place) if row.kind in ("macvlan", "ipvlan")]
    if below.master or any(row.kind != "macvlan" for row in others):
        raise refused("Device or resource busy")
    if others and (mode == "passthru" or Macvlan("passthru") in [row.spec for row in others]):
        raise refused("Invalid argument")
    mac = below.mac if mode == "passthru" else mac
    size, spec = mtu or below.mtu, Macvlan(mode)
    yield from link.add(world, into or netns, name, "macvlan", size, mac, lower=place, spec=spec)


def base(world: World, netns: str, lower: str, kind: str) -> tuple[Link, stack.Place]:
    """The device to stand on: no macvlan stands on a macvlan, but beside it."""
    below = find(world, netns, lower)
    if below.kind == kind and below.lower is not None:
        return find(world, *below.lower), below.lower
    return below, (netns, lower)


def set_mode(world: World, netns: str, name: str, mode: str) -> Commands:
    """``ip link set NAME type macvlan mode MODE``: passthru is for ever, both ways."""
    device = find(world, netns, name)
    if not isinstance(device.spec, Macvlan):
        raise refused("Operation not supported")
    if (device.spec.mode == "passthru") != (mode == "passthru"):
        raise refused("Invalid argument")
    yield Put(link.key(netns, name), replace(device, spec=Macvlan(mode)))


def _ports(net: Net, place: stack.Place) -> list[tuple[str, Link, str]]:
    """(namespace, device, mode) of the macvlans of a card that are up: only those are in its hash."""
    found = stack.uppers(net.world, *place)
    return [(scope, row, row.spec.mode) for scope, row in found if row.up and isinstance(row.spec, Macvlan)]


def transmit(net: Net, netns: str, device: Link, frame: Packet) -> None:
    """To a sibling in bridge mode directly, or out by the card (`macvlan.c: macvlan_queue_xmit`)."""
    below, place = lower_of(net.world, device), device.lower
    if below is None or place is None or not isinstance(device.spec, Macvlan):
        return
    if not carrier(net.world, netns, device):
        says = f"{device.name} has no carrier: {below.name} has none"
        why = path.link_because(place[0], below)
        net.say(Step(netns, "drop", says, frame, frame, why, device.name, reason="QDISC_DROP"))
        return
    if device.spec.mode in DIRECT:
        if stack.is_group(frame.eth_dst):
            _to_all(net, _ports(net, place), frame, DIRECT, device.mac)
        elif any(row.mac == frame.eth_dst and mode in DIRECT for _, row, mode in _ports(net, place)):
            says = f"{device.name}: {frame.eth_dst} is another macvlan of {below.name}: it stays in the house"
            net.say(Step(netns, "bridge", says, frame, frame, because(netns, device), device.name))
            net.wire.append((place[0], below.name, frame))
            return
    path.hand_over(net, place[0], below, frame)


def _to_all(net: Net, ports: list[tuple[str, Link, str]], frame: Packet, modes: set[str], but: str) -> None:
    for scope, row, mode in ports:
        if mode in modes and row.mac != but:
            net.wire.append((scope, row.name, frame))


def take(net: Net, skb: Skb, below: Link) -> bool:
    """A frame has come in by the card: is its MAC one of ours (`macvlan.c: macvlan_handle_frame`)?"""
    frame, ports = skb.packet, _ports(net, (skb.netns, below.name))
    if stack.is_group(frame.eth_dst):
        source = next((mode for _, row, mode in ports if row.mac == frame.eth_src), "")
        _to_all(net, ports, frame, FROM_SIBLING.get(source, set()) if source else set(MODES), frame.eth_src)
        return source not in ("", *FROM_SIBLING)
    for scope, row, mode in ports:
        if row.mac == frame.eth_dst or mode == "passthru":
            net.say(
                Step(
                    scope,
                    "receive",
                    f"{below.name}: {row.mac} is {row.name}",
                    frame,
                    frame,
                    because(scope, row),
                    row.name,
                )
            )
            path.arrive(net, Skb(scope, frame, row.name), row)
            return True
    return False


def because(netns: str, device: Link) -> Because:
    assert isinstance(device.spec, Macvlan)
    below = device.lower[1] if device.lower is not None else ""
    text = f"{device.name}@{below}: macvlan mode {device.spec.mode}, mac {device.mac}"
    return Because((netns, "link", device.name), text)
