"""A route's next hop must be a neighbour: the kernel lets no route in whose gateway it could not reach directly.

IPv4 (fib_semantics.c: fib_check_nh): the device is up, and the gateway is a neighbour: reachable over a ``scope link``
route, or said to be (``onlink``). IPv6 (route.c: fib6_nh_init, ip6_validate_gw): a link-local gateway needs its device
named, any other is looked up and must not need a gateway itself, and no gateway is an address of ours.

Left out: gateways of the other family (``via inet6``), several next hops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed

from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux import fib, inet6, ip, rule
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.rows import REJECTS, Route


def checked4(world: World, netns: str, route: Route) -> Route:
    """An IPv4 route with its device, as the kernel would store it. Raises CommandError when it would refuse."""
    if ip.text(ip.network(route.dst)[0]) != route.dst.partition("/")[0]:
        raise error("Invalid prefix for given prefix length.")
    if route.kind in REJECTS:
        if route.via or route.dev:
            raise error("Gateway, device and multipath can not be specified for this route type.")
    elif route.kind == "local":
        if not route.dev:
            raise refused("No such device")
    else:
        route = _with_device(world, netns, route)
    if route.src and not is_own(world, netns, route.src):
        raise error("Invalid prefsrc address.")
    return route


def _with_device(world: World, netns: str, route: Route) -> Route:
    """fib_check_nh(): the device must be up, and the gateway a neighbour on it (`onlink`: taken on trust)."""
    if route.via and fib.lookup(world, netns, route.via).kind in ("broadcast", "multicast"):
        raise error("Nexthop has invalid gateway.")
    if not route.via or route.onlink:
        if not route.dev:
            raise error("Nexthop device required for onlink.") if route.via else refused("No such device")
        if not find(world, netns, route.dev).up:
            raise error("Nexthop device is not up." if route.via else "Device for nexthop is not up.")
        if route.via and fib.address_type(world, netns, route.via) != "unicast":
            raise error("Nexthop has invalid gateway.")
        return route
    dev = device_towards(world, netns, route.via, route.dev, route.table)
    if not dev:
        raise error("Nexthop has invalid gateway.")
    if not find(world, netns, dev).up:
        raise refused("Network is down")
    return changed(route, dev=dev)


def device_towards(world: World, netns: str, gateway: str, dev: str = "", table: str = "main") -> str:
    """The device over which a gateway is a neighbour, or empty. Only ``scope link`` routes and own addresses count.

    The route's own table is asked first, then those that the rules name (fib_check_nh_v4_gw())."""
    try:
        ip.number(gateway)
    except ValueError:
        raise CommandError(f'Error: inet address is expected rather than "{gateway}".\n', 1) from None
    asked = (_device_in(world, netns, gateway, dev, name) for name in (table, *_ruled(world, netns, gateway, dev)))
    return next(filter(None, asked), "")


def _ruled(world: World, netns: str, gateway: str, dev: str) -> Iterator[str]:
    """The tables that the rules send a packet for the gateway to, in their order."""
    rules = world.table(netns, "rule").index(rule.custom).get("ip")
    if rules is None:
        yield from ("local", "main")
        return
    for _, row in rules:
        if rule.takes(row, gateway, "", "lo", dev, 0):
            if row.action != "lookup":
                return
            yield row.table


def _device_in(world: World, netns: str, gateway: str, dev: str, table: str) -> str:
    if table == "local" or (table == "main" and not world.table(netns, "rule")):
        for row in world.table(netns, "addr").values():
            if row.address == gateway and dev in ("", row.dev):
                return str(row.dev)
    routes = [r for r in world.table(netns, "route").values() if r.scope == "link" and dev in ("", r.dev)]
    near = [r for r in routes if r.table == table and r.kind == "unicast" and ip.within(gateway, r.dst)]
    best = max(near, key=lambda r: (ip.network(r.dst)[1], -r.metric), default=None)
    return str(best.dev) if best is not None and not best.via else ""


def is_own(world: World, netns: str, address: str) -> bool:
    """Is this one of the namespace's own addresses?"""
    return any(row.address == address for row in world.table(netns, "addr").values())


def checked6(world: World, netns: str, route: Route) -> Route:
    """An IPv6 route with its device, as the kernel would store it. Raises CommandError when it would refuse."""
    if not inet6.speaks(world, netns):
        raise refused("Operation not supported")
    if route.dev and find(world, netns, route.dev).mtu < inet6.LEAST_MTU:
        raise refused("No such device")
    if route.onlink and not route.dev:
        raise error("Nexthop device required for onlink.")
    if route.onlink and not find(world, netns, route.dev).up:
        raise error("Nexthop device is not up.")
    if route.kind in REJECTS:
        return changed(route, dev="lo", via="")
    if route.via:
        route = changed(route, dev=_towards6(world, netns, route))
    if not route.dev:
        raise refused("No such device")
    link = find(world, netns, route.dev)
    if not inet6.enabled(world, netns, link):
        raise error("IPv6 is disabled on nexthop device.")
    if not link.up and not (route.kind == "unicast" and link.kind == "loopback"):
        raise error("Nexthop device is not up.")
    if route.src and not is_own(world, netns, route.src):
        raise error("Invalid source address.")
    return route


def _towards6(world: World, netns: str, route: Route) -> str:
    """ip6_validate_gw(): the device over which the gateway is a neighbour."""
    gateway, dev = ip.canonical(route.via), route.dev
    if dev and _is_ours(world, netns, gateway, dev):
        raise error("Gateway can not be a local address.")
    if not ip.is_link_local(gateway):
        if ip.number(gateway) == 0 or ip.is_multicast(gateway):
            raise error("Invalid gateway address.")
        if route.onlink:
            _check_onlink6(world, netns, gateway, dev)
        else:
            dev = _resolved(world, netns, gateway, route)
    if not dev:
        raise error("Egress device not specified.")
    if find(world, netns, dev).kind == "loopback":
        raise error("Egress device can not be loopback device for this route.")
    if _is_ours(world, netns, gateway, dev):
        raise error("Gateway can not be a local address.")
    return dev


def _check_onlink6(world: World, netns: str, gateway: str, dev: str) -> None:
    """ip6_route_check_nh_onlink(): no route but the default one says that it is elsewhere."""
    found = fib.in_table(world, netns, "main", gateway, dev, src=gateway)
    known = found.route is not None and found.route.kind not in REJECTS and ip.network(found.route.dst)[0] != 0
    if known and found.kind != "unreachable" and found.dev != dev:
        raise error("Nexthop has invalid gateway or device mismatch.")


def _is_ours(world: World, netns: str, gateway: str, dev: str) -> bool:
    rows = [row for row in world.table(netns, "addr").values() if row.address == gateway]
    return any(row.dev == dev or not ip.is_link_local(gateway) for row in rows)


def _resolved(world: World, netns: str, gateway: str, route: Route) -> str:
    """ip6_route_check_nh(): in the route's own table, else by the rules, and without a gateway in between.

    A ``throw`` sends nothing on to the next rule here: it is a refusal (`fib6_rule_action_alt`)."""
    for found in (
        fib.in_table(world, netns, route.table, gateway, route.dev),
        fib.gateway(world, netns, gateway, route.dev),
    ):
        if found.kind in ("unicast", "local") and not found.via and route.dev in ("", found.dev):
            return found.dev
    raise refused("No route to host")
