"""Dual-stack clusters: every machine and pod has an address of each family, and both work."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8slearn import Cluster
from k8slearn.api import environment
from k8slearn.errors import Refused

from .given import pod

DUAL = {
    "node_cidr": "192.168.64.0/24,fd00:64::/64",
    "pod_cidr": "10.244.0.0/16,fd00:10:244::/56",
    "service_cidr": "10.96.0.0/12,fd00:10:96::/112",
}
WIRINGS = ("bridge", "ptp", "kubenet", "flannel", "flannel-host-gw")
EACH = pytest.mark.parametrize("network", WIRINGS)


def pods(network: str = "bridge", **more: object) -> Cluster:
    cluster = Cluster(nodes=2, network=network, **{**DUAL, **more})  # type: ignore[arg-type]
    for name, node in (("a", "node-1"), ("b", "node-2"), ("c", "node-2")):
        cluster.apply(pod(name, node))
    return cluster


def pods_of_ipv4(network: str) -> Cluster:
    return pods(network, **{name: ranges.partition(",")[0] for name, ranges in DUAL.items()})


def six(cluster: Cluster, name: str) -> str:
    """A pod's IPv6 address."""
    four, found = (each["ip"] for each in cluster.get("pod", name)["status"]["podIPs"])
    assert four == cluster.get("pod", name)["status"]["podIP"]
    return str(found)


@EACH
def test_the_laws_hold_in_both_families(network: str) -> None:
    cluster = pods(network)
    four = pods_of_ipv4(network).laws()
    assert [(law.holds, law.probes) for law in cluster.laws()] == [(True, 2 * law.probes) for law in four]
    six_way = cluster.reachability(family=6)
    ours = [name for name in six_way.pods if name.startswith("default/")]
    assert len(ours) == 3
    assert all(six_way.allowed(one, other) for one in ours for other in ours)
    assert "over IPv6" in six_way.text()


@EACH
def test_a_pod_is_reached_at_its_ipv6_address_and_sees_the_senders_own(network: str) -> None:
    cluster = pods(network)
    trace = cluster.trace("default/a", six(cluster, "b"))
    assert (trace.outcome, trace.answered_by) == ("connected", "default/b")
    assert (trace.source_seen, trace.destination_seen) == (six(cluster, "a"), f"[{six(cluster, 'b')}]:80")
    assert "went: default/a -> node-1 -> switch -> " in trace.explain()
    assert "NDP default/a" in trace.text()


@EACH
def test_what_leaves_the_cluster_over_ipv6_gets_its_nodes_address(network: str) -> None:
    cluster = pods(network)
    seen = cluster.trace("default/a", "2001:db8:113::7").source_seen
    assert seen == (six(cluster, "a") if network == "kubenet" else "fd00:64::11")
    assert cluster.trace("2001:db8:113::7", "fd00:64::12", 22).answered_by == "node:node-2"


def test_a_node_has_both_addresses_and_a_piece_of_both_pod_ranges() -> None:
    cluster = Cluster(nodes=2, **DUAL)  # type: ignore[arg-type]
    node = cluster.get("node", "node-2")
    assert node["spec"]["podCIDRs"] == ["10.244.1.0/24", "fd00:10:244:1::/64"]
    assert [a["address"] for a in node["status"]["addresses"]] == ["192.168.64.12", "fd00:64::12", "node-2"]


def test_the_downward_api_says_both_addresses() -> None:
    cluster = pods()
    cluster.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: told}\nspec:\n  nodeName: node-1\n  hostNetwork: true\n"
        "  containers: [{name: a, image: busybox, command: [sleep, '99'], env: [{name: IPS, valueFrom: {fieldRef: "
        "{fieldPath: status.podIPs}}}, {name: HOSTS, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}]}]\n"
    )
    found = cluster.get("pod", "told")
    told = environment.of(cluster.world, found, found["spec"]["containers"][0])
    assert told == {"IPS": "192.168.64.11,fd00:64::11", "HOSTS": "192.168.64.11,fd00:64::11"}
    assert found["status"]["podIPs"] == [{"ip": "192.168.64.11"}, {"ip": "fd00:64::11"}]
    assert "IPs:\n  IP:  192.168.64.11\n  IP:  fd00:64::11\n" in cluster.kubectl("describe pod told")


