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
