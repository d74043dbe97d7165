"""How a mark's role looks: fill, line, dash, size. One table for the still pictures; widgets override the colours.

Nothing is told by colour alone: what is down is dashed and says "down", a reply is dashed where a request is solid, a
band has its title. The palette keeps its meaning for people who do not see red and green apart.

Left out: a dark palette for stills (a file cannot know its reader's theme; it brings its own paper instead).
"""

from __future__ import annotations

from typing import NamedTuple

SANS = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'SF Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"

PAPER = "#ffffff"
WORD, DIM = "#1b2530", "#566270"
PURPLE, GREEN, BLUE, RED, ORANGE = "#7b4bb0", "#1f7a5a", "#2f5fa8", "#b3261e", "#b4530a"
REQUEST, REPLY = "#0b57d0", ORANGE


class Ink(NamedTuple):
    """One role. An empty `fill` or `line` is none; `dash` is SVG's; `size` is of words."""

    fill: str = ""
    line: str = ""
    width: float = 1.0
    dash: str = ""
    size: float = 0.0
    bold: bool = False
    mono: bool = False


INKS = {
    "paper": Ink(PAPER),
    "band-cluster": Ink("#f7f2fc", PURPLE, 1.2, "6 4"),
    "band-pod": Ink("#eef8f3", GREEN, 1.2),
    "band-node": Ink("#eff4fc", BLUE, 1.2),
    "title-cluster": Ink(PURPLE, size=12.5, bold=True),
    "title-pod": Ink(GREEN, size=12.5, bold=True),
    "title-node": Ink(BLUE, size=12.5, bold=True),
    "machine": Ink("#ffffffb8", "#7d8894", 1.4),
    "machine-name": Ink(WORD, size=14, bold=True),
    "service": Ink(PAPER, PURPLE, 1.2, "6 4"),
    "pod": Ink(PAPER, GREEN, 1.5),
    "pod-more": Ink(PAPER, GREEN, 1.5),
    "netns": Ink(PAPER, "#7d8894", 1.5, "3 3"),
    "tab": Ink("#d3ebe0", GREEN, 1.2),
    "tab-down": Ink("#fbe9e7", RED, 1.2, "3 2"),
    "bridge": Ink("#d3ebe0", GREEN, 1.5),
    "bridge-down": Ink("#fbe9e7", RED, 1.5, "5 3"),
    "no-bridge": Ink("", GREEN, 1.5, "2 4"),
    "tunnel": Ink("#eff4fc", BLUE, 1.5, "2 3"),
    "tunnel-down": Ink("#fbe9e7", RED, 1.5, "5 3"),
    "tunnel-way": Ink("", BLUE, 3.0, "1 5"),
    "routing": Ink(PAPER, "#566270", 1.4),
    "routing-off": Ink("#fbe9e7", RED, 1.4, "5 3"),
    "nic": Ink("#dbe7f8", BLUE, 1.5),
    "nic-down": Ink("#fbe9e7", RED, 1.5, "5 3"),
    "switch": Ink("#dbe7f8", BLUE, 1.5),
    "router": Ink(PAPER, BLUE, 1.5),
    "outside": Ink(PAPER, "#7d8894", 1.5),
    "wire": Ink("", "#66717d", 1.5),
    "wire-inner": Ink("", "#66717d", 1.5, "2 3"),
    "wire-cut": Ink("", RED, 1.5, "4 4"),
    "wire-bundle": Ink("", "#66717d", 4.0),
    "name": Ink(WORD, size=12, bold=True),
    "small": Ink(WORD, size=9.5),
    "note": Ink(DIM, size=10.5),
    "pill": Ink(WORD, size=10.5, mono=True),
    "tab-words": Ink(WORD, size=8.5, mono=True),
    "veth": Ink(DIM, size=8.5, mono=True),
    "down": Ink(RED, size=10.5, bold=True),
    "listens": Ink(DIM, size=10.5, mono=True),
    "address": Ink(WORD, size=11, mono=True),
    "address-dim": Ink(DIM, size=9, mono=True),
    "request": Ink("", REQUEST, 3.5),
    "request-head": Ink("", REQUEST, 2.5),
    "reply": Ink("", REPLY, 3.0, "8 5"),
    "reply-head": Ink("", REPLY, 2.5),
    "badge-request": Ink(REQUEST, PAPER, 1.5),
    "badge-reply": Ink(REPLY, PAPER, 1.5),
    "badge-words": Ink(PAPER, size=10, bold=True),
    "end": Ink(PAPER, RED, 2.0),
    "end-words": Ink(RED, size=13, bold=True),
    "good": Ink(PAPER, GREEN, 2.0),
    "good-words": Ink(GREEN, size=13, bold=True),
}
"""Role -> how it looks."""
