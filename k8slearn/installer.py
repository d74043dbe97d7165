"""What stands in the API before the first component wakes: what ``kubeadm init`` and the kubelets' registrations leave.

The namespaces, a Node for every machine, the Service ``kubernetes`` (the first address of the service range) whose one endpoint is
the API server on the first node, and kube-proxy's configuration in its ConfigMap.

Left out: certificates, tokens, RBAC, the control plane's static pods (the API server is a socket on the first node).
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from k8slearn import api
from k8slearn.api.admit import timestamp, uid
from k8slearn.components import Settings
from k8slearn.components.kube_proxy.config import config_map
from k8slearn.journal import Commands, Put, World

Obj = dict[str, Any]
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": "", "node.kubernetes.io/exclude-from-external-load-balancers": ""}
CAPACITY = {"cpu": "4", "ephemeral-storage": "64Gi", "memory": "8Gi", "pods": "110"}
LAST_WITH_DOCKERSHIM = 23
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def objects(world: World, settings: Settings) -> Commands:
    """The objects, in the order in which an installation makes them."""
    for name in NAMESPACES:
        yield from api.create(world, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield from _kubernetes(world, settings)
    if settings.proxy != "none":
        yield from api.create(world, dict(config_map(settings.pod_cidr)))
    for number, (name, address) in enumerate(settings.nodes):
        yield Put(("api", "nodes", name), node(world, settings, name, address, control_plane=number == 0))


def node(world: World, settings: Settings, name: str, address: str, control_plane: bool) -> Obj:
    """A Node as its kubelet registers it: not ready yet, without a pod CIDR."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        **(CONTROL_PLANE if control_plane else {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": uid(world, "nodes", name),
            "creationTimestamp": timestamp(world.clock),
            "resourceVersion": str(world.revision),
            "labels": labels,
        },
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "allocatable": CAPACITY,
            "capacity": CAPACITY,
            "conditions": [_no_pressure(world, pressure) for pressure in PRESSURES],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": _node_info(settings.kubernetes),
        },
    }


def _no_pressure(world: World, kind: str) -> Obj:
    now, word = timestamp(world.clock), {"PIDPressure": "PID", "MemoryPressure": "Memory", "DiskPressure": "Disk"}[kind]
    says = {"MemoryPressure": "memory available", "DiskPressure": "no disk pressure", "PIDPressure": "PID available"}[kind]
    reason = "KubeletHasNoDiskPressure" if kind == "DiskPressure" else f"KubeletHasSufficient{word}"
    return {
        "type": kind,
        "status": "False",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": f"kubelet has {'sufficient ' if kind != 'DiskPressure' else ''}{says}",
    }


def _node_info(kubernetes: str) -> Obj:
    old = int(kubernetes.partition(".")[2]) <= LAST_WITH_DOCKERSHIM
    return {
        "architecture": "amd64",
        "containerRuntimeVersion": "docker://20.10.24" if old else "containerd://2.1.4",
        "kernelVersion": "6.18.0",
        "kubeProxyVersion": f"v{kubernetes}.0",
        "kubeletVersion": f"v{kubernetes}.0",
        "operatingSystem": "linux",
        "osImage": "Debian GNU/Linux 13 (trixie)",
    }


def _kubernetes(world: World, settings: Settings) -> Commands:
    """The Service by which pods reach the API server. It has no selector: the API server writes its slice itself."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    address = str(IPv4Network(settings.service_cidr)[1])
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
    metadata = {"name": "kubernetes", "namespace": "default"}
    spec = {"clusterIP": address, "ports": ports}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "labels": labels}, "spec": spec}
    yield from api.create(world, service)
    endpoint = {"addresses": [settings.nodes[0][1]], "conditions": {"ready": True}}
    yield from api.create(
        world,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4",
            "endpoints": [endpoint],
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
        },
    )
