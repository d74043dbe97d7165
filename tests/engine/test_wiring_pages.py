# ruff: noqa: E501
"""Each wiring's page: what a person finds on such a node and in its pods, line by line.

The lines are those of the facts (flannel's as its own documentation and source have them); MACs, the digits of veth
names and the numbers of endpoints are random in life, and are M, veth… and N here. Cilium's are those of published captures (routes, CILIUM_POST_nat, the lists of
cilium-dbg), with this cluster's addresses; ``ip -d link`` of an external VXLAN is what the kernel prints.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from k8slearn import Cluster

MAC = re.compile(r"\b(?!00:00:00|ff:ff)(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b")
VETH = re.compile(r"\b(veth(?=[0-9a-f]{8})|lxc(?=[0-9a-f]{12}))[0-9a-f]+")
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
    "cilium": {
        ("node", "ip addr show cilium_host"): """
4: cilium_host@cilium_net: <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.111/32 scope global cilium_host
       valid_lft forever preferred_lft forever
""",
        ("node", "ip addr show cilium_net"): """
3: cilium_net@cilium_host: <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff
""",
        ("node", "ip -d link show cilium_vxlan"): """
5: cilium_vxlan: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff promiscuity 0  allmulti 0 minmtu 68 maxmtu 65535
    vxlan external id 0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 udpcsum noudp6zerocsumtx noudp6zerocsumrx addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size 65536 gso_max_segs 65535 tso_max_size 65536 tso_max_segs 65535 gro_max_size 65536
""",
        ("node", "ip route"): """
default via 192.168.64.1 dev eth0 proto static
10.244.0.0/24 via 10.244.0.111 dev cilium_host proto kernel src 10.244.0.111
10.244.0.111 dev cilium_host proto kernel scope link
10.244.1.0/24 via 10.244.0.111 dev cilium_host proto kernel src 10.244.0.111 mtu 1450
10.244.2.0/24 via 10.244.0.111 dev cilium_host proto kernel src 10.244.0.111 mtu 1450
192.168.64.0/24 dev eth0 proto kernel scope link src 192.168.64.11
""",
        ("node", "iptables -t nat -S"): """
-P PREROUTING ACCEPT
-P INPUT ACCEPT
-P OUTPUT ACCEPT
-P POSTROUTING ACCEPT
-N CILIUM_OUTPUT_nat
-N CILIUM_POST_nat
-N CILIUM_PRE_nat
-A PREROUTING -m comment --comment "cilium-feeder: CILIUM_PRE_nat" -j CILIUM_PRE_nat
-A OUTPUT -m comment --comment "cilium-feeder: CILIUM_OUTPUT_nat" -j CILIUM_OUTPUT_nat
-A POSTROUTING -m comment --comment "cilium-feeder: CILIUM_POST_nat" -j CILIUM_POST_nat
-A CILIUM_POST_nat -s 10.244.0.0/24 ! -d 10.244.0.0/24 ! -o cilium_+ -m comment --comment "cilium masquerade non-cluster" -j MASQUERADE
-A CILIUM_POST_nat -m mark --mark 0xa00/0xe00 -m comment --comment "exclude proxy return traffic from masquerade" -j ACCEPT
-A CILIUM_POST_nat ! -s 10.244.0.0/24 ! -d 10.244.0.0/24 -o cilium_host -m comment --comment "cilium host->cluster masquerade" -j SNAT --to-source 10.244.0.111
-A CILIUM_POST_nat -s 127.0.0.1/32 -o cilium_host -m comment --comment "cilium host->cluster from 127.0.0.1 masquerade" -j SNAT --to-source 10.244.0.111
-A CILIUM_POST_nat -o cilium_host -m mark --mark 0xf00/0xf00 -m conntrack --ctstate DNAT -m comment --comment "hairpin traffic that originated from a local pod" -j SNAT --to-source 10.244.0.111
""",
        ("node", "iptables -S"): """
