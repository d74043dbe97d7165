"""A trace for somebody who looks: its way over the topology, and a table of its hops that says the same.

A hop is a packet's stay in one network namespace. The table has a row for each hop of the two legs that tell the
story (there and back), with what was decided in it; the other legs of the conversation are counted. Every row stands
in `text` in full.

Left out: stepping (see `player`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby, zip_longest
from typing import Any

from k8slearn.journal import World
from k8slearn.widgets import journey, picture, trace_words

TraceDict = Mapping[str, Any]
DECIDES = ("send", "route", "nat", "bridge", "deliver", "refuse", "icmp", "drop")
"""What a hop's row tells; the rest happens at every hop and stands in the text."""
ENDS = ("nat", "drop", "icmp", "refuse")
"""What makes the rule before it worth telling."""


def svg(trace: TraceDict, world: World) -> str:
    """The topology with the packet's way over it."""
    return picture.svg(world, trace)


def text(trace: TraceDict, world: World) -> str:
    """Every step in words."""
    return picture.text(world, trace)


def html(trace: TraceDict, world: World) -> str:
    """Headline, picture and table of hops, as HTML without scripts or styles of its own."""
    return "\n".join([f"<p><strong>{escape(trace_words.headline(trace))}</strong></p>", table(trace)])


def table(trace: TraceDict) -> str:
    """The hops as an HTML table; its numbers are the picture's."""
    told = journey.told(trace)
    if not told:
        return ""
    head = "".join(
        f'<th scope="col" style="text-align:left">{title}</th>'
        for title in ("hop", "leg", "where", "what decides", "packet")
    )
    body = "".join(_row(number, steps) for number, steps in _hops(told))
    rest = _others(trace["steps"], told)
    note = f"<p>{escape(rest)}</p>" if rest else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _hops(told: Sequence[TraceDict]) -> Iterator[tuple[int, list[TraceDict]]]:
    number = trace_words.numbers(told)
    for key, run in groupby(told, key=lambda step: number[step["n"]]):
        yield key, list(run)


def _row(number: int, steps: Sequence[TraceDict]) -> str:
    decided = [s for s, after in zip_longest(steps, steps[1:]) if _decides(s, after)] or list(steps[:1])
    lines = "<br>".join(f"{escape(s['says'])}{_why(s)}" for s in decided)
    after = str(steps[-1]["after"].get("text", ""))
    cells = [str(number), steps[0]["leg"], steps[0]["place"]]
    cells = [*map(escape, cells), lines, f"<code>{escape(after)}</code>"]
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"


def _decides(step: TraceDict, after: TraceDict | None) -> bool:
    rule = step["what"] in ("rule", "policy", "conntrack") and after is not None and after["what"] in ENDS
    return rule or step["what"] in DECIDES


def _why(step: TraceDict) -> str:
    row = step.get("because") if step["what"] not in ("nat", "bridge", "send") else None
    return f" <small>({escape(trace_words.because(row))})</small>" if row else ""


def _others(steps: Sequence[TraceDict], told: Sequence[TraceDict]) -> str:
    shown = {(s["leg"], s["direction"], s["time"]) for s in told}
    legs = dict.fromkeys((s["leg"], s["direction"], s["time"]) for s in steps)
    rest = [f"{leg} at {time:g} s" for leg, direction, time in legs if (leg, direction, time) not in shown]
    return f"Not drawn: {', '.join(rest)}." if rest else ""
