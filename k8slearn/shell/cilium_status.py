"""``cilium-dbg status``: how the agent's parts are configured and whether they are well, a line for each.

Source: pkg/client/client.go FormatStatusResponse, Cilium 1.19.

Left out: the lines about Hubble's flows, controllers, the health of other nodes, clock and clusters; of ``--verbose``
the sizes of maps.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.cni.cilium import agent, maps
from k8slearn.components import Settings
from k8slearn.journal import World
from k8slearn.linux import ip, link
from k8slearn.linux.curve25519 import public_key
from k8slearn.linux.rows import Link, Wireguard
from k8slearn.shell.kubectl.tabs import aligned

VERSION = "1.19.1"
APIS = (
    *("cilium/v2::CiliumEndpoint", "cilium/v2::CiliumNode", "core/v1::Namespace", "core/v1::Pods", "core/v1::Service"),
    "discovery/v1::EndpointSlice",
)
WRITTEN = "successfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist"


def text(world: World, node: str, verbose: bool) -> str:
    """All of it."""
    here = maps.config(world, node)
    assert here is not None
    return aligned(list(_lines(world, node, here, verbose)), 2, 3)


def _lines(world: World, node: str, here: maps.Config, verbose: bool) -> Iterator[str]:
    settings: Settings = world.get(("cluster", "settings", ""))
    device = f"{here.device}   {here.node_ip} (Direct Routing)"
    network = "Tunnel [vxlan]" if here.tunnel else "Native"
    yield "KVStore:\tDisabled\t"
    yield f"Kubernetes:\tOk\t{settings.kubernetes} (v{settings.kubernetes}.0) [linux/amd64]"
    yield "Kubernetes APIs:\t[" + ", ".join(f'"{name}"' for name in APIS) + "]"
    yield f"KubeProxyReplacement:\tTrue\t[{device}]"
    yield "Host firewall:\tDisabled"
    yield "SRv6:\tDisabled"
    yield "CNI Chaining:\tnone"
    yield f"CNI Config file:\t{WRITTEN}"
    yield f"Cilium:\tOk   {VERSION} (v{VERSION})"
    yield from _addresses(world, node, here, verbose)
    yield "IPv4 BIG TCP:\tDisabled"
    yield "IPv6 BIG TCP:\tDisabled"
    yield "BandwidthManager:\tDisabled"
    yield f"Routing:\tNetwork: {network}\tHost: Legacy"
    yield "Attach Mode:\tLegacy TC"
    yield "Device Mode:\tveth"
    yield "Masquerading:\tIPTables [IPv4: Enabled, IPv6: Disabled]"
    yield "Proxy Status:\tNo managed proxy redirect"
    yield "Global Identity Range:\tmin 256, max 65535"
    yield "Hubble:\tDisabled"
    yield from _details(here) if verbose else ()
    yield _encryption(world, node)


def _addresses(world: World, node: str, here: maps.Config, verbose: bool) -> Iterator[str]:
    """``10.244.0.5 (router)``, and who has the others."""
    held = world.table(node, agent.ADDRESSES)
    yield f"IPAM:\tIPv4: {len(held)}/{(1 << (32 - ip.network(here.pod_cidr)[1])) - 2} allocated from {here.pod_cidr}, "
    if verbose:
        yield "Allocated addresses:"
        yield from sorted(f"  {address} ({row.owner})" for address, row in held.items())


def _details(here: maps.Config) -> Iterator[str]:
    yield "KubeProxyReplacement Details:"
    yield from (
        aligned([line.format(device=here.device, address=here.node_ip) for line in DETAILS], 0, 3)
        .rstrip("\n")
        .split("\n")
    )


DETAILS = (
    "  Status:\tTrue",
    "  Socket LB:\tEnabled",
    "  Socket LB Tracing:\tEnabled",
    "  Socket LB Coverage:\tFull",
    "  Devices:\t{device}   {address} (Direct Routing)",
    "  Mode:\tSNAT",
    "  Backend Selection:\tRandom",
    "  Session Affinity:\tEnabled",
    "  Graceful Termination:\tEnabled",
    "  NAT46/64 Support:\tDisabled",
    "  XDP Acceleration:\tDisabled",
    "  Services:",
    "  - ClusterIP:\tEnabled",
    "  - NodePort:\tEnabled (Range: 30000-32767) ",
    "  - LoadBalancer:\tEnabled ",
    "  - externalIPs:\tEnabled ",
    "  - HostPort:\tEnabled",
)


def _encryption(world: World, node: str) -> str:
    found = wireguard(world, node)
    if found is None:
        return "Encryption:\tDisabled\t"
    device, key, peers = found
    return f"Encryption:\tWireguard\t[NodeEncryption: Disabled, {device} (Pubkey: {key}, Port: 51871, Peers: {peers})]"


def wireguard(world: World, node: str) -> tuple[str, str, int] | None:
    """The device, its public key and the number of its peers; None: nothing is encrypted."""
    device: Link | None = world.get(link.key(node, maps.WIREGUARD))
    if device is None or not isinstance(device.spec, Wireguard):
        return None
    return device.name, public_key(device.spec.private_key), len(device.spec.peers)
