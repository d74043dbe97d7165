"""``ip route`` says what iproute2 6.1 says on a real kernel, byte for byte, also when it says no."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

START = """
ip link set lo up
ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
ip link add v3 address 02:00:00:00:00:03 type veth peer name v4 address 02:00:00:00:00:04
ip link set v1 up
ip link set v2 up
ip link set v3 up
ip addr add 10.1.0.1/24 brd + dev v1
ip addr add 10.2.0.2/24 dev v1
ip addr add 10.3.0.1/24 dev v3
"""


def test_routes_are_listed_as_the_kernel_keeps_them(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip route
        ip route add blackhole 10.5.0.0/16
        ip route add unreachable 10.6.0.0/16
        ip route add prohibit 10.7.0.0/16 metric 5
        ip route add 10.8.0.0/16 via 10.1.0.5 metric 100 proto static
        ip route add 10.8.0.0/16 via 10.1.0.5 metric 50
        ip route add 10.8.0.0/24 via 10.1.0.5 src 10.2.0.2
        ip route add 10.8.0.1 via 192.168.1.1 dev v1 onlink
        ip route add 10.9.0.0/16 dev v3 proto kernel scope global
        ip route add default dev v1
        ip route add default via 10.1.0.9 metric 10
        ip route append 10.77.0.0/16 via 10.1.0.9
        ip route change 10.8.0.0/24 via 10.1.0.6
        ip route
        ip route list
        ip route ls
        ip r s
        ip route show table main
        ip route show table 254
        ip route show table all
        ip route show table local
        ip -4 route
        ip -6 route
        ip -d route
        ip -o route
        ip -j route
        ip -j -p route
        ip -j route show table local
        ip route show dev v1
        ip route show proto kernel
        ip route show scope link
        ip route show 10.2.0.0/24
        ip route show match 10.8.0.5
        ip route show root 10.8.0.0/16
        ip route show exact 10.8.0.0/16
        ip route show default
        ip route show via 10.1.0.5
        ip route show src 10.1.0.1
        ip route show type blackhole
        ip route show table all type broadcast
        ip rule
        ip -j rule
    """)


def test_the_kernel_says_which_route_it_would_take(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip route add 10.5.0.0/16 via 10.1.0.5
        ip route add blackhole 10.6.0.0/16
        ip route add unreachable 10.7.0.0/16
        ip route add prohibit 10.8.0.0/16
        ip route get 10.1.0.77
        ip route get 10.5.0.1
        ip route get 10.6.0.1
        ip route get 10.7.0.1
        ip route get 10.8.0.1
        ip route get 8.8.8.8
        ip route get 127.0.0.1
        ip route get 127.0.0.9
        ip route get 10.1.0.1
        ip route get 10.1.0.255
        ip route get 255.255.255.255
        ip route get 10.5.0.99 from 10.2.0.2
        ip route get 10.5.0.99 from 10.99.0.2
        ip route get 10.5.0.99 from 10.99.0.2 iif v1
        ip route get 10.1.0.1 from 10.99.0.2 iif v1
        sysctl -w net.ipv4.ip_forward=1
        ip route get 10.5.0.99 from 10.99.0.2 iif v1
        ip route get 10.5.0.99 from 10.99.0.2 iif v3
        ip route get 10.5.0.99 from 10.1.0.1 iif v3
        ip route get 10.5.0.99 from 127.0.0.1 iif v3
        ip route get 10.5.0.99 iif v3
        ip route get 8.8.8.8 from 10.99.0.2 iif v3
        ip route get 10.1.0.77 dev v1
        ip route get to 10.1.0.77 oif v1
        ip route get 10.5.0.99 fibmatch
        ip route get 10.5.0.99/24
        ip -j route get 10.5.0.1
        ip -j route get 10.1.0.1
        ip -j route get 10.1.0.255
        ip -j route get 10.5.0.3 from 10.3.0.9 iif v3
        ip -j route get 10.5.0.3 from 10.2.0.2
        ip route get foo
        ip route get
        ip route get 10.5.0.3 iif nope
        ip route get 10.5.0.3 dev nope
    """)


def test_routes_go_one_by_one_or_by_what_they_have_in_common(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip route add 10.5.0.0/16 via 10.1.0.5
        ip route add 10.5.0.0/24 via 10.1.0.6
        ip route add 10.5.0.0/16 via 10.1.0.7 metric 20
        ip route add 10.6.0.0/16 dev v3
        ip route del 10.5.0.0/16 via 10.1.0.8
        ip route del 10.5.0.0/16 via 10.1.0.7
        ip route
        ip route replace 10.5.0.0/16 via 10.1.0.9
        ip route replace default via 10.1.0.9
        ip route
        ip route del 10.5.0.0/16
        ip route flush 10.5.0.0/16
        ip route
        ip route flush root 10.5.0.0/16
        ip route flush dev v3
        ip route
        ip route flush cache
        ip route flush table main
        ip route
        ip -j route
        ip -j -p route
    """)


REFUSED = """
ip route add default via 10.9.0.1
ip route add 10.1.0.0/24 dev v1 proto kernel scope link src 10.1.0.1
ip route add 10.9.0.0/16 dev nope
ip route add 10.9.0.1/16 dev v1
ip route add foo dev v1
ip route del 10.9.0.0/16
ip route add 10.8.4.0/24 dev v1 src 10.99.0.1
ip route add 10.66.0.0/16
ip route change 10.18.0.0/24 via 10.1.0.6
ip route add 10.66.0.0/16 via foo
ip route flush
ip route add 10.66.0.0/16 frob
ip route add 10.66.0.0/16 via 10.1.0.2 metric x
ip route frob
ip route add 10.66.0.0/16 via 10.1.0.2 dev
ip route add 10.66.0.0/16 via 10.1.0.2 proto foo
ip route add 10.66.0.0/16 via 10.1.0.2 scope foo
ip route add 10.66.0.0/16 via 10.1.0.2 table foo
ip route add 10.66.0.0/16 via 10.1.0.2 table main
ip route add 10.66.0.0/16 dev v4
ip route show foo
ip route show dev nope
ip route show table foo
ip route show table 100
ip route del default
ip route add 10.66.0.0/16 via 10.1.0.2 dev v3
ip route add 10.66.0.0/16 via 10.1.0.1
ip route add 10.66.0.0/16 via 10.1.0.2 onlink
ip route show frob x
ip route replace 10.1.0.1/16 dev v1
"""


def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        {START}
        {REFUSED}
        ip route
    """)
