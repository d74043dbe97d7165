"""The plugins ``calico`` and ``calico-ipam``, and the blocks behind them, without a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.cni import blocks
from k8slearn.journal import Put, World
from k8slearn.linux import fib

from .runner import NODE, machine
from .vendor import add, crashes_leave_nothing, delete, failure, installed, network

NETWORK = network({"type": "calico", "ipam": {"type": "calico-ipam"}})


def calico(cidr: str = "10.244.0.0/16", size: int = 26) -> World:
    world = machine()
    installed(world, "calico", "calico-ipam")
    spec = {"cidr": cidr, "blockSize": size}
    world.apply(Put(("api", blocks.POOLS, "default"), {"metadata": {"name": "default"}, "spec": spec}))
    world.apply(Put((NODE, "file", "/var/lib/calico/nodename"), "n"))
    world.apply(Put((NODE, "file", "/var/lib/calico/mtu"), "1480"))
    return world


def clean(world: World) -> Any:
    """All rows; of a block only who holds what (it stays claimed, and freed addresses queue up behind the others)."""
    rows = {place: dict(rows) for place, rows in world.tables().items() if not place[1].endswith(blocks.GROUP)}
    return rows, [list(blocks.allocations(block)) for block in blocks.every(world).values()]


def routes(world: World, scope: str) -> list[str]:
    return [fib.route_text(row) for row in world.table(scope, "route").values()]


def test_a_pod_is_alone_in_its_network_and_its_gateway_is_nobody() -> None:
    world = calico()
    result = add(world, NETWORK, "web")
    address = result["ips"][0]["address"].removesuffix("/32")
    host = result["interfaces"][0]["name"]
    assert routes(world, f"{NODE}/web") == ["169.254.1.1 dev eth0 scope link", "default via 169.254.1.1 dev eth0"]
    assert routes(world, NODE) == [f"{address} dev {host} scope link"]
    link = world.get((NODE, "link", host))
    assert (link.mac, link.mtu, link.up, link.master) == ("ee:ee:ee:ee:ee:ee", 1480, True, "")
    assert not [row for row in world.table(NODE, "addr").values() if row.dev == host]
    written = {name.split(".")[-1]: value for name, value in world.table(NODE, "sysctl").items()}
    assert written == {"route_localnet": "1", "proxy_arp": "1", "forwarding": "1"}


def test_the_host_ends_name_is_a_hash_of_the_pods() -> None:
    """Known from projectcalico/calico's own tests (conversion_test.go): sha1 of ``default.fakepod``."""
    import hashlib

    result = add(calico(), NETWORK, "fakepod")
    assert result["interfaces"][0]["name"] == "cali" + hashlib.sha1(b"default.fakepod").hexdigest()[:11]


def test_without_the_agent_the_plugin_says_what_is_missing() -> None:
    words = (
        "stat /var/lib/calico/nodename: no such file or directory: "
        "check that the calico/node container is running and has mounted /var/lib/calico/"
    )
    world = machine()
    installed(world, "calico", "calico-ipam")
    assert failure(world, NETWORK, "web").endswith(words)


def test_an_address_may_be_asked_for_and_is_given_once() -> None:
    world = calico()
    assert add(world, NETWORK, "a", ";IP=10.244.7.7")["ips"][0]["address"] == "10.244.7.7/32"
    assert "resource already exists: 10.244.7.7" in failure(world, NETWORK, "b", ";IP=10.244.7.7")
    assert "not in a configured pool" in failure(world, NETWORK, "c", ";IP=192.0.2.7")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "specified but empty"),
        ('["10.244.7.7","10.244.7.8"]', "cannot have more than one IPv4 address"),
        ('["ten"]', "invalid IP format: ten"),
        ("10.244.7.7", "failed to parse IPs 10.244.7.7 for annotation"),
    ],
)
def test_an_annotation_that_makes_no_sense_is_refused_in_the_plugins_words(text: str, words: str) -> None:
    world = calico()
    pod = {"metadata": {"annotations": {"cni.projectcalico.org/ipAddrs": text}}}
    world.apply(Put(("api", "pods", "default/web"), pod))
    assert words in failure(world, NETWORK, "web")


def test_the_annotation_gives_the_pod_its_address() -> None:
    world = calico()
    pod = {"metadata": {"annotations": {"cni.projectcalico.org/ipAddrs": '["10.244.1.10"]'}}}
    world.apply(Put(("api", "pods", "default/web"), pod))
    assert add(world, NETWORK, "web")["ips"][0]["address"] == "10.244.1.10/32"


def test_a_crash_after_any_step_leaves_nothing_that_a_later_del_does_not_clear() -> None:
    world = calico()
    add(world, NETWORK, "other")
    assert crashes_leave_nothing(world, NETWORK, clean) > 15


def test_del_is_well_done_twice_and_without_a_namespace() -> None:
    world = calico()
    add(world, NETWORK, "other")
    before = clean(world)
    add(world, NETWORK, "web")
    delete(world, NETWORK, "web")
    delete(world, NETWORK, "web")
    assert clean(world) == before


def test_a_full_pool_says_so() -> None:
    world = calico("10.9.0.0/29", 30)
    given = {add(world, NETWORK, f"p{n}")["ips"][0]["address"] for n in range(8)}
    assert len(given) == 8
    words = "Assigned 0 out of 1 requested IPv4 addresses; No IPs available in pools: [10.9.0.0/29]"
    assert words in failure(world, NETWORK, "more")


def test_a_node_without_a_free_block_borrows_from_another() -> None:
    world = calico("10.9.0.0/29", 30)
    for number in range(8):
        _assign(world, "m" if number < 5 else "n", f"h{number}")
    owners = {a: blocks.owner(b) for b in blocks.every(world).values() for a, _ in blocks.allocations(b)}
    users = {a: row["secondary"]["node"] for b in blocks.every(world).values() for a, row in blocks.allocations(b)}
    borrowed = [address for address in owners if owners[address] != users[address]]
    assert sorted(set(owners.values())) == ["m"], "the fifth address took m's second block"
    assert len(borrowed) == 3


def _assign(world: World, node: str, handle: str) -> str:
    from .runner import run

    address: str = run(world, blocks.assign(world, node, handle, {"node": node}))
    return address


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("kmn"), st.integers(0, 9), st.booleans()), max_size=60))
def test_no_address_is_given_twice_and_none_is_lost(steps: list[tuple[str, int, bool]]) -> None:
    from .runner import run

    world, holding = calico("10.9.0.0/27", 30), dict[str, str]()
    for node, number, comes in steps:
        handle = f"{node}{number}"
        if comes and handle not in holding and len(holding) < 32:
            address = _assign(world, node, handle)
            assert address not in holding.values()
            holding[handle] = address
        elif not comes:
            run(world, blocks.release(world, handle))
            holding.pop(handle, None)
    for block in blocks.every(world).values():
        spec = block["spec"]
        free = {n for n, index in enumerate(spec["allocations"]) if index is None}
        assert sorted(spec["unallocated"]) == sorted(free)
        assert {index for index in spec["allocations"] if index is not None} == set(range(len(spec["attributes"])))
    given = {address: row["handle_id"] for b in blocks.every(world).values() for address, row in blocks.allocations(b)}
    assert given == {address: handle for handle, address in holding.items()}
