"""One Service under each mode of kube-proxy, and under cilium without one, gives the same outcomes: a law.

The endpoints are written by hand, so that every mixture of ready, serving and terminating comes. What is compared is
`fates()`: who may answer, with which probability, and what else may become of a connection. (iptables writes its
probabilities with 31 bits, so a third there is 0.33333333349.)
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster, manifests

PLACES = {"client": "node-1", "one": "node-1", "two": "node-2", "three": "node-2"}
SERVERS = ("one", "two", "three")
WIRED = {
    "iptables": {"network": "bridge", "proxy": "iptables"},
    "nftables": {"network": "bridge", "proxy": "nftables"},
    "ipvs": {"network": "bridge", "proxy": "ipvs"},
    "cilium": {"network": "cilium"},
}
STATES = {
    "ready": {"ready": True, "serving": True, "terminating": False},
    "failing": {"ready": False, "serving": False, "terminating": False},
    "leaving": {"ready": False, "serving": True, "terminating": True},
    "gone": {"ready": False, "serving": False, "terminating": True},
}
EXTERNAL, CLOUD = "203.0.113.99", "198.51.100."
SOURCES = ("default/client", "default/one", "node:node-1", "node:node-2", "outside")
Ends = dict[tuple[str, str | None], Fraction]

specs = st.fixed_dictionaries(
    {
        "protocol": st.sampled_from(("TCP", "UDP", "SCTP")),
        "type": st.sampled_from(("ClusterIP", "NodePort", "LoadBalancer")),
        "internalTrafficPolicy": st.sampled_from(("Cluster", "Local")),
        "externalTrafficPolicy": st.sampled_from(("Cluster", "Local")),
        "sessionAffinity": st.sampled_from(("None", "ClientIP")),
        "externalIPs": st.sampled_from(([], [EXTERNAL])),
    }
)
endpoints = st.dictionaries(st.sampled_from(SERVERS), st.sampled_from(sorted(STATES)))


@pytest.fixture(scope="module")
def clusters() -> dict[str, Cluster]:
    found = {mode: Cluster(nodes=2, **dials) for mode, dials in WIRED.items()}
    for cluster in found.values():
        cluster.apply(manifests.addon("cloud"))
        cluster.apply([pod(name, node) for name, node in PLACES.items()])
    return found


def pod(name: str, node: str) -> dict[str, Any]:
    ports = [{"containerPort": 80, "protocol": protocol} for protocol in ("TCP", "UDP", "SCTP")]
    container = {"name": "c", "image": "agnhost", "ports": ports}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [container]},
    }


def service(spec: dict[str, Any]) -> dict[str, Any]:
    port = {"port": 80, "protocol": spec["protocol"], **({"nodePort": 30080} if spec["type"] != "ClusterIP" else {})}
    spec = {**{k: v for k, v in spec.items() if k != "protocol"}, "clusterIP": "10.96.0.50", "ports": [port]}
    if spec["type"] == "ClusterIP" and not spec["externalIPs"]:
        del spec["externalTrafficPolicy"]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def slice_of(cluster: Cluster, protocol: str, states: dict[str, str]) -> dict[str, Any]:
    rows = []
    for name, state in states.items():
        address = cluster.get("pod", name)["status"]["podIP"]
        rows.append({"addresses": [address], "nodeName": PLACES[name], "conditions": STATES[state]})
    metadata = {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}
    kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
    return {**kind, "metadata": metadata, "ports": [{"port": 80, "protocol": protocol}], "endpoints": rows}


def doors(cluster: Cluster, spec: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Each address and port at which it takes requests, and the policy that counts there."""
    found = [("10.96.0.50", 80, spec["internalTrafficPolicy"])]
    outer = spec["externalTrafficPolicy"]
    found += [(node, 30080, outer) for node in ("node:node-1", "node:node-2") if spec["type"] != "ClusterIP"]
    balanced = cluster.get("service", "web")["status"]["loadBalancer"].get("ingress") or ()
    found += [(row["ip"], 80, outer) for row in balanced]
    return found + [(address, 80, outer) for address in spec["externalIPs"]]


def asked(
    cluster: Cluster, spec: dict[str, Any], states: dict[str, str]
) -> tuple[dict[tuple[str, str], Ends], dict[str, str]]:
    """What becomes of a connection from each source at each door, and the policy that counts at each door."""
    cluster.apply([service(spec), slice_of(cluster, spec["protocol"], states)])
    found, policies = {}, {}
    for door, port, policy in doors(cluster, spec):
        policies[door] = policy
        for source in SOURCES:
            ends: Ends = {}
            for fate in cluster.trace(source, door, port, spec["protocol"]).fates():
                end = fate.outcome, fate.answered_by
                ends[end] = ends.get(end, Fraction(0)) + fate.probability
            found[source, door] = {end: chance.limit_denominator(100) for end, chance in ends.items()}
    cluster.delete("service", "web")
    cluster.delete("endpointslice", "web-1")
    return found, policies


def answers(ends: Ends) -> dict[str, Fraction]:
    """Who answers, with which probability."""
    return {who: chance for (_, who), chance in ends.items() if who is not None}


def agree(mode: str, source: str, policies: set[str]) -> bool:
    """Must this mode let the same endpoints answer as iptables does? (The others do as well, where they can.)

    Who comes from outside always finds the same. From inside a policy of Local is read in another way: iptables and
    nftables let a node and its pods use all endpoints at an external door (a short circuit), and drop where none is
    local; ipvs sends to the local ones, and to all others where there is none; Cilium goes by the internal policy."""
    return mode == "nftables" or source == "outside" or policies == {"Cluster"}


@settings(max_examples=6, deadline=None)
@given(spec=specs, states=endpoints)
def test_a_service_gives_the_same_outcomes_under_each_mode(
    clusters: dict[str, Cluster], spec: dict[str, Any], states: dict[str, str]
) -> None:
    hold(clusters, spec, states)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(spec=specs, states=endpoints)
def test_so_do_many(clusters: dict[str, Cluster], spec: dict[str, Any], states: dict[str, str]) -> None:
    hold(clusters, spec, states)


def hold(clusters: dict[str, Cluster], spec: dict[str, Any], states: dict[str, str]) -> None:
    expected, policy = asked(clusters["iptables"], spec, states)
    for mode in ("nftables", "ipvs", "cilium"):
        for (source, door), ends in asked(clusters[mode], spec, states)[0].items():
            if mode == "cilium" and source == "outside" and door.startswith(CLOUD):
                assert answers(ends) == {}, "the cloud asks kube-proxy's health port, and there is no kube-proxy"
                continue
            both = {policy[door], *((spec["internalTrafficPolicy"],) if mode == "cilium" else ())}
            if agree(mode, source, both):
                said = mode, source, door, spec, states
                assert answers(ends) == answers(expected[source, door]), said
                own = door.startswith((EXTERNAL, CLOUD)) or (mode == "ipvs" and door == source)
                closed = not answers(ends) and source.startswith("node:") and own
                same = mode == "cilium" or ends == expected[source, door]
                assert same or closed, said
