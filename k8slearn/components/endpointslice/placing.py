"""Which endpoint stands in which slice: as few writes as possible, even where slices then stay half empty.

::

    1. what still counts stays where it stands
    2. slices that are written anyway are filled up, the fullest first
    3. a rest that fits into one untouched slice goes there, into the one that it fills best; else new slices

All of it is for slices with the same ports. Every kube-proxy reads each write, so one write for a change is worth more
than full slices (`reconcileByPortMapping` in upstream's endpointslice/reconciler.go, KEP-752).

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Obj = dict[str, Any]
MOST = 100
"""Endpoints in one slice (``--max-endpoints-per-slice``)."""


class Placing(NamedTuple):
    """Endpoints of each slice that stays, the slices that nobody is left in, and the contents of new ones."""

    kept: dict[str, list[Obj]]
    gone: list[str]
    fresh: list[list[Obj]]


def place(old: Mapping[str, list[Obj]], wanted: Mapping[Any, Obj]) -> Placing:
    """Slices by name with their endpoints, and the endpoints that there should be, by `identity`."""
    rest = dict(wanted)
    now = {name: _staying(endpoints, rest) for name, endpoints in old.items()}
    gone = [name for name in old if not now[name]]
    kept = {name: endpoints for name, endpoints in now.items() if endpoints}
    written = [name for name in kept if kept[name] != old[name]]
    for name in sorted(written, key=lambda name: -len(kept[name])):
        _fill(kept[name], rest)
    fresh: list[list[Obj]] = []
    while rest:
        room = _closest({n: len(e) for n, e in kept.items() if n not in written}, len(rest))
        if room:
            written.append(room)
            _fill(kept[room], rest)
        else:
            fresh.append([])
            _fill(fresh[-1], rest)
    return Placing(kept, gone, fresh)


def identity(endpoint: Obj) -> tuple[Any, ...]:
    """What makes two endpoints the same one: its object, its addresses and its host name."""
    target = endpoint.get("targetRef") or {}
    whose = (target.get("namespace", ""), target.get("name", ""))
    return (*whose, tuple(sorted(endpoint["addresses"])), endpoint.get("hostname", ""))


def _staying(endpoints: list[Obj], rest: dict[Any, Obj]) -> list[Obj]:
    """Those of a slice that still count, as they are today; they are taken out of the rest."""
    found = [(identity(endpoint), endpoint) for endpoint in endpoints]
    return [rest.pop(key) for key, _ in found if key in rest]


def _fill(endpoints: list[Obj], rest: dict[Any, Obj]) -> None:
    for key in list(rest)[: MOST - len(endpoints)]:
        endpoints.append(rest.pop(key))


def _closest(sizes: Mapping[str, int], more: int) -> str:
    """The slice that is fullest with so many more in it; empty where they fit into none."""
    fitting = [name for name, size in sizes.items() if size + more <= MOST]
    return max(fitting, key=lambda name: sizes[name], default="")
