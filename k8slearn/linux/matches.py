"""A rule applies to a packet when all its conditions hold: ``-s``, ``--dport 80``, ``-m conntrack --ctstate NEW``, ...

`OPTIONS` has a row for each option that asks by itself: it takes the option's value and gives the test. `MODULES` has
those that only make sense together (``-m conntrack``, ``-m recent``, ...): they take all that was said for one ``-m``.
A test changes nothing; what it wants to remember it puts into `net.learned`, and the walk writes that. The syntax is
in `iptables`.

::

                   -s  -d  -i  -o  -p  -f
    -m tcp         --dport  --sport  --tcp-flags
    -m udp         --dport  --sport
    -m sctp        --dport  --sport
    -m multiport   --dports  --sports  --ports
    -m mark        --mark
    -m icmp        --icmp-type
    -m icmp6       --icmpv6-type
    -m physdev     --physdev-is-bridged  --physdev-is-in  --physdev-is-out  --physdev-in  --physdev-out
    -m iprange     --src-range  --dst-range
    -m length      --length
    -m ttl         --ttl-eq  --ttl-lt  --ttl-gt
    -m hl          --hl-eq  --hl-lt  --hl-gt
    -m pkttype     --pkt-type
    and -m         conntrack  state  connmark  statistic  addrtype  mac  rpfilter  recent  limit  set

Left out: every match that `iptables` does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from k8slearn.journal import Key
from k8slearn.linux import fib, icmp, ip, ipset, limits, recent
from k8slearn.linux.connection import is_dnat, is_snat
from k8slearn.linux.iptables.names import PROTOCOLS
from k8slearn.linux.iptables.plain import base_and_mask
from k8slearn.linux.iptables.text import instances, rule_text
from k8slearn.linux.rules import Match, Rule
from k8slearn.linux.skb import Net, Skb, Tracked

Test = Callable[[Net, Skb, Key], bool]
Told = Mapping[str, Match]


def tests(rule: Rule) -> tuple[Test, ...]:
    """A rule's conditions as functions, built when a packet first meets it."""
    if not rule.tests:
        rule.tests.append(tuple(_tests(rule)))
    built: tuple[Test, ...] = rule.tests[0]
    return built


def _tests(rule: Rule) -> list[Test]:
    tests: list[Test] = []
    for instance in instances(rule):
        module = MODULES.get(instance[0].module)
        if module is not None:
            tests.append(module({match.option: match for match in instance}, rule))
            continue
        for match in instance:
            build = OPTIONS.get((match.module, match.option))
            if build is not None:
                test = build(match.value)
                tests.append(_not(test) if match.negated else test)
    return tests


def _not(test: Test) -> Test:
    return lambda net, skb, key: not test(net, skb, key)


# --- the packet itself -------------------------------------------------------------------------


def _in_network(side: str) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        base, mask = base_and_mask(value)
        single = ip.text(base, ip.bits(value)) if mask == ip.mask(ip.bits(value), ip.bits(value)) else ""
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


WIRE = {"ipv6-icmp": "icmp6", "ipencap": "ipip"}
"""A protocol's name in rules -> in packets, where they differ."""


def _protocol(value: str) -> Test:
    proto = WIRE.get(value, value)
    return lambda net, skb, key: skb.packet.proto == proto


def _fragment(value: str) -> Test:
    """A later fragment: it has no ports."""

    def test(net: Net, skb: Skb, key: Key) -> bool:
        fragment = skb.packet.fragment
        return fragment is not None and fragment.offset > 0

    return test


def _ports(*sides: str) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        ranges = [
            (int(a or 0), int(b or 65535) if sep else int(a))
            for a, sep, b in (v.partition(":") for v in value.split(","))
        ]
        if len(sides) == 1 and value.isdecimal():
            (side,), only = sides, int(value)
            return lambda net, skb, key: bool(getattr(skb.packet, side) == only)

        def test(net: Net, skb: Skb, key: Key) -> bool:
            ports = [getattr(skb.packet, side) for side in sides]
            return any(low <= port <= high for port in ports for low, high in ranges)

        return test

    return build


