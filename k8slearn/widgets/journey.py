"""A packet's way over the picture: for each step of a trace where it is, and how it got there from the step before.

A trace says only which namespace and which link; here that becomes points. Between two namespaces the way is a wire,
inside one it goes along the bridge's bar or straight to the namespace's own programs. So the line that is drawn is
the line that the steps tell, and a step without a place in the picture leaves the packet where it was.

Left out: showing two packets at once (a flood, a retransmission): one leg is drawn at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from k8slearn.packet import NEIGHBOURLY
from k8slearn.widgets.marks import Point, Sheet
from k8slearn.widgets.ways import StepDict, point_of, way_between


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
        here = point_of(sheet, step, at if where == step["where"] else None)
        way = way_between(sheet, where, at, step["where"], here) if here and at else ((here,) if here else ())
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

    Without the questions for neighbours, which have a way of their own.
    """
    legs: dict[tuple[str, str, float], list[StepDict]] = {}
    for step in trace["steps"]:
        if step["before"].get("flags") not in NEIGHBOURLY and step["what"] != "arp":
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


def seat(sheet: Sheet, step: StepDict, stop: Stop) -> str:
    """The thing of the picture that a step happens in: a bridge's bar, a link, or the namespace's own box."""
    where, dev = step["where"], step.get("dev", "")
    bars = [name for scope, name in sheet.bridges if scope == where and sheet.rails[scope, name] == stop.at[1]]
    if bars and stop.at != sheet.homes.get(where):
        return f"{where} {bars[0]}"
    return f"{where} {dev}" if where in sheet.homes and sheet.ports.get((where, dev)) == stop.at else where
