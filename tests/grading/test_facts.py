"""An explanation is judged by its facts: true, relevant, sufficient; what is no list of facts is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8slearn import open_exercise
from k8slearn.errors import Refused
from k8slearn.grading.exercise import Exercise

COURSE = Path(__file__).parents[2] / "exercises"
FAR = {"source": "default/nobody", "destination": "outside", "port": 80, "revision": 10**9, "step": 1}


@pytest.fixture
def exercise(monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("K8SLEARN_EXERCISES", str(COURSE))
    return open_exercise("01-why-the-address-stays", learner="alice")


@pytest.mark.parametrize("value", ["because", 7, [], {}, ["because"], [{"source": "default/a"}], [FAR] * 9])
def test_what_is_no_list_of_facts_is_refused(exercise: Exercise, value: Any) -> None:
    with pytest.raises(Refused, match="takes a list of at most 8 facts"):
        exercise.answer("why", value)


def test_a_fact_of_a_revision_that_is_not_the_learners_earns_nothing(exercise: Exercise) -> None:
    exercise.answer("why", [FAR])
    with pytest.raises(Exception, match="is not in your work"):
        exercise.require("sufficient")


def test_the_card_says_what_an_explanation_takes(exercise: Exercise) -> None:
    assert "A list of evidence" in exercise._repr_html_()
