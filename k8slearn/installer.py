"""What stands in the API before the first component wakes: what ``kubeadm init`` leaves.

The namespaces, the Service ``kubernetes`` (the first address of the service range) whose
one endpoint is the API server on the first node, and kube-proxy's configuration in its ConfigMap. Then an administrator
applies the network plugin's manifest, if the wiring has one.

Left out: certificates, tokens, RBAC, the control plane's own static pods (the API server is a socket on the first node;
static pods of one's own run).
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from k8slearn import api, manifests
from k8slearn.components import NODE_LOCAL_DNS, Settings, ranges
from k8slearn.components.kube_proxy.config import config_map
from k8slearn.components.kubelet import flags
from k8slearn.components.kubelet.dns import cluster_dns
from k8slearn.journal import Commands, Put, World

Obj = dict[str, Any]
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def objects(world: World, settings: Settings) -> Commands:
    """The objects, in the order in which an installation makes them."""
    for name in NAMESPACES:
        yield from api.create(world, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield from _kubernetes(world, settings)
    if settings.proxy != "none":
        cidr = "" if settings.network == "vpc" else settings.pod_cidr
        yield from api.create(world, dict(config_map(cidr, settings.proxy)))


def files(settings: Settings) -> Commands:
    """What kubeadm leaves on each node's disk: the kubelet's command line."""
    for name, _ in settings.nodes:
        yield Put((f"node:{name}", "file", flags.KUBEADM_FLAGS), flags.installed(settings))


def plugin(world: World, settings: Settings) -> Commands:
    """``kubectl apply`` of the network plugin's manifest, where the wiring is installed by one."""
    if settings.network in manifests.PLUGINS:
        for obj in api.load(manifests.text(settings.network, settings.pod_cidr)):
            yield from api.apply(world, obj)


def dns(world: World, settings: Settings) -> Commands:
    """kubeadm's addon CoreDNS, where it is wanted: its Service has the tenth address of the range."""
    if settings.dns:
        for obj in api.load(manifests.dns(cluster_dns(settings))):
            yield from api.apply(world, obj)


def node_local_dns(world: World, settings: Settings) -> Commands:
    """NodeLocal DNSCache, where it is wanted: its manifest, and under ipvs another name server for the kubelets."""
    if settings.dns != NODE_LOCAL_DNS:
        return
    ipvs = settings.proxy == "ipvs"
    for name, _ in settings.nodes if ipvs else ():
        yield Put((f"node:{name}", "file", flags.EXTRA_FLAGS), flags.extra(manifests.NODE_LOCAL))
    for obj in api.load(manifests.node_local_dns(cluster_dns(settings), ipvs)):
        yield from api.apply(world, obj)


def _kubernetes(world: World, settings: Settings) -> Commands:
    """The Service by which pods reach the API server. It has no selector: the API server writes its slice itself."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    address = str(IPv4Network(ranges(settings.service_cidr)[0])[1])
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
