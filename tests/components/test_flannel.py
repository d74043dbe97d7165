"""flannel from its manifest to its rows: what flanneld writes, looks after, takes away, and says when it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from k8slearn import Cluster, manifests

WAITS = (
    "network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)


def pod(name: str, node: str) -> dict[str, Any]:
    container = {"name": "c", "image": "nginx"}
    spec = {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def flannel(network: str = "flannel", nodes: int = 2, **more: Any) -> Cluster:
    cluster = Cluster(nodes=nodes, network=network, **more)
    cluster.apply([pod("a", "node-1"), pod("b", "node-2")])
    return cluster


def lines(cluster: Cluster, command: str, node: str = "node-1") -> list[str]:
    return [line.strip() for line in cluster.node(node).run(command).stdout.splitlines()]


def phases(cluster: Cluster) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in cluster.get("pods")}


def conf(cluster: Cluster, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit net-conf.json in flannel's ConfigMap."""
    found = cluster.get("configmap", "kube-flannel-cfg", namespace="kube-flannel")
    said = json.loads(found["data"]["net-conf.json"])
    change(said)
    found["data"]["net-conf.json"] = json.dumps(said)
    cluster.apply({name: found[name] for name in ("apiVersion", "kind", "metadata", "data")})


def log(cluster: Cluster, node: str = "node-1") -> str:
    rows = cluster.world.table(f"node:{node}", "container").values()
    return "".join(row.log for row in rows if row.program == "flanneld")


class TestInstallation:
    def test_before_it_the_nodes_are_not_ready_and_pods_wait_and_afterwards_they_run(self) -> None:
        cluster = Cluster(nodes=2, network=None)
        cluster.apply([pod("a", "node-1"), pod("b", "node-2")])
        assert set(phases(cluster).values()) == {"Pending"}
        assert {e["message"] for e in cluster.get("events") if e["reason"] == "NetworkNotReady"} == {WAITS}
        cluster.apply(manifests.text("flannel"))
        assert set(phases(cluster).values()) == {"Running"}
        assert "NotReady" not in cluster.kubectl("get nodes")
        assert cluster.trace("default/a", "default/b").outcome == "connected"

    def test_the_init_containers_copy_the_binary_and_the_configuration(self) -> None:
        cluster = Cluster(nodes=1, network="flannel")
        data = cluster.get("configmap", "kube-flannel-cfg", namespace="kube-flannel")["data"]
        assert cluster.node("node-1").run("cat /etc/cni/net.d/10-flannel.conflist").stdout == data["cni-conf.json"]
        assert "flannel" in lines(cluster, "ls /opt/cni/bin")
        assert "flannel" not in Cluster(nodes=1).node("node-1").run("ls /opt/cni/bin").stdout.split()
        origin = cluster.journal.origin(("node:node-1", "file", "/etc/cni/net.d/10-flannel.conflist"))
        assert origin is not None
        assert (origin.author, origin.cause) == ("kubelet", ("api", "configmaps", "kube-flannel/kube-flannel-cfg"))

    def test_a_node_without_the_binary_says_so_in_the_pods_event(self) -> None:
        cluster = Cluster(nodes=1, network=None)
        manifest = manifests.text("flannel").replace("/opt/cni/bin/flannel]", "/opt/cni/bin/flanell]")
        cluster.apply(manifest)
        cluster.apply(pod("a", "node-1"))
        said = [e["message"] for e in cluster.get("events") if e["reason"] == "FailedCreatePodSandBox"]
        assert len(said) == 1
        assert said[0].endswith(
            'plugin type="flannel" failed (add): failed to find plugin "flannel" in path [/opt/cni/bin]'
        )

    def test_an_install_container_that_cannot_copy_fails_and_backs_off(self) -> None:
        cluster = Cluster(nodes=1, network=None)
        cluster.apply(
            manifests.text("flannel").replace("/etc/kube-flannel/cni-conf.json,", "/etc/kube-flannel/cni.json,")
        )
        (daemon,) = cluster.get("pods", namespace="kube-flannel")
        assert "Init:CrashLoopBackOff" in cluster.kubectl("get pods -n kube-flannel")
        said = cluster.kubectl(f"logs -n kube-flannel {daemon['metadata']['name']} -c install-cni")
        assert said == "cp: can't stat '/etc/kube-flannel/cni.json': No such file or directory\n"

    def test_the_first_of_two_configurations_by_name_wins(self) -> None:
        cluster = Cluster(nodes=1, network="bridge")
        cluster.apply(manifests.text("flannel"))
        cluster.apply(pod("a", "node-1"))
        assert "10.244.0.0/16 via" not in cluster.pod("a").run("ip route").stdout, "10-bridge comes before 10-flannel"

    def test_without_its_pods_what_it_wrote_stays_and_new_pods_still_start(self) -> None:
        cluster = flannel()
        before = lines(cluster, "ip route")
        cluster.delete("daemonset", "kube-flannel-ds", namespace="kube-flannel")
        assert cluster.get("pods", namespace="kube-flannel") == []
        assert lines(cluster, "ip route") == before
        cluster.apply(pod("c", "node-1"))
        assert phases(cluster)["c"] == "Running", "configuration, binary and subnet.env are still on the node"
        assert cluster.trace("default/c", "default/b").outcome == "connected"

    def test_without_its_pods_nobody_follows_the_nodes(self) -> None:
        cluster = flannel()
        before = lines(cluster, "ip route")
        cluster.delete("daemonset", "kube-flannel-ds", namespace="kube-flannel")
        cluster.kubectl("delete node node-2")
        cluster.advance(60)
        assert lines(cluster, "ip route") == before


