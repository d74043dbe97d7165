"""In a routing table the longest prefix wins, then the lowest metric (`fib_table_lookup`, `fib6_table_lookup`).

The longest prefix wins, then the lowest metric, then the oldest route, over the indexes of `trie`. The table ``local``
has the machine's own addresses beside its rows.

IPv6 asks the device too: an address that counts on its own link only (``fe80::``, multicast) is looked for among the
routes over the device that the packet came in by or is to leave by, any other only prefers them.

IPv6 passes over a gateway whose neighbour entry has failed as long as there is any other way, on machines that do not
forward (`rt6_check_neigh`, `RT6_LOOKUP_F_REACHABLE`); a route that is being added asks without it.

Left out: several next hops, type of service.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from k8slearn.journal import Table, World
from k8slearn.linux import ip, localtable, sysctl, trie
from k8slearn.linux.rows import Address, Link, Route
from k8slearn.trace import Because


class Found(NamedTuple):
    """What a look-up gave. `kind`: unicast, local, broadcast, multicast, blackhole, unreachable, prohibit or none."""

    kind: str
    dev: str = ""
    via: str = ""
    route: Route | None = None
    address: Address | None = None
    because: Because | None = None

    @property
    def discards(self) -> bool:
        """An IPv6 network on ``lo``: sockets connect to it, and each packet is thrown away (`fib6_is_reject`)."""
        return self.kind == "unreachable" and self.route is not None and self.route.kind == "unicast"


class Flow(NamedTuple):
    """What a look-up is about. `iif` is ``lo`` for what the machine sends itself."""

    dst: str
    src: str = ""
    iif: str = "lo"
    oif: str = ""
    mark: int = 0
    validating: bool = False
    """Is it about an IPv6 route's gateway, as the route is added? Then a throw is an answer, and every gateway good."""


Gateways = frozenset[tuple[str, str]]
"""(device, address)."""
NONE_FAILED: Gateways = frozenset()


def ask(world: World, netns: str, table: str, flow: Flow) -> Found | None:
    """fib_table_lookup(), fib6_table_lookup(): None where the table has no answer, so that the next rule is asked."""
    six = ":" in flow.dst
    mine = _own(world, netns, flow) if table in ("local", trie.MERGED) else None
    least = 128
    if mine is not None:
        found, least = mine
        if least >= (128 if six else 32):
            return found
    failed = _failed(world, netns) if six and not flow.validating else NONE_FAILED
    levels = world.table(netns, "route").keep(trie.Tables).levels.get((128 if six else 32, table), ())
    levels = [level for level in levels if level[0] > least] if mine is not None else levels
    chosen = _longest(levels, flow, failed)
    if chosen is None and failed:
        chosen = _longest(levels, flow, NONE_FAILED)
    if chosen is None:
        return mine[0] if mine is not None else None
    name, route = chosen
    if route.kind == "throw" and not flow.validating:
        return None
    return way(world.table(netns, "route"), netns, name, route, world.table(netns, "addr").index(trie.own))


def _longest(levels: Sequence[trie.Level], flow: Flow, failed: Gateways) -> trie.Named | None:
    """The best route of the longest prefix that has one."""
    want = ip.number(flow.dst)
    for _, mask, routes in levels:
        here: Sequence[trie.Named] = routes.get(want & mask, ())
        if failed:
            here = [row for row in here if (row[1].dev, row[1].via) not in failed]
        chosen = _choose(here, flow)
        if chosen is not None:
            return chosen
    return None


def _failed(world: World, netns: str) -> Gateways:
    """The neighbours that are no way for now."""
    failed = world.table(netns, "neigh").index(_failures)
    forwards = failed and sysctl.is_on(world, netns, "net.ipv6.conf.all.forwarding")
    return NONE_FAILED if forwards else failed


def _failures(neighbours: Table) -> Gateways:
    return frozenset((row.dev, row.address) for row in neighbours.values() if row.state == "FAILED")


def _choose(routes: Sequence[trie.Named], flow: Flow) -> trie.Named | None:
    """Of the routes to one network, the best first: the one that the packet's devices allow."""
    if ":" not in flow.dst:
        return next((row for row in routes if not flow.oif or flow.oif == row[1].dev or not row[1].dev), None)
    dev, strict = _device6(flow)
    if not dev or not routes:
        return routes[0] if routes else None
    here = next((row for row in routes if row[1].dev == dev), None)
    if strict:
        return here
    best = routes[0]
    return here if here is not None and here[1].metric == best[1].metric else best


