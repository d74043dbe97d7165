"""Reading address translation: ``dnat``, ``snat``, ``masquerade``, ``redirect`` and where they lead to.

::

    dnat [ip|ip6] [addr . port] to ADDRESS[-ADDRESS][:PORT[-PORT]] | :PORT | EXPRESSION map {…}
    masquerade [to :PORT[-PORT]]      redirect [to :PORT[-PORT]]      and then random, fully-random, persistent

Left out: prefixes as targets, maps of ranges.
"""

from __future__ import annotations

from collections.abc import Callable

from k8slearn.linux.nft.expressions import Where, constant, kinds_of, lookup, parse_left
from k8slearn.linux.nft.scan import Cursor
from k8slearn.linux.nft.selectors import PORT, STARTS
from k8slearn.linux.nft.types import TYPES, Type, number
from k8slearn.linux.nft.values import Const, Left, Mapped, Nat, Range, Selector

FLAGS = ("random", "fully-random", "persistent")
ADDRESS = {"ip": TYPES["ipv4_addr"], "ip6": TYPES["ipv6_addr"]}
Target = tuple[Const | Range | Mapped | None, Const | Range | None]


def parse_nat(where: Where, note: Callable[[Selector, int], Selector], network: str, told: Callable[[], bool]) -> Nat:
    """The whole statement. `network` is the family that is already certain, or empty; `told` says whether the rule
    has asked for a transport protocol before."""
    cursor = where.cursor
    start, kind, family = cursor.place, cursor.take().text, ""
    if kind in ("dnat", "snat"):
        family = cursor.take().text if cursor.text in ADDRESS else ""
        paired = cursor.eat("addr", ".", "port")
        if cursor.text != "to":
            cursor.unexpected("to")
        family, target = _target(where, note, family, network, paired, start)
    elif cursor.eat("to"):
        cursor.eat(":")
        target = None, _range(cursor, PORT)
    else:
        target = None, None
    if target[1] is not None and not told():
        says = "transport protocol mapping is only valid after transport protocol match"
        cursor.fail(cursor.tokens[cursor.at - (3 if isinstance(target[1], Range) else 1)].start, says)
    return Nat(kind, family, *target, _flags(cursor))


def _target(
    where: Where, note: Callable[[Selector, int], Selector], family: str, network: str, paired: bool, start: int
) -> tuple[str, Target]:
    cursor = where.cursor
    cursor.take()
    known = family or network
    if cursor.eat(":"):
        return "", (None, _range(cursor, PORT))
    if not known:
        raise cursor.source.complain(start, start + 4, "ip or ip6 must be specified with address for inet tables.")
    listed = known if where.family == "inet" else ""
    if cursor.text in STARTS:
        found = _mapped(where, parse_left(where, note), ADDRESS[known], paired)
        return known if len(found.right.data) > 1 else listed, (found, None)
    return listed, _address(cursor, ADDRESS[known])


def _address(cursor: Cursor, kind: Type) -> Target:
    address = _range(cursor, kind)
    return address, _range(cursor, PORT) if cursor.eat(":") else None


def _mapped(where: Where, left: Left, kind: Type, paired: bool) -> Mapped:
    cursor = where.cursor
    if cursor.text != "map":
        cursor.unexpected("map")
    cursor.take()
    data: tuple[Type, ...] = (kind, PORT) if paired or _data_is_pair(cursor) else (kind,)
    found = lookup(where, kinds_of(left), data if cursor.text != "@" else ())
    if found.data not in ((kind,), (kind, PORT)):
        cursor.fail(cursor.place, "the map does not give an address")
    return Mapped(left, found)


def _data_is_pair(cursor: Cursor) -> bool:
    """In ``{ KEY : ADDRESS . PORT }``: is there a dot between the first colon and what ends the element?"""
    depth = 0
    while cursor.peek(depth) not in (":", "}", ""):
        depth += 1
    return cursor.peek(depth) == ":" and cursor.peek(depth + 2) == "."


def _range(cursor: Cursor, kind: Type) -> Const | Range:
    start, low = cursor.place, constant(cursor, kind)
    if not cursor.eat("-"):
        return low
    high = constant(cursor, kind)
    if number(kind, high.value) < number(kind, low.value):
        cursor.fail(start, "Range has zero or negative size")
    return Range(kind, low.value, high.value)


def _flags(cursor: Cursor) -> tuple[str, ...]:
    """Flags in nft's order; words that are not joined by a comma replace one another."""
    found: list[str] = []
    while cursor.text in FLAGS:
        found = [cursor.take().text]
        while cursor.eat(","):
            if cursor.text not in FLAGS:
                cursor.unexpected()
            found.append(cursor.take().text)
    return tuple(flag for flag in FLAGS if flag in found)
