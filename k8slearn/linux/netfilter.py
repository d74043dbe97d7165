"""netfilter: five hooks on a packet's way, tables with chains of rules at each of them.

::

    in ── PREROUTING ──(route)── FORWARD ── POSTROUTING ── out
                          │                      │
                        INPUT                  OUTPUT ── (route again)
                          └──── local process ────┘

    PREROUTING    raw, conntrack, mangle, nat
    INPUT         mangle, filter, security, ipvs, nat, confirm
    FORWARD       mangle, filter, security, ipvs
    OUTPUT        raw, conntrack, mangle, nat, ipvs, filter, security
    POSTROUTING   mangle, nat, confirm

At each hook the tables run in the order of `HOOKS` (the kernel's priorities); ``conntrack`` finds a packet's
connection, ``confirm`` remembers a new one, ``ipvs`` is there where virtual servers are (`ipvs.py`). A rule whose
matches all hold decides by its target (`matches.py`, `targets.py`). The syntax is in `iptables`, connections in
`conntrack.py`. IPv4 and IPv6 packets have tables of their own (``iptables`` and ``ip6tables``).

nftables' base chains (`nft/stages.py`) stand among these tables by their priorities.

Left out: ebtables and arptables, conntrack zones, packets that a program decides about (NFQUEUE).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from k8slearn.journal import Key, Table
from k8slearn.linux import conntrack, ipvs, nat, nft
from k8slearn.linux.ruleindex import Line, lines
from k8slearn.linux.rules import Chain, Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.linux.targets import ACCEPT, DROP, RETURN
from k8slearn.trace import Because, Step, step

HOOKS = {
    "PREROUTING": ("raw", "conntrack", "mangle", "nat"),
    "INPUT": ("mangle", "filter", "security", "ipvs", "nat", "confirm"),
    "FORWARD": ("mangle", "filter", "security", "ipvs"),
    "OUTPUT": ("raw", "conntrack", "mangle", "nat", "ipvs", "filter", "security"),
    "POSTROUTING": ("mangle", "nat", "confirm"),
}


Plan = Mapping[tuple[str, str], tuple[nft.Stage, ...]]
"""(family, hook) -> the stages that have anything to do there."""


def run(net: Net, skb: Skb, hook: str) -> bool:
    """Show a packet to every table at a hook; False where it ends here."""
    family = "ip6" if ":" in skb.packet.dst else "ip"
    for stage in (net.plans.get(skb.netns) or plan(net, skb.netns))[family, hook]:
        if stage == "conntrack":
            if not conntrack.find(net, skb, hook):
                return False
        elif stage == "nat":
            if _unbound(skb, hook) and not _bind(net, skb, family, hook):
                return False
            rewritten = conntrack.translate(net, skb, hook)
            if rewritten is not None:
                net.say(rewritten)
        elif stage == "confirm":
            if _is_new(skb) and not conntrack.confirm(net, skb, hook):
                return False
        elif stage == "ipvs":
            if not ipvs.passes(net, skb, hook):
                return False
        elif not _asked(net, skb, family, stage, hook):
            return False
    return True


def plan(net: Net, netns: str) -> Plan:
    """What a namespace's chains have to do at each hook. No packet changes a chain: a walk looks it up once."""
    found: Plan | None = net.plans.get(netns)
    if found is None:
        rows = net.world.rows
        found = net.plans[netns] = rows[netns, "chain"].index(_balanced if rows[netns, "ipvs"] else _plan)
    return found


def sees_wholes(net: Net, skb: Skb) -> bool:
    """Is this a fragment that must wait for the others, because conntrack works here (`nf_defrag_ipv4_enable`)?"""
    if skb.packet.fragment is None:
        return False
    return "conntrack" in plan(net, skb.netns)[skb.packet.family, "PREROUTING"]


def _balanced(chains: Table) -> Plan:
    """The same where IPVS has virtual servers."""
    return _plan(chains, True)


def _plan(chains: Table, balanced: bool = False) -> Plan:
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
        always = {"conntrack", "confirm", "nat"} if tracking or balanced else set()
        always |= {"ipvs"} if balanced else set()
        own = {(family, h): tuple(s for s in st if s in always or (s, h) in busy) for h, st in HOOKS.items()}
        found |= nft.joined(chains, family, own) if mixed else own
    return found


