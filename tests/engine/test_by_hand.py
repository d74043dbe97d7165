"""A pod made by hand with crictl, from CRI's own messages; and the kubelet that finds it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn import Cluster

POD = '{"metadata": {"name": "web", "namespace": "default", "uid": "u1", "attempt": 0}, "linux": {}}'
NGINX = "metadata: {name: nginx}\nimage: {image: nginx}\n"


def alone(pod: str = POD, container: str = NGINX, kubelet: bool = False) -> tuple[Cluster, Any]:
    """A node with the two files, whose kubelet is stopped."""
    cluster = Cluster(nodes=2)
    node = cluster.node("node-1")
    if not kubelet:
        node.run("systemctl stop kubelet")
    node.run("tee /root/pod.json", stdin=pod)
    node.run("tee /root/c.yaml", stdin=container)
    return cluster, node


def test_a_sandbox_has_a_network_before_it_has_a_container() -> None:
    _, node = alone()
    identity = node.run("crictl runp /root/pod.json").stdout.strip()
    assert node.run("crictl pods -q").stdout.strip() == identity
    box = json.loads(node.run(f"crictl inspectp {identity}").stdout)["status"]
    assert (box["network"]["ip"], box["state"], box["labels"]) == ("10.244.0.2", "SANDBOX_READY", {})
    assert box["linux"]["namespaces"]["options"] == {"ipc": "POD", "network": "POD", "pid": "POD"}
    assert "cni-" in node.run("ip netns").stdout
    assert "10.244.0.2" in node.run("ls /var/lib/cni/networks/bridge").stdout
    assert node.run("crictl ps -a -q").stdout == ""


def test_a_container_is_created_then_started_and_answers() -> None:
    cluster, node = alone()
    box = node.run("crictl runp /root/pod.json").stdout.strip()
    one = node.run(f"crictl create {box} /root/c.yaml /root/pod.json").stdout.strip()
    assert "Created" in node.run("crictl ps -a").stdout
    assert cluster.trace("node:node-1", "10.244.0.2", 80).outcome == "refused"
    assert node.run(f"crictl start {one}").stdout == f"{one}\n"
    assert json.loads(node.run(f"crictl inspect {one}").stdout)["status"]["state"] == "CONTAINER_RUNNING"
    assert cluster.trace("node:node-1", "10.244.0.2", 80).outcome == "connected"
    assert node.run(f"crictl exec {one} hostname").exit_code == 0
    node.run(f"crictl stop {one}")
    assert cluster.trace("node:node-1", "10.244.0.2", 80).outcome == "refused"
    cluster.advance(600)
    assert node.run("crictl ps -q").stdout == "", "nobody starts it again"


def test_run_does_all_three_and_logs_and_rm_see_what_it_made() -> None:
    _, node = alone(container='{"metadata": {"name": "e"}, "image": {"image": "busybox"}, "command": ["cat", "/no"]}')
    identity = node.run("crictl run /root/c.yaml /root/pod.json").stdout.strip()
    assert len(identity) == 64
    assert node.run(f"crictl logs {identity}").exit_code == 0
    assert node.run(f"crictl rm -f {identity}").stdout == f"{identity}\n"
    assert node.run("crictl ps -a -q").stdout == ""


def test_what_is_made_by_hand_can_be_unmade_by_hand_and_nothing_stays() -> None:
    cluster, node = alone()
    tables = {place: dict(rows) for place, rows in cluster.world.tables().items() if place[0].startswith("node:node-1")}
    identity = node.run("crictl run /root/c.yaml /root/pod.json").stdout.strip()
    box = node.run("crictl pods -q").stdout.strip()
    assert "not fully stopped" in node.run(f"crictl rmp {box}").stderr
    assert node.run(f"crictl stopp {box}").stdout == f"Stopped sandbox {box}\n"
    assert node.run("crictl pods").stdout.count("NotReady") == 1
    assert node.run("ip netns").stdout == ""
    assert node.run(f"crictl stopp {box}").exit_code == 0, "twice is well"
    assert node.run(f"crictl rmp {box}").stdout == f"Removed sandbox {box}\n"
    assert identity not in node.run("crictl ps -a -q").stdout
    assert not cluster.world.table("node:node-1", "config")
    left = {place for place in cluster.world.tables() if place[0].startswith("node:node-1")} - set(tables)
    assert left <= {("node:node-1", table) for table in ("addr", "call", "neigh", "fdb", "inet6", "upper")}


def test_a_kubelet_that_runs_stops_what_it_did_not_ask_for_when_it_looks_around() -> None:
    cluster, node = alone(kubelet=True)
    node.run("crictl run /root/c.yaml /root/pod.json")
    assert len(node.run("crictl ps -q").stdout.split()) == 1
    cluster.advance(2)
    assert node.run("crictl pods -q").stdout == ""
    assert node.run("crictl ps -a -q").stdout == ""
    assert node.run("ip netns").stdout == ""


def test_a_kubelet_that_starts_stops_it_too() -> None:
    cluster, node = alone()
    node.run("crictl run /root/c.yaml /root/pod.json")
    cluster.advance(60)
    assert len(node.run("crictl pods -q").stdout.split()) == 1
    node.run("systemctl start kubelet")
    assert node.run("crictl pods -q").stdout == ""


def test_a_port_of_the_node_and_the_nodes_own_network_can_be_asked_for() -> None:
    mapped = POD.replace('"linux"', '"port_mappings": [{"host_port": 8080, "container_port": 80}], "linux"')
    cluster, node = alone(mapped)
    node.run("crictl run /root/c.yaml /root/pod.json")
    assert cluster.trace("outside", "node:node-1", 8080).outcome == "connected"
    hosted = POD.replace('"linux": {}', '"linux": {"security_context": {"namespace_options": {"network": 2}}}')
    node.run("tee /root/pod.json", stdin=hosted.replace("u1", "u2"))
    box = node.run("crictl runp /root/pod.json").stdout.strip()
    assert json.loads(node.run(f"crictl inspectp {box}").stdout)["status"]["network"]["ip"] == "192.168.64.11"


@pytest.mark.parametrize(
    ("pod", "line", "words"),
    [
        (POD, "crictl runp /no", "load podSandboxConfig: config at /no not found"),
        ("[", "crictl runp /root/pod.json", "load podSandboxConfig: error converting YAML to JSON: yaml: line 1"),
        ("{}", "crictl runp /root/pod.json", "load podSandboxConfig: metadata is not set"),
        ('{"metadata": {"name": "a"}}', "crictl runp /root/pod.json", "name, namespace or uid is not in metadata"),
        (POD, "crictl create x /root/c.yaml /root/pod.json", '"x": rpc error: code = NotFound'),
        (POD, "crictl start x", 'starting the container "x": rpc error: code = NotFound'),
    ],
)
def test_wrong_files_and_names_have_crictls_words(pod: str, line: str, words: str) -> None:
    _, node = alone(pod)
    said = node.run(line)
    assert words in said.stderr
    assert (said.stdout, said.exit_code) == ("", 1)


def test_a_name_is_given_once_and_a_stopped_sandbox_takes_no_container() -> None:
    _, node = alone()
    box = node.run("crictl runp /root/pod.json").stdout.strip()
    said = node.run("crictl runp /root/pod.json").stderr
    assert f'name "web_default_u1_0" is reserved for "{box}"' in said
    one = node.run(f"crictl create {box} /root/c.yaml /root/pod.json").stdout.strip()
    assert "is reserved for" in node.run(f"crictl create {box} /root/c.yaml /root/pod.json").stderr
    node.run(f"crictl start {one}")
    assert "container is in CONTAINER_RUNNING state" in node.run(f"crictl start {one}").stderr
    node.run(f"crictl stopp {box}")
    assert "no running task found" in node.run(f"crictl create {box} /root/c.yaml /root/pod.json").stderr


def test_without_a_network_plugin_there_is_no_sandbox_and_nothing_of_it_stays() -> None:
    cluster = Cluster(nodes=1, network=None)
    node = cluster.node("node-1")
    node.run("tee /root/pod.json", stdin=POD)
    said = node.run("crictl runp /root/pod.json")
    assert said.stderr.startswith(
        "FATA[0000] run pod sandbox: rpc error: code = Unknown desc = failed to setup network"
    )
    assert said.stderr.endswith("cni plugin not initialized\n")
    assert (node.run("crictl pods -q").stdout, node.run("ip netns").stdout) == ("", "")
