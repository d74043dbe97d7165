"""Predictions in lessons: the engine says what is right, the first answer counts, and progress knows the streak."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster, predict
from k8slearn.cli import main
from k8slearn.errors import Refused
from k8slearn.grading.prediction import FILE, Predicted, Prediction, predicted, streak
from k8slearn.grading.progress import progress

COURSE = Path(__file__).resolve().parents[2] / "course"
CHOICES = {"NotReady": "it has no network", "Ready": "its plugin is there"}


def asked(id: str = "01-ready", choices: dict[str, str] = CHOICES) -> Prediction:
    return predict(
        Cluster(nodes=1),
        id,
        "What is node-1?",
        choices,
        lambda there: there.kubectl("get nodes --no-headers").split()[1],
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("K8SLEARN_AUTOSAVE", str(tmp_path))
    return tmp_path


def test_what_is_right_is_found_out_on_a_copy() -> None:
    cluster = Cluster(nodes=1)
    before = cluster.journal.revision

    def gone(there: Cluster) -> str:
        there.kubectl("delete node node-1")
        return str(len(there.get("nodes")))

    assert predict(cluster, "01-gone", "How many?", {"0": "a", "1": "b"}, gone).right == "0"
    assert cluster.journal.revision == before


def test_a_lesson_whose_answers_leave_out_what_is_so_is_refused() -> None:
    with pytest.raises(Refused, match=r"^prediction 01-ready: what is so is 'Ready', and that is none of: red, blue$"):
        asked(choices={"red": "", "blue": ""})


def test_the_first_answer_counts_and_stays(folder: Path) -> None:
    one = asked()
    assert (one.first, one.state) == (None, "")
    assert one.answer(1) == "✕ Not so: it has no network"
    assert one.answer("Ready") == "✓ So it is: its plugin is there"
    assert one.state == "✕ first answer: NotReady"
    again = asked()
    assert again.first == Predicted("01-ready", "NotReady", False)
    again.answer("Ready")
    assert predicted(folder / FILE) == [Predicted("01-ready", "NotReady", False)]


def test_what_is_no_answer_gets_the_answers() -> None:
    with pytest.raises(Refused, match=r"^'maybe' is no answer to this; the answers are: 1 NotReady; 2 Ready$"):
        asked().answer("maybe")


def test_progress_tells_the_streak(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, answer in enumerate(["Ready", "Ready", "NotReady", "Ready"]):
        asked(f"01-{number}").answer(answer)
    found = progress(learner="alice")
    assert found.summary().endswith("Predictions in lessons: 3 of 4 right the first time; longest streak: 2.")
    assert found.to_dict()["predictions"] == {"made": 4, "right": 3, "streak": 2}
    packed = found.packed()
    (folder / FILE).unlink()
    assert found.read_in(packed) == [f"{FILE}: taken over"]
    assert len(found.again().predictions) == 4


def test_lines_that_are_none_are_left_out(folder: Path) -> None:
    lines = [
        '{"id": "a", "answer": "x", "right": true}',
        "nonsense",
        "[]",
        '{"id": "b"}',
        "[" * 5000,
        '{"id": "a", "answer": "y", "right": false}',
    ]
    (folder / FILE).write_text("\n".join(lines), encoding="utf-8")
    assert predicted(folder / FILE) == [Predicted("a", "x", True)]
    assert predicted(folder / "elsewhere") == []


def test_where_nothing_can_be_written_an_answer_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("K8SLEARN_AUTOSAVE", str(tmp_path / "file"))
    assert asked().answer("Ready").startswith("✓")


def test_the_longest_streak_is_in_the_order_of_the_answers() -> None:
    assert streak([]) == 0
    assert streak([Predicted("a", "", right) for right in (True, False, True, True, True, False, True)]) == 3


def test_the_card_says_what_the_prediction_says() -> None:
    from k8slearn.widgets import prediction_card

    prediction = asked()
    card = prediction_card(prediction)
    assert (card.state, card.said, card.buttons) == ("", "", [])
    card.wish = {"number": 1, "does": "answer", "question": "01-ready", "value": "NotReady"}
    assert (card.said, card.state) == ("✕ Not so: it has no network", "✕ first answer: NotReady")
    assert card.questions[0]["others"] == []
    card.wish = {"number": 2, "does": "answer", "question": "01-ready", "value": "Ready"}
    assert card.said == "✓ So it is: its plugin is there"
    assert card.questions[0]["others"] == [["NotReady", "it has no network"]]
    card.wish = {"number": 3, "does": "answer", "question": "01-ready", "value": "?"}
    assert card.said.startswith("✕ '?' is no answer")
    data, _ = card._repr_mimebundle_()
    assert data["text/plain"] == repr(prediction) == "Predict: What is node-1?\n  1  NotReady\n  2  Ready"


def cells() -> list[tuple[str, dict[str, Any]]]:
    notebooks = sorted(COURSE.glob("[01]*.ipynb"))
    return [(n.name[:2], cell) for n in notebooks for cell in json.loads(n.read_text(encoding="utf-8"))["cells"]]


def test_every_lesson_asks_for_predictions_in_cells_that_are_folded_away() -> None:
    asking = [(lesson, cell) for lesson, cell in cells() if "predict(\n" in "".join(cell["source"])]
    assert all(cell["metadata"]["jupyter"] == {"source_hidden": True} for _, cell in asking)
    names = [re.findall(r'^    "(\d\d)-[a-z-0-9]+",$', "".join(cell["source"]), re.M) for _, cell in asking]
    assert names == [[lesson] for lesson, _ in asking]
    per_lesson = Counter(lesson for lesson, _ in asking)
    assert {f"{n:02}" for n in range(1, 15)} == {lesson for lesson, n in per_lesson.items() if n >= 2}


def test_the_command_line_tells_it_too(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("K8SLEARN_AUTOSAVE", str(folder / ".k8slearn"))
    asked().answer("Ready")
    monkeypatch.chdir(folder)
    main(["progress"])
    assert "Predictions in lessons: 1 of 1 right" in capsys.readouterr().out
