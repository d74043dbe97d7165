"""Which file is the network, and what is wrong with the others: in libcni's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn.cni import netconf, runtime, skel
from k8slearn.cni.runtime import Attachment
from k8slearn.cni.skel import Args, Binary, Printed
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands, Put, World
from k8slearn.linux.program import Call, Program, Running
from k8slearn.shell import run as shell_run

from .runner import NODE, machine, run

PLUGIN = {"type": "recorder"}
WRONG: tuple[tuple[Any, str], ...] = (
    ("{", "unexpected end of JSON input"),
    ([], "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ({"plugins": [PLUGIN]}, "no name"),
    ({"name": 1, "plugins": [PLUGIN]}, "invalid name type float64"),
    ({"name": "x", "cniVersion": 1, "plugins": [PLUGIN]}, "invalid cniVersion type float64"),
    ({"name": "x", "plugins": {}}, "invalid 'plugins' type map[string]interface {}"),
    ({"name": "x", "plugins": []}, "no plugins in list"),
    ({"name": "x", "plugins": [{}]}, "failed to parse plugin config 0: error parsing configuration: missing 'type'"),
    ({"name": "x", "loadOnlyInlinedPlugins": True}, "`loadOnlyInlinedPlugins` is true, and no 'plugins' key"),
    ({"name": "x"}, "no plugin configs found"),
    ({"name": "x", "disableCheck": "maybe", "plugins": [PLUGIN]}, 'invalid value "maybe" for disableCheck'),
    ({"name": "x", "disableGC": 1, "plugins": [PLUGIN]}, "invalid type float64 for disableGC"),
    ({"name": "x", "cniVersions": "1", "plugins": [PLUGIN]}, "invalid type for cniVersions: string"),
    ({"name": "x", "cniVersions": [1], "plugins": [PLUGIN]}, "invalid type for cniVersions index 0: float64"),
    ({"name": "x", "cniVersions": ["a"], "plugins": [PLUGIN]}, "invalid cniVersions entry a at index 0"),
)


@pytest.mark.parametrize(("config", "words"), WRONG, ids=[words[:40] for _, words in WRONG])
def test_a_wrong_configuration_list_is_named_in_one_sentence_and_is_not_the_network(config: Any, words: str) -> None:
    path = "/etc/cni/net.d/10-x.conflist"
    text = config if isinstance(config, str) else json.dumps(config)
    with pytest.raises(CniError) as error:
        netconf.read({path: text}, path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert netconf.parse(path, text) is None


def test_the_newest_version_that_is_offered_and_known_is_taken() -> None:
    for offered, taken in ((["0.4.0", "1.1.0", "1.0.0"], "1.1.0"), (["0.4.0", "9.0.0"], "0.4.0"), (["9.0.0"], "0.3.1")):
        text = json.dumps({"name": "x", "cniVersion": "0.3.1", "cniVersions": offered, "plugins": [PLUGIN]})
        found = netconf.parse("x.conflist", text)
        assert found is not None
        assert found.version == taken


def test_plugins_may_stand_in_a_folder_named_after_the_network() -> None:
    files = {
        "/etc/cni/net.d/10-x.conflist": json.dumps({"name": "x", "plugins": [PLUGIN]}),
        "/etc/cni/net.d/x/20-b.conf": '{"type": "bandwidth"}',
        "/etc/cni/net.d/x/10-a.conf": '{"type": "portmap"}',
        "/etc/cni/net.d/x/30-no.conflist": "{}",
    }
    assert netconf.load(files, "/etc/cni/net.d", "x").types == ("recorder", "portmap", "bandwidth")
    alone = json.dumps({"name": "x", "loadOnlyInlinedPlugins": True, "plugins": [PLUGIN]})
    files["/etc/cni/net.d/10-x.conflist"] = alone
    assert netconf.load(files, "/etc/cni/net.d", "x").types == ("recorder",)


# -- what the plugins are told -----------------------------------------------------------------------------------------


class Recorder:
    """A plugin that writes down each call, and says yes; CHECK and STATUS may be told to fail."""

    def __init__(self, *failing: str) -> None:
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.failing = failing

    def program(self, name: str) -> Program:
        def run(call: Call) -> Running:
            self.calls.append((name, call.env["CNI_COMMAND"], json.loads(call.stdin)))
            return (yield from inner(call))

        def add(args: Args) -> Printed:
            yield from ()
            count = len((args.previous or {}).get("ips", ()))
            ips = [*(args.previous or {}).get("ips", ()), {"address": f"10.1.0.{count + 1}/24"}]
            return {"cniVersion": args.version, "ips": ips}

        def other(args: Args) -> Commands:
            if f"{name} {args.command}" in self.failing:
                raise CniError(f"{name} is not well", 50)
            yield from ()

        inner = skel.program(name, add, other, other, other, other)
        return run


def recording(world: World, *failing: str) -> Recorder:
    recorder = Recorder(*failing)
    for name in ("one", "two"):
        world.apply(Put((NODE, "binary", f"/opt/mine/{name}"), Binary(recorder.program(name))))
    return recorder


def listed(**fields: Any) -> runtime.Network:
    text = json.dumps({"cniVersion": "1.1.0", "name": "x", "plugins": [{"type": "one"}, {"type": "two"}], **fields})
    found = netconf.parse("x.conflist", text)
    assert found is not None
    return found


TO = Attachment(NODE, "c", "/var/run/netns/p", "eth0", path="/opt/cni/bin:/opt/mine")


def test_the_commands_go_through_the_list_in_the_specifications_order() -> None:
    world = machine("p")
    told, network = recording(world), listed()
    run(world, runtime.status(world, network, NODE, TO.path))
    run(world, runtime.add(world, network, TO))
    run(world, runtime.check(world, network, TO))
    run(world, runtime.gc(world, network, NODE, [("c", "eth0")], TO.path))
    run(world, runtime.delete(world, network, TO))
    order = [f"{command} {name}" for name, command, _ in told.calls]
    assert order == [f"{c} {n}" for c in ("STATUS", "ADD", "CHECK", "GC") for n in ("one", "two")] + [
        "DEL two",
        "DEL one",
    ]
    addresses = {
        c: [len(s.get("prevResult", {}).get("ips", ())) for _, d, s in told.calls if d == c]
        for c in ("ADD", "CHECK", "DEL")
    }
    assert addresses == {"ADD": [0, 1], "CHECK": [2, 2], "DEL": [2, 2]}
    valid = [config.get("cni.dev/valid-attachments") for _, command, config in told.calls if command == "GC"]
    assert valid == [[{"containerID": "c", "ifname": "eth0"}]] * 2


def test_a_plugin_that_is_not_ready_says_so_at_status_and_its_code_is_kept() -> None:
    world = machine("p")
    told = recording(world, "one STATUS")
    with pytest.raises(CniError, match=r"^one is not well$") as error:
        run(world, runtime.status(world, listed(), NODE, TO.path))
    assert error.value.code == 50
    assert len(told.calls) == 1


def test_check_is_not_done_where_the_list_says_so_or_is_too_old() -> None:
    world = machine("p")
    told = recording(world, "one CHECK")
    run(world, runtime.check(world, listed(disableCheck=True), TO))
    assert told.calls == []
    with pytest.raises(CniError, match=r'"0\.3\.1" does not support the CHECK command'):
        run(world, runtime.check(world, listed(cniVersion="0.3.1"), TO))
    with pytest.raises(CniError, match=r"^one is not well$"):
        run(world, runtime.check(world, listed(), TO))


def test_gc_goes_on_after_a_failure_and_tells_all_of_them() -> None:
    world = machine("p")
    recording(world, "one GC", "two DEL")
    network = listed()
    run(world, runtime.add(world, network, TO))
    with pytest.raises(CniError) as error:
        run(world, runtime.gc(world, network, NODE, [], TO.path))
    assert str(error.value).splitlines() == [
        'failed to delete stale attachment c eth0: plugin type="two" failed (delete): two is not well',
        "failed to GC plugin one: one is not well",
    ]


def test_the_first_folder_of_the_path_that_has_the_plugin_is_taken() -> None:
    world = machine("p")
    told = recording(world)
    world.apply(Put((NODE, "binary", "/opt/other/one"), Binary(Recorder().program("one"))))
    run(world, runtime.add(world, listed(), TO._replace(path="/opt/other:/opt/mine")))
    assert [name for name, _, _ in told.calls] == ["two"]
    with pytest.raises(CniError) as error:
        run(world, runtime.add(world, listed(), TO._replace(path="/opt/a:/opt/b")))
    assert str(error.value) == 'plugin type="one" failed (add): failed to find plugin "one" in path [/opt/a /opt/b]'


def test_a_result_without_a_version_has_the_configurations_and_an_unknown_one_is_refused() -> None:
    world = machine("p")

    def bare(version: str) -> Program:
        def run(call: Call) -> Running:
            yield from ()
            said = {"ips": [{"address": "10.1.0.9/24"}], **({"cniVersion": version} if version else {})}
            return skel.Result(json.dumps(said))

        return run

    for name, version in (("one", ""), ("two", "7.0.0")):
        world.apply(Put((NODE, "binary", f"/opt/mine/{name}"), Binary(bare(version))))
    assert run(world, runtime.add(world, listed(plugins=[{"type": "one"}]), TO))["ips"][0]["address"] == "10.1.0.9/24"
    with pytest.raises(CniError, match=r'unsupported CNI result version "7\.0\.0"'):
        run(world, runtime.add(world, listed(plugins=[{"type": "two"}]), TO))


# -- cnitool -----------------------------------------------------------------------------------------------------------

LOCAL = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}


def tool(world: World, line: str, **env: str) -> Any:
    return run(world, shell_run(world, NODE, f"cnitool {line}", "", {"CNI_PATH": "/opt/cni/bin", **env}))


def with_file(text: str, name: str = "10-mine.conflist") -> World:
    world = machine("p")
    world.apply(Put((NODE, "file", f"/etc/cni/net.d/{name}"), text))
    return world


def test_cnitool_adds_checks_and_removes_by_hand() -> None:
    mine = {"type": "bridge", "isGateway": True, "ipam": LOCAL}
    world = with_file(json.dumps({"cniVersion": "1.0.0", "name": "mine", "plugins": [mine]}))
    done = tool(world, "add mine /var/run/netns/p", CNI_IFNAME="net1")
    said = json.loads(done.stdout)
    assert (said["interfaces"][-1]["name"], "dns" in said) == ("net1", False)
    kept = [str(name) for name in world.table(NODE, "file") if "/results/" in str(name)]
    assert kept[0].startswith("/var/lib/cni/results/mine-cnitool-")
    for command in ("check", "status", "del"):
        assert tool(world, f"{command} mine /var/run/netns/p", CNI_IFNAME="net1") == ("", "", 0)
    assert tool(world, "check mine /var/run/netns/p").stderr.startswith("host-local: Failed to find address added by")


def test_cnitool_gc_takes_every_attachment_away() -> None:
    mine = {"type": "bridge", "ipam": LOCAL}
    world = with_file(json.dumps({"cniVersion": "1.1.0", "name": "mine", "plugins": [mine]}))
    tool(world, "add mine /var/run/netns/p")
    assert tool(world, "gc mine /var/run/netns/p") == ("", "", 0)
    assert not [name for name in world.table(NODE, "file") if "10.1.0.2" in str(name) or "/results/" in str(name)]


@pytest.mark.parametrize(
    ("line", "env", "words"),
    [
        ("add", {}, "cnitool: Add, check, remove, gc or status"),
        ("add other p", {}, 'no net configuration with name "other" in /etc/cni/net.d\n'),
        ("add other p", {"NETCONFPATH": "/nope"}, "no net configurations found in /nope\n"),
        ("add mine p", {"CNI_PATH": ""}, 'plugin type="loopback" failed (add): no paths provided\n'),
        ("add mine p", {"CAP_ARGS": "{"}, "unexpected end of JSON input\n"),
        ("add mine p", {"CNI_ARGS": "a=b;c"}, 'invalid CNI_ARGS pair "c"\n'),
        ("add mine p", {"CNI_IFNAME": "a/b"}, "interface name contains / or : or whitespace characters\n"),
    ],
)
def test_cnitool_says_what_is_wrong_in_one_sentence(line: str, env: dict[str, str], words: str) -> None:
    world = with_file('{"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "loopback"}]}')
    done = tool(world, line, **env)
    assert done.exit_code == 1
    assert words in done.stderr
