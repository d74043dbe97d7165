"""The DaemonSet controller: one pod on every node that it may run on.

It does not choose nodes and it does not bind: each pod asks, by node affinity, for one node by name, and the
scheduler sends it there. Its pods tolerate nodes that are not ready, for that is how a network plugin gets onto a
node that has no network yet.

Left out: rolling updates in steps (pods of an old template are replaced at once), surge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import selectors, taints
from k8slearn.components.workloads import owning
from k8slearn.journal import Commands, Key, World

HASH = "controller-revision-hash"
EVICTING = ("NoExecute",)
Obj = dict[str, Any]
_TOLERATED = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
TOLERATIONS = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": effect} for what, effect in _TOLERATED
]
"""What every pod of a DaemonSet tolerates (host-network pods also ``network-unavailable``)."""
NETWORK_UNAVAILABLE = {"key": "node.kubernetes.io/network-unavailable", "operator": "Exists", "effect": "NoSchedule"}


class DaemonSets:
    """Keys: DaemonSets, as ``namespace/name``."""

    name = "daemonset-controller"

    def watches(self) -> Mapping[str, str]:
        return {"daemonsets": "the template", "pods": "those it owns", "nodes": "each gets one"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        sets = world.table("api", "daemonsets")
        if changed[1] == "nodes":
            return sorted(map(str, sets))
        owner = str(changed[2]) if changed[1] == "daemonsets" else owning.owner_key(world, changed, "DaemonSet")
        return (owner,) if owner and owner in sets else ()

    def reconcile(self, world: World, key: str) -> Commands:
        where: Key = ("api", "daemonsets", key)
        own = world.get(where)
        if own is None or own["metadata"].get("deletionTimestamp"):
            return
        template = owning.template_hash(own["spec"]["template"])
        for node in sorted(map(str, world.table("api", "nodes"))):
            yield from self._on(world, own, node, template)
        for pod in owning.active(owning.owned(world, "pods", own)):
            if target(pod) not in world.table("api", "nodes"):
                yield from owning.delete_pod(world, own, pod, self.name)
        yield from owning.put_status(world, where, own, _status(world, own, template))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()

    def _on(self, world: World, own: Obj, node: str, template: str) -> Commands:
        mine = [pod for pod in owning.owned(world, "pods", own) if target(pod) == node]
        there = world.table("api", "nodes")[node]
        for pod in owning.active(mine):
            if not _may_run(own, there, EVICTING) or selectors.labels(pod).get(HASH) != template:
                yield from owning.delete_pod(world, own, pod, self.name)
        if not mine and _may_run(own, there, taints.PREVENTING):
            spec = _placed(own["spec"]["template"]["spec"], node)
            yield from owning.create_pod(world, own, self.name, labels={HASH: template}, spec=spec)


def target(pod: Obj) -> str:
    """The node that a DaemonSet's pod was made for."""
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    for term in (affinity or {}).get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            return str(field["values"][0])
    return str(pod["spec"].get("nodeName", ""))


def _placed(spec: Obj, node: str) -> Obj:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {**(spec.get("affinity") or {}), "nodeAffinity": required}, "tolerations": _tolerations(spec)}


def _tolerations(spec: Obj) -> list[Obj]:
    return [*(spec.get("tolerations") or ()), *TOLERATIONS, *([NETWORK_UNAVAILABLE] if spec.get("hostNetwork") else ())]


def _may_run(own: Obj, node: Obj, effects: tuple[str, ...]) -> bool:
    """Does the node match the template's selector, and has it no taint of these effects against its pods?"""
    spec = own["spec"]["template"]["spec"]
    wanted = spec.get("nodeSelector") or {}
    matches = all(selectors.labels(node).get(name) == value for name, value in wanted.items())
    return matches and taints.untolerated(_tolerations(spec), node, effects) is None


def _status(world: World, own: Obj, template: str) -> Obj:
    pods = owning.active(owning.owned(world, "pods", own))
    nodes = [node for node in world.table("api", "nodes").values() if _may_run(own, node, taints.PREVENTING)]
    ready = len(owning.ready(pods))
    return {
        "currentNumberScheduled": sum(bool(pod["spec"].get("nodeName")) for pod in pods),
        "desiredNumberScheduled": len(nodes),
        "numberMisscheduled": 0,
        "numberReady": ready,
        "numberAvailable": ready,
        "numberUnavailable": len(nodes) - ready,
        "updatedNumberScheduled": sum(selectors.labels(pod).get(HASH) == template for pod in pods),
        "observedGeneration": own["metadata"].get("generation", 1),
    }
