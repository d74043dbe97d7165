"""Six plugins, both families: what ADD makes DEL takes away, and what the real ones lose we lose."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from k8slearn.cni import chains, runtime
from k8slearn.cni.runtime import Network
from k8slearn.cni.spec import CniError
from k8slearn.journal import World
from k8slearn.linux import link

from .runner import NODE, machine, run
from .test_laws import at_every_step, network, pod, rows

DUAL = [[{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00:1::/125"}]]
LEASES = {"type": "host-local", "ranges": DUAL, "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}
BRIDGE = {"type": "bridge", "isDefaultGateway": True, "ipam": {**LEASES, "routes": []}}
PTP = {"type": "ptp", "mtu": 1400, "ipam": LEASES}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
FIREWALL = {"type": "firewall", "ingressPolicy": "same-bridge"}
BANDWIDTH = {"type": "bandwidth", "ingressRate": 1_000_000, "ingressBurst": 800_000} | {
    "egressRate": 8_000,
    "egressBurst": 80_000,
}
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "bridge": [BRIDGE],
    "bridge-vlan": [{**BRIDGE, "vlan": 100}],
    "bridge-masq": [{**BRIDGE, "ipMasq": True}],
    "bridge-portmap-firewall": [{**BRIDGE, "ipMasq": True}, PORTMAP, FIREWALL],
    "macvlan": [{"type": "macvlan", "master": "uplink", "ipam": LEASES}],
    "ptp": [PTP],
    "ptp-masq": [{**PTP, "ipMasq": True}],
    "ptp-portmap-bandwidth": [PTP, PORTMAP, BANDWIDTH],
    "bridge-bandwidth-firewall": [BRIDGE, BANDWIDTH, FIREWALL],
}
MASQ = chains.name_of("CNI-", "net", "ctr0")
"""The chain of the first pod's ipMasq."""


@pytest.fixture(params=NETWORKS)
def net(request: pytest.FixtureRequest) -> Network:
    return network(NETWORKS[request.param])


def warm(net: Network) -> World:
    """A node that speaks both families, on which somebody has come and gone."""
    world = machine("pod0", "pod1", ipv6=True)
    run(world, link.add_veth(world, NODE, "uplink", NODE, "far"))
    for end in ("uplink", "far"):
        run(world, link.set_up(world, NODE, end))
    for number in (0, 1):
        run(world, runtime.add(world, net, pod(number)))
    for number in (0, 1):
        run(world, runtime.delete(world, net, pod(number)))
    return world


def deleted(world: World, net: Network) -> None:
    """DEL until it is well: with ipMasq the first one fails where the chain was never made, as the real one does."""
    with suppress(CniError):
        run(world, runtime.delete(world, net, pod(0)))
    run(world, runtime.delete(world, net, pod(0)))


def without_leaks(found: dict[str, dict[Any, Any]]) -> dict[str, dict[Any, Any]]:
    """Leave out what the real plugins lose too: ipMasq's chain (a DEL without the cable does not look for it), and
    CNI-FORWARD's rules (a DEL without ``prevResult`` knows no address)."""
    table = {
        name: tuple(rule for rule in chain.rules if rule.target != MASQ)
        for name, chain in found.get(f"{NODE} chain", {}).items()
        if name[2] not in (MASQ, "CNI-FORWARD")
    }
    return {**found, f"{NODE} chain": table}


def test_add_and_then_del_leaves_the_world_as_it_was(net: Network) -> None:
    world = warm(net)
    before = rows(world)
    run(world, runtime.add(world, net, pod(0)))
    assert rows(world) != before
    run(world, runtime.delete(world, net, pod(0)))
    assert rows(world) == before


def test_del_twice_is_well_and_so_is_del_of_what_never_was(net: Network) -> None:
    world = warm(net)
    before = rows(world)
    run(world, runtime.add(world, net, pod(0)))
    for attachment in (pod(0), pod(0), pod(7)):
        run(world, runtime.delete(world, net, attachment))
    assert rows(world) == before


@pytest.mark.parametrize("doing", ["ADD", "DEL"])
def test_a_crash_after_any_step_leaves_nothing_but_what_the_real_plugins_lose(net: Network, doing: str) -> None:
    world = warm(net)
    before = without_leaks(rows(world))
    if doing == "DEL":
        run(world, runtime.add(world, net, pod(0)))

    def then(copy: World) -> None:
        deleted(copy, net)
        deleted(copy, net)
        assert without_leaks(rows(copy)) == before

    verb = runtime.add if doing == "ADD" else runtime.delete
    assert at_every_step(world, lambda copy: verb(copy, net, pod(0)), then) > 5


