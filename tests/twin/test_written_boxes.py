"""Small networks of boxes in which the kernel does what one does not expect: each taught the engine something.

The engine's answers are held against the written ones in the default run, the kernel's in the slow one.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from .boxes.ours import Ours
from .boxes.real import MISSING, Real
from .boxes.scenario import Answer
from .boxes.written import written

TWO = """
- ip netns add a
- ip netns add b
a cable e0 b e0
a ip link set lo up
a ip link set e0 up
b ip link set lo up
b ip link set e0 up
"""

WRITTEN = {
    "an IPv6 gateway that does not answer is passed over at the next try": TWO
    + """
a ip -6 addr add fd00:0:0:1::1/48 dev e0
a ip -6 route add fd00:0:0:1::/64 via fd00:0:0:2::2
b ip -6 addr add fd00:0:0:1::2/48 dev e0
a listen tcp :: 80
a listen udp :: 53
b -> fd00:0:0:1::1 80/tcp: connected a fd00:0:0:1::2
b -> fd00:0:0:1::1 53/udp: timeout
a -> fd00:0:0:1::2 80/tcp: unreachable
""",
    "an IPv6 router uses its gateway whether it answers or not": TWO
    + """
a ip -6 addr add fd00:0:0:1::1/48 dev e0
a ip -6 route add fd00:0:0:1::/64 via fd00:0:0:2::2
a sysctl -w net.ipv6.conf.all.forwarding=1
b ip -6 addr add fd00:0:0:1::2/48 dev e0
a listen tcp :: 80
b -> fd00:0:0:1::1 80/tcp: timeout
""",
    "a throw says nothing of a gateway but that it is no neighbour": TWO
    + """
b ip -6 addr add fd00:0:0:1::2/64 dev e0
b ip -6 rule add to fd00:0:0:1::3 lookup 100 pref 10
b ip -6 route add throw fd00:0:0:1::/64 table 100
b ip -6 route add default via fd00:0:0:1::3 table 100 # refused
""",
    "who never had an IPv4 address may bind to any, who had one only to its own": """
- ip netns add a
- ip netns add b
- ip netns add c
a cable e0 b e0
c cable e0 b e1
a ip addr add 10.0.1.2/24 dev e0
a ip addr del 10.0.1.2/24 dev e0
b ip route add blackhole 10.0.0.0/8
c ip addr add 10.0.1.2/24 dev e0
c ip link del e0
a listen tcp 10.0.1.2 80 # refused
b listen tcp 10.0.1.2 80
c listen tcp 10.0.1.2 80 # refused
""",
    "who sends hears at once of what its own last hook drops, but for TCP": TWO
    + """
a ip addr add 10.0.1.1/24 dev e0
b ip addr add 10.0.1.2/24 dev e0
a nft 'add table ip mine'
a nft 'add chain ip mine last { type filter hook postrouting priority mangle; policy drop; }'
b listen tcp 0.0.0.0 80
a -> 10.0.1.2 80/tcp: timeout
a -> 10.0.1.2 53/udp: unreachable
a -> 10.0.1.2 0/icmp: unreachable
""",
    "a TCP reset is an answer to TCP alone": TWO
    + """
a ip addr add 10.0.1.1/24 dev e0
b ip addr add 10.0.1.2/24 dev e0
b nft 'add table inet mine'
b nft 'add chain inet mine in { type filter hook input priority filter; }'
b nft 'add rule inet mine in meta l4proto tcp reject with tcp reset'
b nft 'add rule inet mine in meta nfproto ipv6 reject with icmpv6 no-route'
b listen tcp 0.0.0.0 80
b listen udp 0.0.0.0 53
a -> 10.0.1.2 80/tcp: refused
a -> 10.0.1.2 53/udp: connected b 10.0.1.1
a -> 10.0.1.2 0/icmp: connected b 10.0.1.1
""",
    "with rp_filter a rule about the answers decides whether ARP is answered": TWO
    + """
a ip addr add 10.0.1.1/24 dev e0
b ip addr add 10.0.1.2/24 dev e0
b sysctl -w net.ipv4.conf.e0.rp_filter=2
b ip rule add from 10.0.1.0/24 unreachable pref 10
a -> 10.0.1.2 80/tcp: unreachable
a -> 10.0.1.2 0/icmp: unreachable
""",
    "a VXLAN over a card takes what comes to its own port alone": TWO
    + """
a ip addr add 10.0.1.1/24 dev e0
b ip addr add 10.0.1.2/24 dev e0
b ip link add vx0 type vxlan id 7 dstport 4789 local 10.0.1.2 remote 10.0.1.1 dev e0
b ip link set vx0 up
b listen udp 0.0.0.0 53
a -> 10.0.1.2 53/udp: connected b 10.0.1.1
a -> 10.0.1.2 54/udp: refused
a -> 10.0.1.2 4789/udp: timeout
""",
    "the address of all routers takes no connections": TWO
    + """
b ip -6 addr add fd00:0:0:5::5/126 dev e0
b sysctl -w net.ipv6.conf.all.forwarding=1
b listen tcp :: 80
b listen udp :: 53
b -> fd00:0:0:5::4 80/tcp: timeout
b -> fd00:0:0:5::4 81/tcp: timeout
b -> fd00:0:0:5::4 53/udp: connected b fd00:0:0:5::5
b -> fd00:0:0:5::4 54/udp: refused
b -> fd00:0:0:5::4 0/icmp: timeout
""",
    "a device without IPv6 has no IPv6 neighbours": TWO
    + """
