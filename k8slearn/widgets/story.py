"""A story: what was looked at, line by line, and which lines mattered. The one form that many ideas are shown in.

Rules that a packet met, tables that were asked, calls of a pod's life, queries of a lookup: each is a list of parts
with lines, and to each line belong a sign in words (``decides``) and details. So they share their faces: text, SVG,
a still for where no widget runs, and one widget (`story_widget`). `stories` has a function for each idea that reads
the engine and returns such a value.

::

    node-1  nat KUBE-SERVICES                       <- part
        1  -A KUBE-SERVICES -d 10.96.0.1/32 …         no match     <- line, sign
      > 2  -A KUBE-SERVICES -d 10.108.159.206/32 …    matches

Left out: more than `MOST` lines of a part (those around the signs are kept, the others are counted).
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

from k8slearn.widgets.marks import Mark, Rect, Sheet, Thing, Words, cut
from k8slearn.widgets.svg import paint

MOST = 12
WIDTH, LEFT, HEAD, ROW, SIGN = 900.0, 14.0, 34.0, 24.0, 110.0
LETTER = 6.7
"""The width of a letter of a line, roughly."""
QUIET = ("", "no match", "not reached", "not used", "alike", "fine")
"""Signs of lines that were passed by: they are no stops of a walk, unless nothing else is."""


class Line(NamedTuple):
    """One line: what the real tool prints, what it did (`sign`, a word or two), and names with values about it."""

    says: str
    sign: str = ""
    details: tuple[tuple[str, str], ...] = ()
    number: str = ""


class Part(NamedTuple):
    """Lines that belong together: a chain, a table, one program's calls."""

    title: str
    lines: tuple[Line, ...]


class Story(NamedTuple):
    """A title, its parts in the order in which they happened, and how it ended."""

    title: str
    parts: tuple[Part, ...]
    ending: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(line for part in self.parts for line in part.lines)

    @property
    def stops(self) -> tuple[int, ...]:
        """The numbers (from 0) of the lines that a walk stops at: those that something is said of."""
        told = tuple(n for n, line in enumerate(self.lines) if line.sign not in QUIET)
        return told or tuple(range(len(self.lines)))

    def text(self) -> str:
        """Every line in words: the picture's text twin."""
        return "\n".join(_text(self))

    def svg(self, paper: bool = True) -> str:
        """The lines as SVG text."""
        return paint(sheet(self), self.title, paper=paper)

    def walk(self) -> Any:
        """The story as a widget: step through its lines with buttons, a slider or the arrow keys."""
        from k8slearn.widgets.story_widget import Walk

        return Walk(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        parts = [{"title": part.title, "lines": [_plain(line) for line in part.lines]} for part in self.parts]
        return {"title": self.title, "parts": parts, "ending": self.ending}

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from k8slearn.widgets.faces import image

        words = f"<details><summary>The same in words</summary><pre>{escape(self.text())}</pre></details>"
        return {"text/plain": self.text(), "text/html": image(self.svg(), self.title) + words}


def around(lines: tuple[Line, ...], most: int = MOST) -> tuple[Line, ...]:
    """A long table without the lines that are far from anything: they are counted."""
    if len(lines) <= most:
        return lines
    told = [n for n, line in enumerate(lines) if line.sign not in QUIET] or [0]
    kept = {m for n in told for m in (n - 1, n, n + 1) if 0 <= m < len(lines)}
    found: list[Line] = []
    gap = 0
    for n, line in enumerate(lines):
        if n in kept:
            found += [_counted(gap)] if gap else []
            gap = 0
            found.append(line)
        else:
            gap += 1
    return (*found, *([_counted(gap)] if gap else []))


def _counted(gap: int) -> Line:
    return Line(f"({gap} more line{'s' * (gap > 1)} that had no part in it)")


def _plain(line: Line) -> dict[str, Any]:
    return {**line._asdict(), "details": [list(pair) for pair in line.details]}


def _text(story: Story) -> Iterator[str]:
    yield story.title
    for part in story.parts:
        yield f"\n{part.title}"
        for line in part.lines:
            mark = " " if line.sign in QUIET else ">"
            yield f"  {mark} {line.number:>3}  {line.says}{f'   [{line.sign}]' if line.sign else ''}"
            if mark == ">":
                yield from (f"           {name}: {value}" for name, value in line.details)
    if story.ending:
        yield f"\n{story.ending}"


# -- the picture -------------------------------------------------------------------------------------------------------


def sheet(story: Story) -> Sheet:
    """The story as a drawing; each line is a thing named by its number."""
    things: list[Thing] = []
    y, n = 8.0, 0
    for part in story.parts:
        things.append(Thing(f"part {part.title}", "", (Words("name", LEFT, y + 20, cut(part.title, WIDTH - 40, 7.0)),)))
        y += HEAD - 4
        for line in part.lines:
            things.append(_thing(line, n, y))
            y, n = y + ROW, n + 1
        y += 6
    if story.ending:
        things.append(Thing("ending", "", (Words("note", LEFT, y + 16, cut(story.ending, WIDTH - 28, 5.8)),)))
        y += 24
    return Sheet(WIDTH, y + 6, tuple(things))


def _thing(line: Line, n: int, y: float) -> Thing:
    quiet = line.sign in QUIET
    role = "netns" if quiet else "tab-down" if line.sign in BAD else "tab"
    room = WIDTH - 2 * LEFT - SIGN - 44
    marks: list[Mark] = [
        Rect(role, LEFT, y, WIDTH - 2 * LEFT, ROW - 3, 4),
        Words("address-dim", LEFT + 30, y + 14.5, line.number, "end"),
        Words("address", LEFT + 38, y + 14.5, cut(line.says, room, LETTER)),
        Words("note" if quiet else "name", WIDTH - LEFT - 8, y + 14.5, cut(line.sign, SIGN, 7.0), "end"),
    ]
    says = f"{line.number} {line.says}{f': {line.sign}' if line.sign else ''}".strip()
    return Thing(f"line {n}", says, tuple(marks), f"line {n}")


BAD = (
    "drops",
    "broken",
    "no answer",
    "NXDOMAIN",
    "SERVFAIL",
    "REFUSED",
    "failed",
    "warns",
    "nothing matches",
)
"""Signs that are drawn as something wrong (a dashed red line around them; the word says it too)."""
