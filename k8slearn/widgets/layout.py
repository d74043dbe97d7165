"""Where everything in a topology picture stands: a pure function from a scene to a sheet.

The picture has the three networks of Kubernetes as three bands. On top the cluster network: Services, which no
wire carries. Below it the pod network: pods, their veth pairs, the bridge. Below that the node network: each machine's eth0, the
switch, the router. A machine's box stands in the lower two, and between them is its routing: the one place where a packet
can change networks. Outside is below everything.

Left out: crossing-free wires for veth pairs that a learner draws between any two namespaces (they are drawn straight).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from k8slearn.widgets.cards import CARDS, Card, space_thing
from k8slearn.widgets.marks import Line, Mark, Point, Rect, Sheet, Thing, Words, cut
from k8slearn.widgets.scene import Machine, Port, Scene, Service, Space

ROOM = 968.0
"""The width that a picture has before it is scaled down: an output cell of JupyterLab on a laptop."""
EDGE, GAP, PAD = 14.0, 12.0, 12.0
HEADER, BAR, PILL, CHIP = 38.0, 30.0, 26.0, 38.0
SERVICES_SHOWN = 18


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
    """The sheet while it is being drawn. Local to `sheet`; nobody else sees it."""

    things: list[Thing] = field(default_factory=list)
    wiring: list[Thing] = field(default_factory=list)
    homes: dict[str, Point] = field(default_factory=dict)
    ports: dict[tuple[str, str], Point] = field(default_factory=dict)
    rails: dict[tuple[str, str], float] = field(default_factory=dict)
    wires: dict[tuple[tuple[str, str], tuple[str, str]], tuple[Point, ...]] = field(default_factory=dict)
    drawn: dict[tuple[str, str], Port] = field(default_factory=dict)

    def place(self, port: Port, at: Point) -> None:
        self.ports[port.key[0], port.name] = at
        self.drawn[port.key[0], port.name] = port


def sheet(scene: Scene) -> Sheet:
    """The positions of everything in this scene. The same scene, the same sheet."""
    nodes = scene.of_kind("node")
    frame = _frame(nodes)
    between = 16.0
    row = len(nodes) * (frame.width + between) - between if nodes else 0.0
    width = max(row + 2 * (EDGE + PAD), 700.0)
    left = (width - row) / 2
    board = Board()
    backdrop: list[Thing] = []
    y = _services(board, scene, width)
    backdrop.append(_band("pod", y, _pod_band_height(frame), width, _pod_title(scene)))
    top = y + 30
    turn = y + _pod_band_height(frame)
    for i, machine in enumerate(nodes):
        _node(board, machine, frame, left + i * (frame.width + between), top, turn)
    foot = turn + 28 + 66
    span = (left, left + row) if nodes else (EDGE + PAD, width - EDGE - PAD)
    bottom, height = _ground(board, scene, span, foot, width)
    backdrop.append(_band("node", turn + 28, bottom - turn - 28, width, "", _node_title(scene)))
    _wire(board)
    things = (*backdrop, *board.things[:0], *_layers(board))
    return Sheet(width, height, things, board.homes, board.ports, board.rails, board.wires)


def _layers(board: Board) -> Iterable[Thing]:
    """Machines first, wires over them, cards and bars over the wires: that is also the reading order."""
    boxes = [t for t in board.things if t.name.startswith("box ")]
    rest = [t for t in board.things if not t.name.startswith("box ")]
    return [*boxes, *board.wiring, *rest]


def _frame(nodes: Sequence[Machine]) -> Frame:
    most = max((len(m.spaces) + (m.hidden > 0) for m in nodes), default=0)
    rails = max((len(_rails(m)) for m in nodes), default=1)
    room = (ROOM - 2 * (EDGE + PAD)) / max(1, len(nodes)) - 16
    for card in CARDS:
        lanes = 2.0
        for _ in range(2):
            columns = max(1, min(most or 1, int((room - 2 * PAD + GAP) // (card.width + GAP + lanes))))
            rows = -(-most // columns)
            lanes = 4.0 * max(0, rows - 1)
        if rows <= card.most_rows:
            break
    width = max(columns * (card.width + GAP + lanes) - GAP + 2 * PAD, 214.0)
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
        marks.append(Words(f"title-{role}", EDGE + PAD, y + height - 14, below))
    return Thing(f"band {role}", above or below, tuple(marks))


def _services(board: Board, scene: Scene, width: float) -> float:
    """The cluster network with its Services; returns where the next band begins."""
    y, chip = EDGE, 184.0
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
        Words("note", width - EDGE - PAD, y + 20, f"{tail + '  ·  ' if tail else ''}no wire carries it: it lives in rules", "end"),
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
        Words("name", x + 14, y + 16, cut(service.name, width - 24, 6.6)),
        Words("address", x + 14, y + 30, f"{address}{':' if ports else ''}{ports}"),
        Words("note", x + width - 12, y + 30, ready, "end"),
    )
    says = f"Service {service.name}, {service.kind}, {address} port {ports or 'none'}, {ready[2:]}"
    return Thing(f"svc:{service.name}", says + (f": {', '.join(service.endpoints)}" if count else ""), marks)


def _rails(machine: Machine) -> list[str]:
    """The rows under a machine's pods: one for each bridge, one for host ends that are on no bridge ('')."""
    bridges = [p.name for p in machine.root.ports if p.kind == "bridge"]
    loose = [p for p in machine.root.ports if _is_host_end(p) and p.master not in bridges]
    return bridges + ([""] if loose or not bridges else [])


