"""A cluster like a real one, out of what ``kubectl get nodes,pods,services,… -A -o yaml`` printed.

The nodes' names, addresses and pod ranges say how the cluster is built; then every object that a person (and no
controller) made is applied. What a real cluster knows and a dump does not say (rules, routes, which plugin) is ours.

Left out: the wiring of the real cluster (``bridge`` stands in for it), addresses of pods and Services other than
those that the objects ask for, objects of ``kube-system``.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8slearn import api
from k8slearn.errors import Refused

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster

Obj = dict[str, Any]
DERIVED = {"Node", "Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision", "ReplicaSet", "Pod"}
"""Kinds that controllers make: of these only objects without an owner are a person's own."""
NEVER = {"Node", "Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision"}
SERVER_OWNED = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "ownerReferences",
)


def cluster_from(make: Callable[..., Cluster], path: Path) -> Cluster:
    """The cluster that a dump describes. Raises `Refused` with one sentence."""
    objects = api.load(path)
    nodes = [obj for obj in objects if obj["kind"] == "Node"]
    cluster = make(**_ground(nodes))
    wanted = [_stripped(obj) for obj in objects if _by_hand(obj)]
    spaces = [obj for obj in wanted if obj["kind"] == "Namespace"]
    rest = [obj for obj in wanted if obj["kind"] != "Namespace"]
    if wanted:
        cluster.apply([*spaces, *rest])
    return cluster


def _ground(nodes: list[Obj]) -> dict[str, Any]:
    """The arguments of a cluster that has these nodes."""
    addresses = {node["metadata"]["name"]: _address(node) for node in nodes}
    if not nodes or not all(addresses.values()):
        return {"nodes": [node["metadata"]["name"] for node in nodes] or 1}
    ranges = [node["spec"]["podCIDR"] for node in nodes if (node.get("spec") or {}).get("podCIDR")]
    return {
        "nodes": addresses,
        "node_cidr": str(_around([str(address) for address in addresses.values()])),
        **({"pod_cidr": str(_around([cidr.partition("/")[0] for cidr in ranges], 16))} if ranges else {}),
    }


def _address(node: Obj) -> str | None:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((a["address"] for a in addresses if a.get("type") == "InternalIP"), None)


def _around(addresses: list[str], longest: int = 24) -> IPv4Network:
    """The smallest network (at most a /`longest`) that holds all of these."""
    for prefix in range(longest, 7, -1):
        network = IPv4Network(f"{addresses[0]}/{prefix}", strict=False)
        if all(IPv4Address(address) in network for address in addresses):
            return network
    raise Refused(f"the addresses {', '.join(addresses)} are not of one network")


def _by_hand(obj: Obj) -> bool:
    metadata = obj.get("metadata") or {}
    system = "kube-system" in (metadata.get("namespace"), metadata.get("name"))
    if obj["kind"] in NEVER or system or metadata.get("name") in ("kubernetes", "kube-root-ca.crt"):
        return False
    return not (obj["kind"] in DERIVED and metadata.get("ownerReferences"))


def _stripped(obj: Obj) -> Obj:
    """The object as somebody could have written it: without what the server and the controllers added."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in SERVER_OWNED}
    found = {**{name: value for name, value in obj.items() if name != "status"}, "metadata": metadata}
    if obj["kind"] == "Pod":
        found["spec"] = {name: value for name, value in obj["spec"].items() if name != "nodeName"}
    return found
