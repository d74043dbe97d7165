"""Reading a rule: statement after statement, from left to right.

`STATEMENTS` has a row for each first word; everything else begins an expression that is compared, mapped or set. While
it reads, `RuleParser` remembers which protocol is already certain: nft adds the condition that a field needs
(``meta l4proto tcp`` before ``tcp dport``) where it is not, and refuses what contradicts itself.

Left out: queue, dup, fwd, tproxy, synproxy, quota, flow offload, meters; setting anything but marks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.linux.nft import types
from k8slearn.linux.nft.expressions import (
    TERMINAL,
    Where,
    anonymous,
    kinds_of,
    lookup,
    masked,
    milliseconds,
    parse_left,
    parse_verdict,
    reference,
    says,
    single,
)
from k8slearn.linux.nft.intervals import normal
from k8slearn.linux.nft.nat import parse_nat
from k8slearn.linux.nft.selectors import PAYLOAD, STARTS, UNMODELLED
from k8slearn.linux.nft.settle import settle
from k8slearn.linux.nft.types import TYPES
from k8slearn.linux.nft.values import (
    VERDICT,
    Anonymous,
    Concat,
    Const,
    Counter,
    Left,
    Limit,
    Log,
    Mapped,
    Masked,
    Match,
    Nat,
    Notrack,
    Numgen,
    Range,
    Reject,
    Right,
    Rule,
    Selector,
    SetMark,
    SetRef,
    Statement,
    Update,
    Verdict,
    Vmap,
)

OPERATORS = {"==": "==", "eq": "==", "!=": "!=", "ne": "!=", "neq": "!=", "<": "<", "lt": "<", ">": ">", "gt": ">",
             "<=": "<=", "le": "<=", ">=": ">=", "ge": ">=", "!": "!"}  # fmt: skip
TRANSPORTS = {"tcp": "tcp", "udp": "udp", "sctp": "sctp", "icmp": "icmp", "icmpv6": "ipv6-icmp"}
"""A header -> the protocol number that says it is there."""
CODES: Mapping[str, Mapping[str, int]] = {
    "icmp": types.ICMP_CODES,
    "icmpv6": types.ICMP6_CODES,
    "icmpx": types.ICMPX_CODES,
}
SPANS = ("second", "minute", "hour", "day", "week")
LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
PARENTS = {"ip": "ipv4", "ip6": "ipv6"}


def parse_rule(where: Where) -> Rule:
    """A rule's statements up to the end of the command, as they will be listed; without a handle."""
    return RuleParser(where).rule()


