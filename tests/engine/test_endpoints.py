"""How people name the ends of a question, and what they hear when there is no such end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.errors import Refused

from .given import SERVICE, pod, sentence


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web", "node-1", "{app: web}", more=", restartPolicy: Always"))
    cluster.apply(pod("client", "node-2"))
    cluster.apply(SERVICE.replace("targetPort: http", "targetPort: 80"))
    cluster.apply(SERVICE.replace("name: web}", "name: nobody}", 1).replace("ports:", "clusterIP: None, ports:"))
    return cluster


@pytest.mark.parametrize("destination", ["default/web", "svc:default/web", "10.244.0.2"])
def test_a_pod_is_reached_by_its_name_its_service_or_its_address(cluster: Cluster, destination: str) -> None:
    assert cluster.trace("default/client", destination).answered_by == "default/web"


@pytest.mark.parametrize("source", ["default/client", "10.244.1.2"])
def test_a_pod_sends_by_its_name_or_its_address(cluster: Cluster, source: str) -> None:
    assert cluster.trace(source, "default/web").source_seen == "10.244.1.2"


def test_a_pod_object_and_a_node_object_serve_as_endpoints(cluster: Cluster) -> None:
    trace = cluster.trace(cluster.pod("client"), cluster.node("node-1"), 22)
    assert (trace.source, trace.destination, trace.outcome) == ("default/client", "node:node-1", "connected")


@pytest.mark.parametrize("name", ["web", "web.default.svc.cluster.local", "example.com", "EXAMPLE.com."])
def test_a_name_is_unresolved_as_long_as_there_is_no_dns(cluster: Cluster, name: str) -> None:
    trace = cluster.trace("default/client", name)
    assert trace.outcome == "unresolved"
    assert [fate.outcome for fate in trace.fates()] == ["unresolved"]
    assert trace.to_dict()["outcome"] == "unresolved"


UNKNOWN = [
    ("default/client", "default/wbe", "did you mean default/web"),
    ("default/client", "node:node-3", "did you mean node:node-"),
    ("default/client", "nod:node-1", "did you mean node:node-1"),
    ("default/client", "svc:default/wb", "did you mean svc:default/web"),
    ("default/client", "svc:default/nobody", "headless"),
    ("default/client", "a b", "an endpoint is NAMESPACE/POD"),
    ("default/client", "", "is no endpoint"),
    ("svc:default/web", "default/web", "nothing can be sent from it"),
    ("example.com", "default/web", "there is no endpoint 'example.com'"),
    ("10.9.9.9", "default/web", "nothing in this cluster has the address 10.9.9.9"),
    ("prod/client", "default/web", "did you mean default/client"),
]


@pytest.mark.parametrize(("source", "destination", "why"), UNKNOWN)
def test_an_endpoint_that_does_not_exist_is_refused_with_near_matches(
    cluster: Cluster, source: str, destination: str, why: str
) -> None:
    with pytest.raises(Refused, match=why) as refused:
        cluster.trace(source, destination)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("port", [0, 65536, -1, "http", 3.5, True, None])
def test_a_port_that_is_no_number_is_refused(cluster: Cluster, port: Any) -> None:
    with pytest.raises(Refused, match="a port is a number from 1 to 65535"):
        cluster.trace("default/client", "default/web", port)


@pytest.mark.parametrize("protocol", ["icmp", "", 6, None])
def test_a_protocol_that_is_not_modelled_is_refused(cluster: Cluster, protocol: Any) -> None:
    with pytest.raises(Refused, match="protocol is TCP, UDP or SCTP"):
        cluster.trace("default/client", "default/web", 80, protocol)


def test_a_pod_that_waits_for_a_node_says_so() -> None:
    cluster = Cluster(nodes=1, network=None)
    cluster.apply(pod("web"))
    for source, destination in (("default/web", "outside"), ("node:node-1", "default/web")):
        with pytest.raises(Refused, match="0/1 nodes are available"):
            cluster.trace(source, destination)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=30),
        st.from_regex(r"(node|svc|outside|pod)?:?[a-z0-9./:-]{0,12}", fullmatch=True),
        st.integers(),
    )
)
def test_whatever_is_named_there_is_an_answer_or_one_sentence(endpoint: Any) -> None:
    cluster = Cluster(nodes=1)
    for source, destination in ((endpoint, "outside"), ("outside", endpoint)):
        assert "\n" not in sentence(lambda: cluster.trace(source, destination))  # noqa: B023  # asked at once
