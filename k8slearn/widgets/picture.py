"""A world's topology in four faces that say the same facts: SVG, plain text, a networkx graph, a matplotlib figure.

networkx and matplotlib are imported when their face is asked for; the other two need nothing but Python.

Left out: interaction (see `topology`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from k8slearn.journal import World
from k8slearn.trace import Trace
from k8slearn.widgets import journey, trace_words, words
from k8slearn.widgets.layout import sheet
from k8slearn.widgets.overlay import overlay
from k8slearn.widgets.scene import scene
from k8slearn.widgets.svg import paint

if TYPE_CHECKING:
    import networkx

TraceDict = Mapping[str, Any]


def svg(world: World, trace: TraceDict | None = None) -> str:
    """The topology as SVG text; with a trace (its `to_dict()`), the packet's way over it."""
    facts = scene(world, _places(trace))
    drawn = sheet(facts)
    over = overlay(drawn, trace) if trace else ()
    return paint(drawn, trace_words.headline(trace) if trace else words.summary(facts), over)


def text(world: World, trace: TraceDict | None = None) -> str:
    """The topology in words; with a trace, the packet's way in words."""
    if trace is not None:
        return trace_words.trace_lines(trace, journey.told(trace))
    return words.topology(scene(world))


def draw(world: World, trace: TraceDict | None = None) -> Any:
    """The topology (and a packet's way over it) as a matplotlib figure."""
    from k8slearn.widgets.figure import figure

    facts = scene(world, _places(trace))
    drawn = sheet(facts)
    return figure(drawn, overlay(drawn, trace) if trace else ())


def graph(world: World) -> networkx.MultiDiGraph[Any]:
    """The topology as a networkx MultiDiGraph. Its nodes are the engine's keys: ``(scope, "link", "eth0")``.

    A node is a namespace (``(scope, "netns", "")``) or a link. An edge is ``has`` (a namespace and its link),
    ``port`` (a link and the bridge it belongs to), ``veth`` (the two ends of a pair) or ``tunnel`` (a tunnel's device
    and one that its table names). Each stands in both directions, as frames go; a tunnel in those that the tables know.
    ``graph.graph`` holds the three networks and the Services.
    """
    import networkx

    facts = scene(world)
    found: networkx.MultiDiGraph[Any] = networkx.MultiDiGraph(networks=dict(facts.networks), hidden=_hidden(facts))
    found.graph["services"] = {
        s.name: {"key": s.key, "addresses": s.addresses, "endpoints": s.endpoints} for s in facts.services
    }
    spaces = [space for m in facts.machines for space in (m.root, *m.spaces)]
    for space in spaces:
        own = (space.scope, "netns", "")
        found.add_node(own, key=own, kind=space.kind, name=space.name, listens=space.listens, forwards=space.forwards)
        for port in space.ports:
            facts_of_port = {"mac": port.mac, "up": port.up, "addresses": port.addresses}
            found.add_node(port.key, key=port.key, kind=port.kind, name=port.name, **facts_of_port)
            _both(found, own, port.key, "has", port.key)
    for port in (port for space in spaces for port in space.ports):
        if port.master and (bridge := (port.key[0], "link", port.master)) in found:
            _both(found, port.key, bridge, "port", port.key)
        if port.peer is not None and port.peer in found:
            _edge(found, port.key, port.peer, "veth", port.key)
        for tunnel in port.tunnels:
            if tunnel.far in found:
                _edge(found, port.key, tunnel.far, "tunnel", tunnel.row)
    return found


def _both(graph: networkx.MultiDiGraph[Any], a: Any, b: Any, kind: str, key: Any) -> None:
    _edge(graph, a, b, kind, key)
    _edge(graph, b, a, kind, key)


def _edge(graph: networkx.MultiDiGraph[Any], a: Any, b: Any, kind: str, key: Any) -> None:
    """networkx takes `key` for the name of one of several parallel edges: the engine's, here and in the data."""
    graph.add_edge(a, b, key=key)
    graph.edges[a, b, key].update(kind=kind, key=key)


def _hidden(facts: Any) -> dict[str, int]:
    return {m.root.name: m.hidden for m in facts.machines if m.hidden}


def _places(trace: TraceDict | None) -> frozenset[str]:
    return frozenset(step["where"] for step in trace["steps"]) if trace else frozenset()


def draw_trace(world: World, trace: Trace) -> Any:
    """`Trace.draw`: a matplotlib figure of the packet's way."""
    return draw(world, trace.to_dict())


def svg_trace(world: World, trace: Trace) -> str:
    """`Trace.svg`."""
    return svg(world, trace.to_dict())


def text_trace(world: World, trace: Trace) -> str:
    """`Trace.text`."""
    return text(world, trace.to_dict())


def mimebundle_trace(world: World, trace: Trace) -> dict[str, Any]:
    """What a notebook shows of a trace."""
    from k8slearn.widgets.faces import trace_mimebundle

    return trace_mimebundle(trace.to_dict(), world)
