"""``k8s.v1.cni.cncf.io/network-status``: what multus writes into the pod of the networks that it got.

A JSON list, an entry for each interface in the pod: network, interface, addresses, MAC, whether it is the default
network, and its default gateways (network-attachment-definition-client pkg/utils/net-attach-def.go).

Left out: ``device-info``.
"""

from __future__ import annotations

import json
from typing import Any

from k8slearn.api.admit import stamped
from k8slearn.cni import spec
from k8slearn.cni.iface import DEFAULTS
from k8slearn.journal import Commands, Put, World

STATUS = "k8s.v1.cni.cncf.io/network-status"
Obj = dict[str, Any]


def of(printed: Obj, name: str, default: bool) -> list[Obj]:
    """The entries of one network's result (CreateNetworkStatuses)."""
    result = spec.read(printed)
    interfaces = list(enumerate(result.get("interfaces") or ()))
    ips = result.get("ips") or ()
    inside = [(at, row) for at, row in interfaces if row.get("sandbox")]
    alone = len(interfaces) == 1
    first = next((entry["interface"] for entry in ips if entry.get("gateway") and "interface" in entry), None)
    chosen = first if first is not None else inside[0][0] if inside else None
    rest = {
        "dns": {k: v for k, v in (result.get("dns") or {}).items() if v},
        "gateway": [row.get("gw") or "<nil>" for row in result.get("routes") or () if row["dst"] in DEFAULTS],
    }
    if alone:
        found = inside or [(0, {})]
        return [_entry(name, row, [entry["address"] for entry in ips], default, rest) for _, row in found]
    last = inside[-1][0] if inside else None
    held = {at: [e["address"] for e in ips if e.get("interface", last) == at] for at, _ in inside}
    return [_entry(name, row, held[at], default and at == chosen, rest) for at, row in inside]


def _entry(name: str, interface: Obj, addresses: list[str], default: bool, rest: Obj) -> Obj:
    entry = {
        "name": name,
        "interface": interface.get("name"),
        "ips": [address.partition("/")[0] for address in addresses],
        "mac": interface.get("mac"),
        "mtu": interface.get("mtu"),
        "default": default,
        "dns": rest["dns"],
        "gateway": rest["gateway"],
    }
    return {k: v for k, v in entry.items() if v or k in ("name", "dns")}


def write(world: World, pod: Obj, statuses: list[Obj]) -> Commands:
    """The annotation is written into the pod as the API has it now."""
    metadata = pod["metadata"]
    key = ("api", "pods", f"{metadata['namespace']}/{metadata['name']}")
    obj: Obj = world.get(key) or pod
    text = "[" + ",".join(json.dumps(row, indent=4) for row in statuses) + "]"
    annotations = {**(obj["metadata"].get("annotations") or {}), STATUS: text}
    yield Put(key, stamped(world, {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}))
