"""The exported script as a program: what it leaves behind (nothing), and what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from k8slearn import Cluster
from k8slearn.export import exported
from k8slearn.journal import Put
from k8slearn.linux.rows import Link
from tests.twin.twin import Probe, ask_engine, disagreements

needs_root = [
    pytest.mark.root,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(shutil.which("iptables-restore") is None, reason="not installed: iptables-restore"),
]
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: node-2, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.50, selector: {app: web}, ports: [{port: 80}]}
"""
SOURCES = ("node:node-1", "node:node-2", "outside")
NFT = """
table ip lesson {
  counter seen { comment "it's \\$counted" }
  map doors { type ipv4_addr . inet_service : ipv4_addr . inet_service;
    elements = { 10.77.0.1 . 80 : 10.244.1.2 . 80 } }
  set shut { type inet_service; flags interval; elements = { 9-12, 81 } }
  set clients { type ipv4_addr; flags dynamic,timeout; timeout 1h; }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    dnat ip to ip daddr . tcp dport map @doors
  }
  chain output { type nat hook output priority -110; policy accept; dnat ip to ip daddr . tcp dport map @doors; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    counter name "seen" jump guests
    tcp dport @shut drop
  }
  chain guests { update @clients { ip saddr } counter; tcp dport 7 reject with tcp reset }
}
"""
IPSET = """
ipset create blocked hash:ip
ipset add blocked 203.0.113.7
iptables -A FORWARD -m set --match-set blocked src -p tcp --dport 80 -j DROP
"""


def script(cluster: Cluster, path: Path) -> Path:
    path.write_text(cluster.export("netns"))
    return path


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(path), *arguments], capture_output=True, text=True, timeout=60)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def machine() -> list[str]:
    """What could be seen of a change to the machine itself."""
    rules = [line for line in output("iptables-save").splitlines() if not line.startswith("#")]
    return [output("ip", "link"), output("ip", "route"), *rules]


def left(path: Path) -> set[str]:
    """The namespaces of a script that are there now."""
    own = {line.removeprefix("netns add ") for line in path.read_text().splitlines() if line.startswith("netns add ")}
    return own & {line.split()[0] for line in output("ip", "netns", "list").splitlines()}


def cluster(seed: int = 0) -> Cluster:
    made = Cluster(nodes=2, seed=seed)
    made.apply(POD)
    return made


