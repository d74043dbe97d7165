"""The widgets' Python side, without a browser: what they send is what the cluster says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from k8slearn import open_exercise
from k8slearn.trace import WORDS

pytest.importorskip("anywidget", reason="anywidget is not installed")
from k8slearn.widgets import exercise_card, player, topology

STATIC = Path(__file__).parents[2] / "k8slearn" / "widgets" / "static"


def test_the_player_plays_every_step_of_the_trace(cluster: Any) -> None:
    shown = player(cluster, "default/client", "default/far")
    expected = cluster.trace("default/client", "default/far")
    shown.ask("default/client", "default/far", prediction="connected")
    assert shown.result["outcome"] == shown.result["prediction"] == "connected"
    assert [step["says"] for step in shown.result["steps"]] != []
    assert len(shown.result["steps"]) == len(expected.steps)
    assert all(step["meaning"] == WORDS[step["what"]] for step in shown.result["steps"])
    assert sum(leg["count"] for leg in shown.result["legs"]) == len(shown.result["steps"])
    json.dumps(shown.result)


def test_sending_with_the_player_is_an_input_like_any_other(cluster: Any) -> None:
    shown = player(cluster, "default/client", "default/far")
    shown.ask("default/client", "default/far")
    last = cluster.journal.inputs()[-1]
    assert (last.kind, last.arguments["destination"]) == ("send", "default/far")


def test_what_cannot_be_sent_is_a_sentence(cluster: Any) -> None:
    shown = player(cluster)
    for asked in [
        ("default/nobody", "default/far", 80),
        ("default/client", "default/far", 0),
        ("default/client", "", 80),
    ]:
        shown.ask(*asked)
        assert shown.result["error"]
        assert "Traceback" not in shown.result["error"]
        assert shown.result["steps"] == []


def test_the_player_offers_a_pod_as_soon_as_it_exists(cluster: Any) -> None:
    shown = player(cluster)
    cluster.kubectl("run late --image=nginx")
    assert "default/late" in shown.places["sources"][0]["values"]
    assert any("svc:default/web" in group["values"] for group in shown.places["destinations"])


def test_a_changed_header_is_marked_and_an_equal_one_is_not(cluster: Any) -> None:
    shown = player(cluster)
    shown.ask("default/client", "svc:default/web")
    changed = [(s["what"], f["name"]) for s in shown.result["steps"] for f in s["fields"] if f["changed"]]
    assert ("nat", "IP to") in changed
    assert all(f["changed"] == (f["before"] != f["after"]) for s in shown.result["steps"] for f in s["fields"])


def test_the_topology_follows_the_cluster_and_shows_tables_in_the_tools_words(cluster: Any) -> None:
    shown = topology(cluster)
    shown.focus = "node:node-1"
    before = {table["command"]: table["text"] for table in shown.detail["tables"]}
    assert "10.244.1.0/24 via 192.168.64.12" in before["ip route"]
    cluster.node("node-1").run("ip route del 10.244.1.0/24")
    after = {table["command"]: table["text"] for table in shown.detail["tables"]}
    assert after["ip route"] == cluster.node("node-1").run("ip route").stdout.rstrip()
    assert after["ip route"] != before["ip route"]


def test_looking_at_tables_leaves_no_entry_in_the_journal(cluster: Any) -> None:
    shown = topology(cluster)
    before = cluster.journal.revision
    for scope in list(shown._scopes):
        shown.focus = scope
        assert shown.detail["tables"]
    assert cluster.journal.revision == before


def test_every_widget_shows_a_still_picture_and_words_where_no_widget_runs(cluster: Any) -> None:
    for shown in (topology(cluster), player(cluster)):
        data, _ = shown._repr_mimebundle_()
        assert data["text/html"].startswith("<img src=")
        assert "node-1  192.168.64.11" in data["text/plain"]
        assert "0x" not in repr(shown) + data["text/plain"]


@pytest.fixture
def predict() -> Any:
    return open_exercise("01-predict", learner="alice", autosave=False)


def test_a_prediction_is_recorded_before_the_packet_is_sent(predict: Any) -> None:
    client, server = predict.variant["client"], predict.variant["server"]
    shown = player(predict.cluster, exercise=predict, question="there")
    shown.ask(f"default/{client}", f"default/{server}", predict.variant["port"], prediction="unreachable")
    assert predict.answers["there"].value == "unreachable"
    inputs = predict.cluster.journal.inputs()
    assert [i.kind for i in inputs[-2:]] == ["answer", "send"]


def test_without_a_prediction_nothing_is_sent_for_a_question(predict: Any) -> None:
    shown = player(predict.cluster, exercise=predict, question="there")
    before = predict.cluster.journal.revision
    shown.ask(f"default/{predict.variant['client']}", f"default/{predict.variant['server']}")
    assert "error" in shown.result
    assert predict.cluster.journal.revision == before


def test_a_step_can_be_handed_in_as_evidence() -> None:
    exercise = open_exercise("01-witness", learner="alice", autosave=False)
    names = sorted(str(name) for name in exercise.cluster.world.table("api", "pods"))
    shown = player(exercise.cluster, exercise=exercise, question="witness")
    assert shown.takes_evidence
    shown.ask(names[0], names[1])
    shown.handed_in = {"number": 1, "step": 3}
    given = exercise.answers["witness"].value
    assert (given["source"], given["destination"], given["step"]) == (names[0], names[1], 3)
    again = exercise.cluster.at(given["revision"]).trace(names[0], names[1])
    assert [s.says for s in again.steps] == [s["says"] for s in shown.result["steps"]]


def test_the_card_turns_from_not_done_to_done(predict: Any) -> None:
    card = exercise_card(predict)
    assert not card.done
    right = {
        "closed": "refused",
        "there": "unreachable",
        "back": "timeout",
        "address": f"10.244.{predict.variant['place.whole_slice']}.2",
    }
    for number, (question, value) in enumerate(right.items()):
        card.wish = {"number": number, "does": "answer", "question": question, "value": value}
    assert {q["id"]: q["given"] for q in card.questions} == right
    card.wish = {"number": 10, "does": "check"}
    assert "done: 5 of 5 points" in card.said
    assert card.done
    assert repr(card).endswith("done>")


def test_an_answer_explains_itself_once_it_is_checked_and_the_others_when_all_is_done(predict: Any) -> None:
    card = exercise_card(predict)
    explains = {c.value: c.explains for q in predict.questions if q.id == "closed" for c in q.choices}

    def closed() -> dict[str, Any]:
        return next(q for q in card.questions if q["id"] == "closed")

    card.wish = {"number": 1, "does": "answer", "question": "closed", "value": "timeout"}
    assert (closed()["explains"], closed()["others"]) == ("", [])
    card.wish = {"number": 2, "does": "check"}
    assert (closed()["explains"], closed()["others"]) == (explains["timeout"], [])
    card.wish = {"number": 3, "does": "answer", "question": "closed", "value": "refused"}
    assert closed()["explains"] == ""
    right = {"there": "unreachable", "back": "timeout", "address": f"10.244.{predict.variant['place.whole_slice']}.2"}
    for number, (question, value) in enumerate(right.items()):
        card.wish = {"number": 4 + number, "does": "answer", "question": question, "value": value}
    card.wish = {"number": 9, "does": "check"}
    others = [[value, why] for value, why in explains.items() if value != "refused"]
    assert (closed()["explains"], closed()["others"]) == (explains["refused"], others)


def test_the_card_refuses_what_is_no_answer_in_a_sentence(predict: Any) -> None:
    card = exercise_card(predict)
    card.wish = {"number": 1, "does": "answer", "question": "closed", "value": "perhaps"}
    assert card.said.startswith("✕")
    card.wish = {"number": 2, "does": "hint"}
    assert card.said.startswith("Hint 1 of")


@pytest.mark.parametrize("module", sorted(path.name for path in STATIC.glob("*.js")))
def test_a_widgets_module_is_plain_and_asks_nobody(module: str) -> None:
    source = (STATIC / module).read_text(encoding="utf-8")
    assert not re.findall(r"^\s*import\s", source, re.MULTILINE)
    assert not re.findall(r"\bfetch\(|XMLHttpRequest|https?://(?!www\.w3\.org)", source)
    assert "stopPropagation" in source
    assert "export default { render }" in source


def test_the_topologys_slider_goes_back_to_what_was_and_forward_again(cluster: Any) -> None:
    shown = topology(cluster)
    before = shown.svg
    cluster.kubectl("run late --image=nginx")
    assert "default/late" in shown.text
    assert shown.moments[-1] == "kubectl run late --image=nginx"
    shown.moment -= 1
    assert shown.svg == before
    assert "default/late" not in shown.text
    shown.moment = 0
    assert "default/client" not in shown.text
    shown.moment = len(shown.moments) - 1
    assert "default/late" in shown.text


def test_the_slider_of_an_exercise_begins_at_its_start() -> None:
    exercise = open_exercise("05-mend-the-route", learner="alice")
    assert topology(exercise.cluster).moments == ["the start"]
