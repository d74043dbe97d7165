"""A pod that names its node goes past the scheduler: what the kubelet says to it, in its own words."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster

from .given import DEPLOYMENT, events, pod

CROWD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: crowd}
spec:
  replicas: 110
  selector: {matchLabels: {app: crowd}}
  template:
    metadata: {labels: {app: crowd}}
    spec: {nodeName: node-2, containers: [{name: c, image: nginx}]}
"""


def on_port(name: str, port: str, node: str = "node-2") -> str:
    return pod(name, node).replace("image: nginx", f"image: nginx, ports: [{{containerPort: 80, {port}}}]")


def status(of: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = of.get("pods", name)["status"]
    return found


def test_the_hundred_and_eleventh_pod_of_a_node_is_rejected_for_good() -> None:
    web = Cluster(nodes=2)
    web.apply(CROWD)
    web.apply(pod("late", "node-2"))
    late = status(web, "late")
    words = "Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110"
    assert (late["phase"], late["reason"], late["message"]) == ("Failed", "OutOfpods", f"Pod was rejected: {words}")
    assert "containerStatuses" not in late
    assert events(web, "OutOfpods") == [words]
    assert web.kubectl("get pod late --no-headers").split()[:3] == ["late", "0/1", "OutOfpods"]
    web.kubectl("scale deployment crowd --replicas=5")
    web.advance(60)
    assert status(web, "late")["phase"] == "Failed", "nobody asks again"


@pytest.mark.parametrize(
    ("request_", "reason", "words"),
    [
        ("cpu: 5", "OutOfcpu", "cpu, requested: 5000, used: 0, capacity: 4000"),
        ("memory: 9000Mi", "OutOfmemory", "memory, requested: 9437184000, used: 0, capacity: 8334618624"),
    ],
)
def test_what_a_node_has_too_little_of_is_told_in_numbers(request_: str, reason: str, words: str) -> None:
    web = Cluster(nodes=2)
    spec = pod("big", "node-2").replace("image: nginx", f"image: nginx, resources: {{requests: {{{request_}}}}}")
    web.apply(spec)
    assert status(web, "big")["reason"] == reason
    assert status(web, "big")["message"] == f"Pod was rejected: Node didn't have enough resource: {words}"


@pytest.mark.parametrize(("kubernetes", "means"), [("1.30", False), ("1.31", True)])
def test_a_selector_that_its_node_does_not_match_is_a_node_affinity(kubernetes: str, means: bool) -> None:
    web = Cluster(nodes=2, kubernetes=kubernetes)
    web.apply(pod("ssd", "node-2", more=", nodeSelector: {disk: ssd}"))
    words = "Predicate NodeAffinity failed" + ": node(s) didn't match Pod's node affinity/selector" * means
    assert status(web, "ssd")["message"] == f"Pod was rejected: {words}"
    assert events(web, "NodeAffinity") == [words]


def test_a_port_of_the_node_that_another_pod_holds_is_refused_by_kubelet_and_scheduler_alike() -> None:
    web = Cluster(nodes=2)
    web.apply(on_port("first", "hostPort: 8080"))
    web.apply(on_port("second", "hostPort: 8080"))
    assert status(web, "second")["reason"] == "NodePorts"
    assert status(web, "second")["message"].endswith("node(s) didn't have free ports for the requested pod ports")
    for name, port in (("udp", "hostPort: 8080, protocol: UDP"), ("other", "hostPort: 8081")):
        web.apply(on_port(name, port))
        assert status(web, name)["phase"] == "Running"
    web.apply(on_port("third", "hostPort: 8080", ""))
    assert web.get("pods", "third")["spec"]["nodeName"] == "node-1"
    web.apply(on_port("fourth", "hostPort: 8080", ""))
    assert "free ports" in events(web, "FailedScheduling")[0]


def test_the_same_port_of_two_addresses_of_a_node_is_no_clash() -> None:
    web = Cluster(nodes=2)
    web.apply(on_port("one", "hostPort: 8080, hostIP: 127.0.0.1"))
    web.apply(on_port("two", "hostPort: 8080, hostIP: 192.168.64.12"))
    web.apply(on_port("all", "hostPort: 8080"))
    assert [status(web, name)["phase"] for name in ("one", "two", "all")] == ["Running", "Running", "Failed"]


def test_a_taint_that_drives_pods_off_keeps_them_away_and_one_that_only_asks_the_scheduler_does_not() -> None:
    web = Cluster(nodes=2)
    web.kubectl("taint node node-2 a=b:NoSchedule")
    web.apply(pod("in", "node-2"))
    assert status(web, "in")["phase"] == "Running"
    web.kubectl("taint node node-2 c=d:NoExecute")
    web.apply(pod("out", "node-2"))
    assert status(web, "out")["reason"] == "TaintToleration"
    assert web.node("node-2").run("tee /etc/kubernetes/manifests/x.yaml", stdin=pod("own")).exit_code == 0
    assert status(web, "own-node-2")["phase"] == "Running", "static pods bear every taint"


def test_a_rejected_pod_never_had_a_sandbox_and_goes_at_once_when_deleted() -> None:
    web = Cluster(nodes=2)
    web.apply(pod("ssd", "node-2", more=", nodeSelector: {disk: ssd}"))
    assert web.node("node-2").run("crictl pods -q").stdout == ""
    web.kubectl("delete pod ssd")
    assert web.get("pods") == []


def test_a_template_that_names_a_node_without_room_piles_up_failed_pods() -> None:
    web = Cluster(nodes=2)
    ported = "ports: [{name: http, containerPort: 80, hostPort: 80}]"
    web.apply(DEPLOYMENT.replace("ports: [{name: http, containerPort: 80}]", ported).replace(
        "spec: {containers", "spec: {nodeName: node-2, containers"))  # fmt: skip
    phases = [p["status"]["phase"] for p in web.get("pods")]
    assert phases.count("Running") == 1
    web.advance(60)
    later = [p["status"]["phase"] for p in web.get("pods")]
    assert later.count("Running") == 1
    assert later.count("Failed") > phases.count("Failed")