class RuleParser:
    """What is known while one rule is read."""

    def __init__(self, where: Where) -> None:
        self.where, self.cursor = where, where.cursor
        self.statements: list[Statement] = []
        self.network = where.family if where.family != "inet" else ""
        self.transport = ""
        self.several: tuple[str, ...] = ()
        """The transport protocols that it may be (``meta l4proto { tcp, udp }``)."""
        self.told = False
        """Has the rule said anything about the transport protocol (``meta l4proto { tcp, udp }``)?"""

    def rule(self) -> Rule:
        cursor, comment, ended = self.cursor, "", False
        if cursor.ended or cursor.text == "comment":
            cursor.unexpected()
        while not cursor.ended:
            if cursor.eat("comment"):
                comment = cursor.word().text.strip('"')
                break
            start = cursor.place
            statement = self.statement()
            if ended:
                cursor.fail(start, "Statement after terminal statement has no effect")
            self.statements.append(statement)
            ended = isinstance(statement, Verdict | Reject | Nat)
        if not cursor.ended:
            cursor.unexpected("end of file or newline or semicolon")
        return Rule(settle(tuple(self.statements), self.where.family, cursor), comment)

    def statement(self) -> Statement:
        word, cursor = self.cursor.text, self.cursor
        if word in TERMINAL or word in ("jump", "goto"):
            return parse_verdict(self.where)
        if word in NATS:
            return self.nat()
        if word in STATEMENTS:
            return STATEMENTS[word](self)
        if word in UNMODELLED or word == "@":
            raise cursor.source.complain(cursor.place, cursor.token.end, f"`{word}` is not modelled here")
        if word not in STARTS:
            cursor.unexpected()
        return self.expression()

    # --- expressions that decide whether the rule goes on ---

    def expression(self) -> Statement:
        cursor, start = self.cursor, self.cursor.place
        left = parse_left(self.where, self.note)
        if cursor.eat("vmap"):
            return Vmap(left, lookup(self.where, kinds_of(left), VERDICT))
        if cursor.eat("set"):
            return self.set_mark(left, start)
        return self.match(left, start)

    def match(self, left: Left, start: int) -> Match:
        cursor = self.cursor
        end = cursor.before
        op = OPERATORS[cursor.take().text] if cursor.text in OPERATORS else ""
        at = cursor.place
        right: Right
        if cursor.text == "{":
            right = anonymous(self.where, kinds_of(left))
            right = right.alone if right.alone is not None else right
        elif cursor.text == "@":
            right = reference(self.where, kinds_of(left))
        elif isinstance(left, Concat):
            single(cursor, left.parts[0].type)
            cursor.fail(start, "Use concatenations with sets and maps, not singleton values")
        else:
            right = single(cursor, left.type)
        if isinstance(left, Selector) and "proto-" in left.words and not self.told:
            raise cursor.source.complain(at, cursor.before, "Can't parse symbolic invalid expressions")
        return self.known(self.shaped(left, op, right), start, end)

    def shaped(self, left: Left, op: str, right: Right) -> Match:
        """The shape in which the comparison is listed."""
        if isinstance(left, Selector) and left.type.flags and isinstance(right, Const) and self.cursor.eat("/"):
            mask = types.number(left.type, _const(single(self.cursor, left.type)))
            return Match(Masked(left, mask), op or "==", right)
        if isinstance(left, Masked):
            return _masked_match(left, op or "==", right)
        return Match(left, "" if op == "==" and not left_is_flags(left) else op, right)

    def known(self, match: Match, start: int, end: int) -> Match:
        """What a condition makes certain for the fields that follow."""
        left, right = match.left, match.right
        words = left.words if isinstance(left, Selector) else ""
        certain = str(right.value) if isinstance(right, Const) and match.op in ("", "==") else ""
        if words == "meta nfproto":
            if self.where.family != "inet":
                raise self.cursor.source.complain(start, end, "meta nfproto is only useful in the inet family")
            self.network = {"ipv4": "ip", "ipv6": "ip6"}.get(certain, self.network)
        if words in ("meta l4proto", "ip protocol", "ip6 nexthdr", "ct protocol"):
            self.told = True
            if words != "ct protocol":
                self.transport = certain or self.transport
                self.several = _names(right) if not match.op else ()
        return match

    def note(self, selector: Selector, start: int) -> Selector:
        """A field needs its header: add the condition for it where it is not certain yet."""
        if selector.words not in PAYLOAD:
            return selector
        header = selector.words.partition(" ")[0]
        if header in PARENTS:
            self.needs_network(header, start)
        elif header == "th":
            if self.transport in ("tcp", "udp", "sctp"):
                return Selector(selector.words.replace("th", self.transport, 1), selector.type)
        else:
            self.needs_transport(header, start)
        return selector

    def needs_network(self, header: str, start: int) -> None:
        if not self.network:
            self.network = header
            self.statements.append(
                Match(Selector("meta nfproto", TYPES["nf_proto"]), "", Const(TYPES["nf_proto"], PARENTS[header]))
            )
        elif self.network != header:
            self.cursor.fail(start, f"conflicting protocols specified: {self.network} vs. {header}")

    def needs_transport(self, header: str, start: int) -> None:
        protocol = TRANSPORTS[header]
        other = next((name for name in self.several if name != protocol), "")
        if other and not self.transport:
            self.cursor.fail(start, f"conflicting protocols specified: {other} vs. {header}")
        if not self.transport:
            self.transport, self.told = protocol, True
            self.statements.append(
                Match(Selector("meta l4proto", TYPES["inet_proto"]), "", Const(TYPES["inet_proto"], protocol))
            )
        elif self.transport != protocol:
            self.cursor.fail(start, f"conflicting protocols specified: {self.transport} vs. {header}")

    # --- statements that do something ---

    def set_mark(self, left: Left, start: int) -> SetMark:
        cursor = self.cursor
        if not isinstance(left, Selector) or left.words not in ("meta mark", "ct mark"):
            cursor.fail(start, "setting anything but marks is not modelled here")
        return SetMark(left.words, self.value())

    def value(self) -> Const | Selector | Masked | Numgen | Mapped:
        """What a mark is set to."""
        cursor, kind = self.cursor, TYPES["mark"]
        if cursor.text not in STARTS:
            bits = single(cursor, kind)
            found = masked(cursor, Selector("", kind))
            number = types.number(kind, _const(bits))
            return Const(kind, number & found.mask ^ found.xor if isinstance(found, Masked) else number)
        left = parse_left(self.where, self.note)
        if cursor.eat("map"):
            return Mapped(left, lookup(self.where, kinds_of(left), (kind,)))
        if isinstance(left, Concat):
            cursor.unexpected()
        return left

    def counter(self) -> Counter:
        cursor = self.cursor
        cursor.take()
        if cursor.eat("name"):
            return Counter(name=cursor.word().text.strip('"'))
        packets = size = 0
        if cursor.eat("packets"):
            packets = cursor.number()
            cursor.need("bytes")
            size = cursor.number()
        return Counter(packets, size)

    def limit(self) -> Limit:
        cursor, start = self.cursor, self.cursor.place
        cursor.take()
        cursor.need("rate")
        over = cursor.eat("over") or (cursor.eat("until") and False)
        rate, unit, per = cursor.number(), "", ""
        if cursor.eat("/"):
            per = cursor.take().text
        else:
            unit, _, per = cursor.take().text.partition("/")
        if per not in SPANS or unit not in ("", "bytes", "kbytes", "mbytes"):
            cursor.at -= 1
            cursor.unexpected()
        burst, burst_unit = (0, "bytes") if unit else (5, "packets")
        if cursor.eat("burst"):
            at, burst = cursor.place - 6, cursor.number()
            burst_unit = cursor.take().text
            if burst_unit == "packets" and burst == 0:
                cursor.fail(at, "packet limit burst must be > 0")
        if rate == 0:
            cursor.fail(start, "packet limit rate must be > 0")
        return _limit(rate, unit, per, over, burst, burst_unit)

    def log(self) -> Log:
        cursor, found = self.cursor, Log()
        cursor.take()
        while cursor.text in ("prefix", "level", "group", "flags"):
            word = cursor.take().text
            if word == "prefix":
                found = found._replace(prefix=cursor.word().text.strip('"'))
            elif word == "group":
                found = found._replace(group=cursor.number())
            elif word == "level":
                level = cursor.take().text
                if level not in LEVELS:
                    cursor.fail(cursor.before - len(level), "invalid log level")
                found = found._replace(level="" if level == "warn" else level)
            else:
                found = found._replace(flags=f"{found.flags} {self.log_flags()}".strip())
        return found

    def log_flags(self) -> str:
        words = [self.cursor.take().text]
        while self.cursor.text in ("sequence", "options"):
            words.append(self.cursor.take().text)
            if self.cursor.eat(","):
                words[-1] += "," + self.cursor.take().text
        return "flags " + " ".join(words)

    def reject(self) -> Reject:
        """``reject [with WHAT]``; without, the port is unreachable, in the words of the packet's own family."""
        cursor = self.cursor
        start = cursor.place
        cursor.take()
        network = "ip" if self.transport == "icmp" else "ip6" if self.transport == "ipv6-icmp" else self.network
        if not cursor.eat("with"):
            return self.rejection({"ip": "icmp", "ip6": "icmpv6"}.get(network, "icmpx"), "port-unreachable")
        how = cursor.text
        if how == "tcp":
            cursor.take()
            cursor.need("reset")
            self.needs_transport("tcp", start)
            return Reject("tcp", "reset")
        if how not in CODES:
            cursor.unexpected("icmp or icmpv6 or tcp or icmpx")
        cursor.take()
        cursor.eat("type")
        return self.reject_code(how)

    def reject_code(self, how: str) -> Reject:
        cursor, at = self.cursor, self.cursor.place
        code = cursor.take().text
        if code not in CODES[how]:
            cursor.fail(at, "Could not parse " + ("icmpx" if how == "icmpx" else how) + " code")
        family = {"icmp": "ip", "icmpv6": "ip6"}.get(how, "")
        if not family and self.where.family != "inet":
            cursor.fail(at, "abstracted ICMP unreachable not supported")
        if family and self.network not in ("", family):
            cursor.fail(at, "conflicting protocols specified: ip vs ip6")
        if family and not self.network:
            self.needs_network(family, at)
        return self.rejection(how, code)

    def rejection(self, how: str, code: str) -> Reject:
        usual = {"ip": "icmp", "ip6": "icmpv6", "inet": "icmpx"}[self.where.family]
        return Reject(how, code, how == usual and code == "port-unreachable")

    def notrack(self) -> Notrack:
        self.cursor.take()
        return Notrack()

    def update(self) -> Update:
        """``add @SET { KEY [timeout T] }``, ``update …``, ``delete …``."""
        cursor = self.cursor
        op, at = cursor.take().text, cursor.place
        cursor.need("@")
        name = cursor.word().text.strip('"')
        row = self.where.find_set(name)
        if row is None:
            cursor.fail(at, "No such file or directory")
        cursor.need("{")
        start = cursor.place
        key = parse_left(self.where, self.note)
        if not isinstance(key, Selector | Concat):
            cursor.fail(start, "only fields of a packet can be written into a set here")
        if [kind.name for kind in kinds_of(key)] != [kind.name for kind in row.kinds]:
            cursor.fail(at, f"datatype mismatch: expected {says(row.kinds)}, expression has type {says(kinds_of(key))}")
        timeout = milliseconds(cursor) if cursor.eat("timeout") else None
        if cursor.text in ("counter", "limit", ":", "quota", "ct"):
            raise cursor.source.complain(
                cursor.place, cursor.token.end, f"`{cursor.text}` in an element is not modelled here"
            )
        cursor.need("}")
        return Update(op, SetRef(name, row.kinds, row.data, row.interval), key, timeout)

    def nat(self) -> Nat:
        return parse_nat(self.where, self.note, self.network, lambda: self.told)


