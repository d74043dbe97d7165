"""The comparison of wirings, aspect by aspect: where they differ and where they are alike.

Left out: the rows that kube-proxy's modes wrote (`Comparison.text` has them).
"""

from __future__ import annotations

from typing import Any

from k8slearn.widgets.story import Line, Part, Story


def compared(comparison: Any) -> Story:
    """A part for each aspect of a `compare.Comparison`, a line for each wiring."""
    different = comparison.differs()
    width = max(map(len, comparison.table), default=0)
    parts = tuple(
        Part(
            f"{aspect}: {meaning}",
            tuple(
                Line(f"{name:<{width}}  {row[aspect]}", "differs" if aspect in different else "alike")
                for name, row in comparison.table.items()
            ),
        )
        for aspect, meaning in comparison.aspects.items()
    )
    return Story("The same question under each wiring", parts, " ".join(comparison.sentences()))