def test_a_pod_may_ask_for_two_addresses() -> None:
    cluster = pods()
    asked = pod("asked", "node-1")
    text = asked.replace(
        "metadata: {", 'metadata: {annotations: {k8slearn.io/pod-ips: \'["10.244.0.77", "fd00:10:244::77"]\'}, '
    )
    assert text != asked
    cluster.apply(text)
    assert [each["ip"] for each in cluster.get("pod", "asked")["status"]["podIPs"]] == [
        "10.244.0.77",
        "fd00:10:244::77",
    ]


def test_each_subnet_has_a_64_of_its_own() -> None:
    topology = "subnets: {a: 192.168.64.0/25, b: 192.168.64.128/25}\nmachines: {db: 192.168.64.150}"
    cluster = Cluster(nodes=2, topology=topology, **{**DUAL, "node_cidr": "192.168.64.0/24,fd00:64::/56"})  # type: ignore[arg-type]
    assert "inet6 fd00:64:0:1::12/64" in cluster.node("node-2").run("ip addr show eth0").stdout
    assert cluster.trace("node:node-1", "fd00:64:0:1::22", 80).answered_by == "outside:192.168.64.150"


def test_a_host_outside_is_found_by_either_address() -> None:
    cluster = Cluster(nodes=1, **DUAL)  # type: ignore[arg-type]
    assert cluster.trace("outside:203.0.113.9", "fd00:64::11", 22).outcome == "connected"
    assert cluster.trace("node:node-1", "outside:2001:db8:113::9").answered_by == "outside:203.0.113.9"
    assert cluster.trace("node:node-1", "outside:2001:db8:5::1").outcome == "connected"
    for wrong in ("fd00:10:244::5", "fd00:64::11", "fd00:64::99", "ff02::1", "::1", "2001:db8:113::1"):
        with pytest.raises(Refused):
            cluster.trace(f"outside:{wrong}", "node:node-1")


def test_a_cluster_of_ipv4_has_kernels_without_ipv6() -> None:
    cluster = Cluster(nodes=1)
    assert "inet6" not in cluster.node("node-1").run("ip addr").stdout
    assert cluster.trace("node:node-1", "2001:db8:113::7").outcome == "unreachable"


def test_a_dump_of_a_dual_stack_cluster_makes_one(tmp_path: Path) -> None:
    cluster = pods()
    (tmp_path / "dump.yaml").write_text(cluster.kubectl("get nodes,pods,services -A -o yaml"))
    again = Cluster.from_manifests(tmp_path / "dump.yaml")
    assert [node["spec"]["podCIDRs"] for node in again.get("nodes")] == [
        node["spec"]["podCIDRs"] for node in cluster.get("nodes")
    ]
    assert again.trace("default/a", six(again, "b")).outcome == "connected"


SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
"""


@EACH
def test_a_service_of_both_families_is_reached_at_both_addresses_and_from_outside(network: str) -> None:
    cluster = pods(network)
    cluster.kubectl("label pod b app=web")
    cluster.apply(SERVICE)
    four, other = cluster.get("service", "web")["spec"]["clusterIPs"]
    assert [cluster.trace("default/a", ip).answered_by for ip in (four, other)] == ["default/b"] * 2
    assert cluster.trace("default/a", other).source_seen == six(cluster, "a")
    assert cluster.trace("default/b", other).answered_by == cluster.trace("default/b", four).answered_by
    assert cluster.trace("2001:db8:113::7", "fd00:64::11", 30080).answered_by == "default/b"
    assert cluster.trace("outside", "192.168.64.11", 30080).answered_by == "default/b"
    assert cluster.trace("node:node-1", other).answered_by == "default/b"


def test_an_address_of_the_second_family_is_explained() -> None:
    cluster = pods()
    cluster.apply(SERVICE)
    other = cluster.get("service", "web")["spec"]["clusterIPs"][1]
    cases = {
        "fd00:10:96::99": "lies in the cluster network fd00:10:96::/112, but no Service has it",
        "fd00:10:244:1::99": "that is free on node-2",
        "fd00:64::99": "No machine on the node network fd00:64::/64 has fd00:64::99",
        other: "Service default/web selects pods with app=web, and no pod of namespace default is one",
    }
    for address, says in cases.items():
        assert says in cluster.trace("default/a", address).explain()
    cluster.kubectl("label pod b app=web")
    assert "ask for its node port, [fd00:64::11]:30080" in cluster.trace("2001:db8:113::7", other).explain()


def test_a_dual_stack_cluster_is_saved_and_loaded(tmp_path: Path) -> None:
    cluster = pods()
    cluster.save(tmp_path / "cluster")
    again = Cluster.load(tmp_path / "cluster")
    assert six(again, "b") == six(cluster, "b")
    assert again.trace("default/a", six(again, "b")).outcome == "connected"


def test_beside_vxlan_a_closed_port_still_refuses() -> None:
    cluster = pods("flannel")
    for address in ("192.168.64.11", "fd00:64::11"):
        assert cluster.trace("node:node-2", address, 54, "UDP").outcome == "refused"
        assert cluster.trace("node:node-2", address, 8472, "UDP").outcome == "timeout"


def test_pictures_and_comparisons_tell_both_families() -> None:
    cluster = pods()
    cluster.kubectl("label pod b app=web")
    cluster.apply(SERVICE)
    text, drawn = cluster.text(), cluster.svg()
    assert "10.244.0.0/16, fd00:10:244::/56" in text
    assert f"→ 10.244.1.2:80, [{six(cluster, 'b')}]:80" in text or f"→ [{six(cluster, 'b')}]:80, 10.244.1.2:80" in text
    assert f">{six(cluster, 'a')}<" in drawn
    told = cluster.compare(["ptp", "flannel", "kubenet"], "default/a", six(cluster, "b"))
    assert {row["law"] for row in told.table.values()} == {"holds: the sender's own address is seen"}
    assert told.table["flannel"]["headers"] == "VXLAN (vni 1) fd00:64::11 > fd00:64::12 around it"
    assert told.table["flannel"]["mtu"] == "1450, narrowest 1430"


def test_what_would_mend_ipv6_is_said_in_its_own_tools_words() -> None:
    cluster = pods()
    cluster.node("node-2").run("ip6tables -A INPUT -p ipv6-icmp -j DROP")
    said = cluster.trace("default/a", six(cluster, "b")).explain()
    assert "What decided: -A INPUT -p ipv6-icmp -j DROP" in said
    assert "on node-2: `ip6tables -t filter -D INPUT" in said
    cluster.undo()
    cluster.pod("b").run("ip link set eth0 down")
    said = cluster.trace("default/a", six(cluster, "b")).explain()
    assert f"`ip link set eth0 up` and `ip addr add {six(cluster, 'b')}/64 dev eth0`" in said
    cluster.undo()
    cluster.node("node-1").run("sysctl -w net.ipv6.conf.all.forwarding=0")
    assert "`sysctl -w net.ipv6.conf.all.forwarding=1`" in cluster.trace("default/a", six(cluster, "b")).explain()


def test_curl_and_wget_take_an_ipv6_address_in_brackets() -> None:
    cluster = pods()
    address = six(cluster, "b")
    a = cluster.pod("a")
    assert a.run(f"curl -s http://[{address}]/clientip").stdout.startswith(f"[{six(cluster, 'a')}]:")
    said = a.run(f"curl -v http://[{address}]:81/").stderr
    assert f"*   Trying [{address}]:81...\n* connect to {address} port 81 failed: Connection refused\n" in said
    assert f"> Host: [{address}]\n" in a.run(f"curl -v http://[{address}]/").stderr
    assert (
        f"Connecting to [{address}]:80... connected." in cluster.node("node-1").run(f"wget http://[{address}]/").stderr
    )
