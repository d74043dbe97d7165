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
