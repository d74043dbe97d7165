"""``list``, ``get`` and ``reset``: what is there, printed by `listing.py` or `as_json.py`.

``reset counters`` prints the named counters as they are and sets them to zero; nft 1.0.6 resets no rules.

Left out: ``list`` of flowtables, quotas, limits, helpers, hooks and meters; ``reset`` of quotas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from k8slearn.linux.nft import listing, sets
from k8slearn.linux.nft.batch import KERNEL, NO_FILE, Batch


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
    batch.printed.append(batch.form.document(LIST[kind](batch)))


def list_table(batch: Batch) -> str:
    family, token = batch.spec()
    batch.need_table(family, token)
    return batch.form.table(batch.store, family, token.text, batch.handles)


def list_chain(batch: Batch) -> str:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table)
    found = batch.store.chain(family, table.text, token.text)
    if found is None:
        batch.fail(token, NO_FILE)
    shown = batch.form.chain(batch.store, family, table.text, token.text, found, batch.handles)
    return batch.form.wrapped(f"{family} {table.text}", shown)


def list_set(batch: Batch, is_map: bool = False) -> str:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table)
    found = batch.store.set(family, table.text, token.text)
    if found is None or bool(found.data) != is_map:
        batch.fail(token, NO_FILE)
    block = batch.form.set_block(batch.store, family, table.text, token.text, found, batch.handles)
    return batch.form.wrapped(f"{family} {table.text}", block)


def list_all(batch: Batch, shown: Callable[[str, str], list[str]], empty: bool = True) -> str:
    """One kind of object in every table; `empty`: also in those that have none."""
    blocks = ((f"{f} {t}", "".join(shown(f, t))) for f, t in batch.store.tables(batch.family("")))
    return "".join(batch.form.wrapped(name, inside) for name, inside in blocks if inside or empty)


def list_sets(batch: Batch, is_map: bool = False) -> str:
    def shown(family: str, table: str) -> list[str]:
        rows = batch.store.sets(family, table).items()
        mine = [(n, s) for n, s in rows if bool(s.data) == is_map]
        return [batch.form.set_block(batch.store, family, table, n, s, batch.handles) for n, s in mine]

    return list_all(batch, shown)


def list_chains(batch: Batch) -> str:
    def shown(family: str, table: str) -> list[str]:
        rows = batch.store.chains(family, table).items()
        return [batch.form.chain(batch.store, family, table, n, c, batch.handles, False) for n, c in rows]

    return list_all(batch, shown)


def list_counters(batch: Batch) -> str:
    def shown(family: str, table: str) -> list[str]:
        rows = batch.store.objects(family, table).items()
        return [batch.form.counter(batch.store, family, table, n, o, batch.handles) for n, o in rows]

    return list_all(batch, shown, False)


def list_tables(batch: Batch) -> str:
    rows = batch.store.tables(batch.family(""))
    return "".join(batch.form.table_line(batch.store, *name, batch.handles) for name in rows)


def get(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    if cursor.text != "element":
        cursor.unexpected("element")
    cursor.take()
    family, table, token, row = batch.set_spec()
    only = sets.get(batch.store, batch.where(family, table), token.text)
    if only is None:
        cursor.fail_whole(start, f"{KERNEL}{NO_FILE}")
    block = listing.set_block(batch.store, family, table, token.text, row, batch.handles, only)
    batch.printed.append(listing.wrapped(f"{family} {table}", block))  # nft 1.0.6 says it as text even with -j


def reset(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    kind = cursor.text
    if kind in ("quota", "quotas"):
        raise cursor.source.complain(start, cursor.token.end, f"`{verb} {kind}` is not modelled here")
    if kind not in ("counter", "counters"):
        cursor.unexpected("counter or counters or quotas or quota")
    cursor.take()
    blocks = []
    for family, table, name in list(_counters(batch, kind)):
        row = batch.store.objects(family, table)[name]
        inside = batch.form.counter(batch.store, family, table, name, row, batch.handles)
        blocks.append(((family, table), inside))
        batch.store.reset(family, table, name, row)
    inside_of = {place: "".join(text for p, text in blocks if p == place) for place, _ in blocks}
    shown = "".join(batch.form.wrapped(f"{f} {t}", inside) for (f, t), inside in inside_of.items())
    batch.printed.append(batch.form.document(shown))


def _counters(batch: Batch, kind: str) -> Iterator[tuple[str, str, str]]:
    """Those that are meant: one by name, or all of a table, a family, the ruleset."""
    store = batch.store
    if kind == "counter":
        family, table = batch.spec()
        token = batch.cursor.word()
        batch.need_table(family, table)
        if token.text not in store.objects(family, table.text):
            batch.fail(token, NO_FILE)
        yield family, table.text, token.text
        return
    if batch.cursor.eat("table"):
        family, table = batch.spec()
        batch.need_table(family, table)
        tables = [(family, table.text)]
    else:
        tables = store.tables(batch.family(""))
    yield from ((*place, name) for place in tables for name in store.objects(*place))


NOT_HERE = (
    *("flowtables", "flowtable", "quotas", "quota", "limits", "limit", "meters", "meter", "hooks", "ct", "counter"),
    *("secmarks", "secmark", "synproxys", "synproxy"),
)
LIST: Mapping[str, Callable[[Batch], str]] = {
    "ruleset": lambda batch: batch.form.ruleset(batch.store, batch.handles, batch.family("")),
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