a sysctl -w net.ipv6.conf.e0.disable_ipv6=1
a ip neigh add fd00::2 lladdr 02:00:00:00:00:02 dev e0 # refused
a ip neigh add 10.0.1.2 lladdr 02:00:00:00:00:02 dev e0
""",
    "a router that masquerades half of a conversation breaks it": """
- ip netns add a
- ip netns add r
- ip netns add b
a cable e0 b e0
a cable e1 r e0
b cable e1 r e1
a ip addr add 10.0.1.1/24 dev e0
b ip addr add 10.0.1.2/24 dev e0
a ip addr add 10.0.2.1/24 dev e1
r ip addr add 10.0.2.3/24 dev e0
b ip addr add 10.0.3.2/24 dev e1
r ip addr add 10.0.3.3/24 dev e1
a ip link set lo up
a ip link set e0 up
a ip link set e1 up
b ip link set lo up
b ip link set e0 up
b ip link set e1 up
r ip link set e0 up
r ip link set e1 up
a ip addr add 172.16.0.1/32 dev lo
b ip addr add 172.16.0.2/32 dev lo
a ip route add 172.16.0.2 via 10.0.1.2 src 172.16.0.1
b ip route add 172.16.0.1 via 10.0.3.3
r ip route add 172.16.0.1 via 10.0.2.1
r ip route add 172.16.0.2 via 10.0.3.2
r sysctl -w net.ipv4.ip_forward=1
r iptables -t nat -A POSTROUTING -d 172.16.0.1 -j MASQUERADE
b listen tcp 0.0.0.0 80
b listen udp 0.0.0.0 53
a -> 172.16.0.2 80/tcp: unreachable
a -> 172.16.0.2 81/tcp: refused
a -> 172.16.0.2 53/udp: timeout
a -> 172.16.0.2 54/udp: refused
a -> 172.16.0.2 0/icmp: connected b 172.16.0.1
""",
    "what is not tracked no DNAT sees, and an address is local on a device that is down": """
- ip netns add a
- ip netns add b
- ip netns add c
a cable e0 b e0
b cable e1 c e0
a ip link set e0 up
b ip link set e0 up
b ip link set e1 up
c ip link set e0 up
a ip addr add 10.0.1.1/24 dev e0
b ip addr add 10.0.1.2/24 dev e0
b ip addr add 10.0.2.2/24 dev e1
c ip addr add 10.0.2.3/24 dev e0
a ip route add default via 10.0.1.2
c ip route add default via 10.0.2.2
b sysctl -w net.ipv4.ip_forward=1
b ip link add local0 type bridge
b ip addr add 10.96.0.10/32 dev local0
b ip addr add 10.96.0.11/32 dev local0
b iptables -t nat -A PREROUTING -d 10.96.0.0/24 -j DNAT --to-destination 10.0.2.3
b iptables -t raw -A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j NOTRACK
b iptables -t raw -A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j NOTRACK
b iptables -t raw -A OUTPUT -s 10.96.0.10/32 -p udp -m udp --sport 53 -j NOTRACK
b iptables -t raw -A OUTPUT -s 10.96.0.10/32 -p tcp -m tcp --sport 80 -j NOTRACK
b listen tcp 10.96.0.10 80
b listen udp 10.96.0.10 53
b listen udp 10.96.0.11 53
c listen tcp 0.0.0.0 80
c listen udp 0.0.0.0 53
a -> 10.96.0.10 53/udp: connected b 10.0.1.1
a -> 10.96.0.10 80/tcp: connected b 10.0.1.1
a -> 10.96.0.11 53/udp: connected c 10.0.1.1
a -> 10.96.0.11 80/tcp: connected c 10.0.1.1
""",
}
"""What is learned -> the boxes, with the answers."""


def refused(text: str) -> list[str]:
    """The lines that are written to be refused."""
    return [line.partition(" # ")[0] for line in text.splitlines() if line.endswith("# refused")]


@pytest.mark.parametrize("lesson", WRITTEN)
def test_the_engine_says_what_is_written(lesson: str) -> None:
    scenario, answers = written(WRITTEN[lesson].replace(" # refused", ""))
    ours = Ours(scenario)
    assert [f"{line.box} {line.text}" for n, line in enumerate(scenario.lines) if n in ours.refused] == refused(
        WRITTEN[lesson]
    )
    assert [ours.ask(probe) for probe in scenario.probes] == [{answer} for answer in answers]


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="network namespaces need root")
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_the_kernel_says_what_is_written() -> None:
    def asked(text: str) -> tuple[list[str], list[Answer]]:
        scenario, _ = written(text.replace(" # refused", ""))
        real = Real(scenario)
        real.begin()
        with real:
            told = [f"{line.box} {line.text}" for n, line in enumerate(scenario.lines) if n in real.refused]
            return told, real.ask(scenario.probes)

    with ThreadPoolExecutor(len(WRITTEN)) as threads:
        said = dict(zip(WRITTEN, threads.map(asked, WRITTEN.values()), strict=True))
    assert said == {lesson: (refused(text), written(text)[1]) for lesson, text in WRITTEN.items()}
