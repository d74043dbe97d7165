"""MetalLB's speakers: for each address one node answers ARP, and tells everybody when it takes one over.

All speakers know which of them are alive (memberlist) and come to the same choice without asking: of the nodes that
may announce, the one with the smallest hash of its name and the address. With ``externalTrafficPolicy: Cluster`` any
node with a speaker may, as long as somebody serves at all; with ``Local`` only nodes with a ready endpoint of their
own, since on others kube-proxy drops the packets. A node labelled
``node.kubernetes.io/exclude-from-external-load-balancers`` (a control plane) never does. The address is on no
interface: the speaker answers with a packet socket (`arp.Answered`), and kube-proxy's rules do the rest
(metallb/metallb speaker/layer2_controller.go).

Left out: memberlist's time to notice a dead node (some seconds), ``interfaces`` and ``nodeSelectors`` of an
L2Advertisement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from k8slearn.api.events import event
from k8slearn.cni import cri
from k8slearn.components.metallb import ADVERTISEMENTS, POOLS, given, is_ours, pool_of
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import arp

PROGRAM = "metallb-speaker"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
NOT_ON = re.compile(r"docker|cbr|dummy|virbr|lxcbr|veth|lo$|cali|tunl|flannel|kube-ipvs|cni|nodelocaldns|lxc|eni")
"""Devices that no speaker answers on (the ConfigMap metallb-excludel2)."""
ALL = "all"
Obj = dict[str, Any]


class MetalLbSpeakers:
    """One key: all addresses at once, as every speaker looks at all of them."""

    name = "metallb-speaker"

    def watches(self) -> Mapping[str, str]:
        return {
            **{"services": "their addresses", "endpointslices": "who serves", "nodes": "who may announce"},
            **{ADVERTISEMENTS: "what is announced", POOLS: "what is announced", "container": "its own"},
            "netns": "a machine that is on",
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] in (ADVERTISEMENTS, POOLS) or world.table("api", ADVERTISEMENTS):
            return (ALL,)
        return ()

    def reconcile(self, world: World, key: str) -> Commands:
        wanted = dict(_announced(world))
        for node in map(str, world.table("api", "nodes")):
            yield from _on(world, node, {a: name for a, (name, who) in wanted.items() if who == node})

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _announced(world: World) -> Iterable[tuple[str, tuple[str, str]]]:
    """(address, (Service, node)) of everything that is announced."""
    pools = _advertised(world)
    alive = [node for node in map(str, world.table("api", "nodes")) if _may(world, node)]
    for name, service in sorted(world.table("api", "services").items(), key=str):
        address = given(service) if is_ours(service) else ""
        if address and pool_of(world, address) in pools:
            serving = _serving(world, str(name))
            local = service["spec"].get("externalTrafficPolicy") == "Local"
            nodes = [node for node in alive if node in serving] if local else alive if serving else []
            if nodes:
                yield address, (str(name), min(nodes, key=lambda n: sha256(f"{n}#{address}".encode()).digest()))


def _advertised(world: World) -> set[str]:
    """The names of the pools that an L2Advertisement names; one that names none means all."""
    found = set[str]()
    for said in world.table("api", ADVERTISEMENTS).values():
        every = {str(pool["metadata"]["name"]) for pool in world.table("api", POOLS).values()}
        found |= set((said.get("spec") or {}).get("ipAddressPools") or every)
    return found


def _may(world: World, node: str) -> bool:
    labels = world.get(("api", "nodes", node))["metadata"].get("labels") or {}
    on = world.get((f"node:{node}", "netns", "")) is not None
    return on and EXCLUDED not in labels and cri.runs(world, f"node:{node}", PROGRAM)


def _serving(world: World, service: str) -> set[str]:
    """The nodes that have a ready endpoint of a Service."""
    namespace, _, name = service.partition("/")
    found = set[str]()
    for key, piece in world.table("api", "endpointslices").items():
        labels = piece["metadata"].get("labels") or {}
        if str(key).startswith(f"{namespace}/") and labels.get("kubernetes.io/service-name") == name:
            for endpoint in piece.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    found.add(str(endpoint.get("nodeName", "")))
    return found


def _on(world: World, node: str, wanted: Mapping[str, str]) -> Commands:
    """What the speaker of one node answers for: as wanted (address -> Service), on each of its own cards."""
    scope, table = f"node:{node}", world.table(f"node:{node}", arp.ARPD)
    said = [row for row in table.values() if row.program == PROGRAM]
    for row in (row for row in said if row.address not in wanted):
        yield Remove((scope, arp.ARPD, (row.dev, row.address)), ("api", "nodes", node))
    cards = [str(name) for name, link in world.table(scope, "link").items() if link.up and not NOT_ON.match(str(name))]
    for address, name in wanted.items():
        fresh = [dev for dev in cards if (dev, address) not in table]
        for dev in fresh:
            cause: Key = ("api", "services", name)
            yield Put((scope, arp.ARPD, (dev, address)), arp.Answered(dev, address, PROGRAM), cause)
            yield from arp.announce(world, scope, dev, address)
        if fresh:
            words = f'announcing from node "{node}" with protocol "layer2"'
            service = world.get(("api", "services", name))
            yield event(world, service, "nodeAssigned", words, PROGRAM, host=node)
