"""The elements of named sets and maps: added, deleted and asked for.

Left out: counters and limits of an element.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from k8slearn.linux.nft import intervals
from k8slearn.linux.nft.expressions import Where, elements
from k8slearn.linux.nft.intervals import Intervals
from k8slearn.linux.nft.store import Store
from k8slearn.linux.nft.values import VERDICT, Anonymous, Element, Rule, Set, Statement, Verdict, Vmap

KERNEL = "Could not process rule: "
Found = list[tuple[Element, int, int]]


def add(store: Store, where: Where, name: str, verb: str) -> None:
    """Add the elements that stand at the cursor in braces."""
    row, found = _read(store, where, name)
    for element, start, end in found:
        if bool(row.data) != (element.data is not None):
            raise where.cursor.source.complain(start, end, f"{KERNEL}Invalid argument")
    if row.interval:
        _add_stretches(store, where, name, row, found, verb)
        return
    for element, start, end in found:
        before = store.element(where.family, where.table, name, element.name)
        if before is not None and (verb == "create" or before.data != element.data):
            raise where.cursor.source.complain(start, end, f"{KERNEL}File exists")
        if before is None:
            _put(store, where, name, row, element)
    if row.size and len(store.elements(where.family, where.table, name)) > row.size:
        start = found[-1][1]
        raise where.cursor.source.complain(start, found[-1][2], f"{KERNEL}Too many open files in system")


def _read(store: Store, where: Where, name: str) -> tuple[Set, Found]:
    row = store.set(where.family, where.table, name)
    assert row is not None
    found = elements(where, row.kinds, row.data)
    if row.interval:
        found = [(replace(e, key=(intervals.normal(e.key[0]),)), start, end) for e, start, end in found]
    elif any(isinstance(e.name, str) and "-" in e.name and len(e.key) == 1 and _ranged(e) for e, _, _ in found):
        _, start, end = next(f for f in found if _ranged(f[0]))
        says = "You must add 'flags interval' to your set declaration if you want to add range elements"
        raise where.cursor.source.complain(start, end, says)
    return row, found


def _ranged(element: Element) -> bool:
    low, high = intervals.stretch(element.key[0])
    return low != high


def _put(store: Store, where: Where, name: str, row: Set, element: Element) -> None:
    span = element.timeout if element.timeout is not None else row.timeout
    if span and element.until is None:
        element = replace(element, until=store.world.clock + span / 1000)
    store.put(store.element_key(where.family, where.table, name, element.name), element)


def _add_stretches(store: Store, where: Where, name: str, row: Set, found: Found, verb: str) -> None:
    rows = store.elements(where.family, where.table, name)
    if row.merge:
        merged = intervals.merged(row.kinds[0], [*rows.values(), *(element for element, _, _ in found)])
        keep = {element.name: element for element in merged}
        for key in [key for key in rows if key not in keep]:
            store.remove(store.element_key(where.family, where.table, name, key))
        for key in [key for key in keep if key not in rows]:
            _put(store, where, name, row, keep[key])
        return
    _refuse_overlaps(where, found)
    known = Intervals(rows.values())
    for element, start, end in found:
        before = known.touching(element.key[0])
        if before is None:
            _put(store, where, name, row, element)
        elif before.key != element.key:
            raise where.cursor.source.complain(start, end, "interval overlaps with an existing one")
        elif verb == "create" or before.data != element.data:
            raise where.cursor.source.complain(start, end, f"{KERNEL}File exists")


def _refuse_overlaps(where: Where, found: Found) -> None:
    ordered = sorted(found, key=lambda row: intervals.stretch(row[0].key[0]))
    for before, here in pairwise(ordered):
        if intervals.stretch(here[0].key[0])[0] <= intervals.stretch(before[0].key[0])[1]:
            raise where.cursor.source.complain(
                here[1], here[2], "conflicting intervals specified", (before[1], before[2])
            )


def delete(store: Store, where: Where, name: str) -> None:
    """Take the elements in braces out of a set."""
    row, found = _read(store, where, name)
    for element, start, end in found:
        if store.element(where.family, where.table, name, element.name) is None:
            says = "element does not exist" if row.interval else f"{KERNEL}No such file or directory"
            raise where.cursor.source.complain(start, end, says)
        store.remove(store.element_key(where.family, where.table, name, element.name))


def get(store: Store, where: Where, name: str) -> list[Element] | None:
    """The elements that hold these keys; None where one is missing."""
    row, found = _read(store, where, name)
    rows = store.elements(where.family, where.table, name)
    if row.interval:
        known = Intervals(rows.values())
        answers = [known.find(intervals.stretch(element.key[0])[0]) for element, _, _ in found]
    else:
        answers = [rows.get(element.name) for element, _, _ in found]
    return None if None in answers else [element for element in answers if element is not None]


def leads_to(store: Store, family: str, table: str, chain: str) -> bool:
    """Does an element of a verdict map lead to this chain?"""
    maps = [name for name, row in store.sets(family, table).items() if row.data == VERDICT]
    return any(store.members_of(family, table, name, _chains_of, chain) for name in maps)


def _chains_of(element: Element) -> tuple[str, ...]:
    return (element.data.chain,) if isinstance(element.data, Verdict) and element.data.chain else ()


def rename_targets(store: Store, family: str, table: str, old: str, new: str) -> None:
    """A chain has another name: whatever leads to it says so."""
    for name, row in store.sets(family, table).items():
        if row.data == VERDICT:
            for key, element in store.elements(family, table, name).items():
                if isinstance(element.data, Verdict) and element.data.chain == old:
                    data = element.data._replace(chain=new)
                    store.put(store.element_key(family, table, name, key), replace(element, data=data))
    for name, chain in store.chains(family, table).items():
        rules = tuple(_renamed(rule, old, new) for rule in chain.rules)
        if rules != chain.rules:
            store.put(store.chain_key(family, table, name), replace(chain, rules=rules))


def _renamed(rule: Rule, old: str, new: str) -> Rule:
    def statement(one: Statement) -> Statement:
        if isinstance(one, Verdict) and one.chain == old:
            return one._replace(chain=new)
        if isinstance(one, Vmap) and isinstance(one.right, Anonymous):
            changed = tuple(
                replace(e, data=e.data._replace(chain=new))
                if isinstance(e.data, Verdict) and e.data.chain == old
                else e
                for e in one.right.elements
            )
            return one._replace(right=one.right._replace(elements=changed))
        return one

    return replace(rule, statements=tuple(statement(one) for one in rule.statements))
