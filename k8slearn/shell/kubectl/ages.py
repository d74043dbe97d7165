"""Times as kubectl prints them: how long ago, in at most two units.

Left out: absolute times with ``--watch``.
"""

from __future__ import annotations

from typing import Any

from k8slearn.api import EPOCH, seconds
from k8slearn.journal import World

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400

_SCALE: tuple[tuple[int, int, str, int, str], ...] = (
    (2 * MINUTE, 1, "s", 0, ""),
    (10 * MINUTE, MINUTE, "m", 1, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
    (2 * YEAR, DAY, "d", 0, ""),
    (8 * YEAR, YEAR, "y", DAY, "d"),
)
"""Up to this age: so many of this unit, and the rest in that one (client-go's duration.HumanDuration)."""


def duration(length: float) -> str:
    """``119`` is 119s, ``125`` is 2m5s, ``7200`` is 120m, ``100000`` is 27h."""
    whole = int(length)
    if whole < -1:
        return "<invalid>"
    for limit, unit, name, smaller, smaller_name in _SCALE:
        if whole < limit:
            rest = whole % unit // smaller if smaller else 0
            return f"{max(whole, 0) // unit}{name}" + (f"{rest}{smaller_name}" if rest else "")
    return f"{whole // YEAR}y"


def since(world: World, timestamp: str | None) -> str:
    """The age of a moment in API form; ``<unknown>`` if there is none."""
    return duration(world.clock - seconds(timestamp)) if timestamp else "<unknown>"


def age(world: World, obj: dict[str, Any]) -> str:
    """The age of an object."""
    return since(world, obj["metadata"].get("creationTimestamp"))


def rfc1123(timestamp: str | None) -> str:
    """``Thu, 01 Jan 2026 00:00:05 +0000``, as describe prints times."""
    if not timestamp:
        return "Mon, 01 Jan 0001 00:00:00 +0000"
    when = EPOCH.fromtimestamp(EPOCH.timestamp() + int(seconds(timestamp)), EPOCH.tzinfo)
    return when.strftime("%a, %d %b %Y %H:%M:%S +0000")
