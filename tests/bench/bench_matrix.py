"""How long it takes to say who reaches whom: 1,000 pods and 200 policies.

    python tests/bench/bench_matrix.py [--pods 1000] [--policies 200] [--nodes 10] [--network calico]

The first matrix of a cluster, and the next one after one policy or one label has changed; beside them, in the same run,
what the policies' text alone says of a sample of the pairs, one by one, and how long that would take for all. It
reports and gates nothing.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from typing import Any

from k8slearn import Cluster

NAMESPACES, APPS = 10, 20
Obj = dict[str, Any]


def pod(number: int, nodes: int) -> Obj:
    metadata = {
        "name": f"p{number}",
        "namespace": f"n{number % NAMESPACES}",
        "labels": {"app": f"a{number // NAMESPACES % APPS}", "tier": f"t{number % 3}"},
    }
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    spec = {"nodeName": f"node-{1 + number % nodes}", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def policy(number: int) -> Obj:
    app = {"matchLabels": {"app": f"a{number % APPS}"}}
    peers: list[Obj] = [
        {"podSelector": {"matchLabels": {"app": f"a{(number + 1) % APPS}"}}},
        {"namespaceSelector": {"matchLabels": {"team": f"x{number % 3}"}}},
        {"ipBlock": {"cidr": "10.244.0.0/18", "except": ["10.244.8.0/22"]}},
    ]
    rule: Obj = {"from" if number % 4 else "to": peers[: 1 + number % 3], "ports": [{"port": 80}]}
    direction = "ingress" if number % 4 else "egress"
    spec = {"podSelector": app, "policyTypes": [direction.capitalize()], direction: [rule]}
    metadata = {"name": f"np{number}", "namespace": f"n{number // APPS % NAMESPACES}"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def grown(pods: int, policies: int, nodes: int, network: str = "calico") -> Cluster:
    cluster = Cluster(nodes=nodes, network=network)
    for node in range(1, nodes + 1):
        cluster.node(f"node-{node}").run("tee /var/lib/kubelet/config.yaml", stdin=f"maxPods: {pods}\n")
        cluster.node(f"node-{node}").run("systemctl restart kubelet")
    names = [{"name": f"n{n}", "labels": {"team": f"x{n % 3}"}} for n in range(NAMESPACES)]
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": name} for name in names])
    cluster.apply([pod(n, nodes) for n in range(pods)])
    cluster.apply([policy(n) for n in range(policies)])
    return cluster


def timed(what: str, cluster: Cluster) -> None:
    gc.collect()
    began = time.perf_counter()
    matrix = cluster.reachability()
    seconds = time.perf_counter() - began
    sample = sum(matrix.allowed(a, b) for a in matrix.pods[:50] for b in matrix.pods[:50])
    print(f"{what:34} {seconds:7.3f} s   {sample} of 2500 sampled pairs connect; {len(matrix.pods)} pods")


def one_by_one(cluster: Cluster, sample: int = 2000) -> None:
    """The peer: the text of the policies, judged pair by pair."""
    pods = cluster.reachability().pods
    draw = random.Random(1)
    pairs = [(draw.choice(pods), draw.choice(pods)) for _ in range(sample)]
    began = time.perf_counter()
    for source, to in pairs:
        cluster.policy_allows(source, to)
    seconds = (time.perf_counter() - began) * len(pods) ** 2 / sample
    print(f"{'the text, pair by pair':34} {seconds:7.1f} s   for all, by a sample of {sample}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (("pods", 1000), ("policies", 200), ("nodes", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--network", default="calico")
    told = parser.parse_args()
    began = time.perf_counter()
    cluster = grown(told.pods, told.policies, told.nodes, told.network)
    print(f"{'the cluster':34} {time.perf_counter() - began:7.3f} s")
    timed("the first matrix", cluster)
    timed("again, nothing changed", cluster)
    cluster.apply({**policy(0), "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}})
    timed("after one policy changed", cluster)
    cluster.kubectl("label pod p7 -n n7 app=a1 --overwrite")
    timed("after one label changed", cluster)
    one_by_one(cluster)


if __name__ == "__main__":
    main()
