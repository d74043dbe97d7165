"""Which pods are wired alike: nothing on the way of their packets tells one from the other, but for policies.

Two pods are alike when the world looks the same with their names exchanged: the same rows in their network namespaces,
the same rows about them on the machines (the cable, the routes, the neighbours), addresses within the same networks,
the same places in the rules. What is only one pod's own (its address, its cable's name, its MAC) is written as SELF,
and what is left is compared as text. Whatever is not understood makes a pod unlike every other one: it costs time, and
never a wrong answer.

The chain that only one pod's packets enter, by its cable, is no part of that: `packetsets` asks it.

Left out: machines that are alike: pods of two nodes are never in one class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from k8slearn.journal import Key, Table, World
from k8slearn.linux import ip
from k8slearn.linux.rules import BUILT_IN, Chain, Match, Rule

ASIDE = {
    "call",
    "container",
    "counter",
    "file",
    "binary",
    "sandbox",
    "kube-proxy",
    "bgp",
    "daemon",
    "capture",
    "module",
}
"""Tables that no packet ever meets: what programs and the runtime keep."""
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
TOKEN = re.compile(r"\d+\.\d+\.\d+\.\d+(?:(?=/32)|(?![\d./]))|[A-Za-z0-9_:/-]+")
"""A word that could be a pod's. The first address of a network is no pod's there."""
NETWORK = re.compile(r"\d+\.\d+\.\d+\.\d+/\d+|[0-9a-f]*:[0-9a-f:]*:[0-9a-f:]*/\d+")
Places = Mapping[str, tuple[str, str]]
Tables = Mapping[str, list[str]]
Words = Mapping[str, str]
"""A word -> the pod that it means."""
Tokens = Mapping[str, tuple[str, ...]]
"""A pod -> the words that mean it."""
Mentions = dict[str, list[str]]
"""A network -> what is said of it."""
Item = tuple[str, tuple[str, ...]]
"""A row as text, and the words in it that could be a pod's."""


@dataclass(slots=True)
class Wiring:
    """The classes of pods, and the chains that are their own."""

    classes: dict[str, int] = field(default_factory=dict)
    own: dict[str, dict[str, tuple[str, Key]]] = field(default_factory=dict)
    """Pod -> ``src`` (packets to it, from many) or ``dst`` (from it) -> (machine, chain)."""


class Puzzled(Exception):
    """There are rules of which it is not known what they look at: no two pods count as alike."""


def wiring(world: World, places: Places, port: int, proto: str) -> Wiring:
    """Sort the pods into classes. Raises Puzzled."""
    tokens, tables = _tokens(world, places), _tables(world)
    machines = sorted({*world.scopes("netns")} - {scope for scope, _ in places.values() if "/" in scope})
    said: dict[str, list[str]] = {pod: [_own(world, pod, places[pod][0], tables, tokens)] for pod in places}
    words = {word: pod for pod, mine in tokens.items() for word in mine}
    networks: Mentions = {}
    found = Wiring()
    for scope in machines:
        _rows(world, scope, tables, words, tokens, said, networks)
        _Rules(world, scope, places, words, tokens, said, networks, found, (port, proto)).read()
    for pod, (scope, _) in places.items():
        for network in _networks_of(world, scope):
            networks.setdefault(network, []).append(network)
        _of_others(world, scope, pod, tables, words, tokens, said)
    numbers: dict[tuple[Any, ...], int] = {}
    held = [(n, _role(n, said)) for n, said in networks.items() if not n.endswith(("/32", "/128"))]
    for pod, (scope, address) in places.items():
        inside = tuple(sorted(role for one, role in held if ip.within(address, one)))
        machine, _, inner = scope.partition("/")
        signature = (machine, "" if inner else address, inside, *sorted(said[pod]), *sorted(found.own.get(pod, ())))
        found.classes[pod] = numbers.setdefault(signature, len(numbers))
    return found


def _role(network: str, said: list[str]) -> str:
    """What is said of a network, whichever it is: of two networks of which the same is said, either will do."""
    return f"{network.partition('/')[2]} {sorted(text.replace(network, 'NET') for text in said)}"


