"""The forwarding information base: which route does the kernel take for an address.

Linux asks the table ``local`` first (its own addresses), then ``main``; in a table the longest prefix wins, then the
lowest metric (`fib_trie.c`). Here both are indexes over the address and route rows, remembered until a row changes.

Left out: rules (``ip rule``), several next hops, TOS.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from k8slearn.journal import Table, World
from k8slearn.linux import ip, sysctl
from k8slearn.linux.rows import Address, Link, Route
from k8slearn.trace import Because


class Found(NamedTuple):
    """What a look-up gave. `kind`: unicast, local, broadcast, blackhole, unreachable, prohibit or none."""

    kind: str
    dev: str = ""
    via: str = ""
    route: Route | None = None
    address: Address | None = None
    because: Because | None = None


class _Local(NamedTuple):
    addresses: dict[str, Address]
    networks: tuple[tuple[str, Address], ...]
    broadcasts: dict[str, Address]


def _local(addresses: Table) -> _Local:
    rows: list[Address] = list(addresses.values())
    return _Local(
        {a.address: a for a in reversed(rows)},
        tuple((ip.network_of(a.address, a.prefix), a) for a in rows if a.dev == "lo" and a.prefix < 32),
        {word: a for a in rows for word in _broadcasts(a)},
    )


def _broadcasts(row: Address) -> tuple[str, ...]:
    """The kernel knows the last address of every network shorter than /31, whatever ``brd`` says."""
    if row.dev == "lo" or row.prefix >= 31:
        return (row.broadcast,) if row.broadcast else ()
    last = ip.text(ip.network(f"{row.address}/{row.prefix}")[0] | ~ip.mask(row.prefix) & 0xFFFFFFFF)
    return (last, row.broadcast) if row.broadcast else (last,)


_Best = dict[int, tuple[Hashable, Route]]


def _main(routes: Table) -> tuple[tuple[int, _Best], ...]:
    """(mask, network number -> the best route and its name), the longest mask first.

    Of two routes to one network with one metric (on two devices) the older one is used: its name is the shorter.
    """
    lengths: dict[int, _Best] = {}
    for name, route in routes.items():
        if route.table != "main":
            continue
        base, prefix = ip.network(route.dst)
        best = lengths.setdefault(prefix, {})
        if base not in best or _rank(name, route) < _rank(*best[base]):
            best[base] = (name, route)
    return tuple((ip.mask(length), lengths[length]) for length in sorted(lengths, reverse=True))


def _rank(name: Hashable, route: Route) -> tuple[int, int]:
    return route.metric, len(name) if isinstance(name, tuple) else 0


def local_address(world: World, netns: str, address: str) -> Address | None:
    """The address row that makes this address the machine's own, or None."""
    local = world.table(netns, "addr").index(_local)
    found = local.addresses.get(address)
    if found is None:
        for network, row in local.networks:
            if ip.within(address, network):
                return row
    return found


def lookup(world: World, netns: str, dst: str, *, src: str = "", iif: str = "", oif: str = "", mark: int = 0) -> Found:
    """What this namespace does with a packet for `dst`; the rest is what ``ip rule`` may ask for."""
    own = local_address(world, netns, dst)
    if own is not None:
        return Found("local", own.dev, "", None, own, _address_because(netns, own))
    cast = world.table(netns, "addr").index(_local).broadcasts.get(dst)
    if cast is not None or dst == "255.255.255.255":
        return Found("broadcast", cast.dev if cast else "", address=cast)
    want = ip.number(dst)
    for mask, routes in world.table(netns, "route").index(_main):
        found = routes.get(want & mask)
        if found is not None:
            name, route = found
            because = Because((netns, "route", name), route_text(route))
            return Found(route.kind, route.dev, route.via, route, None, because)
    return Found("none")


def _address_because(netns: str, address: Address) -> Because:
    return Because(
        (netns, "addr", (address.dev, f"{address.address}/{address.prefix}")),
        f"local {address.address} dev {address.dev}",
    )


def route_text(route: Route) -> str:
    """A route as ``ip route`` prints it (without its trailing space)."""
    dst = "default" if route.dst == ip.ANY else route.dst.removesuffix("/32")
    words = [route.kind, dst] if route.kind != "unicast" else [dst]
    words += ["via", route.via] if route.via else []
    words += ["dev", route.dev] if route.dev else []
    words += ["proto", route.proto] if route.proto != "boot" else []
    words += ["scope", route.scope] if route.scope != "global" else []
    words += ["src", route.src] if route.src else []
    words += ["metric", str(route.metric)] if route.metric else []
    words += ["onlink"] if route.onlink else []
    return " ".join(words)


def select_source(world: World, netns: str, dev: str, towards: str) -> str:
    """The address the kernel puts as source on what leaves by `dev` (`devinet.c: inet_select_addr`), or empty."""
    rows: list[Address] = list(world.table(netns, "addr").values())
    here = [a for a in rows if a.dev == dev and a.scope != "host"]
    near = [a for a in here if ip.within(towards, f"{a.address}/{a.prefix}")]
    elsewhere = [a for a in rows if a.scope == "global"]
    chosen = near or here or elsewhere
    return chosen[0].address if chosen else ""


def source_for(world: World, netns: str, found: Found, dst: str) -> str:
    """The source address of a packet that the machine itself sends to `dst`."""
    if found.address is not None:
        return found.address.address
    if found.route is not None and found.route.src:
        return found.route.src
    return select_source(world, netns, found.dev, found.via or dst)


def source_refused(world: World, netns: str, dev: str, src: str) -> str:
    """Why the kernel drops a packet that comes in by `dev` claiming this source; empty: it does not.

    `fib_frontend.c: fib_validate_source`: an own address is a martian, and rp_filter wants a route back.
    """
    if local_address(world, netns, src) is not None and dev != "lo":
        return f"martian source {src}: it is this machine's own address"
    if ip.is_loopback(src) and dev != "lo" and not is_set(world, netns, dev, "route_localnet"):
        return f"martian source {src}: loopback addresses stay inside a machine"
    strict = max(_setting(world, netns, "all", "rp_filter"), _setting(world, netns, dev, "rp_filter"))
    if strict == 0 or dev == "lo":
        return ""
    back = lookup(world, netns, src)
    if back.kind != "unicast" or (strict == 1 and back.dev != dev):
        return f"rp_filter={strict}: the way back to {src} is {back.dev or 'nowhere'}, not {dev}"
    return ""


def _setting(world: World, netns: str, dev: str, name: str) -> int:
    return int(sysctl.read(world, netns, f"net.ipv4.conf.{dev}.{name}") or 0)


def is_set(world: World, netns: str, dev: str, name: str) -> bool:
    return bool(_setting(world, netns, "all", name) or _setting(world, netns, dev, name))


def link(world: World, netns: str, name: str) -> Link | None:
    found: Link | None = world.table(netns, "link").get(name)
    return found
