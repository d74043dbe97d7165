"""What a machine's rules say of each pod: in which chain, and after which rules that are about everybody.

Rules are read as far as a packet between two pods can come, chain by chain. A chain that only one pod's packets enter,
by its cable, is that pod's **own**: it is not read here (`packetsets` asks it).

Left out: nftables, and matches of which it is not known here what they look at: then no two pods count as alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.alike.lines import NETWORK, TOKEN, Places, Words, masked
from k8slearn.journal import Key, Table, World
from k8slearn.linux import ip
from k8slearn.linux.rules import BUILT_IN, Chain, Match, Rule

KNOWN = {
    "",
    "addrtype",
    "comment",
    "conntrack",
    "mark",
    "multiport",
    "physdev",
    "set",
    "sctp",
    "statistic",
    "tcp",
    "udp",
}
"""Matches of which it is known what they look at."""
Own = dict[str, dict[str, tuple[str, Key]]]
"""Pod -> ``src`` (packets to it, from many) or ``dst`` (from it) -> (machine, chain)."""


class Puzzled(Exception):
    """There are rules of which it is not known what they look at: no two pods count as alike."""


@dataclass(slots=True)
class Read:
    """What the rules of one machine say, and what was read for it."""

    pods: list[tuple[str, str]] = field(default_factory=list)
    """(pod, line)"""
    networks: list[tuple[str, str]] = field(default_factory=list)
    """(network, line)"""
    machine: list[str] = field(default_factory=list)
    """Lines in which no pod is meant."""
    own: list[tuple[str, str, Key]] = field(default_factory=list)
    """(pod, side, chain)"""
    chains: dict[Any, Chain | None] = field(default_factory=dict)
    sets: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def holds(self, world: World, scope: str) -> bool:
        """Would it be read the same today?"""
        chains = world.rows[scope, "chain"]
        if any(chains.get(name) is not chain for name, chain in self.chains.items()) or _nft(chains):
            return False
        return all(_asked_set(world, scope, name) == kept for name, kept in self.sets.items())


def read(world: World, scope: str, places: Places, words: Words, asked: tuple[int, str]) -> Read:
    """Raises Puzzled."""
    rules = _Rules(world, scope, places, words, asked)
    rules.read()
    return rules.found


def _nft(chains: Table) -> bool:
    return chains.index(_has_nft)


def _has_nft(chains: Table) -> bool:
    return any(isinstance(name, tuple) and name[0] == "nft" for name in chains)


class _Visit(NamedTuple):
    """A chain that is to be read."""

    chain: tuple[str, str, str]
    name: tuple[str, str, str]
    """As which chain it counts: where cables are sent on by their names' beginnings, as the one that sends them."""
    pods: frozenset[str] | None = None
    """The pods by whose cables packets come here; None: all packets do."""
    gone: frozenset[str] = frozenset()
    """Those of them that were sent elsewhere for good."""


