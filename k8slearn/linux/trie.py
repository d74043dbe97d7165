"""A routing table is an index by prefix: a look-up is quick however many routes there are.

The kernel keeps each IPv4 table as a compressed trie (`fib_trie.c`) and each IPv6 table as a radix tree
(`ip6_fib.c`). Ours are dictionaries, one for each prefix length that a table has routes of, remembered until a row
changes: a look-up tries the longest first. The table ``local`` has no rows for a machine's own addresses: `own`
derives them, as the kernel does when an address comes.

While nobody has touched ``ip rule``, the kernel keeps IPv4's tables ``local`` and ``main`` in *one* trie
(`fib_table_insert`, `fib_unmerge`): the longest prefix of both wins. Here that is the table `MERGED`.

Left out: the shape of the tree.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from k8slearn.journal import Table
from k8slearn.linux import ip
from k8slearn.linux.rows import Address, Route

Named = tuple[Hashable, Route]
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


def tables(routes: Table) -> dict[tuple[int, str], list[Level]]:
    """(32 or 128, table) -> its levels, the longest prefix first (for `Table.index`).

    Of several routes to one network the lowest metric comes first, and of those the oldest. In `MERGED` a route of
    ``local`` comes before one of ``main``."""
    lengths: dict[tuple[int, str], dict[int, dict[int, list[Named]]]] = {}
    for name, route in sorted(routes.items(), key=lambda row: (row[1].table != "local", row[1].metric)):
        base, prefix = ip.network(route.dst)
        width = ip.bits(route.dst)
        merged = (MERGED,) if width == 32 and route.table in ("local", "main") else ()
        for table in (route.table, *merged):
            level = lengths.setdefault((width, table), {}).setdefault(prefix, {})
            level.setdefault(base, []).append((name, route))
    return {
        place: [(length, ip.mask(length, place[0]), levels[length]) for length in sorted(levels, reverse=True)]
        for place, levels in lengths.items()
    }
