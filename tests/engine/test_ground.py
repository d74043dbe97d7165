"""The network underneath the cluster: switch, router, nodes, the world outside."""

from __future__ import annotations

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(nodes=2, network=None)


def test_nodes_reach_each_other_over_the_switch(cluster: Cluster) -> None:
    trace = cluster.trace("node:node-1", "node:node-2", 22)
    assert (trace.outcome, trace.answered_by, trace.source_seen) == ("connected", "node:node-2", "192.168.64.11")
    assert "router" not in {step.where for step in trace.steps}


def test_node_n_has_the_address_10_plus_n() -> None:
    cluster = Cluster(nodes=12, node_cidr="10.20.0.0/22")
    assert cluster.trace("node:node-1", "10.20.0.22", 10250).answered_by == "node:node-12"


def test_the_outside_answers_over_the_router_which_translates_nothing(cluster: Cluster) -> None:
    trace = cluster.trace("node:node-1", "outside")
    assert (trace.outcome, trace.answered_by) == ("connected", "outside:203.0.113.7")
    assert trace.source_seen == "192.168.64.11"
    assert "router" in {step.where for step in trace.steps}


def test_the_outside_reaches_a_node(cluster: Cluster) -> None:
    trace = cluster.trace("outside", "node:node-1", 6443)
    assert (trace.outcome, trace.source_seen) == ("connected", "203.0.113.7")


def test_the_router_answers_unreachable_for_what_it_does_not_know(cluster: Cluster) -> None:
    assert cluster.trace("node:node-1", "8.8.8.8").outcome == "unreachable"
    assert cluster.trace("outside", "10.244.0.5").outcome == "unreachable"


def test_a_host_of_the_node_network_is_another_machine_on_the_switch(cluster: Cluster) -> None:
    trace = cluster.trace("node:node-2", "outside:192.168.64.200", 443)
    assert (trace.outcome, trace.source_seen) == ("connected", "192.168.64.12")
    assert "router" not in {step.where for step in trace.steps}
    assert cluster.trace("outside:192.168.64.200", "outside").outcome == "connected"


def test_naming_an_outside_host_is_enough_for_it_to_be_there_and_asking_leaves_none(cluster: Cluster) -> None:
    before = cluster.journal.revision
    assert cluster.trace("outside:198.51.100.1", "outside:198.51.100.2").outcome == "connected"
    assert cluster.journal.revision == before
    cluster.send("outside:198.51.100.1", "outside:198.51.100.2")
    assert "outside:198.51.100.2" in cluster.world.scopes("netns")


def test_a_pod_range_is_unknown_to_the_world_outside(cluster: Cluster) -> None:
    assert cluster.outside().run("ip route").stdout.strip() == "default via 203.0.113.1 dev eth0 proto static onlink"


def test_only_the_control_plane_has_an_api_server(cluster: Cluster) -> None:
    assert cluster.trace("node:node-2", "node:node-1", 6443).outcome == "connected"
    assert cluster.trace("node:node-1", "node:node-2", 6443).outcome == "refused"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("300.1.1.1", "not an IPv4 address"),
        ("", "not an IPv4 address"),
        ("10.244.3.3", "pod network"),
        ("10.96.0.1", "service network"),
        ("192.168.64.1", "the router"),
        ("192.168.64.11", "node node-1"),
        ("203.0.113.1", "the router"),
        ("192.168.64.255", "not an address that a host can have"),
        ("127.0.0.1", "not an address that a host can have"),
        ("0.0.0.0", "not an address that a host can have"),
    ],
)
def test_an_outside_host_cannot_have_just_any_address(cluster: Cluster, address: str, why: str) -> None:
    for attempt in (lambda: cluster.outside(address), lambda: cluster.trace(f"outside:{address}", "outside")):
        with pytest.raises(Refused, match=why):
            attempt()


def test_the_same_machine_is_not_plugged_in_twice(cluster: Cluster) -> None:
    cluster.outside("198.51.100.1")
    before = cluster.journal.revision
    cluster.outside("198.51.100.1")
    assert cluster.journal.revision == before
