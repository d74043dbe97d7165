"""``ip -6 route`` says what iproute2 6.1 says on a real kernel, byte for byte, also when it says no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root


def test_ipv6_routes_are_added_shown_looked_up_and_flushed(pair6: Any) -> None:
    pair6.check("""
        ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
        ip link set v1 up
        ip link set v2 up
        ip link set lo up
        ip -6 addr
        sysctl -qw net.ipv6.conf.v2.disable_ipv6=1
        sysctl -qw net.ipv6.conf.v2.disable_ipv6=0
        ip addr add 2001:db8::1/64 dev v1
        ip addr add 10.0.0.1/24 dev v1
        ip -6 route add 2001:db8:1::/48 via 2001:db8::2
        ip route add 2001:db8:1::/48 via 2001:db8::3
        ip route add default via fe80::5
        ip route add default via fe80::5 dev v1
        ip -6 route add 2001:db8:2::1 dev v2
        ip -6 route add 2001:db8:3::/64 dev v2 metric 5
        ip -6 route append 2001:db8:3::/64 dev v1 metric 5
        ip -6 route add unreachable 2001:db8:4::/48
        ip -6 route add blackhole 2001:db8:5::/48 metric 7
        ip -6 route add prohibit 2001:db8:6::/48
        ip -6 route add throw 2001:db8:7::/48
        ip -6 route add 2001:db8:8::/48 via 2001:db8:ff::1 dev v1 onlink
        ip -6 route add 2001:db8:a::/48 dev v1 src 2001:db8::1
        ip -6 route add 2001:db8:a::/48 dev v1 src 2001:db8::9 metric 3
        ip -6 route add 2001:db8:b::/48 dev v1 mtu 1300
        ip -6 route add 2001:db8:c::/48 dev v1 mtu lock 1300 proto static table 100
        ip route add local 2001:db8:d::/48 dev lo
        ip -6 route
        ip route
        ip route show table all
        ip -6 route show table all
        ip -6 -j route
        ip -6 -d route
        ip -6 -j -p route
        ip -6 route show table 100
        ip -6 -j route show table 100
        ip -6 route show table 101
        ip -6 route show table local
        ip -6 route show dev v1
        ip -6 route show default
        ip -6 route show 2001:db8::/64
        ip -6 route show root 2001:db8::/32
        ip -6 route show match 2001:db8:a::5
        ip -6 route show exact 2001:db8:a::/48
        ip -6 route show proto kernel
        ip -6 route show via 2001:db8::2
        ip -6 route show type blackhole
        ip -6 route show scope link
        ip -6 route get 2001:db8:4::1
        ip -6 route get 2001:db8:5::1
        ip -6 route get 2001:db8:6::1
        ip -6 route get 2001:db8:7::1
        ip route get 2001:db8:a::1
        ip -6 route get 2001:db8:b::1
        ip -6 route get 2001:db8:c::1
        ip -6 route get 2001:db8:d::1
        ip -6 route get fe80::ff:fe00:1
        ip -6 route get fe80::77
        ip -6 route get fe80::77 oif v1
        ip -6 route get fe80::77 dev v2
        ip -6 route get ff02::1
        ip -6 route get ff02::1 oif v1
        ip -6 route get ::1
        ip -6 route get 2001:db8::1
        ip -6 route get 2001:db8::5
        ip -6 -j route get 2001:db8::5
        ip -6 route get 9::9
        ip -6 route get 9::9 from 2001:db8::1
        ip -6 route get 9::9 from 2001:db8::77
        ip -6 route get 2001:db8::5 fibmatch
        ip -6 route get 9::9 from 2001:db8::77 iif v1
        ip -6 route get 9::9 mark 1
        sysctl -w net.ipv6.conf.all.forwarding=1
        ip -6 route get 9::9 from 2001:db8::77 iif v2
        ip -6 route get 2001:db8::1 from 2001:db8::77 iif v1
        ip -6 route get 2001:db8:4::1 from 2001:db8::77 iif v1
        ip -6 route get 2001:db8::
        ip -6 route show table local
        ip -6 route del 2001:db8:1::/48 dev v2
        ip -6 route del 2001:db8:4::/48
        ip -6 route del 2001:db8:77::/48
        ip -6 route del 2001:db8:3::/64
        ip -6 route del 2001:db8:c::/48 table 100
        ip -6 route replace 2001:db8:1::/48 via 2001:db8::7
        ip -6 route change 2001:db8:1::/48 via 2001:db8::8
        ip -6 route change 2001:db8:99::/48 via 2001:db8::8
        ip -6 route
        ip -6 route flush dev v2
        ip -6 route flush proto boot
        ip -6 route
        ip -6 route show table all
        ip -6 route add 2001:db8:1::/48 via 10.0.0.1
        ip -6 route add 10.0.0.0/8 via 10.0.0.1
        ip route add 2001:db8:1::/48 via 10.0.0.1
        ip route add 10.9.0.0/16 via 2001:db8::5
        ip -6 route add 2001:db8:1::/48
        ip -6 route add 2001:db8:1::/48 via 2001:db8::1
        ip -6 route add 2001:db8:1::/48 via ff02::1 dev v1
        ip -6 route add 2001:db8:1::/48 via ::1
        ip -6 route add 2001:db8:1::/129 via ::1
        ip -6 route del default
        ip -6 route show foo
        ip -6 route get foo
        ip -6 route get
    """)