def _is_host_end(port: Port) -> bool:
    return port.kind not in ("loopback", "bridge") and port.name != "eth0"


def _node(board: Board, machine: Machine, frame: Frame, x: float, top: float, turn: float) -> None:
    root = machine.root
    middle = x + frame.width / 2
    board.homes[root.scope] = (middle, turn + 14)
    board.things.append(_box(machine, x, top, frame.width, turn + 28 + 66 - top - 8))
    rails = _rails(machine)
    first = top + HEADER + frame.pods_height
    for i, name in enumerate(rails):
        _rail(board, machine, name, (x + PAD, first + i * (BAR + 8)), frame.width - 2 * PAD)
    _pods(board, machine, frame, x, top + HEADER)
    _routing(board, machine, middle, turn + 14, first + (len(rails) - 1) * (BAR + 8) + BAR)


def _box(machine: Machine, x: float, y: float, width: float, height: float) -> Thing:
    root = machine.root
    role = "control plane" if machine.control_plane else ""
    lines = [machine.pod_cidr and f"pods {machine.pod_cidr}", role]
    marks: list[Mark] = [
        Rect("machine", x, y, width, height, 8),
        Words("machine-name", x + PAD, y + 18, cut(root.name, width / 2, 8)),
        Words("note", x + PAD, y + 32, _extras(machine, width)),
    ]
    for i, words in enumerate(filter(None, lines)):
        marks.append(Words("address-dim" if i == 0 and machine.pod_cidr else "note", x + width - PAD, y + 18 + 14 * i, words, "end"))
    says = ", ".join(filter(None, [f"node {root.name}", root.address, role, lines[0], f"{machine.pods} pods"]))
    return Thing(f"box {root.scope}", says, tuple(marks))


def _extras(machine: Machine, width: float) -> str:
    host, waiting = len(machine.host_network), len(machine.waiting)
    words = [f"{host} on host network" if host else "", f"{waiting} waiting" if waiting else ""]
    return cut(" · ".join(filter(None, words)), width * 0.6, 5.6)


