"""The trace player: who sends to whom, what you expect, and then what happened, hop by hop.

The browser puts the request together and shows the steps that come back; Python sends the packet and says where in
the picture each step happens. A prediction belongs to a question of an exercise if it was given one: then it is
recorded as the answer before the packet is sent, so that it is a prediction. For a question that takes evidence it
asks without sending (the grader asks again at the same revision), and the step in view can be handed in.

Left out: chance (it sends once; the text says what else could have happened), and several packets at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from k8slearn.errors import Refused
from k8slearn.widgets import words
from k8slearn.widgets.faces import image
from k8slearn.widgets.layout import sheet
from k8slearn.widgets.playback import places, playback
from k8slearn.widgets.scene import scene
from k8slearn.widgets.svg import paint
from k8slearn.widgets.topology_widget import STATIC, with_still


class Player(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget carries no types
    """Send a packet and walk with it."""

    _esm = STATIC / "player.js"
    _css = STATIC / "k8slearn.css"
    title = traitlets.Unicode("Send a packet and walk with it").tag(sync=True)
    svg = traitlets.Unicode("").tag(sync=True)
    places = traitlets.Dict({}).tag(sync=True)
    source = traitlets.Unicode("").tag(sync=True)
    destination = traitlets.Unicode("").tag(sync=True)
    port = traitlets.Int(80).tag(sync=True)
    protocol = traitlets.Unicode("TCP").tag(sync=True)
    must_predict = traitlets.Bool(False).tag(sync=True)
    takes_evidence = traitlets.Bool(False).tag(sync=True)
    handed_in = traitlets.Dict({}).tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)
    request = traitlets.Dict({}).tag(sync=True)
    result = traitlets.Dict({}).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, cluster: Any, source: str, destination: str, port: int, protocol: str, exercise: Any, question: str | None
    ) -> None:
        super().__init__(source=str(source), destination=str(destination), port=port, protocol=protocol)
        self._cluster = cluster
        self._exercise = exercise
        self._question = question
        kinds = {asked.id: asked.kind for asked in exercise.questions} if exercise is not None else {}
        self.takes_evidence = kinds.get(question) == "evidence"
        self.must_predict = question is not None and not self.takes_evidence
        self.observe(lambda change: self._asked(change["new"]), "request")
        self.observe(lambda change: self._hand_in(change["new"]), "handed_in")
        cluster.engine.listeners.append(lambda line: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Offer the endpoints that there are now. The picture stays with the packet that it shows, if it shows one."""
        self.places = places(self._cluster.world)
        if not self.result.get("steps"):
            self._draw(frozenset())

    def ask(self, source: str, destination: str, port: int = 80, protocol: str = "TCP", prediction: str = "") -> None:
        """What the button does."""
        number = int(self.request.get("number", 0)) + 1
        asked = {"source": source, "destination": destination, "port": port, "protocol": protocol}
        self.request = {"number": number, **asked, "prediction": prediction}

    def _asked(self, asked: Mapping[str, Any]) -> None:
        try:
            self.result = self._answer(asked)
        except Refused as error:
            self.result = {"error": str(error), "steps": [], "legs": []}

    def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        prediction = str(asked.get("prediction", ""))
        if self.must_predict:
            self._exercise.answer(self._question, prediction)
        question = (asked["source"], asked["destination"], asked["port"], asked["protocol"])
        sent = (self._cluster.trace if self.takes_evidence else self._cluster.send)(*question)
        trace = sent.to_dict()
        self._evidence = {name: trace[name] for name in ("source", "destination", "port", "protocol", "revision")}
        drawn = self._draw(frozenset(step["where"] for step in trace["steps"]))
        self.position = 0
        return {**playback(drawn, trace), "prediction": prediction, "explain": sent.explain()}

    def _hand_in(self, wish: Mapping[str, Any]) -> None:
        try:
            self.said = str(self._exercise.answer(self._question, {**self._evidence, "step": int(wish["step"])}))
        except Refused as error:
            self.said = f"✕ {error}"

    def _draw(self, keep: frozenset[str]) -> Any:
        world = self._cluster.world
        facts = scene(world, keep)
        drawn = sheet(facts)
        self._facts = facts
        self.svg = paint(drawn, words.summary(facts), paper=False)
        return drawn

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        text = self.result.get("text") or f"{self!r}\n{words.topology(self._facts)}"
        still = image(paint(sheet(self._facts), words.summary(self._facts)), words.summary(self._facts))
        return with_still(super()._repr_mimebundle_(**kwargs), text, still)

    def __repr__(self) -> str:
        asked = self.result.get("headline")
        way = f"{self.source or 'choose a source'} → {self.destination or 'choose a destination'}, port {self.port}"
        return f"<Trace player: {asked or way}>"
