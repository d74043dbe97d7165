"""``cluster.export("kind")``: the same cluster in containers of a real machine, by kind (https://kind.sigs.k8s.io).

A bash script: ``script up`` makes the cluster (the same ranges and as many nodes, under the names that kind gives) and
applies the manifests, ``script down`` removes it. It needs docker, kind and kubectl; what it downloads are kind's own
images, those of the pods, and Calico's or Cilium's own installation.

Left out: wirings that kind cannot have (its node image has no CNI plugin ``bridge``, so flannel does not work there),
addresses of nodes and pods, topologies, and what was done on nodes by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from k8slearn.components import Settings
from k8slearn.errors import Refused
from k8slearn.export.manifests import made
from k8slearn.journal import World
from k8slearn.shell.kubectl.written import as_yaml

Obj = dict[str, Any]
CLUSTER = "k8slearn"
HOSTNAME = "kubernetes.io/hostname"
KINDNET = "kindnet, kind's own plugin: CNI ptp and host-local, and (since kind 0.24) it enforces NetworkPolicies"
PLUGINS: Mapping[str | None, tuple[str, str]] = {
    "ptp": (KINDNET, ""),
    "bridge": (f"{KINDNET}; there is no bridge cni0, otherwise pods reach each other alike", ""),
    "calico": (
        "Calico, of its own manifest",
        "kubectl apply -f https://raw.githubusercontent.com/projectcalico/calico/v3.32.1/manifests/calico.yaml",
    ),
    "cilium": ("Cilium, by its own installer (the command cilium)", "cilium install"),
    None: ("none: the nodes stay NotReady until you install a plugin", ""),
}
"""What stands for each wiring there, and the command that installs it. Others cannot be had in kind."""
PROXIES = {"none": "none", "nftables": "nftables", "ipvs": "ipvs"}
_OWN_LABEL = re.compile(r"(.*\.)?(kubernetes|k8s)\.io/.*")
SCRIPT = """\
#!/usr/bin/env bash
# A cluster of k8slearn in kind: ./SCRIPT up, and ./SCRIPT down when you are done. Needs docker, kind, kubectl.
# Network plugin: {plugin}.
# Nodes: {nodes}.
set -euo pipefail

up() {{
  kind create cluster --name {cluster} --config - <<'CONFIG'
{config}CONFIG
  kubectl config use-context kind-{cluster}
{commands}  kubectl apply -f - <<'MANIFESTS'
{manifests}MANIFESTS
  kubectl get pods -A -o wide
}}

case "${{1:-}}" in
  up) up ;;
  down) kind delete cluster --name {cluster} ;;
  *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
"""


def kind_script(world: World) -> str:
    """The script. Raises `Refused` for a wiring that kind cannot have."""
    settings: Settings = world.get(("cluster", "settings", ""))
    if settings.network not in PLUGINS:
        known = ", ".join(sorted(name for name in PLUGINS if name))
        raise Refused(f"kind cannot have the network {settings.wiring!r}: export a cluster with one of {known}")
    names = _names(settings)
    plugin, install = PLUGINS[settings.network]
    commands = [install] if install else []
    commands += [f"kubectl taint nodes {names[settings.nodes[0][0]]} node-role.kubernetes.io/control-plane- || true"]
    commands += ["kubectl wait --for=condition=Ready nodes --all --timeout=300s"] if settings.network else []
    return SCRIPT.format(
        cluster=CLUSTER,
        plugin=plugin,
        nodes=", ".join(f"{ours} is {theirs}" for ours, theirs in names.items()),
        config=as_yaml(_config(world, settings)),
        commands="".join(f"  {command}\n" for command in commands),
        manifests="---\n".join(as_yaml(_renamed(obj, names)) for obj in made(world)),
    )


def _names(settings: Settings) -> dict[str, str]:
    """Each node's name, and the one that kind gives to it."""
    theirs = ["control-plane", "worker", *(f"worker{n}" for n in range(2, len(settings.nodes)))]
    return {name: f"{CLUSTER}-{role}" for (name, _), role in zip(settings.nodes, theirs, strict=False)}


def _config(world: World, settings: Settings) -> Obj:
    network: Obj = {"podSubnet": settings.pod_cidr, "serviceSubnet": settings.service_cidr}
    if settings.network not in ("ptp", "bridge"):
        network["disableDefaultCNI"] = True
    if settings.proxy in PROXIES:
        network["kubeProxyMode"] = PROXIES[settings.proxy]
    if settings.dual_stack:
        network["ipFamily"] = "dual"
    nodes = [_node(world, name, first=not number) for number, (name, _) in enumerate(settings.nodes)]
    return {"apiVersion": "kind.x-k8s.io/v1alpha4", "kind": "Cluster", "networking": network, "nodes": nodes}


def _node(world: World, name: str, first: bool) -> Obj:
    """A node's role, and the labels that a person gave to it (topology ones too)."""
    labels = (world.get(("api", "nodes", name)) or {"metadata": {}})["metadata"].get("labels") or {}
    own = {key: value for key, value in labels.items() if not _OWN_LABEL.fullmatch(key) or key.startswith("topology.")}
    return {"role": "control-plane" if first else "worker", **({"labels": own} if own else {})}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The object with kind's names of the nodes, wherever a pod asks for one."""
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    if not isinstance(value, dict):
        return value
    found = {key: _renamed(part, names) for key, part in value.items()}
    for key in ("nodeName", HOSTNAME):
        if isinstance(found.get(key), str):
            found[key] = names.get(found[key], found[key])
    if found.get("key") == HOSTNAME:
        found["values"] = [names.get(name, name) for name in found.get("values") or ()]
    return found
