"""``sysctl`` and ``cat /proc/sys/...`` say what procps and coreutils say, byte for byte, also when they say no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

TRANSCRIPT = """
sysctl net.ipv4.ip_forward
sysctl -n net.ipv4.ip_forward
sysctl net/ipv4/ip_forward
sysctl net.ipv4.nope
sysctl -w net.ipv4.ip_forward=1
sysctl net.ipv4.ip_forward=0
sysctl -w net.ipv4.ip_forward = 1
sysctl -w net.ipv4.ip_forward
sysctl -w net.ipv4.ip_forward=foo
sysctl -w net.ipv4.nope=1
sysctl -q -w net.ipv4.ip_forward=1
sysctl -qw net.ipv4.ip_forward=0
sysctl -n net.ipv4.ip_forward net.ipv4.nope net.ipv4.ip_default_ttl
sysctl -e net.ipv4.nope
sysctl net.ipv4.ip_local_port_range
sysctl -w net.ipv4.ip_local_port_range=5
sysctl -w "net.ipv4.ip_local_port_range=20000 30000"
sysctl net.ipv4.ip_local_port_range
sysctl -w net.ipv4.ip_default_ttl=0
sysctl -w net.ipv4.ip_default_ttl=300
sysctl -w net.ipv4.ip_default_ttl=32
sysctl -w net.ipv4.conf.all.rp_filter=5
sysctl -w net.ipv4.conf.lo.rp_filter=2
sysctl net.ipv4.conf.lo.rp_filter
sysctl net.ipv4.conf.eth9.rp_filter
sysctl -w net.ipv4.conf.default.rp_filter=1
sysctl net.bridge.bridge-nf-call-iptables
sysctl -w net.bridge.bridge-nf-call-iptables=0
sysctl --all --pattern net.ipv4.ip_def
cat /proc/sys/net/ipv4/ip_forward
cat /proc/sys/net/bridge/bridge-nf-call-iptables
cat /proc/sys/net/ipv4/nope
cat /proc/sys/net/ipv4
cat nope
cat /etc
ls /nope
hostname
hostname -I
echo -n a b
env -i A=b env
timeout 1 nope
timeout x ls
timeout
true
false
nope
"""


def test_settings_are_read_and_written(pair: Any) -> None:
    pair.check(TRANSCRIPT)


def test_a_namespace_has_settings_of_its_own(pair: Any) -> None:
    pair.check("""
        ip netns add x
        ip netns exec x sysctl -w net.ipv4.ip_forward=1
        sysctl net.ipv4.ip_forward
        ip netns exec x sysctl net.ipv4.ip_forward
        ip netns exec x cat /proc/sys/net/ipv4/ip_forward
    """)


def test_settings_of_devices_follow_all_and_default_as_in_the_kernel(pair6: Any) -> None:
    pair6.check("""
        ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
        sysctl net.ipv4.conf.v1.rp_filter
        sysctl -w net.ipv4.conf.all.forwarding=1
        sysctl net.ipv4.conf.default.forwarding net.ipv4.conf.v1.forwarding net.ipv4.conf.lo.forwarding
        sysctl -w net.ipv4.conf.v1.forwarding=0
        sysctl net.ipv4.conf.default.forwarding net.ipv4.conf.v1.forwarding net.ipv4.conf.v2.forwarding
        sysctl -w net.ipv4.ip_forward=1
        sysctl net.ipv4.conf.v1.forwarding
        sysctl -w net.ipv4.ip_forward=0
        sysctl net.ipv4.conf.v1.forwarding net.ipv4.conf.all.forwarding
        sysctl -w net.ipv4.conf.default.rp_filter=1
        sysctl net.ipv4.conf.v1.rp_filter net.ipv4.conf.lo.rp_filter
        ip addr add 10.0.0.1/24 dev v1
        sysctl -w net.ipv4.conf.default.rp_filter=2
        sysctl net.ipv4.conf.v1.rp_filter net.ipv4.conf.v2.rp_filter net.ipv4.conf.all.rp_filter
        sysctl -w net.ipv4.conf.v2.rp_filter=0
        sysctl -w net.ipv4.conf.default.rp_filter=1
        sysctl net.ipv4.conf.v2.rp_filter
        ip link add v3 type veth peer name v4
        sysctl net.ipv4.conf.v3.rp_filter
        sysctl -w net.ipv4.conf.v3.rp_filter=0
        ip link del v3
        ip link add v3 type veth peer name v4
        sysctl net.ipv4.conf.v3.rp_filter
        sysctl -w net.ipv6.conf.default.forwarding=1
        sysctl net.ipv6.conf.v1.forwarding net.ipv6.conf.all.forwarding
        ip link add v5 type veth peer name v6
        sysctl net.ipv6.conf.v5.forwarding
        sysctl -w net.ipv6.conf.all.forwarding=1
        sysctl net.ipv6.conf.v1.forwarding
        sysctl -w net.ipv6.conf.all.disable_ipv6=1
        sysctl net.ipv6.conf.v1.disable_ipv6 net.ipv6.conf.default.disable_ipv6
        sysctl -w net.ipv6.conf.v1.disable_ipv6=0
        sysctl -w net.ipv6.conf.default.disable_ipv6=0
        sysctl net.ipv6.conf.v1.disable_ipv6 net.ipv6.conf.v2.disable_ipv6
        ip link set v1 mtu 1200
        sysctl net.ipv6.conf.v1.disable_ipv6
        sysctl -w net.ipv4.conf.all.rp_filter=1
    """)
