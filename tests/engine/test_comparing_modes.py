"""`compare` with modes of kube-proxy: the same question, what each wrote, and what looking it up costs Linux."""

from __future__ import annotations

import json
import re

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused

MODES = ["iptables", "nftables", "ipvs"]
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: node-1, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: node-2, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
"""


def with_services(count: int) -> Cluster:
    cluster = Cluster(nodes=2)
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"web-{n:03}"},
            "spec": {"clusterIP": f"10.96.1.{n + 1}", "selector": {"app": "web"}, "ports": [{"port": 80}]},
        }
        for n in range(count)
    ]
    cluster.apply(PODS)
    cluster.apply(services)
    return cluster


def test_each_mode_shows_the_rows_that_its_kube_proxy_wrote_for_the_packet() -> None:
    found = with_services(1).compare(MODES, "default/client", "10.96.1.1")
    assert {trace.outcome for trace in found.traces.values()} == {"connected"}
    assert any("-j KUBE-SVC-" in rule for rule in found.rules["iptables"])
    assert any("@service-ips # 10.96.1.1 . tcp . 80" in rule for rule in found.rules["nftables"])
    assert "node-1 INPUT: TCP  10.96.1.1:80 rr" in found.rules["ipvs"]
    text = found.text()
    assert "ipvs, what kube-proxy wrote and the first packet met:\n" in text
    assert re.search(r"^compared:\n  iptables  \d+ rules$", text, re.M)
    assert "TCP  10.96.1.1:80 rr" in found.html()
    assert json.loads(json.dumps(found.to_dict()))["rules"]["ipvs"]


def test_iptables_compares_more_rules_with_every_service_and_the_others_do_not() -> None:
    few, many = (
        {mode: trace.compared for mode, trace in with_services(n).compare(MODES, "default/client", last).traces.items()}
        for n, last in ((2, "10.96.1.2"), (42, "10.96.1.42"))
    )
    assert many["iptables"] >= few["iptables"] + 40, "one rule for each Service before it, at the least"
    assert many["nftables"] == few["nftables"]
    assert many["ipvs"] == few["ipvs"]


def test_a_mode_that_a_person_has_chosen_since_is_not_the_one_that_is_compared() -> None:
    cluster = with_services(1)
    config = cluster.get("configmap", "kube-proxy", namespace="kube-system")
    cluster.apply({**config, "data": {"config.conf": "clusterCIDR: 10.244.0.0/16\nmode: nftables\n"}})
    found = cluster.compare(["iptables", "ipvs"], "default/client", "10.96.1.1")
    assert any("-j KUBE-SVC-" in rule for rule in found.rules["iptables"])
    assert not any("service-ips" in rule for rules in found.rules.values() for rule in rules)


def test_where_cilium_does_kube_proxys_work_there_is_no_mode_to_compare() -> None:
    with pytest.raises(Refused, match="does kube-proxy's work itself"):
        Cluster(nodes=1, network="cilium").compare(MODES, "node:node-1", "10.96.0.1")
