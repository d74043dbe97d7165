# ruff: noqa: E501
"""Each wiring's page: what a person finds on such a node and in its pods, line by line.

The lines are those of the facts (flannel's as its own documentation and source have them); MACs and the digits of veth
names are random in life, and are M and veth… here.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from k8slearn import Cluster

MAC = re.compile(r"\b(?!00:00:00|ff:ff)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b")
VETH = re.compile(r"\bveth[0-9a-f]{8}")
BRIDGED = """
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: eth0@if…: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc noqueue state UP group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.244.0.2/24 brd 10.244.0.255 scope global eth0
       valid_lft forever preferred_lft forever
"""
MASQ = """
-P PREROUTING ACCEPT
-P INPUT ACCEPT
-P OUTPUT ACCEPT
-P POSTROUTING ACCEPT
-N FLANNEL-POSTRTG
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/24 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.0.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
"""
FORWARD = """
-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N FLANNEL-FWD
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
"""
FLANNEL_POD = """
default via 10.244.0.1 dev eth0
10.244.0.0/24 dev eth0 proto kernel scope link src 10.244.0.2
10.244.0.0/16 via 10.244.0.1 dev eth0
"""
CONFLIST = """
{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [
    {
      "type": "flannel",
      "delegate": {
        "hairpinMode": true,
        "isDefaultGateway": true
      }
    },
    {
      "type": "portmap",
      "capabilities": {
        "portMappings": true
      }
    }
  ]
}
"""
DELEGATED = (
    '{"cniVersion":"0.3.1","hairpinMode":true,"ipMasq":false,"ipam":{"ranges":[[{"subnet":"10.244.0.0/24"}]],'
    '"routes":[{"dst":"10.244.0.0/16"}],"type":"host-local"},"isDefaultGateway":true,"isGateway":true,"mtu":MTU,'
    '"name":"cbr0","type":"bridge"}'
)
PAGES: dict[str, dict[tuple[str, str], str]] = {
    "ptp": {
        ("node", "ip -4 -br addr"): """
lo               UNKNOWN        127.0.0.1/8
eth0@if…         UP             192.168.64.11/24
veth…@if… UP             10.244.0.1/32
""",
        ("node", "ip route"): """
default via 192.168.64.1 dev eth0 proto static
10.244.0.2 dev veth… scope host
10.244.1.0/24 via 192.168.64.12 dev eth0 proto static
10.244.2.0/24 via 192.168.64.13 dev eth0 proto static
192.168.64.0/24 dev eth0 proto kernel scope link src 192.168.64.11
""",
        ("node", "ip -br link show type bridge"): "",
        ("node", "iptables -t nat -S POSTROUTING"): """
-P POSTROUTING ACCEPT
-A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -m comment --comment "pods to the world outside" -j MASQUERADE
""",
        ("pod", "ip addr"): BRIDGED.replace("{mtu}", "1500"),
        ("pod", "ip route"): """
default via 10.244.0.1 dev eth0
10.244.0.0/24 via 10.244.0.1 dev eth0 src 10.244.0.2
10.244.0.1 dev eth0 scope link src 10.244.0.2
""",
    },
    "flannel": {
        ("node", "ip addr show flannel.1"): """
3: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.0/32 scope global flannel.1
       valid_lft forever preferred_lft forever
""",
        ("node", "ip -d link show flannel.1"): """
3: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff promiscuity 0  allmulti 0 minmtu 68 maxmtu 65535
    vxlan id 1 local 192.168.64.11 dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 udpcsum noudp6zerocsumtx noudp6zerocsumrx addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size 65536 gso_max_segs 65535 tso_max_size 524280 tso_max_segs 65535 gro_max_size 65536
""",
        ("node", "ip addr show cni0"): """
4: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.1/24 brd 10.244.0.255 scope global cni0
       valid_lft forever preferred_lft forever
""",
        ("node", "ip route"): """
default via 192.168.64.1 dev eth0 proto static
10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1
10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink
10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
192.168.64.0/24 dev eth0 proto kernel scope link src 192.168.64.11
""",
        ("node", "ip neigh show dev flannel.1"): """
10.244.1.0 lladdr M PERMANENT
10.244.2.0 lladdr M PERMANENT
""",
        ("node", "bridge fdb show dev flannel.1"): """
M dst 192.168.64.13 self permanent
M dst 192.168.64.12 self permanent
""",
        ("node", "iptables -t nat -S"): MASQ,
        ("node", "iptables -S"): FORWARD,
        ("node", "cat /etc/cni/net.d/10-flannel.conflist"): CONFLIST,
        ("node", "cat /run/flannel/subnet.env"): """
FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.0.1/24
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
""",
        ("node", "cat /var/lib/cni/flannel/ID"): DELEGATED.replace("MTU", "1450"),
        ("pod", "ip addr"): BRIDGED.replace("{mtu}", "1450"),
        ("pod", "ip route"): FLANNEL_POD,
    },
    "flannel-host-gw": {
        ("node", "ip route"): """
default via 192.168.64.1 dev eth0 proto static
10.244.0.0/24 dev cni0 proto kernel scope link src 10.244.0.1
10.244.1.0/24 via 192.168.64.12 dev eth0
10.244.2.0/24 via 192.168.64.13 dev eth0
192.168.64.0/24 dev eth0 proto kernel scope link src 192.168.64.11
""",
        ("node", "ip -br link show type vxlan"): "",
        ("node", "iptables -t nat -S"): MASQ,
        ("node", "iptables -S"): FORWARD,
        ("node", "cat /run/flannel/subnet.env"): """
FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.0.1/24
FLANNEL_MTU=1500
FLANNEL_IPMASQ=true
""",
        ("node", "cat /var/lib/cni/flannel/ID"): DELEGATED.replace("MTU", "1500"),
        ("pod", "ip addr"): BRIDGED.replace("{mtu}", "1500"),
        ("pod", "ip route"): FLANNEL_POD,
    },
}  # fmt: skip
"""Wiring -> (where, command) -> what it prints on node-1, or in a pod there. kube-proxy is left out of these clusters."""


@pytest.fixture(scope="module")
def clusters() -> dict[str, Cluster]:
    return {network: _cluster(network) for network in PAGES}


def _cluster(network: str) -> Cluster:
    cluster = Cluster(nodes=3, network=network, proxy="none")
    container = {"name": "c", "image": "nginx"}
    metadata, spec = {"name": "web"}, {"nodeName": "node-1", "containers": [container]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return cluster


def _found(cluster: Cluster, where: str, command: str) -> str:
    (sandbox,) = (s for s in cluster.world.table("node:node-1", "sandbox").values() if s.pod == "default/web")
    place: Any = cluster.node("node-1") if where == "node" else cluster.pod("web")
    done = place.run(command.replace("/ID", f"/{sandbox.id}"))
    assert done.exit_code == 0, done.stderr
    text = VETH.sub("veth…", MAC.sub("M", done.stdout))
    lines = [line.rstrip() for line in re.sub(r"@if\d+", "@if…", text).splitlines()]
    return "\n".join(line for line in lines if line).strip("\n")


@pytest.mark.parametrize(
    ("network", "where", "command"),
    [(network, *asked) for network, page in PAGES.items() for asked in page],
    ids=lambda word: str(word).replace("/", "-"),
)
def test_the_page_of_a_wiring_shows(clusters: dict[str, Cluster], network: str, where: str, command: str) -> None:
    assert _found(clusters[network], where, command) == PAGES[network][where, command].strip("\n")
