"""Where in a picture a step happens, and the line from there to where the next one does.

A real packet takes no line at all inside a machine: it is a pointer that is handed on. The picture shows that as a
way through the bridge's bar and the machine's routing, so that the eye sees which of them had a say.

Left out: ways around boxes (lines may cross a box that they have nothing to do with).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from k8slearn.widgets.marks import Point, Sheet

StepDict = Mapping[str, Any]
"""A step of a trace's ``to_dict()``."""

AT_HOME = ("send", "deliver", "route", "refuse", "icmp")
"""What a namespace's own IP stack or a socket does; everything else happens where the packet is."""


def point_of(sheet: Sheet, step: StepDict, before: Point | None) -> Point | None:
    """Where a step happens: on a link, on a bridge's bar (where the frame is), or at the namespace's own programs."""
    where, dev, what = step["where"], step.get("dev", ""), step["what"]
    home = sheet.homes.get(where)
    if what in ("transmit", "receive") and dev != "lo":
        return sheet.ports.get((where, dev), home)
    if what in AT_HOME:
        return home
    if (where, dev) in sheet.bridges and (what == "bridge" or before is None):
        x = before[0] if before else sheet.ports.get((where, dev), home or (0.0, 0.0))[0]
        return (x, sheet.rails[where, dev])
    return before or home


def way_between(sheet: Sheet, where: str, at: Point, to: str, here: Point) -> list[Point]:
    if where == to:
        return _inside(sheet, where, at, here)
    way, entered = [at], where
    for (scope, out), (far, into) in _wires_between(sheet, where, to):
        wire = _wire(sheet, (scope, out), (far, into))
        way += _inside(sheet, entered, way[-1], wire[0])[1:] + list(wire)
        entered = far
    on_rail = any(height == here[1] for (scope, _), height in sheet.rails.items() if scope == to)
    end = (way[-1][0], here[1]) if on_rail else here
    return way + _inside(sheet, to, way[-1], end)[1:]


def _inside(sheet: Sheet, scope: str, start: Point, end: Point) -> list[Point]:
    """From one point of a namespace to another: along the bar that both are on, or through its home."""
    there, back = _homeward(sheet, scope, start), _homeward(sheet, scope, end)
    while len(there) > 1 and len(back) > 1 and there[-2] == back[-2]:
        there, back = there[:-1], back[:-1]
    way = there + back[-2::-1] if there[-1] == back[-1] else there + back[::-1]
    return [p for i, p in enumerate(way) if i in (0, len(way) - 1) or not _between(way[i - 1], p, way[i + 1])]


def _between(a: Point, b: Point, c: Point) -> bool:
    """Does the way only pass b (or turn back there) on a level line?"""
    return (a[1] == b[1] == c[1]) or b in (a, c)


def _homeward(sheet: Sheet, scope: str, point: Point) -> list[Point]:
    home = sheet.homes.get(scope, point)
    port = next((name for (s, name), at in sheet.ports.items() if s == scope and at == point), "")
    level = sheet.rails.get((scope, port))
    if level is None and any(h == point[1] for (s, _), h in sheet.rails.items() if s == scope):
        level = point[1]
    bends = [(point[0], level), (home[0], level)] if level is not None else []
    way = [point]
    for p in [*bends, home]:
        if p != way[-1]:
            way.append(p)
    return way


Ends = tuple[tuple[str, str], tuple[str, str]]


def _wires_between(sheet: Sheet, start: str, goal: str) -> list[Ends]:
    """The wires on the shortest way between two namespaces."""
    beside: dict[str, list[Ends]] = {}
    for end, other in sheet.wires:
        beside.setdefault(end[0], []).append((end, other))
        beside.setdefault(other[0], []).append((other, end))
    came: dict[str, Ends | None] = {start: None}
    queue = deque([start])
    while queue and goal not in came:
        scope = queue.popleft()
        for end, other in beside.get(scope, ()):
            if other[0] not in came:
                came[other[0]] = (end, other)
                queue.append(other[0])
    way: list[Ends] = []
    while goal in came and (wire := came[goal]) is not None:
        way.append(wire)
        goal = wire[0][0]
    return way[::-1]


def _wire(sheet: Sheet, end: tuple[str, str], other: tuple[str, str]) -> tuple[Point, ...]:
    points = sheet.wires.get((end, other))
    return points if points is not None else sheet.wires[other, end][::-1]
