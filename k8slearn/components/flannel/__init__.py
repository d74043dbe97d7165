"""flanneld: flannel's agent. On each node it says where this node's pods are, and writes down where all the others are.

It is a container of the DaemonSet ``kube-flannel-ds`` and works on a node while that container runs. What it needs to
know of the others it reads from the Node objects, where each flanneld has annotated its own::

    spec.podCIDR                                10.244.1.0/24        this node's pods
    flannel.alpha.coreos.com/public-ip          192.168.64.12        are behind this address,
    flannel.alpha.coreos.com/backend-type       vxlan                reached like this,
    flannel.alpha.coreos.com/backend-data       {"VNI":1,"VtepMAC":"…"}

In a dual-stack cluster ``net-conf.json`` has ``EnableIPv6`` and an ``IPv6Network``, and all of it is there in a second
family too: annotations ``public-ipv6`` and ``backend-v6-data``, the device flannel-v6.1, rules of ip6tables.

When it starts it prepares the node (`vxlan` makes the device flannel.1), writes the rules that let pods' packets pass
(`rules`) and /run/flannel/subnet.env, which the CNI plugin of the same name waits for; then it follows the nodes that
come and go. What it has written stays when it ends: running pods go on talking, and new ones start, until the node is
booted again. It looks after its rules every 5 seconds, with host-gw after its routes every 10; what somebody deletes
from flannel.1 stays deleted until flanneld starts again (flannel-io/flannel v0.28, main.go, pkg/subnet/kube/kube.go,
pkg/backend/vxlan/vxlan_network.go, pkg/backend/route_network.go).

Here a changed ``net-conf.json`` is acted upon at once, as if the pods had been restarted; in life they must be.

Left out: nftables mode, etcd instead of the API, ``--iface-regex`` and ``--iface-can-reach``, the other backends
(wireguard, ipip, udp, alloc, extension): each is refused in flanneld's log. Its probes are always well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from k8slearn.components.flannel import node, rules
from k8slearn.components.flannel.backend import Fatal
from k8slearn.components.flannel.daemon import PROGRAM, Daemon, State, daemon, dies, memory, nodes
from k8slearn.components.flannel.lease import Lease, leases
from k8slearn.components.flannel.node import BACKENDS
from k8slearn.journal import Commands, Key, World

RULES, ROUTES, DEVICE = "rules/", "routes/", "device/"
PERIODS = {RULES: 5.0, ROUTES: 10.0}
"""Seconds between two looks: ``--iptables-resync``, and route_network.go's routeCheckRetries."""


class Flannel:
    """Keys: nodes, by name; ``rules/NODE`` and ``routes/NODE`` when a look is due, ``device/NODE`` when it is gone."""

    name = "flanneld"

    def watches(self) -> Mapping[str, str]:
        return {
            "container": "its own: does it run on this node?",
            "nodes": "their pod CIDRs and annotations",
            "configmaps": "net-conf.json",
            "link": "flannel.1 that somebody deleted",
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, table, name = changed
        if table == "container":
            row = world.get(changed)
            return (scope.removeprefix("node:"),) if row is not None and row.program == PROGRAM else ()
        if table == "link":
            gone = str(name).startswith(("flannel.", "flannel-v6.")) and world.get(changed) is None
            return (DEVICE + scope.removeprefix("node:"),) if gone else ()
        return nodes(world)

    def reconcile(self, world: World, key: str) -> Commands:
        what, _, name = key.rpartition("/")
        own = daemon(world, name)
        if own is None:
            return
        state: State | None = world.get(memory(name))
        try:
            if state is None or (state.container, state.config) != (own.container.id, own.config):
                yield from node.start(world, own)
            elif what + "/" == RULES:
                yield from rules.ensure(world, own)
            elif what + "/" in (ROUTES, DEVICE):
                yield from BACKENDS[own.net.backend].look_after(world, own, state.leases)
            yield from _follow(world, own)
        except Fatal as error:
            yield from dies(world, own, str(error))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """Only a look that would find something is worth a timer."""
        for name in nodes(world):
            own, state = daemon(world, name), world.get(memory(name))
            if own is None or state is None or state.container != own.container.id:
                continue
            for what, missing in ((RULES, rules.missing(world, own)), (ROUTES, _routes_missing(world, own, state))):
                if missing:
                    yield (math.floor(world.clock / PERIODS[what]) + 1) * PERIODS[what], what + name


def _routes_missing(world: World, own: Daemon, state: State) -> bool:
    return BACKENDS[own.net.backend].missing(world, own, state.leases)


def _follow(world: World, own: Daemon) -> Commands:
    """The other nodes' leases, compared with those that it knows: the gone ones first, then the new ones."""
    state: State = world.get(memory(own.name))
    families = [":" in network for network in own.net.networks]
    others = (lease for lease in leases(world) if lease.node != own.name and lease.six in families)
    now = tuple(lease for lease in others if lease.backend == own.net.backend)
    if now == state.leases:
        return
    backend = BACKENDS[own.net.backend]
    subnets = {lease.subnet for lease in now}
    for lease in state.leases:
        if lease.subnet not in subnets:
            yield from _because(lease, backend.remove(world, own, lease))
    for lease in now:
        if lease not in state.leases:
            yield from _because(lease, backend.add(world, own, lease))
    yield from own.remember(now)


def _because(lease: Lease, commands: Commands) -> Commands:
    for command in commands:
        yield command._replace(cause=("api", "nodes", lease.node))
