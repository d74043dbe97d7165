"""One table of one namespace as the kernel keeps it: chains with rules, and a counter beside each rule.

Counters are rows of their own, ``(family, table, chain, position) -> (packets, bytes)``; position 0 is a built-in
chain's policy. A rule that moves takes its counter along: who writes a chain here says which counters it has then. The
kernel counts a policy only once somebody has set it (``-P``, a line ``:CHAIN POLICY``): then the row is there.

What a rule's conditions remember goes with the rule: the bucket of a ``-m limit``, and a list of ``-m recent`` with the
last rule that names it.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands, Key, Put, Remove, World
from k8slearn.linux.iptables import rule_text
from k8slearn.linux.rules import BUILT_IN, Chain, Rule

NO_CHAIN = "iptables: No chain/target/match by that name.\n"
Doing = Generator[Command, None, str]
Counter = tuple[int, int] | None
"""(packets, bytes); None: not counted."""
NOTHING = (0, 0)


@dataclass(frozen=True, slots=True)
class Tables:
    """One table of one namespace, of IPv4 (``ip``) or IPv6 (``ip6``)."""

    world: World
    netns: str
    table: str
    family: str = "ip"
    later: bool = False
    """May a rule jump to a chain that comes later (as in iptables-restore)?"""

    def key(self, chain: str) -> Key:
        return (self.netns, "chain", (self.family, self.table, chain))

    def counter(self, chain: str, position: int) -> Key:
        return (self.netns, "counter", (self.family, self.table, chain, position))

    def find(self, name: str) -> Chain | None:
        """The chain; a built-in one is there before anybody writes it."""
        found: Chain | None = self.world.get(self.key(name))
        return Chain(policy="ACCEPT") if found is None and name in BUILT_IN[self.table] else found

    def get(self, name: str) -> Chain:
        found = self.find(name)
        if found is None:
            raise CommandError(NO_CHAIN)
        return found

    def names(self) -> list[str]:
        """The built-in chains by hook, then a person's own by name."""
        keys = self.world.table(self.netns, "chain")
        mine = [str(k[2]) for k in keys if isinstance(k, tuple) and k[:2] == (self.family, self.table)]
        return [*BUILT_IN[self.table], *sorted(name for name in mine if name not in BUILT_IN[self.table])]

    def counters(self, name: str) -> list[Counter]:
        """The policy's counter, then those of the rules."""
        rows = self.world.table(self.netns, "counter")
        places = range(len(self.get(name).rules) + 1)
        return [rows.get((self.family, self.table, name, n), NOTHING if n else None) for n in places]

    def put(self, name: str, rules: tuple[Rule, ...], counters: Iterable[Counter], policy: str = "") -> Commands:
        """Write a chain anew; `counters` are the policy's and those of the rules."""
        before = self.find(name)
        old = self.counters(name) if before is not None else []
        yield Put(self.key(name), Chain(rules, policy or (before.policy if before is not None else "")))
        if before is not None and before.rules:
            yield from self.forget(name, before.rules, rules)
        yield from self.count(name, old, list(counters))

    def count(self, name: str, old: list[Counter], new: list[Counter]) -> Commands:
        """Bring the rows of a chain's counters from `old` to `new`."""
        for place in range(max(len(old), len(new))):
            was, now = (counters[place] if place < len(counters) else None for counters in (old, new))
            if was != now:
                key = self.counter(name, place)
                yield Remove(key) if now is None or (place and now == NOTHING) else Put(key, now)

    def forget(self, name: str, old: tuple[Rule, ...], new: tuple[Rule, ...]) -> Commands:
        """What the conditions of rules remember that are gone."""
        buckets = self.world.table(self.netns, "xt")
        kept = {rule_text(rule) for rule in new} if buckets else set()
        for place in list(buckets):
            if isinstance(place, tuple) and place[:3] == (self.family, self.table, name) and place[3] not in kept:
                yield Remove((self.netns, "xt", place))
        if not self.later and self.world.table(self.netns, "recent") and _lists(old) - _lists(new):
            yield from forget_lists(self.world, self.netns)

    def remove(self, name: str) -> Commands:
        """A chain and its counters go."""
        old = self.counters(name)
        rules = self.get(name).rules
        yield Remove(self.key(name))
        yield from self.forget(name, rules, ())
        yield from self.count(name, old, [])

    def references(self, name: str) -> int:
        return sum(rule.target == name for other in self.names() for rule in self.get(other).rules)


def _lists(rules: Iterable[Rule]) -> set[str]:
    """The lists of ``-m recent`` that rules name."""
    return {m.value for rule in rules for m in rule.matches if (m.module, m.option) == ("recent", "--name")}


def forget_lists(world: World, netns: str) -> Commands:
    """A list that no rule names any more is gone."""
    chains = world.table(netns, "chain").items()
    named = _lists(rule for key, c in chains if isinstance(key, tuple) and key[0] in ("ip", "ip6") for rule in c.rules)
    for name in list(world.table(netns, "recent")):
        if name not in named:
            yield Remove((netns, "recent", name))
