"""Which machines a tunnel device leads to: its own tables, read as a map.

A VXLAN has a forwarding table, WireGuard has peers, and an IP-in-IP device has its one far end, or (Calico's ``tunl0``)
none: there the route says it, ``10.244.2.0/26 via 192.168.64.12 dev tunl0``.

Left out: default destinations and multicast groups of a VXLAN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from k8slearn.journal import Key, World
from k8slearn.linux.rows import Ipip, Link, Vxlan, Wireguard

LABELS = {"vxlan": "VXLAN", "ipip": "IP-in-IP", "wireguard": "WireGuard"}
"""The kinds of tunnel devices, as people call what they put around a packet."""


class Tunnel(NamedTuple):
    """A way through a tunnel: the device at its other end, and the row that says so."""

    far: Key
    row: Key


def tunnels(world: World, scope: str, link: Link) -> tuple[Tunnel, ...]:
    """The other ends of a tunnel device, in its table's order, each once."""
    if link.kind not in LABELS:
        return ()
    owners = {a.address: s for s in world.scopes("addr") if "/" not in s for a in world.table(s, "addr").values()}
    found: dict[Key, Key] = {}
    for address, row in _remotes(world, scope, link):
        far = _device(world, owners[address], link) if owners.get(address, scope) != scope else None
        if far is not None:
            found.setdefault(far, row)
    return tuple(Tunnel(far, row) for far, row in found.items())


def _remotes(world: World, scope: str, link: Link) -> Iterator[tuple[str, Key]]:
    """(address of another machine, the row that names it)"""
    own: Key = (scope, "link", link.name)
    if isinstance(link.spec, Vxlan):
        for name, row in world.table(scope, "vxfdb").items():
            if row.dev == link.name:
                yield from ((remote.dst, (scope, "vxfdb", name)) for remote in row.remotes)
    elif isinstance(link.spec, Wireguard):
        yield from ((peer.endpoint[0], own) for peer in link.spec.peers if peer.endpoint is not None)
    elif isinstance(link.spec, Ipip) and link.spec.remote:
        yield link.spec.remote, own
    else:
        routes = world.table(scope, "route").items()
        yield from ((row.via, (scope, "route", name)) for name, row in routes if row.dev == link.name and row.via)


def _device(world: World, scope: str, link: Link) -> Key | None:
    """The device there that takes what this one sends: of the same kind, a VXLAN with the same number."""
    for other in world.table(scope, "link").values():
        alike = not isinstance(link.spec, Vxlan) or (
            isinstance(other.spec, Vxlan) and (other.spec.id, other.spec.port) == (link.spec.id, link.spec.port)
        )
        if other.kind == link.kind and alike:
            return (scope, "link", other.name)
    return None
