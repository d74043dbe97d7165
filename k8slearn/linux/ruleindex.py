"""The rules of a chain that a packet can match at all, found without asking every rule.

Linux compares a packet with the rules of a chain one after the other: kube-proxy's KUBE-SERVICES asks ten thousand
questions for the last of ten thousand Services. The answer depends on a few exact conditions, so here a long chain is
sorted into buckets, each rule into the first that fits::

    -d 10.96.0.1/32 …                 by destination address
    -s 10.244.1.7/32 …                by source address
    -p tcp … --dport 30080            by protocol and destination port
    everything else                   asked always

A packet meets the rules of its own three buckets and those of the last, in the chain's order: the same rules match,
with the same positions (a law holds it against the plain way). What Linux would have compared is counted beside.

Left out: indexes over marks, sets and ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from k8slearn.journal import Key
from k8slearn.linux import ip
from k8slearn.linux.iptables import rule_text
from k8slearn.linux.matches import tests
from k8slearn.linux.rules import Chain, Rule
from k8slearn.linux.targets import CONTINUE, DROP, TARGETS, VERDICTS, Target
from k8slearn.packet import Packet
from k8slearn.trace import Because

SHORT = 8
"""A chain of no more rules than this is asked rule by rule."""
Bucket = tuple[str, Any]


class Line:
    """One rule at its place in a chain, with what a walk needs of it ready."""

    __slots__ = ("_text", "_told", "jump", "position", "rule", "target", "tests", "verdict")

    def __init__(self, position: int, rule: Rule) -> None:
        self.position = position
        """From 1, as ``--line-numbers`` counts."""
        self.rule = rule
        self.tests: tuple[Callable[..., bool], ...] = tests(rule)
        self.verdict = VERDICTS.get(rule.target, CONTINUE)
        self.target: Target | None = TARGETS.get(rule.target)
        self.jump = "" if rule.target in VERDICTS or rule.target in TARGETS else rule.target
        """The chain that it sends a packet to."""
        self._text = ""
        self._told: dict[Key, tuple[str, str, Because, str]] = {}

    def told(self, chain: Key) -> tuple[str, str, Because, str]:
        """What is said when it matches in this chain: a step's word, its sentence, the rule itself, a drop's reason."""
        try:
            return self._told[chain]
        except KeyError:
            _, table, name = cast("tuple[str, str, str]", chain[2])
            says = f"{table} {name} rule {self.position}: {self.rule.target or 'counted'}"
            drops = self.rule.target in (DROP, "REJECT")
            ends = ("drop", "NETFILTER_DROP") if drops else ("rule", "")
            because = Because(chain, f"-A {name} {self.text}", self.position)
            self._told[chain] = (ends[0], says, because, ends[1])
            return self._told[chain]

    @property
    def text(self) -> str:
        """The rule as ``iptables-save`` prints it, without ``-A CHAIN``."""
        if not self._text:
            self._text = rule_text(self.rule)
        return self._text


Lines = tuple[Line, ...]


class Index:
    """A long chain's rules by what they ask exactly."""

    __slots__ = ("always", "buckets", "met")

    def __init__(self, lines: Lines) -> None:
        self.buckets: dict[Bucket, list[Line]] = {}
        self.always: list[Line] = []
        self.met: dict[tuple[Bucket, ...], Lines] = {}
        """The lines for each set of buckets that a packet has met so far."""
        for line in lines:
            bucket = _bucket(line.rule)
            (self.always if bucket is None else self.buckets.setdefault(bucket, [])).append(line)

    def lines(self, packet: Packet) -> Lines:
        """The rules that this packet can match, in the chain's order."""
        asked: tuple[Bucket, ...] = (("-d", packet.dst), ("-s", packet.src), (packet.proto, packet.dport))
        mine = tuple(bucket for bucket in asked if bucket in self.buckets)
        found = self.met.get(mine)
        if found is None:
            every = [*self.always, *(line for bucket in mine for line in self.buckets[bucket])]
            found = self.met[mine] = tuple(sorted(every, key=lambda line: line.position))
        return found


def _bucket(rule: Rule) -> Bucket | None:
    """The bucket of a rule, by the first of its exact conditions."""
    exact = {m.option: m.value for m in rule.matches if not m.negated}
    for side in ("-d", "-s"):
        value = exact.get(side)
        if value is not None and value.endswith(f"/{ip.bits(value)}"):
            return side, value.partition("/")[0]
    port, proto = exact.get("--dport", ""), exact.get("-p", "")
    return (proto, int(port)) if proto and port.isdecimal() else None


def lines(chain: Chain, packet: Packet) -> Lines:
    """The rules of a chain that this packet can match, in order."""
    if not chain.index:
        every = tuple(Line(n, rule) for n, rule in enumerate(chain.rules, 1))
        chain.index.append(every if len(every) <= SHORT else Index(every))
    found: Lines | Index = chain.index[0]
    return found if isinstance(found, tuple) else found.lines(packet)
