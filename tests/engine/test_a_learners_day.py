"""Each of these went wrong for somebody who used the cluster as a learner does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
TWO = """
apiVersion: v1
kind: Pod
metadata: {name: two}
spec: {containers: [{name: web, image: nginx}, {name: side, image: redis}]}
"""
CLASH = TWO.replace("redis", "nginx").replace("two", "clash")
HOST = """
apiVersion: v1
kind: Pod
metadata: {name: host}
spec: {hostNetwork: true, containers: [{name: web, image: nginx}]}
"""


def names(cluster: Cluster, resource: str = "pods") -> list[str]:
    return [obj["metadata"]["name"] for obj in cluster.get(resource)]


def test_a_deployments_pods_have_the_same_names_under_every_wiring_and_whatever_was_done_before() -> None:
    plain, kubenet, busy = Cluster(), Cluster(network="kubenet"), Cluster(nodes=2)
    busy.node("node-1").run("sysctl -w net.ipv4.ip_forward=0")
    busy.apply(TWO)
    busy.delete("pod", "two")
    for cluster in (plain, kubenet, busy):
        cluster.apply(DEPLOYMENT)
    assert names(plain) == names(kubenet) == names(busy)
    assert names(plain, "endpointslices") == names(kubenet, "endpointslices") == names(busy, "endpointslices")


def test_a_deleted_pods_name_never_comes_back() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    seen = set(names(cluster))
    for _ in range(6):
        cluster.delete("pod", names(cluster)[0])
        (new,) = set(names(cluster)) - seen
        seen.add(new)
    assert len(seen) == 9


def test_thrown_away_rules_come_back_though_something_else_is_due_at_the_same_second() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    cluster.apply(TWO)
    cluster.apply(CLASH)
    for command in ("iptables -t nat -F", "iptables -t nat -X"):
        cluster.node("node-1").run(command)
    cluster.advance(29)
    assert "KUBE-SERVICES" not in cluster.node("node-1").run("iptables-save -t nat").stdout
    cluster.advance(2)
    assert "KUBE-SERVICES" in cluster.node("node-1").run("iptables-save -t nat").stdout


def test_a_container_that_kills_itself_is_restarted_in_the_same_network_namespace() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(TWO)
    before, scopes = cluster.get("pod", "two")["status"]["podIP"], cluster.world.scopes("netns")
    cluster.kubectl("exec two -c side -- sh -c 'kill 1'")
    status = cluster.get("pod", "two")["status"]
    assert {s["name"]: s["restartCount"] for s in status["containerStatuses"]} == {"web": 0, "side": 1}
    assert (status["podIP"], cluster.world.scopes("netns")) == (before, scopes)
    cluster.kubectl("exec two -c web -- kill -9 1")
    assert cluster.get("pod", "two")["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.parametrize("network", ["bridge", "kubenet"])
def test_a_pod_on_the_host_network_breaks_no_law_of_a_healthy_cluster(network: str) -> None:
    cluster = Cluster(nodes=2, network=network)
    cluster.apply(DEPLOYMENT)
    cluster.apply(HOST)
    assert [law.name for law in cluster.laws() if not law.holds] == []


def test_listing_all_nat_rules_prints_matches_without_options() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    listed = cluster.node("node-1").run("iptables -t nat -L -n -v")
    assert listed.exit_code == 0
    assert "tcp to:10.244." in listed.stdout


@pytest.mark.parametrize(
    "typed", ["scale deploy web --replicas=1000000", "create deployment x --image=nginx --replicas=5000"]
)
def test_a_million_replicas_end_at_once_with_the_limit(typed: str) -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    started, revision = time.monotonic(), cluster.journal.revision
    with pytest.raises(Refused, match="at most 2000 pods"):
        cluster.kubectl(typed)
    with pytest.raises(Refused, match="at most 2000 pods"):
        cluster.apply(DEPLOYMENT.replace("replicas: 3", "replicas: 1000000"))
    assert time.monotonic() - started < 1
    assert cluster.journal.revision == revision


def test_between_two_consequences_you_may_look_but_not_touch() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    within = cluster.at(cluster.engine.start + 2)
    assert "NAME" in within.kubectl("get deployments")
    assert within.node("node-1").run("ip route").exit_code == 0
    for touch in (
        lambda: within.kubectl("delete deployment web"),
        lambda: within.node("node-1").run("ip route del default"),
        lambda: within.advance(1),
    ):
        with pytest.raises(Refused, match="lies within the consequences"):
            touch()


WRONG: list[Any] = [None, 5, b"x", [], {}, "", "\0", object(), math.nan, "é" * 100_000]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: type(value).__name__)
def test_every_method_answers_rubbish_with_one_sentence(wrong: Any) -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(TWO)
    revision = cluster.journal.revision
    asked = [
        lambda: cluster.compare(wrong, "default/two", "default/two").text(),
        lambda: cluster.reachability(port=wrong),
        lambda: cluster.reachability(protocol=wrong),
        lambda: cluster.export(wrong),
        lambda: cluster.trace(wrong, "default/two"),
        lambda: cluster.trace("default/two", "default/two", port=wrong),
        lambda: cluster.pod("two").run("true", env=wrong),
        lambda: cluster.at(wrong),
        lambda: Cluster.load(wrong) if not isinstance(wrong, int) else None,
        lambda: Cluster.from_manifests(wrong),
    ]
    refusals = [said for ask in asked if (said := _refusal(ask))]
    assert all(len(said) < 5000 for said in refusals)
    assert cluster.journal.revision == revision


def _refusal(ask: Callable[[], object]) -> str:
    """The sentence of a refusal; anything else that is raised is our fault."""
    try:
        ask()
    except Refused as refused:
        return str(refused) or "an empty sentence" * 1000
    return ""
