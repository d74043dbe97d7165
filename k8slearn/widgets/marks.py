"""What a picture is made of: rectangles, lines and words, grouped into the things that they show.

A picture is a value here, as a packet is: a list of things with their marks. The SVG face and the matplotlib face
paint the same list, so that neither can say what the other does not.

Left out: colours and dashes (see `ink`: a mark names its role, the ink of a role is decided there).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Point = tuple[float, float]


class Rect(NamedTuple):
    """A rectangle with rounded corners; `x`, `y` is its upper left corner."""

    role: str
    x: float
    y: float
    width: float
    height: float
    radius: float = 6


class Line(NamedTuple):
    """A line through these points."""

    role: str
    points: tuple[Point, ...]


class Words(NamedTuple):
    """One line of words on the baseline `y`. `anchor` is start, middle or end."""

    role: str
    x: float
    y: float
    words: str
    anchor: str = "start"


Mark = Rect | Line | Words


class Thing(NamedTuple):
    """What a learner can point at: `name` identifies it (a scope, or a scope and a link), `says` is its text twin."""

    name: str
    says: str
    marks: tuple[Mark, ...]
    scope: str = ""
    """The network namespace whose tables it can show; empty where there are none."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A finished drawing: its size, its things in painting order, and where packets pass."""

    width: float
    height: float
    things: tuple[Thing, ...]
    homes: Mapping[str, Point] = field(default_factory=dict)
    """Where a namespace's own programs are: its sockets, or (on a machine) its routing."""
    badges: Mapping[str, Point] = field(default_factory=dict)
    """Where a namespace takes a number, free of its words."""
    ports: Mapping[tuple[str, str], Point] = field(default_factory=dict)
    """(scope, link) -> where the link is drawn."""
    rails: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(scope, bridge or its port) -> the height at which its frames travel."""
    bridges: frozenset[tuple[str, str]] = frozenset()
    """(scope, bridge) of every bridge that is drawn."""
    wires: Mapping[tuple[tuple[str, str], tuple[str, str]], tuple[Point, ...]] = field(default_factory=dict)
    """(one end, other end) -> the way between them; each wire stands here once."""


def cut_middle(words: str, room: float, size: float = 6.0) -> str:
    """The same with the ellipsis in the middle: pods of one Deployment differ at their ends."""
    letters = max(4, int(room // size))
    tail = min(5, letters // 2)
    return words if len(words) <= letters else f"{words[: letters - tail - 1]}…{words[-tail:]}"


def cut(words: str, room: float, size: float = 6.0) -> str:
    """The words, shortened with an ellipsis where they would not fit into `room` at `size` per letter."""
    letters = max(2, int(room // size))
    return words if len(words) <= letters else words[: letters - 1] + "…"
