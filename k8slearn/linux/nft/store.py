"""Rules as they will be: a transaction works on a draft and is written whole, or not at all.

The kernel takes a batch of netlink messages and switches to the new generation at its end (`nf_tables_api.c:
nf_tables_commit`). Here the batch works on a fork of the world; what is different at its end is what is written.

Left out: generations seen by other programs, ``nft monitor``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

from k8slearn.journal import Belongs, Commands, Key, Put, Remove, World
from k8slearn.linux.nft.values import Chain, Element, ElementKey, Object, Set, Table, elements_table

LAST = "nfthandle"
"""The world table with the last handle that a table was given."""


class Store:
    """The nftables of one namespace, as they are and as they will be."""

    def __init__(self, world: World, netns: str) -> None:
        self.before, self.world, self.netns = world, world.fork(), netns
        self.touched: dict[Key, None] = {}

    # --- reading ---

    def tables(self, family: str = "") -> list[tuple[str, str]]:
        rows: dict[Any, Table] = self.world.table(self.netns, "nfttable")
        return [key for key in sorted(rows, key=lambda key: rows[key].handle) if family in ("", key[0])]

    def table(self, family: str, name: str) -> Table | None:
        found: Table | None = self.world.get((self.netns, "nfttable", (family, name)))
        return found

    def chains(self, family: str, table: str) -> dict[str, Chain]:
        """The chains of a table, in the order in which they were made."""
        start = ("nft", family, table)
        rows = self.world.table(self.netns, "chain").items()
        mine = {str(k[3]): c for k, c in rows if isinstance(k, tuple) and k[:3] == start}
        return dict(sorted(mine.items(), key=lambda row: int(row[1].handle)))

    def chain(self, family: str, table: str, name: str) -> Chain | None:
        found: Chain | None = self.world.get(self.chain_key(family, table, name))
        return found

    def sets(self, family: str, table: str) -> dict[str, Set]:
        return self._named("nftset", family, table)

    def set(self, family: str, table: str, name: str) -> Set | None:
        found: Set | None = self.world.get((self.netns, "nftset", (family, table, name)))
        return found

    def objects(self, family: str, table: str) -> dict[str, Object]:
        return self._named("nftobject", family, table)

    def _named(self, kind: str, family: str, table: str) -> dict[str, Any]:
        rows: dict[Any, Any] = self.world.table(self.netns, kind)
        mine = {str(key[2]): row for key, row in rows.items() if key[:2] == (family, table)}
        return dict(sorted(mine.items(), key=lambda row: int(row[1].handle)))

    def elements(self, family: str, table: str, name: str) -> dict[ElementKey, Element]:
        """The elements of a set that are not over yet."""
        rows: dict[Any, Element] = self.world.table(self.netns, elements_table(family, table, name))
        now = self.world.clock
        return {key: e for key, e in rows.items() if e.until is None or e.until > now}

    def members_of(self, family: str, table: str, name: str, belongs: Belongs, group: Hashable) -> bool:
        """Is there an element in this group of a set's that is not over yet?"""
        found = self.world.table(self.netns, elements_table(family, table, name)).by(belongs).get(group, {})
        return any(e.until is None or e.until > self.world.clock for e in found.values())

    def element(self, family: str, table: str, name: str, key: ElementKey) -> Element | None:
        """One element, unless it is over."""
        found: Element | None = self.world.get(self.element_key(family, table, name, key))
        return found if found is None or found.until is None or found.until > self.world.clock else None

    def counted(self, *name: object) -> tuple[int, int]:
        """What a counter has counted since its rule was made: packets and bytes."""
        found = self.world.get((self.netns, "counter", ("nft", *name))) or (0, 0)
        return int(found[0]), int(found[1])

    # --- writing ---

    def chain_key(self, family: str, table: str, name: str) -> Key:
        return (self.netns, "chain", ("nft", family, table, name))

    def element_key(self, family: str, table: str, name: str, key: ElementKey) -> Key:
        return (self.netns, elements_table(family, table, name), key)

    def put(self, key: Key, value: object) -> None:
        self.touched[key] = None
        self.world.apply(Put(key, value))

    def remove(self, key: Key) -> None:
        self.touched[key] = None
        self.world.apply(Remove(key))

    def handle(self, family: str, table: str, count: int = 1) -> int:
        """The next handle in a table; `count` is how many are used up (a set in braces takes one, too)."""
        row = self.table(family, table)
        assert row is not None
        self.put((self.netns, "nfttable", (family, table)), replace(row, last=row.last + count))
        return row.last + count

    def new_table(self, family: str, name: str, comment: str, dormant: bool) -> None:
        last = int(self.world.get((self.netns, LAST, "")) or 0) + 1
        self.put((self.netns, LAST, ""), last)
        self.put((self.netns, "nfttable", (family, name)), Table(comment, dormant, last))

    def sleep(self, family: str, table: str, dormant: bool) -> None:
        """A dormant table's base chains see no packets."""
        row = self.table(family, table)
        assert row is not None
        if row.dormant != dormant:
            self.put((self.netns, "nfttable", (family, table)), replace(row, dormant=dormant))
        for name, chain in self.chains(family, table).items() if row.dormant or dormant else ():
            if chain.hook and chain.asleep != dormant:
                self.put(self.chain_key(family, table, name), replace(chain, asleep=dormant))

    def open_set(self, family: str, table: str, name: str, timeout: int | None) -> str:
        """A rule lets packets write into a set, which gets a size then (`nft_dynset.c`): why it cannot, or nothing.

        Trees, and tables made for a number of elements that stay, take nothing; a set of the same batch is made for it
        (nft sets the flag); and only one with the flag forgets again."""
        key = (self.netns, "nftset", (family, table, name))
        row: Set = self.world.get(key)
        fresh = self.before.get(key) is None
        if fresh and "dynamic" not in row.flags:
            row = replace(row, flags=(*row.flags, "dynamic"))
        if fresh and "constant" in row.flags:
            return "Device or resource busy"
        fixed = row.size and not {"dynamic", "timeout"} & set(row.flags)
        forgets = timeout is None or "timeout" in row.flags
        if fixed or not forgets or row.interval or "constant" in row.flags:
            return "Operation not supported"
        self.put(key, replace(row, size=row.size or 65535))
        return ""

    def drop_elements(self, family: str, table: str, name: str) -> None:
        rows = elements_table(family, table, name)
        for key in list(self.world.table(self.netns, rows)):
            self.remove((self.netns, rows, key))

    def drop_set(self, family: str, table: str, name: str) -> None:
        self.drop_elements(family, table, name)
        self.remove((self.netns, "nftset", (family, table, name)))

    def drop_chain(self, family: str, table: str, name: str) -> None:
        chain = self.chain(family, table, name)
        self.forget(family, table, name, *(rule.handle for rule in chain.rules) if chain is not None else ())
        self.remove(self.chain_key(family, table, name))

    def forget(self, family: str, table: str, chain: str, *handles: int) -> None:
        """Rules are gone: their counters and their state go with them."""
        for kind in ("counter", "nftinc", "nftlimit"):
            rows = self.world.table(self.netns, kind)
            for key in [k for h in handles for k in (("nft", family, table, chain, h),) if k in rows]:
                self.remove((self.netns, kind, key))

    def reset(self, family: str, table: str, name: str, row: Object) -> None:
        """A named counter begins anew."""
        self.put((self.netns, "nftobject", (family, table, name)), replace(row, packets=0, size=0))
        key = ("nft", family, table, name)
        if key in self.world.table(self.netns, "counter"):
            self.remove((self.netns, "counter", key))

    def drop_table(self, family: str, name: str) -> None:
        for chain in self.chains(family, name):
            self.drop_chain(family, name, chain)
        for set_name in self.sets(family, name):
            self.drop_set(family, name, set_name)
        for object_name in self.objects(family, name):
            self.remove((self.netns, "nftobject", (family, name, object_name)))
        self.remove((self.netns, "nfttable", (family, name)))

    def commit(self) -> Commands:
        """Write what is different now."""
        for key in self.touched:
            value, before = self.world.get(key), self.before.get(key)
            if value is None and before is not None:
                yield Remove(key)
            elif value is not None and value != before:
                yield Put(key, value)


def tables_of(world: World, netns: str) -> Iterator[str]:
    """The world tables that nftables has in a namespace: what goes when the namespace goes."""
    sets: dict[Any, Set] = world.table(netns, "nftset")
    for family, table, name in list(sets):
        yield elements_table(family, table, name)
    yield from ("nfttable", "nftset", "nftobject", "nftinc", "nftlimit", LAST)
