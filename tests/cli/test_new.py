"""``k8slearn new exercise``: what is written works, and what is left to do is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8slearn.cli import main
from k8slearn.grading.definition import KINDS
from k8slearn.grading.laws import broken_laws
from k8slearn.grading.skeleton import new_exercise, sheet


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of exercises, whose path has a space and an umlaut."""
    folder = tmp_path / "mein Kürs" / "exercises"
    folder.mkdir(parents=True)
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(folder))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_exercise_of_each_kind_obeys_the_laws_once_nothing_is_left_to_do(kind: str) -> None:
    for path in new_exercise("05-mine", kind):
        path.write_text(path.read_text(encoding="utf-8").replace("TODO: ", ""), encoding="utf-8")
    assert broken_laws("05-mine") == []


def test_a_new_exercise_has_three_wrong_answers_and_a_sheet(shelf: Path) -> None:
    new_exercise("05-mine", "mend")
    assert len(list((shelf / "05-mine" / "wrong").glob("*.py"))) == 3
    assert 'open_exercise("05-mine"' in sheet("05-mine").read_text(encoding="utf-8")


def test_check_names_what_is_still_to_do_with_its_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "exercise", "05-mine", "--kind", "predict"]) == 0
    assert main(["check", "05-mine"]) == 1
    told = capsys.readouterr().out
    assert "05-mine: exercise.toml, line 1, is still to do: a title of a few words\n" in told
    assert "05-mine: the course text 05-mine.md, line 1, is still to do: the title\n" in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mine", "--kind", "mend"], "two digits"),
        (["../05-mine", "--kind", "mend"], "two digits"),
        (["05-mine", "--kind", "guess"], "kind is one of predict"),
    ],
)
def test_a_name_or_kind_that_cannot_be_is_refused_in_a_sentence(
    arguments: list[str], says: str, shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "exercise", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not list(shelf.iterdir())


def test_what_an_author_has_written_is_never_written_over(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_exercise("05-mine", "mend")
    (shelf / "05-mine" / "task.md").write_text("my own words", encoding="utf-8")
    assert main(["new", "exercise", "05-mine", "--kind", "mend"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (shelf / "05-mine" / "task.md").read_text(encoding="utf-8") == "my own words"
