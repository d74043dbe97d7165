"""Laws of policies, over random clusters: the text and the walk agree, and the matrix says what the traces say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slearn import Cluster, alike, endpoints
from k8slearn.linux import socket

from .policies_at_random import cluster_policies, namespaces, network_policies, pods

Obj = dict[str, Any]
LISTENING = {("TCP", 80), ("TCP", 81), ("UDP", 80)}
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


def grown(some: list[Obj], policies: list[Obj], network: str = "calico") -> Cluster:
    cluster = Cluster(nodes=2, network=network)
    cluster.apply([*namespaces(), *some, *policies])
    return cluster


def disagreement(cluster: Cluster, text: Cluster) -> list[Any]:
    """Every probe that a policy's text allows and the walk refuses, or the other way round."""
    names = [f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in cluster.get("pods", namespace=None)]
    ours = [name for name in names if name.rpartition("/")[2].startswith("pod")]
    wrong = []
    for source in [*ours, "node:node-1"]:
        for to in ours:
            for protocol, port in sorted(LISTENING):
                said = text.policy_allows(source, to, port, protocol)
                outcome = cluster.trace(source, to, port, protocol).outcome
                local = source.startswith("node:") and said is not (outcome == "connected")
                if said != (outcome == "connected") and not (local and _tunnelled(cluster, to)):
                    wrong.append((source, to, port, protocol, said, outcome))
    return wrong


def _tunnelled(cluster: Cluster, to: str) -> bool:
    """From another node a packet comes with the tunnel's address, which no ipBlock of the node's network holds."""
    namespace, _, name = to.partition("/")
    return bool(cluster.get("pod", name, namespace=namespace)["spec"]["nodeName"] != "node-1")


def agreed(some: list[Obj], policies: list[Obj], first: list[Obj]) -> list[Any]:
    cluster = grown(some, [*policies, *first])
    return disagreement(cluster, cluster)


def agreed_by_identity(some: list[Obj], policies: list[Obj], first: list[Obj]) -> list[Any]:
    """Under Cilium: an ipBlock means no pod, a name on egress has one number; 1.19 has no ClusterNetworkPolicies."""
    numbered = [{**policy, "spec": {**policy["spec"], "egress": _numbers(policy["spec"])}} for policy in policies]
    cluster = grown(some, numbered, "cilium")
    return disagreement(cluster, grown(some, [_without_blocks(policy) for policy in numbered]))


def _numbers(spec: Obj) -> list[Obj]:
    """The egress rules without the names of ports."""
    return [
        {**rule, "ports": [p for p in rule["ports"] if not isinstance(p.get("port"), str)] or [{"port": 81}]}
        if rule.get("ports")
        else rule
        for rule in spec["egress"]
    ]


NOBODY = {"podSelector": {"matchLabels": {"app": "nobody"}}}


def _without_blocks(policy: Obj) -> Obj:
    """The policy with somebody who is not there in place of each ipBlock."""
    spec = dict(policy["spec"])
    for direction, word in (("ingress", "from"), ("egress", "to")):
        spec[direction] = [
            {**rule, word: [NOBODY if "ipBlock" in peer else peer for peer in rule[word]]} if rule.get(word) else rule
            for rule in spec[direction]
        ]
    return {**policy, "spec": spec}


JUDGES = pytest.mark.parametrize("law", [agreed, agreed_by_identity], ids=["calico", "cilium"])


@JUDGES
@settings(max_examples=3, deadline=None, suppress_health_check=QUIET)
@given(some=pods(), policies=network_policies(), first=cluster_policies())
def test_the_text_and_the_packets_agree(law: Any, some: list[Obj], policies: list[Obj], first: list[Obj]) -> None:
    assert law(some, policies, first) == []


@pytest.mark.slow
@JUDGES
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(some=pods(), policies=network_policies(), first=cluster_policies())
def test_the_text_and_the_packets_agree_in_many_clusters(
    law: Any, some: list[Obj], policies: list[Obj], first: list[Obj]
) -> None:
    assert law(some, policies, first) == []


def test_a_named_port_of_a_cluster_network_policy_has_the_protocol_of_the_pods_port() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP", "name": "web"}]
    spec = {"nodeName": "node-1", "containers": [{"name": "c", "image": "agnhost", "ports": ports}]}
    metadata = ({"name": f"pod{n}", "namespace": "x", "labels": {"app": "a"}} for n in range(2))
    some: list[Obj] = [{"apiVersion": "v1", "kind": "Pod", "metadata": one, "spec": spec} for one in metadata]
    rule = {"action": "Deny", "from": [{"namespaces": {}}], "protocols": [{"destinationNamedPort": "web"}]}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    about = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "ingress": [rule]}
    cluster = grown(some, [{**kind, "metadata": {"name": "c"}, "spec": about}])
    assert cluster.trace("x/pod0", "x/pod1", 80, "UDP").outcome == "timeout"
    assert cluster.trace("x/pod0", "x/pod1", 80).outcome == "connected"
    assert not cluster.policy_allows("x/pod0", "x/pod1", 80, "UDP")
    assert cluster.policy_allows("x/pod0", "x/pod1", 80)


# --- the matrix ------------------------------------------------------------------------------------

