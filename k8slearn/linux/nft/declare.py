"""Reading what a table, a chain, a set or a counter is: the inside of their braces.

Left out: devices of a chain, flowtables, quotas, limits and helpers as objects, statements in a set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from k8slearn.linux.nft.expressions import Where, milliseconds, parse_left
from k8slearn.linux.nft.listing import PRIORITIES, WHERE
from k8slearn.linux.nft.scan import Cursor
from k8slearn.linux.nft.selectors import STARTS
from k8slearn.linux.nft.types import TYPES, Type
from k8slearn.linux.nft.values import VERDICT, Chain, Concat, Masked, Numgen, Object, Set

HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
CHAIN_TYPES = {
    "filter": HOOKS,
    "nat": ("prerouting", "input", "output", "postrouting"),
    "route": ("output",),
}
"""A chain's type -> the hooks where it may stand (`nft_chain_*.c`)."""
SET_FLAGS = ("constant", "interval", "timeout", "dynamic")


@dataclass(slots=True)
class Body:
    """What stood in a chain's or set's braces."""

    row: Chain | Set
    rules: list[tuple[int, int]] = field(default_factory=list)
    """Tokens of each rule: they are read when every set and chain of the block is there."""
    elements: int = -1
    """The token where the elements begin, or -1."""


def skip_command(cursor: Cursor) -> tuple[int, int]:
    """Pass over one command; returns its first token and the one after its last."""
    start, depth = cursor.at, 0
    while cursor.at < cursor.stop:
        text = cursor.text
        if depth == 0 and text in ("\n", ";", "}"):
            break
        depth += (text == "{") - (text == "}")
        cursor.at += 1
    return start, cursor.at


def chain_body(cursor: Cursor) -> Body:
    """``{ type filter hook input priority 0; policy drop; comment "…"; RULES }``."""
    row, rules = Chain(), list[tuple[int, int]]()
    cursor.need("{")
    cursor.skip_lines()
    while not cursor.eat("}"):
        if cursor.at >= cursor.stop:
            cursor.unexpected("'}'")
        if cursor.text == "type" and cursor.peek() in (*CHAIN_TYPES, cursor.peek()) and cursor.peek(2) == "hook":
            row = replace(row, **_base(cursor))
        elif cursor.eat("policy"):
            if cursor.text not in ("accept", "drop"):
                cursor.unexpected("accept or drop or '$'")
            row = replace(row, policy=cursor.take().text)
        elif cursor.text == "comment":
            cursor.take()
            row = replace(row, comment=cursor.word().text.strip('"'))
        else:
            rules.append(skip_command(cursor))
            if not cursor.ended or rules[-1][0] == rules[-1][1]:
                cursor.unexpected()
            cursor.skip_lines()
            continue
        _end_of_line(cursor)
    return Body(row, rules)


def _end_of_line(cursor: Cursor) -> None:
    if cursor.text not in ("\n", ";"):
        cursor.unexpected("newline or semicolon")
    cursor.skip_lines()


def _base(cursor: Cursor) -> dict[str, Any]:
    cursor.take()
    token = cursor.take()
    if token.text not in CHAIN_TYPES:
        raise cursor.source.complain(token.start, token.end, "unknown chain type")
    cursor.need("hook")
    hook = cursor.take()
    if hook.text not in HOOKS:
        known = hook.text in ("ingress", "egress")
        raise cursor.source.complain(
            hook.start, hook.end, f"hook {hook.text} is not modelled here" if known else "unknown chain hook"
        )
    start = cursor.place
    if cursor.text != "priority":
        cursor.unexpected("priority")
    cursor.take()
    return {"type": token.text, "hook": hook.text, "priority": _priority(cursor, hook.text, start)}


def _priority(cursor: Cursor, hook: str, start: int) -> int:
    """A number, a name, or a name and how far from it."""
    if cursor.token.kind == "word":
        name, sign, offset = cursor.take().text, "", ""
        for mark in "-":
            name, sign, offset = name.partition(mark)
        if name not in PRIORITIES or hook not in WHERE.get(name, (hook,)):
            cursor.fail(start, "invalid priority expression value in this context.")
        if sign:
            return PRIORITIES[name] - int(offset or cursor.number())
        if cursor.eat("+"):
            return PRIORITIES[name] + cursor.number()
        return PRIORITIES[name] - cursor.number() if cursor.eat("-") else PRIORITIES[name]
    negative = cursor.eat("-")
    return -cursor.number() if negative else cursor.number()


# --- sets ----------------------------------------------------------------------------------------


