"""A VPC, as far as its machines feel it: network interfaces (ENIs) that are given addresses by an API, not by a wire.

In a VPC nobody shouts: no broadcast reaches another machine, and who asks by ARP is answered by the network itself, for
every address of every ENI. So a machine may have addresses that no link of its carries: packets for them come to the
ENI that they were assigned to. Here the switch does it (``proxy_arp`` ports, and a neighbour table of its own), and an
assignment is a row ``("cloud", "eni", ID)``.

How many ENIs an instance has, and how many addresses each, depends on its type (vpc_ip_resource_limit.go).

Left out: subnets other than the nodes', security groups, prefixes, source/destination checks, an MTU of 9001 (the
ground's cables carry 1500), ENIs that are detached again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from k8slearn.journal import Commands, Key, Put, Remove, Table, World, digest
from k8slearn.linux import ip, link, switch
from k8slearn.linux.rows import Fdb, Neighbour

BRIDGE, CLOUD = "br0", "cloud"
INSTANCE_TYPE = "t3.medium"
ENIS, ADDRESSES = 3, 6
"""A t3.medium: so many ENIs, and so many addresses on each."""
MAX_PODS = ENIS * (ADDRESSES - 1) + 2
"""The kubelet's ``--max-pods``: every secondary address, and two pods that have the node's."""
RESERVED = 4
"""The first addresses of a subnet belong to the VPC."""


@dataclass(frozen=True, slots=True)
class Eni:
    """An elastic network interface. `machine` is the scope of the instance, `device` its number there (0: eth0)."""

    id: str
    machine: str
    device: int
    link: str
    mac: str
    primary: str
    secondaries: tuple[str, ...] = ()


def enis(world: World, machine: str) -> list[Eni]:
    """The ENIs of an instance, the primary one first."""
    return world.table(CLOUD, "eni").index(_by_machine).get(machine, [])


def _by_machine(rows: Table) -> dict[str, list[Eni]]:
    found: dict[str, list[Eni]] = {}
    for eni in sorted(rows.values(), key=lambda eni: (eni.machine, eni.device)):
        found.setdefault(eni.machine, []).append(eni)
    return found


def join(world: World, machine: str, name: str, address: str) -> Commands:
    """A machine's link, cabled to a port of a switch, is an ENI with this primary address from now on."""
    device = len(enis(world, machine))
    mac = link.find(world, machine, name).mac
    eni = Eni("eni-0" + digest("eni", machine, device, length=16), machine, device, name, mac, address)
    yield from known(world, machine, name, address)
    yield Put(_key(eni), eni)


def known(world: World, machine: str, name: str, address: str) -> Commands:
    """The network knows who has the address, and tells who asks; it floods nothing to this port."""
    row = link.find(world, machine, name)
    if row.peer is None:
        return
    net, port = row.peer
    yield from switch.set_port(world, net, port, {"proxy_arp": True})
    yield Put((net, "fdb", (BRIDGE, row.mac)), Fdb(BRIDGE, row.mac, port, "static"))
    yield _answered(net, row.mac, address)


def network_of(world: World, machine: str) -> str:
    """The scope of the switch that the machine's first ENI is cabled to."""
    peer: tuple[str, str] | None = link.find(world, machine, enis(world, machine)[0].link).peer
    return peer[0] if peer is not None else ""


def attach(world: World, machine: str, subnet: str) -> Commands:
    """AttachNetworkInterface: a further ENI is plugged in, with a primary address and down."""
    device = len(enis(world, machine))
    free = next(_free(world, machine, subnet), "")
    if device >= ENIS or not free:
        return
    yield from _cable(world, machine, f"eth{device}")
    yield from join(world, machine, f"eth{device}", free)


def replug(world: World, eni: Eni) -> Commands:
    """The instance was booted again: its further ENIs are there as before, with their MACs and without addresses."""
    yield from _cable(world, eni.machine, eni.link, eni.mac)
    yield from known(world, eni.machine, eni.link, eni.primary)


def _cable(world: World, machine: str, name: str, mac: str = "") -> Commands:
    net, title = network_of(world, machine), str(world.get((machine, "netns", "")).name)
    port = f"{title[:10]}-{name}"
    if world.get(link.key(net, port)) is not None:
        port = f"{title[:5]}{digest(title, length=4)}-{name}"
    yield from link.add_veth(world, machine, name, net, port, mac=mac)
    yield from link.set_up(world, net, port)
    yield from link.set_master(world, net, port, BRIDGE)


def assign(world: World, eni: Eni, subnet: str, count: int, asked: str = "") -> Commands:
    """AssignPrivateIpAddresses: so many more secondary addresses, as far as there are any; or the one asked for."""
    room = min(count, ADDRESSES - 1 - len(eni.secondaries))
    free = iter([asked]) if asked else _free(world, eni.machine, subnet)
    added = tuple(address for _, address in zip(range(room), free, strict=False))
    for address in added:
        yield _answered(network_of(world, eni.machine), eni.mac, address)
    if added:
        yield Put(_key(eni), replace(eni, secondaries=(*eni.secondaries, *added)))


def unassign(world: World, eni: Eni, address: str) -> Commands:
    """UnassignPrivateIpAddresses: nobody is behind this address any more."""
    yield Remove((network_of(world, eni.machine), "neigh", (BRIDGE, address)))
    yield Put(_key(eni), replace(eni, secondaries=tuple(other for other in eni.secondaries if other != address)))


def is_vpc(world: World) -> bool:
    """Are the nodes in a VPC at all?"""
    return bool(world.table(CLOUD, "eni"))


def taken(world: World, address: str) -> str:
    """The machine whose ENI has this address; empty: nobody's."""
    rows: list[Eni] = list(world.table(CLOUD, "eni").values())
    return next((eni.machine for eni in rows if address in (eni.primary, *eni.secondaries)), "")


def _free(world: World, machine: str, subnet: str) -> Iterator[str]:
    """Addresses that EC2 would give next: anywhere in the subnet in life, derived from the machine's name here."""
    base, prefix = ip.network(subnet)
    size = (1 << 32 - prefix) - RESERVED - 1
    rows: list[Eni] = list(world.table(CLOUD, "eni").values())
    used: set[Any] = {address for eni in rows for address in (eni.primary, *eni.secondaries)}
    start = int(digest("ec2", machine), 16)
    for turn in range(size):
        address = ip.text(base + RESERVED + (start + turn) % size)
        if address not in used:
            yield address


def _answered(net: str, mac: str, address: str) -> Put:
    """Who asks for the address is told this MAC."""
    return Put((net, "neigh", (BRIDGE, address)), Neighbour(BRIDGE, address, mac, "PERMANENT"))


def _key(eni: Eni) -> Key:
    return (CLOUD, "eni", eni.id)
