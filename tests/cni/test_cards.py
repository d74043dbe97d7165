"""Devices on the node's card: vlan, ipvlan and host-device. What a kernel here may lack is held against the source."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn.cni import runtime
from k8slearn.cni.spec import CniError
from k8slearn.journal import World
from k8slearn.linux import link, netns
from k8slearn.linux.rows import Ipvlan, Vlan

from .runner import NODE, machine, run
from .test_laws import at_every_step, network, pod, rows

LEASES = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/29"}]]}
VLAN = {"type": "vlan", "master": "uplink", "vlanId": 10, "ipam": LEASES}
IPVLAN = {"type": "ipvlan", "master": "uplink", "ipam": LEASES}
DEVICE = {"type": "host-device", "device": "uplink", "ipam": LEASES}


def node() -> World:
    world = machine("pod0", "pod1", ipv6=True)
    run(world, link.add_veth(world, NODE, "uplink", NODE, "far"))
    for end in ("uplink", "far"):
        run(world, link.set_up(world, NODE, end))
    return world


def add(world: World, plugin: dict[str, Any], number: int = 0) -> Any:
    return run(world, runtime.add(world, network([plugin]), pod(number)))


def delete(world: World, plugin: dict[str, Any], number: int = 0) -> None:
    run(world, runtime.delete(world, network([plugin]), pod(number)))


def refused(world: World, plugin: dict[str, Any], number: int = 0) -> str:
    with pytest.raises(CniError) as failed:
        add(world, plugin, number)
    return failed.value.msg.partition(" failed (add): ")[2]


def test_a_vlan_is_a_device_of_the_pod_with_the_cards_mac() -> None:
    world = node()
    result = add(world, VLAN)
    made, card = link.find(world, f"{NODE}/pod0", "eth0"), link.find(world, NODE, "uplink")
    assert (made.spec, made.lower, made.mac, made.up) == (Vlan(10), (NODE, "uplink"), card.mac, True)
    assert result["interfaces"] == [{"name": "eth0", "mac": card.mac, "sandbox": "/var/run/netns/pod0"}]
    run(world, runtime.check(world, network([VLAN]), pod(0)))
    with pytest.raises(CniError, match="Tuning link eth0 configured promisc is 11, current value is 10"):
        run(world, runtime.check(world, network([{**VLAN, "vlanId": 11}]), pod(0)))


def test_a_card_has_each_tag_once_so_a_second_pod_finds_it_taken() -> None:
    world = node()
    add(world, VLAN)
    assert refused(world, VLAN, 1) == "failed to create vlan: file exists"
    add(world, {**VLAN, "vlanId": 20}, 1)


def test_an_ipvlan_has_the_cards_mac_and_the_mode_that_was_asked_for() -> None:
    world = node()
    add(world, IPVLAN)
    made = link.find(world, f"{NODE}/pod0", "eth0")
    assert (made.spec, made.mac) == (Ipvlan("l2", "bridge"), link.find(world, NODE, "uplink").mac)
    run(world, runtime.check(world, network([IPVLAN]), pod(0)))
    words = "Container IPVlan mode l2 does not match expected value: l3"
    with pytest.raises(CniError, match=words):
        run(world, runtime.check(world, network([{**IPVLAN, "mode": "l3"}]), pod(0)))


def test_an_ipvlan_takes_the_card_and_the_addresses_of_a_plugin_before_it() -> None:
    world = node()
    before = {"cniVersion": "1.0.0", "interfaces": [{"name": "uplink"}], "ips": [{"address": "10.5.0.9/24"}]}
    config = {"type": "ipvlan", "prevResult": before}
    result = add(world, config)
    assert [entry["address"] for entry in result["ips"]] == ["10.5.0.9/24"]
    two = {**before, "interfaces": [{"name": "uplink"}, {"name": "far"}]}
    words = "chained master failure. PrevResult lacks a single named interface"
    assert refused(world, {"type": "ipvlan", "prevResult": two}, 1) == words


def test_a_device_that_cannot_have_its_name_stays_in_the_pod_under_another() -> None:
    for plugin in (VLAN, IPVLAN):
        world = node()
        run(world, link.add_veth(world, f"{NODE}/pod0", "eth0", NODE, "other"))
        assert refused(world, plugin) == f'failed to rename {plugin["type"]} to "eth0": file exists'
        left = [row.name for row in world.table(f"{NODE}/pod0", "link").values() if row.kind == plugin["type"]]
        assert [name[:4] for name in left] == ["veth"]


def test_a_device_of_the_node_moves_into_the_pod_and_comes_back_by_its_alias() -> None:
    world = node()
    add(world, DEVICE)
    assert world.get(link.key(NODE, "uplink")) is None
    assert link.find(world, f"{NODE}/pod0", "eth0").alias == "uplink"
    assert refused(world, DEVICE, 1) == "failed to find host device: Link not found"
    delete(world, DEVICE)
    assert not link.find(world, NODE, "uplink").up
    with pytest.raises(CniError, match='failed to find "eth0": Link not found'):
        delete(world, DEVICE)


@pytest.mark.parametrize("plugin", [VLAN, IPVLAN], ids=["vlan", "ipvlan"])
@pytest.mark.parametrize("doing", ["ADD", "DEL"])
def test_a_crash_after_any_step_leaves_nothing_that_del_and_the_pods_end_do_not_take_away(
    plugin: dict[str, Any], doing: str
) -> None:
    world, net = node(), network([plugin])
    add(world, plugin)
    delete(world, plugin)
    ended = world.fork()
    run(ended, netns.delete(ended, NODE, "pod0"))
    before = rows(ended)
    if doing == "DEL":
        add(world, plugin)

    def then(copy: World) -> None:
        run(copy, runtime.delete(copy, net, pod(0)))
        run(copy, runtime.delete(copy, net, pod(0)))
        run(copy, netns.delete(copy, NODE, "pod0"))
        assert rows(copy) == before

    verb = runtime.add if doing == "ADD" else runtime.delete
    assert at_every_step(world, lambda copy: verb(copy, net, pod(0)), then) > 5
