"""``traceroute`` against Debian's: the same routers, marks and stars on the same boxes."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest

from tests.shell.conftest import Ours, Pair

LINE = """
ip netns add a
ip netns add r
ip netns add b
ip link add v0 type veth peer name v1
ip link set v1 netns a
ip link add w0 type veth peer name w1
ip link set w1 netns r
ip -n r link add x0 type veth peer name x1
ip -n r link set x1 netns b
ip link set lo up
ip -n a link set lo up
ip -n r link set lo up
ip -n b link set lo up
ip link set v0 up
ip link set w0 up
ip -n a link set v1 up
ip -n r link set w1 up
ip -n r link set x0 up
ip -n b link set x1 up
ip addr add {0}1{1} dev v0 {2}
ip -n a addr add {0}2{1} dev v1 {2}
ip addr add {3}1{1} dev w0 {2}
ip -n r addr add {3}2{1} dev w1 {2}
ip -n r addr add {4}1{1} dev x0 {2}
ip -n b addr add {4}2{1} dev x1 {2}
ip -n a route add default via {0}1
ip route add {5} via {3}2
ip -n r route add {6} via {3}1
ip -n b route add default via {4}1
{7}
"""
FORWARDS = "sysctl -qw {0}\nip netns exec r sysctl -qw {0}"
IPV4 = LINE.format(
    "10.9.0.", "/24", "", "10.9.1.", "10.9.2.", "10.9.2.0/24", "10.9.0.0/24", FORWARDS.format("net.ipv4.ip_forward=1")
)
IPV6 = LINE.format(
    *("fd09::", "/64", "nodad", "fd09:1::", "fd09:2::", "fd09:2::/64", "fd09::/64"),
    FORWARDS.format("net.ipv6.conf.all.forwarding=1"),
)
FROM_A = """
traceroute -n -N 1 -q 1 10.9.3.1
traceroute -n -N 1 -I -q 1 10.9.3.1
traceroute -n 10.9.2.2
traceroute -nI 10.9.2.2
traceroute -n -T -q 2 10.9.2.2
traceroute -n -T -p 81 -q1 10.9.2.2
traceroute -n -U -q 1 10.9.2.2
traceroute -n -f 2 -m 2 10.9.2.2 100
traceroute -n 10.9.2.2 20
traceroute -n -q 1 127.0.0.1
traceroute -n -q 1 10.9.0.2
traceroute -n -I -q 1 10.9.0.2
traceroute -n -T -q 1 10.9.0.2
traceroute -x 10.9.2.2
traceroute -m 300 10.9.2.2
traceroute -f 31 10.9.2.2
traceroute -q 20 10.9.2.2
traceroute -q x 10.9.2.2
traceroute 10.9.2.2 x
traceroute 10.9.2.2 -q
"""
RULES = (
    "-A FORWARD -p udp -j DROP",
    "-A FORWARD -j REJECT",
    "-A FORWARD -j REJECT --reject-with icmp-host-prohibited",
    "-A FORWARD -j REJECT --reject-with icmp-admin-prohibited",
    "-A FORWARD -j REJECT --reject-with icmp-proto-unreachable",
    "-A FORWARD -j REJECT --reject-with icmp-net-unreachable",
    "-A INPUT -j DROP",
    "-A OUTPUT -p icmp -j DROP",
)
"""On the first router."""
needs_the_real_one = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("traceroute") is None, reason="not installed: traceroute"),
]


def timeless(said: Any) -> Any:
    return said._replace(stdout=re.sub(r"\d+\.\d{3} ms", "T ms", said.stdout))


def wire(pair: Pair, lines: str) -> None:
    """The same boxes twice; a real router would soon say no more than one error a second."""
    for line in lines.strip().splitlines():
        both(pair, line)
    for box in ("", *(f"ip netns exec {name} " for name in "arb")):
        pair.real.run(f"{box}sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000")
        pair.real.run(f"{box}sysctl -qw net.ipv4.icmp_msgs_burst=100000 net.ipv6.icmp.ratelimit=0")


def both(pair: Pair, line: str) -> None:
    assert pair.real.run(line).exit_code == pair.ours.run(line).exit_code == 0, line


def check(pair: Pair, line: str) -> None:
    ours, real = (timeless(side.run(f"ip netns exec a {line}")) for side in (pair.ours, pair.real))
    assert (line, *ours) == (line, *real)


class TestBesideTheRealOne:
    pytestmark = needs_the_real_one

    def test_routers_answer_alike(self, pair: Pair) -> None:
        wire(pair, IPV4)
        for line in FROM_A.strip().splitlines():
            check(pair, line)

    @pytest.mark.slow
    def test_somebody_who_is_not_there_takes_three_seconds(self, pair: Pair) -> None:
        wire(pair, IPV4)
        check(pair, "traceroute -n -q 1 -w 0.5 -m 4 10.9.2.77")
        check(pair, "traceroute -n -q 1 10.9.2.77")
        check(pair, "traceroute -n -q 1 10.9.0.77")
        check(pair, "traceroute 10.9.2.2")

    def test_firewalls_on_the_way_look_alike(self, pair: Pair) -> None:
        wire(pair, IPV4)
        for rule in RULES:
            both(pair, f"iptables {rule}")
            check(pair, "traceroute -n -q 2 -m 3 -w 0.3 10.9.2.2")
            check(pair, "traceroute -n -I -q 1 -m 3 -w 0.3 10.9.2.2")
            check(pair, "traceroute -n -T -q 1 -m 3 -w 0.3 10.9.2.2")
            both(pair, "iptables -F")
        both(pair, "ip netns exec a iptables -A OUTPUT -p udp -j DROP")
        check(pair, "traceroute -n -q 1 10.9.2.2")
        both(pair, "ip netns exec a ip route del default")
        check(pair, "traceroute -n -I 10.9.2.2")

    def test_ipv6_too(self, pair6: Pair) -> None:
        wire(pair6, IPV6)
        for line in ("fd09:2::2", "-I fd09:2::2", "-T -q 1 fd09:2::2", "-N 1 -q 1 fd09:7::1", "-q 1 ::1"):
            check(pair6, f"traceroute -n {line}")


def test_a_half_open_connection_ends_with_a_reset(ours: Ours) -> None:
    for line in IPV4.strip().splitlines():
        assert ours.run(line).exit_code == 0, line
    ours.run("ip netns exec a traceroute -n -T -q 1 -f 3 10.9.2.2")
    seen = ours.run("ip netns exec a tcpdump -ni v1").stdout
    assert re.findall(r"Flags \[([^]]*)\]", seen) == ["S", "R."]


def test_what_waits_on_the_way_takes_time(ours: Ours) -> None:
    for line in (*IPV4.strip().splitlines(), "tc qdisc add dev w0 root netem delay 20ms"):
        assert ours.run(line).exit_code == 0, line
    runs = [ours.run("ip netns exec a traceroute -n -q 1 10.9.2.2").stdout for _ in range(2)]
    times = [re.findall(r"([\d.]+) ms", run) for run in runs]
    assert times == [["0.050", "40.050", "20.050"], ["0.050", "20.050", "20.050"]], "the question for a MAC waits too"
