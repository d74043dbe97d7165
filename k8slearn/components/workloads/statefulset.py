"""The StatefulSet controller: pods with names that last, ``web-0`` to ``web-N``, started one after the other.

The next pod is made when all before it are ready (unless ``podManagementPolicy: Parallel``); the last one goes first.
A pod that dies comes back under the same name, and behind a headless Service under the same DNS name, but with a new
address.

Left out: volume claims, partitions of a rolling update, minReadySeconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import conditions, selectors
from k8slearn.components.workloads import owning
from k8slearn.journal import Commands, Key, World

HASH = "controller-revision-hash"
Obj = dict[str, Any]


class StatefulSets:
    """Keys: StatefulSets, as ``namespace/name``."""

    name = "statefulset-controller"

    def watches(self) -> Mapping[str, str]:
        return {"statefulsets": "the template and how many", "pods": "those it owns"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        owner = str(changed[2]) if changed[1] == "statefulsets" else owning.owner_key(world, changed, "StatefulSet")
        return (owner,) if owner and owner in world.table("api", "statefulsets") else ()

    def reconcile(self, world: World, key: str) -> Commands:
        where: Key = ("api", "statefulsets", key)
        own = world.get(where)
        if own is None or own["metadata"].get("deletionTimestamp"):
            return
        revision = f"{own['metadata']['name']}-{owning.template_hash(own['spec']['template'])}"
        yield from self._step(world, own, revision)
        yield from owning.put_status(world, where, own, _status(world, own, revision))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()

    def _step(self, world: World, own: Obj, revision: str) -> Commands:
        """Make what is missing from the front, delete what is too much from the back, then renew what is old."""
        pods = {pod["metadata"]["name"]: pod for pod in owning.owned(world, "pods", own)}
        names = [f"{own['metadata']['name']}-{n + _first(own)}" for n in range(own["spec"]["replicas"])]
        parallel = own["spec"].get("podManagementPolicy") == "Parallel"
        for name in names:
            if name not in pods:
                yield from self._create(world, own, name, revision)
            if not parallel and (name not in pods or not _well(pods[name])):
                return
        surplus = sorted((n for n in pods if n not in names), key=_ordinal, reverse=True)
        stale = (
            [n for n in reversed(names) if selectors.labels(pods[n]).get(HASH) != revision]
            if not surplus and not parallel
            else []
        )
        for name in (surplus if parallel else surplus[:1]) or stale[:1]:
            if not pods[name]["metadata"].get("deletionTimestamp"):
                said = f"delete Pod {{}} in StatefulSet {own['metadata']['name']} successful"
                yield from owning.delete_pod(world, own, pods[name], self.name, said)

    def _create(self, world: World, own: Obj, name: str, revision: str) -> Commands:
        labels = {
            HASH: revision,
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(_ordinal(name)),
        }
        service = own["spec"].get("serviceName")
        spec = {"hostname": name, **({"subdomain": service} if service else {})}
        said = f"create Pod {{}} in StatefulSet {own['metadata']['name']} successful"
        yield from owning.create_pod(world, own, self.name, name, said, labels=labels, spec=spec)


def _first(own: Obj) -> int:
    return int((own["spec"].get("ordinals") or {}).get("start", 0))


def _ordinal(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _well(pod: Obj) -> bool:
    return conditions.holds(pod, "Ready") and not pod["metadata"].get("deletionTimestamp")


def _status(world: World, own: Obj, revision: str) -> Obj:
    pods = owning.active(owning.owned(world, "pods", own))
    ready = len(owning.ready(pods))
    updated = sum(selectors.labels(pod).get(HASH) == revision for pod in pods)
    return {
        "replicas": len(pods),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": updated,
        "updatedReplicas": updated,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
        "observedGeneration": own["metadata"].get("generation", 1),
    }
