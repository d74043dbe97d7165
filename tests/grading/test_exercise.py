"""What a learner does with an exercise: answer, check, take hints, undo, begin again, come back tomorrow."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster, open_exercise
from k8slearn.errors import Refused
from k8slearn.grading.checks import run_file
from k8slearn.grading.exercise import Exercise
from k8slearn.grading.judge import judge
from k8slearn.grading.record import MIME, canonical, read_record
from k8slearn.grading.variant import draw, learner_name

from .work import TINY, record_of

pytestmark = pytest.mark.usefixtures("shelf")


def solve(exercise: Exercise) -> None:
    run_file(TINY / "reference.py")["solve"](exercise)


def test_an_exercise_turns_from_not_done_to_done() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    assert exercise.state == "not done"
    assert "not done: 0 of 4 points" in repr(exercise.check())
    solve(exercise)
    assert exercise.check().done
    assert "A pod that answers - done: 4 of 4 points" in repr(exercise.check())
    assert exercise.state == "done"


def test_feedback_now_is_the_grade_later() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    exercise.answer("outcome", "connected")
    now = exercise.check()
    later = judge(exercise._definition, read_record(json.loads(json.dumps(now.record))), "alice")
    assert later == now.judgement
    assert later.odd == ()
    assert later.points == 1


def test_the_same_work_gives_the_same_bytes() -> None:
    assert canonical(record_of("alice")) == canonical(record_of("alice"))
    assert canonical(record_of("alice")) != canonical(record_of("bob"))


def test_a_wrong_answer_is_explained_by_its_own_choice() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    exercise.answer("outcome", "timeout")
    assert "You answered timeout. A timeout means that nobody answered" in repr(exercise.check())


def test_what_is_no_answer_is_refused_with_what_would_be() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    for question, value, says in [
        ("outcme", "x", "its questions are: outcome, why"),
        ("outcome", "maybe", "takes one of: 'connected', 'timeout', 'refused'"),
        ("outcome", ["connected"], "takes one of"),
        ("why", 3, "takes text"),
        ("why", object(), "an answer is text"),
        ("why", float("nan"), "an answer is text"),
        ("why", "x" * 30_000, "at most 20000"),
    ]:
        with pytest.raises(Refused, match=says):
            exercise.answer(question, value)
    assert exercise.answers == {}


def test_hints_go_from_gentle_to_plain_and_cost_nothing() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    assert str(exercise.hint()).startswith("Hint 1 of 2: A pod answers")
    assert f"called {exercise.variant['app']}" in str(exercise.hint())
    assert str(exercise.hint()).startswith("Hint 2 of 2")
    solve(exercise)
    assert exercise.check().points == 4


def test_the_start_cannot_be_undone_and_the_last_answer_can() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    with pytest.raises(Refused, match="nothing to undo"):
        exercise.cluster.undo()
    exercise.answer("outcome", "timeout")
    exercise.cluster.undo()
    assert exercise.answers == {}
    assert exercise.record()["answers"] == []


def test_reset_begins_again() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    solve(exercise)
    exercise.reset()
    assert exercise.state == "not done"
    assert exercise.record() == record_of("alice", "")


def test_two_learners_do_not_share_a_cluster() -> None:
    one, other = open_exercise("01-tiny", learner="alice"), open_exercise("01-tiny", learner="alice")
    solve(one)
    assert (one.state, other.state) == ("done", "not done")


def test_a_warm_start_is_little_work(calls: Callable[[Callable[[], Any]], int]) -> None:
    open_exercise("01-tiny", learner="alice")
    assert calls(lambda: open_exercise("01-tiny", learner="alice")) < 600


def test_the_card_shows_the_task_with_the_learners_own_names() -> None:
    exercise = open_exercise("01-tiny", learner="alice")
    card = repr(exercise)
    assert f"Create a pod **{exercise.variant['app']}**" in card
    assert "{{" not in card
    assert "not done" in exercise._repr_html_()


# -- variants --------------------------------------------------------------------------------------------------------


def test_a_variant_depends_on_exercise_and_learner_alone() -> None:
    parameters = {"n": {"from": 0, "to": 10**6}, "row": [{"a": 1, "b": "x{{n}}"}], "text": "{{row.b}}!"}
    drawn = draw(parameters, "e", "alice")
    assert drawn == draw(parameters, "e", "alice")
    assert drawn["n"] != draw(parameters, "e", "bob")["n"] != draw(parameters, "f", "bob")["n"]
    assert drawn["text"] == f"x{drawn['n']}!"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "x" * 81])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="one line of 1 to 80"):
        learner_name(name)


# -- in a notebook ---------------------------------------------------------------------------------------------------


def test_the_output_of_a_cell_carries_the_record_once() -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        with capture_output() as captured:
            shell.run_cell(
                "from k8slearn import open_exercise\n"
                "exercise = open_exercise('01-tiny', learner='<b>alice</b>')\nexercise.check()",
                store_history=True,
            )
        assert len(captured.outputs) == 1, captured.stdout
        bundle = captured.outputs[0].data
        assert read_record(json.loads(json.dumps(bundle[MIME]))).learner == "<b>alice</b>"
        assert "not done: 0 of 4 points" in bundle["text/plain"]
        assert "<section" in bundle["text/html"]
    finally:
        InteractiveShell.clear_instance()


# -- nothing is lost -------------------------------------------------------------------------------------------------


def test_an_exercise_opens_where_it_was_left(tmp_path: Path) -> None:
    exercise = open_exercise("01-tiny", learner="alice", autosave=tmp_path)
    solve(exercise)
    exercise.cluster.undo()
    again = open_exercise("01-tiny", learner="alice", autosave=tmp_path)
    assert canonical(again.record()) == canonical(exercise.record())
    again.cluster.redo()
    assert open_exercise("01-tiny", learner="alice", autosave=tmp_path).state == "done"
    assert Cluster.load(tmp_path / "01-tiny-alice.jsonl").get("pod", exercise.variant["app"])
    assert open_exercise("01-tiny", learner="bob", autosave=tmp_path).state == "not done"


def test_nothing_is_saved_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_exercise("01-tiny", learner="alice").answer("outcome", "timeout")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("K8SLEARN_AUTOSAVE", "1")
    open_exercise("01-tiny", learner="alice").answer("outcome", "timeout")
    assert open_exercise("01-tiny", learner="alice").answers["outcome"].value == "timeout"
    assert [p.name for p in (tmp_path / ".k8slearn").iterdir()] == ["01-tiny-alice.jsonl"]


def test_reset_keeps_what_was_saved_beside(tmp_path: Path) -> None:
    exercise = open_exercise("01-tiny", learner="alice", autosave=tmp_path)
    exercise.answer("outcome", "timeout")
    exercise.reset()
    assert open_exercise("01-tiny", learner="alice", autosave=tmp_path).answers == {}
    assert "timeout" in (tmp_path / "01-tiny-alice.jsonl~").read_text()


def test_a_file_of_another_start_is_kept_and_the_learner_begins_anew(tmp_path: Path) -> None:
    Cluster(nodes=1).save(tmp_path / "01-tiny-alice.jsonl")
    exercise = open_exercise("01-tiny", learner="alice", autosave=tmp_path)
    assert exercise.record() == record_of("alice", "")
    assert (tmp_path / "01-tiny-alice.jsonl~").exists()


def test_a_file_of_rubbish_is_kept_and_said(tmp_path: Path) -> None:
    (tmp_path / "01-tiny-alice.jsonl").write_text("rubbish")
    with pytest.warns(UserWarning, match="kept as 01-tiny-alice.jsonl.unreadable"):
        open_exercise("01-tiny", learner="alice", autosave=tmp_path).answer("outcome", "timeout")
    assert open_exercise("01-tiny", learner="alice", autosave=tmp_path).answers


def test_a_folder_that_cannot_be_written_is_said_and_the_exercise_opens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="not saved as you go"):
        exercise = open_exercise("01-tiny", learner="alice", autosave=tmp_path / "file")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exercise.answer("outcome", "timeout")
