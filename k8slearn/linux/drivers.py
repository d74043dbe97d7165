"""Each kind of device has a driver, which sets its hardware type, flags and limits, and knows whether it has a carrier.

::

    kind        type       flags                 has a carrier while
    loopback    loopback   LOOPBACK              nobody asks: state UNKNOWN while up
    veth        ether      BROADCAST MULTICAST   both ends are up
    bridge      ether      BROADCAST MULTICAST   one of its ports has one
    vxlan       ether      BROADCAST MULTICAST   nobody asks: state UNKNOWN while up
    dummy       ether      BROADCAST NOARP       nobody asks: state UNKNOWN while up
    vlan        ether      BROADCAST MULTICAST   the device below has one
    macvlan     ether      BROADCAST MULTICAST   the device below has one
    ipvlan      ether      BROADCAST MULTICAST   the device below has one
    ipip        ipip       NOARP                 nobody asks: state UNKNOWN while up
    wireguard   none       POINTOPOINT NOARP     nobody asks: state UNKNOWN while up
    ifb         ether      BROADCAST NOARP       nobody asks: state UNKNOWN while up

What a packet finds in a device of a kind is in the kind's own module (`kinds.py`).

Left out: hardware: every device here is made of software.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Driver(NamedTuple):
    """The constants of one kind of device (``dev->type``, ``dev->flags``, ``dev->min_mtu`` ...)."""

    link_type: str = "ether"
    """``link/ether``, ``link/loopback``, ``link/ipip``, ``link/none``."""
    flags: tuple[str, ...] = ("BROADCAST", "MULTICAST")
    """Those of ``LOOPBACK BROADCAST POINTOPOINT MULTICAST NOARP`` that it is born with."""
    min_mtu: int = 68
    max_mtu: int = 65535
    """Bytes; 0: no limit."""
    txqlen: int = 1000
    qdisc: str = "noqueue"
    """What it queues with once it has been up."""
    carrier: str = ""
    """Whose carrier is its own: ``peer``, ``ports``, ``lower``; empty: nobody asks, and ``state`` is UNKNOWN."""
    tso_max_size: int = 524280
    cost: int = 100
    """Of a port of this kind, in spanning tree: what its speed is worth (br_if.c: port_cost)."""
    tx: int = 14
    """Bytes that it counts beyond the IP packet when it sends: the Ethernet header, or nothing."""
    rx: int = 14


DRIVERS: Mapping[str, Driver] = {
    "loopback": Driver("loopback", ("LOOPBACK",), 0, 0),
    "veth": Driver(carrier="peer", cost=2),
    "bridge": Driver(carrier="ports", rx=0),
    "vxlan": Driver(tx=0, rx=0),
    "dummy": Driver(flags=("BROADCAST", "NOARP"), min_mtu=0, max_mtu=0),
    "vlan": Driver(min_mtu=0, carrier="lower"),
    "macvlan": Driver(carrier="lower"),
    "ipvlan": Driver(carrier="lower"),
    "ipip": Driver("ipip", ("NOARP",), 0, 0),
    "wireguard": Driver("none", ("POINTOPOINT", "NOARP"), 0, 2147483552),
    "ifb": Driver(flags=("BROADCAST", "NOARP"), min_mtu=0, max_mtu=0, txqlen=32, qdisc="pfifo_fast"),
}
