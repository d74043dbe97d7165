"""The Deployment controller: one ReplicaSet for each version of the pod template, and the steps from one to the next.

It never touches a pod. A new template is a new ReplicaSet (its name ends with a hash of the template); the old one
shrinks while the new one grows, so that never more than ``maxSurge`` pods are too many and never more than
``maxUnavailable`` too few. A new version whose pods do not become ready therefore stops half-way, and the old pods go
on answering.

Left out: ``progressDeadlineSeconds``, ``rollout undo`` as a request, proportional scaling in the middle of a rollout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.api.events import event
from k8slearn.components import Settings
from k8slearn.components.workloads import owning
from k8slearn.journal import Commands, Key, Put, Remove, World

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
Obj = dict[str, Any]


class Deployments:
    """Keys: Deployments, as ``namespace/name``."""

    name = "deployment-controller"

    def watches(self) -> Mapping[str, str]:
        return {"deployments": "the template and how many", "replicasets": "how far its own have come"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] == "deployments":
            return (str(changed[2]),) if world.get(changed) is not None else ()
        return owning.claimants(world, changed, "deployments", "Deployment")

    def reconcile(self, world: World, key: str) -> Commands:
        where: Key = ("api", "deployments", key)
        own = world.get(where)
        if own is None or own["metadata"].get("deletionTimestamp"):
            return
        yield from owning.adopted(world, "replicasets", own)
        if not own["spec"].get("paused"):
            yield from self._new(world, own)
            yield from self._steps(world, own)
            yield from _forget_old(world, own)
        yield from owning.put_status(world, where, world.get(where), _status(world, world.get(where)))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()

    def _new(self, world: World, own: Obj) -> Commands:
        """The ReplicaSet of today's template."""
        sets = owning.owned(world, "replicasets", own)
        if _current(own, sets) is None:
            made = _replica_set(world, own, max((_revision(s) for s in sets), default=0) + 1)
            yield Put(_key(made), made, _key(own))
            noted = {**(own["metadata"].get("annotations") or {}), REVISION: made["metadata"]["annotations"][REVISION]}
            changed = {**own, "metadata": {**own["metadata"], "annotations": noted}}
            yield Put(_key(own), stamped(world, changed), _key(made))

    def _steps(self, world: World, own: Obj) -> Commands:
        sets = owning.owned(world, "replicasets", own)
        new = _current(own, sets)
        assert new is not None
        old = [s for s in sets if s is not new]
        recreate = own["spec"]["strategy"]["type"] == "Recreate"
        if recreate and old and any(s["spec"]["replicas"] or s.get("status", {}).get("replicas") for s in old):
            targets = {s["metadata"]["name"]: 0 for s in old}
        else:
            targets = _targets(own, new, old)
        for one in [new, *old]:
            wanted = targets.get(one["metadata"]["name"])
            if wanted is not None and wanted != one["spec"]["replicas"]:
                yield from self._scale(world, own, one, wanted)

    def _scale(self, world: World, own: Obj, one: Obj, wanted: int) -> Commands:
        before, name = one["spec"]["replicas"], one["metadata"]["name"]
        metadata = {**one["metadata"], "generation": one["metadata"]["generation"] + 1}
        yield Put(
            _key(one),
            stamped(world, {**one, "metadata": metadata, "spec": {**one["spec"], "replicas": wanted}}),
            _key(own),
        )
        settings: Settings = world.get(("cluster", "settings", ""))
        says = f"Scaled {'up' if wanted > before else 'down'} replica set {name}"
        since = f" from {before} to {wanted}" if int(settings.kubernetes.partition(".")[2]) >= 26 else f" to {wanted}"
        yield event(world, own, "ScalingReplicaSet", says + since, self.name)


def _targets(own: Obj, new: Obj, old: list[Obj]) -> dict[str, int]:
    """How many pods each ReplicaSet should have after the next step of a rolling update."""
    wanted = own["spec"]["replicas"]
    surge, unavailable = _limits(own)
    total = new["spec"]["replicas"] + sum(s["spec"]["replicas"] for s in old)
    grown = new["spec"]["replicas"] + max(min(wanted - new["spec"]["replicas"], wanted + surge - total), 0)
    targets = {new["metadata"]["name"]: min(grown, wanted)}
    missing = new["spec"]["replicas"] - _available(new)
    spare = total - (wanted - unavailable) - max(missing, 0)
    for one in sorted(old, key=lambda s: (_available(s), _revision(s))):
        going = max(min(one["spec"]["replicas"], spare), 0)
        targets[one["metadata"]["name"]] = one["spec"]["replicas"] - going
        spare -= going
    return targets


