"""Segmentation by VLAN, a worked example: two networks of one address range, on one wire, that never meet.

Each node has a bridge that filters, ``br1``. Pods of the network ``red`` are put into VLAN 10 by the bridge plugin,
those of ``blue`` into VLAN 20. The node's uplink carries both with 802.1Q tags over the node network, by ``eth0.10``
and ``eth0.20``, which are ports of ``br1``. Addresses are of one range: nothing but the VLAN keeps red and blue apart.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn import Cluster, manifests

VLANS = {"red": 10, "blue": 20}
PODS = {
    "red-1": ("node-1", "red", "10.50.0.11"),
    "red-2": ("node-2", "red", "10.50.0.12"),
    "blue-1": ("node-1", "blue", "10.50.0.21"),
    "blue-2": ("node-2", "blue", "10.50.0.22"),
}


def uplink() -> list[str]:
    """What an administrator types on each node: a bridge that filters, and a tagged way out for each VLAN."""
    lines = ["ip link add br1 type bridge vlan_filtering 1", "ip link set br1 up"]
    for vid in VLANS.values():
        dev = f"eth0.{vid}"
        lines += [f"ip link add link eth0 name {dev} type vlan id {vid}", f"ip link set {dev} master br1 up"]
        lines += [f"bridge vlan del dev {dev} vid 1", f"bridge vlan add dev {dev} vid {vid} pvid untagged"]
    return lines


def definition(name: str) -> dict[str, Any]:
    plugin = {"type": "bridge", "bridge": "br1", "vlan": VLANS[name], "preserveDefaultVlan": False}
    config = {"cniVersion": "1.0.0", **plugin, "ipam": {"type": "static"}}
    head = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": {"name": name}}
    return {**head, "spec": {"config": json.dumps(config)}}


def pod(name: str) -> dict[str, Any]:
    node, network, address = PODS[name]
    asked = json.dumps([{"name": network, "ips": [f"{address}/24"]}])
    metadata = {"name": name, "annotations": {"k8s.v1.cni.cncf.io/networks": asked}}
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "nginx"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    found = Cluster(nodes=2, topology={"commands": {"node-1": uplink(), "node-2": uplink()}})
    found.apply(manifests.text("multus"))
    found.apply([*map(definition, VLANS), *map(pod, PODS)])
    return found


def test_pods_of_one_vlan_meet_across_nodes_and_those_of_different_ones_never_do(cluster: Cluster) -> None:
    for source, (_, network, _) in PODS.items():
        for name, (_, other, address) in PODS.items():
            if name != source:
                outcome = cluster.trace(f"default/{source}", address).outcome
                assert outcome == ("connected" if network == other else "unreachable"), (source, name)


def test_on_the_node_network_each_frame_carries_its_vlans_tag(cluster: Cluster) -> None:
    trace = cluster.trace("default/blue-1", "10.50.0.22")
    on_the_switch = [step.before.tag for step in trace.steps if step.where == "switch" and step.what == "transmit"]
    assert set(on_the_switch) == {20}
    assert "eth0.20: puts the 802.1Q tag 20 on" in str(trace)


@pytest.mark.parametrize(
    ("address", "node", "pod"), [("10.50.0.21", "node-1", "blue-1"), ("10.50.0.22", "node-2", "blue-2")]
)
def test_the_explanation_says_which_vlan_kept_them_apart(cluster: Cluster, address: str, node: str, pod: str) -> None:
    said = cluster.trace("default/red-1", address).explain()
    (line,) = (line for line in said.splitlines() if "VLAN" in line)
    assert line.startswith(f"On {node}, br1 had the question in VLAN 10 and so kept it from veth")
    assert f"(in VLAN 20) (written by kubelet because of Pod default/{pod}, " in line
    assert f"The SYN ended on default/red-1 (device net1): nobody on net1 has {address}" in said


def test_on_the_default_network_they_all_meet(cluster: Cluster) -> None:
    assert cluster.trace("default/red-1", "default/blue-2").outcome == "connected"


def test_a_switch_that_filters_lets_through_what_its_ports_are_in() -> None:
    """The wire is no longer a dumb one: somebody has allowed VLAN 10 on its ports, and forgot 20."""
    switch = ["ip link set br0 type bridge vlan_filtering 1"]
    switch += [f"bridge vlan add dev {port} vid 10" for port in ("node-1", "node-2")]
    switch += ["bridge vlan add dev node-1 vid 20"]
    typed = {"node-1": uplink(), "node-2": uplink(), "switch": switch}
    c = Cluster(nodes=2, topology={"commands": typed})
    c.apply(manifests.text("multus"))
    c.apply([*map(definition, VLANS), *map(pod, PODS)])
    assert c.trace("default/red-1", "10.50.0.12").outcome == "connected"
    forgotten = c.trace("default/blue-1", "10.50.0.22")
    assert forgotten.outcome == "unreachable"
    said = "On switch, br0 had the question in VLAN 20 and so kept it from node-2 (in VLAN 1, 10) (written by"
    assert said in forgotten.explain()
    assert c.switch().run("bridge vlan add dev node-2 vid 20").exit_code == 0
    assert c.trace("default/blue-1", "10.50.0.22").outcome == "connected"
    assert c.trace("default/red-1", "default/blue-2").outcome == "connected"
