"""Probes: the kubelet asks its pods over the network, and what it hears decides about traffic and restarts."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.journal import Change, Put
from k8slearn.linux.listen import page

Obj = dict[str, Any]
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
CUT = "iptables -I OUTPUT -p tcp --dport 80 -j DROP"
MEND = "iptables -D OUTPUT -p tcp --dport 80 -j DROP"


def pod(name: str = "web", image: str = "nginx", **more: Any) -> Obj:
    spec = {key: more.pop(key) for key in ("restartPolicy", "hostNetwork", "initContainers") if key in more}
    container = {"name": "app", "image": image, "ports": [{"containerPort": 80, "name": "http"}], **more}
    metadata = {"name": name, "labels": {"app": "web"}}
    spec = {"nodeName": "node-2", "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def cluster(*objects: Obj) -> Cluster:
    made = Cluster(nodes=2)
    made.apply([*objects])
    return made


def status(of: Cluster, name: str = "web") -> Obj:
    found: Obj = of.get("pods", name)["status"]["containerStatuses"][0]
    return found


def said(of: Cluster, reason: str) -> list[tuple[str, int]]:
    return [(e["message"], e["count"]) for e in of.get("events") if e["reason"] == reason]


def endpoint(of: Cluster) -> Obj:
    slices = of.get("endpointslices")
    return {c: v for s in slices for e in s["endpoints"] for c, v in e["conditions"].items()}


def http(port: int | str = 80, **more: Any) -> Obj:
    return {"httpGet": {"path": "/", "port": port}, **more}


def test_a_pod_whose_readiness_probe_is_answered_is_ready_at_once() -> None:
    ready = cluster(pod(readinessProbe=http("http")), SERVICE)
    assert status(ready)["ready"]
    assert endpoint(ready)["ready"]


def test_a_pod_is_not_ready_before_the_initial_delay_is_over() -> None:
    late = cluster(pod(readinessProbe=http(initialDelaySeconds=15, periodSeconds=5)), SERVICE)
    late.advance(14)
    assert not status(late)["ready"]
    assert endpoint(late) == {"ready": False, "serving": False, "terminating": False}
    late.advance(1)
    assert status(late)["ready"]


def test_a_delay_that_is_no_multiple_of_the_period_ends_with_the_next_tick() -> None:
    late = cluster(pod(readinessProbe=http(initialDelaySeconds=12)))
    late.advance(19)
    assert not status(late)["ready"]
    late.advance(1)
    assert status(late)["ready"]


def test_a_refused_probe_is_told_in_gos_words() -> None:
    wrong = cluster(pod(readinessProbe=http(81)))
    address = wrong.get("pods", "web")["status"]["podIP"]
    words = f'Readiness probe failed: Get "http://{address}:81/": dial tcp {address}:81: connect: connection refused'
    assert said(wrong, "Unhealthy") == [(words, 1)]
    wrong.advance(30)
    assert said(wrong, "Unhealthy") == [(words, 4)]
    assert not status(wrong)["ready"]


def test_a_rule_on_the_node_that_drops_the_probe_takes_the_pod_out_of_its_service_and_back() -> None:
    web = cluster(pod(readinessProbe=http(periodSeconds=5)), SERVICE)
    web.advance(300)
    web.node("node-2").run(CUT)
    web.advance(14)
    assert status(web)["ready"], "two failures are not three"
    web.advance(1)
    assert not status(web)["ready"]
    assert not endpoint(web)["ready"]
    assert "context deadline exceeded (Client.Timeout exceeded while awaiting headers)" in said(web, "Unhealthy")[0][0]
    assert web.trace("default/web", "svc:default/web").outcome == "refused"
    web.node("node-2").run(MEND)
    web.advance(5)
    assert status(web)["ready"]


def test_a_rule_on_another_node_is_none_of_its_business() -> None:
    web = cluster(pod(readinessProbe=http(periodSeconds=5)))
    web.node("node-1").run(CUT)
    web.advance(60)
    assert status(web)["ready"]


def test_success_threshold_counts_answers_in_a_row() -> None:
    web = cluster(pod(readinessProbe=http(periodSeconds=5, successThreshold=3)))
    web.advance(9)
    assert not status(web)["ready"]
    web.advance(1)
    assert status(web)["ready"]


def test_a_dead_liveness_kills_the_container_and_not_the_pod() -> None:
    web = cluster(pod(livenessProbe={"tcpSocket": {"port": 81}, "periodSeconds": 5}))
    before = web.get("pods", "web")["status"]["podIP"]
    web.advance(14)
    assert status(web)["restartCount"] == 0
    web.advance(1)
    assert status(web)["restartCount"] == 1
    assert web.get("pods", "web")["status"]["podIP"] == before
    assert said(web, "Killing") == [("Container app failed liveness probe, will be restarted", 1)]
    assert said(web, "Unhealthy") == [(f"Liveness probe failed: dial tcp {before}:81: connect: connection refused", 3)]


def test_a_container_that_keeps_failing_its_liveness_probe_is_started_after_longer_and_longer_pauses() -> None:
    web = cluster(pod(livenessProbe={"tcpSocket": {"port": 81}, "periodSeconds": 5, "failureThreshold": 1}))
    web.advance(600)
    started = [c.value.started for c in changes(web) if c.key[1] == "container" and c.value.state == "RUNNING"]
    pauses = [round(later - sooner) for sooner, later in pairwise(started)]
    assert pauses[:4] == [5, 15, 25, 45]
    assert status(web)["state"]["waiting"]["reason"] == "CrashLoopBackOff"


def changes(of: Cluster) -> list[Change]:
    return [entry for entry in of.journal if isinstance(entry, Change) and entry.value is not None]


def test_a_pod_that_never_restarts_fails_with_its_liveness_probe() -> None:
    probe = {"tcpSocket": {"port": 81}, "periodSeconds": 5, "failureThreshold": 1}
    web = cluster(pod(image="tomcat", livenessProbe=probe, restartPolicy="Never"))
    web.advance(5)
    assert web.get("pods", "web")["status"]["phase"] == "Failed"
    assert said(web, "Killing")[0][0] == "Container app failed liveness probe"


def test_until_the_startup_probe_has_passed_the_others_wait() -> None:
    web = cluster(
        pod(
            startupProbe=http(initialDelaySeconds=20),
            livenessProbe={"tcpSocket": {"port": 81}, "periodSeconds": 5, "failureThreshold": 1},
            readinessProbe=http(),
        )
    )
    assert (status(web)["started"], status(web)["ready"]) == (False, False)
    web.advance(19)
    assert said(web, "Unhealthy") == []
    web.advance(1)
    assert (status(web)["started"], status(web)["ready"]) == (True, True)
    web.advance(5)
    assert status(web)["restartCount"] == 1
    assert (status(web)["started"], status(web)["ready"]) == (False, False)


def test_a_startup_probe_that_fails_too_often_kills_the_container() -> None:
    web = cluster(pod(startupProbe=http(81, periodSeconds=2, failureThreshold=5)))
    web.advance(10)
    assert status(web)["restartCount"] == 1
    assert said(web, "Killing")[0][0] == "Container app failed startup probe, will be restarted"


EXEC: list[tuple[list[str], bool, str]] = [
    (["true"], True, ""),
    (["false"], False, "Readiness probe failed: "),
    (["sh", "-c", "exit 3"], False, "Readiness probe failed: "),
    (
        ["cat", "/tmp/healthy"],
        False,
        "Readiness probe failed: cat: can't open '/tmp/healthy': No such file or directory",
    ),
    (["nc", "-z", "localhost", "80"], True, ""),
    (["curl", "-sf", "http://localhost:80/"], True, ""),
    (["wget", "-qO-", "http://127.0.0.1:81/"], False, "can't connect to remote host"),
    (["sh", "-c", "sleep 5"], False, "timed out after 1s"),
    (["sh", "-c", "true && healthcheck"], False, "sh: healthcheck: not found"),
    (["pg_isready", "-U", "postgres"], False, "127.0.0.1:5432 - no response"),
]


@pytest.mark.parametrize(("command", "passes", "says"), EXEC)
def test_an_exec_probe_goes_by_the_commands_exit_code(command: list[str], passes: bool, says: str) -> None:
    web = cluster(pod(readinessProbe={"exec": {"command": command}}))
    assert status(web)["ready"] is passes
    assert passes or says in said(web, "Unhealthy")[0][0]


def test_a_command_that_is_not_known_here_says_so_and_passes() -> None:
    web = cluster(pod(image="example.com/shop", readinessProbe={"exec": {"command": ["/app/healthcheck", "--deep"]}}))
    assert status(web)["ready"]
    assert "/app/healthcheck --deep: this command is not modelled" in said(web, "ProbeWarning")[0][0]


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("healthcheck", "executable file not found in $PATH"),
        ("/app/check", "stat /app/check: no such file or directory"),
    ],
)
def test_a_program_that_no_image_like_this_has_is_an_error_of_the_probe_and_kills_nobody(
    program: str, why: str
) -> None:
    web = cluster(pod(livenessProbe={"exec": {"command": [program]}, "failureThreshold": 1}))
    web.advance(60)
    told = said(web, "Unhealthy")[0][0]
    assert told.startswith("Liveness probe errored and resulted in unknown state: rpc error: code = Unknown")
    assert told.endswith(f'unable to start container process: exec: "{program}": {why}: unknown')
    assert status(web)["restartCount"] == 0


@pytest.mark.parametrize("command", [["ps", "aux"], ["/bin/ps"], ["sh", "-c", "pgrep nginx"]])
def test_a_usual_program_of_which_nothing_is_known_here_is_taken_to_succeed(command: list[str]) -> None:
    web = cluster(pod(readinessProbe={"exec": {"command": command}}))
    assert status(web)["ready"]
    assert "not modelled here" in said(web, "ProbeWarning")[0][0]


@pytest.mark.parametrize(
    ("code", "passes"), [(100, False), (200, True), (204, True), (301, True), (399, True), (400, False), (503, False)]
)
def test_a_web_page_is_well_from_200_to_399(code: int, passes: bool) -> None:
    web = cluster(pod(readinessProbe=http()))
    (key,) = [
        (scope, "socket", name)
        for scope in web.engine.world.scopes("socket")
        for name, row in web.engine.world.table(scope, "socket").items()
        if row.answers_as == "default/web"
    ]
    web.engine.journal.commit(Put(key, replace(web.engine.world.get(key), page=page(f"{code} As Told", ""))), "test")
    web.advance(40)
    assert status(web)["ready"] is passes
    assert bool(said(web, "ProbeWarning")) == (300 <= code < 400)


def test_a_port_that_the_container_does_not_name_is_an_error_of_the_probe() -> None:
    web = cluster(pod(readinessProbe=http("metrics")))
    assert said(web, "Unhealthy")[0][0].startswith("Readiness probe errored")
    assert not status(web)["ready"]


def test_a_grpc_probe_knocks_at_its_port() -> None:
    fine, wrong = (cluster(pod(readinessProbe={"grpc": {"port": port}})) for port in (80, 81))
    assert status(fine)["ready"]
    assert 'timeout: failed to connect service "' in said(wrong, "Unhealthy")[0][0]


def test_a_pod_on_the_hosts_network_is_probed_at_its_nodes_address() -> None:
    web = cluster(pod(readinessProbe=http(81), hostNetwork=True))
    assert 'Get "http://192.168.64.12:81/"' in said(web, "Unhealthy")[0][0]


def test_a_dead_link_in_the_pod_is_noticed_at_the_next_tick() -> None:
    web = cluster(pod(readinessProbe=http(failureThreshold=1)))
    web.advance(25)
    web.pod("web").run("ip link set eth0 down")
    web.advance(5)
    assert not status(web)["ready"]


def test_probes_that_pass_leave_no_trace_in_the_journal() -> None:
    quiet = cluster(*(pod(f"web-{n}", readinessProbe=http(), livenessProbe=http()) for n in range(20)))
    quiet.advance(60)
    before = len(quiet.journal)
    quiet.advance(3000)
    assert len(quiet.journal) == before + 2


def test_describe_shows_probes_as_kubectl_does() -> None:
    web = cluster(pod(readinessProbe=http("http", initialDelaySeconds=5)))
    page = web.kubectl("describe pod web")
    assert "Readiness:      http-get http://:http/ delay=5s timeout=1s period=10s #success=1 #failure=3" in page


MOVES = st.lists(st.sampled_from([3, 7, 10, 41, CUT, MEND, "undo", "kill"]), max_size=8)


def play(moves: list[int | str]) -> Cluster:
    made = cluster(pod(readinessProbe=http(periodSeconds=3), livenessProbe=http(failureThreshold=2)), SERVICE)
    for move in moves:
        if isinstance(move, int):
            made.advance(move)
        elif move == "undo":
            if len(made.engine.inputs()) > 1:
                made.undo()
        elif move == "kill":
            names = made.node("node-2").run("crictl ps -q").stdout.split()
            made.node("node-2").run(f"crictl stop {' '.join(names)}") if names else None
        else:
            made.node("node-2").run(str(move))
    return made


@settings(max_examples=25, deadline=None)
@given(MOVES)
def test_what_was_undone_or_remembered_makes_no_difference_to_what_happens(moves: list[int | str]) -> None:
    one, other = play(moves), Cluster(nodes=2)
    other.engine.replay((entry.kind, entry.arguments) for entry in one.engine.inputs())
    assert [*one.journal] == [*other.journal]
    assert json.dumps(one.get("pods", "web")) == json.dumps(other.get("pods", "web"))
