"""Conditions and look-ups as functions of a packet, built once for each rule.

Left out: what `readers.py` leaves out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

from k8slearn.journal import Table
from k8slearn.linux.nft import intervals, types
from k8slearn.linux.nft.expressions import kinds_of
from k8slearn.linux.nft.intervals import Intervals
from k8slearn.linux.nft.readers import now, reader
from k8slearn.linux.nft.values import (
    Anonymous,
    Const,
    Element,
    Left,
    Lookup,
    Match,
    Prefix,
    Range,
    SetRef,
    elements_table,
)
from k8slearn.linux.skb import Net, Skb

Test = Callable[[Net, Skb, Any], bool]
Find = Callable[[Net, Skb, Any], Element | None]
ORDERED: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def test(match: Match) -> Test:
    """Does this condition hold for a packet?"""
    read, left, op, right = reader(match.left), match.left, match.op, match.right
    if isinstance(right, SetRef | Anonymous):
        return _member(left, right, op)
    if isinstance(right, Const) and op in ORDERED:
        kind, bound, compare = right.type, types.number(right.type, right.value), ORDERED[op]
        return lambda net, skb, here: (
            (value := read(net, skb, here)) is not None and compare(types.number(kind, value), bound)
        )
    holds, negated = _holds(right, op), op == "!="
    return lambda net, skb, here: (value := read(net, skb, here)) is not None and holds(value) != negated


def _holds(right: Const | Range | Prefix, op: str) -> Callable[[Any], bool]:
    """The comparison without its negation."""
    if not isinstance(right, Const):
        low, high = intervals.stretch(right)
        kind = right.type
        return lambda value: low <= types.number(kind, value) <= high
    wanted = right.value
    if right.type.flags and op in ("", "!"):
        bits = types.number(right.type, wanted)
        return (lambda value: value & bits == 0) if op == "!" else (lambda value: bool(value & bits))
    if right.type.name == "ifname" and str(wanted).endswith("*"):
        start = str(wanted)[:-1]
        return lambda value: str(value).startswith(start)
    if right.type.flags:
        wanted = types.number(right.type, wanted)
    return lambda value: bool(value == wanted)


def _member(left: Left, right: Lookup, op: str) -> Test:
    """Is it in the set? The element that says so is kept for the log."""
    find, read = finder(left, right), reader(left)
    if op == "!=":
        return lambda net, skb, here: read(net, skb, here) is not None and find(net, skb, here) is None

    def among(net: Net, skb: Skb, here: Any) -> bool:
        found = find(net, skb, here)
        if found is None:
            return False
        here.element, here.looked = found, right
        return True

    return among


def finder(left: Left, right: Lookup) -> Find:
    """The element of a set or map that a packet meets: by hash, or among stretches by halving."""
    read, kinds = reader(left), kinds_of(left)
    if isinstance(right, SetRef):
        return _named(read, right)
    if any(not isinstance(e.key[0], Const) or str(e.key[0].value).endswith("*") for e in right.elements):
        stretches, kind = Intervals(right.elements), kinds[0]
        return lambda net, skb, here: (
            stretches.find(intervals.position(kind, value)) if (value := read(net, skb, here)) is not None else None
        )
    rows = {element.name: element for element in right.elements}
    return lambda net, skb, here: rows.get(read(net, skb, here))


def _named(read: Callable[[Net, Skb, Any], Any], right: SetRef) -> Find:
    name, interval, kind = right.name, right.interval, right.kinds[0]

    def find(net: Net, skb: Skb, here: Any) -> Element | None:
        value = read(net, skb, here)
        if value is None:
            return None
        rows = net.world.table(skb.netns, elements_table(here.name[1], here.name[2], name))
        found = rows.index(_stretches).find(intervals.position(kind, value)) if interval else rows.get(value)
        if found is None or (found.until is not None and found.until <= now(net)):
            return None
        return cast(Element, found)

    return find


def _stretches(rows: Table) -> Intervals:
    return Intervals(rows.values())
