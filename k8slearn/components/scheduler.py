"""The scheduler: it chooses a node for each pod that has none, and writes the choice into ``spec.nodeName``.

For each pod it asks every node in turn: a list of *filters*, and the first that says no gives the reason. Of the
nodes that are left the one with the fewest pods wins, and among equals the first by name. It starts nothing: the
kubelet of that node sees its name in the pod and goes to work.

Left out: scores other than the number of pods, affinity between pods, topology spread, priorities and preemption,
volumes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from k8slearn.api import conditions, fitting, taints
from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.components import Settings
from k8slearn.journal import Commands, Key, Put, Table, World

Obj = dict[str, Any]
UNHELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


class Scheduler:
    """Keys: pods, as ``namespace/name``."""

    name = "default-scheduler"

    def watches(self) -> Mapping[str, str]:
        return {"pods": "those that have no node yet", "nodes": "where there is room"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        pods = world.table("api", "pods")
        if changed[1] == "pods" and (pod := pods.get(changed[2])) is not None:
            return (str(changed[2]),) if _waits(pod) else ()
        return pods.index(_waiting)

    def reconcile(self, world: World, key: str) -> Commands:
        pod = world.get(("api", "pods", key))
        if pod is None or not _waits(pod):
            return
        nodes = world.table("api", "nodes")
        verdicts = {name: _verdict(world, pod, nodes[name]) for name in sorted(map(str, nodes))}
        fitting = [name for name, why in verdicts.items() if not why]
        if fitting:
            crowd = world.table("api", "pods").index(_crowd)
            yield from _bind(world, key, pod, min(fitting, key=lambda name: (len(crowd.get(name, ())), name)))
        else:
            yield from _fail(world, key, pod, verdicts)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _waits(pod: Obj) -> bool:
    spec = pod["spec"]
    ours = spec.get("schedulerName", Scheduler.name) == Scheduler.name
    return ours and not spec.get("nodeName") and not pod["metadata"].get("deletionTimestamp")


def _waiting(pods: Table) -> tuple[str, ...]:
    return tuple(sorted(str(name) for name, pod in pods.items() if _waits(pod)))


def _crowd(pods: Table) -> dict[str, list[Obj]]:
    """Node -> the pods on it that still run."""
    found: dict[str, list[Obj]] = {}
    for pod in pods.values():
        if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            found.setdefault(pod["spec"].get("nodeName", ""), []).append(pod)
    return found


def _bind(world: World, key: str, pod: Obj, node: str) -> Commands:
    status = conditions.put(world, pod.get("status", {}), "PodScheduled", "True")
    placed = {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status}
    yield Put(("api", "pods", key), stamped(world, placed), ("api", "pods", key))
    yield event(world, placed, "Scheduled", f"Successfully assigned {key} to {node}", Scheduler.name)


def _fail(world: World, key: str, pod: Obj, verdicts: Mapping[str, list[str]]) -> Commands:
    settings: Settings = world.get(("cluster", "settings", ""))
    message = _message(verdicts, int(settings.kubernetes.partition(".")[2]))
    before = conditions.find(pod, "PodScheduled")
    if before is not None and before.get("message") == message:
        return
    status = conditions.put(world, pod.get("status", {}), "PodScheduled", "False", "Unschedulable", message)
    yield Put(("api", "pods", key), stamped(world, {**pod, "status": status}), ("api", "pods", key))
    yield event(world, pod, "FailedScheduling", message, Scheduler.name, "Warning")


def _message(verdicts: Mapping[str, list[str]], minor: int) -> str:
    """The scheduler's sentence, as the release in question says it."""
    if not verdicts:
        return "no nodes available to schedule pods"
    head = f"0/{len(verdicts)} nodes are available"
    reasons = Counter(_said(why, minor) for whys in verdicts.values() for why in whys)
    message = f"{head}: {', '.join(sorted(f'{count} {why}' for why, count in reasons.items()))}."
    if minor < 24:
        return message
    helps = Counter(UNHELPFUL if _hopeless(whys) else NO_VICTIMS for whys in verdicts.values())
    tail = ", ".join(sorted(f"{count} {why}" for why, count in helps.items()))
    return f"{message} {'no new claims to deallocate, ' if minor >= 34 else ''}preemption: {head}: {tail}."


def _said(why: str, minor: int) -> str:
    """A taint is named in each release in its own way."""
    if not why.startswith("taint "):
        return why
    if minor >= 34:
        return "node(s) had untolerated taint(s)"
    return f"node(s) had untolerated {why}" if minor >= 24 else f"node(s) had {why}, that the pod didn't tolerate"


def _hopeless(whys: list[str]) -> bool:
    """Would the node refuse the pod even if it were empty?"""
    return any(not why.startswith(("Too many", "Insufficient")) and "free ports" not in why for why in whys)


def _verdict(world: World, pod: Obj, node: Obj) -> list[str]:
    """Why the pod cannot go to this node; nothing when it can."""
    for refuses in _FILTERS:
        whys = refuses(world, pod, node)
        if whys:
            return whys
    return []


def _tolerations(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("tolerations") or ())


def _unschedulable(world: World, pod: Obj, node: Obj) -> list[str]:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    cordoned = (node.get("spec") or {}).get("unschedulable") and not taints.tolerates(_tolerations(pod), taint)
    return ["node(s) were unschedulable"] if cordoned else []


def _tainted(world: World, pod: Obj, node: Obj) -> list[str]:
    taint = taints.untolerated(_tolerations(pod), node)
    return [] if taint is None else [f"taint {{{taint['key']}: {taint.get('value', '')}}}"]


def _elsewhere(world: World, pod: Obj, node: Obj) -> list[str]:
    return [] if fitting.matches(pod, node) else [fitting.ELSEWHERE]


def _ports_taken(world: World, pod: Obj, node: Obj) -> list[str]:
    there = world.table("api", "pods").index(_crowd).get(node["metadata"]["name"], ())
    return [fitting.PORTS_TAKEN] if fitting.ports_clash(pod, there) else []


def _full(world: World, pod: Obj, node: Obj) -> list[str]:
    there = world.table("api", "pods").index(_crowd).get(node["metadata"]["name"], [])
    lacking = fitting.lacking(pod, node, there)
    return ["Too many pods" if lack.resource == "pods" else f"Insufficient {lack.resource}" for lack in lacking]


_FILTERS: tuple[Callable[[World, Obj, Obj], list[str]], ...] = (
    _unschedulable,
    _tainted,
    _elsewhere,
    _ports_taken,
    _full,
)
"""In the scheduler's own order: the first that refuses a node gives the reason."""