def _device6(flow: Flow) -> tuple[str, bool]:
    """(the device that a route ought to go over, must it?): ip6_route_output_flags(), ip6_route_input_lookup()."""
    narrow = ip.is_link_local(flow.dst) or ip.is_multicast(flow.dst) or flow.dst == "::1"
    if flow.iif != "lo":
        return flow.iif, narrow
    return flow.oif, narrow or not flow.src


def _own(world: World, netns: str, flow: Flow) -> tuple[Found, int] | None:
    """The table ``local``, as it follows from the addresses; with the length of the prefix that fitted."""
    if ":" in flow.dst:
        return _own6(world, netns, flow)
    addresses = world.table(netns, "addr").index(trie.own)
    address = addresses.addresses.get(flow.dst)
    address = addresses.by_device.get((flow.dst, flow.oif)) if flow.oif else address
    if address is not None:
        return Found("local", address.dev, "", None, address, address_because(netns, address)), 32
    if flow.dst in addresses.broadcasts or flow.dst == EVERYBODY:
        cast = broadcast(world, netns, addresses, flow.dst, flow.oif)
        if cast is not None:
            return cast, 32
    wide = [row for row in addresses.networks if flow.oif in ("", "lo") and ip.within(flow.dst, row[0])]
    if not wide:
        return None
    _, length, address = max(wide, key=lambda row: row[1])
    return Found("local", address.dev, "", None, address, address_because(netns, address)), length


def _own6(world: World, netns: str, flow: Flow) -> tuple[Found, int] | None:
    addresses = world.table(netns, "addr").index(trie.own)
    dev, strict = _device6(flow)
    address = addresses.by_device.get((flow.dst, dev)) if dev else None
    if address is None and not (dev and strict):
        address = addresses.addresses.get(flow.dst)
    if address is not None:
        return Found("local", address.dev, "", None, address, address_because(netns, address)), 128
    for route in localtable.anycast(world, netns):
        if route.dst == f"{flow.dst}/128" and (not dev or dev == route.dev or not strict):
            return Found("local", route.dev, "", route), 128
    return None


def _ways(routes: Table) -> dict[object, Found]:
    """The answers that were given before, by the route's name (for `Table.index`)."""
    return {}


def way(routes: Table, netns: str, name: Hashable, route: Route, own: trie.Own) -> Found:
    """The answer that this route is. (An IPv6 route over ``lo`` leads nowhere: `route.c: fib6_is_reject`.)"""
    known = routes.index(_ways)
    found = known.get(name)
    if found is None:
        nowhere = route.kind == "unicast" and route.dev == "lo" and ":" in route.dst
        why = Because((netns, "route", name), route_text(route))
        found = Found("unreachable" if nowhere else route.kind, route.dev, route.via, route, None, why)
        known[name] = found
    if route.via in own.addresses:
        return found._replace(via="")  # route.c: rt_set_nexthop: a gateway that is the machine itself is none
    return found


EVERYBODY = "255.255.255.255"


def broadcast(world: World, netns: str, own: trie.Own, dst: str, oif: str = "") -> Found | None:
    """A network's last address is a broadcast while its link is up (`fib_add_ifaddr`)."""
    for row in own.broadcasts.get(dst, ()):
        device: Link | None = world.table(netns, "link").get(row.dev)
        if device is not None and device.up and oif in ("", row.dev):
            return Found("broadcast", row.dev, address=row)
    return Found("broadcast") if dst == EVERYBODY else None


def address_because(netns: str, address: Address) -> Because:
    """The address row that decided."""
    return Because((netns, "addr", (address.dev, address.cidr)), f"local {address.address} dev {address.dev}")


def route_text(route: Route) -> str:
    """A route as ``ip route`` prints it (without its trailing space)."""
    six = ":" in route.dst
    dst = "default" if route.dst in (ip.ANY, ip.ANY6) else route.dst.removesuffix("/128" if six else "/32")
    words = [route.kind, dst] if route.kind != "unicast" else [dst]
    words += ["via", route.via] if route.via else []
    words += ["dev", route.dev] if route.dev else []
    words += ["table", route.table] if route.table != "main" else []
    words += ["proto", route.proto] if route.proto != "boot" else []
    words += ["scope", route.scope] if route.scope != "global" else []
    words += ["src", route.src] if route.src else []
    words += ["metric", str(route.metric)] if route.metric else []
    words += ["onlink"] if route.onlink else []
    words += ["mtu", *(["lock"] if route.mtu_lock else []), str(route.mtu)] if route.mtu else []
    return " ".join([*words, "pref", "medium"] if six else words)
