"""Every module of Linux and of its tools begins by teaching, and says what it leaves out."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from textwrap import indent
from types import ModuleType

import pytest

import k8slearn
from k8slearn import Cluster, linux
from k8slearn.linux import netns
from tests.linux.pictures import PICTURES

ROOT = Path(k8slearn.__file__).parent
MODULES = sorted(path for room in ("linux", "shell") for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_what_it_leaves_out(path: Path) -> None:
    opening = ast.get_docstring(ast.parse(path.read_text())) or ""
    first, _, rest = opening.partition("\n\n")
    assert first
    assert rest.split("\n\n")[-1].startswith("Left out: ")


def test_the_opening_of_the_floor_lists_every_table_of_a_namespace() -> None:
    rows = re.findall(r"^``([a-z0-9_-]+)``(?:, ``([a-z]+)``)?", str(linux.__doc__), re.M)
    assert {name for row in rows for name in row if name} == {"netns", "nfttable", "module", "keys", *netns.TABLES}


DONE_IN_A_NAMESPACE = """
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
ip addr add 10.9.0.1/24 dev br0
ip route add 10.8.0.0/16 via 10.9.0.2
ip rule add fwmark 1 lookup 7
ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev br0
ip neigh add proxy 10.9.0.3 dev br0
sysctl -w net.ipv4.ip_forward=1
ipset create blocked hash:ip
ipset add blocked 10.0.0.1
iptables -A OUTPUT -m recent --name seen --set
iptables -A OUTPUT -m limit --limit 1/second
iptables -A OUTPUT -m conntrack --ctstate NEW
nft add table ip t
nft 'add set ip t s { type ipv4_addr; }'
nft add element ip t s { 10.0.0.1 }
nft add counter ip t c
tc qdisc add dev lo root tbf rate 1mbit burst 10kb latency 50ms
tc qdisc add dev br0 ingress
ping -c 1 127.0.0.1
ping -c 1 10.9.0.77
"""


def test_nothing_stays_behind_when_a_namespace_goes() -> None:
    cluster = Cluster(nodes=1)
    node = cluster.node("node-1")

    def tables() -> set[str]:
        rows = cluster.world.tables().items()
        return {table for (scope, table), there in rows if scope == "node:node-1/x" and there}

    assert node.run("ip netns add x").exit_code == 0
    for line in DONE_IN_A_NAMESPACE.strip().splitlines():
        assert node.run(f"ip netns exec x {line}").exit_code in (0, 1), line
    assert {"nstat", "qdisc", "ipset-member", "recent", "nftset", "counter"} <= tables()
    assert node.run("ip netns del x").exit_code == 0
    assert not tables()


@pytest.mark.parametrize("module", PICTURES, ids=lambda module: module.__name__.partition(".")[2])
def test_a_picture_is_drawn_from_the_table_that_the_code_runs_on(module: ModuleType) -> None:
    assert indent(PICTURES[module](), "    ") in str(module.__doc__)
