"""``iptables-save`` prints a rule in one form, whatever was typed: from rules to text.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from k8slearn.journal import World
from k8slearn.linux.iptables.match_options import MATCHES
from k8slearn.linux.iptables.target_options import TARGETS
from k8slearn.linux.rules import BUILT_IN, Chain, Match, Rule

TABLES = ("mangle", "security", "raw", "filter", "nat")
"""The order in which ``iptables-save`` prints tables (``nft.h: enum nft_table_type``)."""


@lru_cache(maxsize=1 << 16)
def rule_text(rule: Rule) -> str:
    """The rule as ``iptables-save`` prints it, without ``-A CHAIN``."""
    return " ".join(word for word in (matches_text(rule), target_text(rule)) if word)


def matches_text(rule: Rule) -> str:
    """The rule's conditions."""
    words: list[str] = []
    for instance in instances(rule):
        module = instance[0].module
        words += ["-m", module] if module else []
        for match in instance:
            words += ["!"] if match.negated else []
            words += [match.option] if match.option else []
            option = MATCHES[module].options.get(match.option) if module else None
            if option is None:
                words += [match.value] if match.value else []
            elif option.words:
                words.append(quoted(match.value) if option.quoted else match.value)
    return " ".join(words)


def instances(rule: Rule) -> list[list[Match]]:
    """The conditions, those of one ``-m`` together. An empty one says that a module begins, where that would not be
    seen otherwise."""
    out: list[list[Match]] = []
    for match in rule.matches:
        if not out or out[-1][-1].module != match.module or (match.module and _begins(match, out[-1])):
            out.append([])
        out[-1].append(match)
    return [[match for match in one if match.option] or one for one in out]


def _begins(match: Match, before: list[Match]) -> bool:
    """Does another ``-m`` begin here? Its options are kept in the order of their table, each once."""
    order = ["", *MATCHES[match.module].options]
    return order.index(match.option) <= order.index(before[-1].option)


def target_text(rule: Rule) -> str:
    """Where the rule goes."""
    words = ["-g" if rule.goto else "-j", rule.target] if rule.target else []
    known = TARGETS[rule.target].options if rule.target in TARGETS and not rule.goto else {}
    for name, value in rule.options:
        words += [name, quoted(value) if known[name].quoted else value] if value else [name]
    return " ".join(words)


def quoted(value: str) -> str:
    """xtables.c: xtables_save_string() leaves only letters, digits, ``-`` and ``_`` without quotes."""
    if value.isascii() and value.replace("-", "").replace("_", "").isalnum():
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'") + '"'


Counters = Mapping[object, tuple[int, int]]


def save(
    world: World, netns: str, tables: tuple[str, ...] = TABLES, family: str = "ip", *, counters: bool = False
) -> str:
    """What ``iptables-save`` prints in this namespace, without its dated comment lines.

    `family` ``ip6`` is ``ip6tables-save``; `counters` is ``-c``.
    """
    rows = world.table(netns, "chain")
    counted: Counters = world.table(netns, "counter")
    out: list[str] = []
    for table in tables:
        mine = {str(k[2]): c for k, c in rows.items() if isinstance(k, tuple) and k[:2] == (family, table)}
        if mine:
            out += _table(table, family, mine, counted, counters)
    return "".join(f"{line}\n" for line in out)


def _table(table: str, family: str, mine: dict[str, Chain], counted: Counters, counters: bool) -> list[str]:
    names = [*BUILT_IN[table], *(n for n in sorted(mine) if n not in BUILT_IN[table])]
    chains = {n: mine.get(n, Chain(policy="ACCEPT")) for n in names}
    out = [f"*{table}"]
    for name, chain in chains.items():
        policy = bracketed(counted, (family, table, name, 0)) if chain.policy else "[0:0]"
        out.append(f":{name} {chain.policy or '-'} {policy}")
    for name, chain in chains.items():
        for number, rule in enumerate(chain.rules, 1):
            before = f"{bracketed(counted, (family, table, name, number))} " if counters else ""
            out.append(f"{before}-A {name} {rule_text(rule)}".rstrip())
    return [*out, "COMMIT"]


def bracketed(counted: Counters, key: object) -> str:
    """``[PACKETS:BYTES]``."""
    packets, size = counted.get(key, (0, 0))
    return f"[{packets}:{size}]"
