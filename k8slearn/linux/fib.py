"""The kernel finds a packet's way by rules, routing tables and the longest prefix: the forwarding information base.

Linux goes through the rules (``ip rule``): as they are at first, the table ``local`` (its own addresses), then
``main``. In a table the longest prefix wins, then the lowest metric (`fibtable`). All of it is indexes over the
address, route and rule rows (`trie`, `rule`), remembered until a row changes.

Left out: what `rule` and `fibtable` leave out.
"""

from __future__ import annotations

from k8slearn.journal import Table, World
from k8slearn.linux import ip, rule, sysctl, trie
from k8slearn.linux.fibtable import EVERYBODY, Flow, Found, address_because, ask, broadcast, route_text, way
from k8slearn.linux.rows import Address, Link, Rule
from k8slearn.linux.source import first_address, select_source, source_for
from k8slearn.trace import Because

__all__ = ["Found", "first_address", "lookup", "output", "route_text", "select_source", "source_for"]


def lookup(world: World, netns: str, dst: str, *, src: str = "", iif: str = "", oif: str = "", mark: int = 0) -> Found:
    """What this namespace does with a packet for `dst`.

    `iif` is the device it came in by (empty: the machine sends it itself), `oif` the one it is bound to."""
    if ":" in dst or oif or world.rows[netns, "rule"]:
        return _by_rules(world, netns, Flow(dst, src, iif or "lo", oif, mark))
    addresses = world.rows[netns, "addr"].index(trie.own)
    answers = world.rows[netns, "route"].index(_answers)
    known = answers.get(dst)
    if known is not None and known[0] is addresses:
        return known[1]
    if (dst in addresses.broadcasts and dst not in addresses.addresses) or dst == EVERYBODY:
        cast = broadcast(world, netns, addresses, dst)
        if cast is not None:
            return cast
    found = _plain(world, netns, addresses, dst)
    if len(answers) >= REMEMBERED:
        answers.clear()
    answers[dst] = (addresses, found)
    return found


REMEMBERED = 4096
"""So many answers are kept for each namespace, until an address or a route changes."""


def _answers(routes: Table) -> dict[str, tuple[trie.Own, Found]]:
    return {}


def _plain(world: World, netns: str, addresses: trie.Own, dst: str) -> Found:
    """Own addresses, then the longest prefix, where nobody has written rules."""
    address = addresses.addresses.get(dst)
    if address is not None:
        return Found("local", address.dev, "", None, address, address_because(netns, address))
    want, ways = ip.number(dst), world.rows[netns, "route"]
    for length, mask, routes in ways.keep(trie.Tables).levels.get(PLAIN, ()):
        found = routes.get(want & mask)
        if found is not None:
            name, route = found[0]
            if route.kind == "throw" or (length <= addresses.widest and trie.on_loopback(addresses, dst)):
                break
            return way(ways, netns, name, route, addresses)
    return _usual(world, netns, Flow(dst))


PLAIN = (32, trie.MERGED)


def _by_rules(world: World, netns: str, flow: Flow) -> Found:
    """fib_rules_lookup(): the first rule that takes the packet, and whose table has an answer, decides."""
    changed = world.rows[netns, "rule"].index(rule.custom)
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
    return next((found for name in names if (found := ask(world, netns, name, flow)) is not None), Found("none"))


def _answer(world: World, netns: str, row: Rule, flow: Flow) -> Found | None:
    """What a rule's table says. Only a way can be suppressed: a refusal stands."""
    found = ask(world, netns, row.table, flow)
    if found is None or row.suppress_prefixlength < 0 or found.kind in ("unreachable", "prohibit", "blackhole"):
        return found
    return None if _length(found) <= row.suppress_prefixlength else found


def _length(found: Found) -> int:
    return ip.network(found.route.dst)[1] if found.route is not None else 128


