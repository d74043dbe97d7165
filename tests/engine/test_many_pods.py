"""Many pods: a node that is full, a range that is used up, a thousand pods that come and go."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from k8slearn import Cluster

from .given import events

Obj = dict[str, Any]
LEASES = "/var/lib/cni/networks/bridge/"


def some(count: int, first: int = 0, **spec: Any) -> list[Obj]:
    containers = [{"name": "app", "image": "nginx"}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{n}"},
            "spec": {"containers": containers, **spec},
        }
        for n in range(first, first + count)
    ]


def addresses(cluster: Cluster) -> list[str]:
    return [p["status"]["podIP"] for p in cluster.get("pods") if p["status"].get("podIP")]


def leases(cluster: Cluster, node: str) -> list[str]:
    files = (str(path) for path in cluster.world.table(f"node:{node}", "file"))
    return [p.removeprefix(LEASES) for p in files if p.startswith(LEASES) and p.removeprefix(LEASES)[0].isdigit()]


def test_the_111th_pod_of_a_node_stays_pending_with_the_schedulers_words() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(some(111))
    waiting = [p for p in cluster.get("pods") if p["status"]["phase"] == "Pending"]
    assert len(waiting) == 1
    assert len(set(addresses(cluster))) == 110
    (said,) = events(cluster, "FailedScheduling")
    assert said.startswith("0/1 nodes are available: 1 Too many pods.")
    cluster.delete("pod", "pod-0" if waiting[0]["metadata"]["name"] != "pod-0" else "pod-1")
    assert all(p["status"]["phase"] == "Running" for p in cluster.get("pods"))


def test_a_range_that_is_used_up_keeps_the_next_pod_waiting_and_says_so() -> None:
    cluster = Cluster(nodes=1, pod_cidr="10.244.0.0/24")
    cluster.node("node-1").run("tee /var/lib/kubelet/config.yaml", stdin="maxPods: 300\n")
    cluster.node("node-1").run("systemctl restart kubelet")
    cluster.apply(some(254, nodeName="node-1"))
    assert len(set(addresses(cluster))) == 253
    (late,) = (p for p in cluster.get("pods") if p["status"]["phase"] == "Pending")
    (said,) = set(events(cluster, "FailedCreatePodSandBox"))
    assert said.startswith("Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for")
    wanted = "failed to allocate for range 0: no IP addresses available in range set: 10.244.0.1-10.244.0.254"
    assert said.endswith(f'plugin type="bridge" failed (add): {wanted}')
    cluster.delete("pod", next(p["metadata"]["name"] for p in cluster.get("pods") if p["status"].get("podIP")))
    cluster.advance(10)
    assert cluster.get("pods", late["metadata"]["name"])["status"]["phase"] == "Running"


@pytest.mark.slow
def test_of_a_thousand_pods_in_random_order_none_shares_and_none_loses_an_address() -> None:
    cluster, draw, alive, made = Cluster(nodes=2), random.Random(7), [], 0
    while made < 1000:
        if alive and (len(alive) > 150 or draw.random() < 0.45):
            cluster.delete("pod", alive.pop(draw.randrange(len(alive))))
        else:
            cluster.apply(some(1, made))
            alive.append(f"pod-{made}")
            made += 1
        if made % 50 == 0:
            given = addresses(cluster)
            assert max(Counter(given).values(), default=1) == 1
            assert sorted(given) == sorted([*leases(cluster, "node-1"), *leases(cluster, "node-2")])
    while alive:
        cluster.delete("pod", alive.pop(draw.randrange(len(alive))))
    assert leases(cluster, "node-1") == leases(cluster, "node-2") == []
    for node in ("node-1", "node-2"):
        left = {table for scope, table in cluster.world.tables() if scope == f"node:{node}"}
        assert not left & {"sandbox", "container", "probe", "retry"}


def test_two_pods_that_want_one_host_port_do_not_share_a_node() -> None:
    cluster = Cluster(nodes=1)
    container = {"name": "app", "image": "nginx", "ports": [{"containerPort": 80, "hostPort": 8080}]}
    cluster.apply(some(2, containers=[container]))
    assert sorted(p["status"]["phase"] for p in cluster.get("pods")) == ["Pending", "Running"]
    assert "1 node(s) didn't have free ports for the requested pod ports" in events(cluster, "FailedScheduling")[0]


def test_an_undeclared_port_on_the_hosts_network_clashes_when_it_is_bound() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(some(2, hostNetwork=True))
    cluster.advance(30)
    states = [p["status"]["containerStatuses"][0]["state"] for p in cluster.get("pods")]
    assert "running" in states[0]
    assert states[1]["waiting"]["reason"] == "CrashLoopBackOff"
    assert "98: Address already in use" in cluster.kubectl("logs pod-1")