class TestWhatItSays:
    def test_subnet_env_is_what_the_plugin_reads(self) -> None:
        assert lines(flannel(), "cat /run/flannel/subnet.env", "node-2") == [
            "FLANNEL_NETWORK=10.244.0.0/16",
            "FLANNEL_SUBNET=10.244.1.1/24",
            "FLANNEL_MTU=1450",
            "FLANNEL_IPMASQ=true",
        ]

    def test_a_node_is_annotated_with_its_way_in(self) -> None:
        cluster = flannel()
        node = cluster.get("node", "node-2")
        mac = cluster.world.table("node:node-2", "link")["flannel.1"].mac
        assert {k: v for k, v in node["metadata"]["annotations"].items() if k.startswith("flannel")} == {
            "flannel.alpha.coreos.com/backend-data": f'{{"VNI":1,"VtepMAC":"{mac}"}}',
            "flannel.alpha.coreos.com/backend-type": "vxlan",
            "flannel.alpha.coreos.com/kube-subnet-manager": "true",
            "flannel.alpha.coreos.com/public-ip": "192.168.64.12",
        }
        (said,) = (c for c in node["status"]["conditions"] if c["type"] == "NetworkUnavailable")
        assert (said["status"], said["reason"], said["message"]) == (
            "False", "FlannelIsUp", "Flannel is running on this node",
        )  # fmt: skip

    def test_its_rows_have_an_author_and_a_cause(self) -> None:
        cluster = flannel()
        for table, name in (("route", ("main", "10.244.1.0/24", 0)), ("neigh", ("flannel.1", "10.244.1.0"))):
            origin = cluster.journal.origin(("node:node-1", table, name))
            assert origin is not None
            assert (origin.author, origin.cause) == ("flanneld", ("api", "nodes", "node-2"))
        origin = cluster.journal.origin(("node:node-1", "link", "flannel.1"))
        assert origin is not None
        assert (origin.author, origin.cause) == ("flanneld", ("api", "configmaps", "kube-flannel/kube-flannel-cfg"))

    def test_a_pod_range_of_the_administrators_own_is_in_the_manifest(self) -> None:
        cluster = flannel(pod_cidr="10.10.0.0/16")
        assert cluster.trace("default/a", "default/b").source_seen == "10.10.0.2"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (
                {"Network": "10.99.0.0/16"},
                'Error registering network: failed to acquire lease: subnet "10.99.0.0/16" specified in the flannel '
                'net config doesn\'t contain "10.244.0.0/24" PodCIDR of the "node-1" node',
            ),
            ({"Network": "pods"}, "Failed to create SubnetManager: error parsing subnet config"),
            ({"Backend": {"Type": "wormhole"}}, 'Error fetching backend: unknown backend type "wormhole"'),
            ({"EnableNFTables": True}, "nftables mode (EnableNFTables) is not modelled here"),
        ],
    )
    def test_what_it_cannot_do_is_in_its_log_and_it_crashes(self, change: dict[str, Any], says: str) -> None:
        cluster = flannel()
        conf(cluster, lambda said: said.update(change))
        assert says in log(cluster)
        assert "CrashLoopBackOff" in cluster.kubectl("get pods -n kube-flannel")
        cluster.advance(60)
        assert "CrashLoopBackOff" in cluster.kubectl("get pods -n kube-flannel")


