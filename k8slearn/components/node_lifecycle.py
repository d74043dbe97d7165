"""The node lifecycle controller: it turns a node's conditions into taints, which the scheduler respects.

A node that is not Ready gets ``node.kubernetes.io/not-ready:NoSchedule``, one whose network a cloud has not finished
gets ``network-unavailable``, a cordoned one ``unschedulable``. When the condition passes, so does the taint.

Left out: eviction (NoExecute taints after a time), nodes that fall silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped
from k8slearn.journal import Commands, Key, Put, World

Obj = dict[str, Any]


def _not_ready(node: Obj) -> bool:
    ready = conditions.find(node, "Ready")
    return ready is not None and ready["status"] == "False"


TAINTS: Mapping[str, Callable[[Obj], bool]] = {
    "node.kubernetes.io/not-ready": _not_ready,
    "node.kubernetes.io/network-unavailable": lambda node: conditions.holds(node, "NetworkUnavailable"),
    "node.kubernetes.io/unschedulable": lambda node: bool((node.get("spec") or {}).get("unschedulable")),
}
"""Each taint that this controller owns, and when a node has it."""


class NodeLifecycle:
    """Keys: nodes, by name."""

    name = "node-controller"

    def watches(self) -> Mapping[str, str]:
        return {"nodes": "their conditions"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        return (str(changed[2]),)

    def reconcile(self, world: World, key: str) -> Commands:
        node = world.get(("api", "nodes", key))
        if node is None:
            return
        spec = node.get("spec") or {}
        kept = [taint for taint in spec.get("taints") or () if taint["key"] not in TAINTS]
        ours = [{"key": name, "effect": "NoSchedule"} for name, holds in TAINTS.items() if holds(node)]
        there = [taint for taint in spec.get("taints") or () if taint["key"] in TAINTS]
        if ours == there:
            return
        changed = {name: value for name, value in spec.items() if name != "taints"}
        if kept or ours:
            changed["taints"] = [*kept, *ours]
        yield Put(("api", "nodes", key), stamped(world, {**node, "spec": changed}), ("api", "nodes", key))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()
