"""``ip`` says the same as iproute2 6.1 on a real kernel, byte for byte, also when it says no."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.root

PAIR = """
ip link set lo up
ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
ip link set v1 up
ip link set v2 up
"""


def test_a_veth_pair_shows_both_ends_up_and_down(pair) -> None:
    pair.check("""
        ip link
        ip addr
        ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
        ip link
        ip link set v1 up
        ip link
        ip -br link
        ip link set v2 up
        ip link
        ip -j link
        ip -j -p link
        ip -j -br link
        ip -o link
        ip -d link
        ip -d -o link show v1
        ip link set v2 down
        ip link
        ip link show up
        ip link show type veth
        ip link show dev v1
        ip link show v2
        ip link set lo up
        ip addr
    """)
