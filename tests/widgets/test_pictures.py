"""Every face of a picture says the same facts, and says them again in the same words."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html import unescape
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from k8slearn import Cluster
from k8slearn.journal import Put, World
from k8slearn.linux import addr, link, netns
from k8slearn.widgets import faces, journey, picture, trace_words
from k8slearn.widgets.layout import sheet
from k8slearn.widgets.marks import Rect, Sheet, Words
from k8slearn.widgets.scene import scene

SVG = "{http://www.w3.org/2000/svg}"


def facts(world: World) -> set[str]:
    """Every address, MAC and name that the world's own rows hold."""
    found: set[str] = set()
    for (_, table), rows in world.tables().items():
        if table == "addr":
            found |= {row.address for row in rows.values() if not row.address.startswith("127.")}
        if table == "link":
            found |= {row.mac for row in rows.values() if row.kind == "veth" and row.name == "eth0"}
        if table == "services":
            found |= {str(name) for name in rows} | {s["spec"]["clusterIP"] for s in rows.values()}
    return found


def shown(svg: str) -> str:
    """All that an SVG says: its words and its titles."""
    root = ElementTree.fromstring(svg)
    return "\n".join(e.text or "" for e in root.iter() if e.tag in (f"{SVG}text", f"{SVG}title"))


