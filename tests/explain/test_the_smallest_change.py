"""What `explain` proposes is what mends: each fault is injected as a person would, and the proposal is typed in."""

from __future__ import annotations

import re

import pytest

from k8slearn import Cluster

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: node-1, containers: [{name: shell, image: busybox, command: [sleep, "3600"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: near, labels: {app: near}}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far, labels: {app: far}}
spec: {nodeName: node-2, containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: near}
spec: {selector: {app: near}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: far}
spec: {selector: {app: far}, ports: [{port: 80}]}
"""
FAULTS = [
    ("node-1", "ip route del 10.244.1.0/24", "default/far"),
    ("node-2", "ip route del 10.244.0.0/24", "default/far"),
    ("node-1", "ip route add blackhole 10.244.1.2/32", "default/far"),
    ("node-1", "ip route add prohibit 10.244.1.2/32", "default/far"),
    ("node-2", "sysctl -w net.ipv4.ip_forward=0", "default/far"),
    ("node-1", "sysctl -w net.ipv4.ip_forward=0", "svc:default/far"),
    ("node-1", "sysctl -w net.bridge.bridge-nf-call-iptables=0", "svc:default/near"),
    ("node-1", "ip link set cni0 down", "default/near"),
    ("node-2", "ip link set cni0 down", "default/far"),
    ("node-2", "ip link set eth0 down", "default/far"),
    ("node-2", "iptables -P FORWARD DROP", "default/far"),
    ("node-2", "iptables -I FORWARD -d 10.244.1.2 -j REJECT", "default/far"),
    ("node-1", "iptables -t nat -D PREROUTING 1", "svc:default/near"),
]


def broken(node: str, fault: str) -> Cluster:
    cluster = Cluster(nodes=2)
    cluster.apply(WEB)
    result = cluster.node(node).run(fault)
    assert (result.stderr, result.exit_code) == ("", 0)
    return cluster


@pytest.mark.parametrize(("node", "fault", "destination"), FAULTS)
def test_the_change_that_explain_proposes_mends_the_cluster(node: str, fault: str, destination: str) -> None:
    cluster = broken(node, fault)
    trace = cluster.trace("default/client", destination)
    assert trace.outcome != "connected"
    proposal = trace.explain().splitlines()[-1]
    assert proposal.startswith("The smallest change that makes it connect")
    for where, change in re.findall(r"on (\S+): ((?:`[^`]+`(?: and )?)+)", proposal):
        for command in re.findall(r"`([^`]+)`", change):
            result = cluster.node(where).run(command)
            assert (result.stderr, result.exit_code) == ("", 0), command
    assert cluster.trace("default/client", destination).outcome == "connected"


@pytest.mark.parametrize(("node", "fault", "destination"), FAULTS)
def test_an_explanation_names_who_broke_it_and_with_which_command(node: str, fault: str, destination: str) -> None:
    said = broken(node, fault).trace("default/client", destination).explain()
    undoes = f"on {node}: " in said.splitlines()[-1]
    assert fault in said or undoes


def test_asking_twice_changes_nothing_and_says_the_same() -> None:
    cluster = broken("node-1", "ip route del 10.244.1.0/24")
    revision = cluster.journal.revision
    first, second = (cluster.trace("default/client", "default/far").explain() for _ in range(2))
    assert first == second
    assert cluster.journal.revision == revision


def test_a_closed_port_is_explained_by_the_ports_that_are_open() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(WEB)
    said = cluster.trace("default/client", "default/far", port=81).explain()
    assert "nobody listens on 10.244.1.2:81" in said
    assert "ask for port 80, where nginx listens" in said


def test_a_service_without_endpoints_is_explained_by_the_service() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(WEB)
    spec = {"ports": [{"port": 80}], "selector": {"app": "absent"}}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "empty"}, "spec": spec})
    trace = cluster.trace("default/client", "svc:default/empty")
    assert trace.outcome == "refused"
    assert "has no endpoints" in trace.explain()
    assert "Service default/empty" in trace.explain()


def test_fates_add_up_to_one() -> None:
    cluster = Cluster(nodes=2, network="kubenet")
    cluster.apply(WEB.replace("app: far}}", "app: near}}"))
    for source in ("default/client", "default/near", "node:node-2"):
        assert sum(f.probability for f in cluster.trace(source, "svc:default/near").fates()) == 1


def test_an_answer_that_is_too_long_for_the_way_is_explained_as_such_and_mended() -> None:
    """The connection stands, small answers arrive, and nobody says why long ones do not."""
    cluster = Cluster(nodes=2)
    cluster.apply(WEB)
    cluster.switch().run("ip link set node-1 mtu 1400")
    address = cluster.get("pod", "far")["status"]["podIP"]
    assert cluster.trace("default/client", "default/far").outcome == "connected"
    said = cluster.request("default/client", f"http://{address}/bytes/4000").explain()
    assert "timeout: the connection stood, and the answer did not arrive" in said
    assert "(tried on a copy): on switch: `ip link set node-1 mtu 1500`." in said
    curl = cluster.pod("client").run(f"curl -sS http://{address}/bytes/4000")
    assert curl.stderr == "curl: (28) Operation timed out after 60000 milliseconds with 0 bytes received\n"
    cluster.switch().run("ip link set node-1 mtu 1500")
    assert cluster.request("default/client", f"http://{address}/bytes/4000").status == 200
