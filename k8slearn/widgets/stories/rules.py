"""The rule walker: the chains that a packet met, rule by rule, and the rule that decided.

Linux compares a packet with the rules of a chain from the top. A rule that matches may decide (ACCEPT, DROP, DNAT),
jump to another chain, go back (RETURN) or only change or count something; where nothing decides, the base chain's
policy does (iptables(8), nft(8)). A trace names the rules that matched, so the others' signs follow from the order:
what stands before the last match was compared in vain; what stands behind it was compared only where nothing decided.

Left out: chains in which nothing matched, and the elements of a set or map beside the one that was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from k8slearn.errors import Refused
from k8slearn.journal import World
from k8slearn.linux import rules
from k8slearn.linux.iptables.text import rule_text as iptables_text
from k8slearn.linux.nft.text import rule_text as nft_text
from k8slearn.trace import Leg, Step, Trace
from k8slearn.widgets.story import Line, Part, Story, around

ENDS = {"ACCEPT", "DROP", "REJECT", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"}
"""iptables targets after which a table is done with the packet."""
LOST = ("drop", "icmp", "refuse")
"""What a step is called where a rule's verdict was the packet's end."""
PROGRAMS = {"ip": "iptables", "ip6": "ip6tables"}
_NFT_ENDS = re.compile(r"(?:^|[\s:])(accept|drop|reject|dnat|snat|masquerade|redirect)\b")
_LEAVES = re.compile(r"(?:^|\s)(?:RETURN|return|goto\s)")
_INSIDE = re.compile(r"nft \S+ \S+ (\S+) rule")
"""The chain whose rule looked into a set or map."""
_LOST = re.compile(r"\b(?:drop|reject|DROP|REJECT)\b")


def walked(trace: Trace, world: World, leg: str = "") -> Story:
    """The rules that one packet of the conversation met: `leg` names it, else it is the first, or the one that ended.

    `world` is the world of the trace's revision.
    """
    chosen = leg_of(trace, leg)
    steps = [step for step in chosen.steps if _of_a_rule(step)]
    runs = [list(run) for _, run in groupby(steps, key=_table)]
    parts = [part for run in runs for part in _parts(trace, world, run)]
    title = f"{chosen.name} from {trace.source} to {trace.destination}, port {trace.port}: the rules that it met"
    return Story(title, tuple(parts), f"The conversation ended: {trace.outcome}." if parts else "It met no rule.")


def _of_a_rule(step: Step) -> bool:
    return step.because is not None and step.because.key[1].startswith(("chain", "nftelem"))


def leg_of(trace: Trace, name: str = "") -> Leg:
    """The leg of that name, or the one that ended badly, or the first."""
    if name:
        found = next((leg for leg in trace.legs if leg.name == name), None)
        if found is None:
            there = ", ".join(dict.fromkeys(leg.name for leg in trace.legs))
            raise Refused(f"no packet of this conversation is called {name!r}: there is {there or 'none'}")
        return found
    last = trace.attempt.decisive
    ended = next((leg for leg in trace.legs if last is not None and last in leg.steps), None)
    return ended or next(iter(trace.legs), Leg("packet", "request", 0, 0, ()))


def _table(step: Step) -> tuple[Any, ...]:
    """Where one pass through a table's rules takes place."""
    assert step.because is not None
    name: Any = step.because.key[2]
    return step.where, step.hook, step.because.key[1] == "chain" and name[:-1]


def _parts(trace: Trace, world: World, run: Sequence[Step]) -> Iterator[Part]:
    """A part for each chain that had a match; its matches together, also where it was left and come back to."""
    left = set(_standing(world, run))
    visits: dict[Any, dict[int, Step]] = {}
    for step in run:
        assert step.because is not None
        visits.setdefault(step.because.key, {})[step.because.position] = step
    for key, matched in visits.items():
        cut_short = key in left or bool(_LEAVES.search(_target(world, list(matched.values())[-1])))
        row = world.get(key)
        texts = _texts(row, key) if hasattr(row, "rules") else []
        lines = [_line(trace, world, number, text, matched, cut_short) for number, text in enumerate(texts, 1)]
        lines += [_told(trace, world, step, "") for at, step in matched.items() if not 0 < at <= len(texts)]
        yield Part(f"{trace.faces.place(run[0].where)}  {run[0].hook}  {_named(key)}", around(tuple(lines)))


def _standing(world: World, run: Sequence[Step]) -> Iterator[Any]:
    """The chains that were still open when a rule decided: what stands behind their last match was never reached."""
    wanted = ""
    for step in reversed(run):
        assert step.because is not None
        if wanted and not re.search(rf"(?:^|\s){re.escape(wanted)}(?=\s|$)", f"{_target(world, step)} {step.says}"):
            continue
        if not wanted and not _decides(world, step):
            continue
        yield step.because.key
        inside = _INSIDE.match(step.says)
        name: Any = step.because.key[2]
        wanted = str(name[-1]) if step.because.key[1] == "chain" else inside[1] if inside else ""


def _named(key: Any) -> str:
    _, table, name = key
    if table == "chain":
        return " ".join([PROGRAMS.get(name[0], name[0]), *map(str, name[1:])])
    return str(table.removeprefix("nftelem "))


def _texts(row: Any, key: Any) -> list[str]:
    if isinstance(row, rules.Chain):
        return [f"-A {key[2][-1]} {iptables_text(rule)}".replace("  ", " ").strip() for rule in row.rules]
    return [nft_text(rule) for rule in row.rules]


def _line(trace: Trace, world: World, number: int, text: str, matched: dict[int, Step], cut_short: bool) -> Line:
    if number in matched:
        return _told(trace, world, matched[number], str(number))
    return Line(text, "not reached" if cut_short and number > max(matched) else "no match", (), str(number))


def _told(trace: Trace, world: World, step: Step, number: str) -> Line:
    because = step.because
    assert because is not None
    sign = _sign(world, step)
    cause = trace.faces.cause(because.key, because.position)
    who = (("written by", cause.author), ("because of", cause.cause)) if cause is not None else ()
    return Line(because.text, sign, (("the kernel says", step.says), *who), number)


def _sign(world: World, step: Step) -> str:
    assert step.because is not None
    if not _decides(world, step):
        return "matches"
    return "drops" if step.what in LOST or _LOST.search(_target(world, step)) else "decides"


def _decides(world: World, step: Step) -> bool:
    target = _target(world, step)
    return step.what in ("policy", *LOST) or target in ENDS or bool(_NFT_ENDS.search(target))


def _target(world: World, step: Step) -> str:
    """What the rule does, in its own language's word."""
    because = step.because
    assert because is not None
    row = world.get(because.key)
    if step.what == "policy":
        return because.text
    if isinstance(row, rules.Chain) and 0 < because.position <= len(row.rules):
        return row.rules[because.position - 1].target
    return re.sub(r'"[^"]*"', "", because.text)
