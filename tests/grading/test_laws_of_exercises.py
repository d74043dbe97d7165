"""The five laws hold for every exercise on the shelf, and a broken exercise is caught by each of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from k8slearn.errors import Refused
from k8slearn.grading import laws
from k8slearn.grading.definition import load
from k8slearn.grading.laws import LAWS, broken_laws
from k8slearn.grading.shelf import ids
from k8slearn.journal import digest

from .work import TINY

COURSE = Path(__file__).parents[2] / "exercises"


def on_the_shelf() -> list[str]:
    return sorted(p.parent.name for p in COURSE.glob("*/exercise.toml"))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("exercise", on_the_shelf())
def test_a_law_holds_for_an_exercise_of_the_course(exercise: str, law, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(COURSE))
    monkeypatch.setattr(laws, "LEARNERS", laws.LEARNERS[:1])  # more of them: the fifty below
    assert list(law(load(exercise))) == []


def test_the_laws_hold_for_the_tests_own_exercise(shelf: Path) -> None:
    assert ids() == ["01-tiny"]
    assert broken_laws("01-tiny") == []


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny exercise, to be broken."""
    folder = tmp_path / "01-tiny"
    shutil.copytree(TINY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(tmp_path))
    return folder


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_start_that_passes_is_caught(copy: Path) -> None:
    (copy / "checks.py").write_text(
        "from k8slearn.grading.checks import check\n\n\n@check('all', asks='Nothing.')\ndef all(work):\n    pass\n"
    )
    assert "01-tiny: the untouched start passes for alice" in broken_laws("01-tiny")


def test_a_reference_that_fails_is_caught(copy: Path) -> None:
    replace(copy / "reference.py", '"connected"', '"refused"')
    assert any("reference.py: solve fails the check predicted for alice" in told for told in broken_laws("01-tiny"))


def test_a_wrong_answer_that_fails_something_else_is_caught(copy: Path) -> None:
    replace(copy / "wrong" / "timeout.py", "# expect: predicted", "# expect: quiet")
    told = broken_laws("01-tiny")
    assert "01-tiny: wrong/timeout.py fails predicted for alice, not quiet" in told
    assert "01-tiny: no wrong answer fails the check predicted" in told


def test_a_stray_file_and_an_empty_hint_are_caught(copy: Path) -> None:
    (copy / "notes.txt").write_text("x")
    replace(copy / "exercise.toml", '"A pod answers on the ports that its containers declare."', '" "')
    assert broken_laws("01-tiny") == [
        "01-tiny: notes.txt is a stray file",
        "01-tiny: a hint is empty, or there is none",
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "write"', 'kind = "guess"', "kind is one of"),
        ('title = "A pod that answers"', "", "lacks 'title'"),
        ("[start]", "[start", "01-tiny"),
        ('kind = "text"', "", "has choices, or a kind"),
    ],
)
def test_a_broken_definition_is_one_sentence(copy: Path, old: str, new: str, says: str) -> None:
    replace(copy / "exercise.toml", old, new)
    with pytest.raises(Refused, match=says):
        load("01-tiny")


@pytest.mark.parametrize("name", ["../01-tiny", "01", "", "a" * 1000, "01-TINY", "/etc"])
def test_an_unknown_exercise_is_refused_with_the_nearest_name(shelf: Path, name: str) -> None:
    with pytest.raises(Refused, match=r"there is no exercise called .*(did you mean|there are)"):
        load(name)


FIFTY = tuple(f"learner-{number}" for number in range(50))
SAMPLE = 4
"""So many of the fifty each exercise gets in one run, others for each exercise. All fifty, for one that has changed:
``K8SLEARN_VARIANTS=50 pytest -m slow -k "fifty and 05-mend" tests/grading/test_laws_of_exercises.py``."""


def drawn(exercise: str) -> tuple[str, ...]:
    """The learners whose variants are tried: a sample that depends on the exercise's name alone."""
    most = int(os.environ.get("K8SLEARN_VARIANTS", SAMPLE))
    return tuple(sorted(FIFTY, key=lambda learner: digest("fifty", exercise, learner))[:most])


@pytest.mark.slow
@pytest.mark.parametrize("exercise", on_the_shelf())
def test_the_laws_hold_for_a_sample_of_fifty_learners(exercise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(COURSE))
    monkeypatch.setattr(laws, "LEARNERS", drawn(exercise))
    assert broken_laws(exercise) == []
