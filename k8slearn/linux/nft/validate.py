"""What the kernel refuses of a rule set that reads well: translation at the wrong hook, chains that go in circles.

A chain that nothing leads to may hold anything. From each base chain the kernel follows every jump, and looks whether
what stands there may stand at that hook (`nf_tables_api.c: nft_chain_validate`).

Left out: what the kernel refuses of statements that are not modelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8slearn.linux.nft.store import Store
from k8slearn.linux.nft.values import (
    VERDICT,
    Anonymous,
    Chain,
    Match,
    Nat,
    Reject,
    Rule,
    Selector,
    SetRef,
    Statement,
    Verdict,
    Vmap,
)

DEEPEST = 16
"""Jumps inside jumps that the kernel takes (`NFT_JUMP_STACK_SIZE`)."""
NAT_HOOKS = {
    "dnat": ("prerouting", "output"),
    "redirect": ("prerouting", "output"),
    "snat": ("input", "postrouting"),
    "masquerade": ("postrouting",),
}
REJECT_HOOKS = ("prerouting", "input", "forward", "output")


def problem(store: Store, family: str, table: str) -> str:
    """The kernel's words for what is wrong in this table, or empty."""
    chains = store.chains(family, table)
    maps = {
        name: tuple(e.data for e in store.elements(family, table, name).values() if isinstance(e.data, Verdict))
        for name, row in store.sets(family, table).items()
        if row.data == VERDICT
    }
    done: dict[tuple[str, str, str], int] = {}
    for name, chain in chains.items():
        if chain.hook:
            found = _follow(chains, maps, name, chain, 1, done)
            if found:
                return found
    return ""


def _follow(
    chains: Mapping[str, Chain],
    maps: Mapping[str, tuple[Verdict, ...]],
    name: str,
    base: Chain,
    depth: int,
    done: dict[tuple[str, str, str], int],
) -> str:
    place = (name, base.type, base.hook)
    if depth > DEEPEST:
        return "Too many links"
    if done.get(place, 0) >= depth or name not in chains:
        return ""
    done[place] = depth
    for rule in chains[name].rules:
        if not all(_may_stand(statement, base) for statement in rule.statements):
            return "Operation not supported"
        for target in dict.fromkeys(targets(rule, maps)):
            found = _follow(chains, maps, target, base, depth + 1, done)
            if found:
                return found
    return ""


def leads_to(store: Store, family: str, table: str, chain: str) -> bool:
    """Does a rule of this table lead to this chain?"""
    found = store.world.table(store.netns, "chain").by(_targets_in).get(chain, {})
    return any(isinstance(key, tuple) and key[:3] == ("nft", family, table) for key in found)


def _targets_in(chain: Any) -> set[str]:
    """The chains that a chain's rules lead to; iptables' chains stand in the same table, and lead to none of these."""
    return {name for rule in chain.rules for name in targets(rule)} if isinstance(chain, Chain) else set()


def targets(rule: Rule, maps: Mapping[str, tuple[Verdict, ...]] = {}) -> Iterator[str]:
    """The chains that a rule may lead to; `maps` says where the named ones lead."""
    for statement in rule.statements:
        match statement:
            case Verdict(chain=chain) if chain:
                yield chain
            case Vmap(right=Anonymous(elements=elements)):
                yield from (e.data.chain for e in elements if isinstance(e.data, Verdict) and e.data.chain)
            case Vmap(right=SetRef(name=name)):
                yield from (verdict.chain for verdict in maps.get(name, ()) if verdict.chain)


def _may_stand(statement: Statement, base: Chain) -> bool:
    match statement:
        case Nat(kind=kind):
            return base.type == "nat" and base.hook in NAT_HOOKS[kind]
        case Reject():
            return base.hook in REJECT_HOOKS
        case Match(left=Selector(words=words)) if words.startswith("fib ") and not words.endswith(" type"):
            return base.hook in ("prerouting", "input", "forward")
    return True
