"""Grace: what happens between ``kubectl delete pod`` and the moment at which the pod is gone."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused

Obj = dict[str, Any]
SLEEPER: Obj = {"image": "busybox", "command": ["sleep", "infinity"]}


def cluster(container: Obj, **spec: Any) -> Cluster:
    made, container = Cluster(nodes=2), {"name": "app", "ports": [{"containerPort": 80}], **container}
    metadata = {"name": "web", "labels": {"app": "web"}}
    pod = {"metadata": metadata, "spec": {"nodeName": "node-2", "containers": [container], **spec}}
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    made.apply([{"apiVersion": "v1", "kind": "Pod", **pod}, {"apiVersion": "v1", "kind": "Service", **service}])
    return made


def there(of: Cluster) -> bool:
    return bool(of.get("pods"))


def sleeps(seconds: int) -> Obj:
    return {"image": "nginx", "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", f"sleep {seconds}"]}}}}


TIMES: list[tuple[Obj, int, int]] = [
    ({"image": "nginx"}, 30, 0),
    (SLEEPER, 30, 30),
    (SLEEPER, 5, 5),
    (sleeps(10), 30, 10),
    ({"image": "nginx", "lifecycle": {"preStop": {"sleep": {"seconds": 7}}}}, 30, 7),
    (sleeps(60), 30, 30),
    ({**SLEEPER, "lifecycle": sleeps(60)["lifecycle"]}, 30, 32),
    ({**SLEEPER, "lifecycle": sleeps(10)["lifecycle"]}, 30, 30),
]


@pytest.mark.parametrize(("container", "grace", "gone"), TIMES)
def test_a_pod_is_gone_when_its_last_container_has_ended(container: Obj, grace: int, gone: int) -> None:
    web = cluster(container, terminationGracePeriodSeconds=grace)
    web.delete("pod", "web")
    if gone:
        web.advance(gone - 1)
        assert there(web)
        assert "Terminating" in web.kubectl("get pods")
        web.advance(1)
    assert not there(web)
    assert web.world.table("node:node-2", "sandbox") == {}
    assert web.world.table("node:node-2", "retry") == {}


def test_a_terminating_pod_still_serves_but_is_no_ready_endpoint() -> None:
    web = cluster(sleeps(10))
    web.delete("pod", "web")
    (conditions,) = (e["conditions"] for s in web.get("endpointslices") for e in s["endpoints"] if "targetRef" in e)
    assert conditions == {"ready": False, "serving": True, "terminating": True}
    assert web.trace("node:node-1", "svc:default/web").outcome == "connected", "nobody else is there to serve"
    web.advance(10)
    assert web.trace("node:node-1", "svc:default/web").outcome == "refused"


def test_deleting_by_force_waits_for_nobody() -> None:
    web = cluster(SLEEPER)
    web.kubectl("delete pod web --grace-period=0 --force")
    assert not there(web)
    assert web.world.table("node:node-2", "container") == {}


def test_a_shorter_grace_period_may_be_asked_for() -> None:
    web = cluster(SLEEPER)
    web.kubectl("delete pod web --grace-period=3")
    web.advance(3)
    assert not there(web)


def test_the_killing_of_a_container_is_told_once() -> None:
    web = cluster(SLEEPER)
    web.delete("pod", "web")
    web.advance(29)
    assert [(e["message"], e["count"]) for e in web.get("events") if e["reason"] == "Killing"] == [
        ("Stopping container app", 1)
    ]


def test_a_container_that_dies_while_it_is_being_stopped_is_started_again_once() -> None:
    probe = {"tcpSocket": {"port": 81}, "periodSeconds": 5, "failureThreshold": 1, "initialDelaySeconds": 5}
    web = cluster({**SLEEPER, "livenessProbe": probe})
    web.advance(10)
    web.node("node-2").run(f"crictl stop {web.node('node-2').run('crictl ps -q').stdout}")
    assert web.get("pods", "web")["status"]["containerStatuses"][0]["restartCount"] == 1
    web.advance(200)


def test_a_pod_with_a_deadline_fails_when_it_is_over() -> None:
    web = cluster({"image": "nginx"}, activeDeadlineSeconds=60)
    web.advance(59)
    assert web.get("pods", "web")["status"]["phase"] == "Running"
    web.advance(1)
    status = web.get("pods", "web")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    assert "running" not in status["containerStatuses"][0]["state"]
    web.advance(600)


def test_ephemeral_containers_are_refused_in_the_api_servers_words() -> None:
    with pytest.raises(Refused, match=r"spec\.ephemeralContainers: Forbidden: cannot be set on create"):
        cluster({"image": "nginx"}, ephemeralContainers=[{"name": "debug", "image": "busybox"}])


def test_undo_gives_a_terminating_pod_its_life_back() -> None:
    web, other = cluster(SLEEPER), cluster(SLEEPER)
    web.delete("pod", "web")
    web.advance(10)
    web.undo()
    web.undo()
    assert web.world.tables() == other.world.tables()
    assert web.journal.entries == other.journal.entries


def test_a_container_that_its_liveness_probe_condemned_gets_its_grace_too() -> None:
    probe = {"tcpSocket": {"port": 81}, "periodSeconds": 5, "failureThreshold": 1}
    web = cluster({**SLEEPER, "livenessProbe": probe}, terminationGracePeriodSeconds=12)
    web.advance(16)
    assert web.get("pods", "web")["status"]["containerStatuses"][0]["restartCount"] == 0
    web.advance(1)
    status = web.get("pods", "web")["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 137)
