"""Does a pod fit onto a node? The scheduler asks before it places a pod, the kubelet once more before it starts one.

::

    NodeAffinity   nodeSelector, and the required node affinity, against the node's labels
    NodePorts      no pod there holds a hostPort that this one wants (same protocol, same port, addresses that meet)
    resources      what all pods there request, and this one, against what the node can allocate; and 110 pods

Both ask the same questions (kubernetes/kubernetes pkg/scheduler AdmissionCheck), so a pod that names its node itself
(``spec.nodeName``) and goes past the scheduler is refused by the kubelet instead.

Left out: pod overhead, resources of the pod as a whole, extended resources, volumes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from k8slearn.api import quantity, selectors

Obj = dict[str, Any]
ELSEWHERE = "node(s) didn't match Pod's node affinity/selector"
PORTS_TAKEN = "node(s) didn't have free ports for the requested pod ports"
RESOURCES: Mapping[str, int] = {"cpu": 1000, "memory": 1, "ephemeral-storage": 1}
"""Each resource that counts, and how many of the scheduler's units one of it is: cpu is counted in thousandths."""
ANY = ("", "0.0.0.0")


class Lack(NamedTuple):
    """A resource of which a node has too little, in the scheduler's units."""

    resource: str
    requested: int
    used: int
    capacity: int


def matches(pod: Obj, node: Obj) -> bool:
    """Does the node have the labels (or the name) that the pod asks for?"""
    selector = pod["spec"].get("nodeSelector") or {}
    if any(selectors.labels(node).get(key) != value for key, value in selector.items()):
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term(term, node) for term in required["nodeSelectorTerms"])


def _term(term: Obj, node: Obj) -> bool:
    rows = (
        (term.get("matchExpressions"), selectors.labels(node)),
        (term.get("matchFields"), {"metadata.name": node["metadata"]["name"]}),
    )
    asked = [
        ((e["key"], e["operator"], tuple(e.get("values") or ())), having) for terms, having in rows for e in terms or ()
    ]
    return bool(asked) and all(selectors.holds(requirement, having) for requirement, having in asked)


def ports_clash(pod: Obj, there: Iterable[Obj]) -> bool:
    """Does one of these pods hold a port of the node that this one wants?"""
    wanted = set(host_ports(pod))
    return bool(wanted) and any(_meet(mine, yours) for other in there for yours in host_ports(other) for mine in wanted)


def host_ports(pod: Obj) -> Iterator[tuple[str, str, int]]:
    """(address, protocol, port) of each port that a pod wants of its node."""
    for container in _running(pod):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP", ""), port.get("protocol", "TCP"), port["hostPort"]


def _meet(one: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    return one[1:] == other[1:] and (one[0] == other[0] or one[0] in ANY or other[0] in ANY)


def lacking(pod: Obj, node: Obj, there: list[Obj]) -> list[Lack]:
    """What the node has too little of for this pod beside those that are there."""
    room = (node.get("status") or {}).get("allocatable") or {}
    most = int(room.get("pods", 110))
    found = [Lack("pods", 1, len(there), most)] if len(there) >= most else []
    for resource, unit in RESOURCES.items():
        asked = requested(pod, resource)
        if asked and resource in room:
            used, capacity = sum(requested(p, resource) for p in there), quantity.parse(room[resource])
            if asked + used > capacity:
                found.append(Lack(resource, *(int(unit * value) for value in (asked, used, capacity))))
    return found


def requested(pod: Obj, resource: str) -> Fraction:
    """What a pod asks for: all its containers together, or its hungriest init container, beside its sidecars."""
    always, most = Fraction(0), Fraction(0)
    for init in pod["spec"].get("initContainers") or ():
        most = max(most, always + _request(init, resource))
        always += _request(init, resource) if init.get("restartPolicy") == "Always" else 0
    return max(most, always + sum(_request(c, resource) for c in pod["spec"].get("containers") or ()))


def _request(container: Obj, resource: str) -> Fraction:
    text = ((container.get("resources") or {}).get("requests") or {}).get(resource)
    return Fraction(0) if text is None else quantity.parse(text)


def _running(pod: Obj) -> Iterator[Obj]:
    """The containers that run as long as the pod does."""
    sidecars = (c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always")
    yield from (*sidecars, *(pod["spec"].get("containers") or ()))