class TestOnARealKernel:
    pytestmark = needs_root

    def test_two_clusters_stand_side_by_side_and_leave_nothing_behind(self, tmp_path: Path) -> None:
        before = machine()
        scripts = [script(cluster(seed), tmp_path / f"{seed}.sh") for seed in (91, 92)]
        try:
            for one in scripts:
                assert run(one, "up").returncode == 0
                assert left(one)
            for one in scripts:
                asked = json.loads(run(one, "probe", "outside", "192.168.64.12", "22").stdout)
                assert asked == {"outcome": "connected", "source_seen": "203.0.113.7", "answered_by": "node:node-2"}
        finally:
            assert [run(one, "down").returncode for one in scripts] == [0, 0]
        assert machine() == before
        assert [left(one) for one in scripts] == [set(), set()]
        assert run(scripts[0], "down").returncode == 0, "down again has nothing left to do"

    def test_a_command_runs_where_an_endpoint_is(self, tmp_path: Path) -> None:
        one = script(cluster(93), tmp_path / "cluster.sh")
        try:
            assert run(one, "up").returncode == 0
            assert "10.244.1.2/24" in run(one, "exec", "default/web", "ip", "-4", "addr").stdout
            assert "10.244.1.0/24 via 192.168.64.12" in run(one, "exec", "node:node-1", "ip", "route").stdout
            curl = run(one, "exec", "node:node-1", "curl", "-s", "http://10.96.0.50/hostname").stdout
            assert curl == "web"
            assert run(one, "exec", "default/web", "false").returncode == 1
            refused = json.loads(run(one, "probe", "default/web", "10.244.1.2", "81", "TCP").stdout)
            assert refused == {"outcome": "refused", "source_seen": None, "answered_by": None}
        finally:
            run(one, "down")

    @pytest.mark.slow
    @pytest.mark.skipif(shutil.which("nft") is None, reason="not installed: nft")
    @pytest.mark.skipif(shutil.which("ipset") is None, reason="not installed: ipset")
    def test_rules_of_nftables_and_sets_are_carried_along(self, tmp_path: Path) -> None:
        """Each probe is decided by something else: an address of the map, a set, a policy, a rejection, an ipset."""
        made = cluster(96)
        node = made.node("node-2")
        assert node.run("nft -f -", stdin=NFT).exit_code == 0
        for line in IPSET.strip().splitlines():
            assert node.run(line).exit_code == 0, line
        node.run("curl -s http://10.77.0.1:80/")
        asked = ["10.77.0.1 80", "10.77.0.1 81", "10.244.1.2 80", "10.244.1.2 7", "10.244.1.2 9", "10.96.0.50 80"]
        probes = [Probe(source, *target.split(), "TCP") for source in SOURCES for target in asked]
        probes = [probe._replace(port=int(probe.port)) for probe in probes]
        assert {fate.outcome for probe in probes for fate in ask_engine(made.world, probe)} >= {
            *("connected", "refused", "timeout")
        }
        assert disagreements(made.world, probes, tmp_path) == []

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["probe", "default/nobody", "10.0.0.1", "80"], "no endpoint 'default/nobody'"),
            (["probe", "outside", "10.0.0.1", "80"], "the cluster is not up"),
            (["probe", "outside"], "use:"),
            (["probe", "outside", "10.0.0.1", "99999"], "'99999' is not a port"),
            (["probe", "outside", "web", "80"], "'web' is not an IP address"),
            (["sideways"], "use:"),
        ],
    )
    def test_wrong_use_gets_one_sentence_and_exit_status_2(
        self, arguments: list[str], says: str, tmp_path: Path
    ) -> None:
        path = script(cluster(94), tmp_path / "cluster.sh")
        if "is not a" in says:
            run(path, "up")
        done = run(path, *arguments)
        run(path, "down")
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_what_a_person_named_is_never_run(self, tmp_path: Path) -> None:
        hostile = cluster(95)
        mark = tmp_path / "run"
        name = "$(touch${IFS}x)"
        world = hostile.world.fork()
        world.apply(Put(("node:node-1", "link", name), Link(name, "bridge", "02:00:00:00:00:01", 77, up=True)))
        path = tmp_path / "cluster.sh"
        path.write_text(exported(world, "netns"))
        subprocess.run(["bash", str(path), "up"], cwd=tmp_path, capture_output=True)
        subprocess.run(["bash", str(path), "down"], cwd=tmp_path, capture_output=True)
        assert not mark.exists()
        assert not (tmp_path / "x").exists()


def test_a_wiring_that_a_plain_kernel_cannot_rebuild_says_so_and_exits_with_3(tmp_path: Path) -> None:
    world = cluster().world.fork()
    link = world.get(("node:node-1", "link", "eth0"))
    world.apply(Put(("node:node-1", "link", "it's"), replace(link, name="it's", kind="netkit", peer=None)))
    path = tmp_path / "cluster.sh"
    path.write_text(exported(world, "netns"))
    done = run(path, "up")
    assert done.returncode == 3
    assert done.stderr == "node:node-1 has a netkit device (it's), which this script cannot rebuild\n"


def test_equal_clusters_have_equal_scripts_and_different_ones_their_own_namespaces() -> None:
    first, same, other = (cluster(seed).export("netns") for seed in (1, 1, 2))
    assert first == same
    names = [{line for line in text.splitlines() if line.startswith("netns add")} for text in (first, other)]
    assert not names[0] & names[1]


def test_calicos_tunnel_is_told_and_not_rebuilt(tmp_path: Path) -> None:
    script = tmp_path / "cluster.sh"
    script.write_text(Cluster(nodes=2, network="calico").export("netns"))
    done = subprocess.run(["bash", str(script), "up"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "tunl0" in done.stderr
