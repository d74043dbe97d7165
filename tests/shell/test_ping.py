"""``ping`` tells what the walk of each request came to, in the words of iputils."""

from __future__ import annotations

import re
from typing import Any

import pytest

WIRE = """
ip link set lo up
ip netns add x
ip link add v0 type veth peer name eth0 netns x
ip addr add 10.0.0.1/24 dev v0
ip link set v0 up
ip -n x addr add 10.0.0.2/24 dev eth0
ip -n x link set eth0 up
ip -n x link set lo up
ip route add 10.50.0.0/16 via 10.0.0.2
ip netns exec x sysctl -w net.ipv4.ip_forward=1
"""


@pytest.fixture
def wired(ours: Any) -> Any:
    """A machine with a cable to a router, which is the way to 10.50.0.0/16."""
    for line in filter(None, WIRE.splitlines()):
        assert ours.run(line).exit_code == 0, line
    return ours


def test_an_answer_is_a_line_for_each_request(wired: Any) -> None:
    said = wired.run("ping -c 2 10.0.0.2")
    assert said == (
        "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n"
        "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.050 ms\n"
        "64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=0.050 ms\n"
        "\n--- 10.0.0.2 ping statistics ---\n"
        "2 packets transmitted, 2 received, 0% packet loss, time 1000ms\n"
        "rtt min/avg/max/mdev = 0.050/0.050/0.050/0.000 ms\n",
        "",
        0,
    )
    assert wired.run("ping 10.0.0.2").stdout.count("icmp_seq") == 4
    assert wired.run("ping -q -c3 10.0.0.2").stdout.count("\n") == 5
    assert "PING 10.0.0.2 (10.0.0.2) from 10.0.0.1 v0: 56(84)" in wired.run("ping -c1 -I v0 10.0.0.2").stdout
    assert "ttl=64" in wired.run("ping -c 1 10.0.0.1").stdout


@pytest.mark.parametrize(
    ("before", "line", "words"),
    [
        ("", "ping -c 1 10.0.0.77", "From 10.0.0.1 icmp_seq=1 Destination Host Unreachable"),
        ("10.50.0.0/16 via 10.0.0.1", "ping -c 1 -t 1 10.50.0.1", "From 10.0.0.2 icmp_seq=1 Time to live exceeded"),
        ("", "ping -c 1 10.50.0.1", "From 10.0.0.2 icmp_seq=1 Destination Net Unreachable"),
        ("unreachable 10.50.0.0/16", "ping -c 1 10.50.0.1", "From 10.0.0.2 icmp_seq=1 Destination Host Unreachable"),
        ("prohibit 10.50.0.0/16", "ping -c 1 10.50.0.1", "From 10.0.0.2 icmp_seq=1 Packet filtered"),
    ],
)
def test_an_error_names_who_gave_up_and_why(wired: Any, before: str, line: str, words: str) -> None:
    if before:
        assert wired.run(f"ip -n x route add {before}").exit_code == 0
    said = wired.run(line)
    assert words in said.stdout
    assert "1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms\n\n" in said.stdout
    assert said.exit_code == 1


def test_silence_is_told_by_the_statistics_alone(wired: Any) -> None:
    wired.run("ip netns exec x iptables -A INPUT -p icmp -j DROP")
    said = wired.run("ping -c 3 -W 1 10.0.0.2")
    assert "icmp_seq" not in said.stdout
    assert "3 packets transmitted, 0 received, 100% packet loss, time 2000ms\n\n" in said.stdout
    assert said.exit_code == 1


def test_what_never_leaves_is_the_socket_s_own_error(wired: Any) -> None:
    assert wired.run("ping -c 1 10.99.0.1") == ("", "ping: connect: Network is unreachable\n", 2)
    assert wired.run("ping -c 1 nosuch") == ("", "ping: nosuch: Temporary failure in name resolution\n", 2)
    wired.run("iptables -A OUTPUT -p icmp -j DROP")
    assert wired.run("ping -c 1 10.0.0.2").stderr == "ping: sendmsg: Operation not permitted\n"


def test_all_requests_of_one_ping_are_one_connection(wired: Any) -> None:
    wired.run("iptables -A INPUT -m conntrack --ctstate INVALID -j DROP")
    wired.run("ping -c 3 10.0.0.2")
    rows = wired.run("conntrack -L -p icmp").stdout
    assert re.fullmatch(
        r"icmp     1 30 src=10\.0\.0\.1 dst=10\.0\.0\.2 type=8 code=0 id=(\d+) "
        r"src=10\.0\.0\.2 dst=10\.0\.0\.1 type=0 code=0 id=\1 mark=0 use=1\n",
        rows,
    )


@pytest.mark.parametrize(
    ("line", "stderr", "code"),
    [
        ("ping", "ping: usage error: Destination address required\n", 1),
        ("ping -c x 10.0.0.2", "ping: invalid argument: 'x'\n", 1),
        ("ping -t 300 10.0.0.2", "ping: invalid argument: '300': out of range: 0 <= value <= 255\n", 1),
        ("ping -I nope -c 1 10.0.0.2", "ping: unknown iface: nope\n", 2),
    ],
)
def test_wrong_use_has_ping_s_words(wired: Any, line: str, stderr: str, code: int) -> None:
    assert wired.run(line) == ("", stderr, code)


def test_a_port_is_tried_with_nc(wired: Any) -> None:
    refused = "nc: connect to 10.0.0.2 port 81 (tcp) failed: Connection refused\n"
    assert wired.run("nc -zv 10.0.0.2 81") == ("", refused, 1)
    wired.run("iptables -A OUTPUT -p tcp --dport 82 -j DROP")
    slow = "nc: connect to 10.0.0.2 port 82 (tcp) timed out: Operation now in progress\n"
    assert wired.run("nc -zv -w 1 10.0.0.2 82") == ("", slow, 1)
    assert wired.run("timeout 1 nc -zv 10.0.0.2 82").exit_code == 124
