"""Our kubelet and runtime drive Debian's own plugins through a pod's life, in namespaces of this kernel."""

from __future__ import annotations

import json
from pathlib import PurePath

import pytest

from k8slearn import Cluster
from k8slearn.cni import runtime, skel
from k8slearn.linux.program import Call, Program, Result, Running

from . import live, runner

NODE = "node:node-1"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: app, image: nginx, ports: [{containerPort: 80, hostPort: 8080}]}]}
"""


def through(machine: live.Machine, name: str, told: list[tuple[str, str]]) -> Program:
    """The real plugin as a program of a node in a world: what it does, it does to this kernel."""

    def run(call: Call) -> Running:
        yield from ()
        place = PurePath(call.env["CNI_NETNS"]).name
        machine.run(["ip", "netns", "add", place])
        told.append((name, call.env["CNI_COMMAND"]))
        done = machine.plugin(name, call.stdin, {**call.env, "CNI_PATH": live.BINARIES})
        return Result(done.stdout, done.stderr, done.returncode)

    return run


@pytest.mark.root
def test_a_pod_is_wired_and_unwired_by_the_real_binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    if why := live.why_not("bridge", "portmap", "loopback", "host-local"):
        pytest.skip(why)
    told: list[tuple[str, str]] = []
    with live.Machine(()) as machine:
        for name in ("bridge", "portmap", "loopback"):
            monkeypatch.setitem(skel.PROGRAMS, name, through(machine, name, told))
        cluster = Cluster(nodes=1, network="bridge")
        told.clear()
        cluster.apply(POD)
        assert told == [("loopback", "ADD"), ("bridge", "ADD"), ("portmap", "ADD")]
        address = cluster.world.get(("api", "pods", "default/web"))["status"]["podIP"]
        _is_wired(cluster, machine, address)
        told.clear()
        cluster.kubectl("delete pod web --now")
        assert told[:3] == [("portmap", "DEL"), ("bridge", "DEL"), ("loopback", "DEL")]
        assert address not in machine.run(["ls", "/var/lib/cni/networks/bridge"]).stdout.split()
        assert "8080" not in machine.run(["iptables-save"]).stdout


def _is_wired(cluster: Cluster, machine: live.Machine, address: str) -> None:
    """The real namespace has what the API says, and the result that was kept is what the real plugins printed."""
    world = cluster.world
    sandbox = next(row for row in world.table(NODE, "sandbox").values() if row.pod == "default/web")
    place = sandbox.netns.partition("/")[2]
    seen = json.loads(machine.run(["ip", "netns", "exec", place, "ip", "-j", "addr", "show", "eth0"]).stdout)
    assert [a["local"] for a in seen[0]["addr_info"] if a["family"] == "inet"] == [address]
    assert f"--to-destination {address}:80" in machine.run(["iptables-save"]).stdout
    kept = json.loads(world.get((NODE, "file", f"{runtime.RESULTS}bridge-{sandbox.id}-eth0")))
    assert kept["result"]["interfaces"][2]["mac"] == seen[0]["address"]
    network = runtime.network(world, NODE)
    assert network is not None
    ports = {"portMappings": kept["capabilityArgs"]["portMappings"]}
    to = runtime.Attachment(NODE, sandbox.id, f"/var/run/netns/{place}", "eth0", "IgnoreUnknown=1", json.dumps(ports))
    with pytest.raises(skel.CniError, match="could not check ipv6 dnat: chain CNI-DN-"):  # as portmap 1.1.1 always does
        runner.run(world.fork(), runtime.check(world, network, to))
