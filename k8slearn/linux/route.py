"""A routing table says for each network which way packets go; the kernel lets a route in only if it can be gone.

``ip route add|replace|append|prepend|del``: a route goes in when its next hop can be one (`nexthop`). Destination and
metric together are unique in a table, unless one says ``append`` or ``prepend``: then a second one stands behind or
before the first (the first is the one that counts), and the hinder one's row has a longer name. An IPv6 route without
a metric has 1024. An address brings the **connected** route of its network (``proto kernel``); fib_frontend.c and
addrconf.c add it when the device comes up and take it away when it goes down. A second device with an address in the
same network gets its connected route as well, behind the first.

Left out: several next hops (multipath) and next hop objects, type of service, route metrics other than ``mtu``,
encapsulations, caches, broadcast routes of one's own.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace as changed
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import ip, trie
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.nexthop import checked4, checked6, device_towards, is_own
from k8slearn.linux.rows import Address, Link, Route

__all__ = [
    "add",
    "append",
    "change",
    "checked",
    "connected",
    "delete",
    "device_towards",
    "flush",
    "is_own",
    "prepend",
    "replace",
]

METRIC6 = 1024
CONNECTED6 = 256


def key(netns: str, route: Route) -> Key:
    """Where the world keeps this route (the first one to its destination with its metric)."""
    return (netns, "route", (route.table, route.dst, route.metric))


def free_key(world: World, netns: str, route: Route) -> Key:
    """Where the world keeps this route behind others with the same destination and metric."""
    taken = world.table(netns, "route")
    name: tuple[Hashable, ...] = (route.table, route.dst, route.metric)
    for word in (route.dev, route.via, *range(1, len(taken) + 1)):
        if name not in taken:
            break
        name = (*name, word)
    return (netns, "route", name)


def add(world: World, netns: str, route: Route) -> Commands:
    """``ip route add``. Raises CommandError in the kernel's words."""
    route = checked(world, netns, route)
    if _same(world, netns, route):
        raise refused("File exists")
    yield Put(key(netns, route), route)


def prepend(world: World, netns: str, route: Route) -> Commands:
    """``ip route prepend``: before those with the same destination and metric, and so in their place. In IPv6 it goes
    behind them."""
    route = checked(world, netns, route)
    there = _same(world, netns, route)
    if ":" in route.dst or not there:
        yield from append(world, netns, route)
        return
    if any((row.kind, row.dev, row.via) == (route.kind, route.dev, route.via) for _, row in there):
        raise refused("File exists")
    moved = [route, *(row for _, row in there)]
    for name, row in zip((*(name for name, _ in there), free_key(world, netns, route)[2]), moved, strict=True):
        yield Put((netns, "route", name), row)


def append(world: World, netns: str, route: Route) -> Commands:
    """``ip route append``: behind those with the same destination and metric."""
    route = checked(world, netns, route)
    there = [row for _, row in _same(world, netns, route)]
    if any((row.kind, row.dev, row.via) == (route.kind, route.dev, route.via) for row in there):
        raise refused("File exists")
    if ":" in route.dst and route.via and any(row.via for row in there):
        raise CommandError("ip route append: several next hops of one IPv6 route are not modelled here\n", 1)
    yield Put(free_key(world, netns, route), route)


def replace(world: World, netns: str, route: Route) -> Commands:
    """``ip route replace``: as add, over the first with the same destination and metric."""
    route = checked(world, netns, route)
    yield Put(_over(world, netns, route) or key(netns, route), route)


def change(world: World, netns: str, route: Route) -> Commands:
    """``ip route change``: as replace, and there must be one."""
    route = checked(world, netns, route)
    where = _over(world, netns, route)
    if where is None:
        words = "Can not replace route - no match found." if ":" in route.dst else ""
        raise error(words) if words else refused("No such file or directory")
    yield Put(where, route)


def _same(world: World, netns: str, route: Route) -> list[tuple[Hashable, Route]]:
    """The routes with this destination and metric, in their order."""
    there = world.table(netns, "route").keep(trie.Tables).to((ip.bits(route.dst), route.table), route.dst)
    return [(n, r) for n, r in there if (r.dst, r.metric) == (route.dst, route.metric)]