def test_a_cable_that_was_pulled_out_by_hand_loses_the_chain_of_ip_masq() -> None:
    world, net = machine("pod0", ipv6=True), network(NETWORKS["ptp-masq"])
    run(world, runtime.add(world, net, pod(0)))
    run(world, link.delete(world, f"{NODE}/pod0", "eth0"))
    run(world, runtime.delete(world, net, pod(0)))
    assert sum("MASQUERADE" in str(chain) for chain in world.table(NODE, "chain").values()) == 2


def test_a_pod_of_each_wiring_has_an_address_of_each_family_and_a_way_out(net: Network) -> None:
    world = warm(net)
    result = run(world, runtime.add(world, net, pod(0)))
    assert sorted(":" in entry["address"] for entry in result["ips"]) == [False, True]
    ways = {row.dst: row.via for row in world.table(f"{NODE}/pod0", "route").values() if row.dst.endswith("/0")}
    assert ways == {"0.0.0.0/0": "10.1.0.1", "::/0": "fd00:1::1"}


def test_a_vlan_has_a_gateway_of_its_own_behind_a_cable_into_the_bridge() -> None:
    world, net = machine("pod0", ipv6=True), network(NETWORKS["bridge-vlan"])
    result = run(world, runtime.add(world, net, pod(0)))
    assert [interface["name"] for interface in result["interfaces"]][::3] == ["cni0", "cni0.100"]
    ports = [row for row in world.table(NODE, "link").values() if row.master == "cni0"]
    assert [[vlan.vid for vlan in row.port.vlans if vlan.pvid] for row in ports] == [[100], [100]]
    held = {row.dev for row in world.table(NODE, "addr").values() if row.address in ("10.1.0.1", "fd00:1::1")}
    assert held == {"cni0.100"}


TRUNKS: list[tuple[dict[str, Any], list[tuple[int, bool, bool]]]] = [
    ({"vlan": 100}, [(1, False, True), (100, True, True)]),
    ({"vlan": 100, "preserveDefaultVlan": False}, [(100, True, True)]),
    (
        {"vlanTrunk": [{"id": 7}, {"minID": 20, "maxID": 21}]},
        [(1, True, True), *((n, False, False) for n in (7, 20, 21))],
    ),
    ({"vlan": 5, "vlanTrunk": [{"id": 7}], "preserveDefaultVlan": False}, [(5, True, True), (7, False, False)]),
]


@pytest.mark.parametrize(("asked", "vlans"), TRUNKS)
def test_a_pods_port_is_in_the_vlans_that_the_configuration_names(
    asked: dict[str, Any], vlans: list[tuple[int, bool, bool]]
) -> None:
    world, net = machine("pod0"), network([{"type": "bridge", **asked}])
    run(world, runtime.add(world, net, pod(0)))
    port = next(row for row in world.table(NODE, "link").values() if row.master == "cni0")
    assert [(vlan.vid, vlan.pvid, vlan.untagged) for vlan in port.port.vlans] == vlans


@pytest.mark.parametrize(
    ("trunk", "words"),
    [
        ({"id": 0}, "incorrect trunk id parameter"),
        ({"minID": 3}, "minID and maxID should be configured simultaneously, maxID is missing"),
        ({"minID": 3, "maxID": 2}, "minID is greater than maxID in trunk parameter"),
    ],
)
def test_a_trunk_that_is_none_is_told_as_the_plugin_tells_it(trunk: dict[str, int], words: str) -> None:
    with pytest.raises(CniError, match=words):
        run(world := machine("pod0"), runtime.add(world, network([{"type": "bridge", "vlanTrunk": [trunk]}]), pod(0)))


def test_a_machine_without_ipv6_passes_portmaps_check_which_fails_elsewhere() -> None:
    four = {**PTP, "ipam": {"type": "host-local", "ranges": DUAL[:1], "routes": []}}
    for ipv6 in (False, True):
        world, net = machine("pod0", ipv6=ipv6), network([four, PORTMAP])
        run(world, runtime.add(world, net, pod(0)))
        if not ipv6:
            run(world, runtime.check(world, net, pod(0)))
            continue
        with pytest.raises(CniError, match=r"could not check ipv6 dnat: chain CNI-DN-.* not found"):
            run(world, runtime.check(world, net, pod(0)))


def test_what_is_not_modelled_is_refused_in_one_sentence() -> None:
    for plugin, words in (({**BRIDGE, "macspoofchk": True}, "not modelled here"), (FIREWALL, "dial unix")):
        plugins = [PTP, {**plugin, "backend": "firewalld"}] if plugin is FIREWALL else [plugin]
        world = machine("pod0", ipv6=True)
        with pytest.raises(CniError, match=words):
            run(world, runtime.add(world, network(plugins), pod(0)))
