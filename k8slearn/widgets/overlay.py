"""A packet's way as things to paint over a topology: a line there, a dashed line back, numbers, and how it ended.

Left out: more than the one or two legs that tell the story (`journey.told`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from k8slearn.widgets.journey import Hop, hops, told
from k8slearn.widgets.marks import Line, Point, Rect, Sheet, Thing, Words


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
    things += [
        _lost(hop, step, stop.at)
        for hop in drawn
        for step, stop in zip(hop.steps, hop.stops, strict=True)
        if step["what"] == "drop"
    ]
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


def length(points: Sequence[Point]) -> float:
    """How long a way is, in the picture's units."""
    return sum(math.hypot(a[0] - b[0], a[1] - b[1]) for a, b in pairwise(points))


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


def _lost(hop: Hop, step: Mapping[str, Any], at: Point) -> Thing:
    """Where a packet was lost, even if somebody else heard of it later."""
    marks = (Rect("end", at[0] - 9, at[1] - 9, 18, 18, 9), Words("end-words", at[0], at[1] + 4.5, "✕", "middle"))
    return Thing(f"lost {hop.number}", f"lost in {hop.place}: {step['says']}", marks)


def _end(trace: Mapping[str, Any], last: Hop) -> Thing:
    x, y = last.stops[-1].at
    good = trace["outcome"] == "connected"
    role, sign = ("good", "✓") if good else ("end", "✕")
    marks = (
        Rect(role, x - 9, y - 9, 18, 18, 9),
        Words(f"{role}-words", x, y + 4.5, sign, "middle"),
    )
    return Thing("end", f"{trace['outcome']}: {last.steps[-1]['says']}", marks)
