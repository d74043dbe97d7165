"""The ReplicaSet controller: as many pods as ``spec.replicas`` says, never mind which.

Too few: it creates some. Too many: it deletes some, those that are not ready first, then the youngest.

A pod that its kubelet rejected has failed for good, and another one takes its place. In life at once: where the
template itself names a node that has no room (``nodeName``), thousands of failed pods pile up within minutes. Here the
second one waits a second, the third two, then four, up to five minutes.

Left out: ``minReadySeconds``, pod-deletion-cost, spreading deletions over nodes, the speed of that pile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import seconds
from k8slearn.components.workloads import owning
from k8slearn.journal import Commands, Key, Table, World

Obj = dict[str, Any]
LONGEST = 300.0


class ReplicaSets:
    """Keys: ReplicaSets, as ``namespace/name``."""

    name = "replicaset-controller"

    def watches(self) -> Mapping[str, str]:
        return {"replicasets": "how many pods", "pods": "those it owns"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] == "replicasets":
            return (str(changed[2]),) if world.get(changed) is not None else ()
        return owning.claimants(world, changed, "replicasets", "ReplicaSet")

    def reconcile(self, world: World, key: str) -> Commands:
        where: Key = ("api", "replicasets", key)
        own = world.get(where)
        if own is None or own["metadata"].get("deletionTimestamp"):
            return
        yield from owning.adopted(world, "pods", own)
        pods = owning.active(owning.owned(world, "pods", own))
        missing = own["spec"]["replicas"] - len(pods)
        if missing > 0 and _again(world, own) > world.clock:
            missing = 0
        for _ in range(missing):
            yield from owning.create_pod(world, own, self.name)
        for pod in sorted(pods, key=_dispensable)[: max(-missing, 0)]:
            yield from owning.delete_pod(world, own, pod, self.name)
        yield from owning.put_status(world, where, own, _status(world, own))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        for uid in world.table("api", "pods").index(_failed):
            for key, own in world.table("api", "replicasets").items():
                if own["metadata"]["uid"] == uid and _again(world, own) > world.clock:
                    yield _again(world, own), str(key)


def _failed(pods: Table) -> dict[str, list[float]]:
    """The ReplicaSets that own failed pods, by uid -> when each of them failed."""
    found: dict[str, list[float]] = {}
    for pod in pods.values():
        owner = owning.controller(pod) if (pod.get("status") or {}).get("phase") == "Failed" else None
        if owner is not None and owner["kind"] == "ReplicaSet":
            found.setdefault(owner["uid"], []).append(seconds(pod["status"]["startTime"]))
    return found


def _again(world: World, own: Obj) -> float:
    """The second at which a failed pod may be replaced."""
    times = world.table("api", "pods").index(_failed).get(own["metadata"]["uid"])
    return max(times) + min(float(2 ** (len(times) - 1)), LONGEST) if times else 0.0


def _dispensable(pod: Obj) -> tuple[bool, bool, int, str]:
    """The pods that are deleted first: without a node, not ready, young."""
    metadata = pod["metadata"]
    young = -int(metadata.get("resourceVersion", 0)) if not conditions.holds(pod, "Ready") else 0
    return bool(pod["spec"].get("nodeName")), conditions.holds(pod, "Ready"), young, metadata["name"]


def _status(world: World, own: Obj) -> Obj:
    pods = owning.active(owning.owned(world, "pods", own))
    ready = len(owning.ready(pods))
    counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
    return {
        "replicas": len(pods),
        **{name: count for name, count in counts.items() if count},
        "observedGeneration": own["metadata"].get("generation", 1),
    }
