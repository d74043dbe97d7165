"""Ranges and prefixes as numbers: which belong together, which stand in each other's way, how each is printed.

A set with ``flags interval`` (and a set in braces that has a range in it) holds stretches of numbers. nft prints a
stretch of addresses or marks as a prefix where it is one, and as a range where not. In a set of a rule, and with
``auto-merge``, neighbours and overlaps become one; in any other set an overlap is refused.

Left out: concatenations with ranges in them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from k8slearn.linux import ip
from k8slearn.linux.nft.types import TYPES, Type, Value, number, value_of
from k8slearn.linux.nft.values import Const, Element, Prefix, Range, Single

PREFIXED = ("ipv4_addr", "ipv6_addr", "mark")
IFNAME = TYPES["ifname"]


def stretch(part: Single) -> tuple[int, int]:
    """The first and the last number that this stands for."""
    kind = part.type
    match part:
        case Const(value=value) if kind is IFNAME:
            return _names(str(value))
        case Const(value=value):
            return number(kind, value), number(kind, value)
        case Prefix(address=address, length=length):
            low = number(kind, address) if not address.startswith("0x") else int(address, 16)
            return low, low | (1 << kind.bits - length) - 1
        case Range(low=low_value, high=high):
            return number(kind, low_value), number(kind, high)


def _names(name: str) -> tuple[int, int]:
    """A device's name, or all that begin with what stands before ``*``, as numbers in the order of their letters."""
    start = name.removesuffix("*").encode()
    low = int.from_bytes(start.ljust(16, b"\0"))
    return low, int.from_bytes(start.ljust(16, b"\xff")) if name.endswith("*") else low


def single(kind: Type, low: int, high: int) -> Single:
    """The shortest way to write this stretch."""
    if low == high:
        return Const(kind, value_of(kind, low))
    size = high - low + 1
    if kind.name in PREFIXED and size & size - 1 == 0 and low % size == 0:
        address = f"0x{low:08x}" if kind.hexadecimal else ip.text(low, kind.bits)
        return Prefix(kind, address, kind.bits - size.bit_length() + 1)
    return Range(kind, value_of(kind, low), value_of(kind, high))


def normal(part: Single) -> Single:
    """The same in the way it is listed."""
    return part if part.type is IFNAME else single(part.type, *stretch(part))


def merged(kind: Type, elements: Iterable[Element]) -> list[Element]:
    """Neighbours and overlaps become one; sorted."""
    found: list[tuple[int, int, Element]] = []
    for low, high, element in sorted(((*stretch(e.key[0]), e) for e in elements), key=lambda row: row[:2]):
        if found and low <= found[-1][1] + (kind is not IFNAME):
            before = found.pop()
            found.append((before[0], max(before[1], high), before[2]))
        else:
            found.append((low, high, element))
    if kind is IFNAME:
        return [element for _, _, element in found]
    return [Element((single(kind, low, high),), e.data, e.comment, e.timeout, e.until) for low, high, e in found]


class Intervals:
    """Stretches that do not overlap, for looking a number up in them."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self.rows = sorted(((*stretch(e.key[0]), e) for e in elements), key=lambda row: row[:2])
        self.starts = [row[0] for row in self.rows]

    def find(self, value: int) -> Element | None:
        """The element in whose stretch this number is."""
        at = bisect_right(self.starts, value) - 1
        return self.rows[at][2] if at >= 0 and value <= self.rows[at][1] else None

    def touching(self, part: Single) -> Element | None:
        """The first element that shares a number with this."""
        low, high = stretch(part)
        at = max(bisect_right(self.starts, low) - 1, 0)
        return next((e for start, end, e in self.rows[at : at + 2] if start <= high and end >= low), None)


def position(kind: Type, value: Value) -> int:
    """A packet's value as the number that `Intervals` is asked for."""
    return _names(str(value))[0] if kind is IFNAME else number(kind, value)
