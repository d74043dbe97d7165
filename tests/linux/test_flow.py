"""A packet that goes the way of the one before meets what it would have met on a walk of its own."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.journal import Command, World, drive
from k8slearn.linux import flow, socket
from k8slearn.linux.skb import Net, Outgoing
from k8slearn.shell import run
from k8slearn.trace import Attempt, Step
from tests.twin.boxes.draw import draw
from tests.twin.boxes.ours import Ours, scope_of

Told = tuple[Attempt, list[Command]]
FAR = [("client", "node-1"), ("web", "node-2")]


def told(world: World, netns: str, address: str, port: int, page: str = "/") -> Told:
    """What became of an attempt, and what the kernels learned from it."""
    fork, learned = world.fork(), list[Command]()

    def write(command: Command) -> None:
        learned.append(command)
        fork.apply(command)

    return drive(socket.connect(fork, netns, address, port, path=page), write), learned


def both(world: World, netns: str, address: str, port: int, page: str = "/") -> tuple[Told, Told, int]:
    """The same attempt as it is made, and with every packet walking; how many did not have to."""
    repeated = list[bool]()

    def counted(net: Net, out: Outgoing, log: list[Step]) -> Any:
        found = repeat(net, out, log)
        repeated.append(found is not None)
        return found

    repeat = flow.repeat
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(flow, "repeat", counted)
        made = told(world, netns, address, port, page)
        patched.setattr(flow, "repeat", lambda net, out, log: None)
        return made, told(world, netns, address, port, page), sum(repeated)


def repeated_in(seeds: range, page: str) -> int:
    times = 0
    for seed in seeds:
        scenario = draw(seed)
        boxes = Ours(scenario)
        for probe in scenario.probes:
            if probe.proto == "tcp" and boxes.world.get((scope_of(probe.box), "netns", "")) is not None:
                made, walked, again = both(boxes.world, scope_of(probe.box), probe.address, probe.port, page)
                assert made == walked, f"seed {seed}: {probe}"
                times += again
    return times


NFT = """nft add table ip t
nft 'add chain ip t c { type filter hook forward priority 0; }'
nft add rule ip t c meta length 57-65535 drop"""
CLOSELY = (
    "iptables -A FORWARD -m length --length 57:65535 -j DROP",
    "iptables -A FORWARD -p tcp -m tcp --tcp-flags PSH PSH -j DROP",
    "iptables -A FORWARD -m conntrack --ctstatus ASSURED -j DROP",
    "iptables -A FORWARD -m limit --limit 1/minute --limit-burst 3 -j ACCEPT",
    "iptables -t mangle -A FORWARD -j CONNMARK --set-mark 7",
    "tc qdisc add dev cni0 root tbf rate 8kbit burst 1600 latency 2s",
    NFT,
)
"""What looks at more of a packet than its flow."""


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    cluster = Cluster(nodes=2)
    for name, node in FAR:
        spec = {"nodeName": node, "containers": [{"name": "main", "image": "nginx", "ports": [{"containerPort": 80}]}]}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    assert cluster.send("default/client", "default/web").outcome == "connected"
    return cluster


def across(world: World) -> tuple[Told, Told, int]:
    pods = world.table("api", "pods")
    (here,) = (scope for scope in world.scopes("netns") if scope.startswith("node:node-1/"))
    return both(world, here, pods["default/web"]["status"]["podIP"], 80)


def test_between_two_nodes_the_request_and_the_answer_need_not_walk(cluster: Cluster) -> None:
    made, walked, again = across(cluster.engine.world)
    assert made == walked
    assert again == 2


@pytest.mark.parametrize("typed", CLOSELY)
def test_where_something_looks_at_each_packet_each_packet_walks(cluster: Cluster, typed: str) -> None:
    world = cluster.engine.world.fork()
    for line in typed.splitlines():
        done = drive(run(world, "node:node-1", line), world.apply)
        assert done.exit_code == 0, done.stderr
    made, walked, again = across(world)
    assert made == walked
    assert not again


def test_in_random_boxes_a_repeated_way_is_the_way_that_a_walk_takes() -> None:
    assert repeated_in(range(400, 404), "/")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["/", "/bytes/4000"])
def test_in_many_random_boxes_a_repeated_way_is_the_way_that_a_walk_takes(page: str) -> None:
    assert repeated_in(range(320), page)
