"""cilium_wg0: one WireGuard device on each node, and each other node as its peer (``enable-wireguard: true``).

The agent draws a private key, keeps it in /var/run/cilium/cilium_wg0.key, and publishes the public one as an annotation
of its CiliumNode. A peer's allowed IPs are the addresses of its node and of every pod there: what comes in by the
device from another address is dropped.

Sources: pkg/wireguard/agent, pkg/wireguard/types (port 51871, mark 0xe00).

Left out: rotation of keys (a new one only when the file is gone).
"""

from __future__ import annotations

from k8slearn.cni.cilium import maps
from k8slearn.cni.cilium.encryption import ENCRYPTED_MARK
from k8slearn.journal import Commands, Put, World
from k8slearn.linux import ip, link, wireguard, wireguard_config
from k8slearn.linux.curve25519 import made_up_key, public_key
from k8slearn.linux.rows import Link, Wireguard
from k8slearn.linux.wireguard_config import Change, PeerChange

DEVICE, PORT, HEADER = maps.WIREGUARD, 51871, 80
ANNOTATION, FILE = "network.cilium.io/wg-pub-key", "/var/run/cilium/cilium_wg0.key"


def device(world: World, node: str, wanted: maps.Config) -> Commands:
    """The device is there, with its key and its port; or it is not wanted."""
    there = world.get(link.key(node, DEVICE)) is not None
    if not wanted.wireguard:
        if there:
            yield from link.delete(world, node, DEVICE)
        return
    if world.get((node, "file", FILE)) is None:
        boots = world.get((node, "boot", "")) or 0
        yield Put((node, "file", FILE), made_up_key("cilium_wg0", node, boots))
    if not there:
        yield from wireguard.add(world, node, DEVICE, wanted.mtu - HEADER)
        change = Change(world.get((node, "file", FILE)), PORT, ENCRYPTED_MARK)
        yield from wireguard_config.configure(world, node, DEVICE, change)
        yield Put((node, "sysctl", f"net.ipv4.conf.{DEVICE}.rp_filter"), "0")
        yield from link.set_up(world, node, DEVICE)


def notes(world: World, node: str) -> dict[str, str]:
    """What others have to know of this node's key."""
    key = world.get((node, "file", FILE))
    there = world.get(link.key(node, DEVICE)) is not None
    return {ANNOTATION: public_key(key)} if key is not None and there else {}


def peer(world: World, node: str, address: str, key: str) -> Commands:
    """The node with this address and key is a peer, for all addresses that the ipcache has behind it."""
    found: Link | None = world.get(link.key(node, DEVICE))
    if found is None or not key or not isinstance(found.spec, Wireguard):
        return
    behind = [str(cidr) for cidr, row in world.table(node, maps.IPCACHE).items() if row.tunnel == address]
    hosts = sorted({f"{address}/32", *(cidr for cidr in behind if cidr.endswith("/32"))}, key=_number)
    before = next((row for row in found.spec.peers if row.public_key == key), None)
    if before is not None and list(before.allowed_ips) == hosts:
        return
    stale = [
        PeerChange(row.public_key, remove=True)
        for row in found.spec.peers
        if row.endpoint == (address, PORT) and row.public_key != key
    ]
    change = PeerChange(key, endpoint=(address, PORT) if before is None else None, allowed_ips=tuple(hosts))
    yield from wireguard_config.configure(world, node, DEVICE, Change(peers=(*stale, change)))


def forget(world: World, node: str, address: str) -> Commands:
    """The node with this address is a peer no more."""
    found: Link | None = world.get(link.key(node, DEVICE))
    if found is None or not isinstance(found.spec, Wireguard):
        return
    gone = [row.public_key for row in found.spec.peers if f"{address}/32" in row.allowed_ips]
    if gone:
        changes = tuple(PeerChange(key, remove=True) for key in gone)
        yield from wireguard_config.configure(world, node, DEVICE, Change(peers=changes))


def _number(cidr: str) -> int:
    return ip.network(cidr)[0]
