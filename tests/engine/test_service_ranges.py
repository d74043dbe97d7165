"""ServiceCIDRs and IPAddresses: which addresses Services get, and what happens when they run out."""

from __future__ import annotations

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused


def service(name: str, more: str = "") -> str:
    head = f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n"
    return f"{head}spec: {{selector: {{app: web}}, ports: [{{port: 80}}]{more}}}\n---\n"


RANGE = "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: more}\nspec: {cidrs: [10.200.0.0/29]}\n"


def addresses(cluster: Cluster) -> dict[str, str]:
    rows = cluster.get("ipaddresses")
    return {row["metadata"]["name"]: row["spec"]["parentRef"]["name"] for row in rows}


def test_every_address_of_a_service_is_an_object() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(service("web", ", clusterIP: 10.96.0.50") + service("headless", ", clusterIP: None"))
    assert addresses(cluster) == {"10.96.0.1": "kubernetes", "10.96.0.50": "web"}
    assert cluster.kubectl("get servicecidr").splitlines()[1].split()[:2] == ["kubernetes", "10.96.0.0/12"]
    cluster.delete("service", "web")
    assert addresses(cluster) == {"10.96.0.1": "kubernetes"}


def test_a_range_that_is_full_refuses_and_a_further_one_helps() -> None:
    cluster = Cluster(nodes=1, service_cidr="10.96.0.0/29")
    cluster.apply("".join(service(f"s{n}") for n in range(5)))
    with pytest.raises(Refused, match="failed to allocate a serviceIP: range is full"):
        cluster.apply(service("one-more"))
    cluster.apply(RANGE)
    cluster.apply(service("one-more"))
    assert cluster.get("service", "one-more")["spec"]["clusterIP"].startswith("10.200.0.")


def test_a_range_that_is_in_use_goes_when_its_last_address_is_back() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(RANGE)
    cluster.apply(service("web", ", clusterIP: 10.200.0.3"))
    cluster.kubectl("delete servicecidr more --wait=false")
    (going,) = [r for r in cluster.get("servicecidrs") if r["metadata"]["name"] == "more"]
    assert going["status"]["conditions"][0]["message"].startswith("There are still IPAddresses referencing the")
    with pytest.raises(Refused, match="is not in the valid range"):
        cluster.apply(service("late", ", clusterIP: 10.200.0.4"))
    cluster.delete("service", "web")
    assert [r["metadata"]["name"] for r in cluster.get("servicecidrs")] == ["kubernetes"]


def test_before_1_33_ranges_are_no_objects() -> None:
    assert Cluster(nodes=1, kubernetes="1.32").get("servicecidrs") == []
