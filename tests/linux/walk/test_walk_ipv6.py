"""IPv6 through routers, firewalls and neighbour discovery: what the kernel of this machine does, our walk does."""

from __future__ import annotations

import pytest

from .lab import boxes
from .test_walk_neighbours import BRIDGED

pytestmark = pytest.mark.root

ROUTED = """
ip netns add a
ip netns add r
ip netns add b
ip link add e0 netns a type veth peer name ra netns r
ip link add e0 netns b type veth peer name rb netns r
ip -n a link set lo up
ip -n r link set lo up
ip -n b link set lo up
ip -n a link set e0 up
ip -n b link set e0 up
ip -n r link set ra up
ip -n r link set rb up
ip -n a addr add fd00:1::2/64 dev e0
ip -n r addr add fd00:1::1/64 dev ra
ip -n r addr add fd00:2::1/64 dev rb
ip -n b addr add fd00:2::2/64 dev e0
ip -n a route add default via fd00:1::1
ip -n b route add default via fd00:2::1
ip netns exec r sysctl -w net.ipv6.conf.all.forwarding=1
"""
B = "fd00:2::2"
SLOW = 1.6
"""TCP over IPv6 may miss the first error while connect() is still at work; the next SYN brings another."""


def test_a_probe_of_each_kind_ends_as_in_the_kernel() -> None:
    with boxes(ROUTED) as pair:
        pair.serve("b", "udp", 53, "::")
        pair.serve("b", "tcp", 80, "::")
        assert pair.check("a", B).outcome == "connected"
        assert pair.check("a", B, "udp", 53) == ("connected", "fd00:1::2", ())
        assert pair.check("a", B, "tcp", 80) == ("connected", "fd00:1::2", ())
        assert pair.check("a", B, "udp", 54).errors == ((B, "port-unreachable", 0),)
        assert pair.check("a", B, "tcp", 81).outcome == "refused"
        assert pair.check("a", "::1").outcome == "connected"
        assert pair.check("a", "fd00:1::2").outcome == "connected"
        assert pair.check("a", "fd00:1::1").outcome == "connected"
        assert pair.check("a", "fd00:2::1").outcome == "connected"


@pytest.mark.parametrize("proto", ["icmp", "udp", pytest.param("tcp", marks=pytest.mark.slow)])
def test_a_router_says_why_it_does_not_forward(proto: str) -> None:
    with boxes(ROUTED) as pair:
        pair.do("ip -n r route add unreachable fd00:3::/64")
        pair.do("ip -n r route add prohibit fd00:4::/64")
        pair.do("ip -n r route add blackhole fd00:5::/64")
        assert pair.check("a", "fd00:9::9", proto, 80, patience=SLOW if proto == "tcp" else 0.4).errors == (
            ("fd00:1::1", "no-route", 0),
        )
        pair.check("a", "fd00:3::9", proto, 80, patience=SLOW if proto == "tcp" else 0.4)
        pair.check("a", "fd00:4::9", proto, 80, patience=SLOW if proto == "tcp" else 0.4)
        pair.check("a", "fd00:5::9", proto, 80)
        pair.check("a", "fd00:2::99", proto, 80, patience=SLOW if proto == "tcp" else 0.4)
        pair.check("a", B, proto, 80, ttl=1, patience=SLOW if proto == "tcp" else 0.4)


def test_a_box_that_does_not_forward_is_silent_but_tells_what_it_has_no_route_to() -> None:
    with boxes(ROUTED) as pair:
        pair.do("ip netns exec r sysctl -w net.ipv6.conf.all.forwarding=0")
        assert pair.check("a", B) == ("timeout", "", ())
        pair.check("a", "fd00:9::9")


@pytest.mark.parametrize("proto", ["icmp", "udp"])
def test_a_router_never_cuts_and_tells_what_fits(proto: str) -> None:
    with boxes(ROUTED) as pair:
        pair.serve("b", "udp", 53, "::")
        pair.do("ip -n r link set rb mtu 1400\nip -n b link set e0 mtu 1400")
        pair.check("a", B)
        first = pair.check("a", B, proto, 53, size=1500)
        assert first.errors == (("fd00:1::1", "packet-too-big", 1400),)
        assert pair.check("a", B, proto, 53, size=1500).outcome == "connected"
        assert pair.check("a", B, proto, 53, size=1500, pmtu="do").answer == "Message too long"
        assert pair.check("a", B, proto, 53, size=3000).outcome == "connected"


