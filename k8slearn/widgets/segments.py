"""What stands under the nodes where there are several subnets: a bar for each switch, routers, peers below.

A switch that nodes are on is a bar right under them. Below it stand the routers and the servers that are on one of
those switches; below these, beside one another, the switches of peered networks with their own servers, and the hosts
outside. A cable turns once on its way down, and hangs under two boxes that stand side by side.

Left out: crossing-free cables where a picture has many routers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from k8slearn.widgets.board import EDGE, Board
from k8slearn.widgets.cards import space_says
from k8slearn.widgets.marks import Point, Rect, Thing, Words
from k8slearn.widgets.scene import Port, Scene, Space

CARD, TALL, GAP = 156.0, 44.0, 20.0
BAR, BETWEEN = 26.0, 46.0
"""A switch's height, and the room for cables between two rows."""
HALF = 110.0
"""From a node's eth0 to where its switch ends at least."""


def draw_segments(board: Board, scene: Scene, y: float, width: float) -> tuple[float, float]:
    """Everything under the nodes; returns the foot of the node network's band and of the picture."""
    switches = [m.root for m in scene.of_kind("switch")]
    others = [m.root for kind in ("router", "outside") for m in scene.of_kind(kind)]
    above = [switch for switch in switches if _nodes_on(board, switch)]
    for switch in above:
        xs = _nodes_on(board, switch)
        draw_switch(board, switch, (min(xs) - HALF, max(xs) + HALF), y + 24)
    ours = {s.scope for s in above}
    theirs = [s for s in switches if s not in above]
    near = [s for s in others if s.kind == "router" or ours & set(_ends(s))]
    behind = {s.scope: [o for o in others if o not in near and s.scope in _ends(o)] for s in theirs}
    far = [o for o in others if o not in near and not any(o in found for found in behind.values())]
    foot = _rows(board, near, y + 24 + BAR + BETWEEN, width)
    bottom = _peers(board, theirs, behind, foot + BETWEEN, width) if theirs else foot
    if far:
        bottom = _rows(board, far, bottom + BETWEEN, width)
    _cables(board, [*switches, *others], above)
    return foot + 24, bottom + EDGE


def draw_switch(board: Board, root: Space, span: Point, top: float) -> None:
    """A switch as a bar: its nodes hang from above, everything else from below."""
    left, right = span
    for port in root.ports:
        if port.kind in ("loopback", "bridge"):
            continue
        up = board.ports.get(_peer(port))
        board.rails[root.scope, port.name] = top + BAR / 2
        board.place(port, (up[0], top) if up else (left + 40, top + BAR))
    bridge = next((p for p in root.ports if p.kind == "bridge"), None)
    middle = ((left + right) / 2, top + BAR / 2)
    if bridge is not None:
        board.rails[root.scope, bridge.name] = top + BAR / 2
        board.bridges.add((root.scope, bridge.name))
        board.place(bridge, middle)
    board.homes[root.scope] = middle
    board.badges[root.scope] = (left + 96, top + BAR / 2)
    marks = (Rect("switch", left, top, right - left, BAR, 5), Words("name", left + 12, top + 17, root.name))
    says = f"{root.name}, {sum(p.kind == 'veth' for p in root.ports)} ports: joins the machines of one subnet"
    board.things.append(Thing(root.scope, says, marks, root.scope))


def _nodes_on(board: Board, switch: Space) -> list[float]:
    """Where the nodes' wires come down to this switch."""
    return [board.ports[_peer(port)][0] for port in switch.ports if _peer(port) in board.ports]


def _peer(port: Port) -> tuple[str, str]:
    return (port.peer[0], str(port.peer[2])) if port.peer else ("", "")


def _ends(space: Space) -> list[str]:
    """The scopes at the other ends of its cables."""
    return [_peer(port)[0] for port in space.ports if port.peer]


