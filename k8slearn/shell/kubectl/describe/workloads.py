"""The pages of Deployments, ReplicaSets, DaemonSets, StatefulSets and Jobs: numbers, a pod template, events.

Left out: cron jobs have no page of their own here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from k8slearn.api import seconds, selectors
from k8slearn.shell.kubectl import ages
from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.describe import containers, words

Obj = dict[str, Any]


def deployment(request: Request, obj: Obj) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    yield f"CreationTimestamp:\t{words.created(obj)}"
    yield from words.labels(obj)
    yield from words.annotated(obj)
    yield f"Selector:\t{selectors.written(spec['selector'])}"
    counts = [f"{spec['replicas']} desired"]
    for field in ("updatedReplicas", "replicas", "availableReplicas", "unavailableReplicas"):
        counts.append(f"{status.get(field, 0)} {field.removesuffix('Replicas').replace('replicas', 'total')}")
    yield f"Replicas:\t{' | '.join(counts)}"
    yield f"StrategyType:\t{spec['strategy']['type']}"
    yield f"MinReadySeconds:\t{spec.get('minReadySeconds', 0)}"
    rolling = spec["strategy"].get("rollingUpdate")
    if rolling:
        text = f"{rolling['maxUnavailable']} max unavailable, {rolling['maxSurge']} max surge"
        yield f"RollingUpdateStrategy:\t{text}"
    yield from template(spec["template"])
    if status.get("conditions"):
        yield "Conditions:"
        yield "  Type\tStatus\tReason"
        yield "  ----\t------\t------"
        for c in status["conditions"]:
            yield f"  {c['type']} \t{c['status']}\t{c.get('reason', '')}"
    yield from _replicasets(request, obj)
    yield from words.events(request, obj)


def template(pod: Obj) -> Iterator[str]:
    """A pod template, indented as kubectl does."""
    spec = pod["spec"]
    yield "Pod Template:"
    yield from words.pairs("  Labels", (pod.get("metadata") or {}).get("labels"))
    if (pod.get("metadata") or {}).get("annotations"):
        yield from words.annotated(pod, "  Annotations")
    if spec.get("serviceAccountName"):
        yield f"  Service Account:\t{spec['serviceAccountName']}"
    if spec.get("initContainers"):
        yield from containers.section("Init Containers", spec["initContainers"], [], _nobody, "  ")
    yield from containers.section("Containers", spec["containers"], [], _nobody, "  ")
    yield from containers.volumes(spec.get("volumes") or [], "  ")
    yield from words.pairs("  Node-Selectors", spec.get("nodeSelector"))
    yield from containers.tolerations(spec.get("tolerations") or [], "  ")


def _nobody(path: str) -> str:
    return ""


def _replicasets(request: Request, obj: Obj) -> Iterator[str]:
    """OldReplicaSets and NewReplicaSet: by the revision in their annotations."""
    uid = obj["metadata"].get("uid")
    rows = request.world.table("api", "replicasets")
    mine = [
        rows[key]
        for key in sorted(rows, key=str)
        if any(o.get("uid") == uid and o.get("controller") for o in rows[key]["metadata"].get("ownerReferences") or ())
    ]
    if not mine:
        return
    revision = "deployment.kubernetes.io/revision"
    newest = max(mine, key=lambda r: int((r["metadata"].get("annotations") or {}).get(revision, "0")))
    old = [r for r in mine if r is not newest]
    yield f"OldReplicaSets:\t{', '.join(map(_replica_line, old)) or '<none>'}"
    yield f"NewReplicaSet:\t{_replica_line(newest)}"


def _replica_line(obj: Obj) -> str:
    created = (obj.get("status") or {}).get("replicas", 0)
    return f"{obj['metadata']['name']} ({created}/{obj['spec'].get('replicas', 0)} replicas created)"


def replicaset(request: Request, obj: Obj) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    yield f"Selector:\t{_written(spec['selector'])}"
    yield from words.labels(obj)
    yield from words.annotated(obj)
    if words.controller(obj):
        yield f"Controlled By:\t{words.controller(obj)}"
    yield f"Replicas:\t{status.get('replicas', 0)} current / {spec.get('replicas', 0)} desired"
    yield f"Pods Status:\t{phases(request, obj)}"
    yield from template(spec["template"])
    yield from _conditions(status)
    yield from words.events(request, obj)


def _conditions(status: Obj) -> Iterator[str]:
    if status.get("conditions"):
        yield "Conditions:"
        yield "  Type\tStatus\tReason"
        yield "  ----\t------\t------"
        for c in status["conditions"]:
            yield f"  {c['type']} \t{c['status']}\t{c.get('reason', '')}"


def _written(selector: Obj) -> str:
    """A ReplicationController's selector is a plain map."""
    plain = all(isinstance(v, str) for v in selector.values())
    return selectors.written({"matchLabels": selector} if plain else selector)