def test_a_firewall_that_drops_icmpv6_cuts_the_machine_off() -> None:
    with boxes(ROUTED) as pair:
        pair.serve("b", "tcp", 80, "::")
        pair.do("ip netns exec b ip6tables -A INPUT -p ipv6-icmp -j DROP")
        pair.do("ip -n r neigh flush dev rb")
        assert pair.check("a", B, "tcp", 80, patience=SLOW).outcome == "unreachable"


REJECTS = ("no-route", "adm-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route")


@pytest.mark.parametrize("how", [REJECTS[0], *(pytest.param(how, marks=pytest.mark.slow) for how in REJECTS[1:])])
def test_reject_says_what_it_was_told_to(how: str) -> None:
    with boxes(ROUTED) as pair:
        pair.check("a", B)
        pair.do(f"ip netns exec r ip6tables -A FORWARD -s fd00:1::/64 -j REJECT --reject-with icmp6-{how}")
        for proto in ("icmp", "udp", "tcp"):
            assert pair.check("a", B, proto, 80, patience=SLOW if proto == "tcp" else 0.4).errors == (
                ("fd00:1::1", how, 0),
            )


def test_loopback_and_link_local_stay_where_they_are() -> None:
    with boxes(ROUTED) as pair:
        pair.do("ip -n r addr add fd00:7::1/128 dev lo")
        pair.check("a", B)
        assert pair.check("a", "fd00:7::1").outcome == "connected"
        assert pair.check("b", "fd00:7::1").outcome == "connected"


def test_a_proxy_answers_for_an_address_that_is_elsewhere() -> None:
    with boxes(ROUTED) as pair:
        pair.do("ip -n b addr add fd00:1::99/128 dev lo\nip -n r route add fd00:1::99/128 via fd00:2::2")
        assert pair.check("a", "fd00:1::99").outcome == "unreachable"
        pair.do("ip -n r neigh add proxy fd00:1::99 dev ra")
        assert pair.check("a", "fd00:1::99").outcome == "unreachable"
        pair.do("ip netns exec r sysctl -w net.ipv6.conf.ra.proxy_ndp=1")
        assert pair.check("a", "fd00:1::99", patience=2).outcome == "connected"


def test_the_counters_of_every_box_go_up_as_in_the_kernel() -> None:
    with boxes(ROUTED) as pair:
        pair.serve("b", "udp", 53, "::")
        pair.do("ip -n r route add unreachable fd00:3::/64\nip -n r route add prohibit fd00:4::/64")
        pair.do("ip -n r route add blackhole fd00:5::/64\nip -n r link set rb mtu 1400\nip -n b link set e0 mtu 1400")
        pair.check("a", B)
        for address in (B, "fd00:9::9", "fd00:3::9", "fd00:4::9", "fd00:5::9", "::1"):
            pair.counted("a r b", "a", address)
        for size in (1500, 1500, 3000):
            pair.counted("a r b", "a", B, "udp", 53, size=size)
        pair.counted("a r b", "a", B, "udp", 54)
        pair.counted("a r b", "a", B, ttl=1)
        pair.do("ip netns exec r sysctl -w net.ipv6.conf.all.forwarding=0")
        pair.counted("a r b", "a", B)


SIX_OVER_BRIDGE = """
ip -n a addr add fd00:1::2/64 dev e0
ip -n b addr add fd00:1::3/64 dev e0
ip -n c addr add fd00:1::4/64 dev e0
"""


@pytest.mark.parametrize("shown", [0, 1])
def test_neighbour_discovery_crosses_a_bridge_and_its_firewall_may_stop_it(shown: int) -> None:
    with boxes(BRIDGED + SIX_OVER_BRIDGE) as pair:
        pair.serve("b", "udp", 53, "::")
        pair.do(f"ip netns exec s sysctl -w net.bridge.bridge-nf-call-ip6tables={shown}")
        assert pair.check("a", "fd00:1::3", "udp", 53).answer == "fd00:1::2"
        assert pair.check("a", "fd00:1::4", "udp", 53).outcome == "refused"
        assert pair.check("a", "fd00:1::99").outcome == "unreachable"
        pair.do("ip netns exec s ip6tables -A FORWARD -p ipv6-icmp -j DROP")
        pair.do("ip -n a neigh flush dev e0\nip -n b neigh flush dev e0")
        pair.check("a", "fd00:1::3", "udp", 53)
