"""What the trace player plays: a trace's steps with their places in the picture, and words for each.

Pure: a sheet and a trace's `to_dict()` give JSON. The player adds nothing to it.

Left out: the packet's payload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from k8slearn.journal import World
from k8slearn.packet import NEIGHBOURLY
from k8slearn.trace import WORDS
from k8slearn.widgets import journey, trace_words
from k8slearn.widgets.marks import Sheet

HEADERS = {
    "eth_src": "MAC from",
    "eth_dst": "MAC to",
    "src": "IP from",
    "dst": "IP to",
    "proto": "protocol",
    "sport": "port from",
    "dport": "port to",
    "flags": "flags",
    "ttl": "TTL",
}
"""A packet's fields -> what a learner reads beside them."""

Step = Mapping[str, Any]


def playback(sheet: Sheet, trace: Mapping[str, Any]) -> dict[str, Any]:
    """Headline, packets (legs) and steps of a trace, JSON-ready."""
    legs: list[dict[str, Any]] = []
    played: list[dict[str, Any]] = []
    for (name, direction, time), run in groupby(trace["steps"], key=lambda s: (s["leg"], s["direction"], s["time"])):
        steps = list(run)
        legs.append({"name": name, "direction": direction, "time": time, "first": len(played), "count": len(steps)})
        stops = journey.stops(sheet, steps)
        played += [_step(sheet, s, stop, len(legs) - 1) for s, stop in zip(steps, stops, strict=True)]
    return {
        "headline": trace_words.headline(trace),
        "outcome": trace["outcome"],
        "legs": legs,
        "steps": played,
        "text": trace_words.trace_lines(trace, journey.told(trace)),
    }


def _step(sheet: Sheet, step: Step, stop: journey.Stop, leg: int) -> dict[str, Any]:
    row = step.get("because")
    errand = step["what"] == "arp" or step["before"].get("flags") in NEIGHBOURLY
    return {
        "leg_number": leg,
        "direction": step["direction"],
        "errand": errand,
        "label": ("NDP" if ":" in step["before"]["dst"] else "ARP") if errand else step["leg"],
        "place": step["place"],
        "seat": journey.seat(sheet, step, stop),
        "at": " ".join(filter(None, [step.get("hook", ""), step.get("dev", "")])),
        "what": step["what"],
        "meaning": WORDS.get(step["what"], ""),
        "says": step["says"],
        "because": trace_words.deciding(row) if row else "",
        "who": trace_words.author(row) if row else "",
        "fields": fields(step["before"], step["after"]),
        "x": round(stop.at[0], 1),
        "y": round(stop.at[1], 1),
        "way": [[round(x, 1), round(y, 1)] for x, y in stop.way],
    }


def fields(before: Step, after: Step) -> list[dict[str, Any]]:
    """The packet's headers before and after, those that it has; `changed` where they differ."""
    found = []
    for name, title in HEADERS.items():
        old, new = str(before.get(name, "") or ""), str(after.get(name, "") or "")
        if old or new:
            found.append({"name": title, "before": old, "after": new, "changed": old != new})
    return found


def places(world: World) -> dict[str, Any]:
    """The endpoints that can be chosen, by kind: as sources and as destinations."""
    machines = [s for s in world.scopes("netns") if "/" not in s]
    pods = sorted(str(name) for name in world.table("api", "pods"))
    services = [f"svc:{name}" for name in sorted(map(str, world.table("api", "services")))]
    nodes = [s for s in machines if s.startswith("node:")]
    outside = [s for s in machines if s.startswith("outside:")]
    sources = _groups({"Pods": pods, "Nodes": nodes, "Outside": outside})
    return {
        "sources": sources,
        "destinations": _groups({"Pods": pods, "Services": services, "Nodes": nodes, "Outside": outside}),
    }


def _groups(kinds: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    return [{"label": label, "values": list(values)} for label, values in kinds.items() if values]