def _tcp_flags(value: str) -> Test:
    """``SYN,ACK SYN``: of these flags exactly those."""
    asked, wanted = (frozenset(half.split(",")) - {"NONE"} for half in value.split(" "))
    return lambda net, skb, key: asked.intersection(skb.packet.flags.split("-")) == wanted


def _icmp(known: Mapping[str, tuple[int, int]]) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        kind, slash, code = value.partition("/")
        if kind == "any":
            return lambda net, skb, key: True
        wanted = (int(kind), int(code)) if slash else (int(kind),)
        return lambda net, skb, key: known.get(skb.packet.flags, (-1, 0))[: len(wanted)] == wanted

    return build


def _range(field: str) -> Callable[[str], Test]:
    """``100:200``, or one number."""

    def build(value: str) -> Test:
        low, _, high = value.partition(":")
        first, last = int(low), int(high or low)
        return lambda net, skb, key: first <= getattr(skb.packet, field) <= last

    return build


def _hops(compare: Callable[[int, int], bool]) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        wanted = int(value)
        return lambda net, skb, key: compare(skb.packet.ttl, wanted)

    return build


def _addresses(side: str) -> Callable[[str], Test]:
    def build(value: str) -> Test:
        first, last = (ip.number(end) for end in value.split("-"))
        return lambda net, skb, key: first <= ip.number(getattr(skb.packet, side)) <= last

    return build


def _packet_type(value: str) -> Test:
    def test(net: Net, skb: Skb, key: Key) -> bool:
        mac = skb.packet.eth_dst
        if mac == "ff:ff:ff:ff:ff:ff":
            return value == "broadcast"
        return value == ("multicast" if mac and int(mac[:2], 16) & 1 else "unicast")

    return test


def _mac(told: Told, rule: Rule) -> Test:
    """Who sent the frame; what came by no Ethernet device has no answer, and ``!`` has none either."""
    wanted = told["--mac-source"]
    return lambda net, skb, key: (
        bool(skb.packet.eth_src) and skb.iif != "lo" and (skb.packet.eth_src == wanted.value) != wanted.negated
    )


# --- what the kernel knows beside it -----------------------------------------------------------


def _masked(value: str) -> tuple[int, int]:
    mark, _, mask = value.partition("/")
    return int(mark, 0), int(mask, 0) if mask else 0xFFFFFFFF


def _mark(value: str) -> Test:
    bits, cover = _masked(value)
    return lambda net, skb, key: skb.mark & cover == bits


def _connmark(told: Told, rule: Rule) -> Test:
    """What is no connection's has no connection mark, and ``!`` has none either (`xt_connmark.c`)."""
    bits, cover = _masked(told["--mark"].value)
    negated = told["--mark"].negated
    return lambda net, skb, key: skb.tracked is not None and (skb.tracked.row.mark & cover == bits) != negated


def _statistic(told: Told, rule: Rule) -> Test:
    if told["--mode"].value == "nth":
        return limits.nth(told, rule_text(rule))
    value, negated = told["--probability"].value, told["--probability"].negated
    chance = Fraction(round(float(value) * 0x80000000), 0x80000000)
    words = f"--probability {value}"
    if negated:
        return lambda net, skb, key: not net.draw(key, words, chance)
    return lambda net, skb, key: net.draw(key, words, chance)


def _addrtype(told: Told, rule: Rule) -> Test:
    """What kind of address it is to this machine (`xt_addrtype.c`); ``--limit-iface-in``: to this device."""
    side = "iif" if "--limit-iface-in" in told else "oif" if "--limit-iface-out" in told else ""
    asked = [
        (told[o], o[2:5], frozenset(told[o].value.lower().split(",")))
        for o in ("--src-type", "--dst-type")
        if o in told
    ]

    def test(net: Net, skb: Skb, key: Key) -> bool:
        dev = getattr(skb, side) if side else ""
        for match, end, wanted in asked:
            if _has_type(net, skb, getattr(skb.packet, end), dev, wanted) == match.negated:
                return False
        return True

    return test


