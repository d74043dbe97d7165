"""VXLAN devices: how a person makes and changes one, and which of them takes what comes in.

A device is known by its **VNI**, its UDP port and the family of its outer packets (IPv6 where one of its own addresses
is): two of one machine may not share all three. It remembers the namespace
that it was made in (`Link.home`): there its outer packets travel and there its UDP socket is, while the device is up.

Left out: VXLAN-GPE, several VNIs on one device (``vnifilter``), devices told apart by their
underlay device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from k8slearn.journal import Commands, Put, Remove, Table, World
from k8slearn.linux import fib, inet6, ip, link
from k8slearn.linux.device import error, find
from k8slearn.linux.rows import Link, Remote, Socket, Vxlan, VxlanFdb
from k8slearn.linux.vxlan_fdb import ALL, headroom, key, settings

ANYWHERE = ("", "0.0.0.0", "::")
EVERY = -1
"""What stands for a VNI where an ``external`` device takes all that no other device has."""
Place = tuple[str, Link]
"""(namespace, device)"""


def is_open(world: World, home: str, port: int, six: bool = False) -> bool:
    """Has the kernel a VXLAN socket of this family on this UDP port here? It has while a device of the port is up."""
    near = world.table(home, "link").index(_ports)
    far = (fib.link(world, *place) for place in world.table(home, "upper").index(_moved))
    return (port, six) in near or any(
        link is not None and link.up and isinstance(link.spec, Vxlan) and (port, six) in _ends(link.spec)
        for link in far
    )


def is_six(spec: Vxlan) -> bool:
    """Are its outer packets IPv6 (`vxlan_config_validate`: VXLAN_F_IPV6)?"""
    return ":" in spec.local + spec.remote


def _ends(spec: Vxlan) -> Iterator[tuple[int, bool]]:
    """(port, IPv6) of its sockets: an ``external`` device has one of each family (`vxlan_open`)."""
    for six in (False, True) if spec.external else (is_six(spec),):
        yield spec.port, six


def sockets(world: World, home: str) -> Iterator[Socket]:
    """The kernel's own UDP sockets for these devices: one for each port and family, which no program holds."""
    near = (row for row in world.table(home, "link").values() if not row.home)
    far = (fib.link(world, *place) for place in world.table(home, "upper").index(_moved))
    rows = (row for row in (*near, *far) if row is not None and row.up)
    specs = [row.spec for row in rows if isinstance(row.spec, Vxlan)]
    for port, six in dict.fromkeys(end for spec in specs for end in _ends(spec)):
        if six and not inet6.speaks(world, home):
            continue
        yield Socket("udp", "::" if six else "0.0.0.0", port, "", "", v6only=True)


def _ports(links: Table) -> set[tuple[int, bool]]:
    specs = (row.spec for row in links.values() if isinstance(row.spec, Vxlan) and row.up and not row.home)
    return {end for spec in specs for end in _ends(spec)}


class Known(NamedTuple):
    """What a device is known by, where packets arrive."""

    port: int
    vni: int
    six: bool


def listening(world: World, home: str, known: Known) -> Place | None:
    """(namespace, device): the one that is up and takes this VNI from this port of its home."""
    wanted = (known, known._replace(vni=EVERY))
    return next((place for place in _at(world, home, wanted) if place[1].up), None)


def _at(world: World, home: str, wanted: tuple[Known, ...]) -> list[Place]:
    near = world.table(home, "link").index(_by_port)
    found: list[Place] = [(home, link) for known in wanted for link in near.get(known, ())]
    for place in world.table(home, "upper").index(_moved):
        link = fib.link(world, *place)
        if link is not None and isinstance(link.spec, Vxlan) and not {*wanted}.isdisjoint(_known(link.spec)):
            found.append((place[0], link))
    return found


def _known(spec: Vxlan) -> tuple[Known, ...]:
    return tuple(Known(port, EVERY if spec.external else spec.id, six) for port, six in _ends(spec))


def _by_port(links: Table) -> dict[Known, list[Link]]:
    found: dict[Known, list[Link]] = {}
    for row in links.values():
        if isinstance(row.spec, Vxlan) and not row.home:
            for known in _known(row.spec):
                found.setdefault(known, []).append(row)
    return found


def _moved(rows: Table) -> list[tuple[str, str]]:
    """(namespace, device) of those that were made here and live elsewhere."""
    return [(name[1], name[2]) for name, kind in rows.items() if kind == "vxlan" and isinstance(name, tuple)]


# --- what a person writes down ---------------------------------------------------------------------


def add(
    world: World, netns: str, name: str, spec: Vxlan, dev: str = "", mtu: int = 0, mac: str = "", home: str = ""
) -> Commands:
    """``ip link add NAME type vxlan id N ... [dev DEV]``; `home` where it is made for another namespace."""
    underlay = home or netns
    lower = find(world, underlay, dev) if dev else None
    _check(world, underlay, spec, lower)
    room = lower.mtu - headroom(spec) if lower is not None else 65535
    below = (underlay, dev) if dev else None
    fields = {"spec": spec, "lower": below, "home": home if home != netns else ""}
    yield from link.add(
        world, netns, name, "vxlan", min(mtu or (max(room, 68) if lower else 1500), room), mac, **fields
    )
    if spec.remote:
        row = VxlanFdb(name, ALL, (Remote(spec.remote, via=dev),), "permanent", world.clock)
        yield Put(key(netns, name, ALL), row)


def _check(world: World, home: str, spec: Vxlan, lower: Link | None) -> None:
    """`vxlan_config_validate`, in its order."""
    if spec.local and spec.remote and ip.bits(spec.local) != ip.bits(spec.remote):
        raise error("Local and remote address must be from the same family.")
    if spec.local and ip.is_multicast(spec.local):
        raise error("Local address cannot be multicast.")
    if _at(world, home, _known(spec)):
        raise error("A VXLAN device with the specified VNI already exists.")


def change(world: World, netns: str, name: str, **fields: object) -> Commands:
    """``ip link set NAME type vxlan ...``: remote, local, learning, ageing, ttl, tos; the rest is for ever."""
    device = find(world, netns, name)
    spec = settings(device)
    if fields.get("id", spec.id) != spec.id:
        raise error("Cannot change VNI.")
    if "port" in fields:
        raise error("Cannot change port.")
    changed = replace(spec, **fields)  # type: ignore[arg-type]
    yield Put((netns, "link", name), replace(device, spec=changed))
    if changed.remote != spec.remote:
        yield from _change_default(world, netns, device, spec, changed)


def _change_default(world: World, netns: str, device: Link, before: Vxlan, after: Vxlan) -> Commands:
    """The entry for all the rest follows the default remote (`vxlan_changelink`)."""
    where = key(netns, device.name, ALL)
    row: VxlanFdb | None = world.get(where)
    via = device.lower[1] if device.lower is not None else ""
    kept = tuple(r for r in row.remotes if r.dst != before.remote) if row is not None else ()
    remotes = (*kept, Remote(after.remote, via=via)) if after.remote not in ANYWHERE else kept
    if remotes:
        yield Put(where, VxlanFdb(device.name, ALL, remotes, "permanent", world.clock))
    else:
        yield Remove(where)
