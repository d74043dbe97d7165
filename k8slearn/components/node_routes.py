"""The wiring between nodes where no agent makes it: what an administrator does by hand on every node.

The CNI plugins bridge and ptp join the pods of one node, and that is all they do. Somebody must tell each node the
rest, and in a cluster that is set up the hard way this somebody is a person at a shell (a daemon like flannel's
host-gw does the same)::

    /etc/cni/net.d/10-bridge.conflist                             which plugins to call, with this node's pod range
    ip route add 10.244.1.0/24 via 192.168.64.12 dev eth0         one for every other node
    iptables -t nat -A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE    only what leaves the cluster

In a dual-stack cluster the same is typed for IPv6 (``ip -6 route``, ``ip6tables``), and host-local has a range of each.

A conflist of a learner's own is installed in the same way: ``{{.PodCIDR}}`` in it is this node's pod range, as in
containerd's template of a configuration (``conf_template``).

A node's route to another one goes by that node, so it must be a neighbour: the two must share a network segment. Where
they are in different subnets the kernel refuses (``Nexthop has invalid gateway``), and there is nothing more to do on
a node: the routers between them would have to know where each pod range is (a cloud's route table, BGP, a static route
on the router). The administrator has no say there, so the refusal is all that is left, and pods of the two nodes do not
reach each other.

A person does each thing once. What has been wired is noted, so a route or a rule that is deleted later stays deleted.

Left out: taking routes away when a node goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.components import Settings, ranges, runs
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, World
from k8slearn.linux import route
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rows import Route
from k8slearn.linux.rules import Chain, Rule

FOLDER = "/etc/cni/net.d/"
POD_CIDR = "{{.PodCIDR}}"
PLUGINS: Mapping[str, Mapping[str, Any]] = {
    "bridge": {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True},
    "ptp": {"type": "ptp"},
}
"""The wirings that are an administrator's work: the first plugin of each, with its own settings."""
Obj = dict[str, Any]


class NodeRoutes:
    """Keys: nodes, by name. What is done is noted in ``("node:NAME", "wired", WHAT)``."""

    name = "administrator"

    def watches(self) -> Mapping[str, str]:
        return {"nodes": "their pod CIDRs and addresses", "netns": "a machine that was booted"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        """A node that is ready to be wired concerns every node: each gets a route to it."""
        if changed[1] == "netns":
            return (changed[0].removeprefix("node:"),) if world.get(changed) and "/" not in changed[0] else ()
        node = world.get(changed)
        if node is None or not _wires(node) or world.get(_note(str(changed[2]), "itself")) is not None:
            return ()
        return sorted(map(str, world.table("api", "nodes")))

    def reconcile(self, world: World, key: str) -> Commands:
        nodes = world.table("api", "nodes")
        own = _wires(nodes.get(key))
        if not own or not runs(world, f"node:{key}", "networking"):
            return
        if world.get(_note(key, "itself")) is None:
            yield from _itself(world, key, own)
        for name in sorted(map(str, nodes)):
            for wire in _wires(nodes[name]) if name != key else ():
                if world.get(_note(key, wire.cidr)) != wire.address:
                    yield from _towards(world, key, name, wire)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


class Wire(NamedTuple):
    """What others need to know of a node, in one family: which pods are behind which address."""

    cidr: str
    address: str


class Unwired(NamedTuple):
    """A route that the administrator typed and the kernel refused; kept in ``("node:NAME", "unwired", DST)``."""

    dst: str
    via: str
    refusal: str


def _wires(node: Obj | None) -> tuple[Wire, ...]:
    """One for each family in which the node has pods and an address of its own."""
    spec, status = ((node or {}).get(part) or {} for part in ("spec", "status"))
    internal = [str(a["address"]) for a in status.get("addresses") or () if a["type"] == "InternalIP"]
    cidrs = spec.get("podCIDRs") or [cidr for cidr in (spec.get("podCIDR"),) if cidr]
    own = {":" in address: address for address in reversed(internal)}
    return tuple(Wire(cidr, own[":" in cidr]) for cidr in cidrs if (":" in cidr) in own)


def _note(node: str, what: str) -> Key:
    return (f"node:{node}", "wired", what)


def _itself(world: World, name: str, own: tuple[Wire, ...]) -> Commands:
    settings: Settings = world.get(("cluster", "settings", ""))
    scope, cause = f"node:{name}", ("api", "nodes", name)
    file = config(settings.network or "", tuple(wire.cidr for wire in own))
    if not any(str(path).startswith(FOLDER) for path in world.table(scope, "file")):
        yield Put((scope, "file", file.path), file.text, cause)
    for pods in ranges(settings.pod_cidr):
        key = (scope, "chain", ("ip6" if ":" in pods else "ip", "nat", "POSTROUTING"))
        chain: Chain = world.get(key) or Chain(policy="ACCEPT")
        yield Put(key, Chain((*chain.rules, masquerade(pods)), chain.policy), cause)
    yield Put(_note(name, "itself"), own, cause)


def _towards(world: World, name: str, other: str, wire: Wire) -> Commands:
    cidr, address = wire
    cause = ("api", "nodes", other)
    try:
        for command in route.replace(world, f"node:{name}", Route(cidr, via=address, dev="eth0", proto="static")):
            yield command._replace(cause=cause)
    except CommandError as refused:
        yield Put((f"node:{name}", "unwired", cidr), Unwired(cidr, address, str(refused).strip()), cause)
        return
    yield Put(_note(name, cidr), address, cause)


@lru_cache(maxsize=8)
def masquerade(pods: str) -> Rule:
    """What leaves the cluster gets the node's address, for nobody outside knows a way back to a pod."""
    family = "ip6" if ":" in pods else "ip"
    return parse_rule(
        f'-s {pods} ! -d {pods} -m comment --comment "pods to the world outside" -j MASQUERADE', "", family
    )


class Config(NamedTuple):
    """A file in /etc/cni/net.d."""

    path: str
    text: str


def config(network: str, pod_cidrs: tuple[str, ...]) -> Config:
    """The CNI configuration of one node under a wiring (or under a conflist of one's own, as JSON)."""
    if network not in PLUGINS:
        own = json.loads(network)
        suffix = "conflist" if "plugins" in own else "conf"
        text = json.dumps(own, indent=2).replace(POD_CIDR, pod_cidrs[0])
        return Config(f"{FOLDER}10-{own['name']}.{suffix}", f"{text}\n")
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": cidr}] for cidr in pod_cidrs],
        "routes": [{"dst": "::/0" if ":" in cidr else "0.0.0.0/0"} for cidr in pod_cidrs],
    }
    asked = {"capabilities": {"ips": True}} if len(pod_cidrs) > 1 else {}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    listed = {"cniVersion": "1.0.0", "name": network, "plugins": [{**PLUGINS[network], **asked, "ipam": ipam}, portmap]}
    return Config(f"{FOLDER}10-{network}.conflist", json.dumps(listed, indent=2) + "\n")
