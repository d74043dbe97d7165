"""The walk through kube-proxy's rules against the packet flows that Kubernetes' own proxier tests expect.

For each of those rule sets (kubeproxy_iptables.json, kubeproxy_nftables.json: copies of recorded facts) upstream says
where a packet ends: at which endpoints, rejected, dropped or untouched, and whether it is masqueraded. Here the packet
is sent. The node has a link to the sender and one to all the rest of the world; MASQUERADE puts a link's own address
on a packet, and nobody else has that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from k8slearn.journal import Command, Put, Remove
from k8slearn.linux import addr, link, route, socket
from k8slearn.linux.fates import Fate
from k8slearn.linux.rows import Address, Netns, Route, Socket

from . import test_kube_proxy as by_iptables
from . import test_kube_proxy_nftables as by_nftables
from .test_kube_proxy import INTERFACES, do, sync

HERE = Path(__file__).parent
MODES = {"iptables": by_iptables.cluster, "nftables": by_nftables.cluster}
SENDER, REST = "sender", "rest"
LINKS = {"IPv4": {SENDER: "169.254.1.1", REST: "169.254.2.1"}, "IPv6": {SENDER: "fd99:1::1", REST: "fd99:2::1"}}
ANY = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
ENDINGS = {"REJECT": {"refused"}, "DROP": {"timeout"}, "": {"unreachable", "refused", "timeout"}}
"""What upstream calls an ending that is no endpoint, in the words of the walk. A packet that no rule matched goes on:
here nobody has that address (UDP waits for the answer longer than it asks), or the node has it and nobody listens."""


def flows() -> list[Any]:
    found = []
    for mode in MODES:
        for case in json.loads((HERE / f"kubeproxy_{mode}.json").read_text())["cases"]:
            for number, step in enumerate(case["steps"]):
                for flow in step.get("expected_flows", []):
                    found.append(pytest.param(mode, case, number, flow, id=f"{mode} {case['id']}: {flow['name']}"))
    return found


class Bench:
    """A node with kube-proxy's rules, the sender on one link, every endpoint but the sender on the other."""

    def __init__(self, mode: str, case: dict[str, Any], step: int, flow: dict[str, Any]) -> None:
        config = case["config"]
        self.world, self.family, self.flow = MODES[mode](config), config["ipFamily"], flow
        self.node = f"node:{config['nodeName']}"
        self.own = flow["source_ip"] in INTERFACES
        self.interfaces()
        for scope in (SENDER, REST):
            self.machine(scope)
        for done in case["steps"][: step + 1]:
            do(self.world, done["ops"])
        for name in ("", *self.world.table("api", "services")):
            sync(self.world, f"{config['nodeName']} {name}".strip())
        self.listeners()

    def do(self, commands: Iterator[Command]) -> None:
        for command in commands:
            self.world.apply(command)

    def interfaces(self) -> None:
        for number, address in enumerate(INTERFACES):
            self.world.apply(Remove((self.node, "addr", number)))
            if not ip_address(address).is_loopback:
                self.world.apply(Put((self.node, "addr", number), Address("eth0", address, 24)))
        self.do(link.add_loopback(self.node))
        self.do(link.add(self.world, self.node, "eth0", "dummy"))
        for name in ("lo", "eth0"):
            self.do(link.set_up(self.world, self.node, name))
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.world.apply(Put((self.node, "sysctl", name), "1"))

    def machine(self, scope: str) -> None:
        """It reaches everything through the node; the node reaches the sender here, and everything else there."""
        world, gateway, wide = self.world, LINKS[self.family][scope], 128 if self.family == "IPv6" else 32
        world.apply(Put((scope, "netns", ""), Netns(scope, scope, ipv6=True)))
        self.do(link.add_loopback(scope))
        self.do(link.add_veth(world, scope, "eth0", self.node, scope))
        self.do(link.set_up(world, scope, "lo"))
        self.do(link.set_up(world, scope, "eth0"))
        self.do(link.set_up(world, self.node, scope))
        self.do(addr.add(world, self.node, scope, f"{gateway}/{wide}"))
        if scope == SENDER and not self.own:
            self.do(addr.add(world, scope, "eth0", f"{self.flow['source_ip']}/{wide}"))
            self.do(route.add(world, self.node, Route(f"{self.flow['source_ip']}/{wide}", dev=scope, scope="link")))
        if scope == REST:
            src = self.flow["source_ip"] if self.own and not ip_address(self.flow["source_ip"]).is_loopback else ""
            self.do(route.add(world, self.node, Route(ANY[self.family], dev=scope, scope="link", src=src)))
        self.do(route.add(world, scope, Route(ANY[self.family], via=gateway, dev="eth0", onlink=True)))

    def listeners(self) -> None:
        """Every endpoint listens on its ports, whether the rules may choose it or not."""
        for slice in self.world.table("api", "endpointslices").values():
            for port in slice["ports"]:
                for endpoint in slice["endpoints"]:
                    for address in endpoint["addresses"]:
                        self.listen(address, port["port"], port.get("protocol", "TCP").lower())

    def listen(self, address: str, port: int, proto: str) -> None:
        own = address == self.flow["source_ip"]
        scope, wide = (SENDER if own else REST), 128 if ":" in address else 32
        if not own and not any(a.address == address for a in self.world.table(REST, "addr").values()):
            self.do(addr.add(self.world, REST, "eth0", f"{address}/{wide}"))
        key = (proto, address, port)
        name = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.world.apply(Put((scope, "socket", key), Socket(proto, address, port, "server", name)))

    def fates(self) -> list[Fate]:
        flow = self.flow
        scope = self.node if self.own else SENDER
        return socket.fates(self.world, scope, flow["dest_ip"], flow["dest_port"], flow["protocol"])


@pytest.mark.parametrize(("mode", "case", "step", "flow"), flows())
def test_a_packet_ends_where_upstream_says(mode: str, case: dict[str, Any], step: int, flow: dict[str, Any]) -> None:
    bench = Bench(mode, case, step, flow)
    fates = bench.fates()
    said = {fate.answered_by if fate.outcome == "connected" else fate.outcome for fate in fates}
    assert said <= ENDINGS.get(flow["output"], set(flow["output"].split(", ")))
    assert flow["output"] in ENDINGS or said == set(flow["output"].split(", "))
    links = LINKS[bench.family].values()
    assert {fate.source_seen in links for fate in fates if fate.outcome == "connected"} <= {flow["masquerade"]}
