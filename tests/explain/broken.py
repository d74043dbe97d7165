"""Clusters in which one thing is broken at random, and a question that was answered before: every kind of fault that
can be injected, and what goes wrong in YAML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

from k8slearn import Cluster
from k8slearn.errors import CommandError, Refused
from k8slearn.linux.rules import Chain

Obj = dict[str, Any]
Question = tuple[str, str, int]
NETWORKS = ("bridge", "flannel", "flannel-host-gw", "calico", "kubenet", "ptp", "vpc")
APPS = ("red", "green", "blue")


def pod(name: str, app: str, node: str) -> Obj:
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "name": "http"}]}
    metadata, spec = {"name": name, "labels": {"app": app}}, {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service(name: str, app: str, **more: Any) -> Obj:
    spec = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": "http"}], **more}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@cache
def whole(network: str) -> Cluster:
    """A cluster in which everything works."""
    cluster = Cluster(nodes=3, network=network)
    cluster.apply([pod(f"{app}-{n}", app, f"node-{1 + (n + len(app)) % 3}") for app in APPS for n in range(2)])
    cluster.apply([service(app, app, type="NodePort") for app in APPS])
    return cluster


def questions(random: Random, cluster: Cluster) -> list[Question]:
    """Questions of every kind, in any order: to pods, to Services, to node ports."""
    pods = [f"default/{p['metadata']['name']}" for p in cluster.get("pods")]
    ports = {
        s["metadata"]["name"]: s["spec"]["ports"][0]["nodePort"]
        for s in cluster.get("services")
        if s["spec"]["type"] == "NodePort"
    }
    found: list[Question] = [(a, b, 80) for a in pods for b in pods if a != b]
    found += [(a, f"svc:default/{name}", 80) for a in (*pods, "node:node-1") for name in ports]
    found += [("outside", f"node:node-{n}", port) for n in (1, 2, 3) for port in ports.values()]
    return random.sample(found, len(found))


def answered(cluster: Cluster, question: Question) -> bool:
    source, to, port = question
    return {fate.outcome for fate in cluster.trace(source, to, port=port).fates()} == {"connected"}


def broken(seed: int, kind: str) -> tuple[Cluster, Question] | None:
    """A cluster with one fault of this kind and a question that it spoilt; None where the draw spoilt nothing."""
    random = Random(f"{kind} {seed}")
    networks = ("calico",) if kind in POLICIES else NETWORKS
    start = whole(random.choice(networks))
    cluster = start.at(start.journal.revision)
    try:
        KINDS[kind](cluster, random)
    except (Refused, CommandError):
        return None
    for question in questions(random, cluster)[:24]:
        if not answered(cluster, question) and answered(start, question):
            return cluster, question
    return None


# --- what breaks on a machine ------------------------------------------------------------------


OF_NODES = ("sysctl", "rule-deleted", "rule-moved", "conntrack-full")


def _places(cluster: Cluster) -> list[str]:
    return [
        *("node:node-1", "node:node-2", "node:node-3"),
        *(f"default/{p['metadata']['name']}" for p in cluster.get("pods")),
    ]


def _scope(cluster: Cluster, on: str) -> str:
    named = (s for s in cluster.world.scopes("netns") if cluster.world.get((s, "netns", "")).name == on)
    return next(named, on)


def _arguments(cluster: Cluster, random: Random, on: str, kind: str) -> Obj:
    """Arguments that make sense there."""
    world, scope = cluster.world, _scope(cluster, on)
    dev = random.choice([row.name for row in world.table(scope, "link").values() if row.kind != "loopback"])
    routes = [row for row in world.table(scope, "route").values() if row.kind == "unicast"]
    mine = [row for row in world.table(scope, "addr").values() if row.dev != "lo"]
    ips = [p["status"]["podIP"] for p in cluster.get("pods")]
    chains = [(k, c) for k, c in world.table(scope, "chain").items() if c.rules and k[0] == "ip"]
    net = random.choice(["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", f"{random.choice(ips)}/32"])
    macs = [
        row.mac
        for s in world.scopes("link")
        for row in world.table(s, "link").values()
        if row.mac and row.kind != "loopback"
    ]
    (_, table, chain), rules = random.choice(chains or [(("", "", ""), Chain())])
    position = random.randint(1, max(len(rules.rules), 1))
    own = random.choice(mine)
    return {
        "link-down": lambda: {"dev": dev},
        "address-conflict": lambda: {"dev": dev, "address": f"{random.choice(ips)}/24"},
        "wrong-gateway": lambda: {
            "dst": random.choice([r.dst for r in routes if r.via] or ["default"]),
            "via": random.choice([own.address, "192.168.64.250"]),
        },
        "missing-route": lambda: {"dst": random.choice(routes).dst},
        "wrong-route": lambda: {"dst": net, "dev": dev},
        "sysctl": lambda: {"name": random.choice(["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"])},
        "rule-deleted": lambda: {"table": table, "chain": chain, "position": position},
        "rule-moved": lambda: {
            "table": table,
            "chain": chain,
            "position": position,
            "to": random.randint(1, len(rules.rules)),
        },
        "mtu": lambda: {"dev": dev, "mtu": random.choice([68, 100, 576])},
        "loss": lambda: {"dev": dev, "percent": 100},
        "delay": lambda: {"dev": dev, "seconds": 9},
        "conntrack-full": dict,
        "wrong-neighbour": lambda: {"dev": dev, "address": random.choice([*ips, "192.168.64.1", "192.168.64.12"])},
        "duplicated-mac": lambda: {"dev": dev, "mac": random.choice(macs)},
        "wrong-prefix": lambda: {"dev": own.dev, "address": own.address, "prefix": random.choice([8, 28, 30, 32])},
    }[kind]()


def _injected(kind: str) -> Callable[[Cluster, Random], None]:
    def fault(cluster: Cluster, random: Random) -> None:
        places = _places(cluster)
        on = random.choice(places[:3] if kind in OF_NODES else places)
        cluster.inject(kind, on, **_arguments(cluster, random, on, kind))

    return fault


def _typed(cluster: Cluster, random: Random) -> None:
    """A firewall's rule that somebody typed."""
    chain = random.choice(["FORWARD", "FORWARD", "INPUT", "OUTPUT"])
    match = random.choice(["", "-p tcp --dport 80 ", "-s 10.244.0.0/16 ", "-d 10.244.0.0/16 "])
    target = random.choice(["DROP", "REJECT"])
    line = random.choice([f"iptables -I {chain} {match}-j {target}", f"iptables -P {chain} DROP"])
    cluster.node(f"node-{random.randint(1, 3)}").run(line)


