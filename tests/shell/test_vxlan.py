"""``ip`` and ``bridge`` say of VXLAN devices what the real ones say on a real kernel, also when they say no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

VETH = "ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02\n"
MAC = "02:00:00:00:00:9"


def test_a_vxlan_device_shows_its_settings(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        ip link add flannel.1 address 02:00:00:00:00:03 type vxlan id 1 local 10.0.0.1 dev v1 dstport 8472 nolearning
        ip link add x2 address 02:00:00:00:00:04 type vxlan id 2 remote 10.0.0.2 dstport 4789
        ip link add x3 address 02:00:00:00:00:05 type vxlan id 3
        ip link add x4 address 02:00:00:00:00:06 type vxlan vni 4 dstport 0 ttl inherit tos inherit df set ageing 60
        ip link add x5 mtu 1300 address 02:00:00:00:00:07 type vxlan id 5 dev v1 dstport 0 ttl 5 maxaddress 3
        ip link add x6 mtu 1600 address 02:00:00:00:00:08 type vxlan id 6 dev v1 dstport 0 srcport 5 6 noudpcsum
        ip link add x7 mtu 9000 address 02:00:00:00:00:09 type vxlan id 7 dstport 0 df inherit tos 5 ttl auto
        ip link
        ip -d link
        ip -d -j link
        ip link set flannel.1 up
        ip -d link show flannel.1
        ip -br link
        ip link show type vxlan
        ip link set flannel.1 mtu 1450
        ip link set x2 type vxlan remote 10.0.0.3 nolearning ageing 7
        ip -d link show x2
        bridge fdb show dev x2
        ip link set x3 name y3
        ip link set y3 alias hello
        ip link set y3 group 7
        ip link set y3 txqueuelen 5 arp off multicast off
        ip -d link show y3
        ip -j link show group 7
        ip link del y3
        ip -br link
        ip link del v1
        ip -br link
    """)


def test_the_table_of_a_vxlan_device_holds_what_a_person_wrote(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        ip link add vx address 02:00:00:00:00:03 type vxlan id 1 dstport 8472
        bridge fdb show dev vx
        bridge fdb add {MAC}1 dev vx dst 10.0.0.2
        bridge fdb append {MAC}1 dev vx dst 10.0.0.3
        bridge fdb append 00:00:00:00:00:00 dev vx dst 10.0.0.2
        bridge fdb append 00:00:00:00:00:00 dev vx dst 10.0.0.3
        bridge fdb append 00:00:00:00:00:00 dev vx dst 10.0.0.3
        bridge fdb add {MAC}2 dev vx dst 10.0.0.2 port 4789 vni 7 via v2
        bridge fdb add {MAC}3 dev vx dst 10.0.0.2 self dynamic
        bridge fdb append ff:ff:ff:ff:ff:ff dev vx dst 10.0.0.1
        bridge fdb append ff:ff:ff:ff:ff:ff dev vx dst 10.0.0.2
        bridge fdb show dev vx
        bridge -j fdb show dev vx
        bridge -s fdb show dev vx
        bridge fdb show br vx
        bridge fdb show dynamic dev vx
        bridge fdb get {MAC}1 br vx
        bridge fdb get {MAC}2 dev vx self
        bridge fdb replace {MAC}1 dev vx dst 10.0.0.5
        bridge fdb del 00:00:00:00:00:00 dev vx dst 10.0.0.2
        bridge fdb del 00:00:00:00:00:00 dev vx dst 10.0.0.9
        bridge fdb del {MAC}3 dev vx dst 10.0.0.9
        bridge fdb show dev vx
        bridge fdb del {MAC}2 dev vx
        bridge fdb del {MAC}3 dev vx
        bridge fdb del ff:ff:ff:ff:ff:ff dev vx
        bridge fdb show dev vx
        bridge fdb flush dev vx
        bridge fdb show dev vx
    """)


def test_a_vxlan_device_can_be_a_bridges_port(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        ip link add br0 address 02:00:00:00:00:0a type bridge
        ip link add vx address 02:00:00:00:00:03 type vxlan id 1 dstport 8472 remote 10.0.0.2
        ip link set vx master br0
        ip link set v1 master br0
        ip link set br0 up
        ip link set vx up
        ip link
        bridge link
        ip -d link show vx
        bridge fdb
        bridge fdb add {MAC}1 dev vx dst 10.0.0.2 self master
        bridge fdb add {MAC}2 dev vx master static
        bridge fdb
        bridge -s fdb show dev vx
        bridge fdb del {MAC}1 dev vx self
        bridge fdb
        ip link set vx nomaster
        bridge fdb
    """)


