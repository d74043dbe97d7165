"""What sending and receiving mean on a network device is the affair of its driver: a module for each kind of device.

::

    kind        is given     sends by       looks at
    veth        frames       path.py
    bridge      frames       bridge.py
    vxlan       frames       vxlan.py
    dummy       frames       dummy.py
    ifb         frames       ifb.py
    vlan        frames       vlan.py        frames of the device below
    macvlan     frames       macvlan.py     frames of the device below
    ipvlan      frames       ipvlan.py      frames of the device below
    ipip        IP packets   ipip.py        ipip and icmp for this machine
    wireguard   IP packets   wireguard.py   udp for this machine

A bridge also gets what comes in by its ports (`bridge.handle_frame`), a VXLAN device the packets of its UDP port
(`vxlan.receive`), an ifb what a filter sends there (`ingress.py`).

A vlan, a macvlan, an ipvlan takes frames away from the device below it (`take`) and sends by that one (`transmit`). A
tunnel takes bare IP packets and makes outer ones of them; what comes out at the other end is brought to its machine
as any packet is, and taken by the tunnel before the sockets are asked (`receive`).

Left out: what the modules leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from k8slearn.linux import bridge, dummy, ifb, ipip, ipvlan, macvlan, vlan, vxlan, wireguard
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet


class Kind(Protocol):
    """A module that knows one kind of device."""

    def transmit(self, net: Net, netns: str, link: Link, frame: Packet) -> None:
        """The device sends a frame."""


class Upper(Kind, Protocol):
    """A kind of device that stands on another one."""

    def take(self, net: Net, skb: Skb, below: Link) -> bool:
        """A frame has come in by the device below; True: it was for an upper one."""


class Tunnel(Protocol):
    """A kind of device that puts packets into packets."""

    def transmit(self, net: Net, skb: Skb, device: Link) -> None:
        """The tunnel's device sends a bare IP packet."""

    def receive(self, net: Net, skb: Skb) -> bool:
        """An outer packet has come to its machine; True: it was for a tunnel."""


UPPERS: Mapping[str, Upper] = {"vlan": vlan, "macvlan": macvlan, "ipvlan": ipvlan}
"""Kind -> its module, in the order in which they are asked (`stack.ORDER`)."""
KINDS: Mapping[str, Kind] = {"bridge": bridge, "vxlan": vxlan, "dummy": dummy, "ifb": ifb, **UPPERS}
"""Kind -> the module that sends frames by it. What is not here is a cable (veth)."""
BARE: Mapping[str, Tunnel] = {"ipip": ipip, "wireguard": wireguard}
"""Kinds that take IP packets without an Ethernet header."""
TUNNELS: Mapping[str, tuple[Tunnel, ...]] = {"ipip": (ipip,), "icmp": (ipip,), "udp": (wireguard,)}
"""Protocol of an outer packet -> who looks at it before the sockets do."""
