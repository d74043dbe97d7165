"""A machine speaks from the address that the route names, else from one of the device that the packet leaves by.

The route's ``src``, else the device's own address (`devinet.c: inet_select_addr`); for IPv6 RFC 6724 (`source6`). What
a machine believes of the sources that come in is `fib.source_refused`.

Left out: sources that a socket was bound to (`socket` checks those).
"""

from __future__ import annotations

from k8slearn.journal import Table, World
from k8slearn.linux import ip, localtable
from k8slearn.linux.fibtable import Found
from k8slearn.linux.rows import Address
from k8slearn.linux.source6 import ordered, select_source6


def select_source(world: World, netns: str, dev: str, towards: str) -> str:
    """The address the kernel puts as source on what leaves by `dev`, or empty.

    IPv4: `devinet.c: inet_select_addr`: of the device's primary addresses the first that has `towards` in its network,
    else the first (`towards` may be empty). IPv6: RFC 6724 (`source6`)."""
    if ":" in towards:
        return select_source6(world, netns, dev, towards)
    rows: list[Address] = world.rows[netns, "addr"].index(_primaries)
    here = [a for a in rows if a.dev == dev and a.scope != "host"]
    if len(here) == 1:
        return here[0].address
    near = [a for a in here if towards and ip.within(towards, a.network)]
    elsewhere = [a for a in rows if a.scope == "global"]
    chosen = near or here or elsewhere
    return chosen[0].address if chosen else ""


def _primaries(addresses: Table) -> list[Address]:
    return [row for row in addresses.values() if ":" not in row.address and not row.secondary]


def first_address(world: World, netns: str, dev: str, towards: str) -> str:
    """Where ``-j REDIRECT`` sends what came in by `dev` for `towards` (`nf_nat_redirect.c`): the device's first
    address, in IPv6 one of the destination's scope if that is the link; empty: it has none, and the packet is lost."""
    rows: list[Address] = [row for row in world.table(netns, "addr").values() if row.dev == dev]
    if ":" not in towards:
        rows = localtable.ordered4([row for row in rows if ":" not in row.address])
    else:
        near = ip.is_link_local(towards)
        rows = ordered([row for row in rows if ":" in row.address and not row.tentative])
        rows = [row for row in rows if row.scope == "link" or not near]
    return rows[0].address if rows else ""


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
