"""The forwarding information base: which route does the kernel take for an address.

Linux goes through the rules (``ip rule``): as they are at first, the table ``local`` (its own addresses), then
``main``. In a table the longest prefix wins, then the lowest metric (`fib_trie.c`, `ip6_fib.c`). All of it is indexes
over the address, route and rule rows (`trie`, `rule`), remembered until a row changes.

IPv6 asks the device too: an address that counts on its own link only (``fe80::``, multicast) is looked for among the
routes over the device that the packet came in by or is to leave by.

Left out: several next hops, type of service, and that IPv6 passes over a gateway whose neighbour entry has failed.
"""

from __future__ import annotations

from typing import NamedTuple

from k8slearn.journal import Table, World
from k8slearn.linux import ip, localtable, rule, sysctl, trie
from k8slearn.linux.rows import Address, Link, Route, Rule
from k8slearn.linux.source6 import select_source6
from k8slearn.trace import Because


class Found(NamedTuple):
    """What a look-up gave. `kind`: unicast, local, broadcast, multicast, blackhole, unreachable, prohibit or none."""

    kind: str
    dev: str = ""
    via: str = ""
    route: Route | None = None
    address: Address | None = None
    because: Because | None = None


class Flow(NamedTuple):
    """What a look-up is about. `iif` is ``lo`` for what the machine sends itself."""

    dst: str
    src: str = ""
    iif: str = "lo"
    oif: str = ""
    mark: int = 0


def lookup(world: World, netns: str, dst: str, *, src: str = "", iif: str = "", oif: str = "", mark: int = 0) -> Found:
    """What this namespace does with a packet for `dst`.

    `iif` is the device it came in by (empty: the machine sends it itself), `oif` the one it is bound to."""
    if ":" in dst or oif or world.table(netns, "rule"):
        return _by_rules(world, netns, Flow(dst, src, iif or "lo", oif, mark))
    addresses = world.table(netns, "addr").index(trie.own)
    answers = world.table(netns, "route").index(_answers)
    known = answers.get(dst)
    if known is not None and known[0] is addresses:
        return known[1]
    if dst in addresses.broadcasts or dst == EVERYBODY:
        cast = _broadcast(world, netns, addresses, dst)
        if cast is not None:
            return cast
    found = _plain(world, netns, addresses, dst, src)
    if len(answers) >= REMEMBERED:
        answers.clear()
    answers[dst] = (addresses, found)
    return found


REMEMBERED = 4096
"""So many answers are kept for each namespace, until an address or a route changes."""


def _answers(routes: Table) -> dict[str, tuple[trie.Own, Found]]:
    return {}


def _plain(world: World, netns: str, addresses: trie.Own, dst: str, src: str) -> Found:
    """Own addresses, then the longest prefix, where nobody has written rules."""
    address = addresses.addresses.get(dst)
    if address is not None:
        return Found("local", address.dev, "", None, address, _address_because(netns, address))
    want = ip.number(dst)
    for length, mask, routes in world.table(netns, "route").index(trie.tables).get(PLAIN, ()):
        found = routes.get(want & mask)
        if found is not None:
            name, route = found[0]
            if route.kind == "throw" or length <= addresses.widest:
                break
            because = Because((netns, "route", name), route_text(route))
            return Found(route.kind, route.dev, _next_hop(addresses, route), route, None, because)
    return _usual(world, netns, Flow(dst, src))


PLAIN = (32, trie.MERGED)


def _next_hop(addresses: trie.Own, route: Route) -> str:
    """A gateway that is the machine itself is none: the destination is on the link (`route.c: rt_set_nexthop`)."""
    return "" if route.via in addresses.addresses else route.via


EVERYBODY = "255.255.255.255"


def _broadcast(world: World, netns: str, addresses: trie.Own, dst: str, oif: str = "") -> Found | None:
    """A network's last address is a broadcast while its link is up (`fib_add_ifaddr`)."""
    for row in addresses.broadcasts.get(dst, ()):
        device = link(world, netns, row.dev)
        if device is not None and device.up and oif in ("", row.dev):
            return Found("broadcast", row.dev, address=row)
    return Found("broadcast") if dst == EVERYBODY else None


def is_broadcast(world: World, netns: str, dst: str) -> bool:
    """Is this an address that every host of a link takes?"""
    addresses = world.table(netns, "addr").index(trie.own)
    known = dst in addresses.broadcasts or dst == EVERYBODY
    return known and _broadcast(world, netns, addresses, dst) is not None


def _by_rules(world: World, netns: str, flow: Flow) -> Found:
    """fib_rules_lookup(): the first rule that takes the packet, and whose table has an answer, decides."""
    changed = world.table(netns, "rule").index(rule.custom)
    family = "ip6" if ":" in flow.dst else "ip"
    rules = changed.get(family)
    if rules is None:
        return _usual(world, netns, flow)
    for name, row in rules:
        if not rule.takes(row, flow.dst, flow.src, flow.iif, flow.oif, flow.mark):
            continue
        why = None if row in rule.DEFAULTS[family] else f"rule {row.priority}: {rule.text(row)}"
        if row.action != "lookup":
            kind = "none" if row.action == "unreachable" else row.action
            return Found(kind, because=Because((netns, "rule", name), why or ""))
        found = _answer(world, netns, row, flow)
        if found is not None:
            return found if why is None else _named(found, why)
    return Found("none")