def _tokens(world: World, places: Places) -> Tokens:
    """The words that mean one pod and no other: its namespace, its addresses, its cables' ends and their MACs."""
    found: dict[str, list[str]] = {}
    count: dict[str, int] = {}
    for pod, (scope, address) in places.items():
        mine = [scope, address] if "/" in scope else []
        for row in world.rows[scope, "link"].values() if "/" in scope else ():
            mine += [row.mac] if row.name != "lo" and row.mac else []
            if row.peer is not None:
                mine += [row.peer[1]]
        found[pod] = mine
        for word in mine:
            count[word] = count.get(word, 0) + 1
    return {pod: tuple(word for word in mine if count[word] == 1) for pod, mine in found.items()}


# --- rows --------------------------------------------------------------------------------------


def _own(world: World, pod: str, scope: str, tables: Tables, tokens: Tokens) -> str:
    """Everything in a pod's own network namespace."""
    if "/" not in scope:
        return ""
    texts = tuple(world.rows[scope, table].index(_text_of(table)) for table in tables.get(scope, ()))
    return _masked("\n".join(texts), (*tokens[pod], pod))


def _of_others(
    world: World,
    scope: str,
    pod: str,
    tables: Tables,
    words: Words,
    tokens: Tokens,
    said: dict[str, list[str]],
) -> None:
    """What a pod's own tables say of other pods, as their neighbours' MACs."""
    for table in tables.get(scope, ()) if "/" in scope else ():
        for text, candidates in world.rows[scope, table].index(_items_of(table)):
            for other in {words[word] for word in candidates if word in words} - {pod}:
                said[other].append(f"{pod}: {_masked(text, tokens[other])}")


def _tables(world: World) -> Tables:
    """The tables of each scope that a packet may meet."""
    found: dict[str, list[str]] = {}
    for scope, table in sorted(world.tables()):
        if table not in ASIDE:
            found.setdefault(scope, []).append(table)
    return found


@lru_cache(maxsize=65536)
def _masked(text: str, words: tuple[str, ...]) -> str:
    return TOKEN.sub(lambda found: "SELF" if found[0] in words else found[0], text)


@lru_cache(maxsize=256)
def _text_of(table: str) -> Any:
    def text(rows: Table) -> str:
        return table + "".join(sorted(one for one, _ in rows.index(_items_of(table))))

    return text


@lru_cache(maxsize=256)
def _items_of(table: str) -> Any:
    def items(rows: Table) -> list[Item]:
        return list(_items(table, rows))

    return items


def _items(table: str, rows: Table) -> Iterator[Item]:
    for name, row in rows.items():
        if table == "link":
            row = replace(row, index=0)
        if table == "socket":
            row = (row.proto, row.address, row.port, row.v6only)
        if table == "netns":
            row = row.ipv6
        text = f"{table} {name!r} {row!r}\n"
        yield text, tuple(set(TOKEN.findall(text)))


def _rows(
    world: World,
    scope: str,
    tables: Tables,
    words: Words,
    tokens: Tokens,
    said: dict[str, list[str]],
    networks: Mentions,
) -> None:
    """What a machine's tables say of each pod."""
    for table in tables.get(scope, ()):
        if table in ("chain", "ipset", "ipset-member"):
            continue
        rows = world.rows[scope, table]
        for network, texts in rows.index(_networks_in(table)).items():
            networks.setdefault(network, []).extend(f"{scope} {text}" for text in texts)
        for text, candidates in rows.index(_items_of(table)):
            for pod in {words[word] for word in candidates if word in words}:
                said[pod].append(f"{scope} {_masked(text, tokens[pod])}")


@lru_cache(maxsize=256)
def _networks_in(table: str) -> Any:
    def networks(rows: Table) -> Mentions:
        found: Mentions = {}
        for text, _ in rows.index(_items_of(table)):
            for network in set(NETWORK.findall(text)):
                found.setdefault(network, []).append(text)
        return found

    return networks


def _networks_of(world: World, scope: str) -> frozenset[str]:
    """The networks that a pod's own routes and rules speak of."""
    return frozenset().union(*(world.rows[scope, t].index(_networks_in(t)) for t in ("route", "rule", "chain")))


