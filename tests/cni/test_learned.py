"""A learner's own plugin: a function that runs once, and whose answer is part of the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.cni.spec import CniError
from k8slearn.errors import Refused
from k8slearn.grading.inputs import checked
from k8slearn.shell.learned import Machine

RANGES = {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}
CONFIG = {"cniVersion": "1.0.0", "name": "own", "plugins": [{"type": "mine", "ipam": RANGES}]}


class Mine:
    """A plugin in a few commands: a cable, an address of host-local's, a route to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, command: str, config: dict[str, Any], environ: dict[str, str], node: Machine) -> Any:
        self.calls.append(command)
        name, host = environ.get("CNI_NETNS", "").rpartition("/")[2], "m" + environ["CNI_CONTAINERID"][:8]
        leased = node.run("/opt/cni/bin/host-local", json.dumps(config), environ)
        if command == "DEL":
            node.run(f"ip link del {host}")
            return None
        ips = json.loads(leased.stdout)["ips"]
        address = ips[0]["address"]
        for line in (
            f"ip link add eth0 netns {name} type veth peer name {host}",
            f"ip link set {host} up",
            f"ip netns exec {name} ip link set eth0 up",
            f"ip netns exec {name} ip addr add {address} dev eth0",
            f"ip route add {address.partition('/')[0]}/32 dev {host}",
        ):
            assert node.run(line).exit_code == 0
        return {"interfaces": [{"name": "eth0", "sandbox": environ["CNI_NETNS"]}], "ips": [{**ips[0], "interface": 0}]}


def pod(name: str) -> dict[str, Any]:
    spec = {"nodeName": "node-1", "containers": [{"name": "c", "image": "nginx"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def cluster(plugin: Any) -> Cluster:
    made = Cluster(nodes=1, network="bridge")
    made.install_plugin("mine", plugin)
    made.node("node-1").run("tee /etc/cni/net.d/00-own.conflist", stdin=json.dumps(CONFIG))
    return made


def rows(of: Cluster) -> dict[tuple[str, str], dict[Any, Any]]:
    return {place: dict(table) for place, table in of.world.tables().items()}


def test_a_function_wires_a_pod_with_commands_and_its_result_is_the_pods_address() -> None:
    mine = Mine()
    c = cluster(mine)
    c.apply(pod("a"))
    assert mine.calls == ["ADD"]
    assert c.get("pods", "a")["status"]["podIP"] == "10.9.0.2"
    assert "10.9.0.2 dev m" in c.node("node-1").run("ip route").stdout
    assert "inet 10.9.0.2/24" in c.pod("a").run("ip addr").stdout
    assert "mine" in c.node("node-1").run("ls /opt/cni/bin").stdout
    c.delete("pod", "a")
    assert mine.calls == ["ADD", "DEL"]
    assert "10.9.0.2" not in c.node("node-1").run("ip route").stdout


def test_a_replay_never_calls_the_function_and_comes_to_the_same_world(tmp_path: Path) -> None:
    mine = Mine()
    c = cluster(mine)
    c.apply(pod("a"))
    c.apply(pod("b"))
    calls = len(mine.calls)
    c.undo()
    c.redo()
    c.save(tmp_path / "own.jsonl")
    again = Cluster.load(tmp_path / "own.jsonl")
    earlier = c.at(c.journal.revision)
    assert len(mine.calls) == calls
    assert rows(again) == rows(c) == rows(earlier)


def test_what_a_record_of_an_exercise_may_hold_has_room_for_the_answers() -> None:
    c = cluster(Mine())
    c.apply(pod("a"))
    for entry in c.engine.inputs():
        checked(entry.kind, entry.arguments, "an input")
    answers = [entry.arguments["answers"] for entry in c.engine.inputs() if "answers" in entry.arguments]
    assert [[answer["by"] for answer in found] for found in answers] == [["mine"]]


def test_a_function_that_a_loaded_cluster_does_not_have_fails_in_one_sentence(tmp_path: Path) -> None:
    c = cluster(Mine())
    c.save(tmp_path / "own.jsonl")
    other = Cluster.load(tmp_path / "own.jsonl")
    other.apply(pod("a"))
    assert "is a learner's own function that is not here: install_plugin puts it back" in events(other)
    other.install_plugin("mine", Mine())
    other.advance(30)
    assert other.get("pods", "a")["status"]["podIP"] == "10.9.0.2"


def events(of: Cluster) -> str:
    return of.kubectl("describe pod a")


def _raises(error: Exception) -> Any:
    def plugin(command: str, config: dict[str, Any], environ: dict[str, str], node: Machine) -> Any:
        raise error

    return plugin


def _returns(value: Any) -> Any:
    return lambda command, config, environ, node: value


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (_raises(ValueError("too hot\nsecond line")), "mine: ValueError: too hot (line 2 of plugin)"),
        (_raises(KeyError()), "mine: KeyError (line 2 of plugin)"),
        (_raises(CniError("no room", 11)), "mine: no room"),
        (_returns(None), "mine returned nothing for ADD: a plugin returns its result, a dict"),
        (_returns([1]), "mine returned [1]: a plugin returns its result, a dict"),
        (_returns({"ips": [{"address": "ten"}]}), "invalid CIDR address: ten"),
        (_returns({"ips": 3}), "json: cannot unmarshal number into Go struct field Result.ips of type"),
        (_returns({"ips": {1, 2}}), "mine: TypeError: Object of type set is not JSON serializable"),
        (_returns({"code": 7, "msg": "no subnet"}), 'plugin type="mine" failed (add): no subnet'),
        (lambda: None, "mine: TypeError: "),
    ],
)
def test_what_a_function_gets_wrong_is_one_sentence_of_an_event_and_never_a_traceback(plugin: Any, words: str) -> None:
    c = cluster(plugin)
    c.apply(pod("a"))
    said = events(c)
    assert words in said
    assert "Traceback" not in said
    assert c.get("pods", "a")["status"]["phase"] == "Pending"


def test_a_plugin_of_ours_is_replaced_by_the_learners() -> None:
    mine = Mine()
    c = Cluster(nodes=1, network="bridge")
    c.install_plugin("bridge", mine)
    c.apply(pod("a"))
    assert mine.calls == ["ADD"]
    assert c.get("pods", "a")["status"]["podIP"] == "10.244.0.2"


def test_a_name_or_a_thing_that_is_no_plugin_is_refused() -> None:
    c = Cluster(nodes=1)
    before = c.journal.revision
    with pytest.raises(Refused, match="a plugin's name is a file's name"):
        c.install_plugin("../mine", Mine())
    with pytest.raises(Refused, match="a plugin is a function"):
        c.install_plugin("mine", 3)  # type: ignore[arg-type]
    assert c.journal.revision == before


def test_tee_writes_files_and_rm_takes_them_away() -> None:
    node = Cluster(nodes=1, network=None).node("node-1")
    assert node.run("tee /etc/x /etc/y", stdin="a\n").stdout == "a\n"
    node.run("tee -a /etc/x", stdin="b\n")
    assert node.run("cat /etc/x /etc/y").stdout == "a\nb\na\n"
    assert node.run("rm /etc/x /etc/z").stderr == "rm: cannot remove '/etc/z': No such file or directory\n"
    assert node.run("rm -f /etc/z").exit_code == 0
    assert node.run("cat /etc/x").exit_code == 1