NATS = ("dnat", "snat", "masquerade", "redirect")
STATEMENTS: Mapping[str, Callable[[RuleParser], Statement]] = {
    "counter": RuleParser.counter,
    "limit": RuleParser.limit,
    "log": RuleParser.log,
    "reject": RuleParser.reject,
    "notrack": RuleParser.notrack,
    "add": RuleParser.update,
    "update": RuleParser.update,
    "delete": RuleParser.update,
}
"""A statement's first word -> what reads the rest of it."""


def left_is_flags(left: Left) -> bool:
    """Is it a set of bits, where "equal" and "any of them" are two questions?"""
    return isinstance(left, Selector) and left.type.flags


def _names(right: Right) -> tuple[str, ...]:
    return tuple(str(e.name) for e in right.elements) if isinstance(right, Anonymous) else ()


def _const(part: object) -> types.Value:
    assert isinstance(part, Const)
    return part.value


def _masked_match(left: Masked, op: str, right: Right) -> Match:
    """Comparing some bits: nft writes a network as a prefix, and single flags without the mask."""
    selector, mask, xor = left
    if not isinstance(right, Const):
        return Match(left, op, right)
    kind, bits = selector.type, types.number(selector.type, right.value)
    if xor and mask | xor == mask:
        left, bits = Masked(selector, mask), bits ^ xor
    if kind.flags:
        if bits == 0 and not xor and op in ("==", "!="):
            return Match(selector, "!" if op == "==" else "", Const(kind, mask))
        return Match(left, op, right)
    full = (1 << kind.bits) - 1
    hosts = full ^ mask
    if kind.name in ("ipv4_addr", "ipv6_addr") and hosts & hosts + 1 == 0 and op in ("==", "!=") and hosts != full:
        network = Range(kind, types.value_of(kind, bits & mask), types.value_of(kind, bits & mask | hosts))
        return Match(selector, "" if op == "==" else op, normal(network))
    return Match(left, op, Const(kind, types.value_of(kind, bits)))


SCALES = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}


def _limit(rate: int, unit: str, per: str, over: bool, burst: int, burst_unit: str) -> Limit:
    rate, unit = _scaled(rate, unit) if unit else (rate, unit)
    burst, burst_unit = _scaled(burst, burst_unit) if burst_unit != "packets" else (burst, burst_unit)
    return Limit(rate, per, over, burst, unit, burst_unit)


def _scaled(amount: int, unit: str) -> tuple[int, str]:
    """Bytes in the largest unit that leaves no remainder."""
    total = amount * SCALES.get(unit, 1)
    best = next((u for u in ("mbytes", "kbytes") if total and total % SCALES[u] == 0), "bytes")
    return total // SCALES[best], best
