"""``ip addr`` says what iproute2 6.1 says on a real kernel, byte for byte, also when it says no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

START = """
ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
ip link set v1 up
ip link set v2 up
"""


def test_addresses_come_in_the_kernel_s_order_with_their_routes(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip link set lo up
        ip addr add 10.1.0.1/24 brd + dev v1
        ip addr add 10.1.0.2/24 brd - dev v1
        ip addr add 10.2.0.2/24 brd 10.2.0.255 scope link dev v1
        ip addr add 10.3.0.2/32 dev v1
        ip addr add 10.3.0.9 dev v1
        ip addr add 10.4.0.1/16 dev v2
        ip addr
        ip -4 addr
        ip -6 addr
        ip -o addr
        ip -o -4 addr show dev v1
        ip -br addr
        ip -br -4 addr
        ip -j addr
        ip -j -p addr show v1
        ip -4 -j addr
        ip -j -br addr
        ip -j -br -p addr show v1
        ip -d addr show v1
        ip addr show to 10.2.0.0/16
        ip addr show up
        ip addr show scope link
        ip addr show scope global
        ip addr show secondary
        ip addr show primary
        ip addr show type veth
        ip route
        ip route show table local
    """)


def test_a_link_that_goes_down_keeps_its_addresses_and_loses_its_routes(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip addr add 10.1.0.1/24 dev v1
        ip route add default via 10.1.0.9
        ip link set v1 down
        ip addr show v1
        ip route
        ip route show table local
        ip link set v1 up
        ip route
        ip route show table local
    """)


def test_an_address_that_goes_takes_its_routes(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip addr add 10.1.0.1/24 dev v1
        ip addr add 10.1.0.2/24 dev v1
        ip addr add 10.2.0.1/24 dev v1
        ip route add 10.9.0.0/16 via 10.2.0.9
        ip route add 10.8.0.0/16 via 10.1.0.9 src 10.1.0.2
        ip route
        ip addr del 10.1.0.1/24 dev v1
        ip addr show v1
        ip route
        ip addr del 10.1.0.2/24 dev v1
        ip route
        ip addr replace 10.2.0.1/24 dev v1
        ip addr change 10.2.0.1/24 dev v1
        ip addr flush dev v1
        ip addr show v1
        ip route
    """)


REFUSED = """
ip addr add 10.1.0.1/24 dev v1
ip addr add 10.0.0.4/24 dev nope
ip addr add 10.0.0.4/33 dev v1
ip addr add 10.0.0.4
ip addr add dev v1
ip addr add foo dev v1
ip addr add 10.0.0.1/24 dev
ip addr add 10.0.0.1/24 frob dev v1
ip addr add 10.0.0.1/24 brd foo dev v1
ip addr frob
ip addr add 10.0.0.1/24 scope foo dev v1
ip addr show dev
ip addr show v1 v2
ip addr flush
ip addr del 10.0.0.9/24 dev v1
ip addr del 10.1.0.1 dev v1
ip addr del dev v1
ip addr show frob
ip -6 addr add 10.0.9.9/24 dev v1
ip addr change 10.7.0.1/24 dev v1
"""


def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip addr add 10.1.0.1/24 dev v1
        {REFUSED}
        ip -br addr
    """)


SIX = f"""
{START}
ip addr
sysctl -qw net.ipv6.conf.v2.disable_ipv6=1
sysctl -qw net.ipv6.conf.v2.disable_ipv6=0
"""
"""Which carrier comes first is the kernel's affair: once both are there v2 begins anew, and stands behind v1."""


def test_ipv6_addresses_are_printed_in_the_kernel_s_order_with_their_flags(pair6: Any) -> None:
    pair6.check(f"""
        ip addr
        {SIX}
        ip addr show v1
        ip link set lo up
        ip addr add 2001:db8::1/64 dev v1
        ip addr add 2001:db8::2/64 dev v1 nodad
        ip -6 addr add 2001:db8:1::1 dev v1 noprefixroute
        ip addr add fe80::7/64 dev v1
        ip addr add 10.1.0.1/24 dev v1
        ip addr add 2001:db8:5::1/64 dev lo
        ip addr
        ip -4 addr
        ip -6 addr
        ip -6 addr show dev v1 scope link
        ip -6 addr show scope global
        ip addr show to 2001:db8::/63
        ip -6 -o addr
        ip -br addr
        ip -6 -br addr
        ip -j addr
        ip -6 -j addr show dev v1
        ip -6 -j -br addr
        ip -6 route
        ip -6 route show table all
        ip -6 route show table local
        ip addr change 2001:db8::1/64 dev v1 preferred_lft 0
        ip -6 addr show dev v1
        ip -6 addr show dev v1 deprecated
        ip link set v2 down
        ip -6 addr
        ip -6 route
        ip link set v1 down
        ip -6 addr
        ip link set v2 up
        ip link set v1 up
        ip -6 addr
        ip -6 addr flush dev v1 scope global
        ip -6 addr flush dev v1
        ip -6 addr
        ip -6 route
    """)


def test_peers_labels_and_metrics_of_addresses(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip addr add 10.1.0.1 peer 10.1.0.2 dev v1
        ip addr add 10.1.0.1 peer 10.1.0.3/32 dev v1
        ip addr add 10.2.0.1 peer 10.2.0.2/24 dev v1
        ip addr add 10.3.0.1/24 dev v1 label v1:0
        ip addr add 10.4.0.1/24 dev v1 metric 77
        ip addr add 10.5.0.1/24 dev v1 noprefixroute
        ip addr add 10.6.0.1/24 dev v1 label x:0
        ip addr
        ip -j addr show v1
        ip -br addr
        ip -j -br addr
        ip route
        ip route show table local
        ip addr del 10.1.0.1 peer 10.1.0.3/32 dev v1
        ip addr del 10.3.0.1/24 dev v1
        ip addr
        ip route
    """)


@pytest.mark.parametrize(
    "line",
    [
        "ip addr add 2001:db8::1/129 dev v1",
        "ip addr add 2001:db8::1 dev nope",
        "ip addr add ff02::5/64 dev v1",
        "ip addr add ::/64 dev v1",
        "ip addr add ::1/128 dev v1",
        "ip -4 addr add 2001:db8::1/64 dev v1",
        "ip -6 addr add 10.0.0.1/24 dev v1",
        "ip addr add 2001:db8::7/64 brd + dev v1",
        "ip addr add 2001:db8::9/64 dev v1",
        "ip addr add 2001:db8::9/48 dev v1",
        "ip addr del 2001:db8::9 dev v1",
        "ip addr del 2001:db8::8/64 dev v1",
        "ip -6 addr flush",
        "ip -6 addr show dev nope",
    ],
)
def test_refusals_of_ipv6_addresses(pair6: Any, line: str) -> None:
    pair6.check(f"{START}\nip addr add 2001:db8::9/64 dev v1\n{line}\nip -6 addr")