def _named(found: Found, why: str) -> Found:
    because = found.because
    return found._replace(because=because and Because(because.key, f"{because.text} ({why})"))


def _usual(world: World, netns: str, flow: Flow) -> Found:
    """The rules that every namespace has. IPv4's ``local`` and ``main`` are one table then."""
    names = ("local", "main") if ":" in flow.dst else (trie.MERGED, "default")
    return next((found for name in names if (found := _table(world, netns, name, flow)) is not None), Found("none"))


def _answer(world: World, netns: str, row: Rule, flow: Flow) -> Found | None:
    """What a rule's table says. Only a way can be suppressed: a refusal stands."""
    found = _table(world, netns, row.table, flow)
    if found is None or row.suppress_prefixlength < 0 or found.kind in ("unreachable", "prohibit", "blackhole"):
        return found
    return None if _length(found) <= row.suppress_prefixlength else found


def _length(found: Found) -> int:
    return ip.network(found.route.dst)[1] if found.route is not None else 128


def output(world: World, netns: str, dst: str, *, src: str = "", oif: str = "", mark: int = 0) -> Found:
    """The way of a packet that the machine itself sends (`route.c: ip_route_output_key_hash_rcu`).

    An IPv4 sender that is bound to a device goes out by it even where the tables know no way: as if on the link."""
    found = lookup(world, netns, dst, src=src, oif=oif, mark=mark)
    if oif and ":" not in dst and found.kind not in ("unicast", "local", "broadcast", "multicast"):
        return Found("unicast", oif)
    return found


def address_type(world: World, netns: str, address: str) -> str:
    """What an address is here: ``unicast``, ``local``, ``broadcast`` or ``multicast`` (`inet_addr_type`)."""
    if ip.is_multicast(address):
        return "multicast"
    custom = ":" in address or "ip" in world.table(netns, "rule").index(rule.custom)
    found = _table(world, netns, "local" if custom else trie.MERGED, Flow(address))
    return found.kind if found is not None and found.kind in ("local", "broadcast") else "unicast"


def in_table(world: World, netns: str, table: str, dst: str, oif: str = "", src: str = "") -> Found:
    """What one table alone says. (In IPv6 a device is a must while there is no source.)"""
    return _table(world, netns, table, Flow(dst, src, oif=oif)) or Found("none")


def _table(world: World, netns: str, table: str, flow: Flow) -> Found | None:
    """fib_table_lookup(), fib6_table_lookup(): None where the table has no answer, so that the next rule is asked."""
    six = ":" in flow.dst
    mine = _own(world, netns, flow) if table in ("local", trie.MERGED) else None
    least = 128
    if mine is not None:
        found, least = mine
        if least >= (128 if six else 32):
            return found
    want = ip.number(flow.dst)
    for length, mask, routes in world.table(netns, "route").index(trie.tables).get((128 if six else 32, table), ()):
        if mine is not None and length <= least:
            break
        chosen = _choose(routes.get(want & mask, ()), flow)
        if chosen is not None:
            name, route = chosen
            if route.kind == "throw":
                return None
            kind = "unreachable" if six and route.dev == "lo" and route.kind == "unicast" else route.kind
            why = Because((netns, "route", name), route_text(route))
            via = _next_hop(world.table(netns, "addr").index(trie.own), route)
            return Found(kind, route.dev, via, route, None, why)
    return mine[0] if mine is not None else None


def _choose(routes: list[tuple[object, Route]] | tuple[()], flow: Flow) -> tuple[object, Route] | None:
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
        return Found("local", address.dev, "", None, address, _address_because(netns, address)), 32
    if flow.dst in addresses.broadcasts or flow.dst == EVERYBODY:
        cast = _broadcast(world, netns, addresses, flow.dst, flow.oif)
        if cast is not None:
            return cast, 32
    wide = [row for row in addresses.networks if flow.oif in ("", "lo") and ip.within(flow.dst, row[0])]
    if not wide:
        return None
    _, length, address = max(wide, key=lambda row: row[1])
    return Found("local", address.dev, "", None, address, _address_because(netns, address)), length


def _own6(world: World, netns: str, flow: Flow) -> tuple[Found, int] | None:
    addresses = world.table(netns, "addr").index(trie.own)
    dev, strict = _device6(flow)
    address = addresses.by_device.get((flow.dst, dev)) if dev else None
    if address is None and not (dev and strict):
        address = addresses.addresses.get(flow.dst)
    if address is not None:
        return Found("local", address.dev, "", None, address, _address_because(netns, address)), 128
    for route in localtable.anycast(world, netns):
        if route.dst == f"{flow.dst}/128" and (not dev or dev == route.dev or not strict):
            return Found("local", route.dev, "", route), 128
    return None


def local_address(world: World, netns: str, address: str) -> Address | None:
    """The address row that makes this address the machine's own, or None."""
    local = world.table(netns, "addr").index(trie.own)
    found = local.addresses.get(address)
    if found is None:
        for network, _, row in local.networks:
            if ip.within(address, network):
                return row
    return found


