"""A pod's life on its node: sandbox, containers, restarts, a dead pause container, deletion; and what the API hears."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from k8slearn import api
from k8slearn.cni import cri, runtime
from k8slearn.components import Settings
from k8slearn.components.kubelet import FirstProbes, Kubelet, RuntimeStatus
from k8slearn.components.node_ipam import NodeIpam
from k8slearn.components.node_routes import NodeRoutes
from k8slearn.engine import Engine, Verb
from k8slearn.journal import Change, Command, Put, Remove, World
from k8slearn.linux import iptables, link, netns

NODE = "node:node-1"
Obj = dict[str, Any]


def _create(world: World, arguments: Mapping[str, Any]) -> Iterator[Command]:
    spec = {"nodeName": "node-1", **arguments["spec"]}
    spec["containers"] = spec.get("containers") or [{"name": "app", "image": "nginx:1.25"}]
    metadata = {"name": arguments["name"], "annotations": arguments["annotations"]}
    yield from api.create(world, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def _die(world: World, arguments: Mapping[str, Any]) -> Iterator[Command]:
    for container in cri.containers(world, NODE, "default/web")[-1:]:
        yield Put(cri.container_key(NODE, container), replace(container, state=cri.EXITED, exit_code=1))


def _pause_dies(world: World, arguments: Mapping[str, Any]) -> Iterator[Command]:
    for sandbox in cri.sandboxes(world, NODE, "default/web"):
        yield Put(cri.sandbox_key(NODE, sandbox), replace(sandbox, state=cri.NOTREADY))


def _file(world: World, arguments: Mapping[str, Any]) -> Iterator[Command]:
    key = (NODE, "file", arguments["path"])
    yield Put(key, arguments["text"]) if arguments["text"] else Remove(key)


VERBS = {
    name: Verb(run, lambda _: "test")
    for name, run in {
        "create": _create,
        "delete": lambda w, a: api.delete(w, "pods", a["name"]),
        "die": _die,
        "pause dies": _pause_dies,
        "file": _file,
        "netns del": lambda w, a: netns.delete(w, NODE, a["name"]),
    }.items()
}


class Node:
    """One node with its kubelet, and the parts of a control plane that it needs."""

    def __init__(self, network: str | None = "bridge", kubernetes: str = "1.37") -> None:
        nodes = (("node-1", "192.168.64.11"), ("node-2", "192.168.64.12"))
        cidrs = ("192.168.64.0/24", "10.244.0.0/16", "10.96.0.0/12")
        settings = Settings(nodes, network, *cidrs, "none", kubernetes, 0)
        wiring = [NodeRoutes()] if network == "bridge" else []
        self.engine = Engine(settings, VERBS, [NodeIpam(), *wiring, Kubelet(), FirstProbes(), RuntimeStatus()])

    @property
    def world(self) -> World:
        return self.engine.world

    def create(self, name: str = "web", annotations: Obj | None = None, **spec: Any) -> None:
        self.engine.do("create", {"name": name, "spec": spec, "annotations": annotations or {}})

    def pod(self, name: str = "web") -> Obj:
        found: Obj = self.world.get(("api", "pods", f"default/{name}"))
        return found

    def status(self, name: str = "web") -> Obj:
        found: Obj = self.pod(name)["status"]
        return found

    def container(self, index: int = 0) -> Obj:
        found: Obj = self.status()["containerStatuses"][index]
        return found

    def sandbox(self, name: str = "web") -> cri.Sandbox:
        return cri.sandboxes(self.world, NODE, f"default/{name}")[-1]

    def events(self, name: str = "web") -> dict[str, tuple[str, int]]:
        rows = self.world.table("api", "events").values()
        mine = (e for e in rows if e["involvedObject"]["name"] == name)
        return {e["reason"]: (e["message"], e["count"]) for e in mine}

    def condition(self, kind: str, name: str = "web") -> Obj:
        found: Obj = next(c for c in self.status(name)["conditions"] if c["type"] == kind)
        return found

    def ready(self) -> Obj:
        conditions = self.world.get(("api", "nodes", "node-1"))["status"]["conditions"]
        found: Obj = next(c for c in conditions if c["type"] == "Ready")
        return found


def containers(*images: str, **more: Any) -> list[Obj]:
    return [{"name": f"c{n}", "image": image, **more} for n, image in enumerate(images)]


def test_containerd_makes_the_namespace_then_calls_cni_then_starts_pause() -> None:
    node = Node()
    node.create()
    inner = node.sandbox().netns
    order = {
        entry.key[:2]: n
        for n, entry in reversed([*enumerate(node.engine.journal.entries)])
        if isinstance(entry, Change)
    }
    steps = [order[inner, "netns"], order[inner, "addr"], order[NODE, "sandbox"], order[NODE, "container"]]
    assert steps == sorted(steps)
    assert inner.startswith(f"{NODE}/cni-")


def test_dockershim_starts_pause_first_and_then_gives_it_a_network() -> None:
    node = Node("kubenet", "1.23")
    node.create()
    order = {
        entry.key[:2]: n
        for n, entry in reversed([*enumerate(node.engine.journal.entries)])
        if isinstance(entry, Change)
    }
    assert order[NODE, "sandbox"] < order[node.sandbox().netns, "addr"] < order[NODE, "container"]
    assert node.container()["containerID"].startswith("docker://")


def test_a_running_pod_has_an_address_and_says_so_in_the_apis_form() -> None:
    node = Node()
    node.create()
    status = node.status()
    assert (status["phase"], status["podIP"], status["hostIP"]) == ("Running", "10.244.0.2", "192.168.64.11")
    assert status["podIPs"] == [{"ip": "10.244.0.2"}]
    assert {c["type"]: c["status"] for c in status["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )
    assert node.container()["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert set(node.events()) == {"Pulled", "Created", "Started"}
    socket = node.world.get((node.sandbox().netns, "socket", ("tcp", "0.0.0.0", 80)))
    assert (socket.answers_as, socket.hostname) == ("default/web", "web")


def test_a_container_that_dies_is_restarted_in_the_same_namespace() -> None:
    node = Node()
    node.create()
    before = node.sandbox()
    node.engine.do("die", {})
    assert node.sandbox() == before
    assert node.status()["podIP"] == "10.244.0.2"
    assert node.container()["restartCount"] == 1
    assert node.container()["lastState"]["terminated"]["exitCode"] == 1
    assert node.world.table(before.netns, "socket")
    assert node.events()["Started"] == ("Container started", 2)


def test_a_container_that_keeps_dying_waits_ten_seconds_then_twice_as_long() -> None:
    node = Node()
    node.create()
    waits = []
    for _ in range(8):
        node.engine.do("die", {})
        waiting = node.container()["state"].get("waiting")
        waits.append(waiting["message"].split()[1] if waiting else "")
        if waiting:
            assert waiting["reason"] == "CrashLoopBackOff"
            _advance_until_running(node)
    assert waits == ["", "10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"]


def _advance_until_running(node: Node) -> None:
    while "running" not in node.container()["state"]:
        node.engine.do("advance", {"seconds": 10})


def test_ten_minutes_of_life_clear_the_back_off() -> None:
    node = Node()
    node.create()
    for _ in range(2):
        node.engine.do("die", {})
    node.engine.do("advance", {"seconds": 700})
    node.engine.do("die", {})
    assert "running" in node.container()["state"]


def test_a_dead_pause_container_costs_the_pod_its_address_and_restarts_every_container() -> None:
    node = Node()
    node.create(containers=containers("nginx", "redis"))
    before = node.sandbox()
    node.engine.do("pause dies", {})
    after = node.sandbox()
    assert (after.attempt, after.ip) == (1, "10.244.0.3")
    assert node.status()["podIP"] == "10.244.0.3"
    assert not netns.exists(node.world, before.netns)
    assert [c["restartCount"] for c in node.status()["containerStatuses"]] == [1, 1]
    assert node.events()["SandboxChanged"] == ("Pod sandbox changed, it will be killed and re-created.", 1)
    assert "Killing" in node.events()


def test_a_namespace_deleted_by_hand_is_noticed_and_replaced() -> None:
    node = Node()
    node.create()
    node.engine.do("netns del", {"name": node.sandbox().netns.partition("/")[2]})
    assert node.status()["podIP"] == "10.244.0.3"
    assert node.status()["phase"] == "Running"


def test_deleting_a_pod_takes_pause_namespace_veth_and_address_away() -> None:
    node = Node()
    node.create("first")
    before = _rows(node)
    node.create()
    inner = node.sandbox().netns
    node.engine.do("delete", {"name": "web"})
    assert node.pod() is None
    assert [key for key in node.world.tables() if key[0] == inner] == []
    after = _rows(node)
    assert after.pop("/var/lib/cni/networks/bridge/last_reserved_ip.0") == "10.244.0.3"
    assert before.pop("/var/lib/cni/networks/bridge/last_reserved_ip.0") == "10.244.0.2"
    assert after == before
    assert node.events()["Killing"] == ("Stopping container app", 1)


def _rows(node: Node) -> dict[Any, Any]:
    """All rows of the machine but its record of the last call."""
    tables = {place: rows for place, rows in node.world.tables().items() if place[0] == NODE and place[1] != "call"}
    return {name: value for rows in tables.values() for name, value in rows.items()}


def test_a_freed_address_is_not_given_to_the_next_pod() -> None:
    node = Node()
    node.create()
    node.engine.do("delete", {"name": "web"})
    node.create()
    assert node.status()["podIP"] == "10.244.0.3"


def test_two_containers_of_one_pod_cannot_hold_the_same_port() -> None:
    node = Node()
    node.create(containers=containers("nginx", "httpd"))
    first, second = node.status()["containerStatuses"]
    assert (first["ready"], second["ready"]) == (True, False)
    assert second["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert "Address already in use" in cri.containers(node.world, NODE, "default/web")[-1].log
    assert node.condition("Ready")["message"] == "containers with unready status: [c1]"
    node.engine.do("advance", {"seconds": 10})
    assert node.status()["containerStatuses"][1]["restartCount"] == 2


def test_without_a_network_plugin_the_node_is_not_ready_and_pods_wait() -> None:
    node = Node(network=None)
    node.create()
    said = (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        "message:Network plugin returns error: cni plugin not initialized"
    )
    assert (node.ready()["status"], node.ready()["reason"], node.ready()["message"]) == (
        "False",
        "KubeletNotReady",
        said,
    )
    assert node.container()["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert node.events()["NetworkNotReady"] == (f"network is not ready: {said}", 1)


def test_a_pod_of_the_hosts_network_starts_without_any_plugin() -> None:
    node = Node(network=None)
    node.create(hostNetwork=True)
    assert (node.status()["phase"], node.status()["podIP"]) == ("Running", "192.168.64.11")
    assert node.world.get((NODE, "socket", ("tcp", "0.0.0.0", 80))).hostname == "node-1"
    node.engine.do("delete", {"name": "web"})
    assert node.world.get((NODE, "socket", ("tcp", "0.0.0.0", 80))) is None


def test_pods_start_as_soon_as_a_network_configuration_is_there() -> None:
    node = Node(network=None)
    node.create()
    ipam = '{"type": "host-local", "subnet": "10.9.0.0/24"}'
    plugin = f'{{"type": "bridge", "isGateway": true, "ipam": {ipam}}}'
    text = f'{{"cniVersion": "1.0.0", "name": "mine", "plugins": [{plugin}]}}'
    node.engine.do("file", {"path": "/etc/cni/net.d/05-mine.conflist", "text": text})
    assert node.ready()["status"] == "True"
    assert node.status()["podIP"] == "10.9.0.2"


def test_a_plugin_that_fails_leaves_nothing_behind_and_is_tried_again() -> None:
    node = Node()
    path = "/etc/cni/net.d/10-bridge.conflist"
    good = node.world.get((NODE, "file", path))
    node.engine.do("file", {"path": path, "text": good.replace("portmap", "nosuch")})
    node.create()
    message, count = node.events()["FailedCreatePodSandBox"]
    assert message.endswith('plugin type="nosuch" failed (add): failed to find plugin "nosuch" in path [/opt/cni/bin]')
    assert (node.ready()["status"], node.status()["phase"], count) == ("True", "Pending", 1)
    assert cri.sandboxes(node.world, NODE, "default/web") == []
    assert {name for name in node.world.table(NODE, "link") if str(name).startswith("veth")} == set()
    node.engine.do("file", {"path": path, "text": good})
    node.engine.do("advance", {"seconds": 10})
    assert node.status()["phase"] == "Running"


def test_init_containers_run_to_their_end_before_the_others_start() -> None:
    node = Node()
    node.create(initContainers=[{"name": "setup", "image": "busybox", "command": ["sleep", "5"]}])
    (setup,) = node.status()["initContainerStatuses"]
    assert (setup["ready"], setup["state"]["terminated"]["reason"]) == (True, "Completed")
    assert node.status()["phase"] == "Running"


def test_a_failing_init_container_keeps_the_others_from_starting() -> None:
    node = Node()
    node.create(initContainers=[{"name": "setup", "image": "busybox", "command": ["sh", "-c", "echo no; exit 3"]}])
    (setup,) = node.status()["initContainerStatuses"]
    assert setup["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert node.container()["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert node.condition("Initialized")["message"] == "containers with incomplete status: [setup]"


@pytest.mark.parametrize(
    ("policy", "command", "phase"),
    [
        ("Never", "exit 0", "Succeeded"),
        ("Never", "exit 4", "Failed"),
        ("OnFailure", "exit 0", "Succeeded"),
        ("OnFailure", "exit 4", "Running"),
        ("Always", "exit 0", "Running"),
    ],
)
def test_the_restart_policy_decides_how_a_pod_ends(policy: str, command: str, phase: str) -> None:
    node = Node()
    node.create(containers=containers("busybox", command=["sh", "-c", command]), restartPolicy=policy)
    assert node.status()["phase"] == phase
    again = node.container()["restartCount"] > 0
    assert again == (phase == "Running")


def test_a_finished_pod_gives_its_address_back_and_keeps_its_records() -> None:
    node = Node()
    node.create(containers=containers("busybox", command=["echo", "done"]), restartPolicy="Never")
    assert node.world.get((NODE, "file", "/var/lib/cni/networks/bridge/10.244.0.2")) is None
    assert node.status()["podIP"] == "10.244.0.2"
    assert cri.containers(node.world, NODE, "default/web")


def test_kubenet_makes_a_promiscuous_cbr0_with_the_first_pod() -> None:
    node = Node("kubenet", "1.23")
    assert node.world.get(link.key(NODE, "cbr0")) is None
    node.create()
    bridge = link.find(node.world, NODE, "cbr0")
    port = next(row for row in node.world.table(NODE, "link").values() if row.master == "cbr0")
    assert (bridge.promisc, port.hairpin, bridge.mtu) == (True, False, 1500)
    assert node.world.get((NODE, "sysctl", "net.bridge.bridge-nf-call-iptables")) == "1"
    said = (
        '-A POSTROUTING ! -d 10.0.0.0/8 -m comment --comment "kubenet: SNAT for outbound traffic from cluster" '
        "-m addrtype ! --dst-type LOCAL -j MASQUERADE"
    )
    assert said in iptables.save(node.world, NODE).splitlines()
    assert runtime.network(node.world, NODE) is None


def test_a_host_port_is_mapped_by_portmap_and_unmapped_with_the_pod() -> None:
    node = Node()
    node.create(containers=containers("nginx", ports=[{"containerPort": 80, "hostPort": 8080}]))
    assert "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.244.0.2:80" in iptables.save(node.world, NODE)
    node.engine.do("delete", {"name": "web"})
    assert "8080" not in iptables.save(node.world, NODE)


def test_a_pod_may_ask_for_its_address_by_annotation() -> None:
    node = Node()
    node.create(annotations={"k8slearn.io/pod-ips": '["10.244.0.77"]'})
    assert node.status()["podIP"] == "10.244.0.77"


def test_a_node_says_where_it_is_and_which_version_it_runs() -> None:
    node = Node("kubenet", "1.23")
    status = node.world.get(("api", "nodes", "node-1"))["status"]
    assert status["addresses"][0] == {"type": "InternalIP", "address": "192.168.64.11"}
    assert status["nodeInfo"]["kubeletVersion"] == "v1.23.17"
    assert status["nodeInfo"]["containerRuntimeVersion"].startswith("docker://")


def test_what_is_written_for_a_pod_names_the_pod_as_its_cause() -> None:
    node = Node()
    node.create()
    origin = node.engine.journal.origin((node.sandbox().netns, "route", ("main", "0.0.0.0/0", 0)))
    assert origin is not None
    assert (origin.author, origin.cause) == ("kubelet", ("api", "pods", "default/web"))
