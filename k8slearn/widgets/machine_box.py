"""A node's box: its pods, the bridge or bridges under them, its routing, its eth0.

From top to bottom a packet that leaves passes: eth0 in the pod, the veth's host end, the bridge, a tunnel's device if
there is one, the machine's routing, eth0. The rows stand in that order in every box, so that the eye can compare two
machines.

Left out: a machine's second network card.
"""

from __future__ import annotations

from k8slearn.widgets.board import BAR, GAP, HEADER, NIC, PAD, PILL, TRACK, Board, Frame
from k8slearn.widgets.cards import space_thing
from k8slearn.widgets.marks import Line, Mark, Point, Rect, Thing, Words, cut
from k8slearn.widgets.scene import Machine, Port, Space
from k8slearn.widgets.tunnels import LABELS

DUMMY = "dummy"


def draw_node(board: Board, machine: Machine, frame: Frame, x: float, top: float, turn: float) -> None:
    root = machine.root
    middle = x + frame.width / 2
    board.homes[root.scope] = (middle, turn + 14)
    board.badges[root.scope] = (middle - 96, turn + 14)
    board.things.append(_box(machine, x, top, frame.width, turn + 28 + NIC - top - 8))
    rails = rails_of(machine)
    first = top + HEADER + frame.pods_height
    for i, name in enumerate(rails):
        port, at = root.port(name), (x + PAD, first + i * (BAR + 8))
        if port is not None and port.kind in LABELS:
            _tunnel(board, port, at, frame.width - 2 * PAD)
        elif port is not None and port.kind == DUMMY:
            _dummy(board, port, at, frame.width - 2 * PAD)
        else:
            _rail(board, machine, name, at, frame.width - 2 * PAD)
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
        ink = "address-dim" if i == 0 and machine.pod_cidr else "note"
        marks.append(Words(ink, x + width - PAD, y + 18 + 14 * i, words, "end"))
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
    left = x + (frame.width - used * pitch + (GAP / 2 if frame.rows > 1 else GAP)) / 2
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
        board.badges[space.scope] = (at[0] + 10, at[1] - 3)
        lane = at[0] + frame.card.width + GAP / 2 + max(0.0, frame.lane - 4.0 * row)
        for port, tab in zip([p for p in space.ports if p.kind != "loopback"], tabs, strict=True):
            board.place(port, tab)
            _drop(board, port, tab, lane if row < frame.rows - 1 else None)


def _drop(board: Board, port: Port, tab: Point, lane: float | None) -> None:
    """The way from a pod's tab to the rail of its other end; the host's end lies where it meets the rail."""
    if port.peer is None or (end := (port.peer[0], str(port.peer[2]))) not in board.ports:
        return
    foot = board.ports[end][1]
    x = tab[0] if lane is None else lane
    bend = () if lane is None else ((tab[0], tab[1] + 5), (x, tab[1] + 5))
    board.ports[end] = (x, foot)
    board.wires[(port.key[0], port.name), end] = (tab, *bend, (x, foot))


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
    wire = (
        Line("wire-bundle", ((x, foot), (x, height - TRACK))),
        Words("note", x + 6, foot + 14, f"{machine.hidden} veth pairs"),
    )
    board.wiring.append(Thing(f"wires {machine.root.scope}", f"{machine.hidden} veth pairs", wire))


def _rail(board: Board, machine: Machine, name: str, at: Point, width: float) -> None:
    """A bridge as a bar that its ports stand on; or, without a bridge, a line that says so."""
    root, (x, y) = machine.root, at
    members = [p for p in root.ports if _is_host_end(p) and (p.master == name if name else not p.master)]
    track = y + TRACK
    for i, port in enumerate(members):
        board.drawn[root.scope, port.name] = port
        board.rails[root.scope, port.name] = track
        board.ports[root.scope, port.name] = (x + 30 + i * 12 % max(1, width - 60), y if name else track)
    bridge = root.port(name) if name else None
    if bridge is None:
        words = "no bridge: routed to each veth" if members else "no bridge"
        marks: tuple[Mark, ...] = (
            Line("no-bridge", ((x, track), (x + width, track))),
            Words("note", x, track + 16, words),
        )
        board.things.append(Thing(f"{root.scope} rail", f"{root.name}: {words}", marks))
        return
    board.rails[root.scope, name] = track
    board.bridges.add((root.scope, name))
    board.place(bridge, (x + width / 2, track))
    board.badges[f"{root.scope} {name}"] = (x + width / 2 - 16, y + BAR - 12)
    state = "" if bridge.up else "  ✕ down"
    address = bridge.addresses[0] if bridge.addresses else "no address"
    marks = (
        Rect("bridge" if bridge.up else "bridge-down", x, y, width, BAR, 5),
        Words("name", x + 10, y + BAR - 8, cut(name, 80, 7) + state),
        Words("note", x + 14 + 7 * len(cut(name, 80, 7) + state), y + BAR - 8, "" if state else "bridge"),
        Words("address", x + width - 10, y + BAR - 8, address, "end"),
    )
    says = (
        f"bridge {name} on {root.name}, {address}, {bridge.mac}, {'up' if bridge.up else 'down'}, {len(members)} ports"
    )
    board.things.append(Thing(f"{root.scope} {name}", says, marks, root.scope))


