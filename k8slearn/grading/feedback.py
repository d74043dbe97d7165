"""What a judgement looks like: lines of text, and the same lines as HTML.

Both say the same: done or not, the points, and for each check what was asked, what happened, and the nearest hint. A
mark is never a colour alone. The HTML has no script, no outside address and no style of its own but spacing, so that it
reads in JupyterLab's light and dark themes, in a browser and in a screen reader.

Left out: pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from k8slearn.grading.inert import as_html, plain
from k8slearn.grading.judge import Judgement, Verdict
from k8slearn.grading.record import MIME

MARKS = {True: "✓", False: "✗"}
WORDS = {True: "holds", False: "does not hold"}
STATES = {True: "done", False: "not done"}


def headline(judgement: Judgement) -> str:
    """``not done: 2 of 3 points``."""
    return f"{STATES[judgement.done]}: {number(judgement.points)} of {number(judgement.max_points)} points"


def number(points: float) -> str:
    """Points without a useless ``.0``."""
    return f"{points:g}"


def as_text(title: str, judgement: Judgement) -> str:
    """The feedback for a terminal."""
    return "\n".join([f"{title} - {headline(judgement)}", *(_line(v) for v in judgement.verdicts)])


def _line(verdict: Verdict) -> str:
    worth = f"({number(verdict.points)}/{number(verdict.max_points)})"
    parts = [f"{MARKS[verdict.holds]} {verdict.asks} {worth}"]
    parts += [f"    {line}" for line in plain(verdict.says).splitlines()]
    parts += [f"    Hint: {verdict.hint}"] if verdict.hint else []
    return "\n".join(parts)


def as_page_part(title: str, judgement: Judgement, level: int = 3) -> str:
    """The feedback as a piece of HTML, its heading at this level."""
    return section(title, headline(judgement), map(_item, judgement.verdicts), level)


def page(title: str, body: str, width: str, style: str = "") -> str:
    """A page that stands alone: no script, nothing from outside, a policy that forbids both. Texts are HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n"
        "<style>:root{color-scheme:light dark;background:Canvas;color:CanvasText}\n"
        f"body{{font:1rem/1.5 system-ui,sans-serif;max-width:{width};margin:2rem auto;padding:0 1rem;"
        f"overflow-wrap:break-word}}"
        f"{style}</style>\n"
        f"</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )


def section(title: str, status: str, items: Iterable[str], level: int = 3) -> str:
    """A titled list with a status line; `items` are HTML already."""
    listed = "".join(items)
    body = f'<ul style="list-style:none;padding-left:0">{listed}</ul>' if listed else ""
    return (
        f'<section class="k8slearn-feedback"><h{level}>{as_html(title)}</h{level}>'
        f'<p role="status"><strong>{as_html(status)}</strong></p>{body}</section>'
    )


def _item(verdict: Verdict) -> str:
    worth = f"{number(verdict.points)} of {number(verdict.max_points)} points"
    if verdict.hidden:
        verdict = Verdict(verdict.check, "A further check of your instructor's.", verdict.max_points, verdict.holds)
    says = f'<pre style="white-space:pre-wrap;margin:0.2em 1.4em">{as_html(verdict.says)}</pre>' if verdict.says else ""
    hint = f'<p style="margin:0.2em 1.4em">Hint: {as_html(verdict.hint)}</p>' if verdict.hint else ""
    mark = f'<span aria-hidden="true">{MARKS[verdict.holds]}</span>'
    return f"<li>{mark} {as_html(verdict.asks)} ({WORDS[verdict.holds]}, {worth}){says}{hint}</li>"


class Said(str):
    """A sentence that shows itself without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Feedback:
    """What `exercise.check()` returns: it prints as text, and in a notebook its output carries the record."""

    def __init__(self, title: str, judgement: Judgement, record: dict[str, Any]) -> None:
        self.title = title
        self.judgement = judgement
        self.record = record
        self._shown_at = -1

    @property
    def done(self) -> bool:
        return self.judgement.done

    @property
    def points(self) -> float:
        return self.judgement.points

    @property
    def max_points(self) -> float:
        return self.judgement.max_points

    def __repr__(self) -> str:
        return as_text(self.title, self.judgement)

    def show(self) -> None:
        """Put the feedback and the record into the cell's output; outside a notebook nothing happens."""
        shell = _shell()
        if shell is not None and shell.execution_count != self._shown_at:
            self._shown_at = shell.execution_count
            bundle = {
                "text/plain": repr(self),
                "text/html": as_page_part(self.title, self.judgement),
                MIME: self.record,
            }
            sys.modules["IPython.display"].display(bundle, raw=True)

    def _ipython_display_(self) -> None:
        """`show` has been here if this is still the cell that checked: then it is not shown twice."""
        self.show()


def _shell() -> Any:
    """The running IPython, if it is one that has a display; nothing is imported for it."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and "IPython.display" in sys.modules else None
