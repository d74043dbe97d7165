"""Progress as a card: how every exercise stands, and the saved work to download here and to read in elsewhere.

The file goes from Python to the browser and from the browser to Python, and nowhere else.

Left out: choosing what of a file is read in (what was here and differs is kept beside it).
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from k8slearn.errors import Refused
from k8slearn.widgets.topology_widget import STATIC, with_still


class ProgressCard(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget carries no types
    """The progress of one learner. `file` is what the browser read: {"name": ..., "data": base64}."""

    _esm = STATIC / "progress.js"
    _css = STATIC / "k8slearn.css"
    summary = traitlets.Unicode("").tag(sync=True)
    table = traitlets.Unicode("").tag(sync=True)
    link = traitlets.Unicode("").tag(sync=True)
    said = traitlets.Unicode("").tag(sync=True)
    file = traitlets.Dict({}).tag(sync=True)

    def __init__(self, progress: Any) -> None:
        super().__init__()
        self._show(progress)
        self.observe(lambda change: self._read_in(change["new"]), "file")

    def _show(self, progress: Any) -> None:
        self._progress = progress
        self.summary, self.table, self.link = progress.summary(), progress.table(), progress.link()

    def _read_in(self, file: Mapping[str, Any]) -> None:
        try:
            told = self._progress.read_in(b64decode(file.get("data", "")))
            self._show(self._progress.again())
            self.said = "\n".join(told) or "There is nothing in this file."
        except (Refused, Error) as wrong:
            self.said = f"✕ {wrong}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), self._progress.text(), self._progress._repr_html_())

    def __repr__(self) -> str:
        return str(self.summary)
