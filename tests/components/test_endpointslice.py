"""Which endpoints stand in which slice, what a slice says of them, and what becomes of conversations with them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.components import DAEMON, STOPPED
from k8slearn.components.endpointslice.placing import MOST, identity, place
from k8slearn.journal import Put, Remove, drive
from k8slearn.linux import socket

ZONES = {"subnets": [{"name": z, "cidr": f"192.168.{i}.0/24", "zone": z} for i, z in enumerate("ab")]}
Obj = dict[str, Any]


def pod(name: str, node: str, more: str = "", spec: str = "") -> str:
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec:
  nodeName: {node}
  {spec}
  containers: [{{name: web, image: nginx, ports: [{{containerPort: 80}}, {{containerPort: 53, protocol: UDP}}]{more}}}]
---
"""


def service(spec: str, name: str = "web") -> str:
    ports = "[{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]"
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: {ports}, {spec}}}
---
"""


def slices(cluster: Cluster, name: str = "web") -> list[Obj]:
    label = "kubernetes.io/service-name"
    return [s for s in cluster.get("endpointslices") if s["metadata"]["labels"].get(label) == name]


def endpoints(cluster: Cluster, name: str = "web") -> dict[str, Obj]:
    return {e["targetRef"]["name"]: e for s in slices(cluster, name) for e in s["endpoints"]}


def one(n: int, ready: bool = True) -> Obj:
    return {"addresses": [f"10.0.{n // 250}.{n % 250}"], "conditions": {"ready": ready}}


def wanted(*numbers: int) -> dict[Any, Obj]:
    return {identity(one(n)): one(n) for n in numbers}


# --- placing ---------------------------------------------------------------------------------------


def test_a_slice_that_nothing_happens_to_is_not_written() -> None:
    old = {"a": [one(n) for n in range(60)], "b": [one(n) for n in range(60, 100)]}
    placing = place(old, wanted(*range(100)))
    assert (placing.kept, placing.gone, placing.fresh) == (old, [], [])


def test_newcomers_go_where_something_is_written_anyway() -> None:
    old = {"a": [one(n) for n in range(60)], "b": [one(n) for n in range(60, 100)]}
    placing = place(old, wanted(*range(1, 105)))
    assert len(placing.kept["a"]) == 59 + 5
    assert placing.kept["b"] == old["b"]


def test_otherwise_they_go_into_the_one_slice_that_they_fill_best_or_into_a_new_one() -> None:
    old = {"a": [one(n) for n in range(60)], "b": [one(n) for n in range(100, 140)]}
    stay = (*range(60), *range(100, 140))
    assert len(place(old, wanted(*stay, *range(200, 230))).kept["a"]) == 90
    assert len(place(old, wanted(*stay, *range(200, 250))).kept["b"]) == 90
    several = place(old, wanted(*stay, *range(200, 265)))
    assert (several.kept, [len(new) for new in several.fresh]) == (old, [65])


@given(
    st.lists(st.sets(st.integers(0, 400), max_size=MOST), max_size=6),
    st.sets(st.integers(0, 400), max_size=400),
)
def test_every_endpoint_stands_in_exactly_one_slice_of_at_most_a_hundred(old: list[set[int]], now: set[int]) -> None:
    before = {str(i): [one(n) for n in sorted(numbers)] for i, numbers in enumerate(old)}
    placing = place(before, wanted(*sorted(now)))
    there = [*placing.kept.values(), *placing.fresh]
    assert all(0 < len(endpoints) <= MOST for endpoints in there)
    assert sorted(identity(e) for endpoints in there for e in endpoints) == sorted(wanted(*now))
    assert {*placing.kept} | {*placing.gone} == {*before}


# --- what a slice says -----------------------------------------------------------------------------


def test_a_service_whose_ports_change_keeps_its_slice() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(service("selector: {app: web}"))
    (empty,) = slices(cluster)
    cluster.apply(pod("a", "node-1"))
    (filled,) = slices(cluster)
    assert filled["metadata"]["name"] == empty["metadata"]["name"]
    assert (empty["metadata"]["generation"], filled["metadata"]["generation"] > 1) == (1, True)
    cluster.delete("pod", "a")
    assert [(s["metadata"]["name"], s["endpoints"], s["ports"]) for s in slices(cluster)] == [
        (empty["metadata"]["name"], [], [])
    ]


def test_a_terminating_pod_serves_on_but_is_ready_no_more() -> None:
    cluster = Cluster(nodes=1)
    hook = ", lifecycle: {preStop: {sleep: {seconds: 20}}}"
    cluster.apply(service("selector: {app: web}") + pod("a", "node-1", hook) + pod("b", "node-1"))
    cluster.kubectl("delete pod a --wait=false")
    assert endpoints(cluster)["a"]["conditions"] == {"ready": False, "serving": True, "terminating": True}
    assert {f.answered_by for f in cluster.trace("node:node-1", "svc:default/web").fates()} == {"default/b"}
    cluster.kubectl("delete pod b --wait=false")
    assert cluster.trace("node:node-1", "svc:default/web").answered_by == "default/a", "better than nobody (KEP-1669)"


def test_whoever_wants_peers_that_are_not_ready_gets_them_as_ready() -> None:
    probe = ", readinessProbe: {httpGet: {path: /, port: 81}, periodSeconds: 1, failureThreshold: 1}"
    cluster = Cluster(nodes=1)
    cluster.apply(pod("a", "node-1", probe))
    cluster.apply(
        service("selector: {app: web}") + service("selector: {app: web}, publishNotReadyAddresses: true", "peers")
    )
    cluster.advance(5)
    assert endpoints(cluster)["a"]["conditions"] == {"ready": False, "serving": False, "terminating": False}
    assert endpoints(cluster, "peers")["a"]["conditions"] == {"ready": True, "serving": False, "terminating": False}
    assert cluster.trace("node:node-1", "svc:default/web").outcome == "refused"
    assert cluster.trace("node:node-1", "svc:default/peers").answered_by == "default/a"


def zoned(distribution: str, kubernetes: str = "1.37") -> Cluster:
    cluster = Cluster(nodes=2, kubernetes=kubernetes)
    for node, zone in (("node-1", "a"), ("node-2", "b")):
        cluster.kubectl(f"label node {node} topology.kubernetes.io/zone={zone}")
    cluster.apply(pod("near", "node-1") + pod("far", "node-2"))
    cluster.apply(service(f"selector: {{app: web}}, trafficDistribution: {distribution}"))
    return cluster


def test_traffic_that_prefers_its_zone_stays_there() -> None:
    for word in ("PreferClose", "PreferSameZone"):
        cluster = zoned(word)
        assert endpoints(cluster)["near"]["zone"] == "a"
        assert endpoints(cluster)["near"]["hints"] == {"forZones": [{"name": "a"}]}
        for node, who in (("node-1", "near"), ("node-2", "far")):
            fates = cluster.trace(f"node:{node}", "svc:default/web").fates()
            assert [(f.probability, f.answered_by) for f in fates] == [(1, f"default/{who}")]


def test_hints_are_ignored_where_nobody_is_in_the_zone() -> None:
    cluster = zoned("PreferSameZone")
    cluster.kubectl("label node node-1 topology.kubernetes.io/zone=c --overwrite")
    assert {f.answered_by for f in cluster.trace("node:node-1", "svc:default/web").fates()} == {
        "default/near",
        "default/far",
    }


def test_traffic_that_prefers_its_node_falls_back_to_its_zone() -> None:
    cluster = zoned("PreferSameNode")
    assert endpoints(cluster)["near"]["hints"] == {"forNodes": [{"name": "node-1"}], "forZones": [{"name": "a"}]}
    cluster.kubectl("label node node-2 topology.kubernetes.io/zone=a --overwrite")
    cluster.apply(pod("near-too", "node-1"))
    assert {f.answered_by for f in cluster.trace("node:node-1", "svc:default/web").fates()} == {
        "default/near",
        "default/near-too",
    }
    cluster.delete("pod", "near")
    cluster.delete("pod", "near-too")
    assert {f.answered_by for f in cluster.trace("node:node-1", "svc:default/web").fates()} == {"default/far"}


def test_a_cluster_that_is_too_old_knows_no_hints_for_nodes() -> None:
    assert "hints" not in endpoints(zoned("PreferSameNode", "1.33"))["near"]
    assert "hints" in endpoints(zoned("PreferClose", "1.33"))["near"]
    assert "hints" not in endpoints(zoned("PreferClose", "1.30"))["near"]


# --- Services without a selector -------------------------------------------------------------------

OUTSIDE = """
apiVersion: v1
kind: Endpoints
metadata: {name: web, labels: {team: blue}}
subsets:
- addresses: [{ip: 203.0.113.1}]
  notReadyAddresses: [{ip: 203.0.113.9}]
  ports: [{name: http, port: 80}]
