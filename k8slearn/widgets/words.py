"""A topology in words: the picture's text twin, for eyes that cannot use a picture.

Nothing here is shortened that the picture shows in full; what the picture counts, the words count too.

Left out: routes, neighbours and rules of a namespace (`details`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8slearn.journal import Key
from k8slearn.widgets.scene import Machine, Port, Scene, Space
from k8slearn.widgets.tunnels import LABELS

NETWORKS = (
    ("cluster", "Cluster network", "Services; no wire carries it, it lives in rules"),
    ("pod", "Pod network", "every pod has an address of its own"),
    ("node", "Node network", "the machines, joined by a switch"),
)


def summary(scene: Scene) -> str:
    """One sentence: what a picture of this scene shows (its alternative text)."""
    nodes = scene.of_kind("node")
    pods = sum(m.pods for m in nodes)
    count = len(nodes) + scene.hidden_nodes
    each = "; ".join(f"{m.root.name} {m.root.address} with {_count(m.pods, 'pod')}" for m in nodes)
    services = _count(len(scene.services), "Service")
    return f"Topology: {_count(count, 'node')}, {_count(pods, 'pod')}, {services}. {each}"


def topology(scene: Scene) -> str:
    """The whole topology in lines of text."""
    return "\n".join(_topology(scene)) + "\n"


def _topology(scene: Scene) -> Iterator[str]:
    yield summary(scene).partition(". ")[0]
    for name, title, note in NETWORKS:
        if scene.networks[name]:
            several = len(scene.of_kind("switch")) if name == "node" else 0
            said = f"the machines, on {several} switches with routers between them" if several > 1 else note
            yield f"  {title:16}{scene.networks[name]:18} {said}"
    for machine in scene.machines:
        if machine.root.kind == "node":
            yield ""
            yield from _node(machine)
    if scene.hidden_nodes:
        yield f"\nand {_count(scene.hidden_nodes, 'more node')}"
    if scene.unplaced:
        yield f"\npods without a node: {', '.join(scene.unplaced)}"
    yield ""
    for machine in scene.machines:
        if machine.root.kind != "node":
            yield from _other(machine.root)
    if scene.services:
        yield "\nServices"
        for s in scene.services:
            ports = ",".join(s.ports)
            yield f"  {s.name}  {s.kind}  {', '.join(s.addresses) or 'no address'}  {ports}  → " + (
                ", ".join(s.endpoints) or "no endpoints"
            )


def _node(machine: Machine) -> Iterator[str]:
    root = machine.root
    words = [
        f"{root.name}  {root.address}",
        "control plane" if machine.control_plane else "",
        f"pods from {machine.pod_cidr}" if machine.pod_cidr else "",
        f"ip_forward={int(root.forwards)}",
        f"listens on {', '.join(root.listens)}" if root.listens else "",
    ]
    yield "  ".join(filter(None, words))
    inside = {p.peer: (space, p) for space in machine.spaces for p in space.ports if p.peer}
    for port in root.ports:
        if port.kind != "loopback" and not port.master:
            yield from _link(port, root, inside, "  ")
    loose = [s for s in machine.spaces if not any(p.peer and p.peer[0] == root.scope for p in s.ports)]
    for space in loose:
        yield f"  {_space(space)}  (no wire to the node)"
    if machine.hidden:
        yield f"  {_count(machine.hidden, 'more pod' if machine.spaces else 'pod')}, each with its own veth pair"
    for title, names in (("on the host's network", machine.host_network), ("waiting", machine.waiting)):
        if names:
            yield f"  {title}: {', '.join(names)}"


def _link(port: Port, root: Space, inside: Mapping[Any, tuple[Space, Port]], indent: str) -> Iterator[str]:
    kind = "bridge  " if port.kind == "bridge" else ""
    state = "" if port.up else "  DOWN"
    far = inside.get(port.key)
    end = f"  ── {_far(port)}" if far is None and port.peer else f"  ── {_space(far[0], far[1])}" if far else ""
    far_ends = ", ".join(_machine_of(tunnel.far) for tunnel in port.tunnels)
    end = end or (f"  ── {LABELS[port.kind]} to {far_ends}" if far_ends else "")
    yield f"{indent}{port.name}  {kind}{' '.join(port.addresses) or '-'}  {port.mac}{state}{end}"
    for member in root.ports:
        if port.kind == "bridge" and member.master == port.name:
            yield from _link(member, root, inside, indent + "  ")


def _machine_of(key: Key) -> str:
    return key[0].partition(":")[2]


def _far(port: Port) -> str:
    scope, _, name = port.peer or ("", "", "")
    return f"{scope} {name}"


def _space(space: Space, port: Port | None = None) -> str:
    ports = [port] if port else [p for p in space.ports if p.kind != "loopback"]
    links = " ".join(f"{p.name} {' '.join(p.addresses) or '-'} {p.mac}{'' if p.up else ' DOWN'}" for p in ports)
    listens = f"  listens on {', '.join(space.listens)}" if space.listens else ""
    return f"{links}  {space.kind} {space.name}{listens}"


def _other(space: Space) -> Iterator[str]:
    ports = [p for p in space.ports if p.kind not in ("loopback", "bridge")]
    links = [" ".join([p.name, *p.addresses, *([] if space.kind == "switch" else [p.mac])]) for p in ports]
    name = f"outside:{space.name}" if space.kind == "outside" else space.name
    down = [p.name for p in space.ports if not p.up and p.kind != "loopback"]
    yield f"{name}  {', '.join(links)}" + (f"  DOWN: {', '.join(down)}" if down else "")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
