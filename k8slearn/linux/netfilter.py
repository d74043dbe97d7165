"""netfilter: five hooks on a packet's way, tables with chains of rules at each of them.

::

    in ── PREROUTING ──(route)── FORWARD ── POSTROUTING ── out
                          │                      │
                        INPUT                  OUTPUT ── (route again)
                          └──── local process ────┘

    PREROUTING    raw, conntrack, mangle, nat
    INPUT         mangle, filter, security, nat, confirm
    FORWARD       mangle, filter, security
    OUTPUT        raw, conntrack, mangle, nat, filter, security
    POSTROUTING   mangle, nat, confirm

At each hook the tables run in the order of `HOOKS` (the kernel's priorities); ``conntrack`` finds a packet's
connection, ``confirm`` remembers a new one. A rule whose matches all hold decides
by its target (`matches.py`, `targets.py`). The syntax is in `iptables`, connections in `conntrack.py`. IPv4 and
IPv6 packets have tables of their own (``iptables`` and ``ip6tables``).

nftables' base chains (`nft/stages.py`) stand among these tables by their priorities.

Left out: ebtables and arptables, conntrack zones, packets that a program decides about (NFQUEUE).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from k8slearn.journal import Key, Table
from k8slearn.linux import conntrack, nft
from k8slearn.linux.ruleindex import Line, lines
from k8slearn.linux.rules import Chain, Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.linux.targets import ACCEPT, CONTINUE, DROP, RETURN
from k8slearn.trace import Because, Step, Walk

HOOKS = {
    "PREROUTING": ("raw", "conntrack", "mangle", "nat"),
    "INPUT": ("mangle", "filter", "security", "nat", "confirm"),
    "FORWARD": ("mangle", "filter", "security"),
    "OUTPUT": ("raw", "conntrack", "mangle", "nat", "filter", "security"),
    "POSTROUTING": ("mangle", "nat", "confirm"),
}


Plan = Mapping[tuple[str, str], tuple[nft.Stage, ...]]
"""(family, hook) -> the stages that have anything to do there."""


def run(net: Net, skb: Skb, hook: str) -> Walk[bool]:
    """Show a packet to every table at a hook; False where it ends here."""
    family = "ip6" if ":" in skb.packet.dst else "ip"
    for stage in plan(net, skb.netns)[family, hook]:
        if stage == "conntrack":
            if not (yield from conntrack.find(net, skb, hook)):
                return False
        elif stage == "confirm":
            if not (yield from conntrack.confirm(net, skb, hook)):
                return False
        elif stage == "nat":
            if not (yield from _nat(net, skb, family, hook)):
                return False
        elif isinstance(stage, tuple):
            if not (yield from nft.traverse(net, skb, stage, hook)):
                return False
        elif not (yield from traverse(net, skb, family, stage, hook)):
            return False
    return True


def plan(net: Net, netns: str) -> Plan:
    """What a namespace's chains have to do at each hook. No packet changes a chain: a walk looks it up once."""
    found: Plan | None = net.plans.get(netns)
    if found is None:
        found = net.plans[netns] = net.world.rows[netns, "chain"].index(_plan)
    return found


def sees_wholes(net: Net, skb: Skb) -> bool:
    """Is this a fragment that must wait for the others, because conntrack works here (`nf_defrag_ipv4_enable`)?"""
    if skb.packet.fragment is None:
        return False
    return "conntrack" in plan(net, skb.netns)[skb.packet.family, "PREROUTING"]


def _plan(chains: Table) -> Plan:
    """Which stages have anything to do: empty tables cost nothing, conntrack runs once somebody needs it."""
    found: dict[tuple[str, str], tuple[nft.Stage, ...]] = {}
    mixed = any(isinstance(key, tuple) and key[0] == "nft" for key in chains)
    for family in ("ip", "ip6"):
        mine = {k: c for k, c in chains.items() if isinstance(k, tuple) and k[0] == family}
        busy = {(k[1], k[2]) for k, c in mine.items() if c.rules or c.policy == DROP}
        tracking = (
            (mixed and nft.tracks(chains, family))
            or any(k[1] == "nat" for k in mine)
            or any(_needs_conntrack(rule) for chain in mine.values() for rule in chain.rules)
        )
        always = {"conntrack", "confirm", "nat"} if tracking else set()
        own = {(family, h): tuple(s for s in st if s in always or (s, h) in busy) for h, st in HOOKS.items()}
        found |= nft.joined(chains, family, own) if mixed else own
    return found


