"""The tables that a packet asked, as ``ip route``, ``bridge fdb`` and ``ip neigh`` print them, with the rows that
answered.

A machine decides by its routing table where a packet goes, by its neighbour table to which MAC address, and a bridge
by its forwarding table out of which port. What a kernel learned on the packet's own way (an ARP answer) was not there
before: it is shown as learned.

Left out: policy routing's rules (``ip rule``), and tables that were asked in vain and are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from k8slearn.journal import World
from k8slearn.linux import fdb
from k8slearn.linux.fibtable import route_text
from k8slearn.trace import Step, Trace
from k8slearn.widgets.stories.rules import leg_of
from k8slearn.widgets.story import Line, Part, Story, around


class Asked(NamedTuple):
    """One kind of table: the command that prints it, and how a row of it reads."""

    command: str
    text: Callable[[str, Any, Any], str]


KINDS = {
    "route": Asked("ip route", lambda where, name, row: route_text(row)),
    "fdb": Asked("bridge fdb", lambda where, name, row: fdb.because(where, row).text),
    "neigh": Asked("ip neigh", lambda where, name, row: f"{name[1]} dev {name[0]} lladdr {row.mac}"),
}


def asked(trace: Trace, world: World, leg: str = "") -> Story:
    """The tables that one packet of the conversation asked, in order: `leg` as for the rules."""
    chosen = leg_of(trace, leg)
    found: dict[tuple[str, str], dict[Any, Step]] = {}
    for step in chosen.steps:
        if step.because is not None and step.because.key[1] in KINDS:
            found.setdefault((step.where, step.because.key[1]), {})[step.because.key[2]] = step
    parts = tuple(_part(trace, world, *place, used) for place, used in found.items())
    title = f"{chosen.name} from {trace.source} to {trace.destination}: the tables that it asked"
    return Story(title, parts, f"The conversation ended: {trace.outcome}." if parts else "It asked no table.")


def _part(trace: Trace, world: World, where: str, table: str, used: dict[Any, Step]) -> Part:
    kind = KINDS[table]
    lines = [*_lines(trace, world, where, table, used)]
    return Part(f"{trace.faces.place(where)}  {kind.command}", around(tuple(lines)))


def _lines(trace: Trace, world: World, where: str, table: str, used: dict[Any, Step]) -> Iterator[Line]:
    rows = world.table(where, table)
    for name, row in rows.items():
        step = used.get(name)
        yield _used(trace, step, "used") if step else Line(KINDS[table].text(where, name, row), "not used")
    yield from (_used(trace, step, "learned") for name, step in used.items() if name not in rows)


def _used(trace: Trace, step: Step, sign: str) -> Line:
    assert step.because is not None
    cause = trace.faces.cause(step.because.key, 0)
    who = (("written by", cause.author), ("because of", cause.cause)) if cause is not None else ()
    return Line(step.because.text, sign, (("the kernel says", step.says), *who))
