"""``ip rule``, and the tables that rules lead to: what iproute2 6.1 says on a real kernel, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

START = """
ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
ip link set v1 up
ip link set v2 up
ip link set lo up
ip addr
sysctl -qw net.ipv6.conf.v2.disable_ipv6=1
sysctl -qw net.ipv6.conf.v2.disable_ipv6=0
ip addr add 10.0.0.1/24 dev v1
ip addr add 10.0.1.1/24 dev v2
"""


def test_routes_of_every_kind_and_table_are_looked_up_as_the_kernel_does(pair6: Any) -> None:
    pair6.check(f"""
        {START}
        ip route add 10.1.0.0/16 via 10.0.0.2 mtu 1300
        ip route add 10.2.0.0/16 via 10.0.0.2 mtu lock 1300 table 100
        ip route add local 10.3.0.0/16 dev lo
        ip route add throw 10.4.0.0/16
        ip route add unreachable 10.5.0.0/16 metric 7
        ip route add prohibit 10.6.0.0/16
        ip route add blackhole 10.7.0.0/16
        ip route append 10.1.0.0/16 via 10.0.1.2
        ip route append 10.1.0.0/16 via 10.0.1.2
        ip route add 10.3.7.0/24 via 10.0.0.2
        ip route
        ip -j route
        ip route show table 100
        ip route show table all
        ip route show table local
        ip route show type local
        ip route show table local type local
        ip route get 10.1.0.1
        ip -j route get 10.1.0.1
        ip route get 10.1.0.1 oif v2
        ip route get 10.1.0.1 mark 5
        ip -j route get 10.1.0.1 mark 5
        ip route get 10.3.0.1
        ip route get 10.3.7.1
        ip route get 10.4.0.1
        ip route get 10.5.0.1
        ip route get 10.6.0.1
        ip route get 10.7.0.1
        ip route get 10.0.0.1
        ip route get 10.0.0.255
        ip route get 9.9.9.9
        ip route get 9.9.9.9 oif v1
        ip route get 10.0.0.7 oif v2
        ip route get 10.1.0.1 from 10.0.1.1
        ip route get 10.1.0.1 from 10.0.0.5 iif v1
        sysctl -w net.ipv4.ip_forward=1
        ip route get 10.1.0.1 from 10.0.0.5 iif v1
        ip route get 10.1.0.1 from 10.0.0.5 iif v2
        ip route get 10.4.0.1 from 10.0.0.5 iif v2
        ip route get 10.5.0.1 from 10.0.0.5 iif v2
        ip route get 10.6.0.1 from 10.0.0.5 iif v2
        ip route get 10.7.0.1 from 10.0.0.5 iif v2
        ip route get 10.3.0.1 from 10.0.0.5 iif v2
    """)


def test_rules_are_added_shown_asked_and_deleted(pair6: Any) -> None:
    pair6.check(f"""
        {START}
        ip route add 10.1.0.0/16 via 10.0.0.2 mtu 1300
        ip route add 10.2.0.0/16 via 10.0.0.2 mtu lock 1300 table 100
        ip route add local 10.3.0.0/16 dev lo
        ip route add throw 10.4.0.0/16
        ip route add unreachable 10.5.0.0/16 metric 7
        ip route add prohibit 10.6.0.0/16
        ip route add blackhole 10.7.0.0/16
        ip route append 10.1.0.0/16 via 10.0.1.2
        ip route append 10.1.0.0/16 via 10.0.1.2
        ip route add 10.3.7.0/24 via 10.0.0.2
        sysctl -w net.ipv4.ip_forward=1
        ip rule
        ip -6 rule
        ip -j rule
        ip rule add from 10.0.0.0/24 table 100
        ip rule add from 10.0.0.0/24 table 100
        ip rule add to 10.5.0.0/16 lookup main pref 50
        ip rule add fwmark 5 table 100
        ip rule add fwmark 0x10/0xff0 lookup 100 priority 77
        ip rule add not fwmark 51820 table 51820
        ip rule add table main suppress_prefixlength 0
        ip rule add iif v2 blackhole
        ip rule add oif v2 table 100 pref 10
        ip rule add from 10.9.0.1 to 10.8.0.1 iif v1 prohibit
        ip rule add unreachable to 10.88.0.0/16
        ip rule add from 0/0 table 101 pref 7
        ip rule
        ip -4 rule list
        ip -d rule
        ip -j rule
        ip -j -p rule
        ip rule show from 10.0.0.0/24
        ip rule show pref 50
        ip rule show table 100
        ip rule show fwmark 5
        ip rule show iif v2
        ip rule show to 10.5.0.0/16
        ip rule del pref 7
        ip route get 10.2.0.1
        ip route get 10.2.0.1 mark 5
        ip -j route get 10.2.0.1 mark 5
        ip route get 10.2.0.1 from 10.0.0.1
        ip route get 10.88.0.1
        ip route get 10.1.0.1 from 10.0.1.7 iif v2
        ip rule del from 10.0.0.0/24
        ip rule del from 10.0.0.0/24
        ip rule del pref 9999
        ip rule del table 100
        ip rule del not fwmark 51820 table 51820
        ip rule del iif v2
        ip rule del
        ip rule del pref 32766
        ip rule
        ip route get 10.1.0.1
        ip rule add table main pref 32766
        ip rule
        ip rule del pref 32767
        ip rule add pref 32767 table default
        ip rule
        ip rule flush
        ip rule
        ip rule add
        ip rule add from foo table 100
        ip rule add from 2001:db8::/64 table 100
        ip rule add table foo
        ip rule add fwmark zz table 100
        ip rule add pref foo table 100
        ip rule add foo
        ip rule add from all iif nope table 100
        ip rule
        ip -6 rule add from 2001:db8::/64 table 100
        ip -6 rule add to 2001:db8::1 unreachable
        ip -6 rule add fwmark 1/1 table 100
        ip -6 rule
        ip -6 -j rule
        ip -6 rule del from 2001:db8::/64
        ip -6 rule
        ip -6 rule flush
        ip -6 rule
        ip -6 rule
        ip rule foo
    """)
