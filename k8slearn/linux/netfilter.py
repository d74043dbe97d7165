"""netfilter: five hooks on a packet's way, tables with chains of rules at each of them.

::

    in ── PREROUTING ──(route)── FORWARD ── POSTROUTING ── out
                          │                      │
                        INPUT                  OUTPUT ── (route again)
                          └──── local process ────┘

At each hook the tables run in the order of `HOOKS` (the kernel's priorities). A rule whose matches all hold decides
by its target: `MATCHES` and `TARGETS` are what each does. The syntax is in `iptables.py`, connections in
`conntrack.py`.

Left out: the security table, nftables' own tables, counters, ebtables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from k8slearn.journal import Key, Table
from k8slearn.linux import conntrack, fib, icmp, ip
from k8slearn.linux.iptables import rule_text
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb
from k8slearn.trace import Because, Step, Walk

Test = Callable[[Net, Skb, Key], bool]

HOOKS = {
    "PREROUTING": ("raw", "conntrack", "mangle", "nat"),
    "INPUT": ("mangle", "filter", "nat", "confirm"),
    "FORWARD": ("mangle", "filter"),
    "OUTPUT": ("raw", "conntrack", "mangle", "nat", "filter"),
    "POSTROUTING": ("mangle", "nat", "confirm"),
}
ACCEPT, DROP, RETURN, CONTINUE = "ACCEPT", "DROP", "RETURN", ""


def run(net: Net, skb: Skb, hook: str) -> Walk[bool]:
    """Show a packet to every table at a hook; False where it ends here."""
    for stage in net.world.table(skb.netns, "chain").index(_plan)[hook]:
        if stage == "conntrack":
            yield from conntrack.find(net, skb, hook)
        elif stage == "confirm":
            yield from conntrack.confirm(net, skb, hook)
        elif stage == "nat":
            if not (yield from _nat(net, skb, hook)):
                return False
        elif not (yield from traverse(net, skb, stage, hook)):
            return False
    return True


def _plan(chains: Table) -> dict[str, tuple[str, ...]]:
    """Which stages have anything to do: empty tables cost nothing, conntrack runs once somebody needs it."""
    busy = {(k[1], k[2]) for k, c in chains.items() if isinstance(k, tuple) and (c.rules or c.policy == DROP)}
    tracking = any(k[1] == "nat" for k in chains if isinstance(k, tuple)) or any(
        m.module in ("conntrack", "state") for c in chains.values() for r in c.rules for m in r.matches
    )
    always = {"conntrack", "confirm", "nat"} if tracking else set()
    return {hook: tuple(s for s in stages if s in always or (s, hook) in busy) for hook, stages in HOOKS.items()}


def _nat(net: Net, skb: Skb, hook: str) -> Walk[bool]:
    """nat rules see only the first packet of a connection (`nf_nat_core.c: nf_nat_inet_fn`); the rest is
    rewritten as it was."""
    tracked = skb.tracked
    if tracked is None:
        return True
    source = hook in ("POSTROUTING", "INPUT")
    if tracked.info == "NEW" and not tracked.reply and not (tracked.src_done if source else tracked.dst_done):
        if not (yield from traverse(net, skb, "nat", hook)):
            return False
        if source:
            tracked.src_done = True
        else:
            tracked.dst_done = True
    yield from conntrack.translate(net, skb, hook)
    return True


def traverse(net: Net, skb: Skb, table: str, hook: str) -> Walk[bool]:
    """Walk a built-in chain and what it jumps to; a step for each rule that matches."""
    chains = net.world.table(skb.netns, "chain")
    name, position, back = hook, 0, list[tuple[str, int]]()
    chain = chains.get(("ip", table, name))
    while chain is not None:
        key = (skb.netns, "chain", ("ip", table, name))
        rules, verdict, jumped = chain.rules, CONTINUE, False
        while position < len(rules):
            rule = rules[position]
            position += 1
            for test in rule.tests or _tests(rule):
                if not test(net, skb, key):
                    break
            else:
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
            chain = chains.get(("ip", table, name))
            continue
        if verdict in (ACCEPT, DROP):
            return verdict == ACCEPT
        if back:
            name, position = back.pop()
            chain = chains.get(("ip", table, name))
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


# --- what a match asks -------------------------------------------------------------------------


def _tests(rule: Rule) -> list[Test]:
    """A rule's conditions as functions, built when a packet first meets it."""
    tests: list[Test] = []
    for match in rule.matches:
        build = MATCHES.get((match.module, match.option))
        if build is not None:
            test = build(match.value)
            tests.append(_not(test) if match.negated else test)
    rule.tests.extend(tests or [lambda net, skb, key: True])
    return rule.tests


