"""What nftables keeps: tables, sets, chains and rules, and the expressions and statements that a rule is made of.

A **rule** is a row of *statements*, run from left to right; the first one that does not hold ends the rule. A *match*
compares what an *expression* reads from the packet (`Selector`) with a constant, a range, a prefix or a set. These are
the values; `rule.py` makes them from text, `text.py` prints them, `evaluate.py` lets packets meet them.

In the world (in the scope of a netns):

=========================  =====================================  =================================
table                      name                                   value
=========================  =====================================  =================================
``nfttable``               ``("ip", "kube-proxy")``               `Table`
``nftset``                 ``("ip", "kube-proxy", "cluster-ips")``  `Set` (a map is a set with data)
``nftelem ip kube-proxy …``  ``("10.96.0.10", "tcp", 80)``          `Element`: a table for each set
``nftobject``              ``("ip", "kube-proxy", "refused")``    `Object`: a named counter
``chain``                  ``("nft", "ip", "kube-proxy", "services")``  `Chain`
=========================  =====================================  =================================

An element is a row of its own and its key is the row's name: it is found without looking at the others, and one that
a packet adds (session affinity) copies nothing.

Left out: flowtables, quotas, helpers, secmarks and other objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from k8slearn.linux.nft.types import TYPES, Type, Value

ElementKey = Value | tuple[Value, ...]
FAMILIES = ("ip", "ip6", "inet")


# --- expressions ---------------------------------------------------------------------------------


class Selector(NamedTuple):
    """What is read from the packet or beside it, in nft's words: ``ip daddr``, ``ct state``, ``fib daddr type``."""

    words: str
    type: Type


class Numgen(NamedTuple):
    """``numgen random mod 3 offset 1``."""

    mode: str
    mod: int
    offset: int = 0

    @property
    def type(self) -> Type:
        return TYPES["integer"]


class Masked(NamedTuple):
    """Bits of something: ``(left & mask) ^ xor``, as the kernel keeps every and, or, xor."""

    left: Selector
    mask: int
    xor: int = 0

    @property
    def type(self) -> Type:
        return self.left.type


class Concat(NamedTuple):
    """``ip daddr . meta l4proto . th dport``."""

    parts: tuple[Selector, ...]


class Const(NamedTuple):
    type: Type
    value: Value


class Range(NamedTuple):
    type: Type
    low: Value
    high: Value


class Prefix(NamedTuple):
    type: Type
    address: str
    length: int


class SetRef(NamedTuple):
    """``@service-ips``."""

    name: str
    kinds: tuple[Type, ...] = ()
    data: tuple[Type, ...] = ()
    interval: bool = False


class Verdict(NamedTuple):
    """``accept``, ``drop``, ``return``, ``continue``, ``jump CHAIN``, ``goto CHAIN``."""

    kind: str
    chain: str = ""


Single = Const | Range | Prefix
Data = Verdict | tuple[Value, ...] | None


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set or map: what it stands for, what it leads to, and until when."""

    key: tuple[Single, ...]
    data: Data = None
    comment: str = ""
    timeout: int | None = None
    """Milliseconds, where it has one of its own."""
    until: float | None = None
    """The second of the logical clock at which it goes."""

    @property
    def name(self) -> ElementKey:
        """Its row's name: the value itself, or the values of a concatenation."""
        values = tuple(_plain(part) for part in self.key)
        return values[0] if len(values) == 1 else values


def _plain(part: Single) -> Value:
    match part:
        case Const():
            return part.value
        case Prefix():
            return f"{part.address}/{part.length}"
    return f"{part.low}-{part.high}"


class Anonymous(NamedTuple):
    """``{ 80, 443 }`` inside a rule: a set without a name that never changes."""

    kinds: tuple[Type, ...]
    data: tuple[Type, ...]
    elements: tuple[Element, ...]
    alone: Single | None = None
    """Braces around one value mean that value."""


Left = Selector | Masked | Numgen | Concat
Lookup = SetRef | Anonymous
Right = Single | Lookup


