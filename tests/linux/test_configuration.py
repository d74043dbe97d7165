"""Configuring links, addresses, routes and namespaces: what the kernel does on its own, told as sentences."""

from __future__ import annotations

import pytest

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, World
from k8slearn.linux import addr, fib, link, neigh, netns, route
from k8slearn.linux.rows import Fdb, Netns, Route

NODE, POD = "node:n", "node:n/pod"


def play(world: World, commands: Commands) -> None:
    for command in commands:
        world.apply(command)


@pytest.fixture
def world() -> World:
    """A machine with a bridge, and one namespace cabled to it."""
    found = World()
    play(found, iter([Put((NODE, "netns", ""), Netns("n", NODE))]))
    play(found, link.add_loopback(NODE))
    play(found, netns.add(found, NODE, "pod"))
    play(found, link.add_bridge(found, NODE, "cni0"))
    play(found, link.add_veth(found, POD, "eth0", NODE, "veth0"))
    play(found, link.set_master(found, NODE, "veth0", "cni0"))
    for scope, name in ((POD, "eth0"), (NODE, "veth0"), (NODE, "cni0")):
        play(found, link.set_up(found, scope, name))
    play(found, addr.add(found, POD, "eth0", "10.244.0.2/24", broadcast="+"))
    return found


def routes(world: World, scope: str) -> list[str]:
    return sorted(fib.route_text(row) for row in world.table(scope, "route").values())


def refused(world: World, commands: Commands) -> str:
    with pytest.raises(CommandError) as error:
        play(world, commands)
    return error.value.stderr.strip()


def test_an_address_brings_the_route_to_its_network(world: World) -> None:
    assert routes(world, POD) == ["10.244.0.0/24 dev eth0 proto kernel scope link src 10.244.0.2"]
    row = world.get((POD, "addr", ("eth0", "10.244.0.2/24")))
    assert row.broadcast == "10.244.0.255"


def test_a_host_address_brings_no_route(world: World) -> None:
    play(world, addr.add(world, NODE, "cni0", "10.9.9.9/32"))
    assert routes(world, NODE) == []


def test_a_link_that_goes_down_forgets_routes_that_come_back_only_by_hand(world: World) -> None:
    play(world, route.add(world, POD, Route("0.0.0.0/0", via="10.244.0.1")))
    play(world, neigh.add(world, POD, "eth0", "10.244.0.1", "02:00:00:00:00:01"))
    play(world, link.set_down(world, POD, "eth0"))
    assert routes(world, POD) == []
    assert not world.table(POD, "neigh")
    play(world, link.set_up(world, POD, "eth0"))
    assert routes(world, POD) == ["10.244.0.0/24 dev eth0 proto kernel scope link src 10.244.0.2"]


def test_deleting_one_end_of_a_cable_deletes_the_other_and_all_that_spoke_of_it(world: World) -> None:
    play(world, iter([Put((NODE, "fdb", ("cni0", "02:11")), Fdb("cni0", "02:11", "veth0"))]))
    play(world, link.delete(world, NODE, "veth0"))
    assert set(world.table(POD, "link")) == {"lo"}
    assert not world.table(POD, "addr")
    assert not world.table(POD, "route")
    assert not world.table(NODE, "fdb")


def test_deleting_a_bridge_sets_its_ports_free(world: World) -> None:
    play(world, link.delete(world, NODE, "cni0"))
    assert link.find(world, NODE, "veth0").master == ""


def test_a_gateway_must_be_a_neighbour_unless_it_is_said_to_be_onlink(world: World) -> None:
    far = Route("10.5.0.0/16", via="192.168.1.1", dev="eth0")
    assert refused(world, route.add(world, POD, far)) == "Error: Nexthop has invalid gateway."
    play(world, route.add(world, POD, Route("10.5.0.0/16", via="192.168.1.1", dev="eth0", onlink=True)))
    assert "10.5.0.0/16 via 192.168.1.1 dev eth0 onlink" in routes(world, POD)


def test_a_route_to_the_same_network_is_refused_and_may_be_replaced(world: World) -> None:
    play(world, route.add(world, POD, Route("0.0.0.0/0", via="10.244.0.1")))
    assert (
        refused(world, route.add(world, POD, Route("0.0.0.0/0", via="10.244.0.9"))) == "RTNETLINK answers: File exists"
    )
    play(world, route.replace(world, POD, Route("0.0.0.0/0", via="10.244.0.9")))
    assert "default via 10.244.0.9 dev eth0" in routes(world, POD)
    assert refused(world, route.delete(world, POD, "10.99.0.0/16")) == "RTNETLINK answers: No such process"


def test_two_links_in_one_network_have_a_route_each_and_one_survives_the_other(world: World) -> None:
    play(world, addr.add(world, NODE, "cni0", "10.244.0.1/24"))
    play(world, addr.add(world, NODE, "veth0", "10.244.0.7/24"))
    assert len(routes(world, NODE)) == 2
    play(world, link.set_down(world, NODE, "cni0"))
    assert routes(world, NODE) == ["10.244.0.0/24 dev veth0 proto kernel scope link src 10.244.0.7"]


def test_a_bridge_wears_the_lowest_mac_of_its_ports_until_somebody_sets_one(world: World) -> None:
    play(world, link.set_mac(world, NODE, "veth0", "02:00:00:00:00:05"))
    assert link.find(world, NODE, "cni0").mac == "02:00:00:00:00:05"
    play(world, link.set_mac(world, NODE, "cni0", "02:00:00:00:00:77"))
    play(world, link.set_nomaster(world, NODE, "veth0"))
    assert link.find(world, NODE, "cni0").mac == "02:00:00:00:00:77"


def test_a_cable_has_a_carrier_only_while_both_ends_are_up(world: World) -> None:
    assert link.operstate(world, NODE, link.find(world, NODE, "cni0")) == "UP"
    play(world, link.set_down(world, POD, "eth0"))
    assert not link.carrier(world, NODE, link.find(world, NODE, "veth0"))
    assert link.operstate(world, NODE, link.find(world, NODE, "cni0")) == "DOWN"


def test_a_new_namespace_has_a_loopback_that_is_down_and_the_machines_settings(world: World) -> None:
    play(world, iter([Put((NODE, "sysctl", "net.ipv4.ip_forward"), "1")]))
    play(world, netns.add(world, NODE, "x"))
    assert [row.name for row in world.table("node:n/x", "link").values()] == ["lo"]
    assert not link.find(world, "node:n/x", "lo").up
    assert world.get(("node:n/x", "sysctl", "net.ipv4.ip_forward")) == "1"


def test_a_deleted_namespace_leaves_nothing_behind_on_either_end(world: World) -> None:
    play(world, netns.delete(world, NODE, "pod"))
    assert [key for key in world.tables() if key[0] == POD] == []
    assert set(world.table(NODE, "link")) == {"lo", "cni0"}
    assert refused(world, netns.delete(world, NODE, "pod")).startswith("Cannot remove namespace file")


def test_a_link_that_moves_to_another_namespace_arrives_down_and_without_its_address(world: World) -> None:
    play(world, netns.add(world, NODE, "x"))
    play(world, link.set_netns(world, POD, "eth0", "node:n/x"))
    moved = link.find(world, "node:n/x", "eth0")
    assert (moved.up, moved.peer) == (False, (NODE, "veth0"))
    assert link.find(world, NODE, "veth0").peer == ("node:n/x", "eth0")
    assert not world.table(POD, "addr")