class TestWhatItLooksAfter:
    def test_a_rule_that_is_deleted_is_back_within_five_seconds(self) -> None:
        cluster = flannel()
        before = lines(cluster, "iptables -t nat -S")
        cluster.advance(1)
        cluster.node("node-1").run("iptables -t nat -F FLANNEL-POSTRTG")
        cluster.advance(3)
        assert lines(cluster, "iptables -t nat -S FLANNEL-POSTRTG") == ["-N FLANNEL-POSTRTG"]
        cluster.advance(1)
        assert lines(cluster, "iptables -t nat -S") == before

    def test_a_route_that_is_deleted_is_back_within_ten_seconds_with_host_gw(self) -> None:
        cluster = flannel("flannel-host-gw")
        cluster.node("node-1").run("ip route del 10.244.1.0/24")
        cluster.advance(9)
        assert cluster.trace("default/a", "default/b").outcome != "connected"
        cluster.advance(1)
        assert cluster.trace("default/a", "default/b").outcome == "connected"

    @pytest.mark.parametrize("command", ["ip route del 10.244.1.0/24", "ip neigh flush dev flannel.1 nud permanent",
                                         "ip link del flannel.1"])  # fmt: skip
    def test_what_is_deleted_of_the_overlay_is_back_when_flanneld_starts_again(self, command: str) -> None:
        cluster = flannel()
        assert cluster.node("node-1").run(command).exit_code == 0
        cluster.advance(60)
        assert cluster.trace("default/a", "default/b").outcome != "connected"
        (daemon,) = (p for p in cluster.get("pods", namespace="kube-flannel") if p["spec"]["nodeName"] == "node-1")
        cluster.kubectl(f"delete pod -n kube-flannel {daemon['metadata']['name']}")
        assert cluster.trace("default/a", "default/b").outcome == "connected"

    def test_the_device_is_made_anew_at_once_with_the_mac_that_the_others_know(self) -> None:
        cluster = flannel()
        before = lines(cluster, "ip addr show flannel.1")
        cluster.node("node-1").run("ip link del flannel.1")
        after = lines(cluster, "ip addr show flannel.1")
        assert after[1:] == before[1:], "all but its number"
        assert lines(cluster, "bridge fdb show dev flannel.1") == []

    def test_a_node_that_goes_takes_its_route_neighbour_and_fdb_entry_along(self) -> None:
        cluster = flannel(nodes=3)
        cluster.kubectl("delete node node-2")
        assert not [line for line in lines(cluster, "ip route") if line.startswith("10.244.1")]
        assert [line.split()[0] for line in lines(cluster, "ip neigh")] == ["10.244.2.0"]
        (entry,) = lines(cluster, "bridge fdb show dev flannel.1")
        assert "192.168.64.13" in entry

    def test_a_changed_backend_is_acted_upon_on_every_node(self) -> None:
        cluster = flannel()
        conf(cluster, lambda said: said["Backend"].update(Type="host-gw"))
        assert "10.244.1.0/24 via 192.168.64.12 dev eth0" in lines(cluster, "ip route")
        assert lines(cluster, "cat /run/flannel/subnet.env")[2] == "FLANNEL_MTU=1500"
        assert cluster.trace("default/a", "default/b").outcome == "connected"

    def test_direct_routing_spares_neighbours_the_overlay(self) -> None:
        cluster = Cluster(nodes=2, network=None)
        cluster.apply(manifests.text("flannel").replace('"Type": "vxlan"', '"Type": "vxlan", "DirectRouting": true'))
        assert "10.244.1.0/24 via 192.168.64.12 dev eth0" in lines(cluster, "ip route")
        assert lines(cluster, "bridge fdb show dev flannel.1") == []

    def test_another_vni_and_port_make_another_device(self) -> None:
        cluster = Cluster(nodes=2, network=None)
        cluster.apply(manifests.text("flannel").replace('"Type": "vxlan"', '"Type": "vxlan", "VNI": 7, "Port": 4789'))
        cluster.apply([pod("a", "node-1"), pod("b", "node-2")])
        assert (
            "vxlan id 7 local 192.168.64.11 dev eth0" in cluster.node("node-1").run("ip -d link show flannel.7").stdout
        )
        assert cluster.trace("default/a", "default/b").outcome == "connected"
