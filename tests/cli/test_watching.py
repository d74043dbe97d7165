"""``k8slearn check --watch``: what changed is checked, and nothing else. Each look is taken by the test itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from k8slearn.cli.watching import Stamps, stamps, told
from k8slearn.grading.skeleton import new_exercise


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf with two exercises of which nothing is left to do."""
    folder = tmp_path / "exercises"
    folder.mkdir()
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(folder))
    for name in ("05-one", "05-two"):
        for path in new_exercise(name, "predict"):
            path.write_text(path.read_text(encoding="utf-8").replace("TODO: ", ""), encoding="utf-8")
    return folder


def saved(path: Path, text: str) -> Iterator[Stamps]:
    """A look before, and a look after the author has saved a file."""
    yield stamps(["05-one", "05-two"])
    path.write_text(text, encoding="utf-8")
    yield stamps(["05-one", "05-two"])


def test_nothing_is_said_while_nothing_changes() -> None:
    assert list(told([stamps(["05-one", "05-two"])] * 3)) == []


def test_only_the_exercise_whose_file_was_saved_is_checked(shelf: Path) -> None:
    assert list(told(saved(shelf / "05-two" / "task.md", "Other words."))) == ["05-two: the five laws hold"]


def test_what_was_read_before_is_read_again(shelf: Path) -> None:
    card = shelf / "05-one" / "exercise.toml"
    spoilt = card.read_text(encoding="utf-8").replace("a title of a few words", "TODO: a title")
    assert list(told(saved(shelf / "05-one" / "task.md", "Longer words than before."))) == [
        "05-one: the five laws hold"
    ]
    assert list(told(saved(card, spoilt))) == ["05-one: exercise.toml, line 1, is still to do: a title"]


@pytest.mark.parametrize(("file", "text"), [("exercise.toml", "title = "), ("checks.py", "def half(")])
def test_a_file_saved_half_way_is_a_sentence_and_the_watch_goes_on(file: str, text: str, shelf: Path) -> None:
    (line,) = told(saved(shelf / "05-one" / file, text))
    assert "05-one" in line
    assert "\n" not in line
