"""Policy routing: ``ip rule`` says which routing table is asked for which packet (fib_rules.c).

A namespace has three IPv4 rules from its birth, and two of IPv6. A look-up goes through them by priority, and the
first rule that takes the packet and whose table knows a way has decided::

    0:       from all lookup local
    32766:   from all lookup main
    32767:   from all lookup default

``local`` has the machine's own addresses, ``main`` is what ``ip route`` shows, ``default`` is empty (and IPv4's only).
The world holds only what differs from these: further rules, and (`Rule.gone`) the kernel's own that somebody deleted.
A rule without a priority is put just before the second one there is.

Left out: ``goto``, ``tos``, ``ipproto`` and ports, ``uidrange``, ``suppress_ifgroup``, ``realms``, ``nat``.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from k8slearn.journal import Commands, Put, Remove, Table, World
from k8slearn.linux import ip
from k8slearn.linux.device import refused
from k8slearn.linux.rows import Rule

DEFAULTS = {
    "ip": (
        Rule("ip", 0, "local", proto="kernel"),
        Rule("ip", 32766, "main", proto="kernel"),
        Rule("ip", 32767, "default", proto="kernel"),
    ),
    "ip6": (Rule("ip6", 0, "local", proto="kernel"), Rule("ip6", 32766, "main", proto="kernel")),
}
RuleName = tuple[str, int, str]


def name(rule: Rule) -> RuleName:
    """A rule's name in the world: no two rules of one family are the same."""
    return (rule.family, rule.priority, text(rule))


def text(rule: Rule) -> str:
    """A rule as ``ip rule`` prints it, without its priority."""
    words = ["not"] if rule.inverted else []
    words += ["from", rule.src.removesuffix(_host(rule)) or "all"]
    words += ["to", rule.dst.removesuffix(_host(rule))] if rule.dst else []
    words += ["fwmark", mark_text(rule)] if rule.mark or rule.mask else []
    words += ["iif", rule.iif] if rule.iif else []
    words += ["oif", rule.oif] if rule.oif else []
    words += ["lookup", rule.table] if rule.action == "lookup" else []
    words += ["suppress_prefixlength", str(rule.suppress_prefixlength)] if rule.suppress_prefixlength >= 0 else []
    words += [rule.action] if rule.action != "lookup" else []
    return " ".join(words)


def _host(rule: Rule) -> str:
    return "/32" if rule.family == "ip" else "/128"


def mark_text(rule: Rule) -> str:
    """``0x1`` or ``0x1/0xff``."""
    return hex(rule.mark) + ("" if rule.mask == 0xFFFFFFFF else hex(rule.mask).join(("/", "")))


def custom(rules: Table) -> dict[str, tuple[tuple[Hashable, Rule], ...]]:
    """For each family with a rule that is not the kernel's own: all its rules with their names, in their order."""
    found = {}
    for family, defaults in DEFAULTS.items():
        own = {key: row for key, row in rules.items() if row.family == family}
        if own:
            whole = {name(row): row for row in defaults} | own
            ordered = sorted(whole.items(), key=lambda row: row[1].priority)
            found[family] = tuple(row for row in ordered if not row[1].gone)
    return found


def every(world: World, netns: str, family: str) -> list[Rule]:
    """The rules of a family, in the order in which they are asked."""
    changed = world.table(netns, "rule").index(custom).get(family)
    return [row for _, row in changed] if changed is not None else list(DEFAULTS[family])


def takes(rule: Rule, dst: str, src: str, iif: str, oif: str, mark: int) -> bool:
    """fib_rule_match(): does the rule take this packet? `iif` is ``lo`` for what the machine sends itself."""
    fits = (
        (not rule.iif or rule.iif == iif)
        and (not rule.oif or rule.oif == oif)
        and not (rule.mark ^ mark) & rule.mask
        and (not rule.src or (src != "" and ip.within(src, rule.src)))
        and (not rule.dst or ip.within(dst, rule.dst))
    )
    return fits != rule.inverted


def _covers(rule: Rule, other: Rule) -> bool:
    """rule_exists(): is there one like it? An address that the new rule does not name may be any."""
    alike = replace(other, src=rule.src and other.src, dst=rule.dst and other.dst, proto=rule.proto)
    return replace(alike, suppress_prefixlength=rule.suppress_prefixlength) == rule


def add(world: World, netns: str, rule: Rule, priority: int | None = None) -> Commands:
    """``ip rule add``. Raises CommandError when there is the same rule already."""
    rules = every(world, netns, rule.family)
    if priority is None:
        priority = rules[1].priority - 1 if len(rules) > 1 and rules[1].priority else 0
    rule = replace(rule, priority=priority)
    if any(_covers(rule, other) for other in rules):
        raise refused("File exists")
    if any(name(other) == name(rule) for other in DEFAULTS[rule.family]):
        yield Remove((netns, "rule", name(rule)))
    else:
        yield Put((netns, "rule", name(rule)), rule)


def delete(world: World, netns: str, rule: Rule) -> Commands:
    """Delete one rule that is there; of the kernel's own the world remembers that it is gone."""
    where = (netns, "rule", name(rule))
    if any(name(other) == name(rule) for other in DEFAULTS[rule.family]):
        yield Put(where, replace(rule, gone=True))
    else:
        yield Remove(where)
