"""A lookup in sentences: which names were really asked for, who answered each, and what it came to.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from k8slearn.components.coredns.plugins import CACHED
from k8slearn.linux.resolver import AGAIN, NO_ADDRESS, NOT_KNOWN, Lookup, Sent, said
from k8slearn.trace import Attempt

WHY = {
    NOT_KNOWN: "every server that was asked says that there is no such name (NXDOMAIN)",
    NO_ADDRESS: "the name exists, but has no address (NODATA)",
    AGAIN: "no server gave an answer that counts",
}
"""getaddrinfo's words -> what is behind them."""


def told(found: Lookup) -> list[str]:
    """The whole lookup, one fact a line."""
    if found.source == "files":
        return [f"The name {found.name} stands in /etc/hosts: {', '.join(found.addresses)}. No query was sent."]
    names = dict.fromkeys(sent.name for sent in found.queries)
    how = found.config
    search = f", search {' '.join(how.search)}" if how.search and not found.name.endswith(".") else ""
    lines = [
        f"The name comes first: /etc/resolv.conf says nameserver {' '.join(how.nameservers)}{search}, "
        f"ndots:{how.ndots}. {counted(found)} for {len(names)} name{'s' * (len(names) != 1)}:"
    ]
    lines += [f"  {line}" for line in _rungs(found.queries)]
    lines += [f"  {line}" for sent in found.queries for line in asides(sent)]
    if found.addresses:
        return [*lines, f"So {found.name} is {', '.join(found.addresses)}."]
    return [*lines, f"So {found.name} has no address here: {WHY.get(found.error, found.error)}."]


def counted(found: Lookup) -> str:
    """How many queries a lookup really sent: ``8 queries``."""
    number = len(found.queries)
    return f"{number} quer{'y' if number == 1 else 'ies'}"


def _rungs(queries: Sequence[Sent]) -> list[str]:
    """One line for each name and time that it was asked: its types, what came back for each, and who answered."""
    lines = []
    for (name, server), group in groupby(queries, key=lambda sent: (sent.name, sent.server)):
        asked = list(group)
        by = dict.fromkeys(sent.attempt.ending.answered_by for sent in asked if sent.answer is not None)
        who = f" (answered by {', '.join(str(each) for each in by)})" if by else f" (asked {server})"
        answers = "; ".join(f"{sent.type}{_over(sent)} {said(sent)}" for sent in asked)
        lines.append(f"{name} {answers}{who}")
    return lines


def _over(sent: Sent) -> str:
    return " over TCP" if sent.protocol == "tcp" else ""


def asides(sent: Sent) -> list[str]:
    """What the server that was asked had to ask others, and they others still; or that its cache had the answer."""
    return [f"for {sent.name} {line}" for line in _asides(sent.attempt)]


def _asides(attempt: Attempt) -> Iterator[str]:
    who = attempt.ending.answered_by or "the server"
    reasons = (step.because for leg in attempt.legs for step in leg.steps)
    for why in reasons:
        if why is not None and why.key[1] == CACHED:
            yield f"{who} asked nobody: its cache has {why.text}"
    for aside in attempt.asides:
        first = next((leg.steps[0].before for leg in aside.legs if leg.steps), None)
        if first is not None:
            over = " over TCP" if first.proto == "tcp" else ""
            yield f"{who} itself asked {first.dst}:{first.dport}{over}: {_came(aside.ending.outcome)}"
            yield from _asides(aside)


def _came(outcome: str) -> str:
    return "it answered" if outcome == "connected" else f"no answer ({outcome})"


def unanswered(found: Lookup) -> Sent | None:
    """The last query that nobody answered, or None."""
    return next((sent for sent in reversed(found.queries) if sent.answer is None), None)


def to_dict(found: Lookup) -> dict[str, object]:
    """JSON-ready."""
    queries = [
        {
            "name": sent.name,
            "type": sent.type,
            "server": sent.server,
            "protocol": sent.protocol.upper(),
            "answered_by": sent.attempt.ending.answered_by,
            "rcode": sent.rcode or None,
            "answers": [record.data for record in sent.answer.answer] if sent.answer is not None else [],
        }
        for sent in found.queries
    ]
    return {"name": found.name, "addresses": list(found.addresses), "error": found.error or None, "queries": queries}
