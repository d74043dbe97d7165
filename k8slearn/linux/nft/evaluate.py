"""A packet meets nftables' base chains in the order of their priorities, and in each of them rule after rule.

::

    base chain ── rule ── rule ── … ── policy
                   │ jump: to another chain and back    goto: without coming back
                   └ accept: on to the next base chain    drop: the packet ends here

A rule's statements run from left to right until one does not hold. An ``accept`` ends its own base chain only: the
next one at the same hook asks again, and a ``drop`` anywhere is the end (`nf_tables_core.c: nft_do_chain`).

Each statement becomes a function when a packet first meets its rule (`acts.py`); what a rule that decides then does is
in `outcomes.py`.

Left out: tracing (``meta nftrace``), and what the modules beside leave out.
"""

from __future__ import annotations

from k8slearn.linux.nft.acts import Name, Outcome, Place, build
from k8slearn.linux.nft.outcomes import reject, translate
from k8slearn.linux.nft.text import data_text, key_text, rule_text
from k8slearn.linux.nft.values import Nat, Reject, SetRef, Verdict, elements_table
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Because, Step


def traverse(net: Net, skb: Skb, name: Name, hook: str) -> bool:
    """Walk a base chain and what it leads to; a step for each rule that matches. False where the packet ends."""
    base = here = _enter(net, skb, name)
    back: list[Place] = []
    while here is not None:
        outcome = _next_match(net, skb, here)
        net.write(*here.learned)
        here.learned.clear()
        if outcome is False:
            here = back.pop() if back else None
            continue
        net.say(_step(skb, here, outcome, hook))
        if isinstance(outcome, Verdict):
            if outcome.kind in ("accept", "drop"):
                return outcome.kind == "accept"
            if outcome.chain:
                back += [here] if outcome.kind == "jump" else []
                here = _enter(net, skb, (*here.name[:3], outcome.chain))
            elif outcome.kind == "return":
                here = back.pop() if back else None
        elif isinstance(outcome, Reject):
            reject(net, skb, outcome)
            return False
        elif isinstance(outcome, Nat):
            return translate(net, skb, here, outcome, hook)
    return base is None or _policy(net, skb, base, hook)


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


def _policy(net: Net, skb: Skb, base: Place, hook: str) -> bool:
    if base.chain.policy != "drop":
        return True
    _, family, table, name = base.name
    why = Because(base.key, f"type {base.chain.type} hook {base.chain.hook} policy drop")
    says = f"nft {family} {table} {name}: no rule decided, the policy is drop"
    net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, why, skb.oif or skb.iif, hook, "NETFILTER_DROP"))
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