def _needs_conntrack(rule: Rule) -> bool:
    """Such a match or target calls conntrack to work when its rule is made (`nf_ct_netns_get`)."""
    return rule.target == "CONNMARK" or any(m.module in ("conntrack", "state", "connmark") for m in rule.matches)


def _nat(net: Net, skb: Skb, family: str, hook: str) -> Walk[bool]:
    """nat rules see only the first packet of a connection (`nf_nat_core.c: nf_nat_inet_fn`); the rest is
    rewritten as it was."""
    tracked = skb.tracked
    if tracked is None:
        return True
    source = hook in ("POSTROUTING", "INPUT")
    if tracked.info == "NEW" and not tracked.reply and not (tracked.src_done if source else tracked.dst_done):
        for stage in plan(net, skb.netns).get((family, f"nat {hook}"), ("nat",)):
            if tracked.src_done if source else tracked.dst_done:
                break
            walk = (
                nft.traverse(net, skb, stage, hook)
                if isinstance(stage, tuple)
                else traverse(net, skb, family, "nat", hook)
            )
            if not (yield from walk):
                return False
        if source and not tracked.src_done:
            conntrack.null_binding(net, skb)
        tracked.dst_done = tracked.dst_done or not source
    yield from conntrack.translate(net, skb, hook)
    return True


Name = tuple[str, str, str]
"""A chain's: (family, table, chain)."""


def traverse(net: Net, skb: Skb, family: str, table: str, hook: str) -> Walk[bool]:
    """Walk a built-in chain and what it jumps to; a step for each rule that matches.

    `waiting` are a chain's rules that are still to be asked, `passed` is how many Linux has asked, and `back` says
    where the chains that jumped go on.
    """
    chains, name, passed = net.world.rows[skb.netns, "chain"], (family, table, hook), 0
    base: Chain | None = chains.get(name)
    chain, waiting = base, _lines_of(base, skb)
    back: list[tuple[Chain, Name, Iterator[Line], int]] = []
    while chain is not None:
        line, verdict = _next_match(net, skb, (skb.netns, "chain", name), waiting), RETURN
        if net.learned:
            yield from net.learn()
        net.compared += (line.position if line is not None else len(chain.rules)) - passed
        if line is not None:
            passed, verdict = line.position, CONTINUE
            if net.recording:
                net.count((skb.netns, "counter", (*name, passed)), skb.packet.size)
            yield _rule_step(skb, name, line, hook)
            if line.target is not None:
                verdict = yield from line.target(net, skb, line.rule, hook)
            elif line.rule.target:
                if not line.rule.goto:
                    back.append((chain, name, waiting, passed))
                name, passed = (family, table, line.rule.target), 0
                chain = chains.get(name)
                waiting = _lines_of(chain, skb)
        if verdict in (ACCEPT, DROP):
            return verdict == ACCEPT
        if verdict == RETURN:
            if not back:
                break
            chain, name, waiting, passed = back.pop()
    if base is not None and net.recording:
        _count_policy(net, skb, (family, table, hook))
    if base is None or base.policy != DROP:
        return True
    yield _policy_step(skb, table, hook, family)
    return False


def _lines_of(chain: Chain | None, skb: Skb) -> Iterator[Line]:
    """The rules of a chain that a packet can match, one after the other."""
    return iter(lines(chain, skb.packet) if chain is not None else ())


def _next_match(net: Net, skb: Skb, key: Key, waiting: Iterator[Line]) -> Line | None:
    """The next rule whose conditions all hold."""
    for line in waiting:
        for test in line.tests:
            if not test(net, skb, key):
                break
        else:
            return line
    return None


def _count_policy(net: Net, skb: Skb, name: Name) -> None:
    """No rule decided: the built-in chain's policy counts the packet, if somebody asked for its counters."""
    if net.world.get(counter := (skb.netns, "counter", (*name, 0))) is not None:
        net.count(counter, skb.packet.size)


def _policy_step(skb: Skb, table: str, hook: str, family: str) -> Step:
    why = Because((skb.netns, "chain", (family, table, hook)), f":{hook} DROP")
    says = f"{table} {hook}: no rule decided, the policy is DROP"
    dev = skb.oif or skb.iif
    return Step(skb.netns, "drop", says, skb.packet, skb.packet, why, dev, hook, "NETFILTER_DROP")


def _rule_step(skb: Skb, where: Name, line: Line, hook: str) -> Step:
    what, says, text, reason = line.told(where)
    packet, because = skb.packet, Because((skb.netns, "chain", where), text, line.position)
    return Step(skb.netns, what, says, packet, packet, because, skb.oif or skb.iif, hook, reason)
