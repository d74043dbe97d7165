"""Laws of policies, over random clusters: the text and the walk agree, and the matrix says what the traces say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from k8slearn import Cluster

from .policies_at_random import cluster_policies, namespaces, network_policies, pods

Obj = dict[str, Any]
LISTENING = {("TCP", 80), ("TCP", 81), ("UDP", 80)}
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


def grown(some: list[Obj], policies: list[Obj]) -> Cluster:
    cluster = Cluster(nodes=2, network="calico")
    cluster.apply([*namespaces(), *some, *policies])
    return cluster


def disagreement(cluster: Cluster) -> list[Any]:
    """Every probe that a policy's text allows and the walk refuses, or the other way round."""
    names = [f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in cluster.get("pods", namespace=None)]
    ours = [name for name in names if name.rpartition("/")[2].startswith("pod")]
    wrong = []
    for source in [*ours, "node:node-1"]:
        for to in ours:
            for protocol, port in sorted(LISTENING):
                said = cluster.policy_allows(source, to, port, protocol)
                outcome = cluster.trace(source, to, port, protocol).outcome
                local = source.startswith("node:") and said is not (outcome == "connected")
                if said != (outcome == "connected") and not (local and _tunnelled(cluster, to)):
                    wrong.append((source, to, port, protocol, said, outcome))
    return wrong


def _tunnelled(cluster: Cluster, to: str) -> bool:
    """From another node a packet comes with the tunnel's address, which no ipBlock of the node's network holds."""
    namespace, _, name = to.partition("/")
    return bool(cluster.get("pod", name, namespace=namespace)["spec"]["nodeName"] != "node-1")


@settings(max_examples=4, deadline=None, suppress_health_check=QUIET)
@given(pods(), network_policies(), cluster_policies())
def test_the_text_and_the_packets_agree(some: list[Obj], policies: list[Obj], first: list[Obj]) -> None:
    assert disagreement(grown(some, [*policies, *first])) == []


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(pods(), network_policies(), cluster_policies())
def test_the_text_and_the_packets_agree_in_many_clusters(
    some: list[Obj], policies: list[Obj], first: list[Obj]
) -> None:
    assert disagreement(grown(some, [*policies, *first])) == []
