"""Who answers, and which address it sees: the recorded flows again, in clusters as a learner builds them.

`test_kernel_flows.py` holds the walk against the recordings in a world of hand-made rows. Here the same pods and
Services are applied as YAML under wirings whose rules for what leaves the cluster are those of the scenario
``egress-masquerade``; with these rules deleted it is the scenario ``base``. The table of facts/kubernetes.md 1.4 is a
summary of both.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster

TRUTH = json.loads((Path(__file__).parent / "kernel_flows.json").read_text())
FLOWS = {s["id"]: {f["name"]: f for f in s["flows"]} for s in TRUTH["scenarios"]}
NODES = {"n1": "192.168.0.2", "n2": "192.168.0.3"}
PODS = {"a1": "n1", "b1": "n1", "a2": "n2"}
ADDRESSES = {"a1": "10.244.0.2", "b1": "10.244.0.3", "a2": "10.244.1.2"}
BALANCED = {"lb-cluster": "192.168.0.200", "web-local": "192.168.0.201"}
"""Load balancers' addresses, which the router sends to n1. Here they are externalIPs: the same rules but a comment."""
TO_N1 = ("10.96.0.89", *BALANCED.values())
SOURCES = {"cl": "outside:203.0.113.2", "n1": "node:n1", **{pod: f"default/{pod}" for pod in PODS}}
CASES = [(network, "egress-masquerade") for network in ("bridge", "kubenet", "flannel-host-gw")]
CASES += [("bridge", "base"), ("kubenet", "base")]
ITSELF = "pod -> ClusterIP whose only endpoint is the pod itself (hairpin)"
STICKY = "pod -> ClusterIP with sessionAffinity ClientIP"
Obj = dict[str, Any]


def pod(name: str, node: str, **more: Any) -> Obj:
    args = ["netexec", "--http-port=8080"]
    container = {"name": "c", "image": "registry.k8s.io/e2e-test-images/agnhost:2.40", "args": args}
    spec = {"nodeName": node, "containers": [container], **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def things() -> list[Obj]:
    """The recorded Services and slices, as kubectl takes them: a port's name is told by nobody here."""
    found = []
    for thing in TRUTH["services"]:
        metadata = {key: thing["metadata"][key] for key in ("name", "labels") if key in thing["metadata"]}
        head = {"Service": "v1", "EndpointSlice": "discovery.k8s.io/v1"}[thing["kind"]]
        kept = {key: value for key, value in thing.items() if key not in ("metadata", "status", "apiVersion")}
        if metadata["name"] in BALANCED:
            kept["spec"] = {**kept["spec"], "externalIPs": [BALANCED[metadata["name"]]]}
        found.append({"apiVersion": head, "metadata": metadata, **kept})
    return found


@cache
def cluster(network: str, masquerade: bool) -> Cluster:
    routes = [f"ip route add {dst} via {NODES['n1']}" for dst in TO_N1]
    routes.append("ip route add blackhole 10.96.0.0/12")
    made = Cluster(NODES, network, node_cidr="192.168.0.0/24", topology={"commands": {"router": routes}})
    made.apply([pod(name, node) for name, node in PODS.items()])
    made.apply(pod("n2-host", "n2", hostNetwork=True))
    made.apply(things())
    assert {name: made.get("pod", name)["status"]["podIP"] for name in PODS} == ADDRESSES
    if not masquerade:
        for node in NODES:
            rules = made.node(node).run("iptables -t nat -S POSTROUTING").stdout.splitlines()
            ours = [rule for rule in rules if rule.endswith("-j MASQUERADE")]
            assert len(ours) == 1
            assert made.node(node).run(f"iptables -t nat {ours[0].replace('-A', '-D', 1)}").exit_code == 0
    return made


def said(made: Cluster, flow: Obj) -> set[str]:
    """``who source`` of each fate, in the recording's words."""
    address, _, port = flow["to"].partition(":")
    fates = made.trace(SOURCES[flow["from"]], address, port=int(port)).fates()
    assert sum(fate.probability for fate in fates) == 1
    return {
        f"{(f.answered_by or '').partition('/')[2]} {f.source_seen}" if f.outcome == "connected" else f.outcome
        for f in fates
    }


@pytest.mark.parametrize(("network", "scenario"), CASES)
def test_every_recorded_flow_is_answered_alike_in_a_cluster_of_ones_own(network: str, scenario: str) -> None:
    made = cluster(network, scenario == "egress-masquerade")
    flows = {name: f for name, f in FLOWS[scenario].items() if name != STICKY and not f["to"].endswith(":9000")}
    if network == "kubenet":  # its ports have no hairpin: the recording of a promiscuous bridge
        flows[ITSELF] = FLOWS["promiscuous-bridge"][ITSELF]
    found = {name: said(made, flow) for name, flow in flows.items()}
    assert found == {name: set(flow["server_and_source_seen"]) for name, flow in flows.items()}
