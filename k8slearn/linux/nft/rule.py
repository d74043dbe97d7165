"""Reading a rule: statement after statement, from left to right.

A word of `STATEMENTS` begins something that is done, a verdict or a translation ends the rule, and everything else
begins an expression that is compared, looked up (``vmap``) or set. `protocols.Known` remembers meanwhile which
headers are certain. How the kernel gives the rule back is `settle`'s affair.

Left out: what `statements.py`, `selectors.py` and `nat.py` leave out.
"""

from __future__ import annotations

from k8slearn.linux.nft import types
from k8slearn.linux.nft.expressions import (
    TERMINAL,
    Where,
    anonymous,
    kinds_of,
    lookup,
    parse_left,
    parse_verdict,
    reference,
    single,
)
from k8slearn.linux.nft.intervals import normal
from k8slearn.linux.nft.nat import parse_nat
from k8slearn.linux.nft.protocols import Known
from k8slearn.linux.nft.selectors import STARTS, UNMODELLED
from k8slearn.linux.nft.settle import settle
from k8slearn.linux.nft.statements import STATEMENTS, const_of, set_mark
from k8slearn.linux.nft.values import (
    VERDICT,
    Concat,
    Const,
    Left,
    Masked,
    Match,
    Nat,
    Range,
    Reject,
    Right,
    Rule,
    Selector,
    Statement,
    Verdict,
    Vmap,
)

OPERATORS = {"==": "==", "eq": "==", "!=": "!=", "ne": "!=", "neq": "!=", "<": "<", "lt": "<", ">": ">", "gt": ">",
             "<=": "<=", "le": "<=", ">=": ">=", "ge": ">=", "!": "!"}  # fmt: skip
NATS = ("dnat", "snat", "masquerade", "redirect")


def parse_rule(where: Where) -> Rule:
    """A rule's statements up to the end of the command, as they will be listed; without a handle."""
    known = Known(where)
    cursor, comment, ended = known.cursor, "", False
    if cursor.ended or cursor.text == "comment":
        cursor.unexpected()
    while not cursor.ended:
        if cursor.eat("comment"):
            comment = cursor.word().text.strip('"')
            break
        start = cursor.place
        found = _statement(known)
        if ended:
            cursor.fail(start, "Statement after terminal statement has no effect")
        known.statements.append(found)
        ended = isinstance(found, Verdict | Reject | Nat)
    if not cursor.ended:
        cursor.unexpected("end of file or newline or semicolon")
    return Rule(settle(tuple(known.statements), known.where.family, cursor), comment)


def _statement(known: Known) -> Statement:
    word, cursor = known.cursor.text, known.cursor
    if word in TERMINAL or word in ("jump", "goto"):
        return parse_verdict(known.where)
    if word in NATS:
        return parse_nat(known.where, known.note, known.network, lambda: known.told)
    if word in STATEMENTS:
        return STATEMENTS[word](known)
    if word in UNMODELLED or word == "@":
        raise cursor.source.complain(cursor.place, cursor.token.end, f"`{word}` is not modelled here")
    if word not in STARTS:
        cursor.unexpected()
    return _expression(known)


def _expression(known: Known) -> Statement:
    cursor, start = known.cursor, known.cursor.place
    left = parse_left(known.where, known.note)
    if cursor.eat("vmap"):
        return Vmap(left, lookup(known.where, kinds_of(left), VERDICT))
    if cursor.eat("set"):
        return set_mark(known, left, start)
    return _match(known, left, start)


def _match(known: Known, left: Left, start: int) -> Match:
    cursor = known.cursor
    end = cursor.before
    op = OPERATORS[cursor.take().text] if cursor.text in OPERATORS else ""
    at = cursor.place
    right: Right
    if cursor.text == "{":
        right = anonymous(known.where, kinds_of(left))
        right = right.alone if right.alone is not None else right
    elif cursor.text == "@":
        right = reference(known.where, kinds_of(left))
    elif isinstance(left, Concat):
        single(cursor, left.parts[0].type)
        cursor.fail(start, "Use concatenations with sets and maps, not singleton values")
    else:
        right = single(cursor, left.type)
    if isinstance(left, Selector) and "proto-" in left.words and not known.told:
        raise cursor.source.complain(at, cursor.before, "Can't parse symbolic invalid expressions")
    return known.certain(_shaped(known, left, op, right), start, end)


def _shaped(known: Known, left: Left, op: str, right: Right) -> Match:
    """The shape in which the comparison is listed."""
    if isinstance(left, Selector) and left.type.flags and isinstance(right, Const) and known.cursor.eat("/"):
        mask = types.number(left.type, const_of(single(known.cursor, left.type)))
        return Match(Masked(left, mask), op or "==", right)
    if isinstance(left, Masked):
        return _masked_match(left, op or "==", right)
    return Match(left, "" if op == "==" and not _left_is_flags(left) else op, right)


def _left_is_flags(left: Left) -> bool:
    """Is it a set of bits, where "equal" and "any of them" are two questions?"""
    return isinstance(left, Selector) and left.type.flags


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
