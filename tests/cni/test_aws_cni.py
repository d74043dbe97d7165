"""The plugin ``aws-cni`` with ipamd and one ENI, without a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.cni import cri, ec2, ipamd
from k8slearn.cni.cri import Container
from k8slearn.cni.ec2 import Eni
from k8slearn.journal import Put, Remove, World
from k8slearn.linux import fib, rule

from .runner import NODE, machine, run
from .vendor import add, crashes_leave_nothing, delete, failure, installed, network

NETWORK = network({"type": "aws-cni", "vethPrefix": "eni", "mtu": "9001"}, version="0.4.0", name="aws-cni")
AGENT = Container("c0", "kube-system/aws-node", "aws-node", "s", "i", "i", 0, cri.RUNNING, program=ipamd.PROGRAM)
FIRST = ("192.168.64.50", "192.168.64.51")
SECOND = ("192.168.64.60", "192.168.64.61")


def vpc() -> World:
    """A node with two ENIs that have two addresses for pods each, and ipamd."""
    world = machine()
    installed(world, "aws-cni")
    world.apply(Put((NODE, "container", "c0"), AGENT))
    for device, (primary, secondaries) in enumerate((("192.168.64.11", FIRST), ("192.168.64.12", SECOND))):
        eni = Eni(f"eni-{device}", NODE, device, f"eth{device}", "02:00:00:00:00:01", primary, secondaries)
        world.apply(Put((ec2.CLOUD, "eni", eni.id), eni))
    return world


def clean(world: World) -> Any:
    """All rows; of ipamd's only who has what (an address that came back is remembered, and rests)."""
    rows = {place: dict(rows) for place, rows in world.tables().items() if place[1] != "ipamd"}
    return rows, {a: lease for a, lease in ipamd.leases(world, NODE).items() if lease.freed is None}


def test_a_pod_of_the_first_eni_has_one_rule_and_one_of_another_eni_two() -> None:
    world = vpc()
    results = [add(world, NETWORK, name) for name in "abc"]
    assert [r["ips"][0]["address"] for r in results] == [f"{ip}/32" for ip in (*FIRST, SECOND[0])]
    texts = [f"{row.priority}: {rule.text(row)}" for row in rule.every(world, NODE, "ip") if 0 < row.priority < 2000]
    assert texts == [f"512: from all to {ip} lookup main" for ip in (*FIRST, SECOND[0])] + [
        f"1536: from {SECOND[0]} lookup 2"
    ]
    hosts = [r["interfaces"][0]["name"] for r in results]
    routes = [fib.route_text(row) for row in world.table(NODE, "route").values()]
    assert routes == [f"{ip} dev {host} scope link" for ip, host in zip((*FIRST, SECOND[0]), hosts, strict=True)]


def test_the_pod_knows_its_gateways_mac_beforehand() -> None:
    world = vpc()
    result = add(world, NETWORK, "a")
    (neighbour,) = world.table(f"{NODE}/a", "neigh").values()
    host = world.get((NODE, "link", result["interfaces"][0]["name"]))
    assert (neighbour.address, neighbour.mac, neighbour.state) == ("169.254.1.1", host.mac, "PERMANENT")
    assert host.mtu == 9001


def test_the_result_tells_del_which_table_the_pod_uses() -> None:
    world = vpc()
    results = [add(world, NETWORK, name) for name in "abc"]
    assert [r["interfaces"][1]["mac"] for r in results] == ["254", "254", "2"]
    assert results[0]["interfaces"][2]["name"].startswith("dummy")


def test_a_crash_after_any_step_leaves_nothing_that_a_later_del_does_not_clear() -> None:
    world = vpc()
    for name in "ab":
        add(world, NETWORK, name)
    assert crashes_leave_nothing(world, NETWORK, clean) > 15


def test_without_ipamd_del_still_takes_the_rules_away() -> None:
    world = vpc()
    before = clean(world)[0]
    add(world, NETWORK, "a")
    world.apply(Put((NODE, "container", "c0"), replace(AGENT, state=cri.EXITED)))
    delete(world, NETWORK, "a")
    world.apply(Put((NODE, "container", "c0"), AGENT))
    assert clean(world)[0] == before
    assert list(clean(world)[1]) == [FIRST[0]], "ipamd did not hear of it: the address is leaked"


def test_an_address_rests_for_thirty_seconds() -> None:
    world = vpc()
    for name in "abcd":
        add(world, NETWORK, name)
    assert failure(world, NETWORK, "e").endswith("add cmd: failed to assign an IP address to container")
    delete(world, NETWORK, "b")
    world.apply(Put(("clock", "now", ""), 29.0))
    assert failure(world, NETWORK, "e").endswith("failed to assign an IP address to container")
    world.apply(Put(("clock", "now", ""), 30.0))
    assert add(world, NETWORK, "e")["ips"][0]["address"] == f"{FIRST[1]}/32"


def test_without_ipamd_there_is_no_address() -> None:
    world = vpc()
    world.apply(Remove((NODE, "container", "c0")))
    assert "dial unix /var/run/aws-node/ipamd.sock: connect: connection refused" in failure(world, NETWORK, "a")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.sampled_from([0.0, 10.0, 40.0])), max_size=40))
def test_no_address_is_given_twice_and_none_is_lost(steps: list[tuple[int, bool, float]]) -> None:
    world, holding, now = vpc(), dict[int, str](), 0.0
    for number, comes, passes in steps:
        now += passes
        world.apply(Put(("clock", "now", ""), now))
        if comes:
            lease = run(world, ipamd.add(world, NODE, f"c{number}", "eth0", ""))
            if lease is not None and number not in holding:
                assert lease.address not in holding.values()
                holding[number] = lease.address
        else:
            run(world, ipamd.delete(world, NODE, f"c{number}", "eth0"))
            holding.pop(number, None)
    given = {a for a, lease in ipamd.leases(world, NODE).items() if lease.freed is None}
    assert given == set(holding.values())
    world.apply(Put(("clock", "now", ""), now + 60))
    assert {a for _, a in ipamd.available(world, NODE)} == {*FIRST, *SECOND} - given
