"""A routing table is an index by prefix: a look-up is quick however many routes there are.

The kernel keeps each IPv4 table as a compressed trie (`fib_trie.c`) and each IPv6 table as a radix tree
(`ip6_fib.c`). Ours are dictionaries, one for each prefix length that a table has routes of, which follow each route
that comes and goes: a look-up tries the longest first. The table ``local`` has no rows for a machine's own addresses:
`own` derives them, as the kernel does when an address comes.

While nobody has touched ``ip rule``, the kernel keeps IPv4's tables ``local`` and ``main`` in *one* trie
(`fib_table_insert`, `fib_unmerge`): the longest prefix of both wins. Here that is the table `MERGED`.

Left out: the shape of the tree.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable
from typing import Any, NamedTuple

from k8slearn.journal import Table
from k8slearn.linux import ip
from k8slearn.linux.rows import Address, Route

Named = tuple[Hashable, Route]
Place = tuple[int, str]
"""(32 or 128, table)."""
Level = tuple[int, int, dict[int, list[Named]]]
"""(prefix length, its mask, network number -> the routes to it, the best first)."""

MERGED = "local and main"


class Own(NamedTuple):
    """What the table ``local`` knows of the address rows."""

    addresses: dict[str, Address]
    networks: tuple[tuple[str, int, Address], ...]
    """Networks on ``lo``, all of whose addresses are the machine's own: (network, prefix length, row)."""
    broadcasts: dict[str, tuple[Address, ...]]
    """Broadcast address -> the rows that make it one, each while its link is up."""
    by_device: dict[tuple[str, str], Address]
    """(address, device) -> row: a link-local address is asked for on its link."""
    widest: int
    """The longest prefix among `networks`; -1: there are none."""


def own(addresses: Table) -> Own:
    """The machine's own addresses, out of its address rows (for `Table.index`)."""
    rows: list[Address] = [row for row in addresses.values() if not row.tentative]
    four = [row for row in rows if ":" not in row.address]
    networks = tuple((a.network, a.prefix, a) for a in four if a.dev == "lo" and a.prefix < 32)
    return Own(
        {a.address: a for a in reversed(rows)},
        networks,
        {word: tuple(a for a in four if word in _broadcasts(a)) for row in four for word in _broadcasts(row)},
        {(a.address, a.dev): a for a in reversed(rows)},
        max((prefix for _, prefix, _ in networks), default=-1),
    )


def on_loopback(own: Own, address: str) -> bool:
    """Is the address in a network on ``lo``?"""
    return any(ip.within(address, network) for network, _, _ in own.networks)


def _broadcasts(row: Address) -> tuple[str, ...]:
    """The kernel knows the last address of every network shorter than /31, whatever ``brd`` says."""
    if row.dev == "lo" or row.prefix >= 31:
        return (row.broadcast,) if row.broadcast else ()
    last = ip.text(ip.network(row.network)[0] | ~ip.mask(row.prefix) & 0xFFFFFFFF)
    return (last, row.broadcast) if row.broadcast else (last,)


class Tables:
    """(32 or 128, table) -> its levels, the longest prefix first (for `Table.keep`).

    Of several routes to one network the lowest metric comes first, and of those the oldest. In `MERGED` a route of
    ``local`` comes before one of ``main``."""

    def __init__(self, routes: Table) -> None:
        self._routes = routes
        self.levels: dict[Place, list[Level]] = {}
        for name, route in routes.items():
            self._add(name, route)

    def moved(self, name: Hashable, before: Any, value: Any) -> None:
        """A route that takes another one's place has its age; where that is not the same network any more, or not as
        good, all begins anew."""
        if before is None:
            if value is not None:
                self._add(name, value)
        elif value is None:
            self._drop(name, before)
        elif _slot(before) == _slot(value):
            self._swap(name, value)
        else:
            self.levels.clear()
            for other, route in self._routes.items():
                self._add(other, route)

    def to(self, place: Place, dst: str) -> list[Named]:
        """The routes of a table to exactly this network."""
        base, length = ip.network(dst)
        return next((found.get(base, []) for at, _, found in self.levels.get(place, ()) if at == length), [])

    def _add(self, name: Hashable, route: Route) -> None:
        base, length = ip.network(route.dst)
        for place in _places(route):
            insort(self._level(place, length).setdefault(base, []), (name, route), key=_rank)

    def _drop(self, name: Hashable, route: Route) -> None:
        base, length = ip.network(route.dst)
        for place in _places(route):
            found = self._level(place, length)
            found[base] = [row for row in found[base] if row[0] != name]
            if not found[base]:
                del found[base]
            self.levels[place] = [level for level in self.levels[place] if level[2]]
            if not self.levels[place]:
                del self.levels[place]

    def _swap(self, name: Hashable, route: Route) -> None:
        base, length = ip.network(route.dst)
        for place in _places(route):
            found = self._level(place, length)
            found[base] = [(name, route) if row[0] == name else row for row in found[base]]

    def _level(self, place: Place, length: int) -> dict[int, list[Named]]:
        levels = self.levels.setdefault(place, [])
        known = next((found for at, _, found in levels if at == length), None)
        if known is None:
            known = {}
            insort(levels, (length, ip.mask(length, place[0]), known), key=lambda level: -level[0])
        return known


def _places(route: Route) -> tuple[Place, ...]:
    width = ip.bits(route.dst)
    if width == 32 and route.table in ("local", "main"):
        return (width, route.table), (width, MERGED)
    return ((width, route.table),)


def _rank(row: Named) -> tuple[bool, int]:
    return row[1].table != "local", row[1].metric


def _slot(route: Route) -> tuple[str, tuple[int, int], int, int]:
    return route.table, ip.network(route.dst), ip.bits(route.dst), route.metric
