"""A packet meets nftables' chains.

::

    base chain ── rule ── rule ── … ── policy
                   │ jump: to another chain and back    goto: without coming back
                   └ accept: on to the next base chain    drop: the packet ends here

A rule's statements run from left to right until one does not hold. An ``accept`` ends its own base chain only: the
next one at the same hook asks again, and a ``drop`` anywhere is the end (`nf_tables_core.c: nft_do_chain`).

Each statement becomes a function when a packet first meets its rule (`BUILD`); it gives False (the rule ends), None
(go on) or what decides: a verdict, a rejection, a translation.

Left out: what ``log`` would write, byte limits' packet sizes beyond the IP packet, ``ct`` expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from k8slearn.journal import Command, Key, Put, Remove
from k8slearn.linux import fib, icmp, nat
from k8slearn.linux.nft import matching
from k8slearn.linux.nft.limits import limit
from k8slearn.linux.nft.readers import now, reader
from k8slearn.linux.nft.text import data_text, key_text, rule_text
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
    Range,
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
from k8slearn.trace import Because, Step, Walk

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


def traverse(net: Net, skb: Skb, name: Name, hook: str) -> Walk[bool]:
    """Walk a base chain and what it leads to; a step for each rule that matches. False where the packet ends."""
    base = here = _enter(net, skb, name)
    back: list[Place] = []
    while here is not None:
        outcome = _next_match(net, skb, here)
        yield from here.learned
        here.learned.clear()
        if outcome is False:
            here = back.pop() if back else None
            continue
        yield _step(skb, here, outcome, hook)
        if isinstance(outcome, Verdict):
            if outcome.kind in ("accept", "drop"):
                return outcome.kind == "accept"
            if outcome.chain:
                back += [here] if outcome.kind == "jump" else []
                here = _enter(net, skb, (*here.name[:3], outcome.chain))
            elif outcome.kind == "return":
                here = back.pop() if back else None
        elif isinstance(outcome, Reject):
            yield from _reject(net, skb, outcome)
            return False
        elif isinstance(outcome, Nat):
            return (yield from _translate(net, skb, here, outcome, hook))
    return base is None or (yield from _policy(skb, base, hook))


def _enter(net: Net, skb: Skb, name: Name) -> Place | None:
    chain = net.world.table(skb.netns, "chain").get(name)
    return chain and Place(name, (skb.netns, "chain", name), chain)


def _next_match(net: Net, skb: Skb, here: Place) -> Outcome:
    """The next rule that matches and what it decides (None: nothing); False where none is left."""
    rules = here.chain.rules
    while here.position < len(rules):
        here.rule = rule = rules[here.position]
        here.position += 1
        net.compared += 1
        here.element = here.looked = None
        outcome: Outcome = None
        for act in rule.run or build(rule):
            outcome = act(net, skb, here)
            if outcome is not None:
                break
        if outcome is not False:
            return outcome
    return False


def build(rule: Rule) -> list[Act]:
    """A rule's statements as functions, kept with the rule."""
    rule.run.extend(BUILD[type(statement)](statement) for statement in rule.statements)
    return rule.run


def _policy(skb: Skb, base: Place, hook: str) -> Walk[bool]:
    if base.chain.policy != "drop":
        return True
    _, family, table, name = base.name
    why = Because(base.key, f"type {base.chain.type} hook {base.chain.hook} policy drop")
    says = f"nft {family} {table} {name}: no rule decided, the policy is drop"
    yield Step(skb.netns, "drop", says, skb.packet, skb.packet, why, skb.oif or skb.iif, hook, "NETFILTER_DROP")
    return False


def _step(skb: Skb, here: Place, outcome: Outcome, hook: str) -> Step:
    """The line of the log; where an element of a set decided, it is named, and it is the reason."""
    _, family, table, name = here.name
    drops = isinstance(outcome, Reject) or outcome == Verdict("drop")
    did = _did(outcome)
    because = Because(here.key, rule_text(here.rule), here.position)
    found = ""
    if here.element is not None and here.looked is not None:
        data = f" : {data_text(here.element.data, here.looked.data)}" if here.element.data is not None else ""
        element = key_text(here.element.key) + data
        set_name = f"@{here.looked.name}" if isinstance(here.looked, SetRef) else "the set"
        found = f" ({element} in {set_name})"
        if isinstance(here.looked, SetRef):
            rows = elements_table(family, table, here.looked.name)
            because = Because(
                (skb.netns, rows, here.element.name), f"{rule_text(here.rule)} # {element}", here.position
            )
    says = f"nft {family} {table} {name} rule {here.position}: {did}{found}"
    dev, reason = skb.oif or skb.iif, "NETFILTER_DROP" if drops else ""
    return Step(skb.netns, "drop" if drops else "rule", says, skb.packet, skb.packet, because, dev, hook, reason)


