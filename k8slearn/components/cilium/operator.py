"""cilium-operator: one for the whole cluster; it gives each node a piece of the pod range (``ipam: cluster-pool``).

A CiliumNode without a range gets the lowest free piece of ``cluster-pool-ipv4-cidr``, and keeps it. The Node's own
``spec.podCIDR``, which the controller manager gives, is not asked: two ranges that nobody compares (``ipam:
kubernetes`` would use that one). Once the agent of a node is ready, the operator says so at the Node
(``NetworkUnavailable: False``, CiliumIsUp).

Sources: operator/pkg/ipam, pkg/ipam/allocator/clusterpool, operator/watchers/node_taint.go.

Left out: garbage collection of identities and endpoints, taints (``node.cilium.io/agent-not-ready``), a second replica
that waits, more ranges for a node whose first is full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.cni import cri
from k8slearn.cni.cilium import agent
from k8slearn.components.cilium import config
from k8slearn.journal import Commands, Key, Put, Table, World

PROGRAM = "cilium-operator-generic"
UP = ("False", "CiliumIsUp", "Cilium is running on this node")
Obj = dict[str, Any]


class CiliumOperator:
    """Keys: nodes, by name."""

    name = "cilium-operator"

    def watches(self) -> Mapping[str, str]:
        return {agent.CILIUM_NODES: "those without a range", "container": "its own, and the agents'"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        _, table, name = changed
        row = world.get(changed)
        if table == agent.CILIUM_NODES:
            return (str(name),)
        if row is None or row.program != PROGRAM:
            return ()
        return sorted(map(str, world.table("api", agent.CILIUM_NODES)))

    def reconcile(self, world: World, key: str) -> Commands:
        row: Obj | None = world.get(("api", agent.CILIUM_NODES, key))
        if row is None or not any(cri.runs(world, f"node:{name}", PROGRAM) for name in world.table("api", "nodes")):
            return
        cause: Key = ("api", agent.CILIUM_NODES, key)
        if not row["spec"].get("ipam", {}).get("podCIDRs") and config.of(world).get("ipam") != "kubernetes":
            yield from _given(world, key, row, cause)
        elif any(a["type"] == "CiliumInternalIP" for a in row["spec"].get("addresses") or ()):
            yield from _is_up(world, key, cause)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _given(world: World, name: str, row: Obj, cause: Key) -> Commands:
    taken = world.table("api", agent.CILIUM_NODES).index(_taken)
    cidr = next((str(piece) for piece in _pieces(world) if str(piece) not in taken), None)
    if cidr is None:
        words = "unable to allocate podCIDR: all CIDR ranges are exhausted"
        said = event(world, world.get(("api", "nodes", name)), "NoPodCIDR", words, "cilium-operator", "Warning")
        if world.get(said.key) is None:
            yield said
        return
    spec = {**row["spec"], "ipam": {**(row["spec"].get("ipam") or {}), "podCIDRs": [cidr]}}
    yield Put(("api", agent.CILIUM_NODES, name), stamped(world, {**row, "spec": spec}), cause)


def _pieces(world: World) -> Iterator[IPv4Network]:
    told = config.of(world)
    mask = int(told.get("cluster-pool-ipv4-mask-size") or 24)
    for cidr in str(told.get("cluster-pool-ipv4-cidr") or "10.0.0.0/8").split():
        yield from IPv4Network(cidr).subnets(new_prefix=max(mask, IPv4Network(cidr).prefixlen))


def _taken(rows: Table) -> set[str]:
    return {cidr for row in rows.values() for cidr in row["spec"].get("ipam", {}).get("podCIDRs") or ()}


def _is_up(world: World, name: str, cause: Key) -> Commands:
    obj: Obj | None = world.get(("api", "nodes", name))
    if obj is None:
        return
    status = conditions.put(world, obj.get("status") or {}, "NetworkUnavailable", *UP)
    if status != obj.get("status"):
        yield Put(("api", "nodes", name), stamped(world, {**obj, "status": status}), cause)