def phases(request: Request, obj: Obj) -> str:
    """``2 Running / 1 Waiting / 0 Succeeded / 0 Failed``: the pods that it controls."""
    uid = obj["metadata"].get("uid")
    rows = request.world.table("api", "pods")
    mine = [p for p in rows.values() if any(o.get("uid") == uid for o in p["metadata"].get("ownerReferences") or ())]
    count = Counter((p.get("status") or {}).get("phase", "Pending") for p in mine)
    words_of = (("Running", "Running"), ("Pending", "Waiting"), ("Succeeded", "Succeeded"), ("Failed", "Failed"))
    return " / ".join(f"{count[phase]} {word}" for phase, word in words_of)


_NUMBERS = (
    ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
    ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
    ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
    ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
    ("Number of Nodes Misscheduled", "numberMisscheduled"),
)


def daemonset(request: Request, obj: Obj) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Selector:\t{selectors.written(spec['selector'])}"
    yield from words.pairs("Node-Selector", spec["template"]["spec"].get("nodeSelector"))
    yield from words.labels(obj)
    yield from words.annotated(obj)
    for title, field in _NUMBERS:
        yield f"{title}: {status.get(field, 0)}"
    yield f"Pods Status:\t{phases(request, obj)}"
    yield from template(spec["template"])
    yield from words.events(request, obj)


def statefulset(request: Request, obj: Obj) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    yield f"CreationTimestamp:\t{words.created(obj)}"
    yield f"Selector:\t{selectors.written(spec['selector'])}"
    yield from words.labels(obj)
    yield from words.annotated(obj)
    yield f"Replicas:\t{spec['replicas']} desired | {status.get('replicas', 0)} total"
    yield f"Update Strategy:\t{spec['updateStrategy']['type']}"
    if spec["updateStrategy"].get("rollingUpdate"):
        yield f"  Partition:\t{spec['updateStrategy']['rollingUpdate'].get('partition', 0)}"
    yield f"Pods Status:\t{phases(request, obj)}"
    yield from template(spec["template"])
    yield from _claims(spec.get("volumeClaimTemplates") or [])
    yield from words.events(request, obj)


def _claims(claims: list[Obj]) -> Iterator[str]:
    yield "Volume Claims:" + ("" if claims else "\t<none>")
    for claim in claims:
        spec = claim.get("spec") or {}
        yield f"  Name:\t{claim['metadata']['name']}"
        yield f"  StorageClass:\t{spec.get('storageClassName', '')}"
        yield from words.pairs("  Labels", claim["metadata"].get("labels"))
        yield from words.annotated(claim, "  Annotations")
        yield f"  Capacity:\t{((spec.get('resources') or {}).get('requests') or {}).get('storage', '<default>')}"
        yield f"  Access Modes:\t[{' '.join(spec.get('accessModes') or ())}]"


def job(request: Request, obj: Obj) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    if spec.get("selector"):
        yield f"Selector:\t{selectors.written(spec['selector'])}"
    yield from words.labels(obj)
    yield from words.annotated(obj)
    if words.controller(obj):
        yield f"Controlled By:\t{words.controller(obj)}"
    yield f"Parallelism:\t{spec.get('parallelism', 1)}"
    yield f"Completions:\t{spec.get('completions', '<unset>')}"
    yield f"Completion Mode:\t{spec.get('completionMode', 'NonIndexed')}"
    yield f"Suspend:\t{words.yes(spec.get('suspend'))}"
    yield f"Backoff Limit:\t{spec.get('backoffLimit', 6)}"
    yield from _times(status)
    counts = [f"{status.get(f, 0)} {f.capitalize()}" for f in ("active", "succeeded", "failed")]
    ready = f" ({status['ready']} Ready)" if "ready" in status else ""
    yield f"Pods Statuses:\t{counts[0]}{ready} / {counts[1]} / {counts[2]}"
    yield from template(spec["template"])
    yield from words.events(request, obj)


def _times(status: Obj) -> Iterator[str]:
    if status.get("startTime"):
        yield f"Start Time:\t{ages.rfc1123(status['startTime'])}"
    if status.get("completionTime"):
        yield f"Completed At:\t{ages.rfc1123(status['completionTime'])}"
        if status.get("startTime"):
            length = seconds(status["completionTime"]) - seconds(status["startTime"])
            yield f"Duration:\t{ages.duration(length)}"
