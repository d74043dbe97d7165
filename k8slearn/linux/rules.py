"""A firewall is rules in chains: what a person types, a component writes and a packet meets.

An iptables table has chains, a chain has rules, a rule has conditions and a target. The chains that a table has from
the start (`BUILT_IN`) are named after the hooks at which packets come in; people make others and jump to them::

               PREROUTING   INPUT   FORWARD   OUTPUT   POSTROUTING
    raw        x                              x
    mangle     x            x       x         x        x
    nat        x            x                 x        x
    filter                  x       x         x
    security                x       x         x

These are the values; `iptables` reads and prints them, `netfilter.py` lets packets meet them.

nftables' rules are other values (`nft/`). Counters are rows of their own (table ``counter``, `skb.Net.count`).

Left out: the rules of ebtables and arptables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Match(NamedTuple):
    """One condition of a rule: ``Match("conntrack", "--ctstate", "NEW", negated=True)``."""

    module: str
    """The ``-m`` module, or empty for -s -d -i -o -p."""
    option: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Made with `iptables.parse_rule`, printed with `iptables.rule_text`."""

    matches: tuple[Match, ...] = ()
    target: str = ""
    """A target (``ACCEPT``, ``DNAT``, ...) or a chain; empty: the rule only counts."""
    options: tuple[tuple[str, str], ...] = ()
    """The target's options in order: ``(("--to-destination", "10.244.1.2:80"),)``."""
    goto: bool = False
    because: str = field(default="", compare=False)
    """What made its author write it, in a person's words: ``Service default/web, spec.ports[0]`` (opaque here)."""
    tests: list[Any] = field(default_factory=list, init=False, compare=False, repr=False, hash=False)
    """A tuple of its conditions as functions, kept here by `matches.py` once a packet has met the rule."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of one table. A built-in chain has a policy, a user's chain has none."""

    rules: tuple[Rule, ...] = ()
    policy: str = ""
    index: list[Any] = field(default_factory=list, init=False, compare=False, repr=False, hash=False)
    """Its rules as `ruleindex.py` sorts them, kept here once a packet has met the chain."""


BUILT_IN = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
"""Each table's own chains. A chain without a row in the world is empty with policy ACCEPT."""