def _limits(own: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers: a surge is rounded up, an absence down; not both are 0."""
    rolling = own["spec"]["strategy"].get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), own["spec"]["replicas"], math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), own["spec"]["replicas"], math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _share(value: int | str, of: int, rounded: Any) -> int:
    return int(rounded(of * int(value.rstrip("%")) / 100)) if isinstance(value, str) else int(value)


def _available(one: Obj) -> int:
    return int((one.get("status") or {}).get("availableReplicas", 0))


def _current(own: Obj, sets: list[Obj]) -> Obj | None:
    """The ReplicaSet of today's template: by its name, or (an adopted one) by the template itself."""
    name = f"{own['metadata']['name']}-{owning.template_hash(own['spec']['template'])}"
    named = next((s for s in sets if s["metadata"]["name"] == name), None)
    return named or next(
        (s for s in sets if _unhashed(s["spec"]["template"]) == _unhashed(own["spec"]["template"])), None
    )


def _unhashed(template: Obj) -> Obj:
    """The template without the label that a ReplicaSet's has (deployment_util.go: EqualIgnoreHash)."""
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _revision(one: Obj) -> int:
    return int((one["metadata"].get("annotations") or {}).get(REVISION, 0))


def _key(obj: Obj) -> Key:
    table = "deployments" if obj["kind"] == "Deployment" else "replicasets"
    return ("api", table, f"{obj['metadata']['namespace']}/{obj['metadata']['name']}")


def _replica_set(world: World, own: Obj, revision: int) -> Obj:
    metadata, template = own["metadata"], own["spec"]["template"]
    hashed = {HASH: owning.template_hash(template)}
    name = f"{metadata['name']}-{hashed[HASH]}"
    labels = {**((template.get("metadata") or {}).get("labels") or {}), **hashed}
    selector = own["spec"]["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "uid": uid(world, "replicasets", name),
            "creationTimestamp": timestamp(world.clock),
            "resourceVersion": str(world.revision),
            "generation": 1,
            "labels": labels,
            "annotations": {
                REVISION: str(revision),
                "deployment.kubernetes.io/desired-replicas": str(own["spec"]["replicas"]),
            },
            "ownerReferences": [owning.reference(own)],
        },
        "spec": {
            "replicas": 0,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **hashed}},
            "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
        },
        "status": {"replicas": 0},
    }


def _forget_old(world: World, own: Obj) -> Commands:
    """Empty ReplicaSets beyond ``revisionHistoryLimit`` go, the oldest first."""
    sets = owning.owned(world, "replicasets", own)
    new = _current(own, sets)
    empty = [s for s in sets if s is not new and not s["spec"]["replicas"] and not s.get("status", {}).get("replicas")]
    for one in sorted(empty, key=_revision)[: max(len(empty) - own["spec"].get("revisionHistoryLimit", 10), 0)]:
        yield Remove(_key(one), _key(own))


def _status(world: World, own: Obj) -> Obj:
    sets = owning.owned(world, "replicasets", own)
    new, wanted = _current(own, sets), own["spec"]["replicas"]
    total = sum((s.get("status") or {}).get("replicas", 0) for s in sets)
    available = sum(map(_available, sets))
    counts = {
        "replicas": total,
        "updatedReplicas": 0 if new is None else (new.get("status") or {}).get("replicas", 0),
        "readyReplicas": sum((s.get("status") or {}).get("readyReplicas", 0) for s in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }
    status = {"observedGeneration": own["metadata"].get("generation", 1), **{n: c for n, c in counts.items() if c}}
    status["conditions"] = list((own.get("status") or {}).get("conditions") or ())
    return _conditions(world, own, status, new)


def _conditions(world: World, own: Obj, status: Obj, new: Obj | None) -> Obj:
    wanted, (_, unavailable) = own["spec"]["replicas"], _limits(own)
    enough = status.get("availableReplicas", 0) >= wanted - unavailable
    status = conditions.put(
        world,
        status,
        "Available",
        str(enough),
        "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    )
    done = status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted == status.get("availableReplicas", 0)
    name = "" if new is None else new["metadata"]["name"]
    says = f'ReplicaSet "{name}" {"has successfully progressed" if done else "is progressing"}.'
    return conditions.put(
        world, status, "Progressing", "True", "NewReplicaSetAvailable" if done else "ReplicaSetUpdated", says
    )
