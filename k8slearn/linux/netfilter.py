"""netfilter: five hooks on a packet's way, tables with chains of rules at each of them.

::

    in ── PREROUTING ──(route)── FORWARD ── POSTROUTING ── out
                          │                      │
                        INPUT                  OUTPUT ── (route again)
                          └──── local process ────┘

    PREROUTING   raw, conntrack, mangle, nat
    INPUT        mangle, filter, security, nat, confirm
    FORWARD      mangle, filter, security
    OUTPUT       raw, conntrack, mangle, nat, filter, security
    POSTROUTING  mangle, nat, confirm

At each hook the tables run in the order of `HOOKS` (the kernel's priorities); ``conntrack`` finds a packet's
connection, ``confirm`` remembers a new one. A rule whose matches all hold decides
by its target (`matches.py`, `targets.py`). The syntax is in `iptables`, connections in `conntrack.py`. IPv4 and
IPv6 packets have tables of their own (``iptables`` and ``ip6tables``).

nftables' base chains (`nft/stages.py`) stand among these tables by their priorities.

Left out: ebtables, conntrack zones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from k8slearn.journal import Key, Table
from k8slearn.linux import conntrack, nft
from k8slearn.linux.ruleindex import Line, lines
from k8slearn.linux.rules import Chain
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


def run(net: Net, skb: Skb, hook: str) -> Walk[bool]:
    """Show a packet to every table at a hook; False where it ends here."""
    family = "ip6" if ":" in skb.packet.dst else "ip"
    for stage in net.world.table(skb.netns, "chain").index(_plan)[family, hook]:
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


def sees_wholes(net: Net, skb: Skb) -> bool:
    """Is this a fragment that must wait for the others, because conntrack works here (`nf_defrag_ipv4_enable`)?"""
    if skb.packet.fragment is None:
        return False
    plan = net.world.table(skb.netns, "chain").index(_plan)
    return "conntrack" in plan[skb.packet.family, "PREROUTING"]


def _plan(chains: Table) -> Mapping[tuple[str, str], tuple[nft.Stage, ...]]:
    """Which stages have anything to do: empty tables cost nothing, conntrack runs once somebody needs it."""
    plan: dict[tuple[str, str], tuple[nft.Stage, ...]] = {}
    mixed = any(isinstance(key, tuple) and key[0] == "nft" for key in chains)
    for family in ("ip", "ip6"):
        mine = {k: c for k, c in chains.items() if isinstance(k, tuple) and k[0] == family}
        busy = {(k[1], k[2]) for k, c in mine.items() if c.rules or c.policy == DROP}
        tracking = (
            (mixed and nft.tracks(chains, family))
            or any(k[1] == "nat" for k in mine)
            or any(
                m.module in ("conntrack", "state", "connmark")
                for c in mine.values()
                for r in c.rules
                for m in r.matches
            )
        )
        always = {"conntrack", "confirm", "nat"} if tracking else set()
        own = {(family, h): tuple(s for s in st if s in always or (s, h) in busy) for h, st in HOOKS.items()}
        plan |= nft.joined(chains, family, own) if mixed else own
    return plan


def _nat(net: Net, skb: Skb, family: str, hook: str) -> Walk[bool]:
    """nat rules see only the first packet of a connection (`nf_nat_core.c: nf_nat_inet_fn`); the rest is
    rewritten as it was."""
    tracked = skb.tracked
    if tracked is None:
        return True
    source = hook in ("POSTROUTING", "INPUT")
    if tracked.info == "NEW" and not tracked.reply and not (tracked.src_done if source else tracked.dst_done):
        plan = net.world.table(skb.netns, "chain").index(_plan)
        for stage in plan.get((family, f"nat {hook}"), ("nat",)):
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


@dataclass(slots=True)
class _Place:
    """Where a packet is in the tables: a chain, its rules that are still to be asked, how many Linux has asked."""

    chain: Chain
    key: Key
    name: tuple[str, str, str]
    lines: Iterator[Line]
    passed: int


def traverse(net: Net, skb: Skb, family: str, table: str, hook: str) -> Walk[bool]:
    """Walk a built-in chain and what it jumps to; a step for each rule that matches."""
    base = here = _enter(net, skb, (family, table, hook))
    back: list[_Place] = []
    while here is not None:
        line, verdict = _next_match(net, skb, here), RETURN
        if net.learned:
            yield from net.learn()
        net.compared += (line.position if line is not None else len(here.chain.rules)) - here.passed
        if line is not None:
            here.passed = line.position
            if net.recording:
                net.count((skb.netns, "counter", (*here.name, line.position)), skb.packet.size)
            yield _rule_step(skb, here, line, hook)
            verdict = CONTINUE
            if line.target is not None:
                verdict = yield from line.target(net, skb, line.rule, hook)
            elif line.rule.target:
                back += [] if line.rule.goto else [here]
                here = _enter(net, skb, (family, table, line.rule.target))
        if verdict in (ACCEPT, DROP):
            return verdict == ACCEPT
        if verdict == RETURN:
            here = back.pop() if back else None
    return base is None or (yield from _policy(net, skb, base, hook))


def _enter(net: Net, skb: Skb, name: tuple[str, str, str]) -> _Place | None:
    chain = net.world.table(skb.netns, "chain").get(name)
    return chain and _Place(chain, (skb.netns, "chain", name), name, iter(lines(chain, skb.packet)), 0)


def _next_match(net: Net, skb: Skb, here: _Place) -> Line | None:
    """The next rule whose conditions all hold."""
    key = here.key
    for line in here.lines:
        for test in line.tests:
            if not test(net, skb, key):
                break
        else:
            return line
    return None


def _policy(net: Net, skb: Skb, base: _Place, hook: str) -> Walk[bool]:
    """No rule decided: the built-in chain's policy does."""
    if net.recording and net.world.get(counter := (skb.netns, "counter", (*base.name, 0))) is not None:
        net.count(counter, skb.packet.size)
    if base.chain.policy != DROP:
        return True
    _, table, name = base.name
    why = Because(base.key, f":{name} DROP")
    says = f"{table} {name}: no rule decided, the policy is DROP"
    dev = skb.oif or skb.iif
    yield Step(skb.netns, "drop", says, skb.packet, skb.packet, why, dev, hook, "NETFILTER_DROP")
    return False


def _rule_step(skb: Skb, here: _Place, line: Line, hook: str) -> Step:
    _, table, name = here.name
    target, position, packet = line.rule.target, line.position, skb.packet
    drops = target in (DROP, "REJECT")
    return Step(
        skb.netns,
        "drop" if drops else "rule",
        f"{table} {name} rule {position}: {target or 'counted'}",
        packet,
        packet,
        Because(here.key, f"-A {name} {line.text}", position),
        skb.oif or skb.iif,
        hook,
        "NETFILTER_DROP" if drops else "",
    )
