"""Who has that address: ARP's answers, its settings and its mistakes, held against the kernel of this machine."""

from __future__ import annotations

import pytest

from .lab import boxes

pytestmark = pytest.mark.root

BRIDGED = """
ip netns add a
ip netns add s
ip netns add b
ip netns add c
ip netns exec s ip link add br0 type bridge
ip link add e0 netns a type veth peer name pa netns s
ip link add e0 netns b type veth peer name pb netns s
ip link add e0 netns c type veth peer name pc netns s
ip -n a link set e0 address 02:00:00:00:00:0a
ip -n b link set e0 address 02:00:00:00:00:0b
ip -n c link set e0 address 02:00:00:00:00:0c
ip -n s link set pa master br0
ip -n s link set pb master br0
ip -n s link set pc master br0
ip -n a addr add 10.1.0.2/24 dev e0
ip -n b addr add 10.1.0.3/24 dev e0
ip -n c addr add 10.1.0.4/24 dev e0
ip -n a link set lo up
ip -n b link set lo up
ip -n c link set lo up
ip -n a link set e0 up
ip -n b link set e0 up
ip -n c link set e0 up
ip -n s link set pa up
ip -n s link set pb up
ip -n s link set pc up
ip -n s link set br0 up
"""
BEHIND_B = """
ip netns add d
ip link add d0 netns d type veth peer name d0 netns b
ip -n d addr add 10.1.0.50/24 dev d0
ip -n d link set d0 up
ip -n b link set d0 up
ip -n b route add 10.1.0.50/32 dev d0
"""
NOBODY, WRONG = "02:00:00:00:00:99", "02:00:00:00:00:0c"


@pytest.mark.parametrize("state", ["permanent", pytest.param("reachable", marks=pytest.mark.slow), "stale"])
@pytest.mark.parametrize("mac", [pytest.param(NOBODY, marks=pytest.mark.slow), WRONG])
def test_a_wrong_entry_loses_packets_without_a_word(state: str, mac: str) -> None:
    with boxes(BRIDGED) as pair:
        assert pair.check("a", "10.1.0.3").outcome == "connected"
        pair.do(f"ip -n a neigh replace 10.1.0.3 lladdr {mac} dev e0 nud {state}")
        assert pair.check("a", "10.1.0.3") == ("timeout", "", ())
        assert pair.check("a", "10.1.0.3") == ("timeout", "", ())


def test_a_neighbour_that_nobody_is_fails() -> None:
    with boxes(BRIDGED) as pair:
        assert pair.check("a", "10.1.0.99").errors == (("10.1.0.2", "host-unreachable", 0),)
        assert pair.check("a", "10.1.0.3").outcome == "connected"


@pytest.mark.parametrize("ignore", [0, 1, 2, 3, 8])
def test_arp_ignore_decides_for_which_of_its_addresses_a_machine_answers(ignore: int) -> None:
    with boxes(BRIDGED) as pair:
        pair.do("ip -n b addr add 10.1.0.33/32 dev lo\nip -n b addr add 10.9.0.1/24 dev e0")
        pair.do("ip -n b addr add 10.1.0.34/32 dev lo scope host\nip -n a route add 10.9.0.0/24 dev e0")
        pair.do(f"ip netns exec b sysctl -w net.ipv4.conf.e0.arp_ignore={ignore}")
        for address in ("10.1.0.3", "10.1.0.33", "10.1.0.34", "10.9.0.1"):
            pair.check("a", address)


@pytest.mark.parametrize("announce", [0, 1, 2])
def test_arp_announce_decides_who_asks(announce: int) -> None:
    """b does not answer an asker whom it cannot reach (`arp_ignore=2`)."""
    with boxes(BRIDGED) as pair:
        pair.do("ip -n a addr add 10.7.0.1/32 dev lo\nip -n b route add 10.7.0.1/32 via 10.1.0.2")
        pair.do("ip netns exec b sysctl -w net.ipv4.conf.e0.arp_ignore=2")
        pair.do(f"ip netns exec a sysctl -w net.ipv4.conf.e0.arp_announce={announce}")
        pair.check("a", "10.1.0.3", src="10.7.0.1")
        pair.check("a", "10.1.0.3")


@pytest.mark.parametrize("forwards", [0, 1])
def test_proxy_arp_answers_for_what_is_elsewhere(forwards: int) -> None:
    with boxes(BRIDGED + BEHIND_B) as pair:
        pair.do(f"ip netns exec b sysctl -w net.ipv4.ip_forward={forwards}")
        pair.check("a", "10.1.0.50")
        pair.do("ip netns exec b sysctl -w net.ipv4.conf.e0.proxy_arp=1")
        pair.do("ip netns exec b sysctl -w net.ipv4.conf.d0.proxy_arp=1")
        assert pair.check("a", "10.1.0.50").outcome == ("connected" if forwards else "unreachable")
        pair.check("a", "10.1.0.51")


def test_a_proxy_entry_answers_for_one_address() -> None:
    with boxes(BRIDGED + BEHIND_B) as pair:
        pair.do("ip netns exec b sysctl -w net.ipv4.ip_forward=1\nip -n b neigh add proxy 10.1.0.50 dev e0")
        pair.do("ip -n b neigh add proxy 10.1.0.2 dev d0")
        assert pair.check("a", "10.1.0.50").outcome == "connected"
        assert pair.check("a", "10.1.0.51").outcome == "unreachable"


def test_of_two_machines_with_one_address_the_first_answer_counts() -> None:
    with boxes(BRIDGED) as pair:
        pair.serve("b", "udp", 53)
        pair.do("ip -n c addr add 10.1.0.3/24 dev e0")
        pair.check("a", "10.1.0.3", "udp", 53)
        for _ in range(2):
            pair.do("ip -n a neigh flush dev e0")
            pair.check("a", "10.1.0.3", "udp", 53)


def test_a_machine_with_another_s_mac_takes_its_frames_once_it_has_spoken() -> None:
    with boxes(BRIDGED) as pair:
        pair.serve("b", "udp", 53)
        pair.do("ip -n c link set e0 address 02:00:00:00:00:0b")
        pair.check("a", "10.1.0.3", "udp", 53)
        pair.check("c", "10.1.0.2")
        pair.check("a", "10.1.0.3", "udp", 53)


def test_who_has_the_address_is_heard_before_who_answers_for_it() -> None:
    with boxes(BRIDGED) as pair:
        for line in (
            "ip -n s addr add 10.1.0.9/24 dev br0",
            "ip -n s link add v0 type veth peer name v1",
            "ip -n s link set v0 up",
            "ip -n s link set v1 up",
            "ip -n s route add 10.1.0.3/32 dev v0",
            "ip netns exec s sysctl -w net.ipv4.ip_forward=1",
            "ip netns exec s sysctl -w net.ipv4.conf.br0.proxy_arp=1",
        ):
            pair.do(line)
        assert pair.check("a", "10.1.0.3").outcome == "connected"