def output(world: World, netns: str, dst: str, *, src: str = "", oif: str = "", mark: int = 0) -> Found:
    """The way of a packet that the machine itself sends (`route.c: ip_route_output_key_hash_rcu`).

    An IPv4 sender that is bound to a device goes out by it even where the tables know no way: as if on the link, while
    that is up."""
    found = lookup(world, netns, dst, src=src, oif=oif, mark=mark)
    if oif and ":" not in dst and found.kind not in ("unicast", "local", "broadcast", "multicast"):
        device = link(world, netns, oif)
        return Found("unicast", oif) if device is not None and device.up else Found("none")
    return found


def is_broadcast(world: World, netns: str, dst: str) -> bool:
    """Is this an address that every host of a link takes?"""
    addresses = world.rows[netns, "addr"].index(trie.own)
    known = dst in addresses.broadcasts or dst == EVERYBODY
    return known and broadcast(world, netns, addresses, dst) is not None


def address_type(world: World, netns: str, address: str) -> str:
    """What an address is here: ``unicast``, ``local``, ``broadcast`` or ``multicast`` (`inet_addr_type`)."""
    if ip.is_multicast(address):
        return "multicast"
    custom = ":" in address or "ip" in world.rows[netns, "rule"].index(rule.custom)
    found = ask(world, netns, "local" if custom else trie.MERGED, Flow(address))
    return found.kind if found is not None and found.kind in ("local", "broadcast") else "unicast"


def gateway(world: World, netns: str, address: str, oif: str = "") -> Found:
    """Where an IPv6 route's gateway is, when the route is added (`fib6_lookup`): by all the rules."""
    return _by_rules(world, netns, Flow(address, oif=oif, validating=True))


def in_table(world: World, netns: str, table: str, dst: str, oif: str = "", src: str = "") -> Found:
    """What one table alone says of a route's gateway. (In IPv6 a device is a must while there is no source.)"""
    return ask(world, netns, table, Flow(dst, src, oif=oif, validating=True)) or Found("none")


def local_address(world: World, netns: str, address: str) -> Address | None:
    """The address row that makes this address the machine's own, or None."""
    local = world.rows[netns, "addr"].index(trie.own)
    found = local.addresses.get(address)
    if found is None:
        for network, _, row in local.networks:
            if ip.within(address, network):
                return row
    return found


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
    strict, accepted, loopback, marked = sysctl.beliefs(world, netns, dev)
    if ip.is_loopback(src) and not loopback:
        return f"martian source {src}: loopback addresses stay inside a machine"
    if not strict and (accepted or not _customised(world, netns)):
        own = not accepted and src in world.rows[netns, "addr"].index(trie.own).addresses
        return _OWN.format(src) if own else ""
    mark = mark if marked else 0
    back = lookup(world, netns, src, src=dst, iif=oif, mark=mark)
    return _wrong_way(world, netns, dev, strict, back, src, bool(accepted))


_OWN = "martian source {}: it is this machine's own address"


def _customised(world: World, netns: str) -> bool:
    """Then the kernel looks the source up even without rp_filter (`fib_has_custom_local_routes`)."""
    if (32, "local") in world.rows[netns, "route"].keep(trie.Tables).levels:
        return True
    rules = world.rows[netns, "rule"]
    return bool(rules) and "ip" in rules.index(rule.custom)


def _wrong_way(world: World, netns: str, dev: str, strict: int, back: Found, src: str, accepted: bool) -> str:
    """`__fib_validate_source`: what the way back to the source says of it."""
    if back.kind == "local" and not accepted:
        return _OWN.format(src)
    if back.kind in ("broadcast", "multicast"):
        return f"martian source {src}: it is a {back.kind} address"
    if back.dev == dev or not strict:
        return ""
    unnumbered = all(row.dev != dev or ":" in row.address for row in world.rows[netns, "addr"].values())
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
    found: Link | None = world.rows[netns, "link"].get(name)
    return found
