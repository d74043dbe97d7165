"""Which module knows which kind of device, beside the bridge and the cable.

A vlan, a macvlan, an ipvlan takes frames away from the device below it (`take`) and sends by that one (`transmit`). A
tunnel takes bare IP packets and makes outer ones of them; what comes out at the other end is brought to its machine
as any packet is, and taken by the tunnel before the sockets are asked (`receive`).

Left out: what the modules leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from k8slearn.linux import ipip, ipvlan, macvlan, vlan, wireguard
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Walk


class Upper(Protocol):
    """A kind of device that stands on another one."""

    def transmit(self, net: Net, netns: str, link: Link, frame: Packet) -> Walk[None]:
        """The device sends a frame."""

    def take(self, net: Net, skb: Skb, below: Link) -> Walk[bool]:
        """A frame has come in by the device below; True: it was for an upper one."""


class Tunnel(Protocol):
    """A kind of device that puts packets into packets."""

    def transmit(self, net: Net, skb: Skb, device: Link) -> Walk[None]:
        """The tunnel's device sends a bare IP packet."""

    def receive(self, net: Net, skb: Skb) -> Walk[bool]:
        """An outer packet has come to its machine; True: it was for a tunnel."""


UPPERS: Mapping[str, Upper] = {"vlan": vlan, "macvlan": macvlan, "ipvlan": ipvlan}
"""Kind -> its module, in the order in which they are asked (`stack.ORDER`)."""
BARE: Mapping[str, Tunnel] = {"ipip": ipip, "wireguard": wireguard}
"""Kinds that take IP packets without an Ethernet header."""
TUNNELS: Mapping[str, tuple[Tunnel, ...]] = {"ipip": (ipip,), "icmp": (ipip,), "udp": (wireguard,)}
"""Protocol of an outer packet -> who looks at it before the sockets do."""
