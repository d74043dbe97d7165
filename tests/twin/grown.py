"""Clusters as a learner has them: pods and Services applied as YAML, everything else done by the components."""

from __future__ import annotations

from random import Random
from typing import Any

from k8slearn import Cluster, manifests

NETWORKS = ("bridge", "kubenet", "ptp", "flannel", "flannel-host-gw", "calico", "vpc")
"""The wirings that a plain kernel can rebuild: Calico's without IP-in-IP."""
APPS = ("red", "green", "blue")
SERVICES = (("TCP", 80, 80), ("UDP", 53, 53), ("TCP", 8080, 80), ("TCP", 9090, 81))
"""(protocol, port, target port): nobody listens on 81."""


def grown(random: Random, networks: tuple[str, ...] = NETWORKS) -> Cluster:
    """A cluster of 2 to 4 nodes in one of the wirings, with pods of three applications and Services over them."""
    nodes, network = random.randint(2, 4), random.choice(networks)
    return filled(standing(nodes, network, random.randrange(1 << 30)), random)


DUAL = {
    "node_cidr": "192.168.64.0/24,fd00:64::/64",
    "pod_cidr": "10.244.0.0/16,fd00:10:244::/56",
    "service_cidr": "10.96.0.0/12,fd00:10:96::/112",
}
DUAL_NETWORKS = ("bridge", "ptp", "flannel", "flannel-host-gw", "kubenet")


def dual_stack(random: Random, networks: tuple[str, ...] = DUAL_NETWORKS) -> Cluster:
    """A cluster of both families; half of its Services have both, some only the second."""
    network, seed = random.choice(networks), random.randrange(1 << 30)
    cluster = filled(Cluster(random.randint(2, 3), network, seed=seed, **DUAL), random)  # type: ignore[arg-type]
    for n in range(4):
        families = random.choice(({"ipFamilyPolicy": "PreferDualStack"}, {"ipFamilies": ["IPv6"]}, {}))
        app, (protocol, port, target) = random.choice((*APPS, "nobody")), random.choice(SERVICES)
        service = _service(f"both-{n}", random.choice(("ClusterIP", "NodePort")), app, protocol, port, target)
        cluster.apply({**service, "spec": {**service["spec"], **families}})
    return cluster


def standing(nodes: int, network: str, seed: int, topology: dict[str, Any] | None = None) -> Cluster:
    """A cluster of a wiring in a form that this kernel can rebuild."""
    if network != "calico":
        return Cluster(nodes=nodes, network=network, seed=seed, topology=topology)
    cluster = Cluster(nodes=nodes, network=None, seed=seed, topology=topology)
    text = manifests.text("calico").replace("CALICO_IPV4POOL_IPIP, value: Always", "CALICO_IPV4POOL_IPIP, value: Never")
    cluster.apply(text)
    return cluster


def filled(cluster: Cluster, random: Random) -> Cluster:
    """The same cluster with pods and Services on it."""
    names = [name for name, _ in cluster.settings.nodes]
    cluster.apply([_pod(f"pod-{n}", random.choice(APPS), random.choice(names)) for n in range(random.randint(3, 8))])
    apps, kinds = (*APPS, "nobody"), ("ClusterIP", "ClusterIP", "NodePort")
    cluster.apply(
        [_service(f"svc-{n}", random.choice(kinds), random.choice(apps), *random.choice(SERVICES)) for n in range(4)]
    )
    return cluster


def _pod(name: str, app: str, node: str) -> dict[str, Any]:
    ports = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    container = {"name": "main", "image": "example.org/echo:1", "ports": ports}
    metadata, spec = {"name": name, "labels": {"app": app}}, {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _service(name: str, kind: str, app: str, protocol: str, port: int, target: int) -> dict[str, Any]:
    ports = [{"port": port, "protocol": protocol, "targetPort": target}]
    spec = {"type": kind, "selector": {"app": app}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


# --- policies ----------------------------------------------------------------------------------

BLOCKS: tuple[dict[str, Any], ...] = (
    {"cidr": "10.244.0.0/16"},
    {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/17"]},
    {"cidr": "192.168.64.0/24"},
    {"cidr": "10.244.0.0/16", "except": ["10.244.64.0/18", "10.244.192.0/19"]},
)
PORTS: tuple[dict[str, Any], ...] = (
    {"port": 80},
    {"port": 53, "protocol": "UDP"},
    {"port": 79, "endPort": 81},
    {"protocol": "UDP"},
    {"protocol": "TCP"},
)


def policed(random: Random) -> Cluster:
    """A cluster under calico whose pods have NetworkPolicies."""
    cluster = grown(random, ("calico",))
    cluster.apply([_policy(f"policy-{n}", random) for n in range(random.randint(1, 4))])
    return cluster


def _policy(name: str, random: Random) -> dict[str, Any]:
    types = random.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    rules = {word: [_rule(random, peer) for _ in range(random.randint(0, 2))] for word, peer in SIDES.items()}
    spec = {"podSelector": _selector(random), "policyTypes": types, **rules}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


SIDES = {"ingress": "from", "egress": "to"}


def _rule(random: Random, peer: str) -> dict[str, Any]:
    peers = [_peer(random) for _ in range(random.randint(0, 2))]
    ports = random.sample(PORTS, random.randint(0, 2))
    return {**({peer: peers} if peers else {}), **({"ports": ports} if ports else {})}


def _peer(random: Random) -> dict[str, Any]:
    if random.random() < 0.3:
        return {"ipBlock": random.choice(BLOCKS)}
    names = {"namespaceSelector": {}} if random.random() < 0.3 else {}
    return {"podSelector": _selector(random), **names}


def _selector(random: Random) -> dict[str, Any]:
    apps = random.sample(APPS, random.randint(1, 2))
    listed = {"key": "app", "operator": random.choice(("In", "NotIn")), "values": apps}
    return random.choice(({}, {"matchLabels": {"app": apps[0]}}, {"matchExpressions": [listed]}))
