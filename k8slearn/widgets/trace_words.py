"""A trace in words: its headline, and every step with the row that decided.

Left out: the other legs of a conversation beside the one or two that tell the story; each has one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any


def headline(trace: Mapping[str, Any]) -> str:
    """One sentence: the question and its answer."""
    words = f"{trace['source']} → {trace['destination']}, port {trace['port']} {trace['protocol']}: {trace['outcome']}"
    if trace.get("answered_by"):
        words += f", answered by {trace['answered_by']}"
    if trace.get("source_seen"):
        words += f", which saw {trace['source_seen']} and was reached on {trace['destination_seen']}"
    return words


def trace_lines(trace: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> str:
    """A trace in lines: every step of the legs that tell the story, the other legs in one line each.

    The hops have the picture's numbers; what has none is an errand on the way (ARP, NDP).
    """
    return "\n".join(_trace_lines(trace, numbers(told))) + "\n"


def numbers(told: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Step number -> number of the hop (a stay in one namespace) that it belongs to."""
    found: dict[int, int] = {}
    runs = groupby(told, key=lambda s: (s["leg"], s["direction"], s["time"], s["where"]))
    for number, (_, run) in enumerate(runs, 1):
        found.update((step["n"], number) for step in run)
    return found


def _trace_lines(trace: Mapping[str, Any], told: Mapping[int, int]) -> Iterator[str]:
    yield headline(trace)
    for (leg, direction, time), run in groupby(trace["steps"], key=lambda s: (s["leg"], s["direction"], s["time"])):
        steps = list(run)
        yield ""
        if not any(s["n"] in told for s in steps):
            yield f"{leg} ({direction}, {time:g} s): {len(steps)} steps, {' → '.join(places(steps))}"
            continue
        yield f"{leg} ({direction}, {time:g} s)"
        errand = "NDP" if ":" in steps[0]["before"].get("dst", "") else "ARP"
        for (number, place), part in groupby(steps, key=lambda s: (told.get(s["n"], 0), s["place"])):
            yield f"  {number or errand:<3} {place}"
            for step in part:
                yield from step_lines(step)
    chances = trace.get("fates") or ()
    if len(chances) > 1:
        yield "\nChance decides here:"
        for fate in chances:
            yield f"  {fate['fraction']:>5}  {fate['outcome']}" + (
                f", by {fate['answered_by']}" if fate["answered_by"] else ""
            )


def places(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The places that these steps pass, in order, without repeating one beside itself."""
    return [place for place, _ in groupby(s["place"] for s in steps)]


def step_lines(step: Mapping[str, Any]) -> Iterator[str]:
    """One step: what happened, what it did to the packet, and the row that decided."""
    at = " ".join(filter(None, [step.get("hook", ""), step.get("dev", "")]))
    yield f"      {step['what']:<10} {step['says']}" + (f"  [{at}]" if at else "")
    if step["after"].get("text") != step["before"].get("text"):
        yield f"      {'':<10} now {step['after'].get('text')}"
    if step.get("because"):
        yield f"      {'':<10} because {because(step['because'])}"


def because(row: Mapping[str, Any]) -> str:
    """The row that decided, and who wrote it."""
    who = author(row)
    return deciding(row) + (f"  ({who})" if who else "")


def deciding(row: Mapping[str, Any]) -> str:
    """The row that decided, as the real tool prints it; a rule with its number."""
    return (f"rule {row['position']}: " if row.get("position") else "") + str(row["text"])


def author(row: Mapping[str, Any]) -> str:
    """Who wrote the row, and because of what; empty where nobody knows."""
    cause = f" for {row['cause']}" if row.get("cause") else ""
    return f"written by {row['author']}{cause}" if row.get("author") else ""
