"""What a rule's conditions ask of a packet: ``-s``, ``-p tcp --dport 80``, ``-m conntrack --ctstate NEW``, ...

`MATCHES` has a row for each option: it takes the option's value and gives the test. The syntax is in `iptables.py`.

Left out: every match that `iptables.py` does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from k8slearn.journal import Key
from k8slearn.linux import conntrack, fib, icmp, ip
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb

Test = Callable[[Net, Skb, Key], bool]


def tests(rule: Rule) -> list[Test]:
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
