"""The runtime's side: which file is the network, what each plugin is told, what is kept, and what failure leaves."""

from __future__ import annotations

import json

import pytest

from k8slearn.cni import runtime, skel
from k8slearn.cni.plugins import PLUGINS
from k8slearn.cni.runtime import Attachment
from k8slearn.cni.spec import CniError
from k8slearn.journal import Put, World
from k8slearn.linux import link, netns
from k8slearn.linux.program import Call, Running

from .runner import NODE, machine, run

IPAM = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
BRIDGE = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": IPAM}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
PORTS = json.dumps({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}], "bandwidth": {}})


def configured(world: World, *plugins: object, path: str = "10-x.conflist") -> runtime.Network:
    text = json.dumps({"cniVersion": "1.0.0", "name": "x", "plugins": plugins})
    world.apply(Put((NODE, "file", f"/etc/cni/net.d/{path}"), text))
    found = runtime.network(world, NODE)
    assert found is not None
    return found


def attached(name: str = "pod") -> Attachment:
    return Attachment(NODE, "ctr1", f"/var/run/netns/{name}", "eth0", "IgnoreUnknown=1;K8S_POD_NAME=web", PORTS)


def test_the_first_valid_file_by_name_is_the_network() -> None:
    world = machine()
    assert runtime.network(world, NODE) is None
    for path, text in {
        "00-notes.txt": "{}",
        "05-broken.conflist": "{not json",
        "07-empty.conflist": '{"name": "empty", "plugins": []}',
        "20-single.conf": '{"name": "single", "type": "bridge"}',
        "10-first.conflist": '{"cniVersion": "1.0.0", "name": "first", "plugins": [{"type": "bridge"}]}',
    }.items():
        world.apply(Put((NODE, "file", f"/etc/cni/net.d/{path}"), text))
    found = runtime.network(world, NODE)
    assert found is not None
    assert (found.name, found.types) == ("first", ("bridge",))


def test_each_plugin_gets_the_result_of_the_one_before_and_the_capabilities_that_it_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, told = machine("pod"), []

    def listening(call: Call) -> Running:
        told.append((call.env["CNI_COMMAND"], json.loads(call.stdin)))
        return (yield from PLUGINS["portmap"](call))

    monkeypatch.setitem(skel.PROGRAMS, "portmap", listening)
    network = configured(world, BRIDGE, PORTMAP)
    result = run(world, runtime.add(world, network, attached()))
    run(world, runtime.delete(world, network, attached()))
    (add, config), (delete, later) = told
    assert (add, delete) == ("ADD", "DEL")
    assert config["runtimeConfig"] == {"portMappings": json.loads(PORTS)["portMappings"]}
    assert "capabilities" not in config
    assert (config["name"], config["cniVersion"]) == ("x", "1.0.0")
    assert config["prevResult"]["ips"] == result["ips"] == later["prevResult"]["ips"]


def test_the_result_is_kept_until_the_container_goes() -> None:
    world = machine("pod")
    network = configured(world, BRIDGE, PORTMAP)
    run(world, runtime.add(world, network, attached()))
    kept = json.loads(world.get((NODE, "file", "/var/lib/cni/results/x-ctr1-eth0")))
    assert (kept["kind"], kept["result"]["ips"][0]["address"]) == ("cniCacheV1", "10.1.0.2/24")
    run(world, runtime.delete(world, network, attached()))
    assert world.get((NODE, "file", "/var/lib/cni/results/x-ctr1-eth0")) is None
    assert set(world.table(netns.scope(NODE, "pod"), "link")) == {"lo"}


def test_a_plugin_that_fails_in_the_middle_leaves_the_work_of_the_ones_before_until_del() -> None:
    world = machine("pod")
    network = configured(world, BRIDGE, {"type": "nosuch"})
    with pytest.raises(CniError) as error:
        run(world, runtime.add(world, network, attached()))
    assert (
        str(error.value) == 'plugin type="nosuch" failed (add): failed to find plugin "nosuch" in path [/opt/cni/bin]'
    )
    assert "eth0" in world.table(netns.scope(NODE, "pod"), "link")


def test_a_bridge_that_lost_its_last_port_and_had_no_address_refuses_one_once_as_the_real_plugin_does() -> None:
    world = machine("pod", "other")
    without = configured(world, {**BRIDGE, "isGateway": False})
    run(world, runtime.add(world, without, attached()))
    run(world, runtime.delete(world, without, attached()))
    assert link.find(world, NODE, "cni0").mac == link.NO_MAC
    network = configured(world, BRIDGE)
    with pytest.raises(CniError, match="could not set bridge's mac: invalid argument"):
        run(world, runtime.add(world, network, attached()))
    run(world, runtime.add(world, network, attached("other")))