def _has_type(net: Net, skb: Skb, address: str, dev: str, wanted: frozenset[str]) -> bool:
    if ":" in address:
        return _has_type6(net, skb, address, dev, wanted)
    if ip.is_multicast(address):
        return "multicast" in wanted
    if address.startswith("0.") or address == "255.255.255.255":
        return "broadcast" in wanted
    found = fib.lookup(net.world, skb.netns, address)
    ours = found.kind in ("local", "broadcast") and dev in ("", found.dev)
    return (found.kind if ours else "unicast") in wanted


def _has_type6(net: Net, skb: Skb, address: str, dev: str, wanted: frozenset[str]) -> bool:
    """IPv6 asks for all kinds that are wanted at once, and looks for routes only then (`match_type6`)."""
    many = ip.is_multicast(address)
    if ("multicast" in wanted and not many) or ("unicast" in wanted and many):
        return False
    if "unspec" in wanted and address != "::":
        return False
    if not wanted & {"local", "anycast", "unreachable"}:
        return True
    found = fib.lookup(net.world, skb.netns, address)
    if found.kind == "local":
        return "local" in wanted and dev in ("", found.dev)
    return "unreachable" in wanted and found.kind != "unicast"


def _rpfilter(told: Told, rule: Rule) -> Test:
    """Would an answer go back by the device that the packet came by (`ipt_rpfilter.c`)?"""
    inverted, loose, local = (option in told for option in ("--invert", "--loose", "--accept-local"))
    marked = "--validmark" in told

    def test(net: Net, skb: Skb, key: Key) -> bool:
        if skb.iif == "lo":
            return not inverted
        back = fib.lookup(net.world, skb.netns, skb.packet.src, mark=skb.mark if marked else 0)
        way = back.kind == "unicast" or (back.kind == "local" and local)
        return (way and (loose or back.dev == skb.iif)) != inverted

    return test


# --- its connection ----------------------------------------------------------------------------


def _conntrack(told: Told, rule: Rule) -> Test:
    """`xt_conntrack.c`: without a connection only the state can be asked."""
    state = told.get("--ctstate") or told.get("--state")
    holds = _ctstate(state) if state is not None else None
    asked = [(_CONNECTION[o](match.value), match.negated) for o, match in told.items() if o in _CONNECTION]
    if holds is not None and not asked:
        return holds

    def test(net: Net, skb: Skb, key: Key) -> bool:
        if holds is not None and not holds(net, skb, key):
            return False
        tracked = skb.tracked
        if tracked is None:
            return holds is not None
        return all(ask(net, tracked) != negated for ask, negated in asked)

    return test


def _ctstate(match: Match) -> Test:
    wanted, negated = frozenset(match.value.split(",")), match.negated
    nat = wanted & {"DNAT", "SNAT"}

    def test(net: Net, skb: Skb, key: Key) -> bool:
        tracked = skb.tracked
        if tracked is None:
            return ((skb.state or "INVALID") in wanted) != negated
        found = tracked.info in wanted
        if nat and not found:
            found = ("DNAT" in nat and is_dnat(tracked.row)) or ("SNAT" in nat and is_snat(tracked.row))
        return found != negated

    return test


Asks = Callable[[Net, Tracked], bool]


def _ct_address(half: str, side: str) -> Callable[[str], Asks]:
    def build(value: str) -> Asks:
        return lambda net, tracked: ip.within(getattr(getattr(tracked.row, half), side), value)

    return build


def _ct_ports(half: str, side: str) -> Callable[[str], Asks]:
    def build(value: str) -> Asks:
        low, _, high = value.partition(":")
        first, last = int(low), int(high or low)
        return lambda net, tracked: first <= getattr(getattr(tracked.row, half), side) <= last

    return build


def _ct_protocol(value: str) -> Asks:
    numbers = {WIRE.get(name, name): number for name, number in PROTOCOLS.items()}
    return lambda net, tracked: numbers.get(tracked.row.original.proto) == int(value)


def _ct_status(value: str) -> Asks:
    wanted = frozenset(value.split(","))

    def test(net: Net, tracked: Tracked) -> bool:
        row = tracked.row
        has = {"SEEN_REPLY": row.replied, "ASSURED": row.assured, "CONFIRMED": tracked.confirmed}
        return any(has.get(word, False) for word in wanted)

    return test