def _did(outcome: Outcome) -> str:
    match outcome:
        case Verdict(kind=kind, chain=chain):
            return f"{kind} {chain}" if chain else kind
        case Reject():
            return "reject"
        case Nat(kind=kind):
            return kind
    return "matched"


# --- what ends a packet's way through the chain --------------------------------------------------

ICMPX = {
    "port-unreachable": ("port-unreachable", "port-unreachable"),
    "host-unreachable": ("host-unreachable", "addr-unreachable"),
    "no-route": ("net-unreachable", "no-route"),
    "admin-prohibited": ("admin-prohibited", "adm-prohibited"),
}
"""``icmpx`` -> the message in IPv4 and in IPv6 (`nft_reject.c`)."""
MESSAGES = {"prot-unreachable": "proto-unreachable"}
MESSAGES6 = {"admin-prohibited": "adm-prohibited"}


def _reject(net: Net, skb: Skb, how: Reject) -> Walk[None]:
    six = skb.packet.family == "ip6"
    if how.how == "tcp":
        yield from icmp.reject(net, skb, "tcp-reset")
    elif how.how == "icmpx":
        yield from icmp.reject(net, skb, ICMPX[how.code][six])
    elif (how.how == "icmpv6") == six:
        yield from icmp.reject(net, skb, (MESSAGES6 if six else MESSAGES).get(how.code, how.code))


def _translate(net: Net, skb: Skb, here: Place, to: Nat, hook: str) -> Walk[bool]:
    """Choose the new address and port; the connection keeps them (`nft_nat.c`, `nft_masq.c`, `nft_redir.c`)."""
    if skb.tracked is None:
        return True
    source = to.kind in ("snat", "masquerade")
    first, last = _addresses(net, skb, here, to, hook)
    if to.kind == "masquerade" and not first:
        says = f"{skb.oif} ate my IP address"
        yield Step(skb.netns, "drop", says, skb.packet, skb.packet, None, skb.oif, hook, "NETFILTER_DROP")
        return False
    low, high = _ports(here, to)
    random, persistent = any("random" in flag for flag in to.flags), "persistent" in to.flags
    nat.setup(net, skb, nat.Range(first, last, low, high, random, persistent), source)
    return True


def _addresses(net: Net, skb: Skb, here: Place, to: Nat, hook: str) -> tuple[str, str]:
    match to.address:
        case Const(value=value):
            return str(value), str(value)
        case Range(low=low, high=high):
            return str(low), str(high)
        case Mapped():
            return str(here.nat[0]), str(here.nat[0])
    address = ""
    if to.kind == "masquerade":
        address = fib.select_source(net.world, skb.netns, skb.oif, skb.via or skb.packet.dst)
    elif to.kind == "redirect" and hook == "OUTPUT":
        address = "::1" if skb.packet.family == "ip6" else "127.0.0.1"
    elif to.kind == "redirect":
        address = fib.select_source(net.world, skb.netns, skb.iif, skb.packet.src)
    return address, address


def _ports(here: Place, to: Nat) -> tuple[int, int]:
    match to.port:
        case Const(value=value):
            return int(value), int(value)
        case Range(low=low, high=high):
            return int(low), int(high)
    port = int(here.nat[1]) if isinstance(to.address, Mapped) and len(here.nat) > 1 else 0
    return port, port


# --- statements as functions ---------------------------------------------------------------------


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
        skb.tracked.row = replace(skb.tracked.row, mark=mark)
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
    Reject: lambda reject: lambda net, skb, here: reject,
    Nat: _nat,
    SetMark: _set_mark,
    Update: _update,
    Notrack: _notrack,
}
"""A kind of statement -> what makes its function."""
