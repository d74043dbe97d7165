"""A pod as an endpoint: its address, its three conditions, where it runs, and whom it is kept for.

``serving`` is the pod's readiness, ``ready`` the same while it is not being deleted, ``terminating`` that it is
being deleted. ``publishNotReadyAddresses`` makes every one ``ready``: peers that have to find each other before they
are ready (a StatefulSet that elects its first) ask for it.

**Hints** say for which zone or node an endpoint is kept. ``trafficDistribution`` asks for them: each ready endpoint is
then kept for its own zone (and with ``PreferSameNode`` for its own node too); whether a kube-proxy heeds them is
that one's decision (KEP-4444, KEP-3015).

Left out: the annotation ``service.kubernetes.io/topology-mode: Auto`` (hints by a zone's share of CPUs; deprecated).
"""

from __future__ import annotations

from typing import Any

from k8slearn.api import conditions
from k8slearn.components import Settings
from k8slearn.journal import World

Obj = dict[str, Any]
Ports = tuple[tuple[str, int, str, str], ...]
"""(name, number, protocol, appProtocol) of each port that a slice serves."""
ZONE = "topology.kubernetes.io/zone"
DISTRIBUTIONS = {"PreferClose": 31, "PreferSameZone": 34, "PreferSameNode": 34}
"""``trafficDistribution`` -> the first version 1.x whose controller heeds it without a feature gate being asked for."""


def addresses(pod: Obj, address_type: str) -> list[str]:
    """The pod's addresses of one family; none for a pod that has ended or has none yet."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return []
    listed = [str(one["ip"]) for one in status.get("podIPs") or () if one.get("ip")]
    found = listed or ([status["podIP"]] if status.get("podIP") else [])
    return [address for address in found if (":" in address) == (address_type == "IPv6")]


def entry(world: World, service: Obj, pod: Obj, address_type: str) -> Obj:
    """The pod's entry in a slice."""
    metadata, spec = pod["metadata"], pod["spec"]
    serving, terminating = conditions.holds(pod, "Ready"), bool(metadata.get("deletionTimestamp"))
    unready = bool(service["spec"].get("publishNotReadyAddresses"))
    ready = unready or (serving and not terminating)
    target = {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
    named = spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]
    node, zone = spec.get("nodeName", ""), _zone(world, spec.get("nodeName", ""))
    hints = _hints(service, node, zone, _minor(world)) if ready else {}
    return {
        "addresses": addresses(pod, address_type),
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        **({"hints": hints} if hints else {}),
        **({"hostname": spec["hostname"]} if named else {}),
        "nodeName": node,
        "targetRef": target,
        **({"zone": zone} if zone else {}),
    }


def _hints(service: Obj, node: str, zone: str, minor: int) -> Obj:
    wanted = service["spec"].get("trafficDistribution", "")
    if minor < DISTRIBUTIONS.get(wanted, 1000):
        return {}
    for_nodes = {"forNodes": [{"name": node}]} if wanted == "PreferSameNode" and node else {}
    return for_nodes | ({"forZones": [{"name": zone}]} if zone else {})


def _zone(world: World, node: str) -> str:
    labels = ((world.get(("api", "nodes", node)) or {}).get("metadata") or {}).get("labels") or {}
    return str(labels.get(ZONE, ""))


def _minor(world: World) -> int:
    settings: Settings | None = world.get(("cluster", "settings", ""))
    return int(settings.kubernetes.split(".")[1]) if settings is not None else 1000


def ports_in(service: Obj, pod: Obj) -> Ports:
    """The Service's ports as numbers in this pod; a name that the pod does not know is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = _number(port, pod)
        if number is not None:
            found.append((port.get("name", ""), number, port.get("protocol", "TCP"), port.get("appProtocol", "")))
    return tuple(found)


def _number(port: Obj, pod: Obj) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    protocol = port.get("protocol", "TCP")
    for container in pod["spec"].get("containers") or ():
        for declared in container.get("ports") or ():
            if declared.get("name") == target and declared.get("protocol", "TCP") == protocol:
                return int(declared["containerPort"])
    return None
