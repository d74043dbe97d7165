"""cilium-config: the ConfigMap that the agents and the operator are told everything by, one flag for each key.

What a Helm value is called in the chart has another name here (``routingMode: native`` is ``routing-mode: native``).

Left out (each is refused in an event): Geneve, IPv6, masquerading in eBPF, a kube-proxy beside the agent, other ways to
give addresses than ``cluster-pool`` (the default) and ``kubernetes`` (the Node's own podCIDR).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slearn.cni.cilium import agent
from k8slearn.journal import World
from k8slearn.linux.rows import Address

NAME = "kube-system/cilium-config"
ONLY = {
    "tunnel-protocol": ("vxlan",),
    "enable-ipv4": ("true",),
    "enable-ipv6": ("false",),
    "enable-bpf-masquerade": ("false",),
    "kube-proxy-replacement": ("true",),
    "routing-mode": ("tunnel", "native"),
    "ipam": ("cluster-pool", "kubernetes"),
    "enable-ipsec": ("false",),
    "encrypt-node": ("false",),
    "bpf-lb-mode": ("snat",),
    "bpf-lb-algorithm": ("random",),
}
"""What is modelled of each of these keys; the first is what an absent key means."""
NO_NATIVE_CIDR = (
    "native routing cidr must be configured with option --ipv4-native-routing-cidr in combination with "
    "--enable-ipv4=true --enable-ipv4-masquerade=true --enable-ip-masq-agent=false --routing-mode=native "
    "--ipam=cluster-pool"
)
"""The agent's own words, with which it ends (daemon/cmd: ``checkIPv4NativeRoutingCIDR``)."""


def of(world: World) -> Mapping[str, str]:
    """The flags."""
    row: Mapping[str, Any] = world.get(("api", "configmaps", NAME)) or {}
    return row.get("data") or {}


def is_on(world: World, flag: str, default: bool = False) -> bool:
    """A switch."""
    return of(world).get(flag, str(default).lower()) == "true"


def problem(world: World) -> str:
    """Why no agent could work with this configuration; empty: it can."""
    told = of(world)
    for flag, known in ONLY.items():
        if told.get(flag, known[0]) not in known:
            return f"cilium-config: {flag}: {told[flag]} is not modelled here: use {' or '.join(known)}"
    if (
        not is_tunnel(world)
        and is_on(world, "enable-ipv4-masquerade", True)
        and not told.get("ipv4-native-routing-cidr")
    ):
        return NO_NATIVE_CIDR
    return ""


def is_tunnel(world: World) -> bool:
    """``routing-mode``: do pods' packets travel between nodes in a tunnel?"""
    return of(world).get("routing-mode", "tunnel") == "tunnel"


def pod_cidr(world: World, name: str) -> str:
    """The range of a node's pods, by its CiliumNode; empty: the operator has given it none yet."""
    row: Mapping[str, Any] = world.get(("api", agent.CILIUM_NODES, name)) or {}
    ranges = ((row.get("spec") or {}).get("ipam") or {}).get("podCIDRs") or []
    return str(ranges[0]) if ranges else ""


def underlay(world: World, node: str) -> Address | None:
    """The node's own address on the network between the nodes."""
    obj: Mapping[str, Any] = world.get(("api", "nodes", node.removeprefix("node:"))) or {}
    said = (obj.get("status") or {}).get("addresses") or ()
    internal = next((a["address"] for a in said if a["type"] == "InternalIP"), "")
    rows: list[Address] = list(world.table(node, "addr").values())
    return next((row for row in rows if row.address == internal), None)
