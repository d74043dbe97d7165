"""The sheet while it is being drawn, and the measures that its parts share.

Left out: anything that depends on a screen; a unit is a pixel at full size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from k8slearn.widgets.cards import Card
from k8slearn.widgets.marks import Point, Thing
from k8slearn.widgets.scene import Port

ROOM = 1000.0
"""The width that a picture has before it is scaled down: an output cell of JupyterLab on a laptop."""
EDGE, GAP, PAD = 14.0, 10.0, 10.0
HEADER, BAR, PILL, CHIP = 44.0, 36.0, 26.0, 38.0
TRACK = 9.0
"""How far below its upper edge a bridge's frames travel: above its words."""
NARROWEST = 250.0
NIC = 66.0
"""From the node network's upper edge to a machine's foot."""


class Frame(NamedTuple):
    """The measures that every machine of a picture shares."""

    card: Card
    columns: int
    rows: int
    rails: int
    width: float
    lane: float
    """The free width beside each column of cards, for the wires of the rows above."""

    @property
    def pods_height(self) -> float:
        return self.rows * (self.card.height + self.card.drop) + (26 if self.rows else 8)


@dataclass(slots=True)
class Board:
    """The sheet while it is being drawn. Local to `layout.sheet`; nobody else sees it."""

    things: list[Thing] = field(default_factory=list)
    wiring: list[Thing] = field(default_factory=list)
    homes: dict[str, Point] = field(default_factory=dict)
    badges: dict[str, Point] = field(default_factory=dict)
    ports: dict[tuple[str, str], Point] = field(default_factory=dict)
    rails: dict[tuple[str, str], float] = field(default_factory=dict)
    bridges: set[tuple[str, str]] = field(default_factory=set)
    wires: dict[tuple[tuple[str, str], tuple[str, str]], tuple[Point, ...]] = field(default_factory=dict)
    drawn: dict[tuple[str, str], Port] = field(default_factory=dict)
    labels: bool = True
    """Is there room for the names of veths?"""

    def place(self, port: Port, at: Point) -> None:
        self.ports[port.key[0], port.name] = at
        self.drawn[port.key[0], port.name] = port
