"""What ``wg set`` and ``wg setconf`` change about a WireGuard device, and what the kernel does on its own then.

An allowed network belongs to one peer of a device: whoever is given it last, has it, and the other one loses it
(allowedips.c). A device with a new private key forgets its sessions. The port is a UDP socket in the device's home:
it is taken while the device is up; port 0 means that the kernel picks one then.

Left out: a peer's protocol version, ``wg`` over a userspace socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, World, digest
from k8slearn.linux import inet6, ip, link, stack
from k8slearn.linux.curve25519 import clamped, public_key
from k8slearn.linux.device import refused
from k8slearn.linux.rows import Link, Peer, Socket, Wireguard

IN_USE = "Address already in use"


@dataclass(frozen=True, slots=True)
class PeerChange:
    """What is to become of one peer; None: leave it as it is."""

    public_key: str
    remove: bool = False
    preshared_key: str | None = None
    endpoint: tuple[str, int] | None = None
    keepalive: int | None = None
    allowed_ips: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a device; None: leave it as it is."""

    private_key: str | None = None
    port: int | None = None
    fwmark: int | None = None
    peers: tuple[PeerChange, ...] = ()
    replace_peers: bool = False
    """The peers that are not named go."""


def configure(world: World, netns: str, name: str, change: Change) -> Commands:
    """Do it (`netlink.c: wg_set_device`). Raises CommandError as ``wg`` does."""
    device: Link | None = world.get(link.key(netns, name))
    if device is None or not isinstance(device.spec, Wireguard):
        why = "No such device" if device is None else "Operation not supported"
        raise CommandError(f"Unable to modify interface: {why}\n", 1)
    spec = device.spec
    spec = replace(spec, fwmark=spec.fwmark if change.fwmark is None else change.fwmark)
    if change.port is not None and change.port != spec.port:
        spec = replace(spec, port=_port(world, netns, device, change.port) if device.up else change.port)
    if change.replace_peers:
        spec = replace(spec, peers=())
    if change.private_key is not None:
        spec = _with_key(spec, change.private_key)
    for peer in change.peers:
        spec = _with_peer(spec, peer)
    yield Put(link.key(netns, name), replace(device, spec=spec))


def _with_key(spec: Wireguard, key: str) -> Wireguard:
    """The sessions are gone, and nobody is a peer of himself."""
    key = clamped(key) if key else ""
    if key == spec.private_key:
        return spec
    mine = public_key(key)
    peers = tuple(replace(p, session="", upcoming="") for p in spec.peers if p.public_key != mine)
    return replace(spec, private_key=key, peers=peers)


def _with_peer(spec: Wireguard, change: PeerChange) -> Wireguard:
    before = next((p for p in spec.peers if p.public_key == change.public_key), None)
    if change.remove or change.public_key == public_key(spec.private_key):
        return replace(spec, peers=tuple(p for p in spec.peers if p.public_key != change.public_key))
    peer = before or Peer(change.public_key)
    told = {"preshared_key": change.preshared_key, "endpoint": change.endpoint, "keepalive": change.keepalive}
    peer = replace(peer, **{name: value for name, value in told.items() if value is not None})  # type: ignore[arg-type]
    peers = spec.peers if before is not None else (*spec.peers, peer)
    spec = replace(spec, peers=tuple(peer if p.public_key == peer.public_key else p for p in peers))
    return spec if change.allowed_ips is None else _with_networks(spec, peer, change)


def _with_networks(spec: Wireguard, peer: Peer, change: PeerChange) -> Wireguard:
    told = tuple(dict.fromkeys(ip.network_of(*_split(cidr)) for cidr in change.allowed_ips or ()))
    peers = []
    for other in spec.peers:
        left = tuple(cidr for cidr in other.allowed_ips if cidr not in told)
        peers.append(replace(other, allowed_ips=told if other.public_key == peer.public_key else left))
    return replace(spec, peers=tuple(peers))


def _split(cidr: str) -> tuple[str, int]:
    address, _, prefix = cidr.partition("/")
    return address, int(prefix) if prefix else ip.bits(address)


def opened(world: World, netns: str, device: Link) -> Link:
    """The device comes up: its socket is bound (`device.c: wg_open`). Raises CommandError when the port is taken."""
    assert isinstance(device.spec, Wireguard)
    try:
        port = _port(world, netns, device, device.spec.port)
    except CommandError:
        raise refused(IN_USE) from None
    return replace(device, spec=replace(device.spec, port=port))


def sockets(world: World, home: str) -> Iterator[Socket]:
    """The kernel's own UDP sockets for these devices, one for each family; no program holds them."""
    for _, row in stack.tunnels(world, home, "wireguard"):
        if row.up and isinstance(row.spec, Wireguard):
            for address in ("0.0.0.0", "::") if inet6.speaks(world, home) else ("0.0.0.0",):
                yield Socket("udp", address, row.spec.port, "", "", v6only=True)


def _port(world: World, netns: str, device: Link, port: int) -> int:
    home = device.home or netns
    taken = {key[2] for key in world.table(home, "socket") if isinstance(key, tuple) and key[0] == "udp"}
    for scope, other in stack.tunnels(world, home, "wireguard"):
        if other.up and (scope, other.name) != (netns, device.name) and isinstance(other.spec, Wireguard):
            taken.add(other.spec.port)
    if not port:
        port = 32768 + int(digest("port", home, device.name, length=6), 16) % 28232
        while port in taken:
            port = 32768 + (port - 32767) % 28232
    elif port in taken:
        raise CommandError(f"Unable to modify interface: {IN_USE}\n", 1)
    return port
