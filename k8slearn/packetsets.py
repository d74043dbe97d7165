"""A chain of rules asked for many packets at once: which of them does it drop?

A chain that is one pod's alone is met by packets that differ in one thing: the address at the far end. So it is
evaluated once for all of them, with **sets** of packets where a walk has one: a match keeps some, a mark is the set
of those that carry it, a verdict takes some away. A set is a number whose bits are the far addresses
(one that stands twice has two bits).

Under Cilium it is a pod's rows of ``cilium_policy_v2`` that are asked, for the identities of the far addresses.

Left out: every match and target but those of policy agents; a chain with another one is not answered (None), and the
packets are walked one by one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from k8slearn.cni.cilium import identity, maps, policy
from k8slearn.journal import Key, Table, World
from k8slearn.linux import ip
from k8slearn.linux.ipset import Member
from k8slearn.linux.iptables.names import PROTOCOLS
from k8slearn.linux.rules import Chain, Match, Rule

SIDES = {"-s": "src", "-d": "dst"}


class Unanswered(Exception):
    """A rule that is not understood here."""


class Asked(NamedTuple):
    """What all packets have in common."""

    far: str
    """Which end differs: ``src`` or ``dst``."""
    near: str
    """The address at the other end."""
    proto: str
    port: int


@dataclass(slots=True, eq=False)
class Elements:
    """What a set holds, on whichever machine: equal sets are one."""

    parts: frozenset[tuple[str, ...]]
    plain: bool
    """None means its opposite (``nomatch``), and none ends by itself."""
    bits: int | None = None
    """The far addresses that are in it, once somebody has asked."""


class Answer(NamedTuple):
    """What a chain drops, and what was looked at to say so."""

    dropped: int | None
    chains: tuple[tuple[Hashable, Chain], ...]
    sets: tuple[tuple[str, Elements], ...]


@dataclass(slots=True)
class _Asking:
    """One question under way."""

    scope: str
    asked: Asked
    lost: list[int] = field(default_factory=list)
    chains: dict[Hashable, Chain] = field(default_factory=dict)
    sets: dict[str, Elements] = field(default_factory=dict)
    near: bool = False
    """Was anything about the near end?"""


class Call(NamedTuple):
    """What a chain does with all packets: a policy's chain, which many pods' chains call, on every node."""

    rules: tuple[Rule, ...]
    sets: tuple[tuple[str, Elements], ...]
    back: int
    lost: int
    marks: dict[int, int]


class Packets:
    """All packets between one address and each of many, on any machine.

    An answer is kept with the chains and sets that gave it, and holds as long as they are the same ones.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self.world = World()
        self.bit: dict[str, int] = {}
        for n, address in enumerate(addresses):
            self.bit[address] = self.bit.get(address, 0) | 1 << n
        self.every = (1 << len(addresses)) - 1
        self._networks: dict[str, int] = {}
        self._answers: dict[tuple[str, Hashable, Asked], Answer] = {}
        self._known: dict[tuple[str, str], tuple[object, Elements]] = {}
        self._same: dict[tuple[str, frozenset[tuple[tuple[str, ...], Member]]], Elements] = {}
        self._calls: dict[Hashable, list[Call]] = {}
        self._whose: dict[str, tuple[object, dict[int, int]]] = {}

    def within(self, world: World) -> Packets:
        """Ask in this world from now on."""
        self.world = world
        return self

    def dropped(self, scope: str, own: Key, asked: Asked) -> int | None:
        """The packets that a pod's own chain, or rows, drop, as bits; None where a rule is not understood."""
        if own[1] == maps.POLICY:
            return self._unlisted(scope, own[2], asked)
        name = own[2]
        known = self._answers.get((scope, name, asked))
        if known is None or not self._holds(scope, known):
            known = self._answers[scope, name, asked] = self._answer(scope, name, asked)
        return known.dropped

    def _unlisted(self, scope: str, endpoint: Hashable, asked: Asked) -> int:
        """Under Cilium: the packets for whose other end's identity the endpoint has no row."""
        direction = policy.EGRESS if asked.far == "dst" else policy.INGRESS
        rows = policy.rows_of(self.world, scope, endpoint, direction)
        if rows is None:
            return 0
        allowed, of = 0, self._identities(scope)
        for key, _ in rows:
            if key.fits(asked.proto, asked.port):
                allowed |= of.get(key.identity, 0) if key.identity != policy.ANYBODY else self.every
        return self.every & ~allowed

    def _identities(self, scope: str) -> dict[int, int]:
        """Identity -> the far addresses that have it, as this machine knows them."""
        cache = self.world.rows[scope, maps.IPCACHE]
        known = self._whose.get(scope)
        if known is None or known[0] is not cache.index(_stamp):
            found: dict[int, int] = {}
            for address, bits in self.bit.items():
                who = maps.remote(self.world, scope, address) if ":" not in address else None
                number = who[1].identity if who is not None else identity.WORLD
                found[number] = found.get(number, 0) | bits
            known = self._whose[scope] = (cache.index(_stamp), found)
        return known[1]

    def _holds(self, scope: str, known: Answer) -> bool:
        chains = self.world.rows[scope, "chain"]
        if any(chains.get(name) is not chain for name, chain in known.chains):
            return False
        return all(self._elements(scope, name) is found for name, found in known.sets)

    def _answer(self, scope: str, name: Hashable, asked: Asked) -> Answer:
        asking = _Asking(scope, asked)
        found: int | None
        try:
            self._walk(asking, name, self.every, {})
            found = sum(asking.lost)
        except Unanswered:
            found = None
        return Answer(found, tuple(asking.chains.items()), tuple(asking.sets.items()))

    def _walk(self, asking: _Asking, name: Hashable, active: int, marks: dict[int, int]) -> int:
        """Those that come back from the chain; what it drops is noted."""
        chain: Chain | None = self.world.rows[asking.scope, "chain"].get(name)
        if chain is None:
            raise Unanswered(name)
        asking.chains[name] = chain
        back = 0
        for rule in chain.rules:
            if not active:
                break
            here = active
            for match in rule.matches:
                if match.module == "mark":
                    here &= _with_mark(match, marks, self.every)
                elif match.module != "comment":
                    here &= self._kept(match, asking)
                if not here:
                    break
            else:
                active, back = self._done(asking, name, rule, here, active, back, marks)
        return back | active

    def _done(
        self,
        asking: _Asking,
        name: Hashable,
        rule: Rule,
        here: int,
        active: int,
        back: int,
        marks: dict[int, int],
    ) -> tuple[int, int]:
        """What the target does with the packets that a rule is for: those that go on, and those that went back."""
        if rule.target == "RETURN":
            return active & ~here, back | here
        if rule.target == "DROP":
            asking.lost.append(here)
            return active & ~here, back
        if rule.target == "MARK":
            _mark(rule, marks, here)
        elif rule.target:
            assert isinstance(name, tuple)
            came = self._call(asking, (*name[:2], rule.target), here, marks)
            return (active & ~here) | (0 if rule.goto else came), back | (came if rule.goto else 0)
        return active, back

    def _call(self, asking: _Asking, name: Hashable, here: int, marks: dict[int, int]) -> int:
        """A chain that another one sends packets to. What it does with one of them depends on no other one: so it is
        asked about all of them once, where all come with the same marks."""
        chain: Chain | None = self.world.rows[asking.scope, "chain"].get(name)
        carried = tuple(sorted(bit for bit, having in marks.items() if having & here == here))
        if chain is None or any(having & here not in (0, here) for having in marks.values()):
            return self._walk(asking, name, here, marks)
        key = (id(chain.rules), asking.asked.far, *asking.asked[2:], carried)
        for call in self._calls.get(key, ()):
            if call.rules is chain.rules and all(self._elements(asking.scope, n) is found for n, found in call.sets):
                break
        else:
            inner = _Asking(asking.scope, asking.asked)
            after = dict.fromkeys(carried, self.every)
            back = self._walk(inner, name, self.every, after)
            call = Call(chain.rules, tuple(inner.sets.items()), back, sum(inner.lost), after)
            asking.near |= inner.near
            asking.chains |= inner.chains
            if not inner.near and len(inner.chains) == 1:
                self._calls.setdefault(key, []).append(call)
        asking.chains[name] = chain
        asking.sets |= dict(call.sets)
        asking.lost.append(call.lost & here)
        for bit in {*marks, *call.marks}:
            marks[bit] = (marks.get(bit, 0) & ~here) | (call.marks.get(bit, 0) & here)
        return call.back & here

    def _kept(self, match: Match, asking: _Asking) -> int:
        """The packets for which a match holds."""
        module, option, value, negated = match
        if option in SIDES:
            asking.near |= SIDES[option] != asking.asked.far
            kept = self._address(SIDES[option], value, asking.asked)
        elif option == "--match-set":
            kept = self._in_set(value, asking)
        elif option in CONSTANT:
            kept = self.every if CONSTANT[option](value, asking.asked) else 0
        else:
            raise Unanswered(f"{module} {option}")
        return self.every & ~kept if negated else kept

    def _address(self, side: str, network: str, asked: Asked) -> int:
        if side == asked.far:
            return self._network(network)
        return self.every if _within(asked.near, network) else 0

    def _network(self, network: str) -> int:
        found = self._networks.get(network)
        if found is None:
            found = self._networks[network] = sum(b for address, b in self.bit.items() if _within(address, network))
        return found

    # --- sets ---

    def _in_set(self, value: str, asking: _Asking) -> int:
        name, _, side = value.partition(" ")
        row = self.world.get((asking.scope, "ipset", name))
        if row is None or row.kind not in ("hash:net", "hash:ip,port"):
            raise Unanswered(value)
        found = asking.sets[name] = self._elements(asking.scope, name)
        if not found.plain:
            raise Unanswered(name)
        if row.kind == "hash:ip,port":
            if side != "dst,dst":
                raise Unanswered(value)
            asking.near |= asking.asked.far != "dst"
            return self._in_pairs(found, asking.asked)
        if side == asking.asked.far:
            return self._far_set(found)
        asking.near = True
        return self.every if any(_within(asking.asked.near, parts[0]) for parts in found.parts) else 0

    def _far_set(self, elements: Elements) -> int:
        if elements.bits is None:
            elements.bits = 0
            for (network,) in elements.parts:
                exact = self.bit.get(network.removesuffix("/32").removesuffix("/128"))
                elements.bits |= exact if exact is not None else self._network(network)
        return elements.bits

    def _in_pairs(self, elements: Elements, asked: Asked) -> int:
        port = f"{asked.proto}:{asked.port}"
        members = {address for address, other in elements.parts if other == port}
        if asked.far == "dst":
            return sum(self.bit.get(address, 0) for address in members)
        return self.every if asked.near in members else 0

    def _elements(self, scope: str, name: str) -> Elements:
        """The set's elements: the same object as long as they are the same, and for equal sets elsewhere."""
        members = self.world.table(scope, "ipset-member").index(_by_set).get(name, ())
        known = self._known.get((scope, name))
        if known is None or known[0] is not members:
            row = self.world.get((scope, "ipset", name))
            content = (row.kind if row is not None else "", frozenset(members))
            found = self._same.get(content)
            if found is None:
                plain = not any(member.nomatch or member.until for _, member in members)
                found = self._same[content] = Elements(frozenset(parts for parts, _ in members), plain)
            known = self._known[scope, name] = (members, found)
        return known[1]


