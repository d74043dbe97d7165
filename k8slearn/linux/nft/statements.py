"""Reading statements that do something: ``counter``, ``limit``, ``log``, ``reject``, ``update @set``, marks.

`STATEMENTS` has a row for each first word; `rule.py` calls them. Translation is in `nat.py`, conditions in `rule.py`.

Left out: queue, dup, fwd, tproxy, synproxy, quota, flow offload, meters; setting anything but marks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.linux.nft import types
from k8slearn.linux.nft.expressions import kinds_of, lookup, masked, milliseconds, parse_left, says, single
from k8slearn.linux.nft.protocols import Known
from k8slearn.linux.nft.selectors import STARTS
from k8slearn.linux.nft.types import TYPES
from k8slearn.linux.nft.values import (
    Concat,
    Const,
    Counter,
    Left,
    Limit,
    Log,
    Mapped,
    Masked,
    Notrack,
    Numgen,
    Reject,
    Selector,
    SetMark,
    SetRef,
    Statement,
    Update,
)

CODES: Mapping[str, Mapping[str, int]] = {
    "icmp": types.ICMP_CODES,
    "icmpv6": types.ICMP6_CODES,
    "icmpx": types.ICMPX_CODES,
}
SPANS = ("second", "minute", "hour", "day", "week")
LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
SCALES = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}


def set_mark(known: Known, left: Left, start: int) -> SetMark:
    cursor = known.cursor
    if not isinstance(left, Selector) or left.words not in ("meta mark", "ct mark"):
        cursor.fail(start, "setting anything but marks is not modelled here")
    return SetMark(left.words, value(known))


def value(known: Known) -> Const | Selector | Masked | Numgen | Mapped:
    """What a mark is set to."""
    cursor, kind = known.cursor, TYPES["mark"]
    if cursor.text not in STARTS:
        bits = single(cursor, kind)
        found = masked(cursor, Selector("", kind))
        number = types.number(kind, const_of(bits))
        return Const(kind, number & found.mask ^ found.xor if isinstance(found, Masked) else number)
    left = parse_left(known.where, known.note)
    if cursor.eat("map"):
        return Mapped(left, lookup(known.where, kinds_of(left), (kind,)))
    if isinstance(left, Concat):
        cursor.unexpected()
    return left


def counter(known: Known) -> Counter:
    cursor = known.cursor
    cursor.take()
    if cursor.eat("name"):
        return Counter(name=cursor.word().text.strip('"'))
    packets = size = 0
    if cursor.eat("packets"):
        packets = cursor.number()
        cursor.need("bytes")
        size = cursor.number()
    return Counter(packets, size)


def limit(known: Known) -> Limit:
    cursor, start = known.cursor, known.cursor.place
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


def _limit(rate: int, unit: str, per: str, over: bool, burst: int, burst_unit: str) -> Limit:
    rate, unit = _scaled(rate, unit) if unit else (rate, unit)
    burst, burst_unit = _scaled(burst, burst_unit) if burst_unit != "packets" else (burst, burst_unit)
    return Limit(rate, per, over, burst, unit, burst_unit)


def _scaled(amount: int, unit: str) -> tuple[int, str]:
    """Bytes in the largest unit that leaves no remainder."""
    total = amount * SCALES.get(unit, 1)
    best = next((u for u in ("mbytes", "kbytes") if total and total % SCALES[u] == 0), "bytes")
    return total // SCALES[best], best


def log(known: Known) -> Log:
    cursor, found = known.cursor, Log()
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
            found = found._replace(flags=f"{found.flags} {log_flags(known)}".strip())
    return found


def log_flags(known: Known) -> str:
    words = [known.cursor.take().text]
    while known.cursor.text in ("sequence", "options"):
        words.append(known.cursor.take().text)
        if known.cursor.eat(","):
            words[-1] += "," + known.cursor.take().text
    return "flags " + " ".join(words)


def reject(known: Known) -> Reject:
    """``reject [with WHAT]``; without, the port is unreachable, in the words of the packet's own family."""
    cursor = known.cursor
    start = cursor.place
    cursor.take()
    network = "ip" if known.transport == "icmp" else "ip6" if known.transport == "ipv6-icmp" else known.network
    if not cursor.eat("with"):
        return rejection(known, {"ip": "icmp", "ip6": "icmpv6"}.get(network, "icmpx"), "port-unreachable")
    how = cursor.text
    if how == "tcp":
        cursor.take()
        cursor.need("reset")
        known.needs_transport("tcp", start)
        return Reject("tcp", "reset")
    if how not in CODES:
        cursor.unexpected("icmp or icmpv6 or tcp or icmpx")
    cursor.take()
    cursor.eat("type")
    return reject_code(known, how)


def reject_code(known: Known, how: str) -> Reject:
    cursor, at = known.cursor, known.cursor.place
    code = cursor.take().text
    if code not in CODES[how]:
        cursor.fail(at, "Could not parse " + ("icmpx" if how == "icmpx" else how) + " code")
    family = {"icmp": "ip", "icmpv6": "ip6"}.get(how, "")
    if not family and known.where.family != "inet":
        cursor.fail(at, "abstracted ICMP unreachable not supported")
    if family and known.network not in ("", family):
        cursor.fail(at, "conflicting protocols specified: ip vs ip6")
    if family and not known.network:
        known.needs_network(family, at)
    return rejection(known, how, code)


def rejection(known: Known, how: str, code: str) -> Reject:
    usual = {"ip": "icmp", "ip6": "icmpv6", "inet": "icmpx"}[known.where.family]
    return Reject(how, code, how == usual and code == "port-unreachable")


def notrack(known: Known) -> Notrack:
    known.cursor.take()
    return Notrack()


def update(known: Known) -> Update:
    """``add @SET { KEY [timeout T] }``, ``update …``, ``delete …``."""
    cursor, begin = known.cursor, known.cursor.place
    op, at = cursor.take().text, cursor.place
    cursor.need("@")
    name = cursor.word().text.strip('"')
    row = known.where.find_set(name)
    if row is None:
        cursor.fail(at, "No such file or directory")
    cursor.need("{")
    start = cursor.place
    key = parse_left(known.where, known.note)
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
    refused = known.where.open_set(name, timeout)
    if refused:
        raise cursor.source.complain(begin, cursor.before, f"Could not process rule: {refused}")
    return Update(op, SetRef(name, row.kinds, row.data, row.interval), key, timeout)


STATEMENTS: Mapping[str, Callable[[Known], Statement]] = {
    "counter": counter,
    "limit": limit,
    "log": log,
    "reject": reject,
    "notrack": notrack,
    "add": update,
    "update": update,
    "delete": update,
}
"""A statement's first word -> what reads the rest of it."""


def const_of(part: object) -> types.Value:
    assert isinstance(part, Const)
    return part.value
