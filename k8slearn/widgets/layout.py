"""Where everything in a topology picture stands: a pure function from a scene to a sheet.

The picture has the three networks of Kubernetes as three bands. On top the cluster network: Services, which no wire
carries. Below it the pod network: pods, their veth pairs, the bridge. Below that the node network: each machine's
eth0, the switch, the router. A machine's box stands in the lower two, and between them is its routing: the one place
where a packet can change networks. Outside is below everything.

Left out: crossing-free wires for veth pairs that a learner draws between any two namespaces (they are drawn
straight).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from k8slearn.widgets.board import BAR, EDGE, GAP, HEADER, NARROWEST, NIC, PAD, ROOM, Board, Frame
from k8slearn.widgets.cards import CARDS
from k8slearn.widgets.ground_row import draw_ground
from k8slearn.widgets.machine_box import draw_node, rails_of
from k8slearn.widgets.marks import Line, Mark, Rect, Sheet, Thing, Words
from k8slearn.widgets.scene import Machine, Scene
from k8slearn.widgets.segments import draw_segments
from k8slearn.widgets.service_row import draw_services
from k8slearn.widgets.tunnels import LABELS


def sheet(scene: Scene) -> Sheet:
    """The positions of everything in this scene. The same scene, the same sheet."""
    nodes = sorted(scene.of_kind("node"), key=_switch)
    frame = _frame(nodes)
    between = 14.0
    row = len(nodes) * (frame.width + between) - between if nodes else 0.0
    width = max(row + 2 * (EDGE + PAD), 700.0)
    left = (width - row) / 2
    board = Board(labels=frame.card.lines > 2)
    backdrop: list[Thing] = []
    y = draw_services(board, scene, width)
    backdrop.append(_band("pod", y, _pod_band_height(frame), width, _pod_title(scene)))
    top = y + 30
    turn = y + _pod_band_height(frame)
    for i, machine in enumerate(nodes):
        draw_node(board, machine, frame, left + i * (frame.width + between), top, turn)
    foot = turn + 28 + NIC
    span = (left, left + row) if nodes else (EDGE + PAD, width - EDGE - PAD)
    if len(scene.of_kind("switch")) > 1:
        bottom, height = draw_segments(board, scene, foot, width)
    else:
        bottom, height = draw_ground(board, scene, span, foot, width)
    backdrop.append(_band("node", turn + 28, bottom - turn - 28, width, "", _node_title(scene)))
    _wire(board)
    _tunnels(board)
    things = (*backdrop, *_layers(board))
    return Sheet(
        width,
        height,
        things,
        board.homes,
        board.badges,
        board.ports,
        board.rails,
        frozenset(board.bridges),
        board.wires,
    )


def _switch(machine: Machine) -> str:
    """Nodes of one subnet stand side by side."""
    eth0 = machine.root.port("eth0")
    return eth0.peer[0] if eth0 is not None and eth0.peer else ""


def _layers(board: Board) -> Iterable[Thing]:
    """Machines first, wires over them, cards and bars over the wires: that is also the reading order."""
    boxes = [t for t in board.things if t.name.startswith("box ")]
    rest = [t for t in board.things if not t.name.startswith("box ")]
    return [*boxes, *board.wiring, *rest]


def _frame(nodes: Sequence[Machine]) -> Frame:
    most = max((len(m.spaces) + (m.hidden > 0) for m in nodes), default=0)
    rails = max((len(rails_of(m)) for m in nodes), default=1)
    room = (ROOM - 2 * (EDGE + PAD)) / max(1, len(nodes)) - 14
    for card in CARDS:
        lanes = 0.0
        for _ in range(2):
            columns = max(1, min(most or 1, int((room - 2 * PAD + GAP) // (card.width + GAP + lanes))))
            rows = -(-most // columns)
            lanes = 4.0 * max(0, rows - 1) if card.lines > 1 else 0.0
        if rows <= card.most_rows:
            break
    trailing = GAP / 2 if rows > 1 else GAP
    width = max(columns * (card.width + GAP + lanes) - trailing + 2 * PAD, NARROWEST)
    return Frame(card, columns, rows, max(1, rails), width, lanes)


def _pod_band_height(frame: Frame) -> float:
    return 30 + HEADER + frame.pods_height + frame.rails * (BAR + 8) + 6


def _pod_title(scene: Scene) -> str:
    waits = f"  ·  without a node: {', '.join(scene.unplaced[:4])}{' …' if len(scene.unplaced) > 4 else ''}"
    title = f"Pod network  {scene.networks['pod']}".rstrip()
    return title + (waits if scene.unplaced else "")


def _node_title(scene: Scene) -> str:
    return f"Node network  {scene.networks['node']}".rstrip()


def _band(role: str, y: float, height: float, width: float, above: str, below: str = "") -> Thing:
    marks: list[Mark] = [Rect(f"band-{role}", EDGE, y, width - 2 * EDGE, height, 10)]
    if above:
        marks.append(Words(f"title-{role}", EDGE + PAD, y + 20, above))
    if below:
        marks.append(Words(f"title-{role}", EDGE + PAD, y + NIC + 24 + 26 + 18, below))
    return Thing(f"band {role}", above or below, tuple(marks))


def _wire(board: Board) -> None:
    """Every veth pair whose two ends are drawn, once; a pair with an end that is down says so."""
    for end, port in sorted(board.drawn.items()):
        if port.peer is None:
            continue
        other = (port.peer[0], str(port.peer[2]))
        if other in board.drawn and other not in board.ports:
            continue
        known = (end, other) in board.wires or (other, end) in board.wires
        if other in board.ports and not known and end < other:
            board.wires[end, other] = (board.ports[end], board.ports[other])
    for (end, other), points in board.wires.items():
        here, there = board.drawn.get(end), board.drawn.get(other)
        up = here is not None and there is not None and here.up and there.up
        marks: list[Mark] = [Line("wire" if up else "wire-cut", points)]
        x, y = points[-1]
        if not up:
            marks.append(Words("down", x + 5, y - 8, "✕ down"))
        elif other[1].startswith("veth") and len(points) == 2 and board.labels:
            marks.append(Words("veth", x - 5, y - 6, other[1], "end"))
        says = f"veth pair: {end[0]} {end[1]} and {other[0]} {other[1]}, {'up' if up else 'down'}"
        board.wiring.append(Thing(f"wire {end[0]} {end[1]}", says, tuple(marks)))


def _tunnels(board: Board) -> None:
    """A dotted line between the two ends of each tunnel: no wire of its own, it goes over the node network."""
    known = {(p.key, t.far) for p in board.drawn.values() for t in p.tunnels}
    for here, far in sorted(known, key=str):
        ends = [(key[0], str(key[2])) for key in (here, far)]
        both = (far, here) in known
        if (both and far < here) or not all(end in board.ports for end in ends):
            continue
        (x, y), (end, level) = (board.ports[one] for one in ends)
        middle = (x + end) / 2
        points = ((x, y), (end, level)) if y == level else ((x, y), (middle, y), (middle, level), (end, level))
        label = LABELS[board.drawn[ends[0]].kind]
        way = "and back" if both else "and not back"
        says = f"tunnel, {label}: {ends[0][0]} {ends[0][1]} to {ends[1][0]} {ends[1][1]}, {way}"
        marks = (Line("tunnel-way" if both else "wire-cut", points),)
        board.wiring.append(Thing(f"tunnel {ends[0][0]} {ends[1][0]}", says, marks))
