"""A kubelet that cannot reach the API server goes on with what it knows; the control plane gives the node up."""

from __future__ import annotations

from typing import Any

from k8slearn import Cluster

from .given import DEPLOYMENT, SERVICE, events, pod

CUT = "iptables -{} OUTPUT -p tcp --dport 6443 -j DROP"


def cluster(*more: str) -> Cluster:
    made = Cluster(nodes=3)
    made.apply("\n---\n".join([DEPLOYMENT, SERVICE, *more]))
    return made


def cut(of: Cluster) -> None:
    of.node("node-2").run(CUT.format("I"))
    of.advance(10)


def mend(of: Cluster) -> None:
    of.node("node-2").run(CUT.format("D"))
    of.advance(10)


def on(of: Cluster, node: str = "node-2") -> list[dict[str, Any]]:
    return [p for p in of.get("pods") if p["spec"]["nodeName"] == node]


def run(of: Cluster, command: str) -> str:
    return of.node("node-2").run(command).stdout


def test_it_starts_a_dead_container_again_and_tells_the_api_when_it_can() -> None:
    web = cluster()
    cut(web)
    run(web, f"crictl stop {run(web, 'crictl ps -q')}")
    assert len(run(web, "crictl ps -q").split()) == 1
    assert on(web)[0]["status"]["containerStatuses"][0]["restartCount"] == 0
    assert "Unable to write event" in run(web, "journalctl -u kubelet")
    mend(web)
    assert on(web)[0]["status"]["containerStatuses"][0]["restartCount"] == 1


def test_it_makes_a_dead_sandbox_anew_with_another_address_that_the_api_does_not_know() -> None:
    web = cluster()
    cut(web)
    known = on(web)[0]["status"]["podIP"]
    run(web, f"crictl stopp {run(web, 'crictl pods -q')}")
    assert on(web)[0]["status"]["podIP"] == known
    mend(web)
    assert on(web)[0]["status"]["podIP"] != known


def test_it_asks_its_probes_and_kills_what_fails_them() -> None:
    probed = pod("probed", "node-2", more=", restartPolicy: Never").replace(
        "image: nginx", "image: nginx, livenessProbe: {tcpSocket: {port: 81}, periodSeconds: 5}"
    )
    web = Cluster(nodes=2)
    cut(web)
    web.advance(5)
    mend(web)
    web.apply(probed)
    cut(web)
    web.advance(20)
    assert run(web, "crictl ps -q") == ""
    assert web.get("pods", "probed")["status"]["phase"] == "Running"
    mend(web)
    assert web.get("pods", "probed")["status"]["phase"] in ("Succeeded", "Failed")


def test_it_hears_of_no_new_pod_and_of_no_deletion() -> None:
    web = cluster()
    cut(web)
    old = on(web)[0]["metadata"]["name"]
    web.apply(pod("late", "node-2"))
    web.kubectl("scale deployment web --replicas=0")
    web.advance(60)
    assert web.get("pods", "late")["status"]["phase"] == "Pending"
    assert len(run(web, "crictl ps -q").split()) == 1
    assert web.get("pods", old)["metadata"]["deletionTimestamp"]
    mend(web)
    assert [p["metadata"]["name"] for p in on(web)] == ["late"]
    assert len(run(web, "crictl pods -q").split()) == 1


def test_two_pods_of_one_name_run_while_nobody_can_tell_the_cut_off_node() -> None:
    """Why a StatefulSet waits for its lost pod: force it away, and there are two."""
    web = Cluster(nodes=3)
    web.apply(pod("db", "node-2"))
    cut(web)
    web.kubectl("delete pod db --force --grace-period=0")
    web.apply(pod("db", "node-3"))
    assert len(run(web, "crictl pods -q").split()) == 1
    assert web.get("pods", "db")["status"]["podIP"].startswith("10.244.2.")
    mend(web)
    assert run(web, "crictl pods -q") == ""
    assert web.get("pods", "db")["status"]["phase"] == "Running"


def test_the_control_plane_gives_the_node_up_in_two_steps_and_takes_it_back() -> None:
    web = cluster()
    old = on(web)[0]["metadata"]["name"]
    cut(web)
    web.advance(40)
    assert [t["effect"] for t in web.get("nodes", "node-2")["spec"]["taints"]] == ["NoSchedule", "NoExecute"]
    assert web.get("pods", old)["status"]["phase"] == "Running"
    web.advance(299)
    assert len(web.get("pods")) == 3
    web.advance(1)
    assert events(web, "TaintManagerEviction") == [f"Marking for deletion Pod default/{old}"]
    assert len(run(web, "crictl ps -q").split()) == 1, "its kubelet has not heard of it"
    assert len(web.get("pods")) == 4
    mend(web)
    assert len(web.get("pods")) == 3
    assert (on(web), run(web, "crictl pods -q")) == ([], "")
    assert "taints" not in web.get("nodes", "node-2")["spec"]
    assert all(law.holds for law in web.laws())


def test_one_that_is_restarted_meanwhile_remembers_no_pod_and_stops_none() -> None:
    web = cluster()
    cut(web)
    run(web, "systemctl restart kubelet")
    assert len(run(web, "crictl ps -q").split()) == 1
    run(web, f"crictl stop {run(web, 'crictl ps -q')}")
    web.advance(20)
    assert run(web, "crictl ps -q") == "", "nobody looks after it"
    mend(web)
    assert on(web)[0]["status"]["containerStatuses"][0]["restartCount"] == 1


def test_what_was_forced_away_while_a_machine_was_off_is_cleared_when_it_boots() -> None:
    web = Cluster(nodes=2)
    web.apply(pod("db", "node-2"))
    web.shutdown("node-2")
    web.kubectl("delete pod db --force --grace-period=0")
    web.boot("node-2")
    assert run(web, "crictl pods -q") == ""
    assert [p for p in web.world.table("node:node-2", "file") if "/networks/bridge/10" in str(p)] == []


def test_undo_takes_a_cut_back_with_all_that_it_did() -> None:
    web = cluster()
    before = dict(web.world.tables())
    cut(web)
    run(web, f"crictl stop {run(web, 'crictl ps -q')}")
    for _ in range(3):
        web.undo()
    assert web.world.tables() == before