def _stamp(rows: Table) -> object:
    return object()


def _by_set(rows: Table) -> dict[str, list[tuple[tuple[str, ...], Member]]]:
    found: dict[str, list[tuple[tuple[str, ...], Member]]] = {}
    for name, member in rows.items():
        assert isinstance(name, tuple)
        found.setdefault(name[0], []).append((name[1], member))
    return found


def _within(address: str, network: str) -> bool:
    return ip.within(address, network) if "/" in network else address == network


def _protocol(value: str, asked: Asked) -> bool:
    return value == asked.proto or PROTOCOLS.get(value) == PROTOCOLS.get(asked.proto)


def _ports(value: str, asked: Asked) -> bool:
    spans = (word.partition(":") for word in value.split(","))
    return any(int(first) <= asked.port <= int(last or first) for first, _, last in spans)


def _is_new(value: str, asked: Asked) -> bool:
    return "NEW" in value.split(",")


CONSTANT = {"-p": _protocol, "--dports": _ports, "--dport": _ports, "--ctstate": _is_new}
"""Matches that hold for all of the packets or for none: they are a connection's first ones."""


# --- marks -------------------------------------------------------------------------------------


def _bits(value: int) -> Iterator[int]:
    while value:
        low = value & -value
        yield low
        value ^= low


def _pair(text: str) -> tuple[int, int]:
    value, _, mask = text.partition("/")
    return int(value, 0), int(mask or "0xffffffff", 0)


def _with_mark(match: Match, marks: dict[int, int], every: int) -> int:
    value, mask = _pair(match.value)
    kept = every
    for bit in _bits(mask):
        having = marks.get(bit, 0)
        kept &= having if value & bit else ~having
    return every & ~kept if match.negated else kept


def _mark(rule: Rule, marks: dict[int, int], here: int) -> None:
    for option, text in rule.options:
        value, mask = _pair(text)
        if option != "--set-xmark" or value & ~mask:
            raise Unanswered(option)
        for bit in _bits(mask):
            before = marks.get(bit, 0)
            marks[bit] = before | here if value & bit else before & ~here