def _over(world: World, netns: str, route: Route) -> Key | None:
    """What a replacing route stands in for. In IPv6 one with a gateway takes the place of one with a gateway first."""
    there = _same(world, netns, route)
    alike = [name for name, row in there if ":" not in route.dst or bool(row.via) == bool(route.via)]
    return (netns, "route", (alike or [name for name, _ in there])[0]) if there else None


def delete(world: World, netns: str, dst: str, **wanted: Any) -> Commands:
    """``ip route del DST``: the first route to `dst` (CIDR text) whose fields are as `wanted` (``via="10.0.0.1"``)."""
    wanted = {"table": "main"} | wanted
    if ":" in dst:
        wanted = {field: wanted[field] for field in ("table", "dev", "via", "metric", "proto") if wanted.get(field)}
    for name, route in _to(world, netns, dst):
        if all(getattr(route, field) == value for field, value in wanted.items()):
            yield Remove((netns, "route", name))
            return
    root = dst == ip.ANY6 and len(wanted) == 1 and not _to(world, netns, dst)
    raise refused("No such file or directory" if root else "No such process")


def flush(world: World, netns: str, **wanted: Any) -> Commands:
    """``ip route flush``: every route whose fields are as `wanted`."""
    for name, route in list(world.table(netns, "route").items()):
        if all(getattr(route, field) == value for field, value in wanted.items()):
            yield Remove((netns, "route", name))


def _to(world: World, netns: str, dst: str) -> list[tuple[Any, Route]]:
    """The routes to a network, the lowest metric first, the older before the younger."""
    rows = world.table(netns, "route").items()
    return sorted(((n, r) for n, r in rows if r.dst == dst), key=lambda row: row[1].metric)


def checked(world: World, netns: str, route: Route) -> Route:
    """The route as the kernel would store it (with its device). Raises CommandError when it would refuse."""
    try:
        base, prefix = ip.network(route.dst)
    except ValueError:
        raise CommandError(f'Error: inet prefix is expected rather than "{route.dst}".\n', 1) from None
    if route.dev:
        find(world, netns, route.dev)
    if route.via and ":" in route.dst:
        route = changed(route, via=ip.canonical(route.via))
    if ":" in route.dst:
        route = changed(route, dst=f"{ip.text(base, 128)}/{prefix}", metric=route.metric or METRIC6, scope="global")
        return checked6(world, netns, route)
    return checked4(world, netns, changed(route, dst=f"{route.dst.partition('/')[0]}/{prefix}"))


def connected(address: Address) -> Route | None:
    """The route that the kernel makes of an address: to its network, over its device, with it as source."""
    own, network = address.address, address.network
    if address.noprefixroute or address.scope == "host" or address.secondary:
        return None
    if ":" in own:
        return Route(network, dev=address.dev, proto="kernel", metric=address.metric or CONNECTED6)
    if network == f"{own}/32":
        return None
    return Route(network, dev=address.dev, src=own, scope="link", proto="kernel", metric=address.metric)


def add_connected(world: World, netns: str, address: Address) -> Commands:
    """The kernel adds an address' connected route (behind another device's to the same network)."""
    route = connected(address)
    if route is not None:
        yield from put_if_absent(world, netns, route)


def put_if_absent(world: World, netns: str, route: Route) -> Commands:
    """A route of the kernel's own goes in behind the others, unless the device has one already."""
    there = [row for _, row in _same(world, netns, route)]
    if all(row.dev != route.dev if ":" in route.dst else row != route for row in there):
        yield Put(free_key(world, netns, route), route)


def drop_connected(world: World, netns: str, address: Address) -> Commands:
    """The kernel drops the connected route of an address that is gone."""
    route = connected(address)
    for name, row in _to(world, netns, route.dst) if route is not None else ():
        if row == route:
            yield Remove((netns, "route", name))


def drop_device(world: World, netns: str, link: Link, family: str = "") -> Commands:
    """fib_disable_ip(), rt6_disable_ip(): a device went down or lost its last address, and its routes go."""
    for name, route in list(world.table(netns, "route").items()):
        if route.dev == link.name and (not family or (":" in route.dst) == (family == "ip6")):
            yield Remove((netns, "route", name))