def test_a_vxlan_device_keeps_its_home_when_it_moves(pair: Any) -> None:
    pair.check("""
        ip netns add x
        ip link add vx address 02:00:00:00:00:03 type vxlan id 1 dstport 8472 local 10.0.0.1
        ip link set vx netns x
        ip link
        ip -n x link
        ip -n x -j link
        ip link add vy address 02:00:00:00:00:04 type vxlan id 1 dstport 8472
        ip -n x link add vz address 02:00:00:00:00:05 type vxlan id 1 dstport 8472
        ip -n x link
        ip -n x link del vx
        ip link add vy address 02:00:00:00:00:04 type vxlan id 1 dstport 8472
    """)


REFUSED = f"""
ip link add x type vxlan
ip link add x type vxlan id foo
ip link add x type vxlan id 16777216
ip link add x type vxlan id 1 dstport foo
ip link add x type vxlan id 1 remote foo
ip link add x type vxlan id 1 group 10.0.0.1
ip link add x type vxlan id 1 remote 239.0.0.1
ip link add x type vxlan id 1 dev nope
ip link add x type vxlan id 1 local foo
ip link add x type vxlan id 1 ttl 300
ip link add x type vxlan id 1 ttl foo
ip link add x type vxlan id 1 ageing x
ip link add x type vxlan id 1 tos x
ip link add x type vxlan id 3 id 4
ip link add x type vxlan id 9 local 10.0.0.1 remote fd00::1 dstport 0
ip link add x type vxlan id 9 local 239.0.0.1 dstport 0
ip link add x type vxlan id 1 dstport 8472
ip link add vx type vxlan id 8 dstport 8472
ip link set vx type vxlan id 5
ip link set vx type vxlan dstport 5
ip link set v1 type vxlan ageing 5
ip link set vx mtu 1451
ip link set vx mtu 60
bridge fdb add {MAC}1 dev vx
bridge fdb add {MAC}1 dev vx dst foo
bridge fdb add {MAC}1 dev vx dst 10.0.0.1 port x
bridge fdb add {MAC}1 dev vx dst 10.0.0.1 vni x
bridge fdb add {MAC}1 dev vx dst fd00::1
bridge fdb add {MAC}1 dev vx dst 10.0.0.1 via nope
bridge fdb add {MAC}1 dev vx dst 10.0.0.1 master
bridge fdb add {MAC}1 dev vx dst 10.0.0.1 static
bridge fdb add 00:00:00:00:00:00 dev vx dst 10.0.0.4
bridge fdb replace 00:00:00:00:00:00 dev vx dst 10.0.0.6
bridge fdb replace ff:ff:ff:ff:ff:ff dev vx dst 10.0.0.6
bridge fdb del {MAC}9 dev vx
bridge fdb get {MAC}9 br vx
bridge fdb get {MAC}9 dev vx
bridge fdb get foo br vx
bridge fdb get
bridge fdb flush
bridge fdb flush dev nope
bridge fdb flush dev v1
"""


def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        {VETH}
        ip link add vx address 02:00:00:00:00:03 type vxlan id 1 dstport 8472 dev v1 remote 10.0.0.2
        {REFUSED}
        ip -d link
        bridge fdb
    """)


def test_devices_of_one_vni_and_port_stand_beside_each_other_in_two_families(pair6: Any) -> None:
    pair6.check(f"""
        {VETH}
        ip link set v1 up
        ip addr add 10.0.0.1/24 dev v1
        ip addr add fd00::1/64 dev v1 nodad
        ip link add flannel.1 address 02:00:00:00:00:03 type vxlan id 1 local 10.0.0.1 dev v1 dstport 8472 nolearning
        ip link add six address {MAC}4 mtu 1450 type vxlan id 1 local fd00::1 dev v1 dstport 8472 nolearning
        ip -d link show six
        ip link add x4 address 02:00:00:00:00:05 type vxlan id 1 dev v1 dstport 8472
        ip link add x6 address 02:00:00:00:00:05 type vxlan id 1 remote fd00::2 dev v1 dstport 8472
        ip link set flannel.1 up
        ss -Hlun
        ip link set six up
        ss -Hlun
        bridge fdb add {MAC}1 dev six dst fd00::2 self permanent
        bridge fdb show dev six
        ip link del flannel.1
        ss -Hlun
    """)