FAULTS = (
    "true",
    "ip route del {0}/32",
    "ip route add prohibit {0}/32 metric 5",
    "iptables -I FORWARD -s {0} -j DROP",
    "iptables -I FORWARD 1 -d {0} -p tcp --dport 80 -j REJECT",
    "iptables -A FORWARD -s {0} -d {1} -j DROP",
    "iptables -I FORWARD -s 10.244.1.0/29 -j DROP",
    "iptables -F cali-from-wl-dispatch",
    "ip neigh replace {1} lladdr 02:00:00:00:00:99 dev eth0",
    "sysctl -w net.ipv4.ip_forward=0",
    "sysctl -w net.ipv4.conf.eth0.proxy_arp=1",
    "iptables -F cali-to-wl-dispatch",
    "iptables -F FORWARD",
    "ip route add {0}/32 via 192.168.64.11",
    "ip route replace 10.244.0.0/16 via 192.168.64.13",
)


def broken(network: str, some: list[Obj], policies: list[Obj], faults: list[tuple[str, int, int, int]]) -> Cluster:
    """Asked for its matrix at every stage: what is remembered of the stage before must not be believed too long."""
    cluster = Cluster(nodes=4, network=network)
    cluster.apply([*namespaces(), *some])
    cluster.reachability(80)
    cluster.apply(policies)
    cluster.reachability(80)
    first = some[0]["metadata"]
    cluster.kubectl(f"label pod {first['name']} -n {first['namespace']} --overwrite app=b tier=x")
    cluster.reachability(80)
    addresses = [pod["status"]["podIP"] for pod in cluster.get("pods", namespace=None) if "podIP" in pod["status"]]
    for command, node, one, other in faults:
        words = command.format(addresses[one % len(addresses)], addresses[other % len(addresses)])
        cluster.node(f"node-{node}").run(words)
    return cluster


def misjudged(cluster: Cluster, port: int) -> list[Any]:
    """The cells of a matrix that say something else than the walk of that pair."""
    found, places = cluster.reachability(port), endpoints.pods(cluster.world)
    pairs = [(a, b) for a in found.pods for b in found.pods]
    walked = {(a, b): socket.fates(cluster.world, places[a][0], places[b][1], port, "tcp") for a, b in pairs}
    outcomes = {pair: tuple(sorted({fate.outcome for fate in fates})) for pair, fates in walked.items()}
    return [(pair, said, found.cells[pair]) for pair, said in outcomes.items() if said != found.cells[pair]]


WRONG = st.lists(
    st.tuples(st.sampled_from(FAULTS), st.sampled_from((1, 2, 3, 4)), st.integers(0, 9), st.integers(0, 9)), max_size=2
)
WIRINGS = st.sampled_from(("calico", "calico", "bridge", "flannel", "ptp", "cilium"))


@settings(max_examples=3, deadline=None, suppress_health_check=QUIET)
@given(WIRINGS, pods(4, 6, 3), network_policies(2), WRONG)
def test_the_matrix_says_what_the_walk_of_each_pair_says(
    network: str, some: list[Obj], policies: list[Obj], faults: list[tuple[str, int, int, int]]
) -> None:
    assert misjudged(broken(network, some, policies, faults), 80) == []


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@given(WIRINGS, pods(7, 12, 4), network_policies(), WRONG)
def test_the_matrix_says_what_the_walk_of_each_pair_says_in_many_clusters(
    network: str, some: list[Obj], policies: list[Obj], faults: list[tuple[str, int, int, int]]
) -> None:
    assert misjudged(broken(network, some, policies, faults), 80) == []


def alike_cluster(network: str) -> Cluster:
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    some = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod{n}"},
            "spec": {"nodeName": f"node-{1 + n % 4}", "containers": [container]},
        }
        for n in range(8)
    ]
    cluster = Cluster(nodes=4, network=network)
    cluster.apply(some)
    return cluster


@pytest.mark.parametrize("network", ["bridge", "ptp", "flannel", "calico", "cilium"])
def test_a_few_walks_stand_for_all_pods_of_machines_that_are_alike(network: str) -> None:
    cluster = alike_cluster(network)
    places = endpoints.pods(cluster.world)
    found = alike.wiring(cluster.world, places, 80, "tcp")
    pods = [name for name in places if name.startswith("default/")]
    assert len({found.classes[pod] for pod in pods}) == 4
    assert len({found.like[found.classes[pod]] for pod in pods}) == 2


@pytest.mark.parametrize("network", ["bridge", "calico", "cilium"])
def test_a_fault_on_one_of_these_machines_is_that_machines_alone(network: str) -> None:
    cluster = alike_cluster(network)
    assert cluster.reachability().outcome("default/pod1", "default/pod2") == "connected"
    address = cluster.get("pod", "pod2")["status"]["podIP"]
    command = f"ip route add prohibit {address}/32" if network != "cilium" else "ip link set cilium_vxlan down"
    cluster.node("node-2").run(command)
    after = cluster.reachability()
    assert after.outcome("default/pod1", "default/pod2") != "connected"
    assert after.outcome("default/pod3", "default/pod2") == "connected"
    assert misjudged(cluster, 80) == []
