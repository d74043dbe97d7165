"""axe-core finds nothing wrong with the widgets, in light and in dark, each alone in a page of its own.

Inside JupyterLab axe does not judge contrast, so a widget's module is given a model of plain values here. axe-core
comes from npm when the test runs; it is not part of this project.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

STATIC = Path(__file__).parents[2] / "k8slearn" / "widgets" / "static"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A widget</title>
<style>%(css)s h1, h2 { font-size: 1px; }</style></head><body data-jp-theme-light="%(light)s"><main>
<h1>k8slearn</h1><h2>A widget</h2><div id="root" data-theme="%(theme)s"></div></main><script type="module">
const url = URL.createObjectURL(new Blob([%(source)s], {type: "text/javascript"}));
const state = %(state)s, heard = {};
window.model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; (heard[name] ?? []).forEach((hear) => hear()); },
  save_changes: () => {},
  on: (event, hear) => (heard[event.replace("change:", "")] ??= []).push(hear),
  off: () => {},
};
(await import(url)).default.render({model: window.model, el: document.getElementById("root")});
window.ready = true;
</script></body></html>"""


@pytest.fixture(scope="module")
def states() -> dict[str, tuple[str, dict[str, Any]]]:
    """Each widget's module and what its model holds: before and after a packet was sent, with a box chosen."""
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    from k8slearn import Cluster, open_exercise
    from k8slearn.widgets import exercise_card, player, topology

    cluster = Cluster(nodes=2)
    spec = {"containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}]}
    for name, node in (("client", "node-1"), ("far", "node-2")):
        cluster.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {**spec, "nodeName": node}}
        )
    fresh, sent = player(cluster, "default/client", "default/far"), player(cluster, "default/client", "default/far")
    before = _state(fresh)
    sent.ask("default/client", "default/far", prediction="timeout")
    shown = topology(cluster)
    shown.focus = "node:node-1"
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"}}
    guarded = Cluster(nodes=1, network="calico")
    guarded.apply(Path(__file__).with_name("pods.yaml"))
    before_it = guarded.reachability()
    guarded.apply({**policy, "spec": {"podSelector": {"matchLabels": {"app": "web"}}}})
    matrix, compared = guarded.reachability().walk(), guarded.reachability().walk(before_it)
    compared.pattern = "default/*"
    compared.choose("default/client", "default/web")
    story = cluster.trace("default/client", "default/far").tables().walk()
    lost = player(cluster)
    cluster.node("node-2").run("ip link set cni0 down")
    lost.ask("default/client", "default/far")
    return {
        "player-fresh": ("player.js", before),
        "player-sent": ("player.js", _state(sent)),
        "player-lost": ("player.js", {**_state(lost), "position": len(lost.result["steps"]) - 1}),
        "topology": ("topology.js", _state(shown)),
        "matrix": ("matrix.js", _state(matrix)),
        "matrix-compared": ("matrix.js", _state(compared)),
        "story": ("story.js", _state(story)),
        "story-end": ("story.js", {**_state(story), "position": story.stops[-1]}),
        "prediction": ("exercise.js", _state(_predicted())),
        "card-done": ("exercise.js", _state(_done())),
        "card": ("exercise.js", _state(exercise_card(open_exercise("01-predict", learner="alice", autosave=False)))),
    }


def _predicted() -> Any:
    """A prediction that was wrong, then right."""
    from k8slearn import Cluster, predict

    def tells(there: Cluster) -> str:
        return str(len(there.get("nodes")))

    card = predict(
        Cluster(nodes=2), "00-nodes", "How many nodes?", {"1": "one is too few", "2": "so many"}, tells
    ).card()
    for number, value in enumerate(("1", "2")):
        card.wish = {"number": number, "does": "answer", "question": "00-nodes", "value": value}
    return card


def _done() -> Any:
    """The card of an exercise that is done: every answer explains itself."""
    from k8slearn import open_exercise
    from k8slearn.grading import shelf
    from k8slearn.grading.checks import run_file
    from k8slearn.widgets import exercise_card

    exercise = open_exercise("01-predict", learner="alice", autosave=False)
    run_file(shelf.find("01-predict") / "reference.py")["solve"](exercise)
    card = exercise_card(exercise)
    card.wish = {"number": 1, "does": "check"}
    return card


def _state(widget: Any) -> dict[str, Any]:
    everyones = ("comm", "layout", "tabbable", "tooltip")
    ours = [name for name in widget.traits(sync=True) if not name.startswith("_") and name not in everyones]
    return {name: getattr(widget, name) for name in ours}


def mounted(browser: Any, module: str, state: dict[str, Any], theme: str, motion: str = "reduce") -> Any:
    """A page with this widget alone in it."""
    source = (STATIC / module).read_text(encoding="utf-8")
    filled = {
        "css": (STATIC / "k8slearn.css").read_text(encoding="utf-8"),
        "theme": theme,
        "light": str(theme == "light").lower(),
    }
    page = browser.new_page(viewport={"width": 1000, "height": 900}, reduced_motion=motion)
    page.on("pageerror", lambda error: print(error))
    page.set_content(PAGE % {**filled, "source": json.dumps(source), "state": json.dumps(state)})
    page.wait_for_function("window.ready", timeout=5000)
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    [
        *("player-fresh", "player-sent", "player-lost", "topology", "card", "card-done", "prediction"),
        *("matrix", "matrix-compared", "story", "story-end"),
    ],
)
def test_axe_finds_nothing(browser: Any, axe: str, states: Any, look: Any, name: str, theme: str) -> None:
    module, state = states[name]
    page = mounted(browser, module, state, theme)
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    look(page, f"alone-{name}-{theme}")
    page.add_script_tag(content=axe)
    found = page.evaluate("axe.run('#root')")
    page.close()
    wrong = [
        (v["id"], v["impact"], [(n["html"][:200], n["failureSummary"]) for n in v["nodes"]])
        for v in found["violations"]
    ]
    assert wrong == []
    assert "color-contrast" in {passed["id"] for passed in found["passes"]}


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_packet_moves_only_for_those_who_like_motion(browser: Any, states: Any, motion: str) -> None:
    _, state = states["player-sent"]
    page = mounted(browser, "player.js", state, "light", motion)
    goal = page.evaluate("""() => { const steps = model.get('result').steps;
        const i = steps.findIndex((s) => s.way.length > 2); model.set('position', i);
        const [x, y] = steps[i].way.at(-1); return `translate(${x},${y})` }""")
    at_once = page.locator(".ks-packet").get_attribute("transform")
    page.wait_for_timeout(1500)
    assert page.locator(".ks-packet").get_attribute("transform") == goal
    assert (at_once == goal) is (motion == "reduce")
    page.close()
