"""What stands under the nodes: the switch as a bar, the router, other machines of the node network, and outside.

Left out: more than one switch (`segments`).
"""

from __future__ import annotations

from collections.abc import Sequence

from k8slearn.widgets.board import EDGE, Board
from k8slearn.widgets.cards import space_says
from k8slearn.widgets.marks import Rect, Thing, Words
from k8slearn.widgets.scene import Port, Scene, Space


def draw_ground(board: Board, scene: Scene, span: tuple[float, float], y: float, width: float) -> tuple[float, float]:
    """Switch, router and what is beyond; returns the foot of the node network's band and of the picture."""
    switches, routers, beyond = scene.of_kind("switch"), scene.of_kind("router"), scene.of_kind("outside")
    for switch in switches[:1]:
        _switch(board, switch.root, span, y)
    y += 24 + 26
    on_switch = {p.peer[0] for m in switches for p in m.root.ports if p.peer}
    near = [m.root for m in routers] + [m.root for m in beyond if m.root.scope in on_switch]
    far = sorted((m.root for m in beyond if m.root.scope not in on_switch), key=_cable)
    foot = y
    if near:
        foot = _row(board, near, y + 26, width) + 12
    if far:
        return foot, _row(board, far, foot + 26, width) + EDGE
    return foot, foot + EDGE


def _cable(space: Space) -> tuple[int, str]:
    """out1 before out10: hosts stand in the order of the router's ports, so that cables do not cross."""
    names = [str(p.peer[2]) for p in space.ports if p.peer]
    return (len(names[0]), names[0]) if names else (0, "")


def _switch(board: Board, root: Space, span: tuple[float, float], y: float) -> None:
    left, right = span
    top = y + 24
    bridge = next((p for p in root.ports if p.kind == "bridge"), None)
    for port in root.ports:
        if port.kind in ("loopback", "bridge"):
            continue
        other = (port.peer[0], str(port.peer[2])) if port.peer else ("", "")
        above = board.ports.get(other)
        board.rails[root.scope, port.name] = top + 13
        board.place(port, (above[0], top) if above else (left + 40, top + 26))
    if bridge is not None:
        board.rails[root.scope, bridge.name] = top + 13
        board.bridges.add((root.scope, bridge.name))
        board.place(bridge, ((left + right) / 2, top + 13))
    board.homes[root.scope] = ((left + right) / 2, top + 13)
    board.badges[root.scope] = (left + 72, top + 13)
    marks = (Rect("switch", left, top, right - left, 26, 5), Words("name", left + 12, top + 17, "switch"))
    says = f"switch, {sum(p.kind == 'veth' for p in root.ports)} ports: joins the machines of the node network"
    board.things.append(Thing(root.scope, says, marks, root.scope))


def _row(board: Board, spaces: Sequence[Space], y: float, width: float) -> float:
    """Boxes beside each other, in the middle of the picture; returns their foot."""
    card, gap = 236.0, 24.0
    stem = card / 2 + 10
    left = (width - len(spaces) * (card + gap) + gap) / 2 + card / 2 - stem
    for i, space in enumerate(spaces):
        x = left + i * (card + gap)
        nic = next((p for p in space.ports if p.kind != "loopback"), None)
        for j, port in enumerate(p for p in space.ports if p.kind != "loopback"):
            up = port.name == "eth0"
            board.place(port, (x + stem, y) if up else (x + stem + (j - 1) * 26, y + 44))
            if up:
                _hang(board, port, i)
        board.homes[space.scope] = (x + stem, y + 22)
        board.badges[space.scope] = (x + card - 46, y + 22)
        name = "outside" if space.kind == "outside" and space.name == space.address else space.name
        address = nic.addresses[0] if nic and nic.addresses else space.address or "no address"
        marks = (
            Rect(space.kind, x, y, card, 44, 8),
            Words("name", x + 16, y + 18, name),
            Words("address", x + 16, y + 34, address),
        )
        board.things.append(Thing(space.scope, space_says(space), marks, space.scope))
    return y + 44


def _hang(board: Board, port: Port, number: int) -> None:
    """The cable from what stands above: straight down from the switch, around a corner from the router."""
    peer = (port.peer[0], str(port.peer[2])) if port.peer else ("", "")
    if peer not in board.ports:
        return
    (x, y), (above_x, above_y) = board.ports[port.key[0], port.name], board.ports[peer]
    if peer in board.rails:
        board.ports[peer] = (x, above_y)
    elif x != above_x:
        turn = (above_y + y) / 2 + 3 * (number % 3)
        board.wires[peer, (port.key[0], port.name)] = ((above_x, above_y), (above_x, turn), (x, turn), (x, y))
