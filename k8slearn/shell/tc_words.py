"""Sizes, rates and times as ``tc`` reads and writes them (iproute2's `tc_util.c`, `tc_core.c`).

A rate's ``k`` is 1000 and counts bits, a size's ``k`` is 1024 and counts bytes: ``1mbit`` is a million bits a second,
``32kbit`` of burst are 4096 bytes. A bucket is handed to the kernel as the time that filling it takes, in steps of 64
nanoseconds: so what ``tc`` prints may be a few bytes less than what was asked for.

Left out: numbers in hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

RATES: Mapping[str, float] = {
    "": 1,
    **{f"{p}{i}bit": b**n for n, p in enumerate(("", "k", "m", "g", "t")) for i, b in (("", 1000), ("i", 1024))},
    **{f"{p}{i}bps": 8 * b**n for n, p in enumerate(("", "k", "m", "g", "t")) for i, b in (("", 1000), ("i", 1024))},
}
"""A rate's unit in small letters -> bits a second."""
SIZES: Mapping[str, float] = {
    **{"": 1, "b": 1, "k": 1024, "kb": 1024, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30},
    **{"kbit": 128, "mbit": 1 << 17, "gbit": 1 << 27},
}
TIMES: Mapping[str, float] = {
    **dict.fromkeys(("", "us", "usec", "usecs"), 1),
    **dict.fromkeys(("ms", "msec", "msecs"), 1000),
    **dict.fromkeys(("s", "sec", "secs"), 1_000_000),
}
"""A time's unit -> microseconds."""
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([A-Za-z]*)")
TICKS = 15.625
"""Steps of 64 ns in a microsecond (/proc/net/psched)."""
LONGEST = 1 << 32


def rate(word: str) -> int | None:
    """Bits a second in whole bytes, or None where the word is no rate."""
    found = _read(word, RATES)
    return None if found is None else int(found / 8) * 8


def size(word: str) -> int | None:
    """Bytes, or None."""
    found = _read(word, SIZES)
    return None if found is None else int(found)


def time(word: str) -> int | None:
    """Microseconds, or None."""
    found = _read(word, TIMES)
    return None if found is None else int(found)


def percent(word: str) -> float | None:
    """``10%`` or ``10``, or None."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)%?", word)
    return float(found[1]) if found is not None and float(found[1]) <= 100 else None


def _read(word: str, units: Mapping[str, float]) -> float | None:
    found = NUMBER.fullmatch(word)
    unit = units.get(found[2].lower()) if found is not None else None
    return None if found is None or unit is None else float(found[1]) * unit


def rate_text(bits: int) -> str:
    """``1Mbit``, ``1500Kbit``, ``8bit``."""
    for unit in ("", "K", "M", "G"):
        if bits < 1000 or (bits % 1000 and bits < 1_000_000):
            return f"{bits}{unit}bit"
        bits //= 1000
    return f"{bits}Tbit"


def size_text(count: int) -> str:
    """``4Kb``, ``123441b``."""
    for unit, letter, slack in ((1 << 20, "M", 1024), (1 << 10, "K", 16)):
        if count >= unit and abs(unit * round(count / unit) - count) < slack:
            return f"{round(count / unit)}{letter}b"
    return f"{count}b"


def time_text(micro: float) -> str:
    """``400ms``, ``1.5s``, ``0us``."""
    micro = int(micro) % LONGEST
    if micro >= 1_000_000:
        return f"{micro / 1_000_000:.3g}s"
    return f"{micro / 1000:.3g}ms" if micro >= 1000 else f"{micro}us"


def bucket(bits: int, burst: int) -> tuple[int, int]:
    """How long a bucket takes to fill in microseconds, and its size in bytes, as the kernel gives them back
    (`sch_api.c: psched_ratecfg_precompute`)."""
    speed, shift, factor = bits // 8, 0, 1_000_000_000
    while not factor // speed & 1 << 31 and not factor & 1 << 63:
        factor, shift = factor << 1, shift + 1
    ticks = (burst * (factor // speed) >> shift >> 6) % LONGEST
    micro = int(ticks / TICKS)
    return micro, int(speed * micro / 1_000_000)
