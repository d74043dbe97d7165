"""A packet's way over the picture: for each step of a trace where it is, and how it got there from the step before.

A trace says only which namespace and which link; here that becomes points. Between two namespaces the way is a wire,
inside one it goes along the bridge's bar or straight to the namespace's own programs. So the line that is drawn is
the line that the steps tell, and a step without a place in the picture leaves the packet where it was.

Left out: showing two packets at once (a flood, a retransmission): one leg is drawn at a time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from k8slearn.widgets.marks import Line, Point, Rect, Sheet, Thing, Words

StepDict = Mapping[str, Any]


class Stop(NamedTuple):
    """Where one step happens, and the way to it from the step before (its last point is where it happens)."""

    at: Point
    way: tuple[Point, ...]


class Hop(NamedTuple):
    """The steps that one leg makes in one namespace, without leaving it."""

    number: int
    leg: str
    direction: str
    time: float
    where: str
    place: str
    steps: tuple[StepDict, ...]
    stops: tuple[Stop, ...]


def stops(sheet: Sheet, steps: Sequence[StepDict]) -> list[Stop]:
    """For every step its place and the way there; the packet stays where it was while it has no place."""
    found: list[Stop] = []
    at: Point | None = None
    where = ""
    for step in steps:
        here = _point(sheet, step, at if where == step["where"] else None)
        way = _way(sheet, where, at, step["where"], here) if here and at else ((here,) if here else ())
        if here and way:
            here = way[-1]
        found.append(Stop(here or at or (0.0, 0.0), tuple(way)))
        if here:
            at, where = here, step["where"]
    return found


def hops(sheet: Sheet, steps: Sequence[StepDict]) -> list[Hop]:
    """The steps by leg and namespace, numbered through; ARP's own errands are part of the hop that sent them."""
    placed = list(zip(steps, stops(sheet, steps), strict=True))
    found = []
    runs = groupby(placed, key=lambda pair: (pair[0]["leg"], pair[0]["direction"], pair[0]["time"], pair[0]["where"]))
    for number, ((leg, direction, time, where), run) in enumerate(runs, 1):
        part = list(run)
        found.append(
            Hop(
                number,
                leg,
                direction,
                time,
                where,
                part[0][0]["place"],
                tuple(s for s, _ in part),
                tuple(p for _, p in part),
            )
        )
    return found


def told(trace: Mapping[str, Any]) -> list[StepDict]:
    """The steps of the one or two legs that tell the story: the packet that decided the outcome, and what it answers.

    Without ARP, which has a way of its own.
    """
    legs: dict[tuple[str, str, float], list[StepDict]] = {}
    for step in trace["steps"]:
        if step["before"].get("proto") != "arp" and step["what"] != "arp":
            legs.setdefault((step["direction"], step["leg"], step["time"]), []).append(step)
    order = list(legs.values())
    deciding = _deciding(trace, order)
    before = [leg for leg in order[:deciding] if leg[0]["direction"] == "request"]
    chosen = order[deciding : deciding + 1]
    if chosen and chosen[0][0]["direction"] == "reply":
        chosen = before[-1:] + chosen
    return [step for leg in chosen for step in leg]


def _deciding(trace: Mapping[str, Any], legs: Sequence[Sequence[StepDict]]) -> int:
    """Which leg decides: the answer that the client got, or the first packet that was lost."""
    client = trace["steps"][0]["where"] if trace["steps"] else ""
    replies = [i for i, leg in enumerate(legs) if leg[0]["direction"] == "reply"]
    heard = [i for i in replies if any(s["what"] == "deliver" and s["where"] == client for s in legs[i])]
    lost = [i for i, leg in enumerate(legs) if any(s["what"] == "drop" for s in leg)]
    if trace["outcome"] == "connected":
        return (heard or [0])[0]
    return (lost or heard or [0])[0] if trace["outcome"] == "timeout" else (heard[-1:] or lost or [0])[0]


