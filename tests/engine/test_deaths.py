"""What survives which death: a container, pause, the kubelet, the runtime, a machine that reboots, one that is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.errors import Refused

from .given import DEPLOYMENT, SERVICE, events, pod, same

Obj = dict[str, Any]
SETTLED = 400


def cluster(*more: str, **settings: Any) -> Cluster:
    made = Cluster(**{"nodes": 3, **settings})
    made.apply("\n---\n".join([DEPLOYMENT, SERVICE, *more]))
    return made


def ready(of: Cluster, name: str) -> Obj:
    found: Obj = next(c for c in of.get("nodes", name)["status"]["conditions"] if c["type"] == "Ready")
    return found


def on(of: Cluster, node: str) -> list[Obj]:
    return [p for p in of.get("pods", namespace=None) if p["spec"]["nodeName"] == node]


def whole(of: Cluster) -> bool:
    """Three pods run with addresses of their own, the laws of the network hold, the Service answers."""
    pods = [p for p in of.get("pods") if not p["metadata"].get("deletionTimestamp")]
    addresses = {p["status"]["podIP"] for p in pods if p["status"]["phase"] == "Running"}
    served = of.trace("node:node-1", "svc:default/web").outcome == "connected"
    return len(pods) == len(addresses) == 3 and served and all(law.holds for law in of.laws())


# -- reboot --------------------------------------------------------------------------------------------------------


def test_a_rebooted_node_gives_its_pods_new_sandboxes_and_addresses_and_keeps_the_pods() -> None:
    web = cluster()
    before = {p["metadata"]["uid"]: p["status"]["podIP"] for p in on(web, "node-2")}
    web.reboot("node-2")
    after = {p["metadata"]["uid"]: p["status"]["podIP"] for p in on(web, "node-2")}
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert [p["status"]["containerStatuses"][0]["restartCount"] for p in on(web, "node-2")] == [1]
    assert whole(web)


def test_the_containers_that_a_reboot_ended_have_the_runtimes_exit_code() -> None:
    web = cluster()
    web.reboot("node-2")
    last = on(web, "node-2")[0]["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (255, "Unknown")


def test_a_reboot_is_told_by_the_kubelet() -> None:
    web = cluster()
    boot = web.get("nodes", "node-2")["status"]["nodeInfo"]["bootID"]
    web.reboot("node-2")
    now = web.get("nodes", "node-2")["status"]["nodeInfo"]["bootID"]
    assert now != boot
    assert events(web, "Rebooted") == [f"Node node-2 has been rebooted, boot id: {now}"]
    assert events(web, "Starting") == ["Starting kubelet."]
    assert events(web, "SandboxChanged")


def test_what_was_in_the_kernels_memory_is_gone_and_what_was_on_disk_is_there() -> None:
    web = cluster()
    node = web.node("node-2")
    for line in ("ip link add dummy9 type dummy", "ip route add 10.99.0.0/24 via 192.168.64.1", "ip netns add mine"):
        node.run(line)
    node.run("iptables -A INPUT -s 10.99.0.0/24 -j DROP")
    web.send("default/" + on(web, "node-2")[0]["metadata"]["name"], "node:node-1", 22)
    node.run("reboot")
    everything = "".join(node.run(c).stdout for c in ("ip link", "ip route", "iptables-save", "ip netns"))
    assert not any(word in everything for word in ("dummy9", "10.99.0.0", "mine"))
    assert web.world.table("node:node-2", "conntrack") == {}
    assert node.run("ls /etc/cni/net.d").stdout == "10-bridge.conflist\n"


def test_a_reboot_loses_no_address_and_leaks_none() -> None:
    web = cluster()
    for _ in range(3):
        web.reboot("node-2")
    leases = [str(p).rpartition("/")[2] for p in web.world.table("node:node-2", "file") if "/networks/bridge/1" in p]
    assert leases == [p["status"]["podIP"] for p in on(web, "node-2")]


def test_the_control_planes_machine_can_be_rebooted_but_not_left_off() -> None:
    web = cluster()
    web.reboot("node-1")
    assert whole(web)
    with pytest.raises(Refused, match="runs the control plane"):
        web.shutdown("node-1")


# -- loss ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kubernetes", "grace"), [("1.31", 40), ("1.37", 50)])
def test_a_node_that_is_off_is_not_ready_when_its_grace_period_is_over(kubernetes: str, grace: int) -> None:
    web = cluster(kubernetes=kubernetes)
    web.shutdown("node-2")
    web.advance(grace - 1)
    assert ready(web, "node-2")["status"] == "True"
    web.advance(1)
    lost = ready(web, "node-2")
    assert (lost["status"], lost["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert lost["message"] == "Kubelet stopped posting node status."
    taints = [(t["key"], t["effect"]) for t in web.get("nodes", "node-2")["spec"]["taints"]]
    assert taints == [("node.kubernetes.io/unreachable", effect) for effect in ("NoSchedule", "NoExecute")]
    assert events(web, "NodeNotReady") == [
        "Node node-2 status is now: NodeNotReady",
        "Node is not ready",
    ]


def test_its_pods_leave_their_services_at_once_and_are_replaced_five_minutes_later() -> None:
    web = cluster()
    web.shutdown("node-2")
    web.advance(50)
    (lost,) = on(web, "node-2")
    assert lost["metadata"]["name"] in str(web.get("endpointslices"))
    ends = {e["targetRef"]["name"]: e["conditions"]["ready"] for s in web.get("endpointslices") for e in s["endpoints"]
            if "targetRef" in e}  # fmt: skip
    assert ends[lost["metadata"]["name"]] is False
    web.advance(299)
    assert len(web.get("pods")) == 3
    web.advance(1)
    assert len(web.get("pods")) == 4
    assert events(web, "TaintManagerEviction") == [f"Marking for deletion Pod default/{lost['metadata']['name']}"]
    assert whole(web)


def test_an_evicted_pod_is_terminating_until_its_node_comes_back() -> None:
    web = cluster()
    (lost,) = on(web, "node-2")
    web.shutdown("node-2")
    web.advance(5000)
    assert [p["metadata"]["name"] for p in on(web, "node-2")] == [lost["metadata"]["name"]]
    assert "Terminating" in web.kubectl("get pods")
    web.boot("node-2")
    assert on(web, "node-2") == []
    assert ready(web, "node-2")["status"] == "True"
    assert "taints" not in web.get("nodes", "node-2")["spec"]


def test_a_node_that_comes_back_in_time_keeps_its_pods() -> None:
    web = cluster()
    before = {p["metadata"]["uid"] for p in web.get("pods")}
    web.shutdown("node-2")
    web.advance(200)
    web.boot("node-2")
    web.advance(SETTLED)
    assert {p["metadata"]["uid"] for p in web.get("pods")} == before
    assert whole(web)


def test_a_pod_that_tolerates_the_taint_for_ever_stays() -> None:
    stays = pod("stays", "node-2", more=", tolerations: [{operator: Exists}]")
    web = cluster(stays)
    web.shutdown("node-2")
    web.advance(5000)
    assert not web.get("pods", "stays")["metadata"].get("deletionTimestamp")


def test_nobody_can_work_on_a_machine_that_is_off() -> None:
    web = cluster()
    web.shutdown("node-2")
    with pytest.raises(Refused, match="node-2 is off"):
        web.node("node-2")
    with pytest.raises(Refused, match="node-2 is off"):
        web.reboot("node-2")
    assert web.trace("node:node-1", "node:node-2", 22).outcome != "connected"
    web.boot("node-2")
    with pytest.raises(Refused, match="on already"):
        web.boot("node-2")
    with pytest.raises(Refused, match="there is no node 'node-9'"):
        web.boot("node-9")


def test_a_node_that_cannot_reach_the_api_server_is_lost_although_it_runs() -> None:
    web = cluster()
    web.node("node-2").run("iptables -I OUTPUT -p tcp --dport 6443 -j DROP")
    web.advance(60)
    assert ready(web, "node-2")["status"] == "Unknown"
    web.node("node-2").run("iptables -D OUTPUT -p tcp --dport 6443 -j DROP")
    web.advance(10)
    assert ready(web, "node-2")["status"] == "True"
    assert whole(web)


# -- daemons -------------------------------------------------------------------------------------------------------


def test_a_kubelet_that_restarts_touches_no_pod() -> None:
    web = cluster()
    before = web.get("pods")
    web.node("node-2").run("systemctl restart kubelet")
    assert web.get("pods") == before
    assert events(web, "Starting") == ["Starting kubelet."]


def test_pods_run_on_while_their_kubelet_is_stopped_and_nobody_mends_them() -> None:
    web = cluster()
    web.node("node-2").run("systemctl stop kubelet")
    name = on(web, "node-2")[0]["metadata"]["name"]
    assert web.trace("node:node-1", f"default/{name}").outcome == "connected"
    web.node("node-2").run(f"crictl stop {web.node('node-2').run('crictl ps -q').stdout}")
    web.advance(60)
    assert web.get("pods", name)["status"]["containerStatuses"][0]["restartCount"] == 0
    assert ready(web, "node-2")["status"] == "Unknown"
    web.node("node-2").run("systemctl start kubelet")
    assert ready(web, "node-2")["status"] == "True"
    assert web.get("pods", name)["status"]["containerStatuses"][0]["restartCount"] == 1


def test_containers_outlive_their_runtime_but_new_ones_have_to_wait_for_it() -> None:
    web = cluster()
    node = web.node("node-2")
    node.run("systemctl stop containerd")
    assert ready(web, "node-2")["message"] == "container runtime is down"
    web.apply(pod("late", "node-2"))
    assert web.get("pods", "late")["status"]["phase"] == "Pending"
    name = on(web, "node-2")[-1]["metadata"]["name"]
    assert web.trace("node:node-1", f"default/{name}").outcome == "connected"
    node.run("systemctl start containerd")
    assert web.get("pods", "late")["status"]["phase"] == "Running"
    assert ready(web, "node-2")["status"] == "True"
    assert node.run("systemctl is-active kubelet").stdout == "active\n"
    assert node.run("systemctl stop nginx").exit_code == 5


# -- laws ----------------------------------------------------------------------------------------------------------

DEATHS = st.lists(
    st.sampled_from(
        [
            *("reboot node-1", "reboot node-2", "shutdown node-2", "shutdown node-3", "boot node-2", "boot node-3"),
            *("kubelet", "containerd", "pause", "containers", "30", "400", "undo"),
        ]
    ),
    max_size=7,
)


def die(of: Cluster, death: str) -> None:
    words = death.split()
    node = of.node("node-1")
    if words[0] in ("reboot", "shutdown", "boot"):
        getattr(of, words[0])(words[1])
    elif death.isdigit():
        of.advance(int(death))
    elif death == "undo":
        of.undo()
    elif death in ("pause", "containers"):
        listed, stop = ("pods", "stopp") if death == "pause" else ("ps", "stop")
        names = node.run(f"crictl {listed} -q").stdout.split()
        if names:
            node.run(f"crictl {stop} {' '.join(names)}")
    else:
        node.run(f"systemctl restart {death}")


def suffer(deaths: list[str]) -> Cluster:
    made = cluster()
    for death in deaths:
        try:
            die(made, death)
        except Refused:
            continue
    return made


@settings(max_examples=25, deadline=None)
@given(DEATHS)
def test_after_any_deaths_and_some_time_the_cluster_is_whole_again(deaths: list[str]) -> None:
    web = suffer([death for death in deaths if death != "undo"])
    for name in ("node-2", "node-3"):
        if web.world.get((f"node:{name}", "netns", "")) is None:
            web.boot(name)
    web.advance(SETTLED)
    assert whole(web)


@settings(max_examples=25, deadline=None)
@given(DEATHS)
def test_the_same_deaths_leave_the_same_world_and_undo_takes_each_back(deaths: list[str]) -> None:
    web, other = suffer(deaths), Cluster(nodes=3)
    other.engine.replay((entry.kind, entry.arguments) for entry in web.engine.inputs())
    assert same(web, other)
    while web.engine.inputs():
        web.undo()
    assert same(web, Cluster(nodes=3))