# --- rules -------------------------------------------------------------------------------------


class _Rules:
    """What a machine's rules say of each pod: in which chain, and after which rules that are about everybody."""

    def __init__(
        self,
        world: World,
        scope: str,
        places: Places,
        words: Words,
        tokens: Tokens,
        said: dict[str, list[str]],
        networks: Mentions,
        found: Wiring,
        asked: tuple[int, str],
    ) -> None:
        self.chains = world.rows[scope, "chain"]
        self.world, self.scope, self.places, self.words, self.tokens = world, scope, places, words, tokens
        self.said, self.networks, self.found, self.asked = said, networks, found, asked
        self.addresses = frozenset(address for _, address in places.values())

    def read(self) -> None:
        seen: set[Any] = set()
        waiting = [(f, t, c) for f in ("ip", "ip6") for t, hooks in BUILT_IN.items() for c in hooks]
        if any(isinstance(name, tuple) and name[0] == "nft" for name in self.chains):
            raise Puzzled("nftables")
        while waiting:
            name = waiting.pop()
            chain: Chain | None = self.chains.get(name)
            if chain is None or name in seen:
                continue
            seen.add(name)
            waiting += self._chain(name, chain)

    def _chain(self, name: tuple[str, str, str], chain: Chain) -> list[tuple[str, str, str]]:
        """What the chain says of pods; returns the chains that it leads to, but for those that are one pod's own."""
        further, run, shape = [], 0, ""
        for rule in chain.rules:
            matches = [match for match in rule.matches if match.module != "comment"]
            if not self._concerns(matches):
                continue
            cable = _cable(matches, rule)
            owner = self.words.get(cable[1]) if cable is not None else None
            if cable is not None and owner is not None:
                self._owned(owner, cable[0], (name[0], name[1], rule.target))
                self.said[owner].append(f"{self.scope} {cable[0]} {run}")
                continue
            text = repr((matches, rule.target, rule.options, rule.goto))
            pods = {self.words[w] for w in TOKEN.findall(text) if w in self.words}
            for network in set(NETWORK.findall(text)):
                self.networks.setdefault(network, []).append(f"{self.scope} {name} {run} {text}")
            self._sets(matches, pods)
            if cable is None:
                now = _masked(text, self.tokens[min(pods)]) if len(pods) == 1 else text
                run, shape = run + (now != shape), now
            for pod in pods:
                self.said[pod].append(f"{self.scope} {name} {run} {_masked(text, self.tokens[pod])}")
            if cable is not None and run and self._parts(cable[1]):
                raise Puzzled("cables are told apart after other rules")
            further.append((name[0], name[1], rule.target))
        return further

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
            if match.negated and any(word in self.words for word in TOKEN.findall(match.value)):
                raise Puzzled("a condition that means all pods but one")
        return True

    def _parts(self, pattern: str) -> bool:
        """Is this some pods' cables' name, and not others'?"""
        cables = [str(name) for name in self.world.rows[self.scope, "link"] if name in self.words]
        meant = [name.startswith(pattern.removesuffix("+")) for name in cables]
        return any(meant) and not all(meant)

    def _owned(self, pod: str, option: str, chain: tuple[str, str, str]) -> None:
        side = "dst" if option == "-i" else "src"
        mine = self.found.own.setdefault(pod, {})
        if mine.setdefault(side, (self.scope, (self.scope, "chain", chain)))[1][2] != chain:
            raise Puzzled("a cable with two chains")

    def _sets(self, matches: list[Match], pods: set[str]) -> None:
        """The elements of sets that a rule asks are networks, or pods' own addresses."""
        for match in matches:
            if match.option != "--match-set":
                continue
            name = match.value.partition(" ")[0]
            members = self.world.table(self.scope, "ipset-member").index(_members).get(name, ())
            for parts in members:
                for part in parts:
                    if "/" in part:
                        self.networks.setdefault(part, []).append(f"{self.scope} set {name}")
                for word in (part.partition("/")[0] for part in parts):
                    if word in self.words:
                        self.said[self.words[word]].append(f"{self.scope} set {name}")


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