class Mapped(NamedTuple):
    """``ip daddr map { 1.2.3.4 : 10.0.0.1 }``: what a map says for this packet."""

    left: Left
    right: Lookup


# --- statements ----------------------------------------------------------------------------------


class Match(NamedTuple):
    """``tcp dport != 80``. `op` is empty where nft leaves it out: equal, among, or (for flags) any of them."""

    left: Left
    op: str
    right: Right


class Joined(NamedTuple):
    """``tcp sport != 1 tcp dport != 2``, which nft compiles into one comparison: not both at once."""

    matches: tuple[Match, ...]


class Vmap(NamedTuple):
    """``ip daddr vmap { 1.2.3.4 : drop }``: the map says the verdict."""

    left: Left
    right: Lookup


class Counter(NamedTuple):
    packets: int = 0
    size: int = 0
    name: str = ""


class Limit(NamedTuple):
    """``limit rate 10/second burst 5 packets``; `unit` is empty for packets, else bytes, kbytes, mbytes."""

    rate: int
    per: str
    over: bool = False
    burst: int = 5
    unit: str = ""
    burst_unit: str = "packets"


class Log(NamedTuple):
    prefix: str = ""
    level: str = ""
    flags: str = ""
    group: int | None = None


class Reject(NamedTuple):
    """`how` is icmp, icmpv6, icmpx or tcp; `code` the message's name (``tcp``: reset)."""

    how: str
    code: str
    usual: bool = False
    """Is it what ``reject`` alone means in this family?"""


class Nat(NamedTuple):
    """``dnat to ADDRESS:PORT``, ``snat``, ``masquerade``, ``redirect``."""

    kind: str
    family: str = ""
    address: Const | Range | Mapped | None = None
    port: Const | Range | None = None
    flags: tuple[str, ...] = ()


class SetMark(NamedTuple):
    """``meta mark set ...``, ``ct mark set ...``."""

    target: str
    source: Const | Selector | Masked | Numgen | Mapped


class Update(NamedTuple):
    """``update @affinity { ip saddr timeout 3h }``: the packet writes into a set."""

    op: str
    set: SetRef
    key: Selector | Concat
    timeout: int | None = None


class Notrack(NamedTuple):
    pass


Statement = Match | Joined | Vmap | Verdict | Counter | Limit | Log | Reject | Nat | SetMark | Update | Notrack


# --- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `handle` is its number in the table, by which it is deleted or replaced."""

    statements: tuple[Statement, ...]
    comment: str = ""
    handle: int = 0
    because: str = field(default="", compare=False)
    """What made its author write it, in a person's words (opaque here)."""
    run: list[Any] = field(default_factory=list, init=False, compare=False, repr=False, hash=False)
    """Its statements as functions, once a packet has met the rule."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain; one with a hook is a base chain, where packets come in."""

    rules: tuple[Rule, ...] = ()
    policy: str = ""
    type: str = ""
    hook: str = ""
    priority: int = 0
    comment: str = ""
    handle: int = 0
    asleep: bool = False
    """Its table is dormant: no packet comes here."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `last` is the last handle that was given out in it."""

    comment: str = ""
    dormant: bool = False
    handle: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Set:
    """A set, or a map where `data` is not empty. Times are in milliseconds."""

    kinds: tuple[Type, ...]
    data: tuple[Type, ...] = ()
    typeof: str = ""
    flags: tuple[str, ...] = ()
    timeout: int = 0
    gc: int = 0
    size: int = 0
    policy: str = ""
    merge: bool = False
    comment: str = ""
    handle: int = 0

    @property
    def interval(self) -> bool:
        return "interval" in self.flags


@dataclass(frozen=True, slots=True)
class Object:
    """A named counter."""

    packets: int = 0
    size: int = 0
    comment: str = ""
    handle: int = 0


VERDICT = (TYPES["verdict"],)
"""The data type of a verdict map."""


def elements_table(family: str, table: str, name: str) -> str:
    """The world table of a set's elements."""
    return f"nftelem {family} {table} {name}"
