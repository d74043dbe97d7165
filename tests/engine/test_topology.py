"""Networks under a cluster that are more than one switch and one router."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.errors import Refused
from k8slearn.widgets.layout import sheet
from k8slearn.widgets.scene import scene

from .given import pod, sentence

TWO = {"a": {"cidr": "192.168.64.0/25", "zone": "zone-a"}, "b": {"cidr": "192.168.64.128/25", "zone": "zone-b"}}
FULL = """
subnets:
  a: {cidr: 192.168.64.0/25, zone: zone-a, nodes: [node-1, node-3]}
  b: {cidr: 192.168.64.128/25, zone: zone-b, nodes: [node-2]}
routers: {r2: [192.168.64.2, 192.168.64.130]}
peers: {office: 172.20.0.0/24}
machines:
  db: {address: 192.168.64.200, ports: [5432, 53/udp]}
  mail: 172.20.0.25
commands:
  router: [iptables -A FORWARD -d 192.168.64.200/32 -p tcp -m tcp --dport 5432 -j DROP]
  node-3: [ip route replace default via 192.168.64.2]
"""


def _with_pods(network: str = "kubenet", topology: Any = FULL) -> Cluster:
    cluster = Cluster(nodes=3, network=network, topology=topology)
    for name, node in (("a", "node-1"), ("b", "node-2"), ("c", "node-3")):
        cluster.apply(pod(name, node))
    return cluster


def _places(cluster: Cluster, source: str, destination: str, port: int = 80) -> list[str]:
    """Where the first packet of a conversation was."""
    trace = cluster.trace(source, destination, port)
    return list(dict.fromkeys(step.where for step in trace.legs[0].steps if step.before.proto != "arp"))


def test_without_a_topology_the_ground_is_one_switch_and_one_router() -> None:
    plain, empty = Cluster(nodes=2), Cluster(nodes=2, topology={})
    assert plain.settings == empty.settings
    assert [s for s in plain.world.scopes("netns") if "/" not in s] == [
        "node:node-1", "node:node-2", "outside:203.0.113.7", "router", "switch",
    ]  # fmt: skip


def test_node_n_has_the_address_10_plus_n_of_its_own_subnet_and_its_zone_as_a_label() -> None:
    cluster = Cluster(nodes=3, topology=FULL)
    assert dict(cluster.settings.nodes) == {
        "node-1": "192.168.64.11", "node-2": "192.168.64.140", "node-3": "192.168.64.13",
    }  # fmt: skip
    zones = [n["metadata"]["labels"]["topology.kubernetes.io/zone"] for n in cluster.get("nodes")]
    assert zones == ["zone-a", "zone-b", "zone-a"]


def test_nodes_that_no_list_names_are_dealt_out_in_turn() -> None:
    cluster = Cluster(nodes=4, topology={"subnets": TWO})
    assert [cluster.settings.subnet_of(a).name for _, a in cluster.settings.nodes] == ["a", "b", "a", "b"]


def test_nodes_of_one_subnet_meet_on_its_switch_and_others_meet_over_the_router() -> None:
    cluster = Cluster(nodes=4, network=None, topology={"subnets": TWO})
    assert _places(cluster, "node:node-1", "node:node-3", 22) == ["node:node-1", "switch:a", "node:node-3"]
    assert _places(cluster, "node:node-1", "node:node-2", 22) == [
        "node:node-1", "switch:a", "router", "switch:b", "node:node-2",
    ]  # fmt: skip


def test_cloud_routes_join_pods_across_subnets_and_every_law_holds() -> None:
    cluster = _with_pods()
    assert all(law.holds for law in cluster.laws())
    assert "10.244.1.0/24 via 192.168.64.140 dev eth1 proto static" in cluster.router().run("ip route").stdout


def test_a_route_by_a_node_of_another_subnet_is_refused_and_the_law_names_the_router_that_does_not_know() -> None:
    cluster = _with_pods("bridge", {"subnets": TWO})
    assert cluster.trace("default/a", "default/c").outcome == "connected", "node-1 and node-3 share a segment"
    trace = cluster.trace("default/a", "default/b")
    assert trace.outcome == "timeout"
    said = trace.explain()
    assert "Nexthop has invalid gateway" in said
    assert "192.168.64.140 is in another subnet than node-1" in said
    assert "on router: `ip route add 10.244.1.0/24 via 192.168.64.140 dev eth1`" in said
    (broken,) = [law for law in cluster.laws() if not law.holds]
    assert broken.witness is not None
    assert (broken.name, broken.witness.where) == ("pod-to-pod", "router")


def test_host_routes_of_an_agent_end_at_the_subnet_too_and_it_is_told_why() -> None:
    said = _with_pods("flannel-host-gw", {"subnets": TWO}).trace("default/a", "default/b").explain()
    assert "node-2, whose pod range 10.244.1.2 is in, is in another subnet than node-1" in said


def test_the_router_that_is_told_of_the_pods_joins_them_under_bridge_too() -> None:
    routes = [f"ip route add 10.244.{n}.0/24 via 192.168.64.{a}" for n, a in enumerate((11, 140, 13))]
    cluster = _with_pods("bridge", {"subnets": TWO, "commands": {"router": routes}})
    assert all(law.holds for law in cluster.laws())
    assert (
        "10.244.1.0/24 via 192.168.64.140 dev eth1 (written by ip" in cluster.trace("default/a", "default/b").explain()
    )


def test_a_firewall_between_subnets_is_named_with_its_rule() -> None:
    cluster = _with_pods()
    trace = cluster.trace("default/a", "outside:db", 5432)
    assert trace.outcome == "timeout"
    rule = "-A FORWARD -d 192.168.64.200/32 -p tcp -m tcp --dport 5432 -j DROP"
    assert f"What decided: {rule} (written by iptables because of the cluster's installation" in trace.explain()
    assert cluster.trace("default/b", "outside:db", 5432).outcome == "connected", "node-2 is in the database's subnet"


def test_a_database_sees_the_address_that_the_wiring_shows_it() -> None:
    machines = {"db": {"address": "192.168.64.200", "ports": [5432]}}
    seen = {}
    for network, node_cidr in (
        ("kubenet", "192.168.64.0/24"),
        ("bridge", "192.168.64.0/24"),
        ("kubenet", "10.5.0.0/24"),
    ):
        address = "10.5.0.200" if node_cidr.startswith("10") else "192.168.64.200"
        topology = {"machines": {"db": {**machines["db"], "address": address}}}
        cluster = Cluster(nodes=1, network=network, node_cidr=node_cidr, topology=topology)
        cluster.apply(pod("a", "node-1"))
        seen[network, node_cidr] = cluster.trace("default/a", "outside:db", 5432).source_seen
        assert cluster.trace("default/a", f"outside:{address}", 5432).answered_by == f"outside:{address}"
    assert seen["bridge", "192.168.64.0/24"] == "192.168.64.11", "bridge masquerades whatever leaves the cluster"
    assert seen["kubenet", "192.168.64.0/24"] == "192.168.64.11"
    assert seen["kubenet", "10.5.0.0/24"] == "10.244.0.2", "kubenet leaves all of 10.0.0.0/8 untranslated"


def test_a_peer_knows_the_node_network_and_no_pod() -> None:
    cluster = _with_pods()
    assert cluster.trace("node:node-2", "outside:mail").source_seen == "192.168.64.140"
    assert cluster.trace("outside:mail", "node:node-1", 22).outcome == "connected"
    assert cluster.trace("outside:mail", "default/a").outcome == "unreachable"
    assert cluster.trace("outside:mail", "outside").outcome == "unreachable", "peering is not transitive"
    assert (
        cluster.router("office").run("ip route").stdout.splitlines()[2].startswith("192.168.64.0/24 via 169.254.64.1")
    )


def test_an_asymmetric_way_works_until_a_firewall_wants_to_see_both_halves() -> None:
    cluster = Cluster(nodes=3, network=None, topology=FULL)
    assert _places(cluster, "node:node-3", "node:node-2", 22)[2:] == ["router:r2", "switch:b", "node:node-2"]
    assert "router" in _places(cluster, "node:node-2", "node:node-3", 22)
    assert cluster.trace("node:node-3", "node:node-2", 22).outcome == "connected"
    cluster.router().run("iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP")
    trace = cluster.trace("node:node-3", "node:node-2", 22)
    assert trace.outcome == "timeout"
    assert "--ctstate INVALID" in trace.explain(), "the router never saw the SYN that this SYN-ACK answers"


def test_a_strict_reverse_path_filter_drops_what_comes_by_another_way_than_the_answer_would_go() -> None:
    cluster = Cluster(nodes=3, network=None, topology=FULL)
    cluster.router("r2").run("ip route replace default via 192.168.64.129")
    assert cluster.trace("node:node-3", "outside").outcome == "connected"
    cluster.router().run("sysctl -w net.ipv4.conf.all.rp_filter=1")
    trace = cluster.trace("node:node-3", "outside")
    assert trace.outcome == "timeout"
    last = trace.legs[0].steps[-1]
    assert (last.where, last.dev, last.reason) == ("router", "eth1", "IP_RPFILTER")


def test_another_machine_can_be_plugged_into_any_subnet_and_into_a_peers_network() -> None:
    cluster = Cluster(nodes=2, network=None, topology={"subnets": TWO, "peers": {"office": "172.20.0.0/24"}})
    assert _places(cluster, "node:node-2", "outside:192.168.64.201") == [
        "node:node-2", "switch:b", "outside:192.168.64.201",
    ]  # fmt: skip
    assert "switch:office" in _places(cluster, "node:node-2", "outside:172.20.0.7")


def test_a_cluster_on_a_topology_is_saved_loaded_and_compared(tmp_path: Path) -> None:
    cluster = _with_pods()
    cluster.save(tmp_path / "c.jsonl")
    loaded = Cluster.load(tmp_path / "c.jsonl")
    assert loaded.settings == cluster.settings
    assert loaded.trace("default/a", "default/b").to_dict() == cluster.trace("default/a", "default/b").to_dict()
    found = cluster.compare(["kubenet", "bridge"], "default/a", "default/b")
    assert [trace.outcome for trace in found.traces.values()] == ["connected", "timeout"]
    assert found.clusters["kubenet"].settings == cluster.settings


def test_a_file_from_before_topologies_is_read(tmp_path: Path) -> None:
    Cluster(nodes=2).save(tmp_path / "c.jsonl")
    header = json.loads((tmp_path / "c.jsonl").read_text())
    del header["settings"]["topology"]
    (tmp_path / "c.jsonl").write_text(json.dumps(header) + "\n")
    assert Cluster.load(tmp_path / "c.jsonl").settings == Cluster(nodes=2).settings
    header["settings"]["topology"] = {"subnets": [5]}
    (tmp_path / "c.jsonl").write_text(json.dumps(header) + "\n")
    with pytest.raises(Refused, match="network under the cluster"):
        Cluster.load(tmp_path / "c.jsonl")


def test_overlapping_ranges_are_refused_and_on_request_a_fault_that_a_trace_shows() -> None:
    office = {"peers": {"office": "10.244.1.0/24"}, "machines": {"ledger": "10.244.1.25"}}
    with pytest.raises(Refused, match=r"peer 'office' 10\.244\.1\.0/24 overlaps pod_cidr"):
        Cluster(nodes=2, topology=office)
    cluster = Cluster(nodes=2, topology={**office, "allow_overlap": True})
    cluster.apply(pod("a", "node-1"))
    cluster.apply(pod("b", "node-2"))
    trace = cluster.trace("default/a", "outside:ledger")
    assert trace.outcome == "unreachable"
    assert _places(cluster, "default/a", "outside:ledger")[-1] == "node:node-2", "node-1 knows a pod range there"
    assert "The ranges overlap: 10.244.1.25 lies in the pod network" in trace.explain()
    assert cluster.trace("outside:ledger", "node:node-1", 22).outcome == "timeout", "the answer goes to node-2"


def test_a_node_network_inside_the_pod_network_sends_packets_by_the_node_whose_pods_it_could_be() -> None:
    cluster = Cluster(nodes=3, node_cidr="10.244.1.0/24", topology={"allow_overlap": True})
    cluster.apply(pod("a", "node-1"))
    cluster.apply(pod("b", "node-2"))
    assert "node:node-2" in _places(cluster, "node:node-1", "node:node-3", 22)
    trace = cluster.trace("default/a", "default/b")
    assert trace.outcome == "unreachable"
    assert "nobody on eth0 has 10.244.1.2" in trace.explain(), "node-2 has two links to 10.244.1.0/24: eth0 was first"


REFUSED: list[tuple[Any, str]] = [
    (5, "topology is a dict"),
    ("a: [", "error parsing the text"),
    ("- a", "topology is a dict"),
    ({"subnet": {}}, "has no 'subnet'"),
    ({"subnets": []}, "is a mapping from names"),
    ({"subnets": {"a": 5}}, "subnet 'a' is its CIDR"),
    ({"subnets": {"a": {"cidr": "192.168.64.0/25", "gateway": "x"}}}, "subnet 'a' is its CIDR"),
    ({"subnets": {"A": "192.168.64.0/25"}}, "'A' is no name"),
    ({"subnets": {"a": "192.168.64.1/25"}}, "host bits"),
    ({"subnets": {"a": "192.168.65.0/25"}}, "no piece of node_cidr"),
    ({"subnets": {"a": "192.168.64.0/29"}}, "too small"),
    ({"subnets": {"a": "192.168.64.0/25", "b": "192.168.64.64/26"}}, "overlaps subnet 'b'"),
    ({"subnets": {"a": {"cidr": "192.168.64.0/25", "zone": "x y"}}}, "no label value"),
    ({"subnets": {"a": {"cidr": "192.168.64.0/25", "nodes": ["x"]}}}, "none of that name"),
    ({"subnets": {"a": {"cidr": "192.168.64.0/25", "nodes": ["node-1"]}}}, "in none of the subnets' lists"),
    ({"subnets": {"a": {"cidr": "192.168.64.0/25", "nodes": 5}}}, "is a list of names"),
    ({"subnets": {"a": {**TWO["a"], "nodes": ["node-1"]}, "b": {**TWO["b"], "nodes": ["node-1"]}}}, "in two subnets"),
    ({"routers": {"r": "192.168.64.2"}}, "a list of addresses"),
    ({"routers": {"r": ["10.0.0.1"]}}, "lies in none of"),
    ({"routers": {"r": ["192.168.64.1"]}}, "that is the router"),
    ({"routers": {"r": ["192.168.64.2", "192.168.64.3"]}}, "two addresses in one subnet"),
    ({"routers": {"router": ["192.168.64.2"]}}, "no name for a router"),
    ({"peers": {"p": "192.168.64.0/25"}}, "overlaps node_cidr"),
    ({"peers": {"p": "10.96.4.0/24"}}, "overlaps service_cidr"),
    ({"peers": {"p": "172.20.0.0/24", "q": "172.20.0.0/25"}}, "overlaps peer 'p'"),
    ({"peers": {"p": "172.20.0.0/30"}}, "too small"),
    ({"peers": {"p": "169.254.64.0/24"}}, "the routers' own cables"),
    ({"machines": {"db": 5}}, "is its address"),
    ({"machines": {"db": "192.168.64.11"}}, "that is node 'node-1'"),
    ({"machines": {"db": "192.168.64.255"}}, "an end of 192.168.64.0/24"),
    ({"machines": {"db": "10.244.0.7"}}, "lies in pod_cidr"),
    ({"machines": {"db": "224.0.0.1"}}, "not an address that a host can have"),
    ({"machines": {"db": {"address": "192.168.64.50", "ports": [0]}}}, "a port is written"),
    ({"machines": {"node-1": "192.168.64.50"}}, "two machines are called 'node-1'"),
    ({"commands": {"db": ["ip route"]}}, "there is only router, node-1, node-2"),
    ({"commands": {"router": [5]}}, "are command lines"),
    ({"commands": {"router": ["ip route add 10.0.0.0/8 via 9.9.9.9"]}}, "Nexthop has invalid gateway"),
    ({"commands": {"router": ["iptables -A FORWARD -j NOPE"]}}, "NOPE"),
    ({"allow_overlap": 1}, "true or false"),
]


def test_pictures_show_every_segment_and_every_router() -> None:
    cluster = _with_pods()
    graph, text = cluster.graph(), cluster.text()
    for scope in ("switch:a", "switch:b", "switch:office", "router", "router:r2", "router:office"):
        assert (scope, "netns", "") in graph
        assert (scope.replace(":", "-") if "switch" in scope else scope.rpartition(":")[2]) in text
    assert ("router", "link", "eth1") in graph[("switch:b", "link", "router")]
    assert "on 3 switches with routers between them" in text
    assert "outside:db  eth0 192.168.64.200/25" in text
    drawn = sheet(scene(cluster.world))
    for (scope, name), (x, y) in drawn.ports.items():
        assert 0 <= x <= drawn.width, (scope, name)
        assert 0 <= y <= drawn.height, (scope, name)
    boxes = {thing.name: thing for thing in drawn.things}
    assert {"switch:a", "switch:b", "switch:office", "router", "router:r2", "outside:172.20.0.25"} <= set(boxes)
    cables = {frozenset((a[0], b[0])) for a, b in drawn.wires}
    assert {frozenset(("router", "router:office")), frozenset(("switch:b", "router:r2"))} <= cables
    assert cluster.trace("default/a", "outside:mail").svg().startswith("<svg")


@pytest.mark.parametrize("nodes", [1, 4])
@pytest.mark.parametrize("routers", [0, 4])
def test_a_picture_has_room_for_any_number_of_boxes(nodes: int, routers: int) -> None:
    topology = {
        "subnets": TWO,
        "routers": {f"r{n}": [f"192.168.64.{2 + n}", f"192.168.64.{130 + n}"] for n in range(routers)},
        "peers": {f"p{n}": f"172.20.{n}.0/24" for n in range(routers)},
        "machines": {f"m{n}": f"172.20.{n % max(routers, 1)}.{10 + n}" for n in range(2 * routers)},
    }
    cluster = Cluster(nodes=nodes, network=None, topology=topology)
    drawn = sheet(scene(cluster.world))
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in drawn.ports.values())
    assert cluster.svg().startswith("<svg")


def test_an_overlay_needs_no_more_of_the_routers_than_the_nodes_addresses() -> None:
    cluster = _with_pods("flannel")
    assert all(law.holds for law in cluster.laws())
    assert cluster.trace("default/a", "default/b").source_seen == "10.244.0.2"


@pytest.mark.parametrize(("topology", "why"), REFUSED, ids=[json.dumps(t) for t, _ in REFUSED])
def test_a_topology_that_cannot_be_is_refused_in_one_sentence(topology: Any, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        Cluster(nodes=2, topology=topology)
    assert "\n" not in str(refused.value)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.sampled_from(["node-1", "10.0.0.0/8", "192.168.64.2"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "cidr", "nodes"]), inner, max_size=3)
    ),
    max_leaves=8,
)
SECTIONS = st.sampled_from(["subnets", "routers", "peers", "machines", "commands", "allow_overlap"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(SECTIONS, st.dictionaries(st.sampled_from(["a", "b"]), ANYTHING, max_size=2) | ANYTHING))
def test_whatever_a_topology_is_there_is_a_cluster_or_one_sentence(topology: Any) -> None:
    assert "\n" not in sentence(lambda: Cluster(nodes=1, network=None, topology=topology))
