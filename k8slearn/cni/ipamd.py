"""ipamd: the part of the AWS VPC CNI that knows which of the node's addresses has which pod (pkg/ipamd).

The addresses are there before the pod: secondary addresses of the node's ENIs, a few of them kept warm. The plugin
asks ipamd by gRPC for one and hands it back; a freed address rests for 30 seconds, so that nobody's packets reach the
next pod. The rows are ``(node, "ipamd", ADDRESS)``; the agent `components.aws_node` keeps the pool full.

Left out: the checkpoint file /var/run/aws-node/ipam.json, the introspection endpoint, pods with several addresses.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from k8slearn.cni import cri, ec2
from k8slearn.cni.ec2 import Eni
from k8slearn.journal import Command, Put, World

PROGRAM = "aws-k8s-agent"
COOLDOWN = 30.0
MAIN = 254
"""The number of the routing table ``main``."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that a pod has, or had."""

    address: str
    device: int
    """The number of the ENI."""
    container: str
    ifname: str
    pod: str = ""
    freed: float | None = None
    """The second of the logical clock at which it came back; None: the pod has it."""

    @property
    def table(self) -> int:
        """The routing table of its ENI: main for the first, else the ENI's number and one."""
        return MAIN if self.device == 0 else self.device + 1


Leased = Generator[Command, None, Lease | None]


def answers(world: World, node: str) -> bool:
    """Does ipamd run on the node?"""
    return cri.runs(world, node, PROGRAM)


def leases(world: World, node: str) -> dict[str, Lease]:
    """Address -> lease, of all that were given out once."""
    return {str(name): row for name, row in world.table(node, "ipamd").items()}


def available(world: World, node: str) -> Iterator[tuple[Eni, str]]:
    """The addresses that a pod could have now."""
    held = leases(world, node)
    for eni in ec2.enis(world, node):
        for address in eni.secondaries:
            lease = held.get(address)
            if lease is None or (lease.freed is not None and world.clock - lease.freed >= COOLDOWN):
                yield eni, address


def add(world: World, node: str, container: str, ifname: str, pod: str, asked: str = "") -> Leased:
    """AddNetwork: an address for this container; None when there is none."""
    held = find(world, node, container, ifname)
    if held is not None:
        return held
    if asked:
        yield from _make_room(world, node, asked)
    chosen = next(((eni, ip) for eni, ip in available(world, node) if asked in ("", ip)), None)
    if chosen is None:
        return None
    eni, address = chosen
    lease = Lease(address, eni.device, container, ifname, pod)
    yield Put((node, "ipamd", address), lease)
    return lease


def _make_room(world: World, node: str, asked: str) -> Iterator[Command]:
    """Somebody wants one address in particular: EC2 is asked for it, in the place of one that nobody has."""
    free = list(available(world, node))
    if not free or ec2.taken(world, asked):
        return
    eni, address = free[-1]
    yield from ec2.unassign(world, eni, address)
    now = next(other for other in ec2.enis(world, node) if other.id == eni.id)
    yield from ec2.assign(world, now, "", 1, asked)


def delete(world: World, node: str, container: str, ifname: str) -> Leased:
    """DelNetwork: the container's address comes back; None when it has none."""
    held = find(world, node, container, ifname)
    if held is not None:
        yield Put((node, "ipamd", held.address), replace(held, freed=world.clock))
    return held


def find(world: World, node: str, container: str, ifname: str) -> Lease | None:
    """What a container has."""
    rows = (row for row in leases(world, node).values() if row.freed is None)
    return next((row for row in rows if (row.container, row.ifname) == (container, ifname)), None)
