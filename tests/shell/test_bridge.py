"""``bridge`` and ``brctl`` say what the real ones say on a real kernel, byte for byte, also when they say no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

START = """
ip link add br0 address 02:00:00:00:00:0a type bridge
ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
ip link set v1 master br0
"""


def test_a_device_lets_in_further_macs(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip link set v2 up
        ip link set v1 up
        ip link set br0 up
        bridge fdb add 02:00:00:00:00:11 dev v2
        bridge fdb add 02:00:00:00:00:11 dev v2 self
        bridge fdb append 02:00:00:00:00:11 dev v2 self
        bridge fdb replace 02:00:00:00:00:12 dev v2 self
        bridge fdb add 02:00:00:00:00:13 dev v2 self static
        bridge fdb add 02:00:00:00:00:13 dev v2 self dynamic
        bridge fdb add 02:00:00:00:00:13 dev v2 self vlan 5
        bridge fdb add 01:00:5e:00:00:09 dev v2 self
        bridge fdb add 02:00:00:00:00:14 dev lo self
        bridge fdb show dev v2
        bridge -j fdb show dev v2
        ip -d link show v2
        bridge fdb del 02:00:00:00:00:11 dev v2
        bridge fdb del 02:00:00:00:00:11 dev v2 self
        bridge fdb del 02:00:00:00:00:11 dev lo
        bridge fdb add 02:00:00:00:00:15 dev v1 self master
        bridge fdb show dev v1
        ip link set v2 down
        ip link set v2 name other
        bridge fdb show dev other
        ip netns add n
        ip link set other netns n
        bridge -n n fdb show dev other
    """)


def test_a_port_forwards_when_it_and_its_bridge_are_up(pair: Any) -> None:
    pair.check(f"""
        bridge link
        bridge -j link
        {START}
        bridge link
        ip link set v1 up
        bridge link
        ip link set v2 up
        bridge link
        ip link set br0 up
        bridge link
        bridge -d link
        bridge -j link
        bridge -d -j link
        bridge -j -p link
        bridge link show dev v1
        bridge link set dev v1 hairpin on
        bridge -d link
        bridge link set dev v1 hairpin off
        bridge -d link show dev v1
        ip link set v2 down
        bridge link
    """)


def test_the_forwarding_table_holds_what_a_person_wrote(pair: Any) -> None:
    pair.check(f"""
        bridge fdb
        bridge -j fdb
        {START}
        bridge fdb
        ip link set v1 up
        bridge fdb
        ip link set br0 up
        bridge fdb
        ip link set v2 up
        bridge fdb add 02:00:00:00:00:99 dev v1 master
        bridge fdb add 02:00:00:00:00:98 dev v1 master static
        bridge fdb append 02:00:00:00:00:97 dev v1 master
        bridge fdb add 02:00:00:00:00:96 dev v1 master dynamic
        bridge fdb
        bridge fdb show
        bridge -j fdb
        bridge fdb show br br0
        bridge fdb show dev v1
        bridge fdb show brport v1
        bridge fdb show br br0 brport v1
        bridge -j fdb show dev v1
        bridge fdb get 02:00:00:00:00:01 br br0
        bridge fdb get 02:00:00:00:00:99 br br0
        bridge fdb del 02:00:00:00:00:99 dev v1 master
        bridge fdb show br br0
        ip link set v1 nomaster
        bridge fdb
        ip link set br0 down
        bridge fdb
    """)


def test_the_old_tool_knows_the_same_bridges(pair: Any) -> None:
    pair.check(f"""
        brctl show
        {START}
        brctl show
        brctl showmacs br0
        brctl delif br0 v1
        brctl addif br0 v2
        brctl show
        brctl addif br0 v2
        brctl addif br0 nope
        brctl addif nope v2
        brctl delif br0 v1
        brctl delbr br0
        brctl show
        brctl delbr br0
    """)


REFUSED = """
bridge frob
bridge fdb frob
bridge fdb show dev nope
bridge fdb show br nope
bridge link show dev nope
bridge link set dev v2 hairpin on
bridge link set dev nope hairpin on
bridge link set dev v1 hairpin foo
bridge link set hairpin on
bridge fdb add foo dev v1 master
bridge fdb add 02:00:00:00:00:99 dev v2 master
bridge fdb add 02:00:00:00:00:97
bridge fdb add 02:00:00:00:00:01 dev v1 master
bridge fdb del 02:00:00:00:00:55 dev v1 master
bridge fdb get 02:00:00:00:00:77 br br0
"""


def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        {START}
        {REFUSED}
        bridge fdb
    """)
