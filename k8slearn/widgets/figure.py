"""A sheet as a matplotlib figure: for a PNG on GitHub, for a PDF, for a figure of one's own.

The same marks as the SVG, one patch or text each, so the two faces agree by construction.

Left out: dark paper (a figure is printed as often as it is shown).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from k8slearn.widgets.ink import INKS, PAPER
from k8slearn.widgets.marks import Line, Mark, Rect, Sheet, Thing

INCH = 100.0
"""Units of the sheet in an inch of the figure: text then has its true size at 72 points."""


def figure(sheet: Sheet, over: Iterable[Thing] = ()) -> Any:
    """A matplotlib Figure that belongs to nobody: no pyplot, no global state."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(sheet.width / INCH, sheet.height / INCH), facecolor=PAPER)
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(sheet.height, 0)
    axes.set_axis_off()
    marks = (mark for thing in (*sheet.things, *over) for mark in thing.marks)
    for order, mark in enumerate(marks):
        _paint(axes, mark, order)
    return drawn


def _paint(axes: Any, mark: Mark, order: int) -> None:
    if isinstance(mark, Rect):
        _rect(axes, mark, order)
    elif isinstance(mark, Line):
        _line(axes, mark, order)
    else:
        ink = INKS[mark.role]
        family = ["DejaVu Sans Mono", "monospace"] if ink.mono else ["DejaVu Sans", "sans-serif"]
        anchor = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
        points = ink.size * 72 / INCH
        style = {"family": family, "fontsize": points, "color": ink.fill, "weight": "bold" if ink.bold else "normal"}
        axes.text(mark.x, mark.y, mark.words, ha=anchor, va="baseline", zorder=order, parse_math=False, **style)


def _rect(axes: Any, mark: Rect, order: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    ink = INKS[mark.role]
    radius = min(mark.radius, mark.width / 2, mark.height / 2)
    box = f"round,pad=0,rounding_size={radius}" if radius else "square,pad=0"
    style = {"linewidth": ink.width * 72 / INCH, "linestyle": _dash(ink.dash, ink.width), "zorder": order}
    patch = FancyBboxPatch(
        (mark.x, mark.y), mark.width, mark.height, boxstyle=box, fc=ink.fill or "none", ec=ink.line or "none", **style
    )
    axes.add_patch(patch)


def _line(axes: Any, mark: Line, order: int) -> None:
    ink = INKS[mark.role]
    xs, ys = zip(*mark.points, strict=True)
    axes.plot(
        xs, ys, color=ink.line, linewidth=ink.width * 72 / INCH, linestyle=_dash(ink.dash, ink.width), zorder=order
    )


def _dash(dash: str, width: float) -> Any:
    """matplotlib counts dashes in widths of the line, SVG in units."""
    return (0, tuple(float(n) / width for n in dash.split())) if dash else "-"
