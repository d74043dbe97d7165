"""A kubelet's own admission: may this pod run here? It is asked once, before anything of the pod is started.

A pod that names its node in ``spec.nodeName`` goes past the scheduler. The kubelet asks what the scheduler would have
asked (`fitting`); the first no decides: the pod is Failed, for good, with the reason in its status, and nothing of it
was started. It stands there until somebody deletes it::

    STATUS      message
    OutOfpods   Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110
    NodePorts   Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports

Source: kubernetes/kubernetes pkg/kubelet/lifecycle/predicate.go, rejectPod in kubelet.go.

Left out: preemption for critical pods, operating systems, and that a kubelet that was restarted asks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn.api import fitting, taints
from k8slearn.api.admit import stamped, timestamp
from k8slearn.components.kubelet.pod import OWN, Pod
from k8slearn.journal import Commands, Put, Table

Obj = dict[str, Any]
NO_NODE = ("InvalidNodeInfo", "Kubelet cannot get node info.")
TAINTED = ((0, "node(s) had taints that the pod didn't tolerate"), (34, "node(s) had untolerated taint(s)"))
DESCRIBED = 31
"""From this minor version on the message says what a predicate means (PR 125498)."""


def refused(pod: Pod) -> tuple[str, str] | None:
    """(reason, message) of the first thing that speaks against the pod; None: it may run."""
    node = pod.world.get(("api", "nodes", pod.node.removeprefix("node:")))
    if node is None:
        return None if pod.own else NO_NODE
    return next(_reasons(pod, node), None)


def _reasons(pod: Pod, node: Obj) -> Iterator[tuple[str, str]]:
    there = _others(pod)
    for lack in fitting.lacking(pod.obj, node, there):
        numbers = f"requested: {lack.requested}, used: {lack.used}, capacity: {lack.capacity}"
        yield f"OutOf{lack.resource}", f"Node didn't have enough resource: {lack.resource}, {numbers}"
    if not fitting.matches(pod.obj, node):
        yield "NodeAffinity", _failed(pod, "NodeAffinity", fitting.ELSEWHERE)
    if fitting.ports_clash(pod.obj, there):
        yield "NodePorts", _failed(pod, "NodePorts", fitting.PORTS_TAKEN)
    tolerations = list(pod.spec.get("tolerations") or ())
    if not pod.static and taints.untolerated(tolerations, node, ("NoExecute",)) is not None:
        said = next(words for since, words in reversed(TAINTED) if since <= pod.dial.minor)
        yield "TaintToleration", _failed(pod, "TaintToleration", said)


def _failed(pod: Pod, predicate: str, means: str) -> str:
    return f"Predicate {predicate} failed" + (f": {means}" if pod.dial.minor >= DESCRIBED else "")


def _others(pod: Pod) -> list[Obj]:
    """The pods that this kubelet has admitted before, and that have not ended."""
    name = pod.node.removeprefix("node:")
    bound = dict(pod.world.table("api", "pods").index(_admitted).get(name, ()))
    own = {str(key): obj for key, obj in pod.world.table(pod.node, OWN).items() if _runs(obj)}
    return [obj for key, obj in {**bound, **own}.items() if key != pod.key]


def _admitted(pods: Table) -> dict[str, list[tuple[str, Obj]]]:
    found: dict[str, list[tuple[str, Obj]]] = {}
    for key, obj in pods.items():
        if _runs(obj):
            found.setdefault(obj["spec"].get("nodeName", ""), []).append((str(key), obj))
    return found


def _runs(obj: Obj) -> bool:
    status = obj.get("status") or {}
    return "startTime" in status and status.get("phase") not in ("Succeeded", "Failed")


def reject(pod: Pod, reason: str, message: str) -> Commands:
    """The pod is Failed before it began."""
    yield pod.say(reason, message, "Warning")
    status = {
        "phase": "Failed",
        "qosClass": (pod.obj.get("status") or {}).get("qosClass", "BestEffort"),
        "reason": reason,
        "message": f"Pod was rejected: {message}",
        "startTime": timestamp(pod.world.clock),
    }
    yield Put(pod.row, stamped(pod.world, {**pod.obj, "status": status}))
