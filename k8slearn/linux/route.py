"""``ip route add|replace|del``: what the kernel lets into a routing table, and what it refuses.

A route goes in when its device is up and its gateway is a neighbour: reachable over a ``scope link`` route, or said
to be ``onlink``. Destination and metric together are unique in a table. An address brings the **connected** route of
its network (``proto kernel scope link``); fib_frontend.c adds it when the device comes up and takes it away when it
goes down. A second device with an address in the same network gets its connected route as well, behind the first: the
row's name then ends with the device.

Left out: rules and further tables than ``main``, multipath, route metrics and caches, broadcast routes.
"""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import ip
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.rows import Address, Link, Route


def key(netns: str, route: Route) -> Key:
    """Where the world keeps this route."""
    return (netns, "route", (route.table, route.dst, route.metric))


def add(world: World, netns: str, route: Route) -> Commands:
    """``ip route add``. Raises CommandError in the kernel's words."""
    route = checked(world, netns, route)
    where = key(netns, route)
    if world.get(where) is not None:
        raise refused("File exists")
    yield Put(where, route)


def replace(world: World, netns: str, route: Route) -> Commands:
    """``ip route replace``: as add, over whatever has the same destination and metric."""
    route = checked(world, netns, route)
    yield Put(key(netns, route), route)


def delete(world: World, netns: str, dst: str, **wanted: Any) -> Commands:
    """``ip route del DST``: the first route to `dst` (CIDR text) whose fields are as `wanted` (``via="10.0.0.1"``)."""
    for name, route in _to(world, netns, dst):
        if all(getattr(route, field) == value for field, value in wanted.items()):
            yield Remove((netns, "route", name))
            return
    raise refused("No such process")


def flush(world: World, netns: str, **wanted: Any) -> Commands:
    """``ip route flush``: every route whose fields are as `wanted`."""
    for name, route in list(world.table(netns, "route").items()):
        if all(getattr(route, field) == value for field, value in wanted.items()):
            yield Remove((netns, "route", name))


def _to(world: World, netns: str, dst: str) -> list[tuple[Any, Route]]:
    rows = world.table(netns, "route").items()
    return sorted(((n, r) for n, r in rows if r.dst == dst), key=lambda row: (row[1].metric, row[0]))


def checked(world: World, netns: str, route: Route) -> Route:
    """The route as the kernel would store it (with its device). Raises CommandError when it would refuse."""
    try:
        base, _ = ip.network(route.dst)
    except ValueError:
        raise CommandError(f'Error: inet prefix is expected rather than "{route.dst}".\n', 1) from None
    if route.dev:
        find(world, netns, route.dev)
    if ip.text(base) != route.dst.partition("/")[0]:
        raise error("Invalid prefix for given prefix length.")
    if "/" not in route.dst:
        route = changed(route, dst=f"{route.dst}/32")
    if route.kind != "unicast":
        return route
    route = _with_device(world, netns, route)
    if route.src and not is_own(world, netns, route.src):
        raise error("Invalid prefsrc address.")
    return route


def _with_device(world: World, netns: str, route: Route) -> Route:
    """fib_check_nh(): the device must be up, and the gateway a neighbour on it (`onlink`: taken on trust)."""
    if not route.via or route.onlink:
        if not route.dev:
            raise error("Nexthop device required for onlink.") if route.via else refused("No such device")
        if not find(world, netns, route.dev).up:
            raise error("Nexthop device is not up." if route.via else "Device for nexthop is not up.")
        if route.via and is_own(world, netns, route.via):
            raise error("Nexthop has invalid gateway.")
        return route
    dev = device_towards(world, netns, route.via, route.dev)
    if not dev:
        raise error("Nexthop has invalid gateway.")
    if not find(world, netns, dev).up:
        raise refused("Network is down")
    return changed(route, dev=dev)


def device_towards(world: World, netns: str, gateway: str, dev: str = "") -> str:
    """The device over which a gateway is a neighbour, or empty. Only ``scope link`` routes and own addresses count."""
    try:
        ip.number(gateway)
    except ValueError:
        raise CommandError(f'Error: inet address is expected rather than "{gateway}".\n', 1) from None
    for row in world.table(netns, "addr").values():
        if row.address == gateway and dev in ("", row.dev):
            return str(row.dev)
    routes = [r for r in world.table(netns, "route").values() if r.scope == "link" and dev in ("", r.dev)]
    near = [r for r in routes if r.table == "main" and r.kind == "unicast" and ip.within(gateway, r.dst)]
    best = max(near, key=lambda r: (ip.network(r.dst)[1], -r.metric), default=None)
    return str(best.dev) if best is not None and not best.via else ""


def is_own(world: World, netns: str, address: str) -> bool:
    """Is this one of the namespace's own addresses?"""
    return any(row.address == address for row in world.table(netns, "addr").values())


def connected(address: Address) -> Route | None:
    """The route that the kernel makes of an address: to its network, over its device, with it as source."""
    if address.prefix == 32 or address.scope == "host" or address.secondary:
        return None
    dst = ip.network_of(address.address, address.prefix)
    return Route(dst, dev=address.dev, src=address.address, scope="link", proto="kernel")


def add_connected(world: World, netns: str, address: Address) -> Commands:
    """The kernel adds an address' connected route (behind another device's to the same network)."""
    route = connected(address)
    if route is None:
        return
    where = key(netns, route)
    there: Route | None = world.get(where)
    if there is None:
        yield Put(where, route)
    elif there.dev != route.dev:
        yield Put((netns, "route", (route.table, route.dst, route.metric, route.dev)), route)


def drop_connected(world: World, netns: str, address: Address) -> Commands:
    """The kernel drops the connected route of an address that is gone."""
    route = connected(address)
    for name, row in _to(world, netns, route.dst) if route is not None else ():
        if row == route:
            yield Remove((netns, "route", name))


def drop_device(world: World, netns: str, link: Link) -> Commands:
    """fib_disable_ip(): a device went down or lost its last address, and every route over it goes."""
    yield from flush(world, netns, dev=link.name)
