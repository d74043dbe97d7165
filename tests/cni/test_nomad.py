"""Another orchestrator with the same plugins: a Nomad client's allocations, beside pods or without any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.cni import nomad, runtime
from k8slearn.cni.nomad import Alloc, Port
from k8slearn.journal import Put, World

from .runner import NODE, machine, run

ALLOC = Alloc("0a1b2c3d-0000-0000-0000-000000000001", "web", "front", 0, "cni/mine", (Port("http", 22000, 80, True),))
LEASES = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}
PLUGINS = [
    {"type": "loopback"},
    {"type": "bridge", "isGateway": True, "ipam": LEASES},
    {"type": "portmap", "capabilities": {"portMappings": True}},
]
MINE = json.dumps({"cniVersion": "1.0.0", "name": "mine", "plugins": PLUGINS})


def client(text: str = MINE) -> World:
    world = machine()
    world.apply(Put((NODE, "file", f"{nomad.CONFIG_DIR}/mine.conflist"), text))
    return world


def group(mode: str, count: int = 1, **ports: Any) -> str:
    network = {"Mode": mode, "DynamicPorts": [{"Label": "http", "To": 80}], **ports}
    groups = [{"Name": "front", "Count": count, "Networks": [network], "Tasks": [{"Name": "t", "Driver": "exec"}]}]
    return json.dumps({"Job": {"ID": "web", "TaskGroups": groups}})


def test_an_allocation_has_a_namespace_of_its_id_and_the_plugins_are_told_nomads_words() -> None:
    world = client()
    done = run(world, nomad.start(world, NODE, ALLOC, "192.0.2.1"))
    assert (done.status, done.address) == ("running", "10.1.0.2")
    assert world.get((f"{NODE}/{ALLOC.id}", "link", "eth0")) is not None
    kept = json.loads(world.get((NODE, "file", f"{runtime.RESULTS}mine-{ALLOC.id}-eth0")))
    assert kept["netns"] == f"/var/run/netns/{ALLOC.id}"
    words = dict(kept["cniArgs"])
    assert words.pop("IgnoreUnknown") == "true"
    assert words == {
        "NOMAD_ALLOC_ID": ALLOC.id,
        "NOMAD_GROUP_NAME": "front",
        "NOMAD_JOB_ID": "web",
        "NOMAD_NAMESPACE": "default",
        "NOMAD_REGION": "global",
    }
    mapped = {(m["hostPort"], m["containerPort"], m["protocol"]) for m in kept["capabilityArgs"]["portMappings"]}
    assert mapped == {(22000, 80, "tcp"), (22000, 80, "udp")}


def test_stopping_an_allocation_gives_everything_back() -> None:
    world = client()
    first = run(world, nomad.start(world, NODE, ALLOC, "192.0.2.1"))
    run(world, nomad.stop(world, NODE, first, "192.0.2.1"))
    again = nomad.replace(ALLOC, id="0a1b2c3d-0000-0000-0000-000000000002")
    before = {place: dict(rows) for place, rows in world.tables().items() if place[1] not in ("alloc", "file")}
    second = run(world, nomad.start(world, NODE, again, "192.0.2.1"))
    run(world, nomad.stop(world, NODE, second, "192.0.2.1"))
    assert {place: dict(rows) for place, rows in world.tables().items() if place[1] not in ("alloc", "file")} == before
    left = [str(name) for name in world.table(NODE, "file") if "/results/" in str(name) or "/10.1" in str(name)]
    assert left == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "failed to load CNI config: error parsing configuration list: unexpected end of JSON input"),
        (MINE.replace("mine", "other"), 'failed to load CNI config: CNI network config not found for name "mine"'),
        (MINE.replace('"portmap"', '"nosuch"'), 'plugin type="nosuch" failed (add): failed to find plugin "nosuch"'),
    ],
)
def test_an_allocation_whose_network_fails_says_why_and_leaves_nothing(text: str, words: str) -> None:
    world = client(text)
    done = run(world, nomad.start(world, NODE, ALLOC, "192.0.2.1"))
    assert done.status == "failed"
    assert done.description.startswith('failed to setup alloc: pre-run hook "network" failed: ')
    assert words in done.description
    assert world.table(f"{NODE}/{ALLOC.id}", "link") == {}


def test_nomads_own_list_is_a_bridge_of_its_own_with_a_firewall_and_host_ports() -> None:
    own = nomad.network_of(machine(), NODE, nomad.replace(ALLOC, mode="bridge"))
    assert (own.name, own.version, own.types) == ("nomad", "0.4.0", ("loopback", "bridge", "firewall", "portmap"))


def test_in_bridge_mode_allocations_of_two_clients_meet_at_their_host_ports() -> None:
    c = Cluster(nodes=2, network=None)
    for name in ("node-1", "node-2"):
        assert c.node(name).run("nomad job run -json -", stdin=group("bridge")).exit_code == 0
    one, two = (next(iter(c.world.table(f"node:node-{number}", "alloc").values())) for number in (1, 2))
    assert one.address == two.address == "172.26.64.2"
    assert "-A NOMAD-ADMIN -d 172.26.64.0/20 -o nomad -j ACCEPT" in c.node("node-1").run("iptables-save").stdout
    mapped = f"192.168.64.12:{two.ports[0].host}"
    assert mapped in c.node("node-2").run(f"nomad alloc status {two.id}").stdout
    seen = c.node("node-1").run(f"ip netns exec {one.id} curl -s http://{mapped}/clientip").stdout
    assert seen.partition(":")[0] == "192.168.64.11"
    c.node("node-1").run("nomad job stop web")
    assert "CNI-DN" not in c.node("node-1").run("iptables-save").stdout


def test_one_configuration_serves_a_pod_and_an_allocation_on_one_node_and_they_talk() -> None:
    c = Cluster(nodes=2, network="bridge")
    node = c.node("node-1")
    spec = {"nodeName": "node-1", "containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}]}
    c.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})
    same = node.run("cat /etc/cni/net.d/10-bridge.conflist").stdout
    node.run("tee /opt/cni/config/10-bridge.conflist", stdin=same)
    assert node.run("nomad job run -json -", stdin=group("cni/bridge")).exit_code == 0
    alloc = next(iter(c.world.table("node:node-1", "alloc").values()))
    pod_ip = c.get("pods", "web")["status"]["podIP"]
    assert alloc.address.rpartition(".")[0] == pod_ip.rpartition(".")[0]
    assert alloc.address != pod_ip
    seen = node.run(f"ip netns exec {alloc.id} curl -s http://{pod_ip}/clientip").stdout
    assert seen.partition(":")[0] == alloc.address
    assert c.pod("web").run(f"curl -s http://{alloc.address}/clientip").stdout.partition(":")[0] == pod_ip
    status = node.run(f"nomad alloc status {alloc.id[:8]}").stdout
    mapped = next(line for line in status.splitlines() if line.startswith("*http")).split()[2]
    assert c.node("node-2").run(f"curl -s http://{mapped}/hostname").exit_code == 0
    assert "web" not in node.run("crictl pods").stdout.splitlines()[0]


def test_a_job_is_run_shown_and_stopped() -> None:
    node = Cluster(nodes=1, network=None).node("node-1")
    node.run("tee /opt/cni/config/mine.conflist", stdin=MINE)
    node.run("tee /home/job.json", stdin=group("cni/mine", 2, ReservedPorts=[{"Label": "admin", "Value": 9000}]))
    said = node.run("nomad job run -json /home/job.json").stdout
    assert said.count('created: node "') == 2
    assert "front       0        run      running" in node.run("nomad job status web").stdout
    assert len(node.run("ip netns").stdout.splitlines()) == 2
    assert node.run("nomad job stop web").exit_code == 0
    assert node.run("ip netns").stdout == ""
    assert node.run("nomad job status").stdout.split()[-1] == "dead"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Failed to parse JSON job: Expecting property name"),
        ("{}", "Failed to parse JSON job: TaskGroups is missing"),
        (group("host"), "one network of mode bridge or cni/NAME is what is modelled here"),
        (group("bridge", DynamicPorts=[{"Label": "x", "To": 99999}]), "To is a number from 0 to 65535"),
        (group("bridge", 1000), "Count is a number from 0 to 100 here"),
    ],
)
def test_a_job_that_is_wrong_is_refused_in_one_sentence(text: str, words: str) -> None:
    done = Cluster(nodes=1, network=None).node("node-1").run("nomad job run -json -", stdin=text)
    assert done.exit_code == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
