"""The node lifecycle controller: it turns a node's conditions into taints, which keep pods away and drive them off.

::

    Ready is False     not-ready            NoSchedule, and NoExecute
    Ready is Unknown   unreachable          NoSchedule, and NoExecute
    no network yet     network-unavailable  NoSchedule
    cordoned           unschedulable        NoSchedule

A node of which nothing has been heard for the grace period (40 seconds, 50 since 1.32) gets all its conditions set to
Unknown, and its pods are said to be not Ready. A pod tolerates a NoExecute taint for as long as its toleration says
(300 seconds, which admission gave it) or for ever; then it is deleted, and stays Terminating until its kubelet can say
that it is gone.

Left out: rates and zones (in life evictions slow down or stop where most of a zone is lost), and garbage collection of
pods whose node was deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from k8slearn import api
from k8slearn.api import conditions, taints
from k8slearn.api.admit import seconds, stamped, timestamp
from k8slearn.api.events import event
from k8slearn.components import SILENT, Settings
from k8slearn.journal import Commands, Key, Put, Table, World

Obj = dict[str, Any]
GRACE = ((0, 40.0), (32, 50.0))
"""``--node-monitor-grace-period``: from which minor version on, how many seconds."""
EVICTION = ((0, "taint-controller"), (29, "taint-eviction-controller"))
"""Who evicts, by the name that its events have."""
STOPPED_POSTING = "Kubelet stopped posting node status."


def _ready(node: Obj, status: str) -> bool:
    ready = conditions.find(node, "Ready")
    return ready is not None and ready["status"] == status


TAINTS: Mapping[str, tuple[Callable[[Obj], bool], tuple[str, ...]]] = {
    "node.kubernetes.io/not-ready": (lambda node: _ready(node, "False"), ("NoSchedule", "NoExecute")),
    "node.kubernetes.io/unreachable": (lambda node: _ready(node, "Unknown"), ("NoSchedule", "NoExecute")),
    "node.kubernetes.io/network-unavailable": (
        lambda node: conditions.holds(node, "NetworkUnavailable"),
        ("NoSchedule",),
    ),
    "node.kubernetes.io/unschedulable": (
        lambda node: bool((node.get("spec") or {}).get("unschedulable")),
        ("NoSchedule",),
    ),
}
"""Each taint that this controller owns: when a node has it, and with which effects."""


class NodeLifecycle:
    """Keys: nodes, by name."""

    name = "node-controller"

    def watches(self) -> Mapping[str, str]:
        return {"nodes": "their conditions", SILENT: "those of which nothing is heard"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        return (str(changed[2]),)

    def reconcile(self, world: World, key: str) -> Commands:
        if world.get(("api", "nodes", key)) is None:
            return
        if _silent_until(world, key) <= world.clock:
            yield from _lost(world, key)
        yield from _tainted(world, key)
        yield from _evicted(world, key)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        for name in world.table("cluster", SILENT):
            if _silent_until(world, str(name)) > world.clock:
                yield _silent_until(world, str(name)), str(name)
        for name in world.table("api", "nodes").index(_driving):
            for when, _ in _evictions(world, name):
                yield when, name


def _at(world: World, table: tuple[tuple[int, Any], ...]) -> Any:
    settings: Settings | None = world.get(("cluster", "settings", ""))
    minor = int(settings.kubernetes.partition(".")[2].partition(".")[0]) if settings is not None else 99
    return next(value for since, value in reversed(table) if since <= minor)


# -- silence -------------------------------------------------------------------------------------------------------


def _silent_until(world: World, name: str) -> float:
    """When the grace period of a silent node ends; never, for one that speaks."""
    since: float | None = world.get(("cluster", SILENT, name))
    return float("inf") if since is None else since + float(_at(world, GRACE))


def _lost(world: World, name: str) -> Commands:
    """Nobody knows how the node is: its conditions say so, and its pods are not Ready any more."""
    node: Obj = world.get(("api", "nodes", name))
    if _ready(node, "Unknown"):
        return
    now = timestamp(world.clock)
    said = [_unknown(c, now) for c in (node.get("status") or {}).get("conditions") or ()]
    lost = {**node, "status": {**node["status"], "conditions": said}}
    yield Put(("api", "nodes", name), stamped(world, lost), ("api", "nodes", name))
    message = f"Node {name} status is now: NodeNotReady"
    yield event(world, lost, "NodeNotReady", message, NodeLifecycle.name)
    for key, pod in world.table("api", "pods").index(_by_node).get(name, ()):
        if conditions.holds(pod, "Ready"):
            status = conditions.put(world, pod["status"], "Ready", "False")
            yield Put(("api", "pods", key), stamped(world, {**pod, "status": status}), ("api", "nodes", name))
            yield event(world, pod, "NodeNotReady", "Node is not ready", NodeLifecycle.name, "Warning")


def _unknown(condition: Obj, now: str) -> Obj:
    if condition["type"] not in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
        return condition
    reason = {"reason": "NodeStatusUnknown", "message": STOPPED_POSTING}
    return {**condition, "status": "Unknown", "lastTransitionTime": now, **reason}


# -- taints --------------------------------------------------------------------------------------------------------


def _tainted(world: World, name: str) -> Commands:
    node: Obj = world.get(("api", "nodes", name))
    spec = node.get("spec") or {}
    before = spec.get("taints") or ()
    there = {(taint["key"], taint["effect"]): taint for taint in before if taint["key"] in TAINTS}
    wanted = [(key, effect) for key, (holds, effects) in TAINTS.items() if holds(node) for effect in effects]
    if wanted == list(there):
        return
    ours = [there.get((key, effect)) or _taint(world, key, effect) for key, effect in wanted]
    kept = [taint for taint in before if taint["key"] not in TAINTS]
    changed = {field: value for field, value in spec.items() if field != "taints"}
    if kept or ours:
        changed["taints"] = [*kept, *ours]
    yield Put(("api", "nodes", name), stamped(world, {**node, "spec": changed}), ("api", "nodes", name))


def _taint(world: World, key: str, effect: str) -> Obj:
    """One that drives pods off says since when."""
    since = {"timeAdded": timestamp(world.clock)} if effect == "NoExecute" else {}
    return {"key": key, "effect": effect, **since}


def _driving(nodes: Table) -> list[str]:
    """The nodes that drive pods off."""
    return sorted(str(name) for name, node in nodes.items() if _no_execute(node))


def _no_execute(node: Obj) -> list[Obj]:
    return [taint for taint in (node.get("spec") or {}).get("taints") or () if taint["effect"] == "NoExecute"]


# -- eviction ------------------------------------------------------------------------------------------------------


def _evicted(world: World, name: str) -> Commands:
    for when, key in list(_evictions(world, name)):
        if when > world.clock:
            continue
        pod = world.get(("api", "pods", key))
        said = f"Marking for deletion Pod {key}"
        yield event(world, pod, "TaintManagerEviction", said, _at(world, EVICTION))
        for command in api.deletion(world, ("api", "pods", key)):
            yield command._replace(cause=("api", "nodes", name))


def _evictions(world: World, name: str) -> Iterator[tuple[float, str]]:
    """(second, pod) of each pod that this node drives off."""
    driving = _no_execute(world.get(("api", "nodes", name)) or {})
    for key, pod in world.table("api", "pods").index(_by_node).get(name, ()) if driving else ():
        if not pod["metadata"].get("deletionTimestamp"):
            when = min(_tolerated_until(pod, taint) for taint in driving)
            if when < float("inf"):
                yield when, key


def _tolerated_until(pod: Obj, taint: Obj) -> float:
    """Until when a pod bears a taint: the shortest toleration that matches counts; without any, not at all."""
    since = seconds(taint["timeAdded"]) if taint.get("timeAdded") else 0.0
    matching = [t for t in pod["spec"].get("tolerations") or () if taints.tolerates([t], taint)]
    if not matching:
        return since
    waits = [max(0.0, float(t["tolerationSeconds"])) for t in matching if t.get("tolerationSeconds") is not None]
    return since + min(waits) if waits else float("inf")


def _by_node(pods: Table) -> dict[str, list[tuple[str, Obj]]]:
    found: dict[str, list[tuple[str, Obj]]] = {}
    for key in sorted(map(str, pods)):
        found.setdefault(pods[key]["spec"].get("nodeName") or "", []).append((key, pods[key]))
    return found
