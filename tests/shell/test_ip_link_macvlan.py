"""A macvlan in the words of iproute2 6.1 on a real kernel, byte for byte, also when it says no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

VETH = "ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02\n"
MV0 = "ip link add link v1 name mv0 address 02:00:00:00:00:11 type macvlan mode bridge\n"


def test_a_macvlan_has_the_carrier_of_the_card_below(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        {MV0}
        ip link show mv0
        ip -d link show mv0
        ip link set mv0 up
        ip link show mv0
        ip link set v1 up
        ip link show mv0
        ip link set v2 up
        ip link
        ip -d link
        ip -j -d link show mv0
        ip -br link
        ip link show type macvlan
        ip link set v1 down
        ip link
        ip link del mv0
        ip link
    """)


def test_macvlans_of_one_card_have_a_mac_each_and_no_larger_mtu(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        {MV0}
        ip link set v1 up
        ip link set mv0 up
        ip link add link v1 name mv1 type macvlan mode passthru
        ip link add link mv0 mv2 address 02:00:00:00:00:12 type macvlan
        ip -d link show mv2
        ip link add link v1 mv4 address 02:00:00:00:00:01 type macvlan mode private
        ip link show mv4
        ip link set mv4 up
        ip link add link v1 mv5 address 02:00:00:00:00:11 type macvlan mode bridge
        ip link set mv5 up
        ip link set mv5 address 02:00:00:00:00:15 up
        ip link set mv5 address 02:00:00:00:00:11
        ip link set mv0 mtu 1600
        ip link set mv0 mtu 1400
        ip link show mv0
        ip link set v1 mtu 1300
        ip link
        ip link set mv2 mtu 2000
        ip link set v1 mtu 1500
        ip link
        ip link set mv2 type macvlan mode private
        ip -d link show mv2
        ip link set mv2 type macvlan mode passthru
        ip link del v1
        ip link
    """)


def test_a_macvlan_may_live_in_another_namespace_than_its_card(pair: Any) -> None:
    pair.check(f"""
        ip netns add x
        {VETH}
        {MV0}
        ip link set v2 up
        ip link set v1 up
        ip link set mv0 netns x
        ip -n x link
        ip link
        ip -n x link set mv0 name eth0
        ip -n x link set eth0 up
        ip -n x -d link show eth0
        ip link set v1 down
        ip -n x link
        ip link set v1 up
        ip -n x link
        ip link set v1 name card
        ip -n x link
        ip -n x -j link
        ip link set card netns x
        ip -n x link
        ip link
        ip -n x link set card netns 1
        ip -n x link del eth0
        ip netns del x
        ip link show type macvlan
    """)


REFUSED = """
ip link add link nope mv3 type macvlan
ip link add mv3 type macvlan
ip link add link lo mv3 type macvlan
ip link add link v1 v2 type macvlan
ip link add link v1 mv3 type macvlan mode
ip link add link v1 mv3 mtu 9000 type macvlan
ip link set v1 type macvlan mode bridge
ip link set v1 master br0
ip link add link br0 br0 type macvlan
"""
HALF = """
ip link add link v1 mv3 type macvlan frob
ip link add link v1 mv3 type macvlan mode frob
ip link set mv0 type macvlan mode frob
"""
"""Refusals after which iproute2 prints how it wants to be used; the first line is enough."""


def test_what_cannot_be_is_refused_in_the_same_words(pair: Any) -> None:
    pair.check(f"{VETH}{MV0}ip link add br0 address 02:00:00:00:00:0a type bridge\n{REFUSED}")
    for line in filter(None, HALF.splitlines()):
        want, got = pair.real.run(line), pair.ours.run(line)
        assert (line, got.stderr, got.exit_code) == (line, want.stderr.splitlines(keepends=True)[0], want.exit_code)
    pair.check("ip link\n")


OTHER_KINDS = """
ip link add x type vlan id
ip link add link lo x type vlan id 70000
ip link add link lo x type vlan id frob
ip link add link nope x type vlan id 5
ip link add x type ipip ttl 300
ip link add x type ipip ttl 3 nopmtudisc
ip link add x type ipip remote foo
ip link add x type ipip remote ::1
ip link add x type ipip local
ip link add x type ipip dev frob
ip link add x type ipip mode frob
ip link add x type wireguard frob
ip link set lo type wireguard frob
ip link set lo type macvlan mode bridge
ip link set lo type ipvlan mode l2
ip tunnel add x mode frob
ip tunnel add x
ip tunnel add x mode ipip remote foo
ip tunnel add x mode ipip ttl 4 nopmtudisc
ip tunnel add x mode ipip ttl 400
ip tunnel add x mode gre mode ipip
ip tunnel add x mode ipip dev frob
ip tunnel add x mode ipip a b
ip tunnel frob
ip tunnel del x
ip tunnel show x mode ipip
ip tunnel show
ip tunnel change x mode ipip
ip tunnel change x ttl 5
"""


def test_kinds_that_this_kernel_lacks_are_refused_in_the_tools_own_words(pair: Any) -> None:
    pair.check(OTHER_KINDS)
    for line in ("ip link add link lo x type vlan frob", "ip link add link lo x type ipvlan frob"):
        want, got = pair.real.run(line), pair.ours.run(line)
        assert (got.stderr, got.exit_code) == (want.stderr.splitlines(keepends=True)[0], want.exit_code)