class _Rules:
    """What a machine's rules say of each pod: in which chain, and after which rules that are about everybody."""

    def __init__(self, world: World, scope: str, places: Places, words: Words, asked: tuple[int, str]) -> None:
        self.chains = world.rows[scope, "chain"]
        self.world, self.scope, self.places, self.words, self.asked = world, scope, places, words, asked
        self.addresses = frozenset(address for _, address in places.values())
        self.found = Read()

    def read(self) -> None:
        waiting = [_Visit((f, t, c), (f, t, c)) for f in ("ip", "ip6") for t, hooks in BUILT_IN.items() for c in hooks]
        if _nft(self.chains):
            raise Puzzled("nftables")
        seen: dict[Any, _Visit] = {}
        while waiting:
            visit = waiting.pop()
            if visit.chain in seen:
                if seen[visit.chain].pods != visit.pods:
                    raise Puzzled("a chain that cables come to by two ways")
                continue
            seen[visit.chain] = visit
            chain: Chain | None = self.chains.get(visit.chain)
            self.found.chains[visit.chain] = chain
            if chain is not None:
                waiting += self._chain(visit, chain)

    def _chain(self, visit: _Visit, chain: Chain) -> list[_Visit]:
        """What the chain says of pods; returns the chains that it leads to, but for those that are one pod's own."""
        further: list[_Visit] = []
        run, shape, name = 0, "", visit.chain
        if chain.policy:
            self.found.machine.append(f"{name} {chain.policy}")
        for rule in chain.rules:
            matches = [match for match in rule.matches if match.module != "comment"]
            if not self._concerns(matches):
                continue
            cable = _cable(matches, rule)
            owner = self.words.pods.get(cable[1]) if cable is not None else None
            target = (name[0], name[1], rule.target)
            if cable is not None and owner is not None:
                self.found.own.append((owner, "dst" if cable[0] == "-i" else "src", (self.scope, "chain", target)))
                self.found.pods.append((owner, f"{cable[0]} {run}"))
                continue
            if cable is not None and (meant := self._behind(cable[1])):
                if run and meant != self._behind("+"):
                    raise Puzzled("cables are told apart after other rules")
                further.append(_Visit(target, visit.name, frozenset(meant)))
                visit = visit._replace(gone=visit.gone | meant)
                continue
            text = repr((matches, rule.target, rule.options, rule.goto))
            pods = self.words.meant(TOKEN.findall(text))
            now = masked(text, self.words.of[min(pods)]) if len(pods) == 1 else text
            run, shape = run + (now != shape), now
            self._say(visit, run, text, pods)
            self._sets(matches)
            further.append(_Visit(target, target))
        return further

    def _say(self, visit: _Visit, run: int, text: str, pods: set[str]) -> None:
        line = f"{visit.name} {run} {text}"
        self.found.networks += ((network, line) for network in set(NETWORK.findall(text)))
        self.found.pods += ((pod, masked(line, self.words.of[pod])) for pod in pods)
        if visit.pods is not None:
            self.found.pods += ((pod, f"among cables: {line}") for pod in visit.pods - visit.gone - pods)
        elif not pods:
            self.found.machine.append(line)

    def _concerns(self, matches: list[Match]) -> bool:
        """Could a packet between two pods meet these conditions?"""
        for match in matches:
            if match.module not in KNOWN:
                raise Puzzled(match.module)
            if match.option == "-d" and not match.negated and not _any_in(match.value, self.addresses):
                return False
            if match.option == "--dport" and not match.negated and match.value == str(self.asked[0]):
                continue
            if match.option == "--dport" and not match.negated and match.value.isdecimal():
                return False
            if match.negated and self.words.meant(TOKEN.findall(match.value)):
                raise Puzzled("a condition that means all pods but one")
        return True

    def _behind(self, pattern: str) -> frozenset[str]:
        """The pods whose cables have such a name; none where it is a whole name, or means other devices, too."""
        if not pattern.endswith("+"):
            return frozenset()
        cables = [str(name) for name in self.world.rows[self.scope, "link"]]
        meant = [name for name in cables if name.startswith(pattern[:-1])]
        pods = self.words.meant(meant)
        return frozenset(pods) if pattern == "+" or len(pods) == len(meant) else frozenset()

    def _sets(self, matches: list[Match]) -> None:
        """The elements of sets that a rule asks are networks, or pods' or machines' own addresses."""
        for match in matches:
            if match.option == "--match-set":
                self._set(match.value.partition(" ")[0])

    def _set(self, name: str) -> None:
        if name in self.found.sets:
            return
        self.found.sets[name] = kept = _asked_set(self.world, self.scope, name)
        self.found.machine.append(f"set {name} {kept[0]!r}")
        for parts in kept[1]:
            for part in parts:
                if "/" in part:
                    self.found.networks.append((part, f"set {name}"))
            pods = self.words.meant(part.partition("/")[0] for part in parts)
            self.found.pods += ((pod, f"set {name}") for pod in sorted(pods))
            if not pods:
                self.found.machine.append(f"set {name} {parts}")


def _asked_set(world: World, scope: str, name: str) -> tuple[Any, Any]:
    """A set's type and its elements."""
    return world.get((scope, "ipset", name)), world.table(scope, "ipset-member").index(_members).get(name, ())


def _members(rows: Table) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for name in rows:
        assert isinstance(name, tuple)
        found.setdefault(name[0], []).append(name[1])
    return found


def _cable(matches: list[Match], rule: Rule) -> tuple[str, str] | None:
    """(option, interface) of a rule that only looks at one interface and goes to a chain for good."""
    if len(matches) != 1 or not rule.goto or matches[0].option not in ("-i", "-o") or matches[0].negated:
        return None
    return matches[0].option, matches[0].value


@lru_cache(maxsize=4096)
def _any_in(network: str, addresses: frozenset[str]) -> bool:
    return any(ip.within(address, network) for address in addresses)
