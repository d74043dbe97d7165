"""A pod's life step by step: who called whom with what, each step a revision to stand at."""

from __future__ import annotations

import json

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused

from .given import pod


def methods(cluster: Cluster, name: str = "web") -> list[str]:
    said = (call.partition("(")[0] for call in cluster.timeline(name).calls())
    return [call.replace("kubelet -> containerd: ", "").replace("containerd -> ", "") for call in said]


BORN = ["RunPodSandbox", "CNI: ADD", "PullImage", "CreateContainer", "StartContainer"]


def test_a_pod_is_made_in_the_order_of_cri() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web"))
    assert methods(cluster) == BORN


def test_and_taken_down_the_other_way_round() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web"))
    cluster.delete("pod", "web")
    down = ["StopContainer", "StopPodSandbox", "CNI: DEL", "RemoveContainer", "RemovePodSandbox"]
    assert methods(cluster) == [*BORN, *down]


def test_a_pod_on_the_hosts_network_needs_no_cni() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web", more=", hostNetwork: true"))
    assert methods(cluster) == [call for call in BORN if not call.startswith("CNI")]


def test_before_1_24_the_kubelet_itself_calls_the_plugins_after_pause_has_started() -> None:
    cluster = Cluster(nodes=2, kubernetes="1.23")
    cluster.apply(pod("web"))
    calls = cluster.timeline("web").calls()
    assert calls[0].startswith("kubelet -> docker: RunPodSandbox(")
    assert calls[1].startswith("kubelet -> CNI: ADD(")


def test_a_crashed_container_is_made_anew_in_the_same_sandbox() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web", "node-1"))
    names = cluster.node("node-1").run("crictl ps -q").stdout
    cluster.node("node-1").run(f"crictl stop {names}")
    assert methods(cluster)[len(BORN) :] == ["PullImage", "CreateContainer", "StartContainer"]


def test_a_dead_pause_container_costs_the_pod_its_network() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web", "node-1"))
    node = cluster.node("node-1")
    pause = json.loads(node.run(f"crictl inspectp {node.run('crictl pods -q').stdout}").stdout)["info"]["pid"]
    node.run(f"kill {pause}")
    down = ["StopContainer", "StopPodSandbox", "CNI: DEL"]
    anew = ["RunPodSandbox", "CNI: ADD", "RemovePodSandbox", "PullImage", "CreateContainer", "StartContainer"]
    assert methods(cluster)[len(BORN) :] == [*down, *anew]


def test_a_sandbox_that_is_stopped_by_hand_has_lost_its_network_before_the_kubelet_looks() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web", "node-1"))
    cluster.node("node-1").run(f"crictl stopp {cluster.node('node-1').run('crictl pods -q').stdout}")
    down = ["crictl -> containerd: StopPodSandbox", "CNI: DEL"]
    anew = ["RunPodSandbox", "CNI: ADD", "RemovePodSandbox", "PullImage", "CreateContainer", "StartContainer"]
    assert methods(cluster)[len(BORN) :] == [*down, *anew]


def test_each_step_can_be_stood_at() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web", "node-1"))
    step = next(s for s in cluster.timeline("web").steps if "CNI: ADD" in s.says)
    then = cluster.at(step.revision)
    assert "cni-" in then.node("node-1").run("ip netns").stdout
    assert then.node("node-1").run("crictl pods -q").stdout == "", "the sandbox is not ready before it has its network"
    assert then.timeline("web").steps[-1] == step


def test_what_was_undone_is_no_part_of_a_life() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web"))
    before = cluster.timeline("web")
    cluster.delete("pod", "web")
    cluster.undo()
    assert cluster.timeline("web") == before


def test_rows_of_the_kernels_stand_behind_the_call_that_wrote_them() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web", "node-1"))
    says = [step.says for step in cluster.timeline("web", rows=True).steps]
    add = next(n for n, line in enumerate(says) if "CNI: ADD" in line)
    link = next(n for n, line in enumerate(says) if "link eth0 new" in line)
    create = next(n for n, line in enumerate(says) if "CreateContainer" in line)
    assert add < link < create


def test_a_timeline_is_text_and_json() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("web"))
    line = cluster.timeline("default/web")
    assert "kubelet -> containerd: RunPodSandbox" in str(line)
    assert json.loads(json.dumps(line.to_dict()))["pod"] == "default/web"


def test_a_pod_that_never_was_has_no_life() -> None:
    with pytest.raises(Refused, match="there never was a pod default/web"):
        Cluster(nodes=2).timeline("web")
