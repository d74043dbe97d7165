"""Clusters with Services of every kind that iptables can carry, and, where an agent enforces them, NetworkPolicies.

Types, several ports, affinity, both traffic policies, source ranges, external addresses, a cloud's load balancer of
either kind; endpoints that are ready, not ready, terminating, on the node's own network, written by hand, or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from k8slearn import Cluster, manifests
from k8slearn.journal import World

from .grown import APPS, DUAL, DUAL_NETWORKS, NETWORKS, _policy, standing
from .twin import Probe, running

Obj = dict[str, Any]
EXTERNAL = ("198.51.100.130", "198.51.100.131")
"""Addresses that the router sends to the first node."""
HANDWRITTEN = ("203.0.113.7", "192.168.64.12", "10.244.0.77")
"""Where selectorless Services may lead: a host outside, a node, an address that nobody has."""
POLICIES = ("Cluster", "Cluster", "Local")
PORTS = (("TCP", 80, 80), ("TCP", 8080, "web"), ("UDP", 53, 53), ("TCP", 9090, 81), ("UDP", 5353, "dns"))
"""(protocol, port, target port): nobody listens on 81; not every pod has ports of these names."""
RANGES = (["203.0.113.0/24"], ["192.168.64.0/24"], ["10.244.0.0/16", "203.0.113.99/32"])


def served(random: Random) -> Cluster:
    """A cluster of 2 to 4 nodes under any wiring, full of Services."""
    nodes, network = random.randint(2, 4), random.choice((*NETWORKS, "calico", "calico"))
    topology = {"commands": {"router": ["ip route add 198.51.100.128/25 via 192.168.64.11"]}}
    seed, dual = random.randrange(1 << 30), network in DUAL_NETWORKS and random.random() < 0.3
    if dual:
        cluster = Cluster(nodes, network, seed=seed, topology=topology, **DUAL)  # type: ignore[arg-type]
    else:
        cluster = standing(nodes, network, seed, topology)
    if random.random() < 0.6:
        mode = random.choice(("passthrough", "proxy"))
        cluster.apply(manifests.addon("cloud").replace("mode=passthrough", f"mode={mode}"))
    if random.random() < 0.2:
        config = cluster.get("configmap", "kube-proxy", namespace="kube-system")
        cluster.apply({**config, "data": {"config.conf": config["data"]["config.conf"] + _odd(random)}})
    names = [name for name, _ in cluster.settings.nodes]
    cluster.apply([_pod(n, random, random.choice(names)) for n in range(random.randint(4, 9))])
    cluster.apply([thing for n in range(random.randint(3, 6)) for thing in _service(n, random, dual)])
    if network == "calico" and random.random() < 0.8:
        cluster.apply([_policy(f"policy-{n}", random) for n in range(random.randint(1, 3))])
    for pod in [p for p in cluster.get("pods") if "lifecycle" in p["spec"]["containers"][0]]:
        if random.random() < 0.7:
            cluster.kubectl(f"delete pod {pod['metadata']['name']} --wait=false")
    return cluster


def _odd(random: Random) -> str:
    return random.choice(
        ("\niptables: {masqueradeAll: true}\n", "\nnodePortAddresses: [192.168.64.11/32, 192.168.64.12/32]\n")
    )


def _pod(number: int, random: Random, node: str) -> Obj:
    """One that is ready, or not, or will take its time to end, or is on its node's network."""
    ports: list[Obj] = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    if random.random() < 0.6:
        ports = [{**ports[0], "name": "web"}, {**ports[1], "name": "dns"}]
    container: Obj = {"name": "main", "image": "example.org/echo:1", "ports": ports}
    kind = random.choice(("plain", "plain", "plain", "not ready", "ending", "ending", "of the node"))
    if kind == "not ready":
        container["readinessProbe"] = {"httpGet": {"port": 81}}
    if kind == "ending":
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": 20}}}
    spec = {"nodeName": node, "containers": [container], **({"hostNetwork": True} if kind == "of the node" else {})}
    metadata = {"name": f"pod-{number}", "labels": {"app": random.choice(APPS)}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _service(number: int, random: Random, dual: bool) -> Iterator[Obj]:
    name, kind = f"svc-{number}", random.choice(("ClusterIP", "NodePort", "LoadBalancer"))
    chosen = random.sample(PORTS, random.randint(1, 3))
    ports = [{"name": f"p{p}", "port": p, "protocol": proto, "targetPort": to} for proto, p, to in chosen]
    spec: Obj = {"type": kind, "ports": ports, "internalTrafficPolicy": random.choice(POLICIES)}
    if random.random() < 0.35:
        spec |= {"sessionAffinity": "ClientIP"}
    if kind != "ClusterIP":
        spec |= {"externalTrafficPolicy": random.choice(POLICIES)}
    if kind == "LoadBalancer" and random.random() < 0.4:
        spec |= {"loadBalancerSourceRanges": random.choice(RANGES)}
    if kind == "LoadBalancer" and random.random() < 0.2:
        spec |= {"allocateLoadBalancerNodePorts": False}
    if dual:
        spec |= random.choice(({"ipFamilyPolicy": "PreferDualStack"}, {"ipFamilies": ["IPv6"]}, {}))
    if random.random() < 0.35:
        spec |= {"externalIPs": [random.choice(EXTERNAL)]}
    if random.random() < 0.15:
        spec |= {"publishNotReadyAddresses": True}
    if random.random() < 0.15:
        yield _slice(name, random, ports)
    else:
        spec |= {"selector": {"app": random.choice((*APPS, *APPS, "nobody"))}}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _slice(service: str, random: Random, ports: list[Obj]) -> Obj:
    """Endpoints that a person wrote."""
    found = [{"addresses": [a]} for a in random.sample(HANDWRITTEN, random.randint(1, 2))]
    metadata = {"name": f"{service}-own", "labels": {"kubernetes.io/service-name": service}}
    asked = [
        {"name": p["name"], "protocol": p["protocol"], "port": 80 if p["protocol"] == "TCP" else 53} for p in ports
    ]
    head = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
    return {**head, "addressType": "IPv4", "ports": asked, "endpoints": found}


# --- questions ---------------------------------------------------------------------------------


def doors(world: World) -> list[tuple[str, int, str]]:
    """Every way into every Service: (address, port, protocol)."""
    told = [each for node in world.table("api", "nodes").values() for each in node["status"]["addresses"]]
    machines = [each["address"] for each in told if each["type"] == "InternalIP"]
    found: dict[tuple[str, int, str], None] = {}
    for service in world.table("api", "services").values():
        spec, ingress = service["spec"], (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        fronts = [*spec.get("clusterIPs", ()), *spec.get("externalIPs", ()), *(i["ip"] for i in ingress if "ip" in i)]
        for port in spec.get("ports") or ():
            ways = [(address, port["port"]) for address in fronts]
            if port.get("nodePort"):
                ways += [(address, port["nodePort"]) for address in (*machines, *machines, "127.0.0.1")]
            found |= dict.fromkeys((address, number, port.get("protocol", "TCP")) for address, number in ways)
    return sorted(found)


def asked_of(world: World, random: Random, count: int) -> list[Probe]:
    """Questions to the doors, from pods, nodes and outside."""
    ways, pods = doors(world), list(running(world))
    nodes = [f"node:{name}" for name in world.table("api", "nodes")]
    found = []
    for _ in range(count):
        address, port, protocol = random.choice(ways)
        sources = nodes if address == "127.0.0.1" else [*pods, *pods, *nodes, *nodes, "outside", "outside", "outside"]
        found.append(Probe(random.choice(sources), address, port, protocol))
    return list(dict.fromkeys(found))
