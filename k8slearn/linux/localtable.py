"""The table ``local``: what the kernel makes of a machine's own addresses (fib_frontend.c: fib_add_ifaddr, addrconf.c).

Nobody's rows: computed out of the address rows when somebody looks (``ip route show table local``). An IPv4 address is
``local``, and the last address of its network ``broadcast``; on ``lo`` the whole network is local. An IPv6 address is
``local``; where the device forwards, the first address of its network is every router's (``anycast``).

Left out: taking such a route away by hand while its address stays; the order of equal anycast addresses on devices
that began to forward later than they were numbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from k8slearn.journal import World
from k8slearn.linux import ip, sysctl
from k8slearn.linux.rows import Address, Link, Route


def derived(world: World, netns: str) -> list[Route]:
    """The routes of the table ``local`` that follow from the addresses, both families."""
    return list(dict.fromkeys([*_local4(world, netns), *_local6(world, netns), *anycast(world, netns)]))


def ordered4(rows: list[Address]) -> list[Address]:
    """A link's IPv4 addresses as devinet.c keeps them: primaries before secondaries, the narrower scope first."""
    primaries = sorted((row for row in rows if not row.secondary), key=lambda row: -SCOPES.get(row.scope, 0))
    return [*primaries, *(row for row in rows if row.secondary)]


SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
"""/etc/iproute2/rt_scopes: the narrower, the higher."""


def _local4(world: World, netns: str) -> Iterator[Route]:
    rows: list[Address] = [row for row in world.table(netns, "addr").values() if ":" not in row.address]
    primary = {(row.dev, row.network): row.address for row in rows if not row.secondary}
    links = world.table(netns, "link")
    for row in rows:
        link: Link = links[row.dev]
        src = primary.get((row.dev, row.network), row.address)
        route = Route(f"{row.address}/32", dev=link.name, src=src, proto="kernel", table="local")
        yield replace(route, kind="local", scope="host")
        if link.kind == "loopback" and row.prefix < 32:
            yield replace(route, kind="local", scope="host", dst=row.network)
        last = ip.text(ip.network(row.network)[0] | ~ip.mask(row.prefix) & 0xFFFFFFFF) if row.prefix < 31 else ""
        for cast in {last: None, row.broadcast or last: None} if link.up else ():
            if cast:
                yield replace(route, kind="broadcast", scope="link", dst=f"{cast}/32")


def _local6(world: World, netns: str) -> Iterator[Route]:
    for row in world.table(netns, "addr").values():
        if ":" in row.address and not row.tentative:
            yield Route(f"{row.address}/128", dev=row.dev, proto="kernel", table="local", kind="local")


def anycast(world: World, netns: str) -> Iterator[Route]:
    """The subnet-router anycast addresses (RFC 4291, 2.6.1) that forwarding devices have joined.

    A device joins for what it has when forwarding is switched on, and later for each address that comes: we take it
    that only link-local addresses were there before, so those go by device."""
    rows: list[Address] = [row for row in world.table(netns, "addr").values() if ":" in row.address]
    links = world.table(netns, "link")
    rows.sort(key=lambda row: links[row.dev].index if row.scope == "link" else 0)
    taken = {(row.address, row.dev) for row in rows}
    for row in rows:
        place = (row.network.partition("/")[0], row.dev)
        if row.prefix >= 127 or row.tentative or place in taken:
            continue
        if sysctl.conf(world, netns, row.dev, "forwarding", "net.ipv6.conf."):
            taken.add(place)
            yield Route(f"{place[0]}/128", dev=row.dev, proto="kernel", table="local", kind="anycast")
