"""The topology as a widget: each box can be pointed at, and shows its tables in the real tools' words.

The browser paints what Python drew and says which box was chosen; Python answers with that namespace's tables. So the
widget knows nothing of networks, and what it shows is what `ip route` would print there now; or would have printed
at an earlier moment: a slider goes back through what was done, as far as the journal remembers.

Left out: moving and zooming; more than the picture shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from k8slearn.widgets import details, words
from k8slearn.widgets.faces import image
from k8slearn.widgets.layout import sheet
from k8slearn.widgets.scene import scene
from k8slearn.widgets.svg import paint

STATIC = Path(__file__).parent / "static"


class Topology(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget carries no types
    """A cluster's topology that can be pointed at. It follows the cluster: each input draws it again."""

    _esm = STATIC / "topology.js"
    _css = STATIC / "k8slearn.css"
    svg = traitlets.Unicode("").tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    focus = traitlets.Unicode("").tag(sync=True)
    detail = traitlets.Dict({}).tag(sync=True)
    moments = traitlets.List([]).tag(sync=True)
    """What was done, in words; the last one is now."""
    moment = traitlets.Int(0).tag(sync=True)
    """The number of the moment that is shown."""

    def __init__(self, cluster: Any) -> None:
        super().__init__()
        self._cluster = cluster
        self._scopes: dict[str, tuple[str, str]] = {}
        self.observe(lambda change: self._tell(), "focus")
        self.observe(lambda change: self._draw(), "moment")
        cluster.engine.listeners.append(lambda line: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Draw the cluster as it is now."""
        self._revisions, said = zip(*self._cluster.moments(), strict=True)
        self.moments = list(said)
        if self.moment == len(said) - 1:
            self._draw()
        else:
            self.moment = len(said) - 1

    def _draw(self) -> None:
        """Draw the chosen moment."""
        now = not 0 <= self.moment < len(self._revisions) - 1
        self._world = (self._cluster if now else self._cluster.at(self._revisions[self.moment])).world
        facts = scene(self._world)
        drawn = sheet(facts)
        self._scopes = {thing.name: (thing.scope, thing.says) for thing in drawn.things if thing.scope}
        self._summary = words.summary(facts)
        self.svg = paint(drawn, self._summary, paper=False)
        self.text = words.topology(facts)
        self._tell()

    def _tell(self) -> None:
        scope, says = self._scopes.get(self.focus, ("", ""))
        self.detail = {"title": says, "tables": details.tables(self._world, scope)} if scope else {}

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), self.text, image(self.svg, self._summary))

    def __repr__(self) -> str:
        return f"<{self._summary.partition('.')[0]}>"


def with_still(bundle: Any, text: str, html: str) -> Any:
    """The widget's bundle with something to see and to read where no widget runs."""
    widget, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    return {**(widget or {}), "text/plain": text.rstrip(), "text/html": html}, metadata