# --- what is wrong in YAML ---------------------------------------------------------------------


def _label(cluster: Cluster, random: Random) -> None:
    app = random.choice(APPS)
    wrong = random.choice([f"app={app}s", f"app={app[:-1]}", f"app- ap={app}"])
    for n in range(2):
        cluster.kubectl(f"label pod {app}-{n} {wrong} --overwrite")


def _patched(*specs: str) -> Callable[[Cluster, Random], None]:
    def fault(cluster: Cluster, random: Random) -> None:
        cluster.kubectl(f"patch service {random.choice(APPS)} --type=merge -p '{random.choice(specs)}'")

    return fault


def _spec(**fields: Any) -> str:
    return json.dumps({"spec": fields})


def _local(cluster: Cluster, random: Random) -> None:
    app, field = random.choice(APPS), random.choice(["internalTrafficPolicy", "externalTrafficPolicy"])
    cluster.kubectl(f'patch service {app} -p \'{{"spec": {{"{field}": "Local"}}}}\'')


def _policy(random: Random, rules: Callable[[Random], Obj]) -> Obj:
    app, spec = random.choice(APPS), rules(random)
    metadata = {"name": "guard"}
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata}
    return {**head, "spec": {"podSelector": {"matchLabels": {"app": app}}, **spec}}


def _peer(random: Random) -> Obj:
    return random.choice(
        [
            {"podSelector": {"matchLabels": {"app": random.choice(APPS)}}},
            {
                "podSelector": {
                    "matchExpressions": [{"key": "app", "operator": "NotIn", "values": [random.choice(APPS)]}]
                }
            },
            {"podSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}},
            {"namespaceSelector": {"matchLabels": {"team": "a"}}},
            {"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.0/17"]}},
            {"ipBlock": {"cidr": "172.16.0.0/12"}},
        ]
    )


def _side(random: Random, direction: str) -> Obj:
    word = {"Ingress": "from", "Egress": "to"}[direction]
    rules = [
        {word: [_peer(random) for _ in range(random.randint(1, 2))], **random.choice([{}, {"ports": [{"port": 81}]}])}
        for _ in range(random.randint(0, 2))
    ]
    return {direction.lower(): rules}


def _networkpolicy(*types: str) -> Callable[[Cluster, Random], None]:
    def rules(random: Random) -> Obj:
        sides = [_side(random, one) for one in types]
        return {"policyTypes": list(types), **{key: value for side in sides for key, value in side.items()}}

    def fault(cluster: Cluster, random: Random) -> None:
        cluster.apply(_policy(random, rules))

    return fault


def _clusterpolicy(cluster: Cluster, random: Random) -> None:
    app, direction = random.choice(APPS), random.choice([("ingress", "from"), ("egress", "to")])
    rule = {"action": "Deny", direction[1]: [{"namespaces": {}}]}
    meant = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": app}}}}
    spec = {"tier": "Admin", "priority": 10, "subject": meant, direction[0]: [rule]}
    head = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    cluster.apply({**head, "metadata": {"name": "shut"}, "spec": spec})


MACHINES = (
    *("link-down", "address-conflict", "wrong-gateway", "missing-route", "wrong-route", "sysctl", "rule-deleted"),
    *("rule-moved", "mtu", "loss", "delay", "conntrack-full", "wrong-neighbour", "duplicated-mac", "wrong-prefix"),
)
POLICIES: Mapping[str, Callable[[Cluster, Random], None]] = {
    "ingress policy": _networkpolicy("Ingress"),
    "egress policy": _networkpolicy("Egress"),
    "policy both ways": _networkpolicy("Ingress", "Egress"),
    "cluster policy": _clusterpolicy,
}
KINDS: Mapping[str, Callable[[Cluster, Random], None]] = {
    **{kind: _injected(kind) for kind in MACHINES},
    "firewall rule": _typed,
    "pod's label": _label,
    "selector": _patched(*(_spec(selector={"app": app}) for app in ("rot", "gren", "blu"))),
    "target port": _patched(*(_spec(ports=[{"port": 80, "targetPort": to}]) for to in (81, "web"))),
    "port": _patched(_spec(ports=[{"port": 8080, "targetPort": 80}])),
    "traffic policy": _local,
    **POLICIES,
}
"""A kind of fault -> what does it to a cluster."""
