"""``ip link`` says what iproute2 6.1 says on a real kernel, byte for byte, also when it says no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

VETH = "ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02\n"


def test_a_cable_has_a_carrier_when_both_ends_are_up(pair: Any) -> None:
    pair.check(f"""
        ip link
        {VETH}
        ip link
        ip link set v1 up
        ip link
        ip -br link
        ip link set v2 up
        ip link
        ip -j link
        ip -j -p link
        ip -j -br link
        ip -j -br -p link
        ip -o link
        ip -d link
        ip -d -o link show v1
        ip link set v2 down
        ip link
        ip link show up
        ip link show type veth
        ip link show dev v1
        ip link show v2
        ip link show group default
        ip -j link show type bridge
        ip link set lo up
        ip link show lo
        ip link set lo down
        ip link show lo
    """)


def test_a_bridge_wears_the_lowest_mac_and_has_a_carrier_through_its_ports(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        ip link add br0 address 02:00:00:00:00:0a type bridge
        ip link set br0 up
        ip link show br0
        ip link set v1 master br0
        ip link show master br0
        ip link set v1 up
        ip link set v2 up
        ip link
        ip -d link
        ip -d -j link show v1
        ip link set v1 type bridge_slave hairpin on
        ip -d link show v1
        ip link show type bridge
        ip link set dev v1 nomaster
        ip link show master br0
        ip link show br0
        ip link del br0
        ip link
    """)


def test_each_setting_of_a_link_shows(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        ip link set dev v1 mtu 1400
        ip link show v1
        ip link set v1 address 02:00:00:00:00:11
        ip link set v1 name v3
        ip link
        ip link set v3 up promisc on
        ip link show v3
        ip link set v3 promisc off mtu 1500 name v1
        ip link show v1
        ip link add name a4 mtu 1450 address 02:00:00:00:00:04 type veth peer name a5 address 02:00:00:00:00:05
        ip link
        ip link del a5
        ip link
        ip link delete v2 type veth
        ip link
    """)


def test_a_cable_into_another_namespace_shows_only_the_index_of_its_far_end(pair: Any) -> None:
    pair.check(f"""
        ip netns add x
        {VETH}
        ip link set v2 netns x
        ip link
        ip -n x link
        ip -j -n x link
        ip -j link
        ip -n x link set v2 name eth0
        ip -n x link set eth0 up
        ip link set v1 up
        ip link show v1
        ip -n x -br link
        ip netns exec x ip link
        nsenter --net=/var/run/netns/x ip -br link
        ip netns
        ip -j netns
        ip link add v5 address 02:00:00:00:00:05 type veth peer name eth1 address 02:00:00:00:00:06 netns x
        ip link
        ip -n x link
        ip -n x link del eth0
        ip link
        ip netns del x
        ip netns
    """)


def test_a_namespace_takes_the_cables_with_it(pair: Any) -> None:
    pair.check("""
        ip netns add x
        ip link add v5 address 02:00:00:00:00:05 type veth peer name eth1 address 02:00:00:00:00:06 netns x
        ip netns add x
        ip netns del x
        ip -br link
        ip netns del x
        ip netns exec x ls
        ip -n x link
        ip netns exec
        ip netns add
        ip netns del
        ip netns frob
        nsenter --net=/var/run/netns/x ip link
    """)


REFUSED = """
ip link set nope up
ip link show nope
ip link del nope
ip addr show nope
ip link del lo
ip frob
ip link frob
ip -x link
ip link set
ip link set up
ip link set v1
ip link add
ip link add foo
ip link add foo type
ip link add v1 type bridge
ip link add z type foo
ip link add averyveryverylongname type bridge
ip link add a/b type bridge
ip link set v1 mtu 10
ip link set v1 mtu 70000
ip link set v1 address foo
ip link set v1 name lo
ip link set v1 frob
ip link set v1 master nope
ip link set v1 master v2
ip link set v1 netns nope
ip link set v1 mtu
ip link set v1 type bridge_slave hairpin on
ip link add a6 type veth peer name v2
ip -n
ip link set v1 v2 up
ip link show v1 v2
ip link set br0 master br0
ip link set lo netns x
ip link set v1 mtu x
ip link set lo master br0
ip link set v1 address 01:00:00:00:00:01
"""


def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        ip link add br0 address 02:00:00:00:00:0a type bridge
        ip netns add x
        {REFUSED}
        ip -br link
    """)
