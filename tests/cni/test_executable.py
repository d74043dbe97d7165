"""An executable that speaks CNI, called for real: the reference plugins drive our pods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused

from .live import BINARIES, why_not

SCRIPT = """#!/bin/sh
name=${CNI_NETNS##*/}
case $CNI_COMMAND in
ADD) ip link add mine0 type veth peer name $CNI_IFNAME netns $name
ip link set mine0 up
ip -n $name link set $CNI_IFNAME up
ip -n $name addr add 10.9.0.2/24 dev $CNI_IFNAME
ip route add 10.9.0.2/32 dev mine0
echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.2/24"}]}' ;;
DEL) ip link del mine0 2>/dev/null; exit 0 ;;
esac
"""


@pytest.fixture(autouse=True)
def _able() -> None:
    if reason := why_not("bridge"):
        pytest.skip(reason)


pytestmark = pytest.mark.root


def pod(name: str, node: str = "node-1") -> dict[str, Any]:
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    spec = {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def rows(of: Cluster) -> dict[tuple[str, str], dict[Any, Any]]:
    return {place: dict(table) for place, table in of.world.tables().items()}


def test_the_reference_bridge_wires_pods_through_their_whole_life(tmp_path: Path) -> None:
    c = Cluster(nodes=2, network="bridge")
    c.install_plugin("bridge", f"{BINARIES}/bridge")
    for name, node in (("a", "node-1"), ("b", "node-1"), ("d", "node-2")):
        c.apply(pod(name, node))
    assert [c.get("pods", name)["status"]["podIP"] for name in "abd"] == ["10.244.0.2", "10.244.0.3", "10.244.1.2"]
    for source, destination in (("a", "b"), ("a", "d"), ("d", "a")):
        assert c.trace(f"default/{source}", f"default/{destination}").outcome == "connected"
    assert c.node("node-1").run("ip -br addr show cni0").stdout.split()[1:] == ["UP", "10.244.0.1/24"]
    c.delete("pod", "a")
    assert c.node("node-1").run("ip -o link").stdout.count("master cni0") == 1
    c.undo()
    c.redo()
    c.save(tmp_path / "real.jsonl")
    assert rows(Cluster.load(tmp_path / "real.jsonl")) == rows(c)


def test_its_masquerade_rules_come_and_go_with_the_pod() -> None:
    c = Cluster(nodes=1, network="bridge")
    c.install_plugin("bridge", f"{BINARIES}/bridge")
    ipam = {"type": "host-local", "subnet": "10.7.0.0/24"}
    plugins = [{"type": "bridge", "isDefaultGateway": True, "ipMasq": True, "ipam": ipam}]
    text = json.dumps({"cniVersion": "1.0.0", "name": "masq", "plugins": plugins})
    c.node("node-1").run("tee /etc/cni/net.d/00-masq.conflist", stdin=text)
    before = c.node("node-1").run("iptables-save -t nat").stdout
    c.apply(pod("a"))
    assert "! -d 224.0.0.0/4" in c.node("node-1").run("iptables-save -t nat").stdout
    assert c.trace("default/a", "outside").outcome == "connected"
    c.delete("pod", "a")
    assert c.node("node-1").run("iptables-save -t nat").stdout == before


def test_a_learners_script_is_a_plugin(tmp_path: Path) -> None:
    script = tmp_path / "mine"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    c = Cluster(nodes=1, network="bridge")
    c.install_plugin("bridge", script)
    c.apply(pod("a"))
    assert c.get("pods", "a")["status"]["podIP"] == "10.9.0.2"
    assert "10.9.0.2 dev mine0" in c.node("node-1").run("ip route").stdout
    assert c.trace("node:node-1", "default/a").outcome in ("connected", "timeout", "unreachable")
    c.delete("pod", "a")
    assert "mine0" not in c.node("node-1").run("ip link").stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/sh\nexit 3\n", "failed with status 3"),
        ("#!/bin/sh\necho no JSON\n", "JSONDecodeError"),
        ('#!/bin/sh\necho \'{"code": 7, "msg": "no subnet"}\'; exit 1\n', "no subnet"),
        ("#!/bin/sh\nip link add up0 type veth peer name up1\necho '{}'\n", "up0 is of the kind veth"),
    ],
)
def test_what_a_script_gets_wrong_is_one_sentence_of_the_pods_event(tmp_path: Path, text: str, words: str) -> None:
    script = tmp_path / "mine"
    script.write_text(text)
    script.chmod(0o755)
    c = Cluster(nodes=1, network="bridge")
    c.install_plugin("bridge", script)
    c.apply(pod("a"))
    said = c.kubectl("describe pod a")
    assert words in said
    assert "Traceback" not in said


def test_what_is_no_executable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is no executable file"):
        Cluster(nodes=1).install_plugin("mine", tmp_path / "nothing")
