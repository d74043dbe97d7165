"""Which network plugin a cluster has, by the marks that it leaves in the API.

Its agents note things at the Nodes (flannel's annotation, Calico's condition), flannel's ConfigMap names its backend,
and a DaemonSet's image says whose it is. A plugin that is not built here is told, and ``bridge`` stands in.

Left out: configurations of one's own in /etc/cni/net.d, which no API object shows.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

from k8slearn.settings import LAST_WITH_KUBENET, WIRINGS

Obj = dict[str, Any]
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


def spec_of(obj: Obj) -> Obj:
    """What it asks for; empty where it does not say."""
    return obj.get("spec") or {}


def network_of(objects: list[Obj], nodes: list[Obj]) -> str | None:
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
    yield from (wiring for image in images(objects) for part, wiring in IMAGES.items() if part in image)
    if "RouteCreated" in reasons and all(minor(node) <= int(LAST_WITH_KUBENET[2:]) for node in nodes):
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


def is_agent(obj: Obj) -> bool:
    """Is this the DaemonSet of a network plugin?"""
    own = images([obj]) if obj["kind"] == "DaemonSet" else []
    return any(part in image for part in IMAGES for image in own)


def images(objects: list[Obj]) -> list[str]:
    """The images of DaemonSets, or of pods on the nodes' own network."""
    templates = [spec_of(obj).get("template") or {} for obj in objects if obj["kind"] == "DaemonSet"]
    specs = [spec_of(template) for template in templates]
    specs += [spec_of(obj) for obj in objects if obj["kind"] == "Pod" and spec_of(obj).get("hostNetwork")]
    return [container.get("image", "") for spec in specs for container in spec.get("containers") or ()]


def minor(node: Obj) -> int:
    """The minor version of a node's kubelet (``v1.23.17``: 23)."""
    said = ((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", "")
    parts = said.removeprefix("v").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 99
