"""A prediction as a card: one question whose answers explain themselves, before the lesson shows what is so.

It is an exercise's card without a check and a hint: answering is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slearn.errors import Refused
from k8slearn.widgets.exercise_widget import Card
from k8slearn.widgets.topology_widget import with_still

HELP = "The first answer counts. Then run the next cell, and see."


class PredictionCard(Card):
    """The card of one prediction."""

    def __init__(self, prediction: Any) -> None:
        super().__init__(title="Predict", help=HELP)
        self._prediction = prediction
        self.observe(lambda change: self._wished(change["new"]), "wish")
        self._show()

    def _show(self) -> None:
        prediction, question = self._prediction, self._prediction.question
        given = prediction.given
        self.state = prediction.state
        told = [(choice.value, choice.explains) for choice in question.choices]
        others = [
            list(one) for one in told if given is not None and given.value == prediction.right and one[0] != given.value
        ]
        self.questions = [
            {
                "id": question.id,
                "asks": question.asks,
                "kind": question.kind,
                "choices": [value for value, _ in told],
                "given": given.value if given is not None else None,
                "explains": "",
                "others": others,
            }
        ]

    def _wished(self, wish: Mapping[str, Any]) -> None:
        try:
            self.said = self._prediction.answer(wish["value"])
        except Refused as error:
            self.said = f"✕ {error}"
        self._show()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), repr(self._prediction), self._prediction._repr_html_())

    def __repr__(self) -> str:
        return f"<Prediction card: {self._prediction.question.asks}>"
