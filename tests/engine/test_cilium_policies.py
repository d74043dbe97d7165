"""NetworkPolicies under Cilium: rows by identity, decided where packets enter and leave a pod's endpoint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.cni.cilium import maps
from k8slearn.cni.cilium.policy import EXACT
from k8slearn.components.cilium.policy import blocks
from k8slearn.errors import Refused

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: c, image: nginx, ports: [{containerPort: 80, name: http}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: near, labels: {app: friend, pod-template-hash: abc}}
spec: {nodeName: node-1, containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far, labels: {app: stranger}}
spec: {nodeName: node-2, containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
"""


def policy(spec: str, name: str = "np") -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}}}
spec: {spec}
"""


FRIENDS = policy(
    "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]}"
)


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster(nodes=2, network="cilium")
    made.apply(PODS)
    return made


def test_a_refusal_names_the_row_that_was_looked_for_the_policy_and_the_nearest_line(cluster: Cluster) -> None:
    cluster.apply(FRIENDS)
    assert cluster.trace("default/near", "default/web").outcome == "connected"
    refused = cluster.trace("default/far", "default/web")
    assert refused.outcome == "timeout"
    said = refused.explain()
    assert "Policy denied: ingress from identity" in said
    assert "cilium_policy_v2: endpoint" in said
    assert "default/web is isolated for ingress by NetworkPolicy default/np" in said
    assert "spec.ingress[0].from[0].podSelector wants app=friend, and default/far has app=stranger" in said
    assert "kubectl label pod far" in said


def test_an_admitted_packet_names_the_policys_line(cluster: Cluster) -> None:
    cluster.apply(FRIENDS)
    steps = cluster.trace("default/near", "default/web").steps
    why = next(step.because for step in steps if step.because is not None and step.because.key[1] == maps.POLICY)
    assert why.text.endswith("Allow (NetworkPolicy default/np, spec.ingress[0].from[0])")


def test_answers_of_an_admitted_connection_pass_an_isolated_sender(cluster: Cluster) -> None:
    cluster.apply(policy("{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}"))
    assert cluster.trace("default/far", "default/web").outcome == "connected"
    assert cluster.trace("default/web", "default/far").outcome == "timeout"


def test_the_own_node_is_always_let_in_and_another_one_is_not(cluster: Cluster) -> None:
    cluster.apply(policy("{podSelector: {}}"))
    assert cluster.trace("node:node-1", "default/web").outcome == "connected"
    refused = cluster.trace("node:node-2", "default/web")
    assert refused.outcome == "timeout"
    assert "from remote-node (6)" in refused.explain()


def test_an_ip_block_means_networks_outside_and_no_pod(cluster: Cluster) -> None:
    block = "{ipBlock: {cidr: 0.0.0.0/1}}, {ipBlock: {cidr: 128.0.0.0/1, except: [203.0.113.9/32]}}"
    cluster.apply(policy(f"{{podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{block}]}}]}}"))
    assert cluster.trace("outside", "node:node-1", 30080).outcome == "connected"
    refused = cluster.trace("default/far", "default/web")
    assert refused.outcome == "timeout"
    assert cluster.policy_allows("default/far", "default/web")
    assert "an ipBlock means networks outside of the cluster; it means no pod and no node" in refused.explain()


def test_what_a_block_excepts_is_a_network_of_its_own(cluster: Cluster) -> None:
    block = "{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.7/32]}}"
    cluster.apply(policy(f"{{podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{block}]}}]}}"))
    assert cluster.trace("outside", "node:node-1", 30080).outcome == "timeout"
    rows = cluster.node("node-1").run("cilium-dbg bpf ipcache list").stdout
    numbers = [line.split()[1] for line in rows.splitlines() if line.startswith("203.0.113.")]
    assert numbers == ["identity=16777217", "identity=16777218"]


def test_a_label_that_makes_no_identity_selects_nobody(cluster: Cluster) -> None:
    hashed = "{podSelector: {matchLabels: {pod-template-hash: abc}}}"
    cluster.apply(policy(f"{{podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{hashed}]}}]}}"))
    refused = cluster.trace("default/near", "default/web")
    assert refused.outcome == "timeout"
    assert "A label that makes no identity" in refused.explain()


def test_a_namespaces_new_label_gives_its_pods_another_identity(cluster: Cluster) -> None:
    team = "{namespaceSelector: {matchLabels: {team: red}}}"
    cluster.apply(policy(f"{{podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{team}]}}]}}"))
    assert cluster.trace("default/far", "default/web").outcome == "timeout"
    cluster.kubectl("label namespace default team=red")
    assert cluster.trace("default/far", "default/web").outcome == "connected"


def test_the_maps_rows_are_listed_and_go_with_the_policy(cluster: Cluster) -> None:
    node = cluster.node("node-1")
    web = next(
        row.id for row in cluster.world.table("node:node-1", "cilium_endpoint").values() if row.pod.endswith("/web")
    )
    cluster.apply(
        policy("{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}, {port: 81, endPort: 82}]}]}")
    )
    rows = [line.split()[:4] for line in node.run(f"cilium-dbg bpf policy get {web} -n").stdout.splitlines()[1:]]
    allowed = [
        ["Allow", "Ingress", who, port]
        for who, port in (("0", "80/TCP"), ("0", "81/TCP"), ("0", "82/TCP"), ("1", "ANY"))
    ]
    assert sorted(rows) == sorted([*allowed, ["Allow", "Egress", "0", "ANY"]])
    (line,) = (line for line in node.run("cilium-dbg endpoint list").stdout.splitlines() if line.startswith(f"{web} "))
    assert line.split()[1:3] == ["Enabled", "Disabled"]
    cluster.delete("networkpolicy", "np")
    rows = [line.split()[:4] for line in node.run(f"cilium-dbg bpf policy get {web} -n").stdout.splitlines()[1:]]
    assert ["Allow", "Ingress", "0", "ANY"] in rows
    assert len(rows) == 3


def test_cilium_119_has_no_cluster_network_policies() -> None:
    cluster = Cluster(nodes=1, network="cilium")
    with pytest.raises(Refused, match="no matches for kind"):
        cluster.apply(
            "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: c}, "
            "spec: {tier: Admin, priority: 1, subject: {namespaces: {}}}}"
        )


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_a_range_of_ports_is_the_blocks_that_make_it(one: int, other: int) -> None:
    first, last = sorted((one, other))
    found = [range(number, number + (1 << EXACT - bits)) for number, bits in blocks(first, last)]
    assert [part.start for part in found] == [first, *(part.stop for part in found[:-1])]
    assert found[-1].stop == last + 1
    assert all(part.start % len(part) == 0 for part in found)
