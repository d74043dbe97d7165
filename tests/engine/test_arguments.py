"""What a cluster can be started with, and the one sentence for everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.errors import Refused

from .given import sentence

DUAL = {
    "node_cidr": "192.168.64.0/24,fd00:64::/64",
    "pod_cidr": "10.244.0.0/16,fd00:10:244::/56",
    "service_cidr": "10.96.0.0/12,fd00:10:96::/112",
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"nodes": 0}, "1 to 5000 nodes, not 0"),
    ({"nodes": True}, "a number, a list of names"),
    ({"nodes": 2.5}, "a number, a list of names"),
    ({"nodes": []}, "at least one node"),
    ({"nodes": ["a", "a"]}, "two nodes are called 'a'"),
    ({"nodes": ["A"]}, "is not a node's name"),
    ({"nodes": ["-a"]}, "is not a node's name"),
    ({"nodes": [5]}, "is not a node's name"),
    ({"nodes": 250}, "has addresses for 244 nodes"),
    ({"nodes": {"a": "192.168.64.1"}}, "that is the router"),
    ({"nodes": {"a": "192.168.65.1"}}, "outside node_cidr"),
    ({"nodes": {"a": "192.168.64.20", "b": "192.168.64.20"}}, "that is node 'a'"),
    ({"nodes": {"a": "soon"}}, "is not an IPv4 address"),
    ({"network": "weave"}, "there is no network 'weave'"),
    ({"network": "cilium", "proxy": "iptables"}, "does kube-proxy's work itself"),
    ({"network": {"type": "bridge"}}, "has a name and either a type or a list of plugins"),
    ({"network": 5}, "there is no network 5"),
    ({"network": "kubenet", "kubernetes": "1.37"}, "removed in 1.24"),
    ({"kubernetes": "1.99"}, "choose from 1.21 to 1.37"),
    ({"kubernetes": 1.3}, "as text"),
    ({"kubernetes": "v1.30"}, "as text"),
    ({"proxy": "nftables", "kubernetes": "1.28"}, "since Kubernetes 1.29"),
    ({"proxy": "envoy"}, "there is no proxy 'envoy'"),
    ({"dns": "bind"}, "CoreDNS, and a cache on each node"),
    ({"dns": "node-local-dns", "network": "cilium"}, "nobody would ask the cache"),
    ({"pod_cidr": "10.244.0.0"}, "is an IPv4 network"),
    ({"pod_cidr": "10.244.0.1/16"}, "the network is 10.244.0.0/16"),
    ({"pod_cidr": "10.244.0.0/33"}, "is an IPv4 network"),
    ({"pod_cidr": 5}, "is an IPv4 network"),
    ({"pod_cidr": "10.244.0.0/25"}, "too small"),
    ({"pod_cidr": "10.244.0.0/16,fd00::/64"}, "pod_cidr is dual-stack and node_cidr and service_cidr are not"),
    ({**DUAL, "node_cidr": "192.168.64.0/24"}, "pod_cidr and service_cidr are dual-stack and node_cidr is not"),
    ({"pod_cidr": "fd00:10:244::/56,10.244.0.0/16"}, "wrong order"),
    ({"pod_cidr": "10.244.0.0/16,10.245.0.0/16"}, "two IPv4 networks"),
    ({"pod_cidr": "fd00:1::/56,fd00:2::/56"}, "two IPv6 networks"),
    ({"pod_cidr": "fd00:1::/56"}, "IPv6 alone"),
    ({"pod_cidr": "10.244.0.0/16,fd00:1::/56,fd00:2::/56"}, "more networks than two"),
    ({"pod_cidr": "10.244.0.0/16,fd00:1::/129"}, "is no IPv6 network"),
    ({"pod_cidr": "10.244.0.0/16,fd00:1::7"}, "is no IPv6 network"),
    ({**DUAL, "pod_cidr": "10.244.0.0/16,fd00:1::7/56"}, "the network is fd00:1::/56"),
    ({**DUAL, "pod_cidr": "10.244.0.0/16,fe80::/56"}, "counts on one link only"),
    ({**DUAL, "pod_cidr": "10.244.0.0/16,fd00:10:244::/72"}, "each node gets a /64 of it"),
    ({**DUAL, "pod_cidr": "10.244.0.0/16,fd00::/40"}, "the controller manager numbers /48 or smaller"),
    ({**DUAL, "node_cidr": "192.168.64.0/24,fd00:64::/80"}, "a link of IPv6 has a /64"),
    ({**DUAL, "service_cidr": "10.96.0.0/12,fd00:10:96::/64"}, "the API server takes /108 or smaller"),
    ({**DUAL, "service_cidr": "10.96.0.0/12,fd00:10:96::/126"}, "/125 or larger"),
    ({**DUAL, "service_cidr": "10.96.0.0/12,fd00:64::/112"}, "node_cidr fd00:64::/64 overlaps service_cidr"),
    ({**DUAL, "node_cidr": "192.168.64.0/24,2001:db8:113::/64"}, "overlaps the world outside"),
    ({**DUAL, "network": "vpc"}, "never both"),
    ({**DUAL, "network": "calico"}, "BIRD6 and ip6tables rules are not built here"),
    ({**DUAL, "network": "cilium"}, "its IPv6 maps are not built here"),
    (
        {**DUAL, "topology": "subnets: {a: 192.168.64.0/25, b: 192.168.64.128/25}"},
        "each of the 2 subnets gets a /64 of it",
    ),
    ({"pod_cidr": "10.96.0.0/16"}, "overlaps service_cidr"),
    ({"node_cidr": "10.244.7.0/24"}, "overlaps pod_cidr"),
    ({"node_cidr": "203.0.113.0/24"}, "overlaps the world outside"),
    ({"pod_cidr": "127.0.0.0/16"}, "overlaps loopback"),
    ({"node_cidr": "192.168.64.0/29"}, "too small"),
    ({"service_cidr": "10.0.0.0/8", "pod_cidr": "172.16.0.0/16"}, "too large"),
    ({"seed": "x"}, "seed is a whole number"),
]


@pytest.mark.parametrize(("arguments", "why"), REFUSED, ids=[json.dumps(a) for a, _ in REFUSED])
def test_arguments_that_make_no_cluster_are_refused_in_one_sentence(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        Cluster(**arguments)
    assert "\n" not in str(refused.value)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 300),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.text(max_size=4)),
    st.dictionaries(st.text(max_size=4), st.text(max_size=12)),
    st.sampled_from(
        ["10.0.0.0/8", "1.2.3.4/0", "bridge", "1.23", "10.0.0.0/16,fd00::/56", "fd00::/56", "1.0.0.0/8,::"]
    ),
)
NAMES = st.sampled_from(["nodes", "network", "node_cidr", "pod_cidr", "service_cidr", "proxy", "kubernetes", "seed"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, ANYTHING, max_size=3))
def test_whatever_is_given_there_is_a_cluster_or_one_sentence(arguments: dict[str, Any]) -> None:
    if isinstance(arguments.get("nodes"), int) and arguments["nodes"] > 5:
        arguments["nodes"] = 5
    assert "\n" not in sentence(lambda: Cluster(**arguments))


def test_nodes_may_have_names_and_addresses_of_their_own() -> None:
    assert Cluster(nodes=["alpha", "beta"]).settings.nodes == (("alpha", "192.168.64.11"), ("beta", "192.168.64.12"))
    named = Cluster(nodes={"db": "192.168.64.77"})
    assert named.node("db").run("ip -4 addr show eth0").stdout.count("192.168.64.77/24") == 1


def test_a_node_with_a_very_long_name_is_plugged_in_too() -> None:
    name = "worker-" + "x" * 50
    cluster = Cluster(nodes=["a", name])
    assert cluster.trace("node:a", f"node:{name}", 22).outcome == "connected"


def test_each_wiring_comes_with_a_kubernetes_that_had_it() -> None:
    assert Cluster(nodes=1).settings.kubernetes == "1.37"
    assert Cluster(nodes=1, network="kubenet").settings.kubernetes == "1.23"
