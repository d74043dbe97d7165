"""The box of one pod (or of any other network namespace on a machine), in three sizes.

A box shows what ``kubectl get pod -o wide`` and ``ip addr`` inside it would: name, address, MAC, what listens. With
many pods the boxes get smaller and say less; the rest stands in the text twin and in the tables.

Left out: containers and their states (the shell lists them).
"""

from __future__ import annotations

from typing import NamedTuple

from k8slearn.widgets.marks import Mark, Point, Rect, Thing, Words, cut, cut_middle
from k8slearn.widgets.scene import Space


class Card(NamedTuple):
    """A size of box: its measures, how many rows of it a machine may have, and which lines it has room for."""

    width: float
    height: float
    drop: float
    """The free height below a card: its tab and its wire."""
    most_rows: int
    lines: int


CARDS = (Card(132, 72, 26, 2, 4), Card(108, 44, 20, 5, 2), Card(66, 24, 12, 10_000, 1))
"""From the largest to the smallest; the first one whose rows fit is taken."""

ROLES = {"pod": "pod", "netns": "netns"}


def space_thing(space: Space, card: Card, at: Point) -> tuple[Thing, Point, list[Point]]:
    """The box, where its programs are, and the places of its links' tabs (loopback has none)."""
    x, y = at
    ports = [p for p in space.ports if p.kind != "loopback"]
    pitch = 50.0 if card.lines > 1 else 10.0
    tabs = [(x + card.width - 16 - i * pitch, y + card.height) for i in range(len(ports))]
    marks: list[Mark] = [Rect(ROLES.get(space.kind, "netns"), x, y, card.width, card.height)]
    marks += _lines(space, card, x, y)
    if card.lines > 1:
        for port, (tab_x, tab_y) in zip(ports, tabs, strict=True):
            marks.append(Rect("tab" if port.up else "tab-down", tab_x - 34, tab_y - 7, 44, 14, 4))
            marks.append(Words("tab-words", tab_x - 30, tab_y + 3.5, cut(port.name, 26, 5.2)))
        tabs = [(tab_x, tab_y + 7) for tab_x, tab_y in tabs]
    return (
        Thing(space.scope, space_says(space), tuple(marks), space.scope),
        (x + card.width - 16, y + card.height * 0.56),
        tabs,
    )


def _lines(space: Space, card: Card, x: float, y: float) -> list[Mark]:
    namespace, _, name = space.name.rpartition("/")
    address = space.address or "no address"
    mac = next((p.mac for p in space.ports if p.kind != "loopback"), "")
    if card.lines == 1:
        return [Words("small", x + card.width / 2, y + 15.5, cut_middle(name, card.width - 6, 5.6), "middle")]
    if card.lines == 2:
        return [
            Words("name", x + 8, y + 15, cut_middle(name, card.width - 14, 7.5)),
            Words("address", x + 8, y + 29, address),
        ]
    listens = " ".join(f":{p.partition('/')[0]}" for p in space.listens)
    return [
        Words("note", x + 9, y + 14, cut(namespace or "netns", card.width - 60, 5.6)),
        Words("listens", x + card.width - 9, y + 14, cut(listens, 54, 6), "end"),
        Words("name", x + 9, y + 29, cut_middle(name, card.width - 16, 7.5)),
        Words("address", x + 9, y + 45, address),
        Words("address-dim", x + 9, y + 58, space.address6 or mac),
    ]


def space_says(space: Space) -> str:
    """All that a box stands for, in words: its text twin."""
    links = "; ".join(
        f"{p.name} {' '.join(p.addresses) or 'no address'} {p.mac} {'up' if p.up else 'down'}"
        for p in space.ports
        if p.kind != "loopback"
    )
    listens = f"; listens on {', '.join(space.listens)}" if space.listens else ""
    return f"{space.kind} {space.name}: {links or 'no link'}{listens}"
