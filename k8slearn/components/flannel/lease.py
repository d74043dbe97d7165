"""Leases: who has which piece of the pod network, and how it is reached, as the nodes' annotations say.

Left out: leases that run out (with etcd they do; the API's last as long as their node).
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from k8slearn.api.admit import stamped
from k8slearn.journal import Commands, Key, Put, Table, World

PREFIX = "flannel.alpha.coreos.com/"
Obj = dict[str, Any]


class Lease(NamedTuple):
    """One node's piece of one family: `subnet` in CIDR form, behind `public_ip`; `mac` is its flannel.1's (or its
    flannel-v6.1's), empty without VXLAN."""

    node: str
    subnet: str
    public_ip: str
    backend: str
    mac: str

    @property
    def six(self) -> bool:
        return ":" in self.subnet


class Said(NamedTuple):
    """What a node says of itself in one family: its address, and the backend's data as JSON."""

    public_ip: str
    data: str


WORDS = {False: ("public-ip", "backend-data"), True: ("public-ipv6", "backend-v6-data")}
"""The annotations of each family (IPv6: True): the node's address, and the backend's data."""


def leases(world: World) -> tuple[Lease, ...]:
    """The leases of all nodes that a flanneld has annotated, by the nodes' names."""
    return world.table("api", "nodes").index(_leases)


def _leases(rows: Table) -> tuple[Lease, ...]:
    found = (_lease(str(name), rows[name], six) for name in sorted(map(str, rows)) for six in WORDS)
    return tuple(lease for lease in found if lease is not None)


def piece(node: Obj, six: bool) -> str:
    """The node's pod range of one family; empty where it has none."""
    spec = node.get("spec") or {}
    cidrs = spec.get("podCIDRs") or [cidr for cidr in (spec.get("podCIDR"),) if cidr]
    return next((str(cidr) for cidr in cidrs if (":" in cidr) == six), "")


def _lease(name: str, node: Obj, six: bool) -> Lease | None:
    said = node["metadata"].get("annotations") or {}
    subnet, (public_ip, backend_data) = piece(node, six), WORDS[six]
    address = said.get(PREFIX + public_ip)
    if said.get(PREFIX + "kube-subnet-manager") != "true" or not subnet or not address:
        return None
    try:
        data = json.loads(said.get(PREFIX + backend_data) or "null") or {}
        return Lease(name, subnet, address, said.get(PREFIX + "backend-type", ""), str(data.get("VtepMAC", "")))
    except (ValueError, AttributeError):
        return None


def stored(node: Obj, what: str) -> str:
    """What an annotation of flannel's says: ``backend-data``, ``public-ip-overwrite``."""
    return str((node["metadata"].get("annotations") or {}).get(PREFIX + what, ""))


def stored_mac(node: Obj, six: bool) -> str:
    """The MAC that this node's flannel.1 had before; the same again, so that the others need not learn a new one."""
    found = _lease("", {**node, "spec": {"podCIDR": ":" if six else "-"}}, six)
    return found.mac if found is not None else ""


def annotate(world: World, where: Key, backend: str, said: tuple[Said, ...]) -> Commands:
    """Say to the others how this node's pods are reached (kube.go: AcquireLease)."""
    node: Obj = world.get(where)
    before = node["metadata"].get("annotations") or {}
    ours = {"backend-type": backend, "kube-subnet-manager": "true"}
    for address, data in said:
        public_ip, backend_data = WORDS[":" in address]
        ours |= {backend_data: data, public_ip: stored(node, f"{public_ip}-overwrite") or address}
    ours = dict(sorted(ours.items()))
    now = {**before, **{PREFIX + name: value for name, value in ours.items()}}
    if now != before:
        yield Put(where, stamped(world, {**node, "metadata": {**node["metadata"], "annotations": now}}), where)
