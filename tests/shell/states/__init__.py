"""States of a Linux box, each a list of command lines, and the questions that are put to every one of them.

``python -m tests.shell.states.record`` (as root on Linux) asks the real tools in real namespaces and writes
``tests/truth/tool_states.json``; `test_states.py` holds ours against that record, anywhere.
"""

from __future__ import annotations

CABLE = """
ip link set lo up
ip netns add x
ip link add v0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns x
ip addr add 10.0.0.1/24 dev v0
ip link set v0 up
ip -n x addr add 10.0.0.2/24 dev eth0
ip -n x link set eth0 up
ip -n x link set lo up
"""
BRIDGE = """
ip link add br0 address 02:00:00:00:00:10 type bridge
ip addr add 10.1.0.1/24 dev br0
ip link set br0 up
ip netns add a
ip netns add b
ip link add pa address 02:00:00:00:00:11 type veth peer name eth0 address 02:00:00:00:00:12 netns a
ip link add pb address 02:00:00:00:00:13 type veth peer name eth0 address 02:00:00:00:00:14 netns b
ip link set pa master br0
ip link set pb master br0
ip link set pa up
ip link set pb up
ip -n a link set lo up
ip -n a addr add 10.1.0.2/24 dev eth0
ip -n a link set eth0 up
ip -n b addr add 10.1.0.3/24 dev eth0
ip -n b link set eth0 up
"""
RULES = """
iptables -t nat -N WEB
iptables -t nat -A PREROUTING -d 10.96.0.1/32 -p tcp --dport 80 -j WEB
iptables -t nat -A WEB -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.1.0.2:80
iptables -t nat -A WEB -p tcp -j DNAT --to-destination 10.1.0.3:80
iptables -t nat -A POSTROUTING -s 10.1.0.0/24 ! -d 10.1.0.0/24 -m comment --comment "to the world" -j MASQUERADE
iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
iptables -P FORWARD DROP
"""
VETH = "ip link add name near address 02:00:00:00:00:71 type veth peer name far address 02:00:00:00:00:72"
SCENES = {"nothing": "", "cable": CABLE, "bridge": BRIDGE}
STEPS: dict[str, dict[str, str]] = {
    "nothing": {
        "fresh": "",
        "lo up": "ip link set lo up",
        "lo with more addresses": "ip link set lo up\nip addr add 10.9.0.1/32 dev lo\nip addr add 127.0.0.2/8 dev lo",
        "lo down again": "ip link set lo up\nip link set lo down",
        "a bridge alone": "ip link add br7 address 02:00:00:00:00:70 type bridge",
        "a bridge up without ports": "ip link add br7 address 02:00:00:00:00:70 type bridge\nip link set br7 up",
        "both ends here": VETH,
        "one end up": f"{VETH}\nip link set near up",
        "both up": f"{VETH}\nip link set near up\nip link set far up",
        "forwarding": "sysctl -w net.ipv4.ip_forward=1",
        "two namespaces": "ip netns add p\nip netns add q",
    },
    "cable": {
        "plain": "",
        "far end down": "ip -n x link set eth0 down",
        "near end down": "ip link set v0 down",
        "far end gone": "ip netns del x",
        "renamed": "ip link set v0 down\nip link set v0 name wan\nip link set wan up",
        "another mtu": "ip link set v0 mtu 1400",
        "promiscuous": "ip link set v0 promisc on",
        "alias": "ip link set v0 alias uplink",
        "queue": "ip link set v0 txqueuelen 500",
        "second address": "ip addr add 10.0.0.7/24 dev v0",
        "second network": "ip addr add 192.168.7.1/16 brd + dev v0",
        "label and scope": "ip addr add 10.7.0.1/24 dev v0 scope link",
        "first address gone": "ip addr add 10.0.0.7/24 dev v0\nip addr del 10.0.0.1/24 dev v0",
        "all addresses gone": "ip addr flush dev v0",
        "host address": "ip addr add 10.8.0.1/32 dev v0",
        "point to point": "ip addr add 10.8.0.1 peer 10.8.0.2 dev v0",
        "default route": "ip route add default via 10.0.0.2",
        "routes of every scope": "ip route add 10.5.0.0/16 via 10.0.0.2 metric 50\nip route add 10.6.0.0/16 dev v0\n"
        "ip route add 10.7.0.0/16 dev v0 scope link src 10.0.0.1 proto static",
        "refusing routes": "ip route add blackhole 10.5.0.0/16\nip route add unreachable 10.6.0.0/16\n"
        "ip route add prohibit 10.7.0.0/16 metric 9",
        "onlink": "ip route add 10.5.0.0/16 via 172.16.0.9 dev v0 onlink",
        "two metrics": "ip route add 10.5.0.0/16 via 10.0.0.2 metric 10\n"
        "ip route add 10.5.0.0/16 via 10.0.0.3 metric 20",
        "route with mtu": "ip route add 10.5.0.0/16 via 10.0.0.2 mtu 1300",
        "other tables": "ip route add default via 10.0.0.2 table 100\nip route add 10.5.0.0/16 dev v0 table 200",
        "rule by source": "ip rule add from 10.0.0.0/24 lookup 100 pref 1000\n"
        "ip route add default via 10.0.0.2 table 100",
        "rule by mark": "ip rule add fwmark 0x10/0xf0 lookup 100 pref 900",
        "rule by device": "ip rule add iif v0 lookup 100\nip rule add oif v0 lookup 101",
        "rule that refuses": "ip rule add to 10.5.0.0/16 prohibit\nip rule add not from 10.6.0.0/16 blackhole pref 7",
        "permanent neighbour": "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev v0",
        "neighbour states": "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev v0 nud stale\n"
        "ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:98 dev v0 nud noarp",
        "proxy neighbour": "ip neigh add proxy 10.0.0.50 dev v0",
        "settings of a device": "sysctl -w net.ipv4.conf.v0.rp_filter=2 net.ipv4.conf.v0.proxy_arp=1",
        "settings of all": f"sysctl -w net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1\n{VETH}",
        "rules": RULES,
        "a rule counts": "iptables -A OUTPUT -p icmp -j ACCEPT\nping -c 1 -W 1 10.0.0.2",
        "pinged": "ping -c 1 -W 1 10.0.0.2",
        "pinged, tracked": "iptables -A OUTPUT -m conntrack --ctstate NEW -j ACCEPT\nping -c 1 -W 1 10.0.0.2",
        "pinged, masqueraded": "ip addr add 10.8.0.1/32 dev lo\niptables -t nat -A POSTROUTING -o v0 -j MASQUERADE\n"
        "ping -c 1 -W 1 10.0.0.2",
        "pinged itself": "ping -c 1 -W 1 10.0.0.1",
        "mangled and marked": "iptables -t mangle -A OUTPUT -j MARK --set-mark 7\n"
        "iptables -t raw -A PREROUTING -j NOTRACK",
    },
    "bridge": {
        "plain": "",
        "a port leaves": "ip link set pb nomaster",
        "hairpin": "bridge link set dev pa hairpin on",
        "port switches": "bridge link set dev pa learning off flood off",
        "isolated": "ip link set pa type bridge_slave isolated on",
        "ageing": "ip link set br0 type bridge ageing_time 1000",
        "static entry": "bridge fdb add 02:00:00:00:00:55 dev pa master static",
        "permanent entry": "bridge fdb add 02:00:00:00:00:56 dev pb master permanent",
        "a port down": "ip link set pa down",
        "the bridge down": "ip link set br0 down",
        "a port gone": "ip netns del b",
        "the bridge gone": "ip link del br0",
        "talked": "ping -c 1 -W 1 10.1.0.2",
        "port mtu": "ip link set pa mtu 1400",
    },
}
"""Scene -> state -> what is done to it."""
QUESTIONS = """
ip addr
ip -4 -o addr
ip -br addr
ip link
ip -d link
ip -br link
ip route
ip route show table all
ip rule
ip neigh
ip netns
ip -j addr
ip -j route
ip -j -p rule
bridge link
bridge -d link
bridge fdb
brctl show
iptables-save
iptables -S
iptables -t nat -L -n --line-numbers
conntrack -L
sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter net.ipv4.conf.default.rp_filter
sysctl -a -r 'ipv4.conf.v0.(rp_filter|proxy_arp|forwarding)$'
ip route get 10.0.0.2
ip route get 10.5.1.1
ip route get 127.0.0.1
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def states() -> list[tuple[str, list[str]]]:
    """(name, command lines) of every state."""
    return [
        (f"{scene}: {state}", [*lines(SCENES[scene]), *lines(done)])
        for scene, more in STEPS.items()
        for state, done in more.items()
    ]
