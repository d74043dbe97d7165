"""The packet walk and kube-proxy's rules against what real packets did on a real kernel.

kernel_flows.json is a copy of recorded facts; its `source` says how they came about. The test builds the same two
nodes, pods and client from rows, lets our kube-proxy write its rules, and compares every possible fate with the
answers that were seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slearn.components.kube_proxy import KubeProxy
from k8slearn.components.kube_proxy.config import CONFIG_MAP
from k8slearn.journal import Command, Put, World, drive
from k8slearn.linux import addr, iptables, link, netns, route, socket
from k8slearn.linux.rows import Netns, Route, Socket
from k8slearn.linux.rules import Chain

TRUTH = json.loads((Path(__file__).parent / "kernel_flows.json").read_text())
NODES = {"n1": "192.168.0.2", "n2": "192.168.0.3"}
PODS = {"a1": ("n1", "10.244.0.2"), "b1": ("n1", "10.244.0.3"), "a2": ("n2", "10.244.1.2")}
SCOPES = {
    "n1": "node:n1",
    "n2": "node:n2",
    "cl": "outside",
    **{pod: f"node:{node}/{pod}" for pod, (node, _) in PODS.items()},
}
SCENARIOS = {s["id"]: s for s in TRUTH["scenarios"]}
NFTABLES = "nftables-mode-forward-policy-drop"
STICKY = "pod -> ClusterIP with sessionAffinity ClientIP"
"""24 connections were made and one server answered all: which one, the first of them drew."""
SNAT = '-m addrtype ! --dst-type LOCAL ! -d 10.0.0.0/8 -m comment --comment "SNAT for outbound traffic" -j MASQUERADE'


class Builder:
    """Two nodes with a bridge each, their pods, a router and a client beyond it."""

    def __init__(self, scenario: str) -> None:
        self.world = World()
        self.machine("switch")
        self.do(link.add_bridge(self.world, "switch", "br0"))
        self.do(link.set_up(self.world, "switch", "br0"))
        self.sysctl("switch", "net.bridge.bridge-nf-call-iptables", "0")
        for number, name in enumerate(NODES):
            self.node(name, number)
        self.router()
        for pod, (node, address) in PODS.items():
            self.pod(pod, node, address, hairpin=scenario != "promiscuous-bridge")
        self.rules("nftables" if scenario == NFTABLES else "iptables")
        if scenario == NFTABLES:
            for name in NODES:
                self.world.apply(Put((f"node:{name}", "chain", ("ip", "filter", "FORWARD")), Chain((), "DROP")))
        if scenario == "egress-masquerade":
            self.append("node:n1", "POSTROUTING", SNAT)
            self.append("node:n2", "POSTROUTING", SNAT)
        if scenario == "route-localnet-0":
            self.sysctl("node:n1", "net.ipv4.conf.all.route_localnet", "0")

    def do(self, commands: Iterator[Command]) -> None:
        for command in commands:
            self.world.apply(command)

    def sysctl(self, scope: str, name: str, value: str) -> None:
        self.world.apply(Put((scope, "sysctl", name), value))

    def machine(self, scope: str) -> None:
        self.world.apply(Put((scope, "netns", ""), Netns(scope, scope)))
        self.do(link.add_loopback(scope))
        self.do(link.set_up(self.world, scope, "lo"))

    def listen(self, scope: str, who: str, port: int) -> None:
        self.world.apply(
            Put((scope, "socket", ("tcp", "0.0.0.0", port)), Socket("tcp", "0.0.0.0", port, "server", who))
        )

    def plug(self, scope: str, address: str) -> None:
        port = scope.replace(":", "-")
        self.do(link.add_veth(self.world, scope, "eth0", "switch", port))
        self.do(link.set_master(self.world, "switch", port, "br0"))
        self.do(link.set_up(self.world, "switch", port))
        self.do(link.set_up(self.world, scope, "eth0"))
        self.do(addr.add(self.world, scope, "eth0", f"{address}/24"))

    def node(self, name: str, number: int) -> None:
        scope = f"node:{name}"
        self.machine(scope)
        self.plug(scope, NODES[name])
        self.do(route.add(self.world, scope, Route("0.0.0.0/0", via="192.168.0.1", dev="eth0")))
        self.do(link.add_bridge(self.world, scope, "cbr0"))
        self.do(link.set_up(self.world, scope, "cbr0"))
        self.do(addr.add(self.world, scope, "cbr0", f"10.244.{number}.1/24"))
        other = next(address for node, address in NODES.items() if node != name)
        self.do(route.add(self.world, scope, Route(f"10.244.{1 - number}.0/24", via=other, dev="eth0")))
        self.sysctl(scope, "net.ipv4.ip_forward", "1")
        if name == "n2":
            self.listen(scope, "n2-host", 8080)

    def router(self) -> None:
        """It sends the listed addresses to n1, and silently drops what it has no route for."""
        world = self.world
        self.machine("router")
        self.machine("outside")
        self.plug("router", "192.168.0.1")
        self.sysctl("router", "net.ipv4.ip_forward", "1")
        self.do(link.add_veth(world, "outside", "eth0", "router", "out"))
        self.do(link.set_up(world, "outside", "eth0"))
        self.do(link.set_up(world, "router", "out"))
        self.do(addr.add(world, "outside", "eth0", "203.0.113.2/24"))
        self.do(addr.add(world, "router", "out", "203.0.113.1/24"))
        self.do(route.add(world, "outside", Route("0.0.0.0/0", via="203.0.113.1", dev="eth0")))
        for number, node in enumerate(NODES.values()):
            self.do(route.add(world, "router", Route(f"10.244.{number}.0/24", via=node, dev="eth0")))
        for address in ("10.96.0.89", "192.168.0.200", "192.168.0.201"):
            self.do(route.add(world, "router", Route(f"{address}/32", via=NODES["n1"], dev="eth0")))
        world.apply(Put(("router", "route", ("main", "0.0.0.0/0", 0)), Route("0.0.0.0/0", kind="blackhole")))
        self.listen("outside", "outside", 9000)

    def pod(self, name: str, node: str, address: str, hairpin: bool) -> None:
        world, scope = self.world, SCOPES[name]
        self.do(netns.add(world, f"node:{node}", name, name))
        self.do(link.set_up(world, scope, "lo"))
        self.do(link.add_veth(world, scope, "eth0", f"node:{node}", f"veth{name}"))
        self.do(link.set_master(world, f"node:{node}", f"veth{name}", "cbr0"))
        self.do(link.set_hairpin(world, f"node:{node}", f"veth{name}", hairpin))
        self.do(link.set_up(world, f"node:{node}", f"veth{name}"))
        self.do(link.set_up(world, scope, "eth0"))
        self.do(addr.add(world, scope, "eth0", f"{address}/24"))
        self.do(route.add(world, scope, Route("0.0.0.0/0", via=f"{address.rpartition('.')[0]}.1", dev="eth0")))
        self.listen(scope, name, 8080)

    def rules(self, mode: str) -> None:
        """What our kube-proxy writes for the recorded Services."""
        tables = {"Service": "services", "EndpointSlice": "endpointslices"}
        for thing in TRUTH["services"]:
            name = f"{thing['metadata']['namespace']}/{thing['metadata']['name']}"
            self.world.apply(Put(("api", tables[thing["kind"]], name), thing))
        config = f"clusterCIDR: 10.244.0.0/16\nmode: {mode}\n"
        self.world.apply(Put(CONFIG_MAP, {"data": {"config.conf": config}}))
        for name, address in NODES.items():
            status = {"addresses": [{"type": "InternalIP", "address": address}]}
            self.world.apply(Put(("api", "nodes", name), {"metadata": {"name": name}, "status": status}))
        for name in NODES:
            self.do(KubeProxy().reconcile(self.world, name))

    def append(self, scope: str, chain: str, line: str) -> None:
        key = (scope, "chain", ("ip", "nat", chain))
        before: Chain = self.world.get(key)
        self.world.apply(Put(key, Chain((*before.rules, iptables.parse_rule(line)), before.policy)))


WORLDS: dict[str, World] = {}


def world_of(scenario: str) -> World:
    if scenario not in WORLDS:
        WORLDS[scenario] = Builder(scenario).world
    return WORLDS[scenario]


FLOWS = [
    pytest.param(name, flow, id=f"{name}: {flow['name']}")
    for name, scenario in SCENARIOS.items()
    for flow in scenario["flows"]
    if flow["name"] != STICKY
]


@pytest.mark.parametrize(("scenario", "flow"), FLOWS)
def test_the_walk_ends_as_real_packets_did(scenario: str, flow: dict[str, Any]) -> None:
    address, _, port = flow["to"].partition(":")
    fates = socket.fates(world_of(scenario), SCOPES[flow["from"]], address, int(port))
    said = {f"{f.answered_by} {f.source_seen}" if f.outcome == "connected" else f.outcome for f in fates}
    assert said == set(flow["server_and_source_seen"])


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != NFTABLES])
def test_whoever_answered_first_answers_that_client_again(scenario: str) -> None:
    flow = next(flow for flow in SCENARIOS[scenario]["flows"] if flow["name"] == STICKY)
    address, _, port = flow["to"].partition(":")
    question = (SCOPES[flow["from"]], address, int(port))
    world = world_of(scenario).fork()
    first = {f"{f.answered_by} {f.source_seen}" for f in socket.fates(world, *question)}
    assert set(flow["server_and_source_seen"]) < first
    answered = drive(socket.connect(world, *question), world.apply).ending
    again = socket.fates(world, *question)
    assert [(f.probability, f.answered_by) for f in again] == [(1, answered.answered_by)]