def _address_because(netns: str, address: Address) -> Because:
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


def select_source(world: World, netns: str, dev: str, towards: str) -> str:
    """The address the kernel puts as source on what leaves by `dev`, or empty.

    IPv4: `devinet.c: inet_select_addr`: of the device's primary addresses the first that has `towards` in its network,
    else the first (`towards` may be empty). IPv6: RFC 6724 (`source6`)."""
    if ":" in towards:
        return select_source6(world, netns, dev, towards)
    rows: list[Address] = [a for a in world.table(netns, "addr").values() if ":" not in a.address and not a.secondary]
    here = [a for a in rows if a.dev == dev and a.scope != "host"]
    near = [a for a in here if towards and ip.within(towards, a.network)]
    elsewhere = [a for a in rows if a.scope == "global"]
    chosen = near or here or elsewhere
    return chosen[0].address if chosen else ""


def source_for(world: World, netns: str, found: Found, dst: str) -> str:
    """The source address of a packet that the machine itself sends to `dst`."""
    if found.address is not None:
        return _primary(world, netns, found.address)
    if found.route is not None and found.route.src:
        return found.route.src
    if ":" in dst:
        return select_source6(world, netns, found.dev, dst)
    return select_source(world, netns, found.dev, found.via)


def _primary(world: World, netns: str, own: Address) -> str:
    """A packet to a secondary address of one's own comes from the primary one (`fib_frontend.c: fib_add_ifaddr`)."""
    if own.secondary:
        for row in world.table(netns, "addr").values():
            if (row.dev, row.network, row.secondary) == (own.dev, own.network, False):
                return str(row.address)
    return own.address


def source_refused(world: World, netns: str, dev: str, src: str, dst: str = "", mark: int = 0, oif: str = "") -> str:
    """Why the kernel drops a packet that comes in by `dev` claiming this source; empty: it does not.

    `fib_frontend.c: fib_validate_source`: an own address is a martian (unless ``accept_local``), and rp_filter wants a
    route back (the answer would come in by `oif`, the device that the packet is to leave by). IPv6 has neither: there
    only a loopback or a multicast source is refused (`ip6_input.c`).
    """
    if ":" in src:
        return _refused6(dev, src)
    if dev == "lo":
        return ""
    if ip.is_loopback(src) and not sysctl.either(world, netns, dev, "route_localnet"):
        return f"martian source {src}: loopback addresses stay inside a machine"
    strict = sysctl.highest(world, netns, dev, "rp_filter")
    accepted = sysctl.either(world, netns, dev, "accept_local")
    addresses = world.table(netns, "addr").index(trie.own).addresses
    if not strict and (accepted or not _customised(world, netns)):
        return _OWN.format(src) if src in addresses and not accepted else ""
    mark = mark if sysctl.either(world, netns, dev, "src_valid_mark") else 0
    return _wrong_way(world, netns, dev, strict, lookup(world, netns, src, src=dst, iif=oif, mark=mark), src, accepted)


_OWN = "martian source {}: it is this machine's own address"


def _customised(world: World, netns: str) -> bool:
    """Then the kernel looks the source up even without rp_filter (`fib_has_custom_local_routes`)."""
    local = world.table(netns, "route").index(trie.tables).get((32, "local"))
    return bool(local) or "ip" in world.table(netns, "rule").index(rule.custom)


def _wrong_way(world: World, netns: str, dev: str, strict: int, back: Found, src: str, accepted: bool) -> str:
    """`__fib_validate_source`: what the way back to the source says of it."""
    if back.kind == "local" and not accepted:
        return _OWN.format(src)
    if back.kind in ("broadcast", "multicast"):
        return f"martian source {src}: it is a {back.kind} address"
    if back.dev == dev or not strict:
        return ""
    unnumbered = all(row.dev != dev or ":" in row.address for row in world.table(netns, "addr").values())
    if strict == 1 or unnumbered or back.kind not in ("unicast", "local"):
        return f"rp_filter={strict}: the way back to {src} is {back.dev or 'nowhere'}, not {dev}"
    return ""


def _refused6(dev: str, src: str) -> str:
    if src == "::1" and dev != "lo":
        return f"martian source {src}: loopback addresses stay inside a machine"
    return f"martian source {src}: a group sends nothing" if ip.is_multicast(src) else ""


def is_set(world: World, netns: str, dev: str, name: str) -> bool:
    """Is an IPv4 setting on for all devices, or for this one?"""
    return sysctl.either(world, netns, dev, name)


def forwards(world: World, netns: str, dev: str, dst: str) -> bool:
    """Does this namespace forward what came in by `dev` for `dst`? IPv4 asks the device, IPv6 the namespace."""
    if ":" in dst:
        return bool(sysctl.conf(world, netns, "all", "forwarding", "net.ipv6.conf."))
    return bool(sysctl.conf(world, netns, dev, "forwarding"))


def link(world: World, netns: str, name: str) -> Link | None:
    found: Link | None = world.table(netns, "link").get(name)
    return found
