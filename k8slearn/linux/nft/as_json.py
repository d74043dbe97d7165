"""The same listings as JSON, as ``nft -j list`` prints them (libnftables-json(5)).

A listing is one line: an object with the list ``nftables``, whose first entry is about nft itself (`METAINFO`) and
whose other entries are tables, counters, sets, maps, chains and rules, each with its handle. A rule is a list of
statements, and an expression is a word, a number, or an object that says what kind it is::

    ip saddr 10.0.0.0/8 drop      {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                                             "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}}, {"drop": null}

Each function has the name and the arguments of its twin in `listing.py`, and returns entries, each with a comma after
it. As in nft 1.0.6, comments of tables and chains are not said.

Left out: reading JSON (``nft -j -f``); that in a table ip or ip6 an address of ``ct original`` has its family in its
name only where it was written so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from k8slearn.linux.nft import listing, types
from k8slearn.linux.nft.selectors import PAYLOAD
from k8slearn.linux.nft.store import Store
from k8slearn.linux.nft.text import left_type
from k8slearn.linux.nft.types import Type, Value
from k8slearn.linux.nft.values import (
    Anonymous,
    Chain,
    Concat,
    Const,
    Counter,
    Element,
    Joined,
    Left,
    Limit,
    Log,
    Mapped,
    Masked,
    Match,
    Nat,
    Notrack,
    Numgen,
    Object,
    Prefix,
    Range,
    Reject,
    Right,
    Rule,
    Selector,
    Set,
    SetMark,
    SetRef,
    Single,
    Statement,
    Update,
    Verdict,
    Vmap,
)

METAINFO = {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
Json = Any
SECOND = 1000


def document(entries: str) -> str:
    """The whole line."""
    return f'{{"nftables": [{json.dumps(METAINFO)}, {entries}'.removesuffix(", ") + "]}\n"


def _entry(kind: str, **fields: Json) -> str:
    """One entry; what is None is not said."""
    return json.dumps({kind: {name: value for name, value in fields.items() if value is not None}}) + ", "


# --- what there is -------------------------------------------------------------------------------


def ruleset(store: Store, handles: bool, family: str = "") -> str:
    return "".join(table(store, *name, handles) for name in store.tables(family))


def table(store: Store, family: str, name: str, handles: bool) -> str:
    """The declarations first, then the rules of all chains."""
    chains = store.chains(family, name).items()
    entries = [table_line(store, family, name, handles)]
    entries += [counter(store, family, name, n, o, handles) for n, o in store.objects(family, name).items()]
    entries += [set_block(store, family, name, n, s, handles) for n, s in store.sets(family, name).items()]
    entries += [chain(store, family, name, n, c, handles, False) for n, c in chains]
    entries += [rule(store, (family, name, n), one) for n, c in chains for one in c.rules]
    return "".join(entries)


def table_line(store: Store, family: str, name: str, handles: bool) -> str:
    row = store.table(family, name)
    assert row is not None
    return _entry("table", family=family, name=name, handle=row.handle, flags="dormant" if row.dormant else None)


def wrapped(name: str, inside: str, handle: int = 0) -> str:
    """An entry says itself which table it is of."""
    return inside


def chain(store: Store, family: str, table_name: str, name: str, row: Chain, handles: bool, rules: bool = True) -> str:
    base = {"type": row.type, "hook": row.hook, "prio": row.priority, "policy": row.policy} if row.hook else {}
    entry = _entry("chain", family=family, table=table_name, name=name, handle=row.handle, **base)
    return entry + "".join(rule(store, (family, table_name, name), one) for one in (row.rules if rules else ()))


def rule(store: Store, place: tuple[str, str, str], row: Rule) -> str:
    family, table_name, name = place
    found = [one for s in listing.with_counts(store, place, row).statements for one in statement(s)]
    return _entry(
        "rule",
        family=family,
        table=table_name,
        chain=name,
        handle=row.handle,
        comment=row.comment or None,
        expr=found,
    )


def counter(store: Store, family: str, table_name: str, name: str, row: Object, handles: bool) -> str:
    packets, size = store.counted(family, table_name, name)
    return _entry(
        "counter",
        family=family,
        name=name,
        table=table_name,
        handle=row.handle,
        comment=row.comment or None,
        packets=row.packets + packets,
        bytes=row.size + size,
    )


def set_block(
    store: Store,
    family: str,
    table_name: str,
    name: str,
    row: Set,
    handles: bool,
    elements: list[Element] | None = None,
) -> str:
    found = list(store.elements(family, table_name, name).values()) if elements is None else elements
    names = [kind.name for kind in row.kinds]
    flags = [flag for flag in ("constant", "interval", "timeout") if flag in row.flags]
    return _entry(
        "map" if row.data else "set",
        family=family,
        name=name,
        table=table_name,
        type=names if len(names) > 1 else names[0],
        handle=row.handle,
        comment=row.comment or None,
        map=listing.type_text(row.data) if row.data else None,
        policy="memory" if row.policy == "memory" else None,
        size=row.size or None,
        flags=flags or None,
        timeout=row.timeout // SECOND or None,
        **{"gc-interval": row.gc // SECOND or None},
        elem=[element(e, row.data, store.world.clock) for e in listing.listed(row, found)] or None,
    )


def element(row: Element, data: tuple[Type, ...], now: float | None = None) -> Json:
    key = _several([single(part) for part in row.key], "concat")
    more: dict[str, Json] = {} if row.timeout is None else {"timeout": row.timeout // SECOND}
    if row.until is not None and now is not None:
        more["expires"] = int(max(row.until - now, 0))
    if row.comment:
        more["comment"] = row.comment
    shown = {"elem": {"val": key, **more}} if more else key
    if row.data is None:
        return shown
    if isinstance(row.data, Verdict):
        return [shown, verdict(row.data)]
    return [shown, _several([_value(k, v) for k, v in zip(data, row.data, strict=True)], "concat")]


# --- expressions ---------------------------------------------------------------------------------


def _several(parts: list[Json], how: str) -> Json:
    return parts[0] if len(parts) == 1 else {how: parts}


def _value(kind: Type, value: Value) -> Json:
    """Addresses and names are words, ports and marks are numbers; several flags are a list."""
    if kind.flags and isinstance(value, int):
        names = types.flag_names(kind, value)
        return (names[0] if len(names) == 1 else names) if names else value
    if kind.name == "boolean":
        return value == "exists"
    return str(value) if kind.name == "iface_index" else value


def _bits(kind: Type, bits: int) -> Json:
    """A mask."""
    return _value(kind, bits if kind.flags else types.value_of(kind, bits))


def single(part: Single) -> Json:
    match part:
        case Const(type=kind, value=value):
            return _value(kind, value)
        case Prefix(address=address, length=length):
            return {"prefix": {"addr": address, "len": length}}
        case Range(type=kind, low=low, high=high):
            return {"range": [_value(kind, low), _value(kind, high)]}


def selector(words: str) -> Json:
    """``ip saddr`` is read from the packet, ``meta mark``, ``ct state`` and ``fib daddr type`` beside it."""
    if words in PAYLOAD:
        protocol, field = words.split()
        return {"payload": {"protocol": protocol, "field": field}}
    start, _, rest = words.partition(" ")
    if start == "fib":
        *flags, result = rest.replace(" . ", " ").split()
        return {"fib": {"result": result, "flags": flags}}
    if start == "ct":
        side, _, key = rest.partition(" ")
        return {"ct": {"key": key, "dir": side} if side in ("original", "reply") else {"key": rest}}
    return {"meta": {"key": rest or words}}


def left(expression: Left) -> Json:
    match expression:
        case Selector(words=words):
            return selector(words)
        case Concat(parts=parts):
            return {"concat": [selector(part.words) for part in parts]}
        case Numgen(mode=mode, mod=mod, offset=offset):
            return {"numgen": {"mode": mode, "mod": mod, "offset": offset}}
        case Masked():
            return masked(expression)


def masked(expression: Masked) -> Json:
    """and, xor, or: one in the other, as `text.masked_text` takes them apart."""
    kind, mask, xor = expression.type, expression.mask, expression.xor
    both, xor = xor & ~mask, xor & mask
    mask |= both
    found = selector(expression.left.words)
    found = {"&": [found, _bits(kind, mask)]} if mask != (1 << kind.bits) - 1 else found
    found = {"^": [found, _bits(kind, xor)]} if xor else found
    return {"|": [found, _bits(kind, both)]} if both else found


def right(expression: Right) -> Json:
    match expression:
        case SetRef(name=name):
            return f"@{name}"
        case Anonymous(data=data, elements=elements):
            return {"set": [element(e, data) for e in elements]}
    return single(expression)


# --- statements ----------------------------------------------------------------------------------


def statement(row: Statement) -> list[Json]:
    return STATEMENTS[type(row)](row)


def match(row: Match) -> Json:
    """Flags that are looked for among others are `in`; every other comparison without a word is ``==``. Several flags
    at once, which must not all be there, are joined by ``|``; of TCP's there is only the number."""
    flags = isinstance(row.left, Selector) and isinstance(row.right, Const) and left_type(row.left).flags
    op = row.op or ("in" if flags else "==")
    value = right(row.right)
    if op == "!=" and isinstance(row.right, Const) and isinstance(value, list):
        value = {"|": value} if row.right.type.name == "ct_state" else row.right.value
    return {"match": {"op": op, "left": left(row.left), "right": value}}


