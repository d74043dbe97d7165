"""Where nftables' base chains stand among iptables' tables: by priority, and at the same priority the newest first.

::

    raw -300   conntrack -200   mangle -150   dstnat -100   filter 0   security 50   srcnat 100   confirm

A chain of type nat is different: whatever its priority says, it runs where the kernel translates (-100 or 100), among
the other nat chains in the order of their priorities, until one of them has chosen an address (`nf_nat_core.c:
nf_nat_register_fn`). Newest first is what the kernel does (`core.c: nf_hook_entries_grow` puts a hook before those of
its own priority).

Left out: netdev and bridge hooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from k8slearn.journal import Table
from k8slearn.linux.nft.settle import selectors
from k8slearn.linux.nft.values import Chain, SetMark

Stage = str | tuple[str, str, str, str]
"""A table of iptables (or conntrack's own work), or the key of a base chain."""
PRIORITY = {"raw": -300, "conntrack": -200, "mangle": -150, "filter": 0, "security": 50, "confirm": 1 << 31}
IPVS = {"INPUT": 99, "FORWARD": 100, "OUTPUT": -98}
SOURCE = ("INPUT", "POSTROUTING")


def base_chains(chains: Table, family: str) -> Iterator[tuple[int, tuple[str, str, str, str], Chain]]:
    """(when it was made, its key, itself) of each base chain that sees this family's packets."""
    for made, (key, chain) in enumerate(chains.items()):
        mine = isinstance(key, tuple) and key[0] == "nft" and key[1] in (family, "inet")
        if mine and chain.hook and not chain.asleep:
            yield made, cast("tuple[str, str, str, str]", key), chain


def tracks(chains: Table, family: str) -> bool:
    """Does any rule or chain of nftables make conntrack work for this family?"""
    return any(
        chain.type == "nat" or any(_asks(statement) for rule in chain.rules for statement in rule.statements)
        for key, chain in chains.items()
        if isinstance(key, tuple) and key[0] == "nft" and key[1] in (family, "inet")
    )


def _asks(statement: Any) -> bool:
    words = [selector.words for selector in selectors(statement)]
    words += [statement.target, getattr(statement.source, "words", "")] if isinstance(statement, SetMark) else []
    return any(word.startswith("ct ") for word in words)


def joined(
    chains: Table, family: str, plan: Mapping[tuple[str, str], tuple[str, ...]]
) -> dict[tuple[str, str], tuple[Stage, ...]]:
    """iptables' plan with nftables' chains in their places; ``(family, "nat HOOK")`` has the chains that translate."""
    made = {key: at for at, key in enumerate(chains)}
    found: dict[tuple[str, str], tuple[Stage, ...]] = {}
    rows = list(base_chains(chains, family))
    for (_, hook), stages in plan.items():
        nat = 100 if hook in SOURCE else -100
        priority = {**PRIORITY, "nat": nat, "ipvs": IPVS.get(hook, 0)}
        mine = [(at, key, c) for at, key, c in rows if c.hook == hook.lower()]
        others: list[tuple[int, int, Stage]] = [
            (priority[stage], -made.get((family, stage, hook), -1), stage) for stage in stages
        ]
        filters = [(c.priority, -at, key) for at, key, c in mine if c.type != "nat"]
        nats: list[tuple[int, int, Stage]] = [(c.priority, -at, key) for at, key, c in mine if c.type == "nat"]
        if (family, "nat", hook) in made:
            nats.append((nat, -made[family, "nat", hook], "nat"))
        found[family, hook] = tuple(stage for _, _, stage in sorted([*others, *filters], key=lambda row: row[:2]))
        found[family, f"nat {hook}"] = tuple(stage for _, _, stage in sorted(nats, key=lambda row: row[:2]))
    return found
