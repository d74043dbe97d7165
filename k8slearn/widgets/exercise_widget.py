"""An exercise as a card: the task, its questions, a check and a hint at a button, and whether it is done.

It is a face of an exercise that is open already and decides nothing: each button calls what a cell could call. What
is handed in is the output of a cell with ``exercise.check()``; the card says so. Once an answer has been checked its
own explanation stands beside it, why somebody would think so and what is so; the other answers explain themselves when
the exercise is done, so that they give nothing away.

Left out: questions that take evidence (the trace player hands that in).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from k8slearn.errors import Refused
from k8slearn.widgets.topology_widget import STATIC, with_still

BUTTONS = [["check", "Check"], ["hint", "Hint"]]
HELP = "To hand in, run a cell with exercise.check() and save the notebook."


class Card(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget carries no types
    """Questions with their answers, and what is said to them. `buttons`: [what it does, its words] each."""

    _esm = STATIC / "exercise.js"
    _css = STATIC / "k8slearn.css"
    title = traitlets.Unicode("").tag(sync=True)
    task = traitlets.Unicode("").tag(sync=True)
    state = traitlets.Unicode("").tag(sync=True)
    questions = traitlets.List([]).tag(sync=True)
    buttons = traitlets.List([]).tag(sync=True)
    help = traitlets.Unicode("").tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)
    wish = traitlets.Dict({}).tag(sync=True)


class ExerciseCard(Card):
    """The card of one open exercise."""

    def __init__(self, exercise: Any) -> None:
        super().__init__(title=exercise.title, task=exercise.task.strip(), buttons=BUTTONS, help=HELP)
        self._exercise = exercise
        self._checked: dict[str, Any] = {}
        """Question -> the answer that was there at the last check."""
        self.observe(lambda change: self._wished(change["new"]), "wish")
        self.refresh()

    def refresh(self) -> None:
        """Show the exercise as it is now."""
        given = self._exercise.answers
        self.done = self._exercise.done
        self.state = "✓ done" if self.done else "○ not done"
        self.questions = [
            {
                "id": question.id,
                "asks": question.asks,
                "kind": question.kind,
                "choices": [choice.value for choice in question.choices],
                "given": given[question.id].value if question.id in given else None,
                **self._explained(question, given.get(question.id)),
            }
            for question in self._exercise.questions
        ]

    def _explained(self, question: Any, given: Any) -> dict[str, Any]:
        """What explains the answer that was given, and the others."""
        checked = given is not None and self._checked.get(question.id) == given.value
        told = [(choice.value, choice.explains) for choice in question.choices]
        own = next((explains for value, explains in told if checked and value == given.value), "")
        others = [[value, explains] for value, explains in told if checked and self.done and value != given.value]
        return {"explains": own, "others": others}

    def _wished(self, wish: Mapping[str, Any]) -> None:
        does = {"check": self._check, "hint": lambda wish: str(self._exercise.hint()), "answer": self._answer}
        try:
            self.said = does[wish["does"]](wish)
        except Refused as error:
            self.said = f"✕ {error}"
        self.refresh()

    def _check(self, wish: Mapping[str, Any]) -> str:
        self._checked = {question: answer.value for question, answer in self._exercise.answers.items()}
        return repr(self._exercise.check())

    def _answer(self, wish: Mapping[str, Any]) -> str:
        kinds = {question["id"]: question["kind"] for question in self.questions}
        value = _number(wish["value"]) if kinds.get(wish["question"]) == "number" else wish["value"]
        return str(self._exercise.answer(wish["question"], value))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), repr(self._exercise), self._exercise._repr_html_())

    def __repr__(self) -> str:
        return f"<Exercise card: {self.title}, {'done' if self.done else 'not done'}>"


def _number(text: Any) -> Any:
    """What was typed, as the number that it is; anything else stays as it is, and is refused as an answer."""
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text
