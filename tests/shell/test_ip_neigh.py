"""``ip neigh`` and ``arp`` say what the real ones say. The kernel lists neighbours in no order: each is asked for."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.root

START = """
ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
ip link set v1 up
ip addr add 10.0.0.254/24 dev v1
"""


def test_a_person_writes_the_neighbour_table(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip neigh
        ip -j neigh
        ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:99 nud stale dev v1
        ip neigh show
        ip neigh show dev v1
        ip -br neigh
        ip -j neigh
        ip -j neigh show dev v1
        arp -n
        ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:98 nud reachable dev v1
        ip neigh add 10.0.0.4 nud failed dev v1
        ip neigh add 10.0.0.5 lladdr 02:00:00:00:00:97 dev v1
        ip neigh show 10.0.0.1
        ip neigh show 10.0.0.2
        ip neigh show 10.0.0.4
        ip neigh show 10.0.0.5
        ip neigh show nud permanent
        arp -n 10.0.0.5
        arp -n -i v1 10.0.0.2
        arp -n 10.0.0.77
        ip neigh change 10.0.0.5 lladdr 02:00:00:00:00:96 dev v1
        ip neigh show 10.0.0.5
        ip neigh flush dev v1
        ip neigh
        ip neigh flush nud permanent
        ip neigh
    """)


def test_the_older_tool_writes_it_too(pair: Any) -> None:
    """One entry at a time: the kernel lists them in no order."""
    pair.check(f"""
        {START}
        arp -a
        arp -n
        arp -vn
        arp -s 10.0.0.1 02:00:00:00:00:99
        arp -an
        arp -evn -i v1
        arp -n -i nope
        arp -a 10.0.0.77
        ip neigh show
        arp -d 10.0.0.1
        arp -d 10.0.0.1
        arp -i v1 -s 10.0.0.2 02:00:00:00:00:98 temp
        arp -an
        arp --numeric
        arp -i v1 -d 10.0.0.2
        ip neigh add 10.0.0.4 nud failed dev v1
        arp -an
        ip neigh del 10.0.0.4 dev v1
        ip neigh add proxy 10.0.0.9 dev v1
        arp -an
        arp -n
        arp -s 10.0.0.1
        arp -s 10.0.0.1 zz
        arp -s 10.9.9.9 02:00:00:00:00:99
        arp -d 10.9.9.9
        arp -s
        arp -d
    """)


REFUSED = """
ip neigh add 10.0.0.3 dev v1
ip neigh add 10.0.0.3 lladdr 02:00:00:00:00:99
ip neigh flush
ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:99 dev v1
ip neigh del 10.0.0.9 dev v1
ip neigh frob
ip neigh change 10.0.0.9 lladdr 02:00:00:00:00:99 dev v1
ip neigh del 10.0.0.1 dev nope
ip neigh show dev nope
ip neigh add 10.0.0.3 lladdr foo dev v1
"""


def test_a_refusal_has_the_real_words_and_changes_nothing(pair: Any) -> None:
    pair.check(f"""
        {START}
        ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:99 dev v1
        {REFUSED}
        ip neigh
    """)


def test_neighbours_of_both_families_and_proxies(pair6: Any) -> None:
    pair6.check("""
        ip link add v1 address 02:00:00:00:00:01 type veth peer name v2 address 02:00:00:00:00:02
        ip link set v1 up
        ip link set v2 up
        ip link set lo up
        ip -6 addr
        ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev v1
        ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:98 dev v1
        ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:99 dev v1
        ip neigh add 2001:db8::7 lladdr 02:00:00:00:00:99 dev v1 nud stale
        ip neigh add 10.0.0.8 dev v1 nud failed
        ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:97 dev v1 nud noarp
        ip neigh add 10.0.0.6 dev v1 nud none
        ip neigh add 10.0.0.5 dev v1 nud incomplete
        ip neigh add 10.0.0.4 lladdr 02:00:00:00:00:94 dev v1 nud stale
        ip neigh
        ip -4 neigh
        ip -6 neigh
        ip neigh show dev v1
        ip -br neigh
        ip neigh show nud stale
        ip neigh show nud stale nud permanent
        ip neigh show nud failed
        ip neigh show 10.0.0.0/24
        ip -6 neigh show 2001:db8::/64
        ip neigh get 10.0.0.9 dev v1
        ip -j neigh get 10.0.0.9 dev v1
        ip neigh get 10.0.0.99 dev v1
        ip neigh get 10.0.0.9
        ip neigh get 2001:db8::9 dev v1
        ip neigh change 2001:db8::9 lladdr 02:00:00:00:00:55 dev v1
        ip neigh change 2001:db8::19 lladdr 02:00:00:00:00:55 dev v1
        ip neigh replace 2001:db8::19 lladdr 02:00:00:00:00:55 dev v1
        ip neigh change 10.0.0.9 dev v1 nud stale
        ip neigh add proxy 10.0.0.50 dev v1
        ip neigh add proxy 10.0.0.50 dev v1
        ip neigh add proxy 2001:db8::50 dev v1
        ip neigh show proxy
        ip neigh show proxy dev v1
        ip -6 neigh show proxy
        ip -j neigh show proxy
        ip neigh
        ip neigh get proxy 10.0.0.50 dev v1
        ip neigh del proxy 10.0.0.50 dev v1
        ip neigh del proxy 10.0.0.51 dev v1
        ip neigh show proxy
        ip neigh flush dev v1 nud stale
        ip neigh
        ip neigh del 2001:db8::19 dev v1
        ip neigh del 2001:db8::1 dev v1
        ip neigh flush dev v1
        ip neigh
        ip neigh flush dev v1 nud permanent
        ip neigh
        ip neigh flush nud all
        ip neigh flush all
        ip neigh add 2001:db8::9/64 lladdr 02:00:00:00:00:99 dev v1
        ip neigh add 2001:db8::9 lladdr zz dev v1
        ip neigh add 2001:db8::9 dev v1
        ip -4 neigh add 2001:db8::9 lladdr 02:00:00:00:00:99 dev v1
        ip neigh add foo lladdr 02:00:00:00:00:99 dev v1
        ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:99 dev nope
        ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:99
        ip neigh add ff02::1 lladdr 33:33:00:00:00:01 dev v1
        ip neigh show nud foo
        ip neigh flush
    """)
