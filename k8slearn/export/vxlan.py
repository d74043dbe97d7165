"""VXLAN devices in an exported script: ``ip link add type vxlan``, and what they know, as ``bridge fdb`` lines.

A device belongs to the namespace that it is made in, so it is made there and nowhere else.

Left out: devices that were made in one namespace and live in another; what a device has learned.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.journal import World
from k8slearn.linux.rows import Link, Vxlan
from k8slearn.linux.vxlan_fdb import ALL


def links(world: World, scope: str) -> Iterator[str]:
    """A line of ``ip -n NETNS -batch`` for each device."""
    for link in _devices(world, scope):
        spec = link.spec
        assert isinstance(spec, Vxlan)
        own = f"name {link.name} address {link.mac} mtu {link.mtu} index {link.index}"
        yield f"link add {own} type vxlan {words(link, spec)}"


def words(link: Link, spec: Vxlan) -> str:
    """The settings, as iproute2 takes them."""
    given = {
        "local": spec.local,
        "remote": spec.remote,
        "dev": link.lower[1] if link.lower is not None else "",
        "ttl": "inherit" if spec.ttl_inherit else str(spec.ttl or ""),
        "df": spec.df if spec.df != "unset" else "",
        "maxaddress": str(spec.limit or ""),
    }
    options = [f"{word} {value}" for word, value in given.items() if value]
    flags = ["learning" if spec.learning else "nolearning", *([] if spec.localbypass else ["nolocalbypass"])]
    low, high = spec.port_range
    ports = f"srcport {low} {high} " if high else ""
    return f"id {spec.id} dstport {spec.port} ageing {spec.ageing} {ports}{' '.join([*options, *flags])}"


def forwarding(world: World, scope: str) -> Iterator[str]:
    """A line of ``bridge -n NETNS -batch`` for each machine behind each MAC that somebody wrote down."""
    defaults = {link.name: link.spec.remote for link in _devices(world, scope) if isinstance(link.spec, Vxlan)}
    for row in world.table(scope, "vxfdb").values():
        for remote in row.remotes if row.state != "learned" else ():
            if (row.mac, remote.dst) == (ALL, defaults.get(row.dev)):
                continue
            more = "".join(f" {word} {value}" for word, value in (("port", remote.port), ("vni", remote.vni)) if value)
            via = f" via {remote.via}" if remote.via else ""
            yield f"fdb append {row.mac} dev {row.dev} dst {remote.dst}{more}{via} self {row.state}"


def _devices(world: World, scope: str) -> list[Link]:
    found: list[Link] = [link for link in world.table(scope, "link").values() if link.kind == "vxlan"]
    return sorted(found, key=lambda link: link.index)
