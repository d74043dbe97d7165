"""nftables' statements as functions of a packet, built once for each rule (`build`).

The kernel compiles a rule into a row of small instructions; ours are Python functions. Each gives False (the rule ends
here), None (go on), or what decides: a verdict, a rejection, a translation. On the way they count, mark, and write into
sets.

Left out: what ``log`` would write, byte limits' packet sizes beyond the IP packet, ``ct`` expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8slearn.journal import Command, Key, Put, Remove
from k8slearn.linux.nft import matching
from k8slearn.linux.nft.limits import limit
from k8slearn.linux.nft.readers import now, reader
from k8slearn.linux.nft.types import number
from k8slearn.linux.nft.values import (
    Anonymous,
    Chain,
    Const,
    Counter,
    Element,
    Joined,
    Limit,
    Log,
    Mapped,
    Match,
    Nat,
    Notrack,
    Reject,
    Rule,
    SetMark,
    SetRef,
    Statement,
    Update,
    Verdict,
    Vmap,
    elements_table,
)
from k8slearn.linux.skb import Net, Skb

Name = tuple[str, str, str, str]
Outcome = bool | Verdict | Reject | Nat | None
Act = Callable[[Net, Skb, "Place"], Outcome]


@dataclass(slots=True)
class Place:
    """Where a packet is: a chain, the next rule, and what the rule has found so far."""

    name: Name
    key: Key
    chain: Chain
    position: int = 0
    rule: Rule = field(default_factory=lambda: Rule(()))
    element: Element | None = None
    looked: SetRef | Anonymous | None = None
    """The set in which `element` was found."""
    nat: tuple[Any, ...] = ()
    """The address (and port) that a map gave."""
    learned: list[Command] = field(default_factory=list)


def build(rule: Rule) -> list[Act]:
    """A rule's statements as functions, kept with the rule."""
    rule.run.extend(BUILD[type(statement)](statement) for statement in rule.statements)
    return rule.run


def _match(match: Match) -> Act:
    holds = matching.test(match)
    return lambda net, skb, here: None if holds(net, skb, here) else False


def _joined(joined: Joined) -> Act:
    """Not all of them at once: one comparison of joined fields (see `settle.py`)."""
    same = [matching.test(one._replace(op="")) for one in joined.matches]
    readers = [reader(one.left) for one in joined.matches]

    def act(net: Net, skb: Skb, here: Place) -> Outcome:
        there = all(read(net, skb, here) is not None for read in readers)
        return None if there and not all(test(net, skb, here) for test in same) else False

    return act


def _vmap(vmap: Vmap) -> Act:
    find, right = matching.finder(vmap.left, vmap.right), vmap.right

    def act(net: Net, skb: Skb, here: Place) -> Outcome:
        found = find(net, skb, here)
        if found is None or not isinstance(found.data, Verdict):
            return False
        here.element, here.looked = found, right
        return None if found.data.kind == "continue" else found.data

    return act


def _verdict(verdict: Verdict) -> Act:
    outcome = None if verdict.kind == "continue" else verdict
    return lambda net, skb, here: outcome


REJECTED = {"tcp": ("tcp",), "icmp": ("ip",), "icmpv6": ("ip6",)}
"""How a rule rejects -> whom alone: a condition that nft adds and does not print (`stmt_evaluate_reject`)."""


def _reject(reject: Reject) -> Act:
    whom = REJECTED.get(reject.how, ("ip", "ip6"))
    return lambda net, skb, here: reject if {skb.packet.proto, skb.packet.family} & {*whom} else False


def _nat(statement: Nat) -> Act:
    """An address of the other family translates nothing (`nft_nat.c: nft_nat_inet_eval`)."""
    lookup = _mapped(statement.address) if isinstance(statement.address, Mapped) else None

    def act(net: Net, skb: Skb, here: Place) -> Outcome:
        if statement.family and statement.family != skb.packet.family:
            return None
        if lookup is None:
            return statement
        here.nat = lookup(net, skb, here)
        return statement if here.nat else False

    return act


def _mapped(mapped: Mapped) -> Callable[[Net, Skb, Place], tuple[Any, ...]]:
    find, right = matching.finder(mapped.left, mapped.right), mapped.right

    def lookup(net: Net, skb: Skb, here: Place) -> tuple[Any, ...]:
        found = find(net, skb, here)
        if found is None or not isinstance(found.data, tuple) or isinstance(found.data, Verdict):
            return ()
        here.element, here.looked = found, right
        return found.data

    return lookup


def _counter(counter: Counter) -> Act:
    def act(net: Net, skb: Skb, here: Place) -> Outcome:
        if net.recording:
            name = (*here.name[:3], counter.name) if counter.name else (*here.name, here.rule.handle)
            net.count((skb.netns, "counter", name), skb.packet.size)
        return None

    return act


def _set_mark(statement: SetMark) -> Act:
    source = statement.source
    if isinstance(source, Const):
        mark = number(source.type, source.value)
        return lambda net, skb, here: _mark(skb, statement.target, mark)
    if isinstance(source, Mapped):
        lookup = _mapped(source)
        return lambda net, skb, here: _mark(skb, statement.target, (*lookup(net, skb, here), None)[0])
    read = reader(source)
    return lambda net, skb, here: _mark(skb, statement.target, read(net, skb, here))


def _mark(skb: Skb, target: str, mark: int | None) -> Outcome:
    if mark is None:
        return False
    if target == "meta mark":
        skb.mark = mark
    elif skb.tracked is not None:
        skb.tracked.row = skb.tracked.row._replace(mark=mark)
    return None


def _notrack(statement: Notrack) -> Act:
    def act(net: Net, skb: Skb, here: Place) -> Outcome:
        if skb.tracked is None:
            skb.state = "UNTRACKED"
        return None

    return act


def _update(update: Update) -> Act:
    """The packet's own element: added, and (``update``) its time begins again (`nft_dynset.c`)."""
    read, kinds = reader(update.key), update.set.kinds

    def act(net: Net, skb: Skb, here: Place) -> Outcome:
        value = read(net, skb, here)
        if value is None:
            return False
        _, family, table, _ = here.name
        row = net.world.get((skb.netns, "nftset", (family, table, update.set.name)))
        key: Key = (skb.netns, elements_table(family, table, update.set.name), value)
        if update.op == "delete":
            here.learned.append(Remove(key))
            return None
        clock = now(net)
        before = net.world.get(key)
        alive = before is not None and (before.until is None or before.until > clock)
        span = update.timeout if update.timeout is not None else row.timeout if row is not None else 0
        if not alive or (update.op == "update" and span):
            values = value if isinstance(value, tuple) else (value,)
            parts = tuple(Const(kind, one) for kind, one in zip(kinds, values, strict=True))
            until = clock + span / 1000 if span else None
            here.learned.append(Put(key, Element(parts, None, "", update.timeout, until)))
        return None

    return act


BUILD: Mapping[type[Statement], Callable[[Any], Act]] = {
    Match: _match,
    Joined: _joined,
    Vmap: _vmap,
    Verdict: _verdict,
    Counter: _counter,
    Limit: limit,
    Log: lambda statement: lambda net, skb, here: None,
    Reject: _reject,
    Nat: _nat,
    SetMark: _set_mark,
    Update: _update,
    Notrack: _notrack,
}
"""A kind of statement -> what makes its function."""
