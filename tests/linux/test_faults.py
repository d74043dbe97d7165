"""Faults: each breaks something, says so in the walk, and leaves nothing behind once it is lifted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.errors import Refused
from k8slearn.journal import World
from k8slearn.linux.faults import FAULTS

CONTAINER = {"name": "main", "image": "nginx", "ports": [{"containerPort": 80}]}
PODS = [
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": "nginx", "ports": [{"containerPort": 80}]}],
        },
    }
    for name, node in (("a", "node-1"), ("b", "node-1"), ("c", "node-2"))
]
NODE = "node:node-1"
A, B, C = "10.244.0.2", "10.244.0.3", "10.244.1.2"
NO_OTHER = "02:00:00:00:00:77"
BROKEN: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("link-down", NODE, {"dev": "cni0"}, "default/c", "unreachable"),
    ("link-down", "default/a", {"dev": "eth0"}, "default/b", "unreachable"),
    ("wrong-gateway", NODE, {"dst": "10.244.1.0/24", "via": "192.168.64.99"}, "default/c", "unreachable"),
    ("wrong-gateway", "default/a", {"via": "10.244.0.99"}, "default/c", "unreachable"),
    ("missing-route", "default/a", {"dst": "default"}, "default/c", "unreachable"),
    ("missing-route", NODE, {"dst": "10.244.1.0/24"}, "default/c", "timeout"),
    ("wrong-route", NODE, {"dst": f"{C}/32", "via": "192.168.64.99"}, "default/c", "unreachable"),
    ("sysctl", NODE, {"name": "net.ipv4.ip_forward"}, "default/c", "timeout"),
    ("loss", NODE, {"dev": "eth0"}, "default/c", "unreachable"),
    ("conntrack-full", NODE, {}, "default/c", "timeout"),
    ("wrong-neighbour", NODE, {"dev": "cni0", "address": A}, "default/c", "timeout"),
    ("duplicated-mac", "default/b", {"dev": "eth0", "mac": NO_OTHER}, "default/b", "timeout"),
    ("wrong-prefix", "default/a", {"dev": "eth0", "address": A, "prefix": 16}, "default/c", "unreachable"),
    ("mtu", NODE, {"dev": "eth0", "mtu": 1280}, "default/c", "connected"),
    ("delay", NODE, {"dev": "eth0", "seconds": 0.1}, "default/c", "connected"),
    ("address-conflict", "default/b", {"dev": "eth0", "address": "10.244.0.77/24"}, "default/b", "connected"),
    ("rule-deleted", NODE, {"table": "nat", "chain": "POSTROUTING", "position": 1}, "default/c", "connected"),
    ("rule-moved", NODE, {"table": "nat", "chain": "POSTROUTING", "position": 1, "to": 2}, "default/c", "connected"),
    ("expired-fdb", NODE, {"bridge": "cni0"}, "default/b", "connected"),
]


def cluster() -> Cluster:
    found = Cluster(nodes=2)
    found.apply(PODS)
    found.send("default/a", "default/b")
    return found


@pytest.fixture(scope="module")
def shared() -> Cluster:
    return cluster()


def rows(world: World) -> dict[tuple[str, str], list[tuple[Any, Any]]]:
    """Everything there is, in its order."""
    return {place: list(table.items()) for place, table in world.tables().items()}


@pytest.mark.parametrize(("kind", "on", "arguments", "destination", "outcome"), BROKEN)
def test_a_fault_breaks_what_it_says_and_lifting_it_leaves_the_world_as_it_was(
    shared: Cluster, kind: str, on: str, arguments: dict[str, Any], destination: str, outcome: str
) -> None:
    before = rows(shared.engine.world)
    assert shared.trace("default/a", destination).outcome == "connected"
    fault = shared.inject(kind, on, **arguments)
    try:
        assert shared.faults() == [fault]
        assert shared.trace("default/a", destination).outcome == outcome
    finally:
        shared.lift(fault)
    assert shared.trace("default/a", destination).outcome == "connected"
    assert rows(shared.engine.world) == before


def test_every_kind_of_fault_is_tried() -> None:
    assert {kind for kind, *_ in BROKEN} == set(FAULTS)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(BROKEN), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_faults_can_be_lifted_in_any_order(shared: Cluster, chosen: list[Any], random: Any) -> None:
    """Last in, first out gives the world back; in any other order at least no fault stays in force."""
    before, injected = rows(shared.engine.world), list[Any]()
    for kind, on, arguments, *_ in chosen:
        try:
            injected.append(shared.inject(kind, on, **arguments))
        except Refused:
            continue
    for fault in reversed(injected):
        shared.lift(fault)
    assert rows(shared.engine.world) == before
    assert shared.faults() == []


def test_what_somebody_changed_since_is_left_alone() -> None:
    mine = cluster()
    fault = mine.inject("missing-route", NODE, dst="10.244.1.0/24")
    mine.node("node-1").run("ip route add 10.244.1.0/24 via 192.168.64.12 dev eth0 metric 7")
    mine.lift(fault)
    said = mine.node("node-1").run("ip route show 10.244.1.0/24").stdout
    assert "metric 7" in said
    assert len(said.splitlines()) == 2


def test_a_fault_is_an_entry_of_the_journal_that_undo_takes_back_and_explain_names() -> None:
    mine = cluster()
    before = rows(mine.engine.world)
    mine.inject("missing-route", NODE, dst="10.244.1.0/24")
    assert "the fault missing-route" in mine.trace("default/a", "default/c").explain()
    mine.undo()
    assert rows(mine.engine.world) == before


@pytest.mark.parametrize(
    ("kind", "arguments", "sentence"),
    [
        ("link-dwon", {"dev": "eth0"}, "there is no fault 'link-dwon': did you mean 'link-down'?"),
        ("link-down", {}, "link-down: 'dev' is missing (it takes dev: a link of that machine)"),
        ("link-down", {"dev": "eth0", "x": 1}, "link-down: 'x' is none of its arguments"),
        ("link-down", {"dev": "eth7"}, 'link-down in node:node-1 cannot be: Cannot find device "eth7"'),
        ("missing-route", {"dst": "10.9.0.0/16"}, "node:node-1 has no route to 10.9.0.0/16"),
        ("missing-route", {"dst": "x"}, "'x' is not a network"),
        ("wrong-gateway", {"via": "1.2.3"}, "'1.2.3' is not an IP address"),
        ("sysctl", {"name": "net.ipv4.nothing"}, "the kernel has no setting 'net.ipv4.nothing'"),
        ("loss", {"dev": "eth0", "percent": 200}, "loss: percent is a number above 0 and up to 100, not 200"),
        ("rule-deleted", {"table": "nat", "chain": "X", "position": 1}, "chain X of table nat"),
        ("link-down", {"dev": ["eth0"]}, "link-down: dev is text or a number"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_a_sentence(
    shared: Cluster, kind: str, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        shared.inject(kind, NODE, **arguments)
    assert str(refused.value).startswith(sentence)
    assert shared.faults() == []
