"""The cluster network: Services as pills in a dashed band, because no wire carries their addresses.

Left out: more than eighteen Services (they are counted).
"""

from __future__ import annotations

from k8slearn.widgets.board import CHIP, EDGE, GAP, PAD, Board
from k8slearn.widgets.marks import Mark, Point, Rect, Thing, Words, cut_middle
from k8slearn.widgets.scene import Scene
from k8slearn.widgets.scene_api import Service

SERVICES_SHOWN = 18


def draw_services(board: Board, scene: Scene, width: float) -> float:
    """The cluster network with its Services; returns where the next band begins."""
    y, chip = EDGE, 224.0
    columns = int((width - 2 * (EDGE + PAD) + GAP) // (chip + GAP))
    shown = scene.services[:SERVICES_SHOWN]
    lines = -(-len(shown) // columns)
    height = 32 + lines * (CHIP + 8) + (2 if lines else 0)
    title = f"Cluster network  {scene.networks['cluster']}".rstrip()
    more = len(scene.services) - len(shown)
    tail = f"and {more} more Services" if more else "" if shown else "no Services yet"
    marks: list[Mark] = [
        Rect("band-cluster", EDGE, y, width - 2 * EDGE, height, 10),
        Words("title-cluster", EDGE + PAD, y + 20, title),
        Words(
            "note",
            width - EDGE - PAD,
            y + 20,
            f"{tail + '  ·  ' if tail else ''}no wire carries it: it lives in rules",
            "end",
        ),
    ]
    board.things.append(Thing("box cluster", title, tuple(marks)))
    for i, service in enumerate(shown):
        at = (EDGE + PAD + i % columns * (chip + GAP), y + 32 + i // columns * (CHIP + 8))
        board.things.append(_chip(service, at, chip))
    return y + height + 14


def _chip(service: Service, at: Point, width: float) -> Thing:
    address = service.addresses[0] if service.addresses else "no address"
    ports = ",".join(p.partition("/")[0] for p in service.ports)
    count = len(service.endpoints)
    ready = f"→ {count} endpoint{'' if count == 1 else 's'}"
    x, y = at
    marks = (
        Rect("service", x, y, width, CHIP, 18),
        Words("name", x + 14, y + 16, cut_middle(service.name, width - 24, 7.5)),
        Words("address", x + 14, y + 30, f"{address}{':' if ports else ''}{ports}"),
        Words("note", x + width - 12, y + 30, ready, "end"),
    )
    says = f"Service {service.name}, {service.kind}, {address} port {ports or 'none'}, {ready[2:]}"
    return Thing(f"svc:{service.name}", says + (f": {', '.join(service.endpoints)}" if count else ""), marks)