def _tunnel(board: Board, port: Port, at: Point, width: float) -> None:
    """A tunnel's device as a bar that says what it puts around packets, and which machines they then go to."""
    (x, y), scope = at, port.key[0]
    board.rails[scope, port.name] = y + BAR / 2
    board.place(port, (x + width / 2, y + BAR / 2))
    far = ", ".join(tunnel.far[0].partition(":")[2] for tunnel in port.tunnels) or "nobody"
    label = LABELS[port.kind]
    name, address = port.name + ("" if port.up else "  ✕ down"), port.addresses[0] if port.addresses else ""
    marks = (
        Rect("tunnel" if port.up else "tunnel-down", x, y, width, BAR, 5),
        Words("name", x + 10, y + 15, name),
        Words("address-dim", x + width - 10, y + 15, address, "end"),
        Words("note", x + 10, y + 29, cut(f"{label} to {far}", width - 20, 5.6)),
    )
    state = "up" if port.up else "down"
    says = f"{port.name} on {scope.partition(':')[2]}, {state}: a tunnel's device, {label} to {far}"
    board.things.append(Thing(f"{scope} {port.name}", says, marks, scope))


def _dummy(board: Board, port: Port, at: Point, width: float) -> None:
    """A device without a cable: it is there for its addresses, which are this machine's own, up or down."""
    (x, y), scope = at, port.key[0]
    board.rails[scope, port.name] = y + BAR / 2
    board.place(port, (x + width / 2, y + BAR / 2))
    first, *others = port.addresses or ("no address",)
    more = f"and {len(others)} more" if len(others) > 1 else "".join(others)
    marks = (
        Rect("nic", x, y, width, BAR, 5),
        Words("name", x + 10, y + 15, port.name),
        Words("note", x + width - 10, y + 15, "dummy", "end"),
        Words("address-dim", x + 10, y + 29, first),
        Words("address-dim", x + width - 10, y + 29, more, "end"),
    )
    owner = scope.partition(":")[2]
    says = f"{port.name} on {owner}: a dummy, with addresses of this machine: {', '.join((first, *others))}"
    board.things.append(Thing(f"{scope} {port.name}", says, marks, scope))


def _routing(board: Board, machine: Machine, x: float, y: float, rail: float) -> None:
    """A machine's routing (between its bridge and its eth0), and the eth0 itself."""
    root = machine.root
    words = f"ip_forward={int(root.forwards)}"
    role = "wire-inner" if root.forwards else "wire-cut"
    eth0 = root.port("eth0")
    stem = (Line(role, ((x, rail), (x, y - PILL / 2))), Line(role, ((x, y + PILL / 2), (x, y + 28))))
    pill = (
        Rect("routing" if root.forwards else "routing-off", x - 108, y - PILL / 2, 216, PILL, 13),
        Words("note", x - 10, y + 4, "routing" if root.forwards else "✕ routing", "end"),
        Words("pill", x + 10, y + 4, words),
    )
    board.wiring.append(Thing(f"stem {root.scope}", "", stem))
    listens = f", listens on {', '.join(root.listens[:6])}" if root.listens else ""
    board.things.append(Thing(f"{root.scope}", f"{root.name}: routing, {words}{listens}", pill, root.scope))
    if eth0 is None:
        return
    top = y + 28
    address = eth0.addresses[0] if eth0.addresses else "no address"
    marks = (
        Rect("nic" if eth0.up else "nic-down", x - 118, top, 236, 36, 5),
        Words("name", x - 109, top + 15, "eth0" + ("" if eth0.up else "  ✕ down")),
        Words("address-dim", x - 109, top + 29, eth0.mac),
        Words("address", x + 111, top + 15, address, "end"),
        Words("note", x + 111, top + 29, "node network", "end"),
    )
    says = f"eth0 of {root.name}, {address}, {eth0.mac}, {'up' if eth0.up else 'down'}"
    board.things.append(Thing(f"{root.scope} eth0", says, marks, root.scope))
    board.place(eth0, (x, top + 36))


def rails_of(machine: Machine) -> list[str]:
    """The rows under a machine's pods: one for each bridge, one for host ends that are on no bridge (''), one for each
    tunnel's device that is on no bridge itself, one for each dummy."""
    bridges = [p.name for p in machine.root.ports if p.kind == "bridge"]
    loose = [p for p in machine.root.ports if _is_host_end(p) and p.master not in bridges]
    tunnels = [p.name for p in machine.root.ports if p.kind in LABELS and not p.master]
    dummies = [p.name for p in machine.root.ports if p.kind == DUMMY]
    return bridges + ([""] if loose or not bridges else []) + tunnels + dummies


def _is_host_end(port: Port) -> bool:
    tunnel = port.kind in LABELS and not port.master
    return port.kind not in ("loopback", "bridge", DUMMY) and port.name != "eth0" and not tunnel
