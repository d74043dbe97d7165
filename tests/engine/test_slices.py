"""EndpointSlices: who stands behind a Service, and since when."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster

from .given import DEPLOYMENT, SERVICE, names, pod


def _slices(cluster: Cluster, service: str = "web") -> list[dict[str, Any]]:
    rows = cluster.get("endpointslices", namespace=None)
    return [row for row in rows if row["metadata"]["labels"].get("kubernetes.io/service-name") == service]


def _listed(cluster: Cluster, service: str = "web") -> list[str]:
    return sorted(e["targetRef"]["name"] for row in _slices(cluster, service) for e in row["endpoints"])


def test_the_service_of_the_api_server_leads_to_the_first_node() -> None:
    cluster = Cluster(nodes=2)
    (row,) = _slices(cluster, "kubernetes")
    assert row["metadata"]["name"] == "kubernetes"
    assert row["endpoints"] == [{"addresses": ["192.168.64.11"], "conditions": {"ready": True}}]
    assert cluster.get("service", "kubernetes")["spec"]["clusterIP"] == "10.96.0.1"
    cluster.apply(pod("a", "node-2"))
    assert cluster.trace("default/a", "svc:default/kubernetes", 443).answered_by == "node:node-1"


def test_a_service_lists_the_pods_that_its_selector_picks() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT + "---" + SERVICE + "---\n" + pod("other", labels="{app: other}"))
    (row,) = _slices(cluster)
    pods = {p["metadata"]["name"]: p for p in cluster.get("pods")}
    assert _listed(cluster) == sorted(name for name in pods if name != "other")
    assert row["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
    assert row["addressType"] == "IPv4"
    assert row["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    for endpoint in row["endpoints"]:
        listed = pods[endpoint["targetRef"]["name"]]
        assert endpoint["addresses"] == [listed["status"]["podIP"]]
        assert endpoint["nodeName"] == listed["spec"]["nodeName"]
        assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}


def test_a_service_that_nobody_stands_behind_has_an_empty_slice_and_refuses() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(SERVICE)
    assert [row["endpoints"] for row in _slices(cluster)] == [[]]
    assert cluster.trace("node:node-1", "svc:default/web").outcome == "refused"


def test_relabelling_a_pod_moves_it_out_of_one_service_and_into_another() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(SERVICE.replace("http", "80") + "---" + SERVICE.replace("web", "api").replace("http", "80"))
    cluster.apply(pod("a", labels="{app: web}"))
    assert (_listed(cluster), _listed(cluster, "api")) == (["a"], [])
    cluster.apply(pod("a", labels="{app: api}"))
    assert (_listed(cluster), _listed(cluster, "api")) == ([], ["a"])


def test_a_named_target_port_is_looked_up_in_each_pod() -> None:
    cluster = Cluster(nodes=1)
    for name, port in (("a", 80), ("b", 8080)):
        manifest = pod(name, labels="{app: web}")
        cluster.apply(manifest.replace("image: nginx", f"image: app, ports: [{{name: http, containerPort: {port}}}]"))
    cluster.apply(pod("nameless", labels="{app: web}") + "---" + SERVICE)
    found = {
        e["targetRef"]["name"]: [p["port"] for p in row["ports"]] for row in _slices(cluster) for e in row["endpoints"]
    }
    assert found == {"a": [80], "b": [8080], "nameless": []}


def test_at_most_a_hundred_endpoints_stand_in_one_slice() -> None:
    cluster = Cluster(nodes=3)
    cluster.apply(DEPLOYMENT.replace("replicas: 3", "replicas: 130") + "---" + SERVICE)
    assert sorted(len(row["endpoints"]) for row in _slices(cluster)) == [30, 100]
    cluster.apply(DEPLOYMENT.replace("replicas: 3", "replicas: 5"))
    assert _listed(cluster) == names(cluster)


def test_a_headless_service_has_slices_too_and_says_that_it_is_headless() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(DEPLOYMENT + "---" + SERVICE.replace("ports:", "clusterIP: None, ports:"))
    (row,) = _slices(cluster)
    assert row["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert len(row["endpoints"]) == 3


def test_slices_go_with_their_service() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(DEPLOYMENT + "---" + SERVICE)
    cluster.delete("service", "web")
    assert _slices(cluster) == []


def test_a_service_without_a_selector_is_left_to_whoever_made_it() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply("apiVersion: v1\nkind: Service\nmetadata: {name: own}\nspec: {ports: [{port: 80}]}\n")
    assert _slices(cluster, "own") == []


@pytest.mark.parametrize("network", ["bridge", "kubenet"])
def test_the_service_answers_from_wherever_its_pods_are(network: str) -> None:
    cluster = Cluster(nodes=2, network=network)
    cluster.apply(DEPLOYMENT + "---" + SERVICE)
    pods = [f"default/{name}" for name in names(cluster)]
    for source in ("node:node-1", "node:node-2", *pods):
        fates = cluster.trace(source, "svc:default/web").fates()
        reached = {fate.answered_by for fate in fates if fate.outcome == "connected"}
        # kubenet's promiscuous bridge does not bring a pod's packet back to itself (truth/flows: promiscuous-bridge)
        assert reached == set(pods) - ({source} if network == "kubenet" else set())
        assert {fate.outcome for fate in fates} == {"connected"} | (
            {"timeout"} if network == "kubenet" and source in pods else set()
        )


STEPS = st.lists(
    st.tuples(st.sampled_from(["apply", "delete"]), st.sampled_from("abcd"), st.sampled_from(["web", "api"])),
    max_size=8,
)


@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_whatever_comes_and_goes_the_slices_list_exactly_the_pods_that_match(steps: list[tuple[str, str, str]]) -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(SERVICE.replace("http", "80"))
    there: dict[str, str] = {}
    for what, name, label in steps:
        if what == "apply":
            cluster.apply(pod(name, labels=f"{{app: {label}}}"))
            there[name] = label
        elif name in there:
            cluster.delete("pod", name)
            del there[name]
        assert _listed(cluster) == sorted(name for name, label in there.items() if label == "web")
