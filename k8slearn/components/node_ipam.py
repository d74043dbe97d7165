"""Node IPAM: the part of the controller manager that gives each node its piece of the pod range.

A node gets the lowest free /24 of ``--cluster-cidr``, in ``spec.podCIDR``, and keeps it as long as it exists. When
none is left it waits, with the event CIDRNotAvailable, until another node goes. In a dual-stack cluster it gets the
lowest free /64 of the second range too, and ``spec.podCIDRs`` has both.

Left out: other masks than /24 and /64, ranges of a plugin's own (some ignore ``spec.podCIDR``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.components import Settings, ranges
from k8slearn.journal import Commands, Key, Put, Table, World

NODE_MASKS = {4: 24, 6: 64}
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
        cidrs = [next((p for p in _pieces(cidr) if p not in taken), "") for cidr in ranges(settings.pod_cidr)]
        if not all(cidrs):
            message = f"Node {key} status is now: CIDRNotAvailable"
            said = event(world, node, "CIDRNotAvailable", message, "cidrAllocator")
            if world.get(said.key) is None:
                yield said
            return
        spec = {**(node.get("spec") or {}), "podCIDR": cidrs[0], "podCIDRs": cidrs}
        yield Put(("api", "nodes", key), stamped(world, {**node, "spec": spec}), ("api", "nodes", key))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _pod_cidr(node: Obj) -> str:
    return str((node.get("spec") or {}).get("podCIDR", ""))


def _taken(nodes: Table) -> set[str]:
    return {cidr for node in nodes.values() for cidr in (node.get("spec") or {}).get("podCIDRs") or (_pod_cidr(node),)}


def _pieces(pod_cidr: str) -> Iterator[str]:
    network = ip_network(pod_cidr)
    return map(str, network.subnets(new_prefix=NODE_MASKS[network.version]))
