"""The backend ``host-gw``: a route by each node to its pods, and nothing else.

::

    ip route add 10.244.1.0/24 via 192.168.64.12 dev eth0

No header is added, so pods keep the full MTU; but every node must be in one subnet with every other, for a router
between them knows nothing of pods. Every 10 seconds it puts back routes that are missing
(pkg/backend/hostgw/hostgw.go, pkg/backend/route_network.go).

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress

from k8slearn.components.flannel.backend import Leases, outer, pod_cidr
from k8slearn.components.flannel.daemon import Daemon
from k8slearn.components.flannel.lease import Lease, Said, annotate
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands, World
from k8slearn.linux import route
from k8slearn.linux.rows import Route


def register(world: World, own: Daemon) -> Generator[Command, None, int]:
    """This node's annotations; its pods get the outer interface's MTU."""
    there = [outer(world, own, ":" in network) for network in own.net.networks]
    for network in own.net.networks:
        pod_cidr(world, own, ":" in network)
    yield from annotate(world, own.object, "host-gw", tuple(Said(each.address, "null") for each in there))
    return there[0].link.mtu


def add(world: World, own: Daemon, lease: Lease) -> Commands:
    """The route, in the place of any other to the same pods."""
    for row in [r for r in world.table(own.node, "route").values() if r.dst == lease.subnet and r.table == "main"]:
        if row.via != lease.public_ip:
            yield from route.delete(world, own.node, row.dst, via=row.via)
    if not _there(world, own, lease):
        with suppress(CommandError):
            yield from route.add(world, own.node, _route(world, own, lease))


def remove(world: World, own: Daemon, lease: Lease) -> Commands:
    """The node is gone."""
    with suppress(CommandError):
        yield from route.delete(world, own.node, lease.subnet, via=lease.public_ip)


def look_after(world: World, own: Daemon, leases: Leases) -> Commands:
    """checkSubnetExistInRoutes(): add what is missing."""
    for lease in leases:
        if not _there(world, own, lease):
            with suppress(CommandError):
                for command in route.add(world, own.node, _route(world, own, lease)):
                    yield command._replace(cause=("api", "nodes", lease.node))


def missing(world: World, own: Daemon, leases: Leases) -> bool:
    """Is any of the routes gone?"""
    return not all(_there(world, own, lease) for lease in leases)


def _route(world: World, own: Daemon, lease: Lease) -> Route:
    return Route(lease.subnet, via=lease.public_ip, dev=outer(world, own, lease.six).link.name)


def _there(world: World, own: Daemon, lease: Lease) -> bool:
    rows = world.table(own.node, "route").values()
    return any((row.dst, row.via, row.table) == (lease.subnet, lease.public_ip, "main") for row in rows)
