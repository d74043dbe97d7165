"""A cluster like a real one, out of what ``kubectl get nodes,pods,services,… -A -o yaml`` printed.

The nodes' names, addresses and pod ranges say how the cluster is built (dual-stack, where both families are), and its
network plugin is known by the marks that it leaves in the API: what its agents noted at the Nodes, and the images of
its DaemonSet. Then every object that a person (and no controller) made is applied. What a real cluster knows and a dump
does not say (rules, routes) is ours; the plugin's own objects are too, in its manifest.

Left out: plugins that are not built here (``bridge`` stands in, with a warning) or that leave no mark (``bridge`` and
``ptp`` look alike), several subnets, nodes' IPv6 addresses (they are made of their IPv4 addresses here), addresses of
pods and Services other than those that the objects ask for, objects of ``kube-system``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8slearn import api, manifests
from k8slearn.errors import Refused
from k8slearn.ranges import EXAMPLES
from k8slearn.settings import FOUR_ONLY, LAST_WITH_KUBENET, WIRINGS

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster

Obj = dict[str, Any]
DERIVED = {"Node", "Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision", "ReplicaSet", "Pod"}
"""Kinds that controllers make: of these only objects without an owner are a person's own."""
NEVER = {"Node", "Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision"}
PLUGINS_OWN = ("kube-flannel", "calico-system", "calico-apiserver", "tigera-operator", "cilium-secrets")
"""Namespaces of network plugins: what is in there comes with the wiring."""
GROUPS = ("crd.projectcalico.org/", "projectcalico.org/", "operator.tigera.io/", "cilium.io/")
BACKEND = "flannel.alpha.coreos.com/backend-type"
BACKENDS = {"vxlan": "flannel", "host-gw": "flannel-host-gw"}
REASONS = {"CalicoIsUp": "calico", "FlannelIsUp": "flannel", "CiliumIsUp": "cilium"}
"""What an agent says at its node's condition NetworkUnavailable."""
IMAGES = {
    "/cilium": "cilium",
    "calico/node": "calico",
    "calico-node": "calico",
    "/flannel": "flannel",
    "amazon-k8s-cni": "vpc",
    "kindnetd": "ptp",
    "weave-kube": "Weave Net",
    "antrea": "Antrea",
    "kube-router": "kube-router",
    "ovn-kube": "OVN-Kubernetes",
}
"""A part of an image's name, and the wiring whose agent it is."""
NO_PLUGIN = ("cni plugin not initialized", "cni config uninitialized")
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
    network = _network(objects, nodes)
    cluster = make(**_ground(nodes, objects, network))
    if any("multus-cni" in image for image in _images(objects)):
        cluster.apply(manifests.text("multus"))
    wanted = [_stripped(obj) for obj in objects if _by_hand(obj)]
    spaces = [obj for obj in wanted if obj["kind"] == "Namespace"]
    rest = [obj for obj in wanted if obj["kind"] != "Namespace"]
    if wanted:
        cluster.apply([*spaces, *rest])
    return cluster


def _ground(nodes: list[Obj], objects: list[Obj], network: str | None) -> dict[str, Any]:
    """The arguments of a cluster that has these nodes."""
    addresses = {node["metadata"]["name"]: _address(node) for node in nodes}
    if not nodes or not all(addresses.values()):
        return {"nodes": [node["metadata"]["name"] for node in nodes] or 1, "network": network}
    ranges = [node["spec"]["podCIDR"] for node in nodes if (node.get("spec") or {}).get("podCIDR")]
    pools = [obj["spec"]["cidr"] for obj in objects if obj["kind"] == "IPPool" and ":" not in obj["spec"]["cidr"]]
    pods = str(_around([cidr.partition("/")[0] for cidr in ranges], 16)) if ranges else ""
    pods = pools[0] if pools and network == "calico" else pods
    found = {
        "nodes": addresses,
        "network": network,
        "node_cidr": str(_around([str(address) for address in addresses.values()])),
        **({"pod_cidr": pods} if pods else {}),
    }
    return found if network in FOUR_ONLY else found | _second(nodes, objects, found)


