"""A prediction in a lesson: one question, asked before the next cell shows what is so.

What is right is nobody's opinion: the lesson says how to find it out, and that is done to a copy of the cluster. Only
the first answer counts; it stays in the folder where exercises are saved, so that `progress` can tell the streak.

Left out: questions with several right answers; predictions count for no grade.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from k8slearn.cluster import Cluster
from k8slearn.errors import Refused
from k8slearn.grading.definition import Choice, Question
from k8slearn.grading.exercise import saving_folder

FILE = "lesson-predictions.jsonl"


@dataclass(frozen=True, slots=True)
class Predicted:
    """What was said first to a question, and whether it was so."""

    id: str
    answer: str
    right: bool


class Prediction:
    """A question whose answers explain themselves. `given` is the last answer, `first` the one that counts."""

    def __init__(self, question: Question, right: str, file: Path | None) -> None:
        self.question, self.right, self._file = question, right, file
        known = {told.id: told for told in predicted(file)} if file is not None else {}
        self.first: Predicted | None = known.get(question.id)
        self.given: Choice | None = None

    def answer(self, choice: str | int) -> str:
        """Predict: an answer's words or its number. Returns whether it is so, and why somebody would think so."""
        self.given = self._meant(choice)
        right = self.given.value == self.right
        if self.first is None:
            self.first = Predicted(self.question.id, str(self.given.value), right)
            _keep(self.first, self._file)
        return f"{'✓ So it is' if right else '✕ Not so'}: {self.given.explains}"

    def _meant(self, choice: str | int) -> Choice:
        choices = self.question.choices
        by_number = {str(number): one for number, one in enumerate(choices, 1)}
        for one in choices:
            if one.value == str(choice):
                return one
        if str(choice) in by_number:
            return by_number[str(choice)]
        raise Refused(f"{str(choice)[:64]!r} is no answer to this; the answers are: {_listed(choices)}")

    @property
    def state(self) -> str:
        """How the first answer stands; empty before it."""
        if self.first is None:
            return ""
        return "✓ right the first time" if self.first.right else f"✕ first answer: {self.first.answer}"

    def card(self) -> Any:
        """The question as a widget."""
        from k8slearn.widgets import prediction_card

        return prediction_card(self)

    def __repr__(self) -> str:
        return f"Predict: {self.question.asks}\n" + "\n".join(
            f"  {number}  {choice.value}" for number, choice in enumerate(self.question.choices, 1)
        )

    def _repr_html_(self) -> str:
        listed = "".join(f"<li>{escape(str(choice.value))}</li>" for choice in self.question.choices)
        return f"<p><strong>Predict:</strong> {escape(self.question.asks)}</p><ol>{listed}</ol>"


def predict(
    cluster: Cluster, id: str, asks: str, choices: Mapping[str, str], right: Callable[[Cluster], object]
) -> Prediction:
    """A question about what this cluster would do.

    `choices` has each answer with what explains it; `right` is given a copy of the cluster, tries it there and returns
    the right one of them. `id` begins with the lesson's number. Raises `Refused` if what is so is none of the choices.
    """
    found = str(right(cluster.at(cluster.journal.revision))).strip()
    if found not in choices:
        raise Refused(f"prediction {id}: what is so is {found!r}, and that is none of: {', '.join(choices)}")
    listed = tuple(Choice(value, explains) for value, explains in choices.items())
    folder = saving_folder(None)
    return Prediction(Question(id, asks, "choice", listed), found, folder / FILE if folder is not None else None)


def predicted(file: Path) -> list[Predicted]:
    """Every first answer in this file, in the order in which they were given; a line that is none is left out."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found: dict[str, Predicted] = {}
    for line in lines:
        try:
            told = json.loads(line)
            one = Predicted(str(told["id"])[:64], str(told["answer"])[:200], told["right"] is True)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        found.setdefault(one.id, one)
    return list(found.values())


def streak(told: Iterable[Predicted]) -> int:
    """The longest run of predictions that were right the first time, in the order in which they were made."""
    best = run = 0
    for one in told:
        run = run + 1 if one.right else 0
        best = max(best, run)
    return best


def _keep(told: Predicted, file: Path | None) -> None:
    """Where nothing can be written, nothing is kept: the answer stands in the notebook."""
    if file is None:
        return
    line = json.dumps({"id": told.id, "answer": told.answer, "right": told.right}, ensure_ascii=False)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a", encoding="utf-8") as opened:
            opened.write(line + "\n")
    except OSError:
        return


def _listed(choices: tuple[Choice, ...]) -> str:
    return "; ".join(f"{number} {choice.value}" for number, choice in enumerate(choices, 1))
