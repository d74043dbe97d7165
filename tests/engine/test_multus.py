"""Pods with two networks: multus on top of a wiring, installed by its own manifest."""

from __future__ import annotations

import json

import pytest

from k8slearn import Cluster, manifests

STORAGE = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: storage}
spec:
  config: |
    {"cniVersion": "0.3.1", "type": "macvlan", "master": "eth0",
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}}
"""


def pod(name: str, node: str, networks: str = "") -> dict[str, object]:
    annotations = {"k8s.v1.cni.cncf.io/networks": networks} if networks else {}
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "nginx"}]}
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def at(address: str) -> str:
    return json.dumps([{"name": "storage", "ips": [address]}])


def cluster(network: str | None, nodes: int = 2) -> Cluster:
    found = Cluster(nodes=nodes, network=network)
    found.apply(manifests.text("multus"))
    found.apply(STORAGE)
    return found


@pytest.mark.parametrize("network", ["bridge", "ptp", "flannel", "calico"])
def test_on_any_wiring_pods_meet_on_both_networks_across_nodes(network: str) -> None:
    c = cluster(network)
    c.apply([pod("a", "node-1", at("10.9.0.11")), pod("b", "node-2", at("10.9.0.22")), pod("plain", "node-2")])
    first, second = c.trace("default/a", "default/b"), c.trace("default/a", "10.9.0.22")
    assert (first.outcome, second.outcome, second.source_seen) == ("connected", "connected", "10.9.0.11")
    assert c.trace("default/plain", "10.9.0.22").outcome != "connected"
    c.kubectl("delete pod a b plain")
    c.advance(60)
    for node in ("node-1", "node-2"):
        assert "10.9.0." not in c.node(node).run("ls /var/lib/cni/networks/storage").stdout


def test_a_vpc_delivers_to_addresses_that_it_gave_and_so_no_macvlan_is_heard_on_another_node() -> None:
    c = cluster("vpc")
    c.apply([pod("a", "node-1", at("10.9.0.11")), pod("b", "node-2", at("10.9.0.22"))])
    assert c.trace("default/a", "default/b").outcome == "connected"
    assert "nobody on net1 has 10.9.0.22" in c.trace("default/a", "10.9.0.22").explain()


def test_the_first_configuration_by_name_is_multus_own_and_wraps_the_one_that_was_there() -> None:
    c = cluster("flannel")
    names = c.node("node-2").run("ls /etc/cni/net.d").stdout.split()
    assert names == ["00-multus.conf", "10-flannel.conflist", "multus.d"]
    config = json.loads(c.node("node-2").run("cat /etc/cni/net.d/00-multus.conf").stdout)
    assert (config["type"], config["capabilities"]) == ("multus", {"portMappings": True})
    assert [row["name"] for row in config["delegates"]] == ["cbr0"]
    assert c.kubectl("get net-attach-def").splitlines()[1].startswith("storage ")
    log = c.kubectl("logs -n kube-system ds/kube-multus-ds")
    assert "multus config file is created." in log


def test_without_a_network_multus_finds_nothing_to_wrap_ends_well_and_is_started_again() -> None:
    c = cluster(None, nodes=1)
    said = c.kubectl("get pods -n kube-system")
    assert "CrashLoopBackOff" in said or "Completed" in said
    log = c.kubectl("logs -n kube-system ds/kube-multus-ds")
    missing = 'cannot find valid master CNI config in "/host/etc/cni/net.d"'
    assert f"failed to create multus config: {missing}" in log
    assert "NotReady" in c.kubectl("get nodes")
    c.apply(manifests.text("flannel"))
    c.advance(30)
    assert " Ready" in c.kubectl("get nodes")
    assert "00-multus.conf" in c.node("node-1").run("ls /etc/cni/net.d").stdout


def test_host_local_knows_one_node_alone_so_a_second_network_gives_an_address_twice() -> None:
    c = cluster("bridge")
    c.apply([pod("a", "node-1", "storage"), pod("b", "node-2", "storage")])
    own = [c.pod(name).run("ip -o addr show net1").stdout.split()[3] for name in "ab"]
    assert own == ["10.9.0.2/24", "10.9.0.2/24"]


def test_a_pod_that_was_there_before_multus_is_taken_down_by_it_all_the_same() -> None:
    c = Cluster(nodes=1, network="bridge")
    c.apply(pod("old", "node-1"))
    before = c.pod("old").run("ip -o -4 addr show eth0").stdout.split()[3].partition("/")[0]
    c.apply(manifests.text("multus"))
    c.kubectl("delete pod old")
    c.advance(60)
    assert before not in c.node("node-1").run("ls /var/lib/cni/networks/bridge").stdout.split()


def test_a_definition_that_comes_later_lets_the_waiting_pod_start() -> None:
    c = cluster("bridge")
    c.apply(pod("web", "node-1", "later"))
    assert "ContainerCreating" in c.kubectl("get pod web")
    assert "NoNetworkFound" in c.kubectl("describe pod web")
    c.apply(STORAGE.replace("{name: storage}", "{name: later}"))
    c.advance(60)
    assert "Running" in c.kubectl("get pod web")
