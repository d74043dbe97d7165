"""JupyterLab in Chromium: a learner with a mouse, and one with a keyboard, send a packet and walk with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

MAKE = """\
%load_ext k8slearn
from k8slearn import Cluster
from k8slearn.widgets import player, topology
def pod(name, node):
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    spec = {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
cluster = Cluster(nodes=2)
_ = cluster.apply([pod("client", "node-1"), pod("near", "node-1"), pod("far", "node-2")])"""


@pytest.fixture(scope="module", params=["light", "dark"])
def page(request: pytest.FixtureRequest, lab: Any, write_notebook: Callable[..., str]) -> Any:
    theme = request.param
    name = write_notebook(
        f"{theme}.ipynb", MAKE, "cluster", "player(cluster, 'default/client', 'default/far')", "topology(cluster)",
        "cluster.trace('default/client', 'default/far')",
    )  # fmt: skip
    page = lab.open(name, theme)
    page.theme = theme
    lab.run_all(page)
    page.wait_for_selector(".ks-root svg.ks-picture")
    yield page
    page.context.close()


def widget(page: Any, number: int) -> Any:
    return page.locator(".ks-root").nth(number)


@pytest.fixture
def player(page: Any) -> Any:
    """A player that nobody has touched: its cell is run again."""
    shown = widget(page, 0)
    cell = page.locator(".jp-CodeCell").filter(has_text="player(cluster, ").last
    shown.evaluate("el => { el.dataset.used = 'yes' }")
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    page.wait_for_function("!document.querySelector('[data-used]') && document.querySelector('.ks-root select')")
    return widget(page, 0)


def test_a_packet_is_sent_with_the_mouse(page: Any, player: Any, look: Callable[[Any, str], None]) -> None:
    player.scroll_into_view_if_needed()
    look(player, f"player-before-{page.theme}")
    player.get_by_label("connected", exact=True).click()
    player.get_by_role("button", name="Send").click()
    player.get_by_text("✓ As you predicted: connected.").wait_for()
    steps = player.locator(".ks-count")
    assert steps.inner_text().startswith("Step 1 of ")
    for _ in range(3):
        player.get_by_role("button", name="Hop on").click()
    assert player.locator(".ks-where").inner_text() != "default/client"
    player.get_by_role("button", name="SYN-ACK").click()
    page.wait_for_function("document.querySelector('.ks-root .ks-where').innerText === 'default/far'")
    look(player, f"player-after-{page.theme}")


def test_a_packet_is_sent_and_followed_with_the_keyboard_alone(page: Any, player: Any) -> None:
    player.get_by_label("From").focus()
    page.keyboard.press("Tab")
    page.keyboard.type("default/near")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert player.locator("input[type=radio]:checked").get_attribute("value") is not None
    page.keyboard.press("Enter")
    player.get_by_text("default/client → default/near, port 80 TCP: connected").first.wait_for()
    page.wait_for_function("document.activeElement.title.startsWith('One step on')")
    for key, expected in [
        ("End", ""),
        ("Home", "default/client"),
        ("ArrowDown", "node-1"),
        ("ArrowUp", "default/client"),
    ]:
        page.keyboard.press(key)
        page.wait_for_timeout(150)
        if expected:
            assert player.locator(".ks-where").inner_text() == expected
    before = player.locator(".ks-count").inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(150)
    assert player.locator(".ks-count").inner_text() != before
    assert "Step 2 of" in player.locator(".ks-live").inner_text()
    cells = page.locator(".jp-CodeCell").count()
    page.keyboard.press("b")
    page.keyboard.press("x")
    assert page.locator(".jp-CodeCell").count() == cells


def test_a_box_of_the_topology_shows_its_tables_by_mouse_and_by_keyboard(
    page: Any, look: Callable[[Any, str], None]
) -> None:
    shown = widget(page, 1)
    shown.scroll_into_view_if_needed()
    shown.get_by_role("button", name="10.244.1.2").first.click()
    detail = shown.locator(".ks-detail")
    detail.get_by_text("pod default/far").first.wait_for()
    assert "10.244.1.2/24" in detail.inner_text()
    look(shown, f"topology-{page.theme}")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("() => !document.querySelector('.ks-detail .ks-where').innerText.includes('default/far')")
    assert "ip route" in detail.inner_text()


def test_a_prediction_is_asked_for_before_anything_is_shown(player: Any) -> None:
    assert not player.locator(".ks-count").is_visible()
    assert player.get_by_text("Predict before you look.").count() == 1


def test_without_a_widget_a_cluster_and_a_trace_are_pictures_with_words(
    page: Any, look: Callable[[Any, str], None]
) -> None:
    images = page.locator(".jp-OutputArea-output img[alt]")
    words = [images.nth(i).get_attribute("alt") for i in range(images.count())]
    assert any(w.startswith("Topology: 2 nodes, 3 pods") for w in words)
    assert any(w.startswith("default/client → default/far") for w in words)
    last = page.locator(".jp-OutputArea-output").last
    last.scroll_into_view_if_needed()
    look(last, f"trace-{page.theme}")


def test_nothing_outside_this_machine_is_asked(page: Any) -> None:
    asked = page.evaluate("performance.getEntriesByType('resource').map((r) => new URL(r.name).hostname)")
    assert set(asked) <= {"127.0.0.1", ""}