def _not(test: Test) -> Test:
    return lambda net, skb, key: not test(net, skb, key)


def _in_network(side: str) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        base, prefix = ip.network(value)
        mask = ip.mask(prefix)
        single = ip.text(base) if prefix == 32 else ""
        if side == "src":
            if single:
                return lambda net, skb, key: skb.packet.src == single
            return lambda net, skb, key: ip.number(skb.packet.src) & mask == base
        if single:
            return lambda net, skb, key: skb.packet.dst == single
        return lambda net, skb, key: ip.number(skb.packet.dst) & mask == base

    return build


def _device(side: str) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        if value.endswith("+"):
            start = value[:-1]
            return lambda net, skb, key: getattr(skb, side).startswith(start)
        return lambda net, skb, key: getattr(skb, side) == value

    return build


def _ports(*sides: str) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        ranges = [
            (int(a or 0), int(b or 65535) if sep else int(a))
            for a, sep, b in (v.partition(":") for v in value.split(","))
        ]

        def test(net: Net, skb: Skb, key: Key) -> bool:
            ports = [getattr(skb.packet, side) for side in sides]
            return any(low <= port <= high for port in ports for low, high in ranges)

        return test

    return build


def _ctstate(value: str) -> Test:
    wanted = frozenset(value.split(","))

    def test(net: Net, skb: Skb, key: Key) -> bool:
        tracked = skb.tracked
        if tracked is None:
            return (skb.state or "INVALID") in wanted
        if tracked.info in wanted:
            return True
        return ("DNAT" in wanted and conntrack.is_dnat(tracked.row)) or (
            "SNAT" in wanted and conntrack.is_snat(tracked.row)
        )

    return test


def _mark(value: str) -> Test:
    mark, _, mask = value.partition("/")
    bits, cover = int(mark, 0), int(mask, 0) if mask else 0xFFFFFFFF
    return lambda net, skb, key: skb.mark & cover == bits


def _probability(value: str) -> Test:
    chance = Fraction(round(float(value) * 0x80000000), 0x80000000)
    return lambda net, skb, key: net.draw(key, f"--probability {value}", chance)


def _address_type(side: str) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        wanted = frozenset(value.lower().split(","))

        def test(net: Net, skb: Skb, key: Key) -> bool:
            address = getattr(skb.packet, side)
            kind = "multicast" if ip.is_multicast(address) else fib.lookup(net.world, skb.netns, address).kind
            return ("unicast" if kind == "none" else kind) in wanted

        return test

    return build


def _icmp(value: str) -> Test:
    return lambda net, skb, key: (
        value == "any" or icmp.NUMBERS.get(skb.packet.flags, (-1, 0))[0] == int(value.split("/")[0])
    )


