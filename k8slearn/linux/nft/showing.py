"""``list`` and ``get``: what is there, printed by `listing.py`.

Left out: ``list`` of flowtables, quotas, limits, helpers, hooks and meters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.linux.nft import listing, sets
from k8slearn.linux.nft.batch import KERNEL, NO_FILE, Batch
from k8slearn.linux.nft.values import Element, Set


def show(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    kind = cursor.text
    if cursor.ended:
        kind = "ruleset"
    elif kind in NOT_HERE:
        raise cursor.source.complain(start, cursor.token.end, f"`{verb} {kind}` is not modelled here")
    elif kind not in LIST:
        cursor.unexpected()
    else:
        cursor.take()
    batch.printed.append(LIST[kind](batch))


def list_table(batch: Batch) -> str:
    family, token = batch.spec()
    batch.need_table(family, token)
    return listing.table(batch.store, family, token.text, batch.handles)


def list_chain(batch: Batch) -> str:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table)
    found = batch.store.chain(family, table.text, token.text)
    if found is None:
        batch.fail(token, NO_FILE)
    shown = listing.chain(batch.store, family, table.text, token.text, found, batch.handles)
    return listing.wrapped(f"{family} {table.text}", shown)


def list_set(batch: Batch, is_map: bool = False) -> str:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table)
    found = batch.store.set(family, table.text, token.text)
    if found is None or bool(found.data) != is_map:
        batch.fail(token, NO_FILE)
    return shown_set(batch, family, table.text, token.text, found)


def shown_set(batch: Batch, family: str, table: str, name: str, row: Set, only: list[Element] | None = None) -> str:
    block = listing.set_block(batch.store, family, table, name, row, batch.handles, only)
    return listing.wrapped(f"{family} {table}", block)


def list_all(batch: Batch, shown: Callable[[str, str], list[str]], empty: bool = True) -> str:
    """One kind of object in every table; `empty`: also in those that have none."""
    blocks = ((f"{f} {t}", "".join(shown(f, t))) for f, t in batch.store.tables(batch.family("")))
    return "".join(listing.wrapped(name, inside) for name, inside in blocks if inside or empty)


def list_sets(batch: Batch, is_map: bool = False) -> str:
    def shown(family: str, table: str) -> list[str]:
        rows = batch.store.sets(family, table).items()
        mine = [(n, s) for n, s in rows if bool(s.data) == is_map]
        return [listing.set_block(batch.store, family, table, n, s, batch.handles) for n, s in mine]

    return list_all(batch, shown)


def list_chains(batch: Batch) -> str:
    def shown(family: str, table: str) -> list[str]:
        rows = batch.store.chains(family, table).items()
        return [listing.chain(batch.store, family, table, n, c, batch.handles, False) for n, c in rows]

    return list_all(batch, shown)


def list_counters(batch: Batch) -> str:
    def shown(family: str, table: str) -> list[str]:
        rows = batch.store.objects(family, table).items()
        return [listing.counter(batch.store, family, table, n, o, batch.handles) for n, o in rows]

    return list_all(batch, shown, False)


def list_tables(batch: Batch) -> str:
    rows = batch.store.tables(batch.family(""))
    shown = ((f"table {f} {t}", batch.store.table(f, t)) for f, t in rows)
    return "".join(f"{words}{f' # handle {row.handle}' if row and batch.handles else ''}\n" for words, row in shown)


def get(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    if cursor.text != "element":
        cursor.unexpected("element")
    cursor.take()
    family, table, token, row = batch.set_spec()
    only = sets.get(batch.store, batch.where(family, table), token.text)
    if only is None:
        cursor.fail_whole(start, f"{KERNEL}{NO_FILE}")
    batch.printed.append(shown_set(batch, family, table, token.text, row, only))


NOT_HERE = (
    *("flowtables", "flowtable", "quotas", "quota", "limits", "limit", "meters", "meter", "hooks", "ct", "counter"),
    *("secmarks", "secmark", "synproxys", "synproxy"),
)
LIST: Mapping[str, Callable[[Batch], str]] = {
    "ruleset": lambda batch: listing.ruleset(batch.store, batch.handles, batch.family("")),
    "tables": list_tables,
    "table": list_table,
    "chains": list_chains,
    "chain": list_chain,
    "sets": list_sets,
    "set": list_set,
    "maps": lambda batch: list_sets(batch, True),
    "map": lambda batch: list_set(batch, True),
    "counters": list_counters,
}
