"""netfilter: five hooks on a packet's way, tables with chains of rules at each of them.

::

    in ── PREROUTING ──(route)── FORWARD ── POSTROUTING ── out
                          │                      │
                        INPUT                  OUTPUT ── (route again)
                          └──── local process ────┘

At each hook the tables run in the order of `HOOKS` (the kernel's priorities). A rule whose matches all hold decides
by its target (`matches.py`, `targets.py`). The syntax is in `iptables.py`, connections in `conntrack.py`. IPv4 and
IPv6 packets have tables of their own (``iptables`` and ``ip6tables``).

Left out: the security table, nftables' own tables, counters, ebtables.
"""

from __future__ import annotations

from k8slearn.journal import Key, Table
from k8slearn.linux import conntrack
from k8slearn.linux.iptables import rule_text
from k8slearn.linux.matches import tests
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.linux.targets import ACCEPT, CONTINUE, DROP, TARGETS
from k8slearn.trace import Because, Step, Walk

HOOKS = {
    "PREROUTING": ("raw", "conntrack", "mangle", "nat"),
    "INPUT": ("mangle", "filter", "security", "nat", "confirm"),
    "FORWARD": ("mangle", "filter", "security"),
    "OUTPUT": ("raw", "conntrack", "mangle", "nat", "filter", "security"),
    "POSTROUTING": ("mangle", "nat", "confirm"),
}


def run(net: Net, skb: Skb, hook: str) -> Walk[bool]:
    """Show a packet to every table at a hook; False where it ends here."""
    family = skb.packet.family
    for stage in net.world.table(skb.netns, "chain").index(_plan)[family, hook]:
        if stage == "conntrack":
            yield from conntrack.find(net, skb, hook)
        elif stage == "confirm":
            yield from conntrack.confirm(net, skb, hook)
        elif stage == "nat":
            if not (yield from _nat(net, skb, family, hook)):
                return False
        elif not (yield from traverse(net, skb, family, stage, hook)):
            return False
    return True


def _plan(chains: Table) -> dict[tuple[str, str], tuple[str, ...]]:
    """Which stages have anything to do: empty tables cost nothing, conntrack runs once somebody needs it."""
    plan: dict[tuple[str, str], tuple[str, ...]] = {}
    for family in ("ip", "ip6"):
        mine = {k: c for k, c in chains.items() if isinstance(k, tuple) and k[0] == family}
        busy = {(k[1], k[2]) for k, c in mine.items() if c.rules or c.policy == DROP}
        tracking = any(k[1] == "nat" for k in mine) or any(
            m.module in ("conntrack", "state", "connmark") for c in mine.values() for r in c.rules for m in r.matches
        )
        always = {"conntrack", "confirm", "nat"} if tracking else set()
        plan |= {(family, h): tuple(s for s in st if s in always or (s, h) in busy) for h, st in HOOKS.items()}
    return plan


def _nat(net: Net, skb: Skb, family: str, hook: str) -> Walk[bool]:
    """nat rules see only the first packet of a connection (`nf_nat_core.c: nf_nat_inet_fn`); the rest is
    rewritten as it was."""
    tracked = skb.tracked
    if tracked is None:
        return True
    source = hook in ("POSTROUTING", "INPUT")
    if tracked.info == "NEW" and not tracked.reply and not (tracked.src_done if source else tracked.dst_done):
        if not (yield from traverse(net, skb, family, "nat", hook)):
            return False
        if source:
            tracked.src_done = True
        else:
            tracked.dst_done = True
    yield from conntrack.translate(net, skb, hook)
    return True


def traverse(net: Net, skb: Skb, family: str, table: str, hook: str) -> Walk[bool]:
    """Walk a built-in chain and what it jumps to; a step for each rule that matches."""
    chains = net.world.table(skb.netns, "chain")
    name, position, back = hook, 0, list[tuple[str, int]]()
    chain = chains.get((family, table, name))
    while chain is not None:
        key = (skb.netns, "chain", (family, table, name))
        rules, verdict, jumped = chain.rules, CONTINUE, False
        while position < len(rules):
            rule = rules[position]
            position += 1
            for test in rule.tests or tests(rule):
                if not test(net, skb, key):
                    break
            else:
                net.count((skb.netns, "counter", (*key[2], position)), skb.packet.size)
                target = TARGETS.get(rule.target)
                yield _rule_step(skb, table, name, position, key, rule, hook)
                if target is None and rule.target:
                    if not rule.goto:
                        back.append((name, position))
                    name, position, jumped = rule.target, 0, True
                    break
                if target is not None and (verdict := (yield from target(net, skb, rule, hook))) != CONTINUE:
                    break
        if jumped:
            chain = chains.get((family, table, name))
            continue
        if verdict in (ACCEPT, DROP):
            return verdict == ACCEPT
        if back:
            name, position = back.pop()
            chain = chains.get((family, table, name))
            continue
        if chain.policy == DROP:
            why = Because(key, f":{name} DROP")
            says = f"{table} {name}: no rule decided, the policy is DROP"
            yield Step(skb.netns, "drop", says, skb.packet, skb.packet, why, skb.oif or skb.iif, hook)
            return False
        return True
    return True


def _rule_step(skb: Skb, table: str, name: str, position: int, key: Key, rule: Rule, hook: str) -> Step:
    text = f"-A {name} {rule_text(rule)}"
    what = "drop" if rule.target in (DROP, "REJECT") else "rule"
    says = f"{table} {name} rule {position}: {rule.target or 'counted'}"
    return Step(skb.netns, what, says, skb.packet, skb.packet, Because(key, text, position), skb.oif or skb.iif, hook)