-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N CILIUM_FORWARD
-N CILIUM_INPUT
-N CILIUM_OUTPUT
-A INPUT -m comment --comment "cilium-feeder: CILIUM_INPUT" -j CILIUM_INPUT
-A FORWARD -m comment --comment "cilium-feeder: CILIUM_FORWARD" -j CILIUM_FORWARD
-A OUTPUT -m comment --comment "cilium-feeder: CILIUM_OUTPUT" -j CILIUM_OUTPUT
-A CILIUM_FORWARD -o cilium_host -m comment --comment "cilium: any->cluster on cilium_host forward accept" -j ACCEPT
-A CILIUM_FORWARD -i cilium_host -m comment --comment "cilium: cluster->any on cilium_host forward accept (nodeport)" -j ACCEPT
-A CILIUM_FORWARD -i lxc+ -m comment --comment "cilium: cluster->any on lxc+ forward accept" -j ACCEPT
-A CILIUM_FORWARD -i cilium_net -m comment --comment "cilium: cluster->any on cilium_net forward accept (nodeport)" -j ACCEPT
""",
        ("node", "cat /etc/cni/net.d/05-cilium.conflist"): """
{
  "cniVersion": "0.3.1",
  "name": "cilium",
  "plugins": [
    {
       "type": "cilium-cni",
       "enable-debug": false,
       "log-file": "/var/run/cilium/cilium-cni.log"
    }
  ]
}
""",
        ("node", "ip -br link show type veth"): """
eth0@if…         UP             M <BROADCAST,MULTICAST,UP,LOWER_UP>
cilium_net@cilium_host UP             M <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP>
cilium_host@cilium_net UP             M <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP>
lxc…@if… UP             M <BROADCAST,MULTICAST,UP,LOWER_UP>
""",
        ("node", "bridge fdb show dev cilium_vxlan"): "",
        ("node", "cilium-dbg bpf ipcache list"): """
IP PREFIX/ADDRESS   IDENTITY
0.0.0.0/0           identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>
10.244.0.111/32     identity=1 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>
10.244.0.143/32     identity=53182 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>
10.244.1.0/24       identity=2 encryptkey=0 tunnelendpoint=192.168.64.12 flags=hastunnel
10.244.1.187/32     identity=6 encryptkey=0 tunnelendpoint=192.168.64.12 flags=hastunnel
10.244.2.0/24       identity=2 encryptkey=0 tunnelendpoint=192.168.64.13 flags=hastunnel
10.244.2.59/32      identity=6 encryptkey=0 tunnelendpoint=192.168.64.13 flags=hastunnel
192.168.64.11/32    identity=1 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>
192.168.64.12/32    identity=6 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>
192.168.64.13/32    identity=6 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>
""",
        ("node", "cilium-dbg bpf endpoint list"): """
IP ADDRESS        LOCAL ENDPOINT INFO
10.244.0.111:0    (localhost)
10.244.0.143:0    id=N sec_id=53182 flags=0x0000 ifindex=7   mac=M nodemac=M parent_ifindex=0
192.168.64.11:0   (localhost)
""",
        ("pod", "ip addr"): """
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
6: eth0@if…: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether M brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.244.0.143/32 scope global eth0
       valid_lft forever preferred_lft forever
""",
        ("pod", "ip route"): """
default via 10.244.0.111 dev eth0 mtu 1450
10.244.0.111 dev eth0 scope link
""",
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
    text = VETH.sub(r"\1…", MAC.sub("M", done.stdout))
    text = re.sub(r"\bid=\d+ +sec_id", "id=N sec_id", text)
    lines = [line.rstrip() for line in re.sub(r"@if\d+", "@if…", text).splitlines()]
    return "\n".join(line for line in lines if line).strip("\n")


@pytest.mark.parametrize(
    ("network", "where", "command"),
    [(network, *asked) for network, page in PAGES.items() for asked in page],
    ids=lambda word: str(word).replace("/", "-"),
)
def test_the_page_of_a_wiring_shows(clusters: dict[str, Cluster], network: str, where: str, command: str) -> None:
    assert _found(clusters[network], where, command) == PAGES[network][where, command].strip("\n")