def _second(nodes: list[Obj], objects: list[Obj], found: Obj) -> dict[str, str]:
    """The ranges of both families, where every node has an address and pods of the second one."""
    own = [str(address) for node in nodes if (address := _address(node, "IPv6"))]
    specs = [node.get("spec") or {} for node in nodes]
    pods = [cidr.partition("/")[0] for spec in specs for cidr in spec.get("podCIDRs") or () if ":" in cidr]
    if not own or len(own) < len(nodes) or not pods:
        return {}
    services = [ip for obj in objects if obj["kind"] == "Service" for ip in obj["spec"].get("clusterIPs") or ()]
    third = [ip for ip in services if ":" in ip]
    both = {"node_cidr": _around(own, 64), "pod_cidr": _around(pods, 56)}
    ranges = {**both, "service_cidr": _around(third, 112) if third else EXAMPLES["service_cidr"].partition(",")[2]}
    return {name: f"{found.get(name) or EXAMPLES[name].partition(',')[0]},{cidr}" for name, cidr in ranges.items()}


def _network(objects: list[Obj], nodes: list[Obj]) -> str | None:
    """The wiring, by the first mark that there is; one that is not built here is told and stands as ``bridge``."""
    found = next(_marks(objects, nodes), "bridge")
    if found in WIRINGS:
        return found
    warnings.warn(
        f"this is the dump of a cluster with {found}, which is not built here: bridge stands in", stacklevel=4
    )
    return "bridge"


def _marks(objects: list[Obj], nodes: list[Obj]) -> Iterator[str | None]:
    """What tells of a wiring, the surest first: annotations and conditions of Nodes, flannel's ConfigMap, images."""
    for node in nodes:
        annotations = node["metadata"].get("annotations") or {}
        if BACKEND in annotations:
            yield BACKENDS.get(annotations[BACKEND], f"flannel's backend {annotations[BACKEND]}")
    conditions = [c for node in nodes for c in (node.get("status") or {}).get("conditions") or ()]
    reasons = [c.get("reason") for c in conditions if c.get("type") == "NetworkUnavailable"]
    backend = next(_net_conf(objects), "")
    if backend:
        yield BACKENDS.get(backend, f"flannel's backend {backend}")
    yield from (REASONS[reason] for reason in reasons if reason in REASONS)
    yield from (wiring for image in _images(objects) for part, wiring in IMAGES.items() if part in image)
    if "RouteCreated" in reasons and all(_minor(node) <= int(LAST_WITH_KUBENET[2:]) for node in nodes):
        yield "kubenet"
    unready = [c.get("message", "") for c in conditions if c.get("type") == "Ready" and c.get("status") != "True"]
    if nodes and len(unready) == len(nodes) and all(any(word in said for word in NO_PLUGIN) for said in unready):
        yield None


def _net_conf(objects: list[Obj]) -> Iterator[str]:
    """The backend that flannel's ConfigMap names."""
    for obj in objects:
        text = (obj.get("data") or {}).get("net-conf.json") if obj["kind"] == "ConfigMap" else None
        if isinstance(text, str):
            try:
                yield json.loads(text)["Backend"]["Type"]
            except (ValueError, KeyError, TypeError):
                continue


def _images(objects: list[Obj]) -> list[str]:
    """The images of DaemonSets, or of pods on the nodes' own network."""
    specs = [obj["spec"]["template"]["spec"] for obj in objects if obj["kind"] == "DaemonSet"]
    specs += [obj["spec"] for obj in objects if obj["kind"] == "Pod" and obj["spec"].get("hostNetwork")]
    return [container.get("image", "") for spec in specs for container in spec.get("containers") or ()]


def _minor(node: Obj) -> int:
    """The minor version of a node's kubelet (``v1.23.17``: 23)."""
    said = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", "")
    parts = said.removeprefix("v").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 99


def _address(node: Obj, family: str = "IPv4") -> str | None:
    addresses = (node.get("status") or {}).get("addresses") or ()
    internal = (a["address"] for a in addresses if a.get("type") == "InternalIP")
    return next((address for address in internal if (":" in address) == (family == "IPv6")), None)


def _around(addresses: list[str], longest: int = 24) -> IPv4Network | IPv6Network:
    """The smallest network (at most a /`longest`) that holds all of these."""
    for prefix in range(longest, 7, -1):
        network = ip_network(f"{addresses[0]}/{prefix}", strict=False)
        if all(ip_address(address) in network for address in addresses):
            return network
    raise Refused(f"the addresses {', '.join(addresses)} are not of one network")


def _by_hand(obj: Obj) -> bool:
    metadata = obj.get("metadata") or {}
    names = (metadata.get("namespace"), metadata.get("name") if obj["kind"] == "Namespace" else None)
    system = any(name in ("kube-system", *PLUGINS_OWN) for name in names)
    system = system or (obj["apiVersion"].startswith(GROUPS) and obj["kind"] != "IPPool")
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
