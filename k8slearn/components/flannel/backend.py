"""What a backend of flannel's has to know: how this node joins, and how another node's pods are reached.

Left out: several outer interfaces.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

from k8slearn.components.flannel.daemon import Daemon
from k8slearn.components.flannel.lease import Lease, piece
from k8slearn.journal import Command, Commands, World
from k8slearn.linux import addr, ip, link
from k8slearn.linux.rows import Link

Leases = tuple[Lease, ...]


class Fatal(Exception):
    """flanneld gives up; the text is the last line of its log."""


class Backend(NamedTuple):
    """One way to reach other nodes' pods."""

    register: Callable[[World, Daemon], Generator[Command, None, int]]
    """This node joins; returns the MTU that its pods get."""
    add: Callable[[World, Daemon, Lease], Commands]
    remove: Callable[[World, Daemon, Lease], Commands]
    look_after: Callable[[World, Daemon, Leases], Commands]
    """Put back what this backend looks after."""
    missing: Callable[[World, Daemon, Leases], bool]
    """Would the next periodic look find something to put back?"""


class Outer(NamedTuple):
    """The interface towards the other nodes, and its address of one family there."""

    link: Link
    address: str
    prefix: int


def outer(world: World, own: Daemon, six: bool = False) -> Outer:
    """``--iface``, or the default route's. Raises Fatal."""
    dev = own.flags.get("iface") or _default(world, own.node)
    held = next((a for a in world.table(own.node, "addr").values() if a.address == dev), None)
    device: Link | None = world.get(link.key(own.node, held.dev if held is not None else dev))
    if device is None:
        raise Fatal("Failed to find interface to use that matches the interfaces and/or regexes provided")
    rows = addr.on(world, own.node, device.name, "ip6" if six else "ip")
    addresses = [row for row in rows if row.scope == "global"] or rows
    if not addresses:
        family = "IPv6" if six else "IPv4"
        raise Fatal(f"Failed to find any valid interface to use: failed to find {family} address for {device.name}")
    found = held if held is not None and (":" in held.address) == six else addresses[0]
    return Outer(device, found.address, found.prefix)


def _default(world: World, node: str) -> str:
    rows = [r for r in world.table(node, "route").values() if (r.dst, r.table) == (ip.ANY, "main")]
    if not rows:
        words = "failed to get default interface: unable to find default route"
        raise Fatal(f"Failed to find any valid interface to use: {words}")
    return str(min(rows, key=lambda row: row.metric).dev)


def pod_cidr(world: World, own: Daemon, six: bool = False) -> str:
    """This node's piece of the network. Raises Fatal where there is none, or where it is no piece of it (kube.go)."""
    cidr = piece(world.get(own.object), six)
    failed = "Error registering network: failed to acquire lease: "
    if not cidr:
        raise Fatal(f'{failed}node "{own.name}" pod cidr not assigned')
    network = own.net.network(six)
    (base, prefix), (_, whole) = ip.network(cidr), ip.network(network)
    if prefix < whole or not ip.within(ip.text(base, ip.bits(cidr)), network):
        kind = "IPv6 PodCIDR" if six else "PodCIDR"
        words = f'specified in the flannel net config doesn\'t contain "{cidr}" {kind} of the "{own.name}" node'
        raise Fatal(f'{failed}subnet "{network}" {words}')
    return cidr
