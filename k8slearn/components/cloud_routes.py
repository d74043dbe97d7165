"""The route controller, a cloud's part of kubenet: it tells the node network where each piece of the pod range is.

kubenet wires pods on one node and nothing more. Between nodes a cloud provider's controller
(``--configure-cloud-routes``) puts a route per node into the network underneath: here that is the router, where every
packet goes that a node cannot deliver itself. Until a node has its route it carries NetworkUnavailable=True, and the
taint that follows from it. Every 10 seconds the controller compares what is there with what should be
(``--route-reconciliation-period``), so a route that somebody deletes comes back.

Left out: clouds' limits on the number of routes, and routes of nodes that are gone (they stay, as blackholes do,
until deleted here).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, World
from k8slearn.linux import route
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
        wanted = None if node is None else _wanted(node)
        if node is None or wanted is None:
            return
        if not _there(world, wanted):
            try:
                yield from route.replace(world, ROUTER, wanted)
            except CommandError as refused:
                message = f"Could not create route {node['metadata']['uid']} {wanted.dst} for node {key}: {refused}"
                yield event(world, node, "FailedToCreateRoute", message, self.name, "Warning")
                return
        said = conditions.put(
            world, node["status"], "NetworkUnavailable", "False", "RouteCreated", "RouteController created a route"
        )
        if conditions.find(node, "NetworkUnavailable") != conditions.find({"status": said}, "NetworkUnavailable"):
            yield Put(("api", "nodes", key), stamped(world, {**node, "status": said}), ("api", "nodes", key))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """Only a look that would find something is worth a timer."""
        nodes = world.table("api", "nodes")
        for name in sorted(map(str, nodes)):
            wanted = _wanted(nodes[name])
            if wanted is not None and not _there(world, wanted):
                yield (math.floor(world.clock / PERIOD) + 1) * PERIOD, name


def _wanted(node: Obj) -> Route | None:
    cidr = (node.get("spec") or {}).get("podCIDR")
    address = next(
        (a["address"] for a in (node.get("status") or {}).get("addresses") or () if a["type"] == "InternalIP"), None
    )
    return Route(cidr, via=address, proto="static") if cidr and address else None


def _there(world: World, wanted: Route) -> bool:
    found: Route | None = world.get(route.key(ROUTER, wanted))
    return found is not None and found.via == wanted.via


def _reason(node: Obj) -> str:
    return str((conditions.find(node, "NetworkUnavailable") or {}).get("reason", ""))
