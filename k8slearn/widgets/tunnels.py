"""Which machines a tunnel device leads to: a VXLAN's forwarding table, read as a map.

Left out: IP-in-IP and WireGuard devices.
"""

from __future__ import annotations

from typing import NamedTuple

from k8slearn.journal import Key, World
from k8slearn.linux.rows import Link, Vxlan


class Tunnel(NamedTuple):
    """A way through a tunnel: the device at its other end, and the row that says so."""

    far: Key
    row: Key


def tunnels(world: World, scope: str, link: Link) -> tuple[Tunnel, ...]:
    """The other ends of a VXLAN device, in its table's order."""
    if not isinstance(link.spec, Vxlan):
        return ()
    rows = [(name, row) for name, row in world.table(scope, "vxfdb").items() if row.dev == link.name]
    owners = {a.address: s for s in world.scopes("addr") if "/" not in s for a in world.table(s, "addr").values()}
    remotes = {remote.dst: (scope, "vxfdb", name) for name, row in rows for remote in row.remotes}
    found = ((_device(world, owners[dst], link.spec), row) for dst, row in remotes.items() if dst in owners)
    return tuple(Tunnel(far, row) for far, row in found if far is not None)


def _device(world: World, scope: str, spec: Vxlan) -> Key | None:
    """The device there that takes this VNI."""
    for other in world.table(scope, "link").values():
        if isinstance(other.spec, Vxlan) and (other.spec.id, other.spec.port) == (spec.id, spec.port):
            return (scope, "link", other.name)
    return None