def verdict(row: Verdict) -> Json:
    return {row.kind: {"target": row.chain} if row.chain else None}


def limit(row: Limit) -> Json:
    fields: dict[str, Json] = {"rate": row.rate, "burst": row.burst, "per": row.per}
    if row.over:
        fields["inv"] = True
    if row.unit:
        fields |= {"rate_unit": row.unit, "burst_unit": row.burst_unit if row.burst else "bytes"}
    return {"limit": fields}


def log(row: Log) -> Json:
    fields: dict[str, Json] = {"prefix": row.prefix} if row.prefix else {}
    fields |= {"group": row.group} if row.group is not None else {}
    fields |= {"level": row.level} if row.level else {}
    fields |= {"flags": _log_flags(row.flags)} if row.flags else {}
    return {"log": fields or None}


def _log_flags(words: str) -> Json:
    """``flags tcp sequence,options ip options``: each with its protocol."""
    found: list[Json] = []
    protocol = ""
    for word in words.split():
        if word in ("tcp", "ip"):
            protocol = word
        elif word != "flags":
            found += [f"{protocol} {one}".strip() for one in word.split(",")]
    return found[0] if len(found) == 1 else found


def reject(row: Reject) -> Json:
    return {"reject": {"type": "tcp reset"} if row.how == "tcp" else {"type": row.how, "expr": row.code}}