def overlay(sheet: Sheet, trace: Mapping[str, Any]) -> list[Thing]:
    """The way as things to paint over the picture: a solid line there, a dashed one back, numbers, and how it ended."""
    steps = told(trace)
    drawn = hops(sheet, steps)
    things: list[Thing] = []
    last: Hop | None = None
    for direction in ("request", "reply"):
        own = [hop for hop in drawn if hop.direction == direction]
        if not own:
            continue
        last = own[-1]
        line = tuple(_joined(own, -2.5 if direction == "request" else 2.5))
        places = " → ".join(dict.fromkeys(hop.place for hop in own))
        marks = (Line(direction, line), *_heads(f"{direction}-head", line))
        things.append(Thing(f"way {direction}", f"{own[0].leg}: {places}", marks))
    things += _numbers(sheet, drawn)
    if last is not None:
        things.append(_end(trace, last))
    return things


def _joined(own: Sequence[Hop], shift: float) -> Iterator[Point]:
    before: Point | None = None
    for i, hop in enumerate(own):
        for j, stop in enumerate(hop.stops):
            for point in (stop.at,) if i == j == 0 else stop.way:
                if point != before:
                    yield (point[0] + shift, point[1] + shift)
                before = point


def _heads(role: str, line: Sequence[Point]) -> Iterator[Line]:
    """An arrow head in the middle of every long stretch: which way the packet goes."""
    for a, b in pairwise(line):
        far = length((a, b))
        if far < 34:
            continue
        ux, uy = (b[0] - a[0]) / far, (b[1] - a[1]) / far
        x, y = (a[0] + b[0]) / 2 + 3 * ux, (a[1] + b[1]) / 2 + 3 * uy
        wings = [(x - 6 * ux + side * 5 * uy, y - 6 * uy - side * 5 * ux) for side in (1, -1)]
        yield Line(role, (wings[0], (x, y), wings[1]))


def _numbers(sheet: Sheet, drawn: Sequence[Hop]) -> Iterator[Thing]:
    taken: dict[str, int] = {}
    for hop in drawn:
        anchor = sheet.badges.get(_seat(sheet, hop))
        if anchor is None:
            continue
        seat = _seat(sheet, hop)
        x = anchor[0] + 19 * taken.get(seat, 0)
        taken[seat] = taken.get(seat, 0) + 1
        radius = 8.0 if hop.direction == "request" else 3.0
        marks = (
            Rect(f"badge-{hop.direction}", x - 8, anchor[1] - 8, 16, 16, radius),
            Words("badge-words", x, anchor[1] + 3.5, str(hop.number), "middle"),
        )
        yield Thing(f"hop {hop.number}", f"hop {hop.number}, {hop.leg}, in {hop.place}", marks)


def _seat(sheet: Sheet, hop: Hop) -> str:
    """Where a hop's number stands: at the bridge that carried the frame, unless the namespace itself had it."""
    if sheet.homes.get(hop.where) in [stop.at for stop in hop.stops]:
        return hop.where
    bridges = (f"{hop.where} {step['dev']}" for step in hop.steps if (hop.where, step["dev"]) in sheet.bridges)
    return next((name for name in bridges if name in sheet.badges), hop.where)


def seat(sheet: Sheet, step: StepDict, stop: Stop) -> str:
    """The thing of the picture that a step happens in: a bridge's bar, a link, or the namespace's own box."""
    where, dev = step["where"], step.get("dev", "")
    bars = [name for scope, name in sheet.bridges if scope == where and sheet.rails[scope, name] == stop.at[1]]
    if bars and stop.at != sheet.homes.get(where):
        return f"{where} {bars[0]}"
    return f"{where} {dev}" if where in sheet.homes and sheet.ports.get((where, dev)) == stop.at else where


def _end(trace: Mapping[str, Any], last: Hop) -> Thing:
    x, y = last.stops[-1].at
    good = trace["outcome"] == "connected"
    role, sign = ("good", "✓") if good else ("end", "✕")
    marks = (
        Rect(role, x - 9, y - 9, 18, 18, 9),
        Words(f"{role}-words", x, y + 4.5, sign, "middle"),
    )
    return Thing("end", f"{trace['outcome']}: {last.steps[-1]['says']}", marks)


AT_HOME = ("send", "deliver", "route", "refuse", "icmp")
"""What a namespace's own IP stack or a socket does; everything else happens where the packet is."""


def _point(sheet: Sheet, step: StepDict, before: Point | None) -> Point | None:
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


def _way(sheet: Sheet, where: str, at: Point, to: str, here: Point) -> list[Point]:
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


def length(points: Sequence[Point]) -> float:
    """How long a way is, in the picture's units."""
    return sum(math.hypot(a[0] - b[0], a[1] - b[1]) for a, b in pairwise(points))
