"""Quantities: ``500m``, ``1``, ``100Mi``, and the one form in which the API server keeps each.

A number with a suffix: m, k, M, G, … (decimal), Ki, Mi, Gi, … (binary) or an exponent. The server keeps
the shortest form of the family that the text was written in: ``0.5`` becomes ``500m``, ``1000m`` becomes ``1``,
``1024Mi`` becomes ``1Gi``.

Left out: amounts below a billionth of a unit: they are rounded up to it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(text: str) -> Fraction:
    """The exact amount: ``parse("1500m")`` is 3/2. Raises ValueError in the API server's words."""
    return _parts(text)[0]


@lru_cache(maxsize=1024)
def _parts(text: str) -> tuple[Fraction, str, str]:
    found = _FORM.fullmatch(text)
    if found is None or len(text) > 40:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, suffix, exponent = found[1], found[2] or "", found[3] or ""
    if suffix in _BINARY:
        return Fraction(number) * 2 ** _BINARY[suffix], suffix, exponent
    return Fraction(number) * Fraction(10) ** (int(exponent) if exponent else _DECIMAL[suffix]), suffix, exponent


@lru_cache(maxsize=1024)
def canonical(text: str) -> str:
    """The form in which the server keeps a quantity. Raises ValueError in the API server's words."""
    amount, suffix, exponent = _parts(text)
    if suffix in _BINARY:
        return binary(amount)
    return _exponent(amount) if exponent else decimal(amount)


def binary(amount: Fraction) -> str:
    """``1073741824`` is ``1Gi``; amounts that no binary suffix divides are written plainly."""
    for suffix, bits in reversed(_BINARY.items()):
        if amount and amount % 2**bits == 0:
            return f"{amount // 2**bits}{suffix}"
    return decimal(amount) if amount.denominator > 1 else str(amount)


def decimal(amount: Fraction) -> str:
    """``3/2`` is ``1500m``, ``2000`` is ``2k``."""
    if amount == 0:
        return "0"
    for suffix, power in reversed(_DECIMAL.items()):
        if amount % Fraction(10) ** power == 0:
            return f"{amount // Fraction(10) ** power}{suffix}"
    return f"{-(-amount * 10**9 // 1)}n"


def _exponent(amount: Fraction) -> str:
    for power in range(18, -1, -3):
        if amount and amount % 10**power == 0:
            return f"{amount // 10**power}" + (f"e{power}" if power else "")
    return decimal(amount)
