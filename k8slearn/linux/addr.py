"""``ip addr add|del``: addresses on a link, and the routes that come and go with them.

devinet.c and fib_frontend.c: an address on a link that is up brings the connected route of its network. When it goes,
the route goes, and so does every route that named it as source; with a link's last address all routes over that link
go.

A second address in a network that the link has one of already is **secondary**: it brings no route, and goes with the
first one (``promote_secondaries=0``, the kernel's default).

Left out: labels, lifetimes, peers, IPv6.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import ip, neigh, route
from k8slearn.linux.device import error, find
from k8slearn.linux.rows import Address


def key(netns: str, address: Address) -> Key:
    """Where the world keeps this address."""
    return (netns, "addr", (address.dev, f"{address.address}/{address.prefix}"))


def parse(dev: str, cidr: str, broadcast: str = "", scope: str = "") -> Address:
    """``10.244.1.1/24`` on a link; `broadcast` ``+`` is the network's last address. Raises CommandError."""
    try:
        base, prefix = ip.network(cidr)
    except ValueError:
        raise CommandError(f'Error: any valid prefix is expected rather than "{cidr}".\n', 1) from None
    host = cidr.partition("/")[0]
    usual = "host" if host.startswith("127.") else "global"
    if broadcast == "+":
        broadcast = ip.text(base | ~ip.mask(prefix) & 0xFFFFFFFF)
    return Address(dev, host, prefix, scope or usual, broadcast)


def on(world: World, netns: str, dev: str) -> list[Address]:
    """The addresses of a link."""
    return [row for row in world.table(netns, "addr").values() if row.dev == dev]


def add(world: World, netns: str, dev: str, cidr: str, broadcast: str = "", scope: str = "") -> Commands:
    """``ip addr add CIDR [brd +] dev DEV``. Raises CommandError when the link has it already."""
    link = find(world, netns, dev)
    address = parse(dev, cidr, broadcast, scope)
    if world.get(key(netns, address)) is not None:
        raise error("ipv4: Address already assigned.")
    if any(not row.secondary for row in _same_network(world, netns, address)):
        address = replace(address, secondary=True)
    yield Put(key(netns, address), address)
    if link.up:
        yield from route.add_connected(world, netns, address)


def delete(world: World, netns: str, dev: str, cidr: str) -> Commands:
    """``ip addr del CIDR dev DEV``. Raises CommandError when the link has no such address."""
    link = find(world, netns, dev)
    address = world.get(key(netns, parse(dev, cidr)))
    if address is None:
        raise error("ipv4: Address not found.")
    followers = [] if address.secondary else _same_network(world, netns, address)
    for row in (*(row for row in followers if row.secondary), address):
        yield Remove(key(netns, row))
        if not on(world, netns, dev):
            yield from route.drop_device(world, netns, link)
            yield from neigh.drop_device(world, netns, dev)
        yield from route.drop_connected(world, netns, row)
        if not route.is_own(world, netns, row.address):
            yield from route.flush(world, netns, src=row.address)


def _same_network(world: World, netns: str, address: Address) -> list[Address]:
    """The addresses of the link in the same network, with the same mask (devinet.c compares both)."""
    network = ip.network_of(address.address, address.prefix)
    rows = (row for row in on(world, netns, address.dev) if row.prefix == address.prefix)
    return [row for row in rows if ip.network_of(row.address, row.prefix) == network]


def flush(world: World, netns: str, dev: str) -> Commands:
    """``ip addr flush dev DEV``: all of them."""
    while rows := on(world, netns, dev):
        yield from delete(world, netns, dev, f"{rows[0].address}/{rows[0].prefix}")
