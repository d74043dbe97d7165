"""A sheet as SVG text: the face that needs nothing installed, and the one that the widgets make alive.

Each thing is a ``<g data-thing="…">`` with a ``<title>`` that says it in words. Colours stand in attributes, not in a
``<style>`` (GitHub drops those, and an attribute yields to a widget's stylesheet); each mark has its role as a class.

Left out: fonts (the reader's own are used, so widths are estimates).
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from k8slearn.widgets.ink import INKS, MONO, SANS, Ink
from k8slearn.widgets.marks import Line, Mark, Rect, Sheet, Thing, Words


def paint(sheet: Sheet, title: str, over: Iterable[Thing] = (), paper: bool = True) -> str:
    """The sheet as one ``<svg>``; `over` is painted on top (a packet's way); `title` is what a screen reader says."""
    width, height = _n(sheet.width), _n(sheet.height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'class="ks-picture" role="img" aria-label="{escape(title)}" font-family="{SANS}">'
    )
    back = [_rect(Rect("paper", 0, 0, sheet.width, sheet.height, 0))] if paper else []
    return "\n".join([head, *back, *map(_thing, [*sheet.things, *over]), "</svg>\n"])


def _thing(thing: Thing) -> str:
    title = f"<title>{escape(thing.says)}</title>" if thing.says else ""
    scope = f' data-scope="{escape(thing.scope)}"' if thing.scope else ""
    return f'<g data-thing="{escape(thing.name)}"{scope}>{title}{"".join(map(_mark, thing.marks))}</g>'


def _mark(mark: Mark) -> str:
    if isinstance(mark, Rect):
        return _rect(mark)
    return _line(mark) if isinstance(mark, Line) else _words(mark)


def _rect(mark: Rect) -> str:
    ink = INKS[mark.role]
    return (
        f'<rect class="ks-{mark.role}" x="{_n(mark.x)}" y="{_n(mark.y)}" width="{_n(mark.width)}" '
        f'height="{_n(mark.height)}" rx="{_n(mark.radius)}"{_paint(ink)}/>'
    )


def _line(mark: Line) -> str:
    ink = INKS[mark.role]
    way = " ".join(f"{_n(x)},{_n(y)}" for x, y in mark.points)
    return (
        f'<polyline class="ks-{mark.role}" points="{way}"{_paint(ink)} stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _words(mark: Words) -> str:
    ink = INKS[mark.role]
    font = f' font-family="{MONO}"' if ink.mono else ""
    bold = ' font-weight="600"' if ink.bold else ""
    anchor = f' text-anchor="{mark.anchor}"' if mark.anchor != "start" else ""
    return (
        f'<text class="ks-{mark.role}" x="{_n(mark.x)}" y="{_n(mark.y)}" font-size="{_n(ink.size)}"'
        f'{font}{bold}{anchor} fill="{ink.fill}">{escape(mark.words)}</text>'
    )


def _paint(ink: Ink) -> str:
    fill, opacity = (
        (ink.fill[:7], f' fill-opacity="{int(ink.fill[7:], 16) / 255:.2f}"') if len(ink.fill) > 7 else (ink.fill, "")
    )
    line = f' stroke="{ink.line}" stroke-width="{_n(ink.width)}"' if ink.line else ""
    dash = f' stroke-dasharray="{ink.dash}"' if ink.dash else ""
    return f' fill="{fill or "none"}"{opacity}{line}{dash}'


def _n(number: float) -> str:
    """A coordinate, to a tenth: enough for a screen, and the same bytes everywhere."""
    return f"{number:.1f}".removesuffix(".0")