---
"""


def test_endpoints_that_a_person_wrote_are_mirrored_into_slices() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(service("type: ClusterIP") + OUTSIDE)
    (piece,) = slices(cluster)
    assert piece["metadata"]["labels"] == {
        "team": "blue",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert [(e["addresses"], e["conditions"]) for e in piece["endpoints"]] == [
        (["203.0.113.1"], {"ready": True}),
        (["203.0.113.9"], {"ready": False}),
    ]
    assert "203.0.113.1:80" in cluster.node("node-1").run("iptables-save -t nat").stdout
    cluster.apply(OUTSIDE.replace("203.0.113.1}", "203.0.113.2}"))
    assert [s["metadata"]["name"] for s in slices(cluster)] == [piece["metadata"]["name"]]
    cluster.kubectl("label endpoints web endpointslice.kubernetes.io/skip-mirror=true")
    assert slices(cluster) == []


def test_endpoints_of_a_service_with_a_selector_are_not_mirrored() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(service("selector: {app: web}") + OUTSIDE)
    assert [s["endpoints"] for s in slices(cluster)] == [[]]


def test_slices_written_by_hand_are_left_alone() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(service("type: ClusterIP"))
    assert slices(cluster) == []
    assert cluster.trace("node:node-1", "svc:default/web").outcome == "refused"


# --- conversations ---------------------------------------------------------------------------------


def ask(cluster: Cluster, sport: int = 40000) -> str | None:
    address = cluster.get("service", "web")["spec"]["clusterIP"]
    return drive(
        socket.connect(cluster.world, "node:node-1", address, 53, "udp", sport=sport), cluster.world.apply
    ).ending.answered_by


def talking() -> Cluster:
    cluster = Cluster(nodes=2)
    cluster.apply(service("selector: {app: web}") + pod("a", "node-2"))
    assert ask(cluster) == "default/a"
    return cluster


def test_kube_proxy_forgets_udp_conversations_with_endpoints_that_are_gone() -> None:
    cluster = talking()
    cluster.apply(pod("b", "node-2"))
    cluster.delete("pod", "a")
    assert ask(cluster) == "default/b"


def test_without_it_a_client_that_keeps_its_port_talks_to_nobody() -> None:
    cluster = talking()
    cluster.apply(pod("b", "node-2"))
    cluster.world.apply(Put(("node:node-1", DAEMON, "kube-proxy"), STOPPED))
    cluster.delete("pod", "a")
    assert ask(cluster) is None
    cluster.world.apply(Remove(("node:node-1", DAEMON, "kube-proxy")))
    cluster.kubectl("label service web a=b")
    assert ask(cluster) == "default/b"


def test_a_conversation_with_an_endpoint_that_is_terminating_goes_on() -> None:
    cluster = Cluster(nodes=2)
    hook = ", lifecycle: {preStop: {sleep: {seconds: 20}}}"
    cluster.apply(service("selector: {app: web}") + pod("a", "node-2", hook))
    assert ask(cluster) == "default/a"
    cluster.apply(pod("b", "node-2"))
    cluster.kubectl("delete pod a --wait=false")
    assert ask(cluster) == "default/a"
    assert ask(cluster, sport=40001) == "default/b"


def test_a_service_that_gets_its_first_endpoint_is_heard_by_who_asked_before() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(service("selector: {app: web}"))
    address = cluster.get("service", "web")["spec"]["clusterIP"]
    cluster.node("node-1").run("iptables -F KUBE-SERVICES")
    assert ask(cluster) is None
    assert f"dst={address}" in cluster.node("node-1").run("conntrack -L -p udp").stdout
    cluster.apply(pod("a", "node-2"))
    assert ask(cluster) == "default/a"
