"""``ip addr add|del``: an address belongs to a link, and brings routes that come and go with it.

devinet.c and fib_frontend.c: an IPv4 address on a link that is up brings the connected route of its network. When it
goes, the route goes, and so does every route that named it as source; with a link's last address all routes over that
link go. A second address in a network that the link has one of already is **secondary**: it brings no route, and goes
with the first one (``promote_secondaries=1``: takes its place).

addrconf.c: an IPv6 address brings its connected route too (metric 256), and no address is secondary. The route stays
while any address of its network is on the link; routes that named the address as source only lose the name.

The kernel makes the routing table ``local`` for the first IPv4 address and keeps it when the last one has gone: a row
of table ``fib`` says so, for who binds to an address asks that table (`listen.bind_error`).

Left out: lifetimes other than for ever (``preferred_lft 0`` is known), anycast addresses of one's own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import addrconf, inet6, ip, neigh, route, sysctl
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.rows import Address, Link


def key(netns: str, address: Address) -> Key:
    """Where the world keeps this address."""
    return (netns, "addr", (address.dev, address.cidr))


def parse(dev: str, cidr: str, broadcast: str = "", scope: str = "") -> Address:
    """``10.244.1.1/24`` on a link; `broadcast` ``+`` is the network's last address. Raises CommandError."""
    try:
        base, prefix = ip.network(cidr)
        host = ip.canonical(cidr.partition("/")[0])
    except ValueError:
        raise CommandError(f'Error: any valid prefix is expected rather than "{cidr}".\n', 1) from None
    if broadcast == "+" and prefix > 30:
        broadcast = ""
    elif broadcast == "+":
        broadcast = ip.text(base | ~ip.mask(prefix) & 0xFFFFFFFF)
    own = scope if scope and ":" not in host else ip.scope(host)
    return Address(dev, host, prefix, own, broadcast)


def on(world: World, netns: str, dev: str, family: str = "") -> list[Address]:
    """The addresses of a link, of both families or of one (``ip``, ``ip6``)."""
    rows: list[Address] = [row for row in world.table(netns, "addr").values() if row.dev == dev]
    return [row for row in rows if (":" in row.address) == (family == "ip6")] if family else rows


def add(world: World, netns: str, dev: str, cidr: str, broadcast: str = "", scope: str = "", **fields: Any) -> Commands:
    """``ip addr add CIDR [brd +] dev DEV``; `fields` are further fields of the row (``peer``, ``label``, ...).

    Raises CommandError when the link has it already."""
    link = find(world, netns, dev)
    address = replace(parse(dev, cidr, broadcast, scope), **fields)
    if ":" in address.address:
        _check6(world, netns, link, address)
    else:
        near = [row for row in _same_network(world, netns, address) if not row.secondary]
        if any(row.address == address.address for row in _same_network(world, netns, address)):
            raise error("ipv4: Address already assigned.")
        address = replace(address, secondary=bool(near))
    yield from put(world, netns, address)


def put(world: World, netns: str, address: Address) -> Commands:
    """The link has the address now; an address of a link that is up brings its route."""
    yield Put(key(netns, address), address)
    link = find(world, netns, address.dev)
    if not link.up:
        return
    if ":" in address.address and address.scope != "host":
        yield from addrconf.add_multicast(world, netns, link)
    yield from route.add_connected(world, netns, address)


def _check6(world: World, netns: str, link: Link, address: Address) -> None:
    """inet6_addr_add() and ipv6_add_addr(): what the kernel refuses."""
    if not inet6.speaks(world, netns):
        raise refused("Operation not supported")
    if link.mtu < inet6.LEAST_MTU:
        raise refused("Invalid argument")
    if not inet6.enabled(world, netns, link):
        raise error("ipv6: IPv6 is disabled on this device.")
    if ip.is_multicast(address.address):
        raise error('ipv6: Cannot assign multicast address without "IFA_F_MCAUTOJOIN" flag.')
    if ip.number(address.address) == 0:
        raise error("ipv6: Invalid address.")
    if address.address == "::1" and link.kind != "loopback":
        raise error("ipv6: Cannot assign loopback address on this device.")
    if any(row.address == address.address for row in on(world, netns, link.name)):
        raise error("ipv6: address already assigned.")


def delete(world: World, netns: str, dev: str, cidr: str, peer: str = "") -> Commands:
    """``ip addr del CIDR dev DEV``. Raises CommandError when the link has no such address."""
    link = find(world, netns, dev)
    wanted = parse(dev, cidr)
    six = ":" in wanted.address
    held = on(world, netns, dev, "ip6" if six else "ip")
    address = next(
        (a for a in held if (a.address, a.prefix) == (wanted.address, wanted.prefix) and peer in ("", a.peer)), None
    )
    if six and link.mtu < inet6.LEAST_MTU:
        raise error("ipv6: IPv6 is disabled on this device.")
    if address is None:
        raise error("ipv6: address not found.") if six else error("ipv4: Address not found.")
    yield from _drop6(world, netns, address) if six else _drop4(world, netns, link, address)


def _drop6(world: World, netns: str, address: Address) -> Commands:
    yield Remove(key(netns, address))
    others = [row for row in _same_network(world, netns, address) if row.address != address.address]
    if not others and not address.noprefixroute:
        yield from route.drop_connected(world, netns, address)
    for name, row in list(world.table(netns, "route").items()):
        if (row.src, row.dev) == (address.address, address.dev):
            yield Put((netns, "route", name), replace(row, src=""))


def _drop4(world: World, netns: str, link: Link, address: Address) -> Commands:
    secondaries = [row for row in _same_network(world, netns, address) if row.secondary and not address.secondary]
    promoted = sysctl.either(world, netns, link.name, "promote_secondaries")
    for row in (*(() if promoted else secondaries), address):
        yield Remove(key(netns, row))
        if not on(world, netns, link.name, "ip"):
            yield from route.drop_device(world, netns, link, "ip")
            yield from neigh.drop_device(world, netns, link.name, "ip")
        yield from route.drop_connected(world, netns, row)
        if not route.is_own(world, netns, row.address):
            yield from route.flush(world, netns, src=row.address)
    for row in secondaries[:1] if promoted else ():
        yield from put(world, netns, replace(row, secondary=False))
    yield from emptied(world, netns)


def emptied(world: World, netns: str) -> Commands:
    """Has the last IPv4 address gone? Then the table ``local`` is empty, but it is there."""
    if not world.rows[netns, "fib"] and all(":" in row.address for row in world.rows[netns, "addr"].values()):
        yield Put((netns, "fib", "local"), "empty")


def _same_network(world: World, netns: str, address: Address) -> list[Address]:
    """The addresses of the link in the same network, with the same mask (devinet.c compares both)."""
    network = address.network
    return [row for row in on(world, netns, address.dev) if row.prefix == address.prefix and row.network == network]


def flush(world: World, netns: str, dev: str) -> Commands:
    """``ip addr flush dev DEV``: all of them."""
    while rows := on(world, netns, dev):
        yield from delete(world, netns, dev, f"{rows[0].address}/{rows[0].prefix}")


def came_up(world: World, netns: str, link: Link) -> Commands:
    """A link was set up: ``lo`` gets its own address, and the connected routes come (back)."""
    own = Address(link.name, "127.0.0.1", 8, "host")
    if link.kind == "loopback" and world.get(key(netns, own)) is None:
        yield Put(key(netns, own), own)
    for row in on(world, netns, link.name):
        if row.tentative:
            yield Put(key(netns, row), replace(row, tentative=False))
        yield from route.add_connected(world, netns, row)
    yield from addrconf.settle(world, netns)
