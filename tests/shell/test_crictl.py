"""``crictl`` shows the runtime's rows, and what it stops is what the kubelet will find dead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.journal import Put

NODE = "node:node-1"
BOX = Sandbox("a" * 64, "default/web", "uid-1", 0, f"{NODE}/cni-1", ip="10.244.1.2", image="pause:3.10", pid=4242)
IMAGE = ("nginx:1.27", "sha256:" + "c" * 64)
LIVE = Container("b" * 64, "default/web", "nginx", BOX.id, *IMAGE, 1, cri.RUNNING, log="1\n2\n3\n", program="nginx")
DEAD = Container("d" * 64, "default/web", "nginx", BOX.id, *IMAGE, 0, cri.EXITED)


@pytest.fixture
def node(ours: Any) -> Any:
    """A node with one pod: a sandbox, a container that runs and the one that ran before it."""
    ours.run("ip netns add cni-1")
    ours.world.apply(Put(cri.sandbox_key(NODE, BOX), BOX))
    for row in (LIVE, DEAD):
        ours.world.apply(Put(cri.container_key(NODE, row), row))
    ours.world.apply(Put(("clock", "now", ""), 75.0))
    return ours


def test_pods_and_containers_are_listed_in_columns(node: Any) -> None:
    assert node.run("crictl pods").stdout == (
        "POD ID              CREATED              STATE               NAME                NAMESPACE           "
        "ATTEMPT             RUNTIME\n"
        "aaaaaaaaaaaaa       About a minute ago   Ready               web                 default             "
        "0                   (default)\n"
    )
    lines = node.run("crictl ps").stdout.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["b" * 13, "c" * 13, "About", "a", "minute", "ago", "Running", "nginx", "1", "a" * 13, "web", "default"]
    ]
    assert node.run("crictl ps -a").stdout.count("\n") == 3
    assert node.run("crictl ps -a -q").stdout == f"{LIVE.id}\n{DEAD.id}\n"
    assert node.run("crictl ps --state Exited -q").stdout == f"{DEAD.id}\n"
    assert node.run("crictl ps --name other -q").stdout == ""
    assert node.run("crictl pods --namespace kube-system -q").stdout == ""
    assert "docker.io/library/nginx   1.27" in node.run("crictl images").stdout


def test_an_inspection_names_the_network_namespace_and_the_process(node: Any) -> None:
    box = json.loads(node.run("crictl inspectp aaaa").stdout)
    assert box["info"]["pid"] == 4242
    assert box["status"]["network"]["ip"] == "10.244.1.2"
    assert {"type": "network", "path": "/var/run/netns/cni-1"} in box["info"]["runtimeSpec"]["linux"]["namespaces"]
    one = json.loads(node.run("crictl inspect bbbb").stdout)
    assert one["status"]["state"] == "CONTAINER_RUNNING"
    assert one["info"]["sandboxID"] == BOX.id
    assert json.loads(node.run("crictl pods -o json").stdout)["items"][0]["id"] == BOX.id
    assert node.run("crictl logs --tail 2 bbb").stdout == "2\n3\n"


def test_a_stopped_container_is_dead_by_signal(node: Any) -> None:
    assert node.run("crictl stop bbb") == ("bbb\n", "", 0)
    row = node.world.get(cri.container_key(NODE, LIVE))
    assert (row.state, row.exit_code, row.finished) == (cri.EXITED, 137, 75.0)
    assert node.run("crictl rm bbb ddd").exit_code == 0
    assert not node.world.table(NODE, "container")


@pytest.mark.parametrize("line", ["kill 4242", "kill -9 4242"])
def test_a_pause_container_that_dies_takes_the_sandbox_along(node: Any, line: str) -> None:
    assert node.run(line).exit_code == 0
    assert node.world.get(cri.sandbox_key(NODE, BOX)).state == cri.NOTREADY


def test_a_container_s_process_can_be_killed(node: Any) -> None:
    pid = json.loads(node.run("crictl inspect bbb").stdout)["info"]["pid"]
    assert node.run(f"kill {pid}").exit_code == 0
    assert node.world.get(cri.container_key(NODE, LIVE)).exit_code == 0, "nginx stops in order"
    assert node.run(f"kill {pid}") == ("", "sh: 1: kill: No such process\n\n", 1)


def test_a_command_runs_in_the_container_s_network(node: Any) -> None:
    assert node.run("crictl exec bbb ip -br link").stdout == node.run("ip -n cni-1 -br link").stdout
    assert node.run("crictl exec -it bbb hostname").stdout == "cni-1\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("crictl inspect x", 'container "x": rpc error: code = NotFound'),
        ("crictl stopp aaa", 'failed to destroy network for sandbox "aaaa'),
        ("crictl stopp x", 'stopping the pod sandbox "x": rpc error: code = NotFound'),
        ("crictl rmp aaa", "is not fully stopped"),
        ("crictl rm bbb", "is running, please stop it first"),
        ("crictl stop", "ID cannot be empty"),
        ("crictl frob", 'No help topic for "frob"'),
        ("crictl ps --frob", "flag provided but not defined"),
    ],
)
def test_wrong_use_has_crictl_s_words(node: Any, line: str, words: str) -> None:
    said = node.run(line)
    assert words in said.stderr
    assert said.exit_code != 0


def test_nsenter_goes_where_a_process_of_a_pod_is() -> None:
    cluster = Cluster(nodes=2)
    pod = {"metadata": {"name": "web"}, "spec": {"nodeName": "node-1", "containers": [{"name": "a", "image": "nginx"}]}}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    node, address = cluster.node("node-1"), cluster.get("pods", "web")["status"]["podIP"]
    pause = json.loads(node.run(f"crictl inspectp {node.run('crictl pods -q').stdout}").stdout)["info"]["pid"]
    app = json.loads(node.run(f"crictl inspect {node.run('crictl ps -q').stdout}").stdout)["info"]["pid"]
    for words in (f"-t {pause} -n", f"--target={app} --net"):
        assert address in node.run(f"nsenter {words} ip addr").stdout
    assert node.run("nsenter -t 1234567 -n ip addr").stderr == (
        "nsenter: cannot open /proc/1234567/ns/net: No such file or directory\n"
    )
