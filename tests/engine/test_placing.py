"""The scheduler and the controllers of nodes: which pod goes where, and why one waits."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster

from .given import DEPLOYMENT, events, pod


def _where(cluster: Cluster) -> dict[str, str | None]:
    return {p["metadata"]["name"]: p["spec"].get("nodeName") for p in cluster.get("pods")}


def _node(cluster: Cluster, name: str, **spec: Any) -> None:
    """Change a node's spec and labels, as kubectl taint, cordon and label do."""
    node = cluster.get("node", name)
    labels = {**node["metadata"]["labels"], **spec.pop("labels", {})}
    cluster.apply({**node, "metadata": {"name": name, "labels": labels}, "spec": {**node["spec"], **spec}})


def test_pods_go_where_fewest_are_and_the_first_name_wins_a_tie() -> None:
    cluster = Cluster(nodes=3)
    for name in "abcd":
        cluster.apply(pod(name))
    assert _where(cluster) == {"a": "node-1", "b": "node-2", "c": "node-3", "d": "node-1"}
    assert events(cluster, "Scheduled")[0].startswith("Successfully assigned default/a to node-1")


def test_a_pod_that_names_its_node_is_never_asked_about() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("a", "node-2"))
    assert _where(cluster) == {"a": "node-2"}
    assert events(cluster, "Scheduled") == []


def test_a_node_selector_is_respected_and_a_pod_that_fits_nowhere_waits() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("picky", more=", nodeSelector: {disk: ssd}"))
    assert _where(cluster) == {"picky": None}
    assert "2 node(s) didn't match Pod's node affinity/selector" in events(cluster, "FailedScheduling")[0]
    _node(cluster, "node-2", labels={"disk": "ssd"})
    assert _where(cluster) == {"picky": "node-2"}


def test_a_taint_keeps_pods_away_that_do_not_tolerate_it() -> None:
    cluster = Cluster(nodes=2)
    _node(cluster, "node-1", taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    cluster.apply(pod("plain"))
    cluster.apply(pod("gpu", more=", tolerations: [{key: gpu, value: 'yes', effect: NoSchedule}]"))
    assert _where(cluster) == {"gpu": "node-1", "plain": "node-2"}


def test_a_cordoned_node_gets_no_pods() -> None:
    cluster = Cluster(nodes=2)
    _node(cluster, "node-1", unschedulable=True)
    cluster.apply(pod("a"))
    assert _where(cluster) == {"a": "node-2"}
    assert cluster.get("node", "node-1")["spec"]["taints"] == [
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    ]
    _node(cluster, "node-1", unschedulable=False)
    assert "taints" not in cluster.get("node", "node-1")["spec"]


def test_the_same_port_of_a_node_is_given_once() -> None:
    cluster = Cluster(nodes=2)
    manifest = pod("N").replace("image: nginx", "image: nginx, ports: [{containerPort: 80, hostPort: 8080}]")
    for name in "abc":
        cluster.apply(manifest.replace("name: N", f"name: {name}"))
    assert _where(cluster) == {"a": "node-1", "b": "node-2", "c": None}
    assert "2 node(s) didn't have free ports for the requested pod ports" in events(cluster, "FailedScheduling")[0]
    cluster.delete("pod", "a")
    assert _where(cluster)["c"] == "node-1"


def test_a_node_has_only_so_much_processor() -> None:
    cluster = Cluster(nodes=1)
    manifest = pod("N").replace("image: nginx", "image: nginx, resources: {requests: {cpu: '3'}}")
    cluster.apply(manifest.replace("name: N", "name: a"))
    cluster.apply(manifest.replace("name: N", "name: b"))
    assert _where(cluster) == {"a": "node-1", "b": None}
    assert "1 Insufficient cpu" in events(cluster, "FailedScheduling")[0]


@pytest.mark.parametrize(
    ("kubernetes", "words"),
    [
        (
            "1.37",
            "2 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 2 ",
        ),
        (
            "1.30",
            "2 node(s) had untolerated taint {node.kubernetes.io/not-ready: }. preemption: 0/2 nodes are available: 2 ",
        ),
        ("1.23", "2 node(s) had taint {node.kubernetes.io/not-ready: }, that the pod didn't tolerate."),
    ],
)
def test_without_a_network_pods_wait_and_the_scheduler_says_why_in_the_words_of_its_release(
    kubernetes: str, words: str
) -> None:
    cluster = Cluster(nodes=2, network=None, kubernetes=kubernetes)
    cluster.apply(pod("a"))
    assert events(cluster, "FailedScheduling")[0].startswith(f"0/2 nodes are available: {words}")
    assert cluster.get("pod", "a")["status"]["phase"] == "Pending"
    waiting = next(c for c in cluster.get("pod", "a")["status"]["conditions"] if c["type"] == "PodScheduled")
    assert (waiting["status"], waiting["reason"]) == ("False", "Unschedulable")


def test_each_node_gets_a_piece_of_the_pod_range_and_the_last_ones_wait() -> None:
    cluster = Cluster(nodes=3, pod_cidr="10.244.0.0/23")
    cidrs = [node["spec"].get("podCIDR") for node in cluster.get("nodes")]
    assert cidrs == ["10.244.0.0/24", "10.244.1.0/24", None]
    assert events(cluster, "CIDRNotAvailable") == ["Node node-3 status is now: CIDRNotAvailable"]
    cluster.apply(DEPLOYMENT)
    assert set(_where(cluster).values()) == {"node-1", "node-2"}


def test_when_a_node_goes_its_piece_goes_to_the_one_that_waited() -> None:
    cluster = Cluster(nodes=3, pod_cidr="10.244.0.0/23")
    cluster.delete("node", "node-2")
    assert cluster.get("node", "node-3")["spec"]["podCIDR"] == "10.244.1.0/24"
