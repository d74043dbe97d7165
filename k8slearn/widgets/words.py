"""The text twins: a topology, and a trace, in words. The same facts as the pictures, for eyes that cannot use them.

Nothing here is shortened that the picture shows in full; what the picture counts, the words count too.

Left out: routes, neighbours and rules of a namespace (`details`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from k8slearn.widgets.scene import Machine, Port, Scene, Space

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
            yield f"  {title:16}{scene.networks[name]:18} {note}"
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
    yield f"{indent}{port.name}  {kind}{' '.join(port.addresses) or '-'}  {port.mac}{state}{end}"
    for member in root.ports:
        if port.kind == "bridge" and member.master == port.name:
            yield from _link(member, root, inside, indent + "  ")


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


def headline(trace: Mapping[str, Any]) -> str:
    """One sentence: the question and its answer."""
    words = f"{trace['source']} → {trace['destination']}, port {trace['port']} {trace['protocol']}: {trace['outcome']}"
    if trace.get("answered_by"):
        words += f", answered by {trace['answered_by']}"
    if trace.get("source_seen"):
        words += f", which saw {trace['source_seen']} and was reached on {trace['destination_seen']}"
    return words


def trace_lines(trace: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> str:
    """A trace in lines: every step of the legs that tell the story, the other legs in one line each.

    The hops have the picture's numbers; what has none is ARP's errand on the way.
    """
    return "\n".join(_trace_lines(trace, numbers(told))) + "\n"


def numbers(told: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Step number -> number of the hop (a stay in one namespace) that it belongs to."""
    found: dict[int, int] = {}
    runs = groupby(told, key=lambda s: (s["leg"], s["direction"], s["time"], s["where"]))
    for number, (_, run) in enumerate(runs, 1):
        found.update((step["n"], number) for step in run)
    return found


def _trace_lines(trace: Mapping[str, Any], told: Mapping[int, int]) -> Iterator[str]:
    yield headline(trace)
    for (leg, direction, time), run in groupby(trace["steps"], key=lambda s: (s["leg"], s["direction"], s["time"])):
        steps = list(run)
        yield ""
        if not any(s["n"] in told for s in steps):
            yield f"{leg} ({direction}, {time:g} s): {len(steps)} steps, {' → '.join(places(steps))}"
            continue
        yield f"{leg} ({direction}, {time:g} s)"
        for (number, place), part in groupby(steps, key=lambda s: (told.get(s["n"], 0), s["place"])):
            yield f"  {number or 'ARP':<3} {place}"
            for step in part:
                yield from step_lines(step)
    chances = trace.get("fates") or ()
    if len(chances) > 1:
        yield "\nChance decides here:"
        for fate in chances:
            yield f"  {fate['fraction']:>5}  {fate['outcome']}" + (
                f", by {fate['answered_by']}" if fate["answered_by"] else ""
            )


def places(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The places that these steps pass, in order, without repeating one beside itself."""
    return [place for place, _ in groupby(s["place"] for s in steps)]


def step_lines(step: Mapping[str, Any]) -> Iterator[str]:
    """One step: what happened, what it did to the packet, and the row that decided."""
    at = " ".join(filter(None, [step.get("hook", ""), step.get("dev", "")]))
    yield f"      {step['what']:<10} {step['says']}" + (f"  [{at}]" if at else "")
    if step["after"].get("text") != step["before"].get("text"):
        yield f"      {'':<10} now {step['after'].get('text')}"
    if step.get("because"):
        yield f"      {'':<10} because {because(step['because'])}"


def because(row: Mapping[str, Any]) -> str:
    """The row that decided, and who wrote it."""
    who = author(row)
    return deciding(row) + (f"  ({who})" if who else "")


def deciding(row: Mapping[str, Any]) -> str:
    """The row that decided, as the real tool prints it; a rule with its number."""
    return (f"rule {row['position']}: " if row.get("position") else "") + str(row["text"])


def author(row: Mapping[str, Any]) -> str:
    """Who wrote the row, and because of what; empty where nobody knows."""
    cause = f" for {row['cause']}" if row.get("cause") else ""
    return f"written by {row['author']}{cause}" if row.get("author") else ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
