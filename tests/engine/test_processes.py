"""Processes: what each container and the node see, and what a signal does to whom."""

from __future__ import annotations

import json

from k8slearn import Cluster

TWO = """
apiVersion: v1
kind: Pod
metadata: {{name: two}}
spec:
  nodeName: node-1
  {more}
  containers:
  - {{name: web, image: nginx}}
  - {{name: idle, image: busybox, command: [sleep, "3600"]}}
"""


def two(more: str = "terminationGracePeriodSeconds: 30") -> Cluster:
    cluster = Cluster(nodes=1)
    cluster.apply(TWO.format(more=more))
    return cluster


def seen(of: Cluster, container: str) -> list[tuple[int, str]]:
    lines = of.kubectl(f"exec two -c {container} -- ps ax").splitlines()[1:]
    return [(int(line.split()[0]), line.split(None, 3)[3]) for line in lines]


def restarts(of: Cluster) -> dict[str, int]:
    return {c["name"]: c["restartCount"] for c in of.get("pods", "two")["status"]["containerStatuses"]}


def ended(of: Cluster, container: str) -> int:
    (one,) = (c for c in of.get("pods", "two")["status"]["containerStatuses"] if c["name"] == container)
    return int(one["lastState"]["terminated"]["exitCode"])


def test_a_container_is_process_1_and_sees_nobody_else() -> None:
    cluster = two()
    assert seen(cluster, "web") == [(1, "nginx"), (9, "ps ax")]
    assert seen(cluster, "idle")[0] == (1, "sleep 3600")
    assert cluster.kubectl("exec two -c idle -- ps").splitlines()[:2] == [
        "PID   USER     TIME  COMMAND",
        "    1 root      0:00 sleep 3600",
    ]


def test_in_a_shared_namespace_pause_is_process_1_and_the_containers_see_each_other() -> None:
    cluster = two("shareProcessNamespace: true")
    lines = [line for _, line in seen(cluster, "idle")]
    assert lines == ["/pause", "nginx", "sleep 3600", "ps ax"], "the kubelet starts them in the manifest's order"
    assert seen(cluster, "web")[:3] == seen(cluster, "idle")[:3]
    node = cluster.node("node-1")
    box = json.loads(node.run(f"crictl inspectp {node.run('crictl pods -q').stdout}").stdout)
    one = json.loads(node.run(f"crictl inspect {node.run('crictl ps -q').stdout.split()[0]}").stdout)
    assert box["status"]["linux"]["namespaces"]["options"]["pid"] == "POD"
    joined = {"type": "pid", "path": f"/proc/{box['info']['pid']}/ns/pid"}
    assert joined in one["info"]["runtimeSpec"]["linux"]["namespaces"]


def test_with_the_hosts_processes_a_container_sees_what_the_node_sees() -> None:
    cluster = two("hostPID: true")
    inside = {pid for pid, _ in seen(cluster, "web")[:-1]}
    outside = {int(line.split()[0]) for line in cluster.node("node-1").run("ps -e").stdout.splitlines()[1:]}
    assert inside == outside


def test_the_node_sees_every_process_under_its_shim_with_the_numbers_that_crictl_says() -> None:
    cluster = two()
    node = cluster.node("node-1")
    full = node.run("ps -ef").stdout
    assert full.splitlines()[0] == "UID          PID    PPID  C STIME TTY          TIME CMD"
    rows = {int(line.split()[1]): (int(line.split()[2]), line.split(None, 7)[7]) for line in full.splitlines()[1:]}
    web = next(
        i for i in node.run("crictl ps -q").stdout.split() if '"name": "web"' in node.run(f"crictl inspect {i}").stdout
    )
    pid = json.loads(node.run(f"crictl inspect {web}").stdout)["info"]["pid"]
    parent, line = rows[pid]
    assert line == "nginx"
    assert "containerd-shim" in rows[parent][1]
    assert node.run(f"nsenter -t {pid} -n ip -br addr").stdout == cluster.kubectl("exec two -c web -- ip -br addr")
    assert {line for _, line in rows.values()} >= {"/pause", "sleep 3600", "/sbin/init"}
    node.run("systemctl stop kubelet")
    assert "kubelet" not in node.run("ps -e").stdout


def test_kill_1_ends_a_server_and_not_a_sleep() -> None:
    cluster = two()
    cluster.kubectl("exec two -c web -- kill 1")
    cluster.kubectl("exec two -c idle -- kill 1")
    cluster.kubectl("exec two -c web -- kill -9 1")
    assert restarts(cluster) == {"web": 1, "idle": 0}
    assert ended(cluster, "web") == 0
    assert "No such process" in str(cluster.node("node-1").run("kill 77").stderr)


def test_where_pause_is_process_1_a_container_can_end_its_neighbour_with_any_signal() -> None:
    cluster = two("shareProcessNamespace: true")
    sleep = next(pid for pid, line in seen(cluster, "web") if line.startswith("sleep"))
    nginx = next(pid for pid, line in seen(cluster, "web") if line == "nginx")
    cluster.kubectl(f"exec two -c idle -- kill -HUP {nginx}")
    assert restarts(cluster) == {"web": 0, "idle": 0}, "nginx reads its configuration again"
    cluster.kubectl(f"exec two -c web -- kill {sleep}")
    assert restarts(cluster) == {"web": 0, "idle": 1}
    assert ended(cluster, "idle") == 143


def test_a_container_that_ends_pause_costs_its_pod_the_sandbox() -> None:
    cluster = two("shareProcessNamespace: true")
    before = cluster.get("pods", "two")["status"]["podIP"]
    cluster.kubectl("exec two -c web -- kill -9 1")
    assert cluster.get("pods", "two")["status"]["podIP"] == before, "SIGKILL from inside does not reach process 1"
    cluster.kubectl("exec two -c web -- kill 1")
    assert cluster.get("pods", "two")["status"]["podIP"] != before


def test_a_sleep_behind_pause_hears_sigterm_and_its_pod_is_gone_at_once() -> None:
    shared, own = two("shareProcessNamespace: true"), two()
    for cluster in (shared, own):
        cluster.kubectl("delete pod two --wait=false")
    assert shared.get("pods") == []
    assert len(own.get("pods")) == 1
    own.advance(30)
    assert own.get("pods") == []