MATCHES: Mapping[tuple[str, str], Callable[[str], Test]] = {
    ("", "-s"): _in_network("src"),
    ("", "-d"): _in_network("dst"),
    ("", "-i"): _device("iif"),
    ("", "-o"): _device("oif"),
    ("", "-p"): lambda value: lambda net, skb, key: skb.packet.proto == value,
    ("tcp", "--dport"): _ports("dport"),
    ("tcp", "--sport"): _ports("sport"),
    ("tcp", "--syn"): lambda value: lambda net, skb, key: skb.packet.flags == "SYN",
    ("udp", "--dport"): _ports("dport"),
    ("udp", "--sport"): _ports("sport"),
    ("sctp", "--dport"): _ports("dport"),
    ("sctp", "--sport"): _ports("sport"),
    ("multiport", "--dports"): _ports("dport"),
    ("multiport", "--sports"): _ports("sport"),
    ("multiport", "--ports"): _ports("sport", "dport"),
    ("conntrack", "--ctstate"): _ctstate,
    ("conntrack", "--ctorigdst"): lambda value: (
        lambda net, skb, key: skb.tracked is not None and ip.within(skb.tracked.row.original.dst, value)
    ),
    ("conntrack", "--ctorigdstport"): lambda value: (
        lambda net, skb, key: skb.tracked is not None and skb.tracked.row.original.dport == int(value)
    ),
    ("conntrack", "--ctdir"): lambda value: (
        lambda net, skb, key: skb.tracked is not None and skb.tracked.reply == (value == "REPLY")
    ),
    ("state", "--state"): _ctstate,
    ("mark", "--mark"): _mark,
    ("statistic", "--probability"): _probability,
    ("addrtype", "--dst-type"): _address_type("dst"),
    ("addrtype", "--src-type"): _address_type("src"),
    ("icmp", "--icmp-type"): _icmp,
    ("physdev", "--physdev-is-bridged"): lambda value: lambda net, skb, key: bool(skb.physin and skb.physout),
    ("physdev", "--physdev-is-in"): lambda value: lambda net, skb, key: bool(skb.physin),
    ("physdev", "--physdev-in"): _device("physin"),
    ("physdev", "--physdev-out"): _device("physout"),
}
"""(module, option) -> its test. An option without a row here only documents (``--comment``, ``--mode``)."""


# --- what a target does ------------------------------------------------------------------------

Target = Callable[[Net, Skb, Rule, str], Walk[str]]


def _verdict(word: str) -> Target:
    def target(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
        return word
        yield  # a generator, as all targets are

    return target


def _reject(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    how = dict(rule.options).get("--reject-with", "icmp-port-unreachable")
    yield from icmp.reject(net, skb, how)
    return DROP


def _dnat(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    address, _, port = dict(rule.options)["--to-destination"].partition(":")
    assert skb.tracked is not None
    conntrack.set_destination(skb.tracked, address or skb.packet.dst, int(port or 0))
    return ACCEPT
    yield


def _redirect(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    address = "127.0.0.1" if hook == "OUTPUT" else fib.select_source(net.world, skb.netns, skb.iif, skb.packet.src)
    assert skb.tracked is not None
    conntrack.set_destination(skb.tracked, address, int(dict(rule.options).get("--to-ports", "0")))
    return ACCEPT
    yield


def _snat(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    address, _, port = dict(rule.options)["--to-source"].partition(":")
    conntrack.set_source(net, skb, address, int(port or 0))
    return ACCEPT
    yield


def _masquerade(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    """The address of the interface that the packet leaves by (`nf_nat_masquerade.c`)."""
    address = fib.select_source(net.world, skb.netns, skb.oif, skb.via or skb.packet.dst)
    if not address:
        yield Step(skb.netns, "drop", f"{skb.oif} ate my IP address", skb.packet, skb.packet, None, skb.oif, hook)
        return DROP
    conntrack.set_source(net, skb, address, 0)
    return ACCEPT


def _set_mark(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    value, _, mask = dict(rule.options)["--set-xmark"].partition("/")
    skb.mark = (skb.mark & ~int(mask or "0xffffffff", 0) & 0xFFFFFFFF) ^ int(value, 0)
    return CONTINUE
    yield


def _notrack(net: Net, skb: Skb, rule: Rule, hook: str) -> Walk[str]:
    skb.tracked, skb.state = None, "UNTRACKED"
    return CONTINUE
    yield


TARGETS: Mapping[str, Target] = {
    "ACCEPT": _verdict(ACCEPT),
    "DROP": _verdict(DROP),
    "RETURN": _verdict(RETURN),
    "REJECT": _reject,
    "DNAT": _dnat,
    "SNAT": _snat,
    "MASQUERADE": _masquerade,
    "REDIRECT": _redirect,
    "MARK": _set_mark,
    "CT": _notrack,
    "LOG": _verdict(CONTINUE),
}
