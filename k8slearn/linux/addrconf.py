"""IPv6 sets itself up: a link that comes up gets an address and routes, and loses them when it goes down.

A link is **ready** for IPv6 when it is up and has a carrier (addrconf.c: addrconf_notify). Then it gets its
**link-local address**, made of its MAC (`ip.eui64`; ``addr_gen_mode=1``: none), with the route ``fe80::/64``, and the
route ``ff00::/8`` by which multicast leaves; ``lo`` gets ``::1``. A link that goes down loses its addresses, also those
that a person gave it (``keep_addr_on_down=1`` keeps the global ones). So it does with ``disable_ipv6=1``, and when its
MTU falls below 1280 bytes, the least that IPv6 works with.

Nothing of this happens where the machine's kernel speaks no IPv6 (`rows.Netns.ipv6`).

Left out: duplicate address detection (as with ``accept_dad=0``), router solicitations and advertisements
(``accept_ra=0``), privacy addresses and stable-privacy address generation.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.journal import Commands, Put, Remove, World
from k8slearn.linux import addr, device, ip, route, sysctl
from k8slearn.linux.inet6 import TREE, enabled, is_ready, speaks
from k8slearn.linux.rows import REJECTS, Address, Inet6, Link, Route

NO_EUI64 = ("loopback", "ipip", "wireguard")
"""Kinds of device without an Ethernet MAC to make an address of."""


def settle(world: World, netns: str) -> Commands:
    """After a change on a link: those that became ready are set up, those that may not carry IPv6 are emptied.

    A carrier can come from afar (a cable's other end, a bridge's port), so all namespaces are looked at."""
    if not speaks(world, netns):
        return
    for scope in (netns, *(other for other in world.scopes("link") if other != netns and speaks(world, other))):
        for link in sorted(world.table(scope, "link").values(), key=lambda link: link.index):
            if not enabled(world, scope, link):
                yield from clear(world, scope, link)
            elif link.up and not is_ready(world, scope, link.name) and device.carrier(world, scope, link):
                yield from _start(world, scope, link)


def _start(world: World, netns: str, link: Link) -> Commands:
    """addrconf_init_auto_addrs(): what a link has from the moment it is ready."""
    yield Put((netns, "inet6", link.name), Inet6(link.name))
    if link.kind == "loopback":
        yield from addr.put(world, netns, Address(link.name, "::1", 128, "host"))
        return
    if link.kind != "ipip":
        yield from add_multicast(world, netns, link)
    if not sysctl.conf(world, netns, link.name, "addr_gen_mode", TREE):
        yield from _link_local(world, netns, link)


def _link_local(world: World, netns: str, link: Link) -> Commands:
    if link.kind in NO_EUI64:
        return
    own = ip.eui64(link.mac)
    if not any(row.address == own for row in addr.on(world, netns, link.name)):
        yield from addr.put(world, netns, Address(link.name, own, 64, "link"))


def add_multicast(world: World, netns: str, link: Link) -> Commands:
    """addrconf_add_mroute(): multicast leaves by the link."""
    if link.up and link.kind != "loopback":
        row = Route("ff00::/8", dev=link.name, proto="kernel", metric=256, table="local", kind="multicast")
        yield from route.put_if_absent(world, netns, row)


def stop(world: World, netns: str, link: Link, keep: bool = False) -> Commands:
    """addrconf_ifdown(): the link's addresses go (all, or all that are not to be kept), its routes have gone."""
    for row in addr.on(world, netns, link.name, "ip6"):
        if not keep or row.scope != "global":
            yield Remove(addr.key(netns, row))
        else:
            yield Put(addr.key(netns, row), replace(row, tentative=True))
    if is_ready(world, netns, link.name):
        yield Remove((netns, "inet6", link.name))


def clear(world: World, netns: str, link: Link) -> Commands:
    """IPv6 is switched off on a link: its routes and addresses go."""
    ways = (row for row in world.table(netns, "route").values() if row.dev == link.name and ":" in row.dst)
    if (
        is_ready(world, netns, link.name)
        or addr.on(world, netns, link.name, "ip6")
        or any(row.kind not in REJECTS for row in ways)
    ):
        yield from route.drop_device(world, netns, link, "ip6")
        yield from stop(world, netns, link)


def went_down(world: World, netns: str, link: Link) -> Commands:
    """The link was set down."""
    yield from stop(world, netns, link, sysctl.highest(world, netns, link.name, "keep_addr_on_down", TREE) > 0)


def setting_changed(world: World, netns: str, dev: str, setting: str) -> Commands:
    """A setting under ``net.ipv6.conf`` was written: what follows at once."""
    if setting == "disable_ipv6":
        yield from settle(world, netns)
    link: Link | None = world.get((netns, "link", dev))
    wants = setting == "addr_gen_mode" and not sysctl.conf(world, netns, dev, setting, TREE)
    if wants and link is not None and is_ready(world, netns, dev):
        yield from _link_local(world, netns, link)
