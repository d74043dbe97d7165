"""kube-proxy's modes: the same Services, in two languages, and in a load balancer of the kernel's own."""

from __future__ import annotations

import pytest

from k8slearn import Cluster

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
SERVICE = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: "
KINDS = {
    "ClusterIP": "{clusterIP: 10.96.0.50, selector: {app: web}, ports: [{port: 80}]}",
    "sticky": "{clusterIP: 10.96.0.50, selector: {app: web}, sessionAffinity: ClientIP, ports: [{port: 80}]}",
    "nobody": "{clusterIP: 10.96.0.50, selector: {app: none}, ports: [{port: 80}]}",
    "nobody here": "{clusterIP: 10.96.0.50, selector: {app: web}, internalTrafficPolicy: Local, ports: [{port: 80}]}",
    "local": "{clusterIP: 10.96.0.50, selector: {app: web}, type: NodePort, externalTrafficPolicy: Local,"
    " ports: [{port: 80, nodePort: 30080}]}",
    "NodePort": "{clusterIP: 10.96.0.50, selector: {app: web}, type: NodePort, ports: [{port: 80, nodePort: 30080}]}",
    "external": "{clusterIP: 10.96.0.50, selector: {app: web}, externalIPs: [203.0.113.9], ports: [{port: 80}]}",
}
MAP = "nft list map ip kube-proxy service-ips"


def switch(cluster: Cluster, mode: str) -> None:
    config = cluster.get("configmap", "kube-proxy", namespace="kube-system")
    text = f"clusterCIDR: 10.244.0.0/16\nmode: {mode}\n"
    cluster.apply({**config, "data": {"config.conf": text}})


def said(cluster: Cluster, command: str) -> str:
    return cluster.node("node-1").run(command).stdout


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(nodes=2)
    cluster.apply(PODS + SERVICE + KINDS["NodePort"])
    return cluster


def test_a_changed_mode_writes_its_own_rules_and_takes_those_of_the_other_away(cluster: Cluster) -> None:
    before = said(cluster, "iptables-save")
    switch(cluster, "nftables")
    assert "KUBE-SVC" not in said(cluster, "iptables-save")
    assert "table ip kube-proxy" in said(cluster, "nft list ruleset")
    switch(cluster, "iptables")
    assert "table ip kube-proxy" not in said(cluster, "nft list ruleset")
    assert sorted(said(cluster, "iptables-save").split("\n")) == sorted(before.split("\n"))


def test_the_element_that_found_the_service_is_named_with_its_author(cluster: Cluster) -> None:
    switch(cluster, "nftables")
    trace = cluster.trace("default/client", "svc:default/web")
    step = next(step for step in trace.steps if "@service-ips" in step.says)
    assert "10.96.0.50 . tcp . 80 : goto service-PFISGYVC-default/web/tcp/ in @service-ips" in step.says
    assert step.because is not None
    cause = trace.faces.cause(step.because.key, step.because.position)
    assert (cause.author, cause.cause) == ("kube-proxy", "Service default/web")
    assert "Service default/web" in trace.explain()


def test_a_service_that_is_deleted_takes_its_elements_chains_and_sets_with_it(cluster: Cluster) -> None:
    switch(cluster, "nftables")
    before = said(cluster, "nft list ruleset")
    cluster.apply(SERVICE.replace("name: web", "name: more") + KINDS["sticky"].replace(".50", ".60"))
    assert "default/more" in said(cluster, "nft list ruleset")
    cluster.delete("service", "more")
    assert said(cluster, "nft list ruleset") == before


def test_a_table_that_was_thrown_away_is_back_when_a_service_changes(cluster: Cluster) -> None:
    switch(cluster, "nftables")
    cluster.node("node-1").run("nft delete table ip kube-proxy")
    assert cluster.trace("default/client", "svc:default/web").outcome != "connected"
    cluster.delete("pod", "web")
    cluster.apply(PODS)
    assert cluster.trace("default/client", "svc:default/web").outcome == "connected"


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_does_the_same_in_each_mode(kind: str) -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(PODS + SERVICE + KINDS[kind])
    seen = []
    for mode in ("iptables", "nftables"):
        switch(cluster, mode)
        sources = ("default/client", "default/web", "node:node-1", "node:node-2", "outside")
        traces = [cluster.trace(source, target, port) for source in sources for target, port in doors(kind)]
        seen.append([(t.outcome, t.source_seen, t.answered_by) for t in traces])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_does_in_ipvs_mode_but_for_what_upstream_does_otherwise(kind: str) -> None:
    """A policy of Local where no endpoint is: iptables drops what goes to a ClusterIP, ipvs has no real server for it.
    An endpoint on the node itself: iptables masquerades the node's own connection, ipvs leaves it its address."""
    otherwise = {("nobody here", "timeout", None): ("refused", None), ("local", "connected", "10.244.1.1"): None}
    seen = {}
    for mode in ("iptables", "ipvs"):
        cluster = Cluster(nodes=2, proxy=mode)
        cluster.apply(PODS + SERVICE + KINDS[kind])
        for source in ("default/client", "default/web", "node:node-1", "node:node-2", "outside"):
            for target, port in doors(kind):
                trace = cluster.trace(source, target, port)
                seen[mode, source, target] = trace.outcome, trace.source_seen, trace.answered_by
    for (mode, source, target), (outcome, saw, by) in seen.items():
        if mode == "iptables":
            there = seen["ipvs", source, target]
            expected = otherwise.get((kind, outcome, saw), (outcome, saw))
            assert there[2] == by
            assert expected in (None, there[:2]), (source, target, there)


def doors(kind: str) -> list[tuple[str, int]]:
    """Every address and port at which that Service takes requests."""
    node_ports = [("node:node-1", 30080), ("node:node-2", 30080)] if "nodePort:" in KINDS[kind] else []
    outer = [("203.0.113.9", 80)] if "externalIPs" in KINDS[kind] else []
    return [("10.96.0.50", 80), *node_ports, *outer]
