"""Reading expressions: what a rule reads, and the constants, ranges and sets that it is compared with.

Left out: what `selectors.py` leaves out; ranges inside a concatenation; shifts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from k8slearn.linux import ip
from k8slearn.linux.nft import intervals, types
from k8slearn.linux.nft.scan import Cursor, Token
from k8slearn.linux.nft.selectors import STARTS, parse_selector
from k8slearn.linux.nft.types import TYPES, Type
from k8slearn.linux.nft.values import (
    VERDICT,
    Anonymous,
    Concat,
    Const,
    Data,
    Element,
    Left,
    Lookup,
    Masked,
    Numgen,
    Prefix,
    Range,
    Selector,
    Set,
    SetRef,
    Single,
    Verdict,
)

BITWISE = {"and": "&", "&": "&", "or": "|", "|": "|", "xor": "^", "^": "^"}
TERMINAL = ("accept", "drop", "return", "continue")
UNITS = {"d": 86400000, "h": 3600000, "m": 60000, "s": 1000, "ms": 1}


@dataclass(slots=True)
class Where:
    """The table that an expression stands in: which sets it may name."""

    cursor: Cursor
    family: str
    table: str
    find_set: Callable[[str], Set | None]
    has_chain: Callable[[str], bool]
    open_set: Callable[[str, int | None], str]
    """Packets are to write into this set, with this timeout: why they cannot, or nothing."""


def kinds_of(left: Left) -> tuple[Type, ...]:
    """The types of what is read: one, or one for each part of a concatenation."""
    return tuple(part.type for part in left.parts) if isinstance(left, Concat) else (left.type,)


def parse_left(where: Where, note: Callable[[Selector, int], Selector]) -> Left:
    """What is read from the packet. `note` hears of each selector and where it stood, and may rename it."""
    cursor = where.cursor
    if cursor.text == "numgen":
        return _numgen(cursor)
    parts = [_selector(where, note)]
    while cursor.eat("."):
        if cursor.text not in STARTS:
            cursor.unexpected()
        parts.append(_selector(where, note))
    if len(parts) > 1:
        return Concat(tuple(parts))
    return masked(cursor, parts[0])


def _selector(where: Where, note: Callable[[Selector, int], Selector]) -> Selector:
    start = where.cursor.place
    return note(parse_selector(where.cursor, where.family), start)


def masked(cursor: Cursor, left: Selector) -> Selector | Masked:
    """``mark and 0xff or 0x100``: any row of bit operations is one mask and one xor."""
    full = (1 << left.type.bits) - 1
    mask, xor = full, 0
    while cursor.text in BITWISE:
        operation = BITWISE[cursor.take().text]
        bits = _bits(cursor, left.type, operation)
        if operation == "&":
            mask, xor = mask & bits, xor & bits
        elif operation == "|":
            mask, xor = mask & ~bits & full, xor & ~bits | bits
        else:
            xor ^= bits
    return left if (mask, xor) == (full, 0) else Masked(left, mask, xor)


def _bits(cursor: Cursor, kind: Type, operation: str) -> int:
    """The constant right of an operation: a number, an address, or symbols joined by ``|``, in parentheses or not."""
    start = cursor.place
    if cursor.text in STARTS and cursor.text not in kind.names:
        cursor.take()
        cursor.take()
        cursor.fail(start, f"Right hand side of binary operation ({operation}) must be constant")
    inside = cursor.eat("(")
    bits = types.number(kind, constant(cursor, kind).value)
    while inside and cursor.eat("|"):
        bits |= types.number(kind, constant(cursor, kind).value)
    if inside:
        cursor.need(")")
    return bits


def _numgen(cursor: Cursor) -> Numgen:
    start = cursor.place
    cursor.take()
    mode = cursor.take().text
    if mode not in ("random", "inc"):
        cursor.at -= 1
        cursor.unexpected("inc or random")
    cursor.need("mod")
    mod = cursor.number()
    offset = cursor.number() if cursor.eat("offset") else 0
    if mod == 0:
        cursor.fail(start, "Could not process rule: Numerical result out of range")
    return Numgen(mode, mod, offset)


# --- constants -----------------------------------------------------------------------------------


def constant(cursor: Cursor, kind: Type) -> Const:
    """One value of this type."""
    token = cursor.token
    if cursor.at >= cursor.stop or token.kind in ("newline", "sign", "other", "end"):
        if token.text == "[" and kind.name == "ipv6_addr":
            return _bracketed(cursor, kind)
        cursor.unexpected()
    cursor.take()
    return Const(kind, _read(cursor, kind, token))


def _bracketed(cursor: Cursor, kind: Type) -> Const:
    cursor.take()
    found = constant(cursor, kind)
    cursor.need("]")
    return found


def _read(cursor: Cursor, kind: Type, token: Token) -> types.Value:
    word = token.text.strip('"') if token.kind == "quoted" else token.text
    try:
        return types.read(kind, word)
    except ValueError as error:
        raise cursor.source.complain(token.start, token.end, str(error)) from None


def single(cursor: Cursor, kind: Type, inside: bool = False) -> Single:
    """A value, a prefix, a range, or (not inside braces) symbols that may be true at once (``established,related``)."""
    start = cursor.place
    if kind.flags and cursor.text == "(":
        return Const(kind, _bits(cursor, kind, "|"))
    first = constant(cursor, kind)
    if kind.flags:
        return first if inside else _flags(cursor, kind, first)
    if kind.name != "ifname" and cursor.eat("/"):
        return _prefix(cursor, kind, first, start)
    if kind.name != "ifname" and cursor.eat("-"):
        last = constant(cursor, kind)
        if types.number(kind, last.value) < types.number(kind, first.value):
            cursor.fail(start, "Range has zero or negative size")
        return Range(kind, first.value, last.value)
    return first


def _flags(cursor: Cursor, kind: Type, first: Const) -> Const:
    bits = types.number(kind, first.value)
    while (cursor.text == "," and cursor.peek() in kind.names) or cursor.text == "|":
        cursor.take()
        bits |= types.number(kind, constant(cursor, kind).value)
    return Const(kind, bits)


def _prefix(cursor: Cursor, kind: Type, first: Const, start: int) -> Single:
    length = cursor.number()
    if length > kind.bits or kind.name not in intervals.PREFIXED:
        cursor.fail(start, f"Prefix length {length} is invalid for type of {kind.bits} bits width")
    if length == kind.bits:
        return first
    low = types.number(kind, first.value) & ip.mask(length, kind.bits)
    return Prefix(kind, f"0x{low:08x}" if kind.hexadecimal else ip.text(low, kind.bits), length)


def milliseconds(cursor: Cursor) -> int:
    """``3h``, ``1d2h3m4s``, or a plain number of seconds."""
    if cursor.token.kind == "number":
        return cursor.number() * 1000
    token = cursor.take()
    if token.kind != "time":
        cursor.at -= 1
        cursor.unexpected("string")
    total, digits, unit = 0, "", ""
    for char in [*token.text, "0"]:
        if char.isdigit() and unit:
            total, digits, unit = total + int(digits) * UNITS[unit], "", ""
        digits, unit = (digits + char, unit) if char.isdigit() else (digits, unit + char)
    return total


# --- sets ----------------------------------------------------------------------------------------


def parse_verdict(where: Where) -> Verdict:
    """``accept``, ``jump CHAIN``, ..."""
    cursor = where.cursor
    if cursor.text in TERMINAL:
        return Verdict(cursor.take().text)
    if cursor.text not in ("jump", "goto"):
        cursor.unexpected()
    kind, start = cursor.take().text, cursor.place
    chain = cursor.word().text.strip('"')
    if not where.has_chain(chain):
        cursor.fail(start, "Could not process rule: No such file or directory")
    return Verdict(kind, chain)


def elements(where: Where, kinds: tuple[Type, ...], data: tuple[Type, ...]) -> list[tuple[Element, int, int]]:
    """``{ KEY [timeout T] [comment "…"] [: DATA], … }``: each element, and the characters where its key stands."""
    cursor = where.cursor
    found: list[tuple[Element, int, int]] = []
    cursor.need("{")
    cursor.skip_lines()
    while not cursor.eat("}"):
        start = cursor.place
        key = _key(where, kinds)
        end = cursor.before
        found.append((_options(where, key, data), start, end))
        cursor.skip_lines()
        if cursor.text != "}":
            if cursor.text != ",":
                cursor.unexpected("comma or '}'")
            cursor.take()
            cursor.skip_lines()
    return found


def _key(where: Where, kinds: tuple[Type, ...]) -> tuple[Single, ...]:
    cursor = where.cursor
    parts = [single(cursor, kinds[0], True)]
    for kind in kinds[1:]:
        if cursor.text != ".":
            cursor.unexpected("'.'")
        cursor.take()
        parts.append(single(cursor, kind, True))
    if len(parts) > 1 and not all(isinstance(part, Const) for part in parts):
        cursor.fail(cursor.place - 1, "ranges and prefixes inside a concatenation are not modelled here")
    return tuple(parts)


def _options(where: Where, key: tuple[Single, ...], data: tuple[Type, ...]) -> Element:
    cursor = where.cursor
    timeout, comment = None, ""
    while cursor.text in ("timeout", "expires", "comment", "counter"):
        word = cursor.take().text
        if word == "comment":
            comment = cursor.word().text.strip('"')
        elif word == "counter":
            cursor.fail(cursor.before - 7, "counters of elements are not modelled here")
        else:
            span = milliseconds(cursor)
            timeout = span if word == "timeout" else timeout
    value: Data = None
    if cursor.eat(":"):
        value = parse_verdict(where) if data == VERDICT else _data(cursor, data)
    return Element(key, value, comment, timeout)


def _data(cursor: Cursor, data: tuple[Type, ...]) -> tuple[types.Value, ...]:
    if not data:
        constant(cursor, TYPES["ifname"])
        return ("",)
    values = [constant(cursor, data[0]).value]
    for kind in data[1:]:
        cursor.need(".")
        values.append(constant(cursor, kind).value)
    return tuple(values)


def anonymous(where: Where, kinds: tuple[Type, ...], data: tuple[Type, ...] = ()) -> Anonymous:
    """``{ … }`` in a rule, sorted and with neighbours merged, as it is listed."""
    start = where.cursor.place
    found = [element for element, _, _ in elements(where, kinds, data)]
    if not found:
        where.cursor.fail(start, "Set is empty")
    if data and not all(element.data for element in found):
        where.cursor.fail(start, "an element of this map says nothing: KEY : VALUE is asked for")
    ranges = len(kinds) == 1 and any(_is_range(element.key[0]) for element in found)
    if len(found) == 1 and len(kinds) == 1 and not data:
        return Anonymous(kinds, data, tuple(found), found[0].key[0])
    if ranges and not data:
        return Anonymous(kinds, data, tuple(intervals.merged(kinds[0], found)))
    if ranges:
        found = [Element((intervals.normal(e.key[0]),), e.data, e.comment) for e in found]
        return Anonymous(kinds, data, tuple(sorted(found, key=lambda e: intervals.stretch(e.key[0]))))
    unique = {element.name: element for element in found}
    return Anonymous(kinds, data, tuple(sorted(unique.values(), key=lambda e: order_of(kinds, e))))


def _is_range(part: Single) -> bool:
    return not isinstance(part, Const) or (part.type.name == "ifname" and str(part.value).endswith("*"))


def order_of(kinds: tuple[Type, ...], element: Element) -> int:
    """Where an element without ranges stands in a listing."""
    name = element.name
    return types.order(kinds, name if isinstance(name, tuple) else (name,))


def reference(where: Where, kinds: tuple[Type, ...], data: tuple[Type, ...] | None = None) -> SetRef:
    """``@NAME``. `data` is what a map must give; None where a set is asked for."""
    cursor, start = where.cursor, where.cursor.place
    cursor.need("@")
    name = cursor.word().text.strip('"')
    found = where.find_set(name)
    if found is None:
        cursor.fail(start, "No such file or directory")
    if data is not None and not found.data:
        cursor.fail(start, "Expression is not a map")
    if [k.name for k in found.kinds] != [k.name for k in kinds]:
        _mismatch(cursor, start, found.kinds, kinds, data is not None)
    if data and [k.name for k in found.data] != [k.name for k in data]:
        cursor.fail(start, f"datatype mismatch: the map gives {says(found.data)}, not {says(data)}")
    return SetRef(name, found.kinds, found.data, found.interval)


def _mismatch(cursor: Cursor, start: int, wanted: tuple[Type, ...], given: tuple[Type, ...], is_map: bool) -> NoReturn:
    if is_map:
        cursor.fail(start, f"datatype mismatch, map expects {says(wanted)}, mapping expression has type {says(given)}")
    cursor.fail(start, f"datatype mismatch, expected {says(given)}, expression has type {says(wanted)}")


def says(kinds: tuple[Type, ...]) -> str:
    """Types as nft's complaints name them."""
    if len(kinds) == 1:
        return kinds[0].says
    return f"concatenation of ({', '.join(kind.says for kind in kinds)})"


def lookup(where: Where, kinds: tuple[Type, ...], data: tuple[Type, ...]) -> Lookup:
    """A map: by its name, or in braces."""
    return reference(where, kinds, data) if where.cursor.text == "@" else anonymous(where, kinds, data)
