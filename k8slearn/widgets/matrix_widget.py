"""The policy matrix as a widget: filter it, choose a cell, and read why beside the policies' YAML.

The browser moves between cells and shows what comes back; Python filters, traces the chosen pair in the cluster as it
was when the matrix was made, and says which line of which policy had a part in it.

Left out: more than `MOST` pods at a time (it says how many there are: filter).
"""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from k8slearn.errors import Refused
from k8slearn.matrix import SHORT, Changed, Matrix
from k8slearn.widgets import trace_view
from k8slearn.widgets.faces import image
from k8slearn.widgets.matrix_face import matrix_svg
from k8slearn.widgets.policy_lines import policy_texts
from k8slearn.widgets.topology_widget import STATIC, with_still

MOST = 60
SIGNS = {"opened": "+", "closed": "-", "other": "≠"}
"""What stands beside a cell's letter if it has changed."""


class MatrixWalk(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget carries no types
    """A matrix whose cells open. `chosen` is [source, destination], or [] while none is."""

    _esm = STATIC / "matrix.js"
    _css = STATIC / "k8slearn.css"
    title = traitlets.Unicode("").tag(sync=True)
    table = traitlets.Dict({}).tag(sync=True)
    words = traitlets.Dict({}).tag(sync=True)
    outcomes = traitlets.List(list(SHORT)).tag(sync=True)
    compares = traitlets.Bool(False).tag(sync=True)
    pattern = traitlets.Unicode("").tag(sync=True)
    outcome = traitlets.Unicode("").tag(sync=True)
    changed = traitlets.Bool(False).tag(sync=True)
    chosen = traitlets.List([]).tag(sync=True)
    result = traitlets.Dict({}).tag(sync=True)

    def __init__(self, matrix: Matrix, before: Matrix | None = None) -> None:
        self._matrix = matrix
        self._changes = matrix.since(before) if before is not None else None
        found = self._changes.pairs if self._changes is not None else ()
        self._changed: dict[tuple[str, str], Changed] = {(c.source, c.destination): c for c in found}
        self.trace: Any = None
        """The trace of the chosen cell."""
        over = " over IPv6" if matrix.family == 6 else ""
        super().__init__(
            title=f"Who reaches whom on port {matrix.port}/{matrix.protocol}{over}",
            words={letter: outcome for outcome, letter in SHORT.items()},
            compares=before is not None,
        )
        self.observe(lambda change: self._filter(), ["pattern", "outcome", "changed"])
        self.observe(lambda change: self._open(change["new"]), "chosen")
        self._filter()
        self._open([])

    def choose(self, source: str, destination: str) -> None:
        """What a click on a cell does."""
        self.chosen = [source, destination]

    def _filter(self) -> None:
        whole = self._matrix
        found = whole.only(*self.pattern.split(), outcome=self.outcome)
        if self.changed:
            having = {pod for pair in self._changed for pod in pair}
            found = found.of(pod for pod in found.pods if pod in having)
        self._shown = shown = found.of(found.pods[:MOST])
        more = f"; {len(found.pods) - MOST} more are not drawn: filter them" if len(found.pods) > MOST else ""
        compared = f" {str(self._changes).splitlines()[-1]}." if self._changes is not None else ""
        self.table = {
            "pods": list(shown.pods),
            "rows": [[self._mark(source, to) for to in shown.pods] for source in shown.pods],
            "says": f"{len(found.pods)} of {len(whole.pods)} pods{more}.{compared}",
            "text": found.text() + (f"\n\n{self._changes}" if self._changes is not None else ""),
        }

    def _mark(self, source: str, to: str) -> list[str]:
        """A cell: its letter with the sign of a change, and both in words."""
        outcome, change = self._matrix.outcome(source, to), self._changed.get((source, to))
        if change is None:
            return [SHORT[outcome], f"{source} to {to}: {outcome}"]
        return [SHORT[outcome] + SIGNS[change.word], f"{source} to {to}: {outcome}; it was {change.was}: {change.word}"]

    def _open(self, chosen: list[str]) -> None:
        try:
            if len(chosen) not in (0, 2):
                raise Refused("a cell is chosen as [source, destination]")
            self.result = self._opened(*chosen)
        except Refused as error:
            self.result = {"error": str(error)}

    def _opened(self, source: str = "", to: str = "") -> dict[str, Any]:
        """The chosen cell: the trace in sentences and steps, and the policies with what their lines did."""
        world = self._matrix.cluster().world
        asked = (source, to, self._matrix.port, self._matrix.protocol)
        policies = [[text.title, [list(line) for line in text.lines]] for text in policy_texts(world, *asked)]
        if not source:
            return {"policies": policies}
        self.trace = self._matrix.trace(source, to)
        steps = trace_view.html(self.trace.to_dict(), world)
        return {"explains": self.trace.explain().splitlines(), "steps": steps, "policies": policies}

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        still = image(matrix_svg(self._shown), self.title)
        return with_still(super()._repr_mimebundle_(**kwargs), self.table["text"], still)

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self._matrix.pods)} pods>"