def _pods(board: Board, machine: Machine, frame: Frame, x: float, y: float) -> None:
    spaces: list[Space | None] = [*machine.spaces, *([None] if machine.hidden else [])]
    pitch = frame.card.width + GAP + frame.lane
    used = min(len(spaces), frame.columns)
    left = x + (frame.width - used * pitch + GAP + frame.lane) / 2
    rows = -(-len(spaces) // frame.columns)
    down = frame.rows - rows
    for i, space in enumerate(spaces):
        column, row = i % frame.columns, i // frame.columns + down
        at = (left + column * pitch, y + row * (frame.card.height + frame.card.drop))
        if space is None:
            _crowd(board, machine, frame, at)
            continue
        thing, home, tabs = space_thing(space, frame.card, at)
        board.things.append(thing)
        board.homes[space.scope] = home
        lane = at[0] + frame.card.width + GAP / 2 + frame.lane - 4.0 * row
        for port, tab in zip([p for p in space.ports if p.kind != "loopback"], tabs, strict=True):
            board.place(port, tab)
            _drop(board, port, tab, lane if row < frame.rows - 1 else None)


def _drop(board: Board, port: Port, tab: Point, lane: float | None) -> None:
    """The way from a pod's tab to the rail of its other end; the host's end lies where it meets the rail."""
    if port.peer is None or (end := (port.peer[0], str(port.peer[2]))) not in board.rails:
        return
    height = board.rails[end]
    x = tab[0] if lane is None else lane
    bend = () if lane is None else ((tab[0], tab[1] + 5), (x, tab[1] + 5))
    board.ports[end] = (x, height - BAR / 2)
    board.wires[(port.key[0], port.name), end] = (tab, *bend, (x, height - BAR / 2))


def _crowd(board: Board, machine: Machine, frame: Frame, at: Point) -> None:
    card = frame.card
    words = f"{machine.hidden} {'more ' if machine.spaces else ''}pods"
    marks = (
        Rect("pod-more", at[0] + 5, at[1] - 5, card.width - 5, card.height),
        Rect("pod-more", at[0], at[1], card.width - 5, card.height),
        Words("name", at[0] + card.width / 2 - 2, at[1] + card.height / 2 + 4, words, "middle"),
    )
    says = f"{words} on {machine.root.name}, each with its own veth pair: counted, not drawn"
    board.things.append(Thing(f"more {machine.root.scope}", says, marks))
    foot = at[1] + card.height
    height = next((h for (scope, _), h in board.rails.items() if scope == machine.root.scope), foot + 20)
    x = at[0] + card.width / 2 - 2
    wire = (Line("wire-bundle", ((x, foot), (x, height - BAR / 2))), Words("note", x + 6, foot + 14, f"{machine.hidden} veth pairs"))
    board.wiring.append(Thing(f"wires {machine.root.scope}", f"{machine.hidden} veth pairs", wire))


def _rail(board: Board, machine: Machine, name: str, at: Point, width: float) -> None:
    """A bridge as a bar that its ports stand on; or, without a bridge, a line that says so."""
    root, (x, y) = machine.root, at
    members = [p for p in root.ports if _is_host_end(p) and (p.master == name if name else not p.master)]
    middle = y + BAR / 2
    for i, port in enumerate(members):
        board.drawn[root.scope, port.name] = port
        board.rails[root.scope, port.name] = middle
        board.ports[root.scope, port.name] = (x + 30 + i * 12 % max(1, width - 60), y)
    bridge = root.port(name) if name else None
    if bridge is None:
        words = "no bridge: routed to each veth" if members else "no bridge"
        marks: tuple[Mark, ...] = (Line("no-bridge", ((x, middle), (x + width, middle))), Words("note", x, middle - 5, words))
        board.things.append(Thing(f"{root.scope} rail", f"{root.name}: {words}", marks))
        return
    board.rails[root.scope, name] = middle
    board.place(bridge, (x + width / 2, middle))
    state = "" if bridge.up else "  ✕ down"
    address = bridge.addresses[0] if bridge.addresses else "no address"
    marks = (
        Rect("bridge" if bridge.up else "bridge-down", x, y, width, BAR, 5),
        Words("name", x + 10, middle + 4, cut(name, 80, 7) + state),
        Words("note", x + 12 + 7 * len(cut(name, 80, 7) + state), middle + 4, " bridge"),
        Words("address", x + width - 10, middle + 4, address, "end"),
    )
    says = f"bridge {name} on {root.name}, {address}, {bridge.mac}, {'up' if bridge.up else 'down'}, {len(members)} ports"
    board.things.append(Thing(f"{root.scope} {name}", says, marks, root.scope))


def _routing(board: Board, machine: Machine, x: float, y: float, rail: float) -> None:
    """A machine's routing (between its bridge and its eth0), and the eth0 itself."""
    root = machine.root
    words = "routing · ip_forward=1" if root.forwards else "✕ routing · ip_forward=0"
    role = "wire-inner" if root.forwards else "wire-cut"
    eth0 = root.port("eth0")
    stem = (Line(role, ((x, rail), (x, y - PILL / 2))), Line(role, ((x, y + PILL / 2), (x, y + 28))))
    pill = (Rect("routing" if root.forwards else "routing-off", x - 80, y - PILL / 2, 160, PILL, 13), Words("pill", x, y + 4, words, "middle"))
    board.wiring.append(Thing(f"stem {root.scope}", "", stem))
    listens = f", listens on {', '.join(root.listens[:6])}" if root.listens else ""
    board.things.append(Thing(f"{root.scope}", f"{root.name}: {words}{listens}", pill, root.scope))
    if eth0 is None:
        return
    top = y + 28
    address = eth0.addresses[0] if eth0.addresses else "no address"
    marks = (
        Rect("nic" if eth0.up else "nic-down", x - 92, top, 184, 36, 5),
        Words("name", x - 82, top + 15, "eth0" + ("" if eth0.up else "  ✕ down")),
        Words("address", x + 82, top + 15, address, "end"),
        Words("address-dim", x + 82, top + 29, eth0.mac, "end"),
    )
    says = f"eth0 of {root.name}, {address}, {eth0.mac}, {'up' if eth0.up else 'down'}"
    board.things.append(Thing(f"{root.scope} eth0", says, marks, root.scope))
    board.place(eth0, (x, top + 36))


def _ground(board: Board, scene: Scene, span: tuple[float, float], y: float, width: float) -> tuple[float, float]:
    """Switch, router and what is beyond; returns the foot of the node network's band and of the picture."""
    switches, routers, beyond = scene.of_kind("switch"), scene.of_kind("router"), scene.of_kind("outside")
    for switch in switches[:1]:
        _switch(board, switch.root, span, y)
    y += 24 + 26
    on_switch = {p.peer[0] for m in switches for p in m.root.ports if p.peer}
    near = [m.root for m in routers] + [m.root for m in beyond if m.root.scope in on_switch]
    far = [m.root for m in beyond if m.root.scope not in on_switch]
    foot = y
    if near:
        foot = _row(board, near, y + 26, width) + 12
    if far:
        return foot, _row(board, far, foot + 26, width) + EDGE
    return foot, foot + EDGE


def _switch(board: Board, root: Space, span: tuple[float, float], y: float) -> None:
    left, right = span
    top = y + 24
    bridge = next((p for p in root.ports if p.kind == "bridge"), None)
    for port in root.ports:
        if port.kind in ("loopback", "bridge"):
            continue
        other = (port.peer[0], str(port.peer[2])) if port.peer else ("", "")
        above = board.ports.get(other)
        board.place(port, (above[0], top) if above else (left + 40, top + 26))
    if bridge is not None:
        board.rails[root.scope, bridge.name] = top + 13
        board.place(bridge, ((left + right) / 2, top + 13))
    board.homes[root.scope] = ((left + right) / 2, top + 13)
    marks = (Rect("switch", left, top, right - left, 26, 5), Words("name", left + 12, top + 17, "switch"))
    says = f"switch, {sum(p.kind == 'veth' for p in root.ports)} ports: joins the machines of the node network"
    board.things.append(Thing(root.scope, says, marks, root.scope))


def _row(board: Board, spaces: Sequence[Space], y: float, width: float) -> float:
    """Boxes beside each other, in the middle of the picture; returns their foot."""
    card, gap = 196.0, 24.0
    left = (width - len(spaces) * (card + gap) + gap) / 2
    for i, space in enumerate(spaces):
        x = left + i * (card + gap)
        nic = next((p for p in space.ports if p.kind != "loopback"), None)
        for j, port in enumerate(p for p in space.ports if p.kind != "loopback"):
            up = port.name == "eth0"
            board.place(port, (x + card / 2, y) if up else (x + card / 2 + (j - 1) * 30, y + 44))
            if up and port.peer and (peer := (port.peer[0], str(port.peer[2]))) in board.ports:
                below = board.ports[peer][1] > y - 60
                board.ports[peer] = (x + card / 2, board.ports[peer][1]) if below else board.ports[peer]
        board.homes[space.scope] = (x + card / 2, y + 22)
        name = "outside" if space.kind == "outside" else space.name
        address = nic.addresses[0] if nic and nic.addresses else space.address or "no address"
        marks = (
            Rect(space.kind, x, y, card, 44, 8),
            Words("name", x + card / 2, y + 18, name, "middle"),
            Words("address", x + card / 2, y + 34, address, "middle"),
        )
        board.things.append(Thing(space.scope, f"{name}, {address}", marks, space.scope))
    return y + 44


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
        elif other[1].startswith("veth") and len(points) == 2:
            marks.append(Words("veth", x + 5, y - 6, other[1]))
        says = f"veth pair: {end[0]} {end[1]} and {other[0]} {other[1]}, {'up' if up else 'down'}"
        board.wiring.append(Thing(f"wire {end[0]} {end[1]}", says, tuple(marks)))
