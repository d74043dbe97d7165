"""What a notebook shows of a cluster or a trace where no widget runs: GitHub, PDF, an untrusted notebook, a terminal.

A MIME bundle offers the same thing in several forms and the reader takes the best that it can show. The picture is
SVG inside an ``<img>`` with a ``data:`` address, which shows where bare SVG is stripped; its alternative text is the
text twin's summary.

Left out: PNG (`draw` gives a matplotlib figure, which a notebook shows as one).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from typing import Any

from k8slearn.journal import World
from k8slearn.widgets import picture, trace_view, trace_words, words
from k8slearn.widgets.scene import scene


def cluster_mimebundle(world: World) -> dict[str, Any]:
    """The topology: text/plain and text/html."""
    return {
        "text/plain": picture.text(world).rstrip(),
        "text/html": image(picture.svg(world), words.summary(scene(world))),
    }


def trace_mimebundle(trace: Mapping[str, Any], world: World) -> dict[str, Any]:
    """A trace (its ``to_dict()``) on its world: text/plain and text/html."""
    still = image(picture.svg(world, trace), trace_words.headline(trace))
    return {"text/plain": picture.text(world, trace).rstrip(), "text/html": still + trace_view.html(trace, world)}


def image(svg: str, alt: str) -> str:
    """The SVG as an ``<img>`` that needs no file."""
    address = f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
    return f'<img src="{address}" alt="{escape(alt)}" style="max-width:100%">'
