"""A chain of rules asked for many packets at once: which of them does it drop?

A chain that is one pod's alone is met by packets that differ in one thing: the address at the far end. So it is
evaluated once for all of them, with **sets** of packets where a walk has one: a match keeps some, a mark is the set
of those that carry it, a verdict takes some away. A set is a number whose bits are the far addresses
(one that stands twice has two bits).

Left out: every match and target but those of policy agents; a chain with another one is not answered (None), and the
packets are walked one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

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


class Packets:
    """All packets between one address and each of many, on one machine."""

    def __init__(self, world: World, netns: str, addresses: Sequence[str]) -> None:
        self.world = world
        self.netns = netns
        self.addresses = addresses
        self.bit: dict[str, int] = {}
        for n, address in enumerate(addresses):
            self.bit[address] = self.bit.get(address, 0) | 1 << n
        self.every = (1 << len(addresses)) - 1
        self._networks: dict[str, int] = {}
        self._sets: dict[str, int] = {}
        self._plain: dict[int, list[tuple[tuple[Match, ...], tuple[Match, ...], Rule]]] = {}

    def dropped(self, name: Key, asked: Asked) -> int | None:
        """The packets that the chain drops, as bits; None where it has a rule that is not understood."""
        lost: list[int] = []
        try:
            self._walk(name[2], asked, self.every, {}, lost)
        except Unanswered:
            return None
        return sum(lost)

    def _walk(self, name: object, asked: Asked, active: int, marks: dict[int, int], lost: list[int]) -> int:
        """Those that come back from the chain; what it drops is noted."""
        chain: Chain | None = self.world.rows[self.netns, "chain"].get(name)
        back = 0
        for static, marked, rule in self._rules(chain) if chain is not None else ():
            if not active:
                break
            here = active
            for match in static:
                here &= self._kept(match, asked)
                if not here:
                    break
            for match in marked if here else ():
                here &= _with_mark(match, marks, self.every)
            if not here:
                continue
            if rule.target == "RETURN":
                back, active = back | here, active & ~here
            elif rule.target == "DROP":
                lost.append(here)
                active &= ~here
            elif rule.target == "MARK":
                _mark(rule, marks, here)
            elif rule.target:
                assert isinstance(name, tuple)
                further = (*name[:2], rule.target)
                if further not in self.world.rows[self.netns, "chain"]:
                    raise Unanswered(rule.target)
                came = self._walk(further, asked, here, marks, lost)
                active = (active & ~here) | (0 if rule.goto else came)
                back |= came if rule.goto else 0
        return back | active

    def _rules(self, chain: Chain) -> list[tuple[tuple[Match, ...], tuple[Match, ...], Rule]]:
        found = self._plain.get(id(chain))
        if found is None:
            found = self._plain[id(chain)] = [(*_sorted(rule), rule) for rule in chain.rules]
        return found

    def _kept(self, match: Match, asked: Asked) -> int:
        """The packets for which a match holds."""
        module, option, value, negated = match
        if option in SIDES:
            kept = self._address(SIDES[option], value, asked)
        elif option == "--match-set":
            kept = self._in_set(value, asked)
        elif option in CONSTANT:
            kept = self.every if CONSTANT[option](value, asked) else 0
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

    def _in_set(self, value: str, asked: Asked) -> int:
        name, _, side = value.partition(" ")
        row = self.world.get((self.netns, "ipset", name))
        if row is None or row.kind not in ("hash:net", "hash:ip,port"):
            raise Unanswered(value)
        if row.kind == "hash:ip,port":
            if side != "dst,dst":
                raise Unanswered(value)
            return self._in_pairs(name, asked)
        if side == asked.far:
            return self._far_set(name)
        return self.every if any(_within(asked.near, parts[0]) for parts in self._members(name)) else 0

    def _far_set(self, name: str) -> int:
        found = self._sets.get(name)
        if found is None:
            found = 0
            for (network,) in self._members(name):
                exact = self.bit.get(network.removesuffix("/32").removesuffix("/128"))
                found |= exact if exact is not None else self._network(network)
            self._sets[name] = found
        return found

    def _in_pairs(self, name: str, asked: Asked) -> int:
        port = f"{asked.proto}:{asked.port}"
        members = [address for address, other in self._members(name) if other == port]
        if asked.far == "dst":
            return sum(self.bit.get(address, 0) for address in members)
        return self.every if asked.near in members else 0

    def _members(self, name: str) -> Iterator[tuple[str, ...]]:
        for parts, member in self.world.table(self.netns, "ipset-member").index(_by_set).get(name, ()):
            if member.nomatch or member.until:
                raise Unanswered(name)
            yield parts


def _by_set(rows: Table) -> dict[str, list[tuple[tuple[str, ...], Member]]]:
    found: dict[str, list[tuple[tuple[str, ...], Member]]] = {}
    for name, member in rows.items():
        assert isinstance(name, tuple)
        found.setdefault(name[0], []).append((name[1], member))
    return found


def _sorted(rule: Rule) -> tuple[tuple[Match, ...], tuple[Match, ...]]:
    """A rule's conditions without comments: those that depend on no mark, and those that do."""
    said = [match for match in rule.matches if match.module != "comment"]
    marked = tuple(match for match in said if match.module == "mark")
    return tuple(match for match in said if match.module != "mark"), marked


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
