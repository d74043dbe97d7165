"""The route controller, a cloud's part of kubenet: it tells the node network where each piece of the pod range is.

kubenet wires pods on one node and nothing more. Between nodes a cloud provider's controller
(``--configure-cloud-routes``) puts a route per node into the network underneath: here that is the router, where every
packet goes that a node cannot deliver itself. Until a node has its route it carries NetworkUnavailable=True, and the
taint that follows from it. Every 10 seconds the controller compares what is there with what should be
(``--route-reconciliation-period``), so a route that somebody deletes comes back.

A cloud takes only so many routes (400 in Azure, 50 in AWS unless one asks for more): so many nodes kubenet can have.
The nodes beyond stay NetworkUnavailable, each with the event of the route that could not be made; ``topology=`` says
how many (``cloud_routes``). In a dual-stack cluster a node has a route for each family.

Left out: each cloud's own sentence for it, and routes of nodes that are gone (they stay, as blackholes do,
until deleted here).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.components import Settings, ranges
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, World
from k8slearn.linux import ip, route
from k8slearn.linux.rows import Route

ROUTER = "router"
PERIOD = 10.0
Obj = dict[str, Any]


class CloudRoutes:
    """Keys: nodes, by name."""

    name = "route-controller"

    def watches(self) -> Mapping[str, str]:
        return {"nodes": "their pod CIDRs and addresses"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        """A new node is seen to at once; everything else waits for the period."""
        node = world.get(changed)
        fresh = (
            node is not None and not conditions.holds(node, "NetworkUnavailable") and _reason(node) != "RouteCreated"
        )
        return (str(changed[2]),) if node is not None and (fresh or _reason(node) == "NoRouteCreated") else ()

    def reconcile(self, world: World, key: str) -> Commands:
        node = world.get(("api", "nodes", key))
        if node is None or not _wanted(node):
            return
        for wanted in _wanted(node):
            if _there(world, wanted):
                continue
            try:
                _check_room(world)
                yield from route.replace(world, ROUTER, wanted)
            except CommandError as refused:
                if _reason(node) != "NoRouteCreated":
                    yield from _tell(world, node, "True", "NoRouteCreated", "RouteController failed to create a route")
                    return  # that change wakes it again, and then the event follows
                message = f"Could not create route {node['metadata']['uid']} {wanted.dst} for node {key}: {refused}"
                yield event(world, node, "FailedToCreateRoute", message, self.name, "Warning")
                return
        yield from _tell(world, node, "False", "RouteCreated", "RouteController created a route")

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """Only a look that would find something is worth a timer."""
        nodes = world.table("api", "nodes")
        for name in sorted(map(str, nodes)):
            if not all(_there(world, wanted) for wanted in _wanted(nodes[name])):
                yield (math.floor(world.clock / PERIOD) + 1) * PERIOD, name


def _wanted(node: Obj) -> list[Route]:
    """To the node's pods by the node, in each family that it has both of."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    internal = [str(a["address"]) for a in status.get("addresses") or () if a["type"] == "InternalIP"]
    own = {":" in address: address for address in reversed(internal)}
    cidrs = spec.get("podCIDRs") or [cidr for cidr in (spec.get("podCIDR"),) if cidr]
    return [Route(cidr, via=own[":" in cidr], proto="static") for cidr in cidrs if (":" in cidr) in own]


def _tell(world: World, node: Obj, value: str, reason: str, message: str) -> Commands:
    """The node's condition NetworkUnavailable, if it is not what the API has."""
    key: Key = ("api", "nodes", node["metadata"]["name"])
    said = conditions.put(world, node["status"], "NetworkUnavailable", value, reason, message)
    if conditions.find(node, "NetworkUnavailable") != conditions.find({"status": said}, "NetworkUnavailable"):
        yield Put(key, stamped(world, {**node, "status": said}), key)


def _check_room(world: World) -> None:
    """Raises CommandError when the cloud takes no more routes of this controller."""
    settings: Settings = world.get(("cluster", "settings", ""))
    limit, pods = settings.topology.cloud_routes, ranges(settings.pod_cidr)
    there = [row.dst.partition("/")[0] for row in world.table(ROUTER, "route").values()]
    ours = sum(ip.within(address, cidr) for address in there for cidr in pods)
    if ours >= limit:
        raise CommandError(f"the network takes {limit} routes and has {ours}\n", 1)


def _there(world: World, wanted: Route) -> bool:
    found: Route | None = world.get(route.key(ROUTER, wanted))
    return found is not None and found.via == wanted.via


def _reason(node: Obj) -> str:
    return str((conditions.find(node, "NetworkUnavailable") or {}).get("reason", ""))