def _rows(board: Board, spaces: Sequence[Space], y: float, width: float) -> float:
    """Boxes in rows as wide as the picture; returns their foot."""
    most = max(1, int((width - 2 * EDGE + GAP) // (CARD + GAP)))
    for start in range(0, len(spaces), most):
        row = spaces[start : start + most]
        left = (width - len(row) * (CARD + GAP) + GAP) / 2
        for i, space in enumerate(row):
            _box(board, space, left + i * (CARD + GAP), y)
        y += TALL + (BETWEEN if start + most < len(spaces) else 0)
    return y + (TALL if not spaces else 0)


def _peers(board: Board, switches: list[Space], behind: dict[str, list[Space]], y: float, width: float) -> float:
    """The switches of peered networks side by side, each over its own servers; returns their foot."""
    most = max(1, int((width - 2 * EDGE + GAP) // (CARD + GAP)))
    x = foot = 0.0
    for switch in switches:
        servers = behind[switch.scope]
        wide = min(max(1, len(servers)), most) * (CARD + GAP)
        if not x or x + wide - GAP > width - EDGE:
            x, y = EDGE, foot + BETWEEN if x else y
        draw_switch(board, switch, (x, x + wide - GAP), y)
        for i, space in enumerate(servers):
            _box(board, space, x + i % most * (CARD + GAP), y + BAR + BETWEEN / 2 + i // most * (TALL + GAP))
        rows = -(-len(servers) // most)
        foot = max(foot, y + BAR + (BETWEEN / 2 + rows * (TALL + GAP) - GAP if servers else 0))
        x += wide
    return foot


def _box(board: Board, space: Space, x: float, y: float) -> None:
    """A router, a server, a host: cables to switches above come in at its top, all others at its foot."""
    cabled = [p for p in space.ports if p.kind != "loopback"]
    for i, port in enumerate(cabled):
        other = board.ports.get(_peer(port))
        top = (other is not None and other[1] < y) or (space.kind == "outside" and port.name == "eth0")
        board.place(port, (x + 24 + i * 26, y if top else y + TALL))
    board.homes[space.scope] = (x + CARD / 2, y + TALL / 2)
    board.badges[space.scope] = (x + CARD - 46, y + TALL / 2)
    addresses = [a for p in cabled for a in p.addresses]
    name = "outside" if space.kind == "outside" and space.name == space.address else space.name
    shown = (addresses[0] if addresses else "no address") + (f" +{len(addresses) - 1}" if len(addresses) > 1 else "")
    words = (Words("name", x + 16, y + 18, name), Words("address", x + 16, y + 34, shown))
    board.things.append(
        Thing(space.scope, space_says(space), (Rect(space.kind, x, y, CARD, TALL, 8), *words), space.scope)
    )


def _cables(board: Board, spaces: Iterable[Space], above: list[Space]) -> None:
    """Each cable once, from its upper end to its lower one. A switch's end of it stands over (or under) the box's."""
    number = 0
    for space in spaces:
        for port in space.ports:
            end, other = (port.key[0], port.name), _peer(port)
            if other not in board.ports or other[0].startswith("node:") or end[0].startswith("node:"):
                continue
            if other in board.rails or (other, end) in board.wires or (end, other) in board.wires:
                continue
            _beside(board, end, other)
            upper, lower = sorted((end, other), key=lambda one: board.ports[one][1])
            (x, high), (below, low) = board.ports[upper], board.ports[lower]
            turn = low + 10 + 4 * (number % 4) if high == low else low - 10 - 4 * (number % 4)
            points = ((x, high), (below, low)) if x == below else ((x, high), (x, turn), (below, turn), (below, low))
            board.wires[upper, lower] = points
            number += 1


def _beside(board: Board, end: tuple[str, str], other: tuple[str, str]) -> None:
    """Move a switch's port along its bar, to where the machine's cable is (or as near as the bar goes)."""
    if end not in board.rails:
        return
    level, (x, y) = board.rails[end], board.ports[other]
    bar = next(mark for thing in board.things if thing.name == end[0] for mark in thing.marks if isinstance(mark, Rect))
    x = min(max(x, bar.x + 10), bar.x + bar.width - 10)
    board.ports[end] = (x, level + BAR / 2 if y > level else level - BAR / 2)