def nat(row: Nat) -> Json:
    fields: dict[str, Json] = {"family": row.family} if row.family else {}
    if row.address is not None:
        fields["addr"] = mapped(row.address) if isinstance(row.address, Mapped) else single(row.address)
    if row.port is not None:
        fields["port"] = single(row.port)
    if row.flags:
        fields["flags"] = row.flags[0] if len(row.flags) == 1 else list(row.flags)
    return {row.kind: fields or None}


def mapped(row: Mapped) -> Json:
    return {"map": {"key": left(row.left), "data": right(row.right)}}


def mangle(row: SetMark) -> Json:
    match row.source:
        case Const():
            source = single(row.source)
        case Mapped():
            source = mapped(row.source)
        case _:
            source = left(row.source)
    return {"mangle": {"key": selector(row.target), "value": source}}


def update(row: Update) -> Json:
    key = left(row.key)
    if row.timeout is not None:
        key = {"elem": {"val": key, "timeout": row.timeout // SECOND}}
    return {"set": {"op": row.op, "elem": key, "set": f"@{row.set.name}"}}


STATEMENTS: Mapping[type, Callable[[Any], list[Json]]] = {
    Match: lambda row: [match(row)],
    Joined: lambda row: [match(one) for one in row.matches],
    Vmap: lambda row: [{"vmap": {"key": left(row.left), "data": right(row.right)}}],
    Verdict: lambda row: [verdict(row)],
    Counter: lambda row: [{"counter": row.name or {"packets": row.packets, "bytes": row.size}}],
    Limit: lambda row: [limit(row)],
    Log: lambda row: [log(row)],
    Reject: lambda row: [reject(row)],
    Nat: lambda row: [nat(row)],
    SetMark: lambda row: [mangle(row)],
    Update: lambda row: [update(row)],
    Notrack: lambda row: [{"notrack": None}],
}
"""A kind of statement -> its objects."""