def _ct_expires(value: str) -> Asks:
    low, _, high = value.partition(":")
    first, last = int(low), int(high or low)
    return lambda net, tracked: first <= (int(tracked.row.until - net.world.clock) if tracked.confirmed else 0) <= last


_CONNECTION: Mapping[str, Callable[[str], Asks]] = {
    "--ctproto": _ct_protocol,
    **{
        f"--ct{h[:4]}{s}": _ct_address(n, s)
        for h, n in (("orig", "original"), ("repl", "reply"))
        for s in ("src", "dst")
    },
    **{
        f"--ct{h}{s}port": _ct_ports(n, f"{s[0]}port")
        for h, n in (("orig", "original"), ("repl", "reply"))
        for s in ("src", "dst")
    },
    "--ctdir": lambda value: lambda net, tracked: tracked.reply == (value == "REPLY"),
    "--ctstatus": _ct_status,
    "--ctexpire": _ct_expires,
}


OPTIONS: Mapping[tuple[str, str], Callable[[str], Test]] = {
    ("", "-s"): _in_network("src"),
    ("", "-d"): _in_network("dst"),
    ("", "-i"): _device("iif"),
    ("", "-o"): _device("oif"),
    ("", "-p"): _protocol,
    ("", "-f"): _fragment,
    ("tcp", "--dport"): _ports("dport"),
    ("tcp", "--sport"): _ports("sport"),
    ("tcp", "--tcp-flags"): _tcp_flags,
    ("udp", "--dport"): _ports("dport"),
    ("udp", "--sport"): _ports("sport"),
    ("sctp", "--dport"): _ports("dport"),
    ("sctp", "--sport"): _ports("sport"),
    ("multiport", "--dports"): _ports("dport"),
    ("multiport", "--sports"): _ports("sport"),
    ("multiport", "--ports"): _ports("sport", "dport"),
    ("mark", "--mark"): _mark,
    ("icmp", "--icmp-type"): _icmp(icmp.NUMBERS),
    ("icmp6", "--icmpv6-type"): _icmp(icmp.NUMBERS6),
    ("physdev", "--physdev-is-bridged"): lambda value: lambda net, skb, key: bool(skb.physin and skb.physout),
    ("physdev", "--physdev-is-in"): lambda value: lambda net, skb, key: bool(skb.physin),
    ("physdev", "--physdev-is-out"): lambda value: lambda net, skb, key: bool(skb.physout),
    ("physdev", "--physdev-in"): _device("physin"),
    ("physdev", "--physdev-out"): _device("physout"),
    ("iprange", "--src-range"): _addresses("src"),
    ("iprange", "--dst-range"): _addresses("dst"),
    ("length", "--length"): _range("size"),
    ("ttl", "--ttl-eq"): _hops(lambda ttl, wanted: ttl == wanted),
    ("ttl", "--ttl-lt"): _hops(lambda ttl, wanted: ttl < wanted),
    ("ttl", "--ttl-gt"): _hops(lambda ttl, wanted: ttl > wanted),
    ("hl", "--hl-eq"): _hops(lambda ttl, wanted: ttl == wanted),
    ("hl", "--hl-lt"): _hops(lambda ttl, wanted: ttl < wanted),
    ("hl", "--hl-gt"): _hops(lambda ttl, wanted: ttl > wanted),
    ("pkttype", "--pkt-type"): _packet_type,
}
"""(module, option) -> its test. Of the options without a row here or a module below only ``--comment`` asks nothing."""

MODULES: Mapping[str, Callable[[Told, Rule], Test]] = {
    "conntrack": _conntrack,
    "state": _conntrack,
    "connmark": _connmark,
    "statistic": _statistic,
    "addrtype": _addrtype,
    "mac": _mac,
    "rpfilter": _rpfilter,
    "recent": lambda told, rule: recent.test(told),
    "limit": lambda told, rule: limits.limit(told, rule_text(rule)),
    "set": lambda told, rule: ipset.test(told["--match-set"]),
}
"""A module whose options belong together -> the one test of all that was said."""