def _needs_conntrack(rule: Rule) -> bool:
    """Such a match or target calls conntrack to work when its rule is made (`nf_ct_netns_get`)."""
    return rule.target == "CONNMARK" or any(m.module in ("conntrack", "state", "connmark") for m in rule.matches)


def _asked(net: Net, skb: Skb, family: str, stage: nft.Stage, hook: str) -> bool:
    """A table of iptables or a base chain of nftables decides; False: the packet ends here."""
    if isinstance(stage, tuple):
        return nft.traverse(net, skb, stage, hook)
    return traverse(net, skb, family, stage, hook)


def _is_new(skb: Skb) -> bool:
    """Has it a connection that conntrack does not remember yet?"""
    return skb.tracked is not None and not skb.tracked.confirmed


def _unbound(skb: Skb, hook: str) -> bool:
    """nat rules see only the first packet of a connection, and only until one of them has decided."""
    tracked = skb.tracked
    if tracked is None or tracked.confirmed:
        return False
    return not (tracked.src_done if hook in nat.SOURCE_HOOKS else tracked.dst_done)


def _bind(net: Net, skb: Skb, family: str, hook: str) -> bool:
    """Ask the nat rules (`nf_nat_core.c: nf_nat_inet_fn`). What they say is done to every packet from now on."""
    tracked, source = skb.tracked, hook in nat.SOURCE_HOOKS
    assert tracked is not None
    for stage in plan(net, skb.netns).get((family, f"nat {hook}"), ("nat",)):
        if tracked.src_done if source else tracked.dst_done:
            break
        if not _asked(net, skb, family, stage, hook):
            return False
    if source and not tracked.src_done:
        conntrack.null_binding(net, skb)
    tracked.dst_done = tracked.dst_done or not source
    return True


Name = tuple[str, str, str]
"""A chain's: (family, table, chain)."""
Where = tuple[str, str, Name]
"""A chain's key."""


def traverse(net: Net, skb: Skb, family: str, table: str, hook: str) -> bool:
    """Walk a built-in chain and what it jumps to; a step for each rule that matches.

    `waiting` are a chain's rules that are still to be asked, `passed` is how many Linux has asked, and `back` says
    where the chains that jumped go on.
    """
    chains, passed = net.world.rows[skb.netns, "chain"], 0
    base, key, waiting = _entered(skb, chains, (family, table, hook))
    chain = base
    back: list[tuple[Chain, Where, Iterator[Line], int]] = []
    while chain is not None:
        line = _next_match(net, skb, key, waiting)
        if net.learned:
            net.learn()
        if line is None:
            net.compared += len(chain.rules) - passed
            verdict = RETURN
        else:
            net.compared += line.position - passed
            passed = line.position
            if net.recording:
                net.count((skb.netns, "counter", (*key[2], passed)), skb.packet.size)
            what, says, because, reason = line.told(key)
            at = skb.oif or skb.iif
            net.say(step((skb.netns, what, says, skb.packet, skb.packet, because, at, hook, reason)))
            if line.jump:
                if not line.rule.goto:
                    back.append((chain, key, waiting, passed))
                chain, key, waiting, passed = *_entered(skb, chains, (family, table, line.jump)), 0
                continue
            verdict = line.verdict if line.target is None else line.target(net, skb, line.rule, hook)
        if verdict == RETURN:
            if not back:
                break
            chain, key, waiting, passed = back.pop()
        elif verdict in (ACCEPT, DROP):
            return verdict == ACCEPT
    if base is not None and net.recording:
        _count_policy(net, skb, (family, table, hook))
    if base is None or base.policy != DROP:
        return True
    net.say(_policy_step(skb, table, hook, family))
    return False


def _entered(skb: Skb, chains: Table, name: Name) -> tuple[Chain | None, Where, Iterator[Line]]:
    """A chain (None: there is no such), its key, and its rules that the packet can match, one after the other."""
    chain: Chain | None = chains.get(name)
    return chain, (skb.netns, "chain", name), iter(lines(chain, skb.packet) if chain is not None else ())


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
