"""Endpoints as a reader gets them: what the old controller writes beside the slices (pkg/controller/endpoint)."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster

WARNS = "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
PODS = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {tier: front}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]
"""


def pod(name: str, port: int = 80, **spec: Any) -> dict[str, Any]:
    probe = {"tcpSocket": {"port": 81}} if name == "slow" else {"tcpSocket": {"port": port}}
    image = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    container = {"name": "c", "image": image, "args": ["netexec", "--http-port=80"], "readinessProbe": probe}
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": 20}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"nodeName": "node-1", "containers": [container], **spec},
    }


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(nodes=1)
    cluster.apply(PODS)
    cluster.apply([pod("quick"), pod("slow"), pod("late", hostname="h", subdomain="web")])
    cluster.advance(seconds=20)
    return cluster


def test_ready_and_not_ready_stand_apart_and_the_pods_are_named(cluster: Cluster) -> None:
    found = cluster.get("endpoints", "web")
    (subset,) = found["subsets"]
    addresses = {p["metadata"]["name"]: p["status"]["podIP"] for p in cluster.get("pods")}
    assert [one["targetRef"]["name"] for one in subset["addresses"]] == ["quick", "late"]
    assert [one["ip"] for one in subset["notReadyAddresses"]] == [addresses["slow"]]
    assert subset["addresses"][1]["hostname"] == "h"
    ports = [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    assert sorted(map(str, subset["ports"])) == sorted(map(str, ports))
    labels = {"tier": "front", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    assert found["metadata"]["labels"] == labels


def test_who_is_ending_is_left_out_unless_the_service_wants_everybody(cluster: Cluster) -> None:
    cluster.kubectl("delete pod quick --wait=false")
    assert [one["targetRef"]["name"] for one in cluster.get("endpoints", "web")["subsets"][0]["addresses"]] == ["late"]
    cluster.kubectl("""patch service web -p '{"spec": {"publishNotReadyAddresses": true}}'""")
    (subset,) = cluster.get("endpoints", "web")["subsets"]
    assert len(subset["addresses"]) == 3
    assert "notReadyAddresses" not in subset


def test_they_are_no_rows_and_nothing_follows_from_them(cluster: Cluster) -> None:
    before = cluster.journal.revision
    assert cluster.kubectl("get endpoints web -o name") == f"endpoints/web\n{WARNS}\n"
    assert cluster.world.table("api", "endpoints") == {}
    assert cluster.journal.revision == before


def test_a_service_without_a_selector_has_what_a_person_wrote() -> None:
    cluster = Cluster(nodes=1)
    cluster.kubectl("create service externalname away --external-name=example.com")
    cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"ports": [{"port": 80}]}}
    )
    assert [one["metadata"]["name"] for one in cluster.get("endpoints")] == ["kubernetes"]
    subsets = [{"addresses": [{"ip": "192.168.64.200"}], "ports": [{"port": 80}]}]
    cluster.apply({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "db"}, "subsets": subsets})
    assert "db           192.168.64.200:80" in cluster.kubectl("get ep")


def test_a_headless_service_says_so() -> None:
    cluster = Cluster(nodes=1)
    cluster.kubectl("create service clusterip quiet --clusterip=None")
    assert cluster.get("endpoints", "quiet")["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert "subsets" not in cluster.get("endpoints", "quiet")


def test_more_than_a_thousand_are_cut() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(PODS)
    ends = [{"addresses": [f"10.1.{n // 250}.{n % 250 + 1}"], "conditions": {"ready": True}} for n in range(1003)]
    for number in range(2):
        labels = {"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "me"}
        metadata = {"name": f"web-{number}", "labels": labels}
        head = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": metadata,
        }
        cluster.apply({**head, "endpoints": ends[number::2], "ports": [{"port": 80}]})
    found = cluster.get("endpoints", "web")
    assert sum(len(subset["addresses"]) for subset in found["subsets"]) == 1000
    assert found["metadata"]["annotations"] == {"endpoints.kubernetes.io/over-capacity": "truncated"}
