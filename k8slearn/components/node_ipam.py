"""Node IPAM: the part of the controller manager that gives each node its piece of the pod range.

A node gets the lowest free /24 of ``--cluster-cidr``, in ``spec.podCIDR``, and keeps it as long as it exists. When
none is left it waits, with the event CIDRNotAvailable, until another node goes.

Left out: a mask other than /24, second families, ranges of a plugin's own (some ignore ``spec.podCIDR``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.components import Settings
from k8slearn.journal import Commands, Key, Put, Table, World

NODE_MASK = 24
Obj = dict[str, Any]


class NodeIpam:
    """Keys: nodes, by name."""

    name = "node-ipam-controller"

    def watches(self) -> Mapping[str, str]:
        return {"nodes": "those without a pod CIDR"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        node = world.get(changed)
        if node is not None:
            return () if _pod_cidr(node) else (str(changed[2]),)
        return sorted(str(name) for name, other in world.table("api", "nodes").items() if not _pod_cidr(other))

    def reconcile(self, world: World, key: str) -> Commands:
        node = world.get(("api", "nodes", key))
        if node is None or _pod_cidr(node):
            return
        settings: Settings = world.get(("cluster", "settings", ""))
        taken = world.table("api", "nodes").index(_taken)
        cidr = next((str(net) for net in _pieces(settings.pod_cidr) if str(net) not in taken), None)
        if cidr is None:
            message = f"Node {key} status is now: CIDRNotAvailable"
            said = event(world, node, "CIDRNotAvailable", message, "cidrAllocator")
            if world.get(said.key) is None:
                yield said
            return
        spec = {**(node.get("spec") or {}), "podCIDR": cidr, "podCIDRs": [cidr]}
        yield Put(("api", "nodes", key), stamped(world, {**node, "spec": spec}), ("api", "nodes", key))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _pod_cidr(node: Obj) -> str:
    return str((node.get("spec") or {}).get("podCIDR", ""))


def _taken(nodes: Table) -> set[str]:
    return {_pod_cidr(node) for node in nodes.values()}


def _pieces(pod_cidr: str) -> Iterator[IPv4Network]:
    return IPv4Network(pod_cidr).subnets(new_prefix=NODE_MASK)
