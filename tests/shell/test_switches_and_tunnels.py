"""Frames over bridges and VXLANs: the same machines here and in real namespaces, the same pings, the same tables."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]

HOSTS = """
ip netns add h1
ip netns add h2
ip link add u1 address 02:00:00:00:01:01 netns h1 type veth peer name u2 address 02:00:00:00:01:02 netns h2
ip -n h1 addr add 192.168.0.1/24 dev u1
ip -n h2 addr add 192.168.0.2/24 dev u2
ip -n h1 link set u1 up
ip -n h2 link set u2 up
ip -n h1 link set lo up
ip -n h2 link set lo up
"""


def ends(first: str, second: str = "", vni: int = 1, port: int = 8472) -> str:
    """A VXLAN device on each host, with further settings."""
    second = second or first
    return (
        HOSTS
        + f"""
    ip -n h1 link add vx address 02:00:00:00:02:01 type vxlan id 1 local 192.168.0.1 dstport 8472 {first}
    ip -n h2 link add vx address 02:00:00:00:02:02 type vxlan id {vni} local 192.168.0.2 dstport {port} {second}
    ip -n h1 link set vx up
    ip -n h2 link set vx up
    ip -n h1 addr add 10.9.0.1/24 dev vx
    ip -n h2 addr add 10.9.0.2/24 dev vx
    """
    )


FLANNEL = """
ip -n h1 neigh add 10.9.0.2 lladdr 02:00:00:00:02:02 dev vx
ip -n h2 neigh add 10.9.0.1 lladdr 02:00:00:00:02:01 dev vx
bridge -n h1 fdb append 02:00:00:00:02:02 dev vx dst 192.168.0.2
bridge -n h2 fdb append 02:00:00:00:02:01 dev vx dst 192.168.0.1
"""
TO_ALL = """
bridge -n h1 fdb append 00:00:00:00:00:00 dev vx dst 192.168.0.9
bridge -n h1 fdb append 00:00:00:00:00:00 dev vx dst 192.168.0.2
bridge -n h2 fdb append 00:00:00:00:00:00 dev vx dst 192.168.0.1
"""
BRIDGED = """
ip netns add c1
ip netns add c2
ip -n h1 link add br0 address 02:00:00:00:03:01 type bridge
ip -n h2 link add br0 address 02:00:00:00:03:02 type bridge
ip -n h1 link set br0 up
ip -n h2 link set br0 up
ip -n h1 link set vx master br0
ip -n h2 link set vx master br0
ip link add eth0 address 02:00:00:00:04:01 netns c1 type veth peer name p1 address 02:00:00:00:05:01 netns h1
ip link add eth0 address 02:00:00:00:04:02 netns c2 type veth peer name p1 address 02:00:00:00:05:02 netns h2
ip -n h1 link set p1 master br0
ip -n h2 link set p1 master br0
ip -n h1 link set p1 up
ip -n h2 link set p1 up
ip -n c1 link set eth0 up
ip -n c2 link set eth0 up
ip -n c1 addr add 10.8.0.1/24 dev eth0
ip -n c2 addr add 10.8.0.2/24 dev eth0
"""
THREE = """
ip netns add h1
ip netns add c1
ip netns add c2
ip netns add c3
ip -n h1 link add br0 address 02:00:00:00:03:01 type bridge
ip -n h1 link set br0 up
ip link add eth0 address 02:00:00:00:04:01 netns c1 type veth peer name p1 address 02:00:00:00:05:01 netns h1
ip link add eth0 address 02:00:00:00:04:02 netns c2 type veth peer name p2 address 02:00:00:00:05:02 netns h1
ip link add eth0 address 02:00:00:00:04:03 netns c3 type veth peer name p3 address 02:00:00:00:05:03 netns h1
ip -n h1 link set p1 master br0
ip -n h1 link set p2 master br0
ip -n h1 link set p3 master br0
ip -n h1 link set p1 up
ip -n h1 link set p2 up
ip -n h1 link set p3 up
ip -n c1 link set eth0 up
ip -n c2 link set eth0 up
ip -n c3 link set eth0 up
ip -n c1 addr add 10.8.0.1/24 dev eth0
ip -n c2 addr add 10.8.0.2/24 dev eth0
ip -n c3 addr add 10.8.0.3/24 dev eth0
ip -n h1 addr add 10.8.0.9/24 dev br0
"""
HAND = (
    "ip -n c1 neigh add 10.8.0.2 lladdr {0} dev eth0\nip -n c2 neigh add 10.8.0.1 lladdr 02:00:00:00:04:01 dev eth0\n"
)
KNOWN = HAND.format("02:00:00:00:04:02")
PING = "ip netns exec {} ping -c 1 -W 1 {}\n"
VX, C1, C1_UP = PING.format("h1", "10.9.0.2"), PING.format("c1", "10.8.0.2"), PING.format("c1", "10.8.0.9")
TABLES = "bridge -n h1 fdb show dev vx\nbridge -n h2 fdb show dev vx\n"
PORTS = "bridge -n h1 fdb show br br0\n"

SCENES = {
    "as flannel does it": ends("nolearning dev u1", "nolearning dev u2") + FLANNEL + VX + TABLES,
    "an outer packet that is too long is cut up": ends("nolearning")
    + FLANNEL
    + "ip netns exec h1 ping -c 1 -W 1 -s 1460 10.9.0.2\n",
    "an outer packet that must not be cut up": ends("nolearning df set")
    + FLANNEL
    + "ip netns exec h1 ping -c 1 -W 1 -s 1460 10.9.0.2\nip netns exec h1 ping -c 1 -W 1 -s 1400 10.9.0.2\n",
    "without an entry": ends("nolearning") + "\n" + VX,
    "no entry for the peer": ends("nolearning") + "ip -n h1 neigh add 10.9.0.2 lladdr 02:00:00:00:02:02 dev vx\n" + VX,
    "the entry names nobody": ends("nolearning") + FLANNEL.replace("dst 192.168.0.2", "dst 192.168.0.77") + VX + TABLES,
    "the entry names the machine itself": ends("nolearning")
    + FLANNEL.replace("dst 192.168.0.2", "dst 192.168.0.1")
    + VX,
    "the neighbour's MAC is wrong": ends("nolearning")
    + FLANNEL.replace("add 10.9.0.2 lladdr 02:00:00:00:02:02", "add 10.9.0.2 lladdr 02:00:00:00:02:77")
    + "bridge -n h1 fdb append 02:00:00:00:02:77 dev vx dst 192.168.0.2\n"
    + VX,
    "head-end replication": ends("nolearning") + TO_ALL + VX + TABLES,
    "learning from a default remote": ends("remote 192.168.0.2", "remote 192.168.0.1") + VX + TABLES,
    "one side learns": ends("remote 192.168.0.2", "learning") + VX + TABLES,
    "one side neither learns nor knows": ends("remote 192.168.0.2", "nolearning") + VX + TABLES,
    "another VNI": ends("remote 192.168.0.2", "remote 192.168.0.1", 2) + VX + TABLES,
    "another port": ends("remote 192.168.0.2", "remote 192.168.0.1", 1, 4789) + VX + TABLES,
    "the other end is down": ends("nolearning") + FLANNEL + "ip -n h2 link set vx down\n" + VX,
    "a firewall on the way out": ends("nolearning")
    + FLANNEL
    + "ip netns exec h1 iptables -A OUTPUT -p udp --dport 8472 -j DROP\n"
    + VX,
    "a firewall on the way in": ends("nolearning")
    + FLANNEL
    + "ip netns exec h2 iptables -A INPUT -p udp --dport 8472 -j DROP\n"
    + VX,
    "the outer packet has the inner one's mark": ends("nolearning")
    + FLANNEL
    + "ip netns exec h1 iptables -t mangle -A OUTPUT -p icmp -j MARK --set-mark 5\n"
    + "ip netns exec h1 iptables -t mangle -A POSTROUTING -p udp -m mark --mark 5 -j DROP\n"
    + VX,
    "a MAC that lives elsewhere by decree": ends("remote 192.168.0.2", "remote 192.168.0.1")
    + "bridge -n h1 fdb add 02:00:00:00:02:02 dev vx dst 192.168.0.66\n"
    + VX
    + TABLES,
    "the way to the other machine is the tunnel": ends("nolearning")
    + FLANNEL
    + "ip -n h1 route add 192.168.0.2/32 dev vx\n"
    + VX,
    "no route to the other machine": ends("nolearning") + FLANNEL + "ip -n h1 route del 192.168.0.0/24 dev u1\n" + VX,
    "a VXLAN device moved away": ends("nolearning")
    + FLANNEL
    + "ip netns add c1\nip -n h1 link set vx netns c1\nip -n c1 link set vx up\nip -n c1 addr add 10.9.0.1/24 dev vx\n"
    + "ip -n c1 neigh add 10.9.0.2 lladdr 02:00:00:00:02:02 dev vx\n"
    + PING.format("c1", "10.9.0.2")
    + PING.format("h2", "10.9.0.1")
    + "bridge -n c1 fdb show dev vx\n",
    "bridges over a VXLAN": ends("remote 192.168.0.2", "remote 192.168.0.1")
    + BRIDGED
    + C1
    + TABLES
    + PORTS
    + "bridge -n h2 fdb show br br0\n",
    "bridges over a VXLAN that does not learn": ends("nolearning remote 192.168.0.2", "nolearning remote 192.168.0.1")
    + BRIDGED
    + C1
    + TABLES,
    "a bridge learns": THREE + C1 + PORTS + C1_UP + PORTS,
    "a port that does not learn": THREE + "bridge -n h1 link set dev p1 learning off\n" + C1 + PORTS,
    "unknown MACs are not flooded": THREE + KNOWN + "bridge -n h1 link set dev p2 flood off\n" + C1 + PORTS,
    "broadcasts are not flooded": THREE + "bridge -n h1 link set dev p2 bcast_flood off\n" + C1 + PORTS,
    "isolated ports": THREE
    + "bridge -n h1 link set dev p1 isolated on\nbridge -n h1 link set dev p2 isolated on\n"
    + C1
    + C1_UP
    + PING.format("c1", "10.8.0.3"),
    "one isolated port": THREE + "bridge -n h1 link set dev p1 isolated on\n" + C1,
    "an entry behind the wrong port": THREE
    + KNOWN
    + "bridge -n h1 fdb add 02:00:00:00:04:02 dev p3 master static\n"
    + C1
    + PORTS,
    "a static entry moves": THREE + "bridge -n h1 fdb add 02:00:00:00:04:01 dev p3 master static\n" + C1 + PORTS,
    "a permanent entry is the machine's own": THREE
    + KNOWN
    + "bridge -n h1 fdb add 02:00:00:00:04:02 dev p2 master permanent\n"
    + C1
    + PORTS,
    "an entry behind the sender's own port": THREE
    + KNOWN
    + "bridge -n h1 fdb add 02:00:00:00:04:02 dev p1 master static\n"
    + C1,
    "ageing time 0 floods always": THREE + "ip -n h1 link set br0 type bridge ageing_time 0\n" + C1 + PORTS,
    "the MAC of another port": THREE + HAND.format("02:00:00:00:05:02") + C1,
    "the MAC of one's own port": THREE + "ip -n c1 neigh add 10.8.0.9 lladdr 02:00:00:00:05:01 dev eth0\n" + C1_UP,
    "the MAC of another port, for the machine": THREE
    + "ip -n c1 neigh add 10.8.0.9 lladdr 02:00:00:00:05:02 dev eth0\n"
    + C1_UP,
    "the MAC of another port, seen by iptables": THREE
    + "ip netns exec h1 iptables -A FORWARD -j ACCEPT\n"
    + "ip -n c1 neigh add 10.8.0.9 lladdr 02:00:00:00:05:02 dev eth0\n"
    + C1_UP,
    "a promiscuous bridge": THREE + "ip -n h1 link set br0 promisc on\n" + C1 + C1_UP + PORTS,
    "a promiscuous bridge does not take what is for others": THREE
    + "ip -n h1 link set br0 promisc on\nip -n c1 neigh add 10.8.0.9 lladdr 02:00:00:00:04:77 dev eth0\n"
    + C1_UP,
    "iptables sees bridged packets": THREE + "ip netns exec h1 iptables -A FORWARD -j DROP\n" + C1 + C1_UP,
    "iptables sees them by the bridge's own switch": THREE
    + "ip netns exec h1 sysctl -qw net.bridge.bridge-nf-call-iptables=0\n"
    + "ip -n h1 link set br0 type bridge nf_call_iptables 1\nip netns exec h1 iptables -A FORWARD -j DROP\n"
    + C1,
    "iptables does not see them": THREE
    + "ip netns exec h1 sysctl -qw net.bridge.bridge-nf-call-iptables=0\nip netns exec h1 iptables -A FORWARD -j DROP\n"
    + C1,
    "two machines with one MAC": THREE.replace("02:00:00:00:04:03", "02:00:00:00:04:02") + C1,
    "a group's MAC nobody forwards": THREE + HAND.format("01:80:c2:00:00:0e") + C1,
    "a bridge that is down": THREE + "ip -n h1 link set br0 down\n" + C1,
    "a port that left": THREE + C1 + "ip -n h1 link set p2 nomaster\n" + C1 + PORTS,
    "a flushed table": THREE + C1 + "bridge -n h1 fdb flush dev br0 dynamic\n" + C1 + PORTS,
    "a port went down and up": THREE + C1 + "ip -n h1 link set p2 down\nip -n h1 link set p2 up\n" + PORTS + C1,
}


def heard(said: Any) -> Any:
    """Of a ping: was it answered? Of a table: its lines in any order, without listeners' groups (and who joins them:
    a bridge's own MAC, 02:00:00:00:03:..)."""
    if "packets transmitted" in said.stdout:
        return said.exit_code
    return sorted(line for line in said.stdout.splitlines() if not re.match(r"33:33|01:00:5e|02:00:00:00:03:", line))


@pytest.mark.parametrize("scene", SCENES)
def test_frames_go_where_the_kernel_sends_them(pair: Any, scene: str) -> None:
    for line in filter(None, map(str.strip, SCENES[scene].splitlines())):
        want, got = pair.real.run(line), pair.ours.run(line)
        if "ping" in line or "fdb show" in line:
            assert (line, heard(got)) == (line, heard(want))
        else:
            assert (line, got.stderr, got.exit_code) == (line, want.stderr, want.exit_code)
