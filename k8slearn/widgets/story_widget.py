"""A story as a widget: its lines drawn, one of them chosen, and what belongs to it beside it.

The browser paints what Python drew and moves between the lines; everything that it shows came with the story, so it
also works where no kernel answers any more.

Left out: moving through time by itself (a story is read at the reader's pace).
"""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from k8slearn.widgets.faces import image
from k8slearn.widgets.story import Story
from k8slearn.widgets.topology_widget import STATIC, with_still


class Walk(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget carries no types
    """A story that is stepped through: `position` is the number of the chosen line, from 0."""

    _esm = STATIC / "story.js"
    _css = STATIC / "k8slearn.css"
    title = traitlets.Unicode("").tag(sync=True)
    svg = traitlets.Unicode("").tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    ending = traitlets.Unicode("").tag(sync=True)
    lines = traitlets.List([]).tag(sync=True)
    stops = traitlets.List([]).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    def __init__(self, story: Story) -> None:
        titles = [part.title for part in story.parts for _ in part.lines]
        lines = [
            {"part": title, **line._asdict(), "details": [list(pair) for pair in line.details]}
            for title, line in zip(titles, story.lines, strict=True)
        ]
        stops = list(story.stops)
        super().__init__(
            title=story.title,
            svg=story.svg(paper=False),
            text=story.text(),
            ending=story.ending,
            lines=lines,
            stops=stops,
            position=stops[0] if stops else 0,
        )
        self._story = story

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), self.text, image(self._story.svg(), self.title))

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self.lines)} lines>"
