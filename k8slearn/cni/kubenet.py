"""kubenet: the network that the kubelet made by itself, before Kubernetes 1.24.

It is a bridge ``cbr0`` and host-local, called by the kubelet with a configuration of its own and without any file in
/etc/cni/net.d. It wires pods of one node only: the way to other nodes' pods is a route in the node network, which a
cloud's controller puts there. cbr0 is promiscuous, so that a pod may reach itself through a Service (hairpin mode
``promiscuous-bridge``). Ports of the node lead to pods by rules of its own, too (`hostport`).

In a dual-stack cluster (it had them from 1.16 on) host-local has a range of each family; IPv6 is never masqueraded, for
``--non-masquerade-cidr`` is one IPv4 network.

Left out: the ebtables rules that drop the duplicates of hairpinned packets, bandwidth limits.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from functools import lru_cache
from typing import NamedTuple

from k8slearn.cni import chains, hostport, runtime, spec
from k8slearn.cni.runtime import Attachment, Network
from k8slearn.journal import Command, Commands, Put, World
from k8slearn.linux import ip, link
from k8slearn.linux.rows import Link

BRIDGE = "cbr0"
HAIRPINS = ("none", "hairpin-veth", "promiscuous-bridge")
SMALLEST_MTU, DEFAULT_MTU = 576, 1460
NO_POD_CIDR = "Kubenet does not have netConfig. This is most likely due to lack of PodCIDR"
LOOPBACK = Network(
    '{"cniVersion":"0.1.0","name":"kubenet-loopback","plugins":[{"type":"loopback"}]}',
    "kubenet-loopback",
    "0.1.0",
    ("loopback",),
)


class Options(NamedTuple):
    """The kubelet's flags for kubenet."""

    non_masquerade_cidr: str = "10.0.0.0/8"
    """What is sent anywhere else leaves with the node's address; with 0.0.0.0/0 nothing does."""
    hairpin_mode: str = "promiscuous-bridge"
    """How a packet that a pod sent to its own Service comes back to it: one of `HAIRPINS`."""
    mtu: int = 0
    """cbr0's and the pods' MTU; 0: the smallest of the node's links."""


USUAL = Options()


def start(world: World, node: str, options: Options = USUAL) -> Commands:
    """What kubenet does when the kubelet starts: bridged packets pass iptables, and the masquerade rule is there."""
    yield Put((node, "sysctl", "net.bridge.bridge-nf-call-iptables"), "1")
    yield from _masquerade(world, node, options)


def add(
    world: World, pod_cidrs: tuple[str, ...], to: Attachment, options: Options = USUAL
) -> Generator[Command, None, spec.Result]:
    """Wire a pod: ``lo`` first, then the bridge. Raises CniError."""
    yield from runtime.add(world, LOOPBACK, to._replace(ifname="lo"))
    result = yield from runtime.add(world, _network(world, to.node, pod_cidrs, options), to)
    if options.hairpin_mode == "promiscuous-bridge":
        yield from link.set_promisc(world, to.node, BRIDGE, True)
    yield from _masquerade(world, to.node, options)
    if result.get("ips"):
        yield from hostport.add(world, to, str(result["ips"][0]["address"]).partition("/")[0], BRIDGE)
    return result


def delete(world: World, pod_cidrs: tuple[str, ...], to: Attachment, options: Options = USUAL) -> Commands:
    """Take a pod's wire away, and the ports that led to it. Raises CniError."""
    yield from hostport.remove(world, to.node, to.container_id)
    yield from runtime.delete(world, _network(world, to.node, pod_cidrs, options), to)


def _network(world: World, node: str, pod_cidrs: tuple[str, ...], options: Options) -> Network:
    text = config(pod_cidrs, options.mtu or mtu(world, node), options.hairpin_mode == "hairpin-veth")
    return Network(f'{{"cniVersion":"0.1.0","name":"kubenet","plugins":[{text}]}}', "kubenet", "0.1.0", ("bridge",))


@lru_cache(maxsize=8192)
def config(pod_cidrs: tuple[str, ...], mtu: int, hairpin: bool = False) -> str:
    """kubenet's configuration, field by field; `hairpin` is for ``--hairpin-mode=hairpin-veth`` only."""
    base, _ = ip.network(pod_cidrs[0])
    one = {"subnet": pod_cidrs[0], "gateway": ip.text(base + 1)}
    several = {"ranges": [[{"subnet": cidr}] for cidr in pod_cidrs]}
    ipam = {
        "type": "host-local",
        **(several if len(pod_cidrs) > 1 else one),
        "routes": [{"dst": ip.ANY6 if ":" in cidr else ip.ANY} for cidr in pod_cidrs],
    }
    fields = {"bridge": BRIDGE, "mtu": mtu, "addIf": "eth0", "isGateway": True, "ipMasq": False, "hairpinMode": hairpin}
    return json.dumps({"cniVersion": "0.1.0", "name": "kubenet", "type": "bridge", **fields, "ipam": ipam})


def mtu(world: World, node: str) -> int:
    """The smallest MTU of the node's links that are up; once cbr0 is there, its own."""
    bridge: Link | None = world.get(link.key(node, BRIDGE))
    if bridge is not None:
        return bridge.mtu
    found = [row.mtu for row in world.table(node, "link").values() if row.up and row.kind != "loopback"]
    smallest = min(found, default=0)
    return smallest if smallest >= SMALLEST_MTU else DEFAULT_MTU


def _masquerade(world: World, node: str, options: Options) -> Commands:
    """It stands in POSTROUTING itself and is meant for any source: the node's own traffic too."""
    if options.non_masquerade_cidr == "0.0.0.0/0":
        return
    said = ("-m", "comment", "--comment", "kubenet: SNAT for outbound traffic from cluster")
    local = ("-m", "addrtype", "!", "--dst-type", "LOCAL")
    rule = ("!", "-d", options.non_masquerade_cidr, *said, *local, "-j", "MASQUERADE")
    yield from chains.ensure(world, chains.Table(node), "POSTROUTING", (rule,))
