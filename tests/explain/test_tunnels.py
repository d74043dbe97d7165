"""What `explain` says of a packet that travels inside another one, and of a tunnel that lacks a row."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster


def overlay() -> Cluster:
    cluster = Cluster(nodes=2, network="flannel")
    cluster.apply([pod("a", "node-1"), pod("b", "node-2")])
    return cluster


def pod(name: str, node: str) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "nginx"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_the_headers_that_a_tunnel_adds_are_told_with_the_row_that_said_where_to() -> None:
    cluster = overlay()
    mac = cluster.world.table("node:node-2", "link")["flannel.1"].mac
    said = [line for line in cluster.trace("default/a", "default/b").explain().splitlines() if "put it into" in line]
    assert len(said) == 1
    assert said[0].startswith(
        "On node-1, flannel.1 put it into a packet (UDP port 8472, VNI 1) from 192.168.64.11 to 192.168.64.12: "
        f"50 bytes more. It knew where to by {mac} dev flannel.1 dst 192.168.64.12 self permanent "
        "(written by flanneld because of Node node-2, revision "
    )


@pytest.mark.parametrize(
    ("command", "mends"),
    [
        (
            "bridge fdb del {mac} dev flannel.1 dst 192.168.64.12",
            "bridge fdb replace {mac} dev flannel.1 dst 192.168.64.12 self permanent",
        ),
        (
            "ip neigh del 10.244.1.0 dev flannel.1",
            "ip neigh replace 10.244.1.0 lladdr {mac} dev flannel.1 nud permanent",
        ),
        ("ip route del 10.244.1.0/24", "ip route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink"),
    ],
)
def test_each_of_the_three_rows_of_another_node_is_missed(command: str, mends: str) -> None:
    cluster = overlay()
    mac = cluster.world.table("node:node-2", "link")["flannel.1"].mac
    assert cluster.node("node-1").run(command.format(mac=mac)).exit_code == 0
    said = cluster.trace("default/a", "default/b").explain()
    assert f"The smallest change that makes it connect (tried on a copy): on node-1: `{mends.format(mac=mac)}`." in said
    cluster.node("node-1").run(mends.format(mac=mac))
    assert cluster.trace("default/a", "default/b").outcome == "connected"