def figured(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(("nodes", "pods"), [(1, 0), (1, 3), (2, 2), (3, 5), (2, 40)])
def test_every_face_says_every_address_and_name(
    wire: Callable[..., World], add_service: Any, nodes: int, pods: int
) -> None:
    world = wire(nodes, pods)
    add_service(world, "default/api", "10.96.0.10", ["10.244.0.2"])
    for said in (shown(picture.svg(world)), picture.text(world)):
        assert not {fact for fact in facts(world) if fact not in said}
    graph = picture.graph(world)
    links = {data["key"] for _, data in graph.nodes(data=True) if data["key"][1] == "link"}
    assert links == {
        (scope, "link", name) for (scope, table), rows in world.tables().items() if table == "link" for name in rows
    }


def test_the_figure_says_the_words_of_the_svg(wire: Callable[..., World]) -> None:
    world = wire(2, 3)
    root = ElementTree.fromstring(picture.svg(world))
    assert figured(picture.draw(world)) == [e.text or "" for e in root.iter(f"{SVG}text")]


def test_the_graph_carries_the_engines_keys(cluster: Any) -> None:
    graph = cluster.graph()
    assert all(
        node == data["key"] and cluster.world.get(data["key"]) is not None for node, data in graph.nodes(data=True)
    )
    assert all(cluster.world.get(data["key"]) is not None for *_, data in graph.edges(data=True))
    wires = {(a, b) for a, b, data in graph.edges(data=True) if data["kind"] == "veth"}
    assert {(b, a) for a, b in wires} == wires


def test_drawing_twice_gives_the_same_bytes_in_another_process_too(cluster: Any) -> None:
    source = "from k8slearn import Cluster; c = Cluster(nodes=2); print(c.svg() + c.text(), end='')"
    runs = {subprocess.run([sys.executable, "-c", source], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1
    assert cluster.svg() == cluster.svg()


def test_no_two_boxes_of_pods_overlap_and_nothing_leaves_the_paper(wire: Callable[..., World]) -> None:
    for nodes, pods in [(1, 1), (2, 3), (3, 4), (3, 14), (5, 9), (2, 99), (8, 3)]:
        drawn = sheet(scene(wire(nodes, pods)))
        boxes = [m for t in drawn.things for m in t.marks if isinstance(m, Rect) and m.role == "pod"]
        assert len(boxes) == nodes * pods
        assert not [pair for pair in combinations(boxes, 2) if _overlap(*pair)]
        for mark in (m for t in drawn.things for m in t.marks if isinstance(m, Rect)):
            assert mark.x >= 0
            assert mark.x + mark.width <= drawn.width
            assert mark.y >= 0
            assert mark.y + mark.height <= drawn.height


def _overlap(a: Rect, b: Rect) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def test_more_than_two_hundred_pods_are_counted_and_not_drawn(wire: Callable[..., World]) -> None:
    world = wire(3, 70)
    svg, text = picture.svg(world), picture.text(world)
    assert svg.count('class="ks-pod"') == 0
    assert shown(svg).count("70 pods") >= 3
    assert text.count("70 pods, each with its own veth pair") == 3
    assert "210 pods" in text
    assert picture.graph(world).graph["hidden"] == {"node-1": 70, "node-2": 70, "node-3": 70}


def test_two_hundred_pods_are_drawn_one_by_one(wire: Callable[..., World]) -> None:
    assert picture.svg(wire(2, 100)).count('class="ks-pod"') == 200


def test_a_trace_shows_its_own_pods_among_hundreds(wire: Callable[..., World]) -> None:
    world = wire(3, 70)
    scope = next(s for s in world.scopes("netns") if "/" in s)
    assert [m.hidden for m in scene(world, {scope}).of_kind("node")] == [69, 70, 70]


def test_what_is_down_is_said_in_words(wire: Callable[..., World], do: Any) -> None:
    world = wire(2, 2)
    do(world, link.set_down(world, "node:node-1", "cni0"))
    do(world, [Put(("node:node-2", "sysctl", "net.ipv4.ip_forward"), "0")])
    assert "✕ down" in shown(picture.svg(world))
    assert "DOWN" in picture.text(world)
    assert "✕ routing" in shown(picture.svg(world))
    assert "ip_forward=0" in picture.text(world)


def test_a_namespace_that_a_learner_made_is_drawn_with_its_wire(wire: Callable[..., World], do: Any) -> None:
    world = wire(1, 1)
    do(world, netns.add(world, "node:node-1", "blue"))
    do(world, link.add_veth(world, "node:node-1/blue", "eth0", "node:node-1", "to-blue"))
    do(world, addr.add(world, "node:node-1/blue", "eth0", "10.9.9.9/24"))
    for said in (shown(picture.svg(world)), picture.text(world)):
        assert "10.9.9.9" in said
        assert "blue" in said
        assert "to-blue" in said


def test_a_name_with_markup_in_it_stays_a_name(wire: Callable[..., World], do: Any) -> None:
    world = wire(1, 1)
    do(world, netns.add(world, "node:node-1", "x", '<script>alert("x")</script>'))
    svg = picture.svg(world)
    ElementTree.fromstring(svg)
    assert "<script" not in svg


def test_any_world_has_a_picture(wire: Callable[..., World]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(nodes=some.integers(0, 12), pods=some.integers(0, 25), bridge=some.booleans())
    def law(nodes: int, pods: int, bridge: bool) -> None:
        world = wire(nodes, pods, bridge)
        drawn = sheet(scene(world))
        assert drawn == sheet(scene(world))
        assert all(0 <= m.x <= drawn.width for t in drawn.things for m in t.marks if isinstance(m, Words))

    law()


def ways(drawn: Sheet, trace: dict[str, Any]) -> list[journey.Stop]:
    return journey.stops(drawn, trace["steps"])


@pytest.mark.parametrize(
    "destination", ["default/far", "default/near", "svc:default/web", "node:node-2", "outside", "10.99.9.9"]
)
def test_a_packets_way_is_one_line_from_step_to_step(cluster: Any, destination: str) -> None:
    trace = cluster.trace("default/client", destination).to_dict()
    drawn = sheet(scene(cluster.world))
    before = None
    for step, stop in zip(trace["steps"], ways(drawn, trace), strict=True):
        assert stop.way[-1] == stop.at
        assert before is None or stop.way[0] == before or step["what"] == "send"
        assert 0 <= stop.at[0] <= drawn.width
        before = stop.at


def test_the_picture_of_a_trace_and_its_table_count_the_same_hops(cluster: Any) -> None:
    trace = cluster.trace("default/client", "default/far")
    told = journey.told(trace.to_dict())
    hops = max(trace_words.numbers(told).values())
    assert trace.svg().count('data-thing="hop ') == hops
    html = unescape(trace._repr_mimebundle_()["text/html"])
    assert html.count("<tr>") == hops + 1
    places = [h.place for h in journey.hops(sheet(scene(cluster.world)), told)]
    assert places[:5] == ["default/client", "node-1", "switch", "node-2", "default/far"]


@pytest.mark.parametrize(
    ("destination", "port", "protocol"),
    [("no.such.name", 80, "TCP"), ("default/far", 53, "UDP"), ("default/client", 81, "TCP")],
)
def test_any_attempt_has_a_picture_and_words(cluster: Any, destination: str, port: int, protocol: str) -> None:
    trace = cluster.trace("default/client", destination, port, protocol)
    ElementTree.fromstring(trace.svg())
    assert trace.outcome in trace.text().splitlines()[0]
    assert set(trace._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert trace.draw() is not None


def test_where_an_attempt_dies_is_marked_and_said(cluster: Any) -> None:
    cluster.node("node-2").run("ip link set cni0 down")
    trace = cluster.trace("default/client", "default/far")
    assert "✕" in shown(trace.svg())
    assert trace.outcome in trace.text().splitlines()[0]


def test_a_bridged_packet_is_not_drawn_through_the_routing(cluster: Any) -> None:
    trace = cluster.trace("default/client", "default/near").to_dict()
    drawn = sheet(scene(cluster.world))
    told = {s["n"] for s in journey.told(trace)}
    home = drawn.homes["node:node-1"]
    assert home not in [stop.at for s, stop in zip(trace["steps"], ways(drawn, trace), strict=True) if s["n"] in told]


def test_a_notebook_without_widgets_gets_a_picture_with_words(cluster: Any) -> None:
    bundle = faces.cluster_mimebundle(cluster.world)
    assert bundle["text/plain"] == picture.text(cluster.world).rstrip()
    assert bundle["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    assert 'alt="Topology: 2 nodes, 3 pods' in bundle["text/html"]


def test_drawing_imports_nothing_but_python(cluster: Any) -> None:
    source = (
        "import sys; from k8slearn import Cluster; c = Cluster(nodes=2); c.svg(); c.text(); c._repr_mimebundle_(); "
        "print([m for m in ('matplotlib', 'networkx', 'ipywidgets', 'anywidget', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_tunnel_is_an_edge_from_device_to_device_and_a_line_of_the_text() -> None:
    cluster = Cluster(nodes=3, network="flannel")
    graph = cluster.graph()
    found = {(a[0], b[0]) for a, b, data in graph.edges(data=True) if data["kind"] == "tunnel"}
    nodes = [f"node:node-{n}" for n in (1, 2, 3)]
    assert found == {(a, b) for a in nodes for b in nodes if a != b}
    assert all(cluster.world.get(data["key"]) is not None for *_, data in graph.edges(data=True))
    (line,) = (line for line in cluster.text().splitlines() if "VXLAN to node-1" in line and "node-2" in line)
    assert line.strip().startswith("flannel.1  10.244.2.0/32  ")


TUNNELS = [("flannel", "flannel.1", "VXLAN"), ("calico", "tunl0", "IP-in-IP")]


@pytest.mark.parametrize(("network", "device", "label"), TUNNELS)
def test_a_tunnel_is_a_bar_that_says_its_kind_and_a_dotted_line_to_each_end(
    network: str, device: str, label: str
) -> None:
    cluster = Cluster(nodes=3, network=network)
    svg, text = cluster.svg(), cluster.text()
    for number, others in ((1, "node-2, node-3"), (2, "node-1, node-3"), (3, "node-1, node-2")):
        assert f"{device} on node-{number}, up: a tunnel&#x27;s device, {label} to {others}" in svg
        assert f"{label} to {others}" in text
    assert svg.count('class="ks-tunnel-way"') == 3
    assert f"tunnel, {label}: node:node-1 {device} to node:node-2 {device}, and back" in svg
    assert "routed to each veth" not in svg
    found = {(a[0], b[0]) for a, b, data in cluster.graph().edges(data=True) if data["kind"] == "tunnel"}
    assert len(found) == 6


def test_a_tunnel_that_one_end_has_forgotten_is_drawn_as_cut() -> None:
    cluster = Cluster(nodes=2, network="flannel")
    mac = cluster.node("node-1").run("bridge fdb show dev flannel.1").stdout.split()[0]
    cluster.node("node-1").run(f"bridge fdb del {mac} dev flannel.1")
    svg = cluster.svg()
    assert "VXLAN to nobody" in svg
    assert "tunnel, VXLAN: node:node-2 flannel.1 to node:node-1 flannel.1, and not back" in svg


def test_a_dummy_is_drawn_with_its_addresses_and_is_no_end_of_a_pods_cable() -> None:
    drawn = Cluster(nodes=1, dns="node-local-dns").trace("node:node-1", "10.96.0.10", 53, "UDP").svg()
    assert "nodelocaldns on node-1: a dummy, with addresses of this machine: 169.254.20.10/32, 10.96.0.10/32" in drawn
    assert "no bridge" not in drawn