def set_body(where: Where, is_map: bool) -> Body:
    """``{ type T [: DATA]; flags …; timeout …; comment "…"; elements = { … } }``."""
    cursor, body = where.cursor, Body(Set(()))
    start = cursor.place
    cursor.need("{")
    cursor.skip_lines()
    while not cursor.eat("}"):
        assert isinstance(body.row, Set)
        if cursor.eat("elements"):
            cursor.need("=")
            body.elements = cursor.at
            skip_command(cursor)
        else:
            body.row = _set_line(where, body.row, is_map)
        if cursor.text != "}":
            _end_of_line(cursor)
    assert isinstance(body.row, Set)
    if not body.row.kinds:
        raise cursor.source.complain(start, start + 1, "set definition does not specify key")
    flags = {*body.row.flags, *(["timeout"] if body.row.timeout else [])}
    body.row = replace(body.row, flags=tuple(f for f in SET_FLAGS if f in flags))
    if body.row.interval and len(body.row.kinds) > 1:
        raise cursor.source.complain(start, start + 1, "intervals in concatenations are not modelled here")
    return body


def _set_line(where: Where, row: Set, is_map: bool) -> Set:
    cursor = where.cursor
    word = cursor.take().text
    if word == "type":
        kinds = _types(cursor)
        return replace(row, kinds=kinds, data=_map_data(cursor) if is_map else ())
    if word == "typeof":
        return _typeof(where, row, is_map)
    if word == "flags":
        return replace(row, flags=_flags(cursor))
    if word in SET_LINES:
        name, read = SET_LINES[word]
        return replace(row, **{name: read(cursor)})
    cursor.at -= 1
    if word in ("counter", "quota", "limit"):
        raise cursor.source.complain(cursor.place, cursor.token.end, f"`{word}` in a set is not modelled here")
    cursor.unexpected()


SET_LINES: dict[str, tuple[str, Callable[[Cursor], Any]]] = {
    "timeout": ("timeout", milliseconds),
    "gc-interval": ("gc", milliseconds),
    "size": ("size", Cursor.number),
    "policy": ("policy", lambda cursor: cursor.word().text),
    "auto-merge": ("merge", lambda cursor: True),
    "comment": ("comment", lambda cursor: cursor.word().text.strip('"')),
}
"""A line of a set -> the field that it fills, and what reads it."""


def _types(cursor: Cursor) -> tuple[Type, ...]:
    kinds = [_type(cursor)]
    while cursor.eat("."):
        kinds.append(_type(cursor))
    return tuple(kinds)


def _type(cursor: Cursor) -> Type:
    token = cursor.word()
    if token.text not in TYPES or token.text in ("integer", "boolean"):
        raise cursor.source.complain(
            token.start, token.end, f"syntax error, unexpected string: unknown datatype {token.text}"
        )
    return TYPES[token.text]


def _map_data(cursor: Cursor) -> tuple[Type, ...]:
    if cursor.text != ":":
        cursor.unexpected("colon")
    cursor.take()
    return VERDICT if cursor.eat("verdict") else _types(cursor)


def _flags(cursor: Cursor) -> tuple[str, ...]:
    found = []
    while True:
        if cursor.text not in SET_FLAGS:
            cursor.unexpected("constant or interval or timeout or dynamic")
        found.append(cursor.take().text)
        if not cursor.eat(","):
            return tuple(found)


def _typeof(where: Where, row: Set, is_map: bool) -> Set:
    """``typeof ip daddr . tcp dport``: the types of these expressions; printed as it was written."""
    kinds, words = _typeof_expression(where)
    if not is_map:
        return replace(row, kinds=kinds, typeof=words)
    if where.cursor.text != ":":
        where.cursor.unexpected("colon")
    where.cursor.take()
    if where.cursor.eat("verdict"):
        return replace(row, kinds=kinds, data=VERDICT, typeof=f"{words} : verdict")
    data, more = _typeof_expression(where)
    return replace(row, kinds=kinds, data=data, typeof=f"{words} : {more}")


def _typeof_expression(where: Where) -> tuple[tuple[Type, ...], str]:
    if where.cursor.text not in STARTS:
        where.cursor.unexpected()
    left = parse_left(where, lambda selector, start: selector)
    if isinstance(left, Masked | Numgen):
        where.cursor.unexpected()
    parts = left.parts if isinstance(left, Concat) else (left,)
    return tuple(part.type for part in parts), " . ".join(part.words for part in parts)


def counter_body(cursor: Cursor) -> Object:
    """``{ packets N bytes N; comment "…" }``, or nothing."""
    row = Object()
    if not cursor.eat("{"):
        return row
    cursor.skip_lines()
    while not cursor.eat("}"):
        if cursor.eat("packets"):
            packets = cursor.number()
            cursor.need("bytes")
            row = replace(row, packets=packets, size=cursor.number())
        elif cursor.eat("comment"):
            row = replace(row, comment=cursor.word().text.strip('"'))
        else:
            cursor.unexpected()
        cursor.skip_lines()
    return row
