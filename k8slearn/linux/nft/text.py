"""Printing rules and expressions exactly as ``nft list`` does.

`PRINT` has a row for each kind of statement. What is printed can be read again and is then the same (a law).

Left out: ``-n``, ``-s``, ``-S`` and the other switches of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8slearn.linux.nft import types
from k8slearn.linux.nft.types import Type
from k8slearn.linux.nft.values import (
    Anonymous,
    Concat,
    Const,
    Counter,
    Data,
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
    Prefix,
    Range,
    Reject,
    Right,
    Rule,
    Selector,
    SetMark,
    SetRef,
    Single,
    Statement,
    Update,
    Verdict,
    Vmap,
)


def rule_text(rule: Rule) -> str:
    """A rule as it is listed, without its handle."""
    return statements_text(rule.statements) + (f' comment "{rule.comment}"' if rule.comment else "")


def statements_text(statements: tuple[Statement, ...]) -> str:
    return " ".join(PRINT[type(statement)](statement) for statement in statements)


# --- expressions ---------------------------------------------------------------------------------


def left_text(left: Left) -> str:
    match left:
        case Selector(words=words):
            return words
        case Concat(parts=parts):
            return " . ".join(part.words for part in parts)
        case Numgen(mode=mode, mod=mod, offset=offset):
            return f"numgen {mode} mod {mod}" + (f" offset {offset}" if offset else "")
        case Masked():
            return masked_text(left)


def masked_text(left: Masked) -> str:
    """``meta mark & 0x000000ff | 0x00000100``: nft takes mask and xor apart into and, xor, or."""
    kind, mask, xor = left.type, left.mask, left.xor
    both, xor = xor & ~mask, xor & mask
    mask |= both
    words = [left.left.words]
    words += [f"& {_bits(kind, mask)}"] if mask != (1 << kind.bits) - 1 else []
    words += [f"^ {_bits(kind, xor)}"] if xor else []
    words += [f"| {_bits(kind, both)}"] if both else []
    return " ".join(words)


def _bits(kind: Type, bits: int) -> str:
    if kind.flags:
        names = types.flag_names(kind, bits)
        return f"({' | '.join(names)})" if len(names) > 1 else names[0] if names else f"0x{bits:x}"
    return types.text(kind, types.value_of(kind, bits))


def single_text(part: Single) -> str:
    match part:
        case Const(type=kind, value=value):
            return types.text(kind, value)
        case Prefix(address=address, length=length):
            return f"{address}/{length}"
        case Range(type=kind, low=low, high=high):
            return f"{types.text(kind, low)}-{types.text(kind, high)}"


def right_text(right: Right) -> str:
    match right:
        case SetRef(name=name):
            return f"@{name}"
        case Anonymous(data=data, elements=elements):
            return f"{{ {', '.join(element_text(e, data) for e in elements)} }}"
    return single_text(right)


def key_text(key: tuple[Single, ...]) -> str:
    return " . ".join(single_text(part) for part in key)


def element_text(element: Element, data: tuple[Type, ...], now: float | None = None) -> str:
    """An element; with the time, when it will be gone."""
    words = key_text(element.key)
    if element.timeout is not None:
        words += f" timeout {time_text(element.timeout)}"
    if element.until is not None and now is not None:
        words += f" expires {time_text(max(round((element.until - now) * 1000), 0))}"
    if element.comment:
        words += f' comment "{element.comment}"'
    return f"{words} : {data_text(element.data, data)}" if element.data is not None else words


def data_text(data: Data, kinds: tuple[Type, ...]) -> str:
    if isinstance(data, Verdict):
        return verdict_text(data)
    return " . ".join(types.text(kind, value) for kind, value in zip(kinds, data or (), strict=True))


def time_text(milliseconds: int) -> str:
    """``1d2h3m4s``, ``29s992ms``."""
    rest, words = milliseconds, ""
    for unit, size in (("d", 86400000), ("h", 3600000), ("m", 60000), ("s", 1000), ("ms", 1)):
        words += f"{rest // size}{unit}" if rest >= size else ""
        rest %= size
    return words or "0s"


# --- statements ----------------------------------------------------------------------------------


def verdict_text(verdict: Verdict) -> str:
    return f"{verdict.kind} {verdict.chain}" if verdict.chain else verdict.kind


def match_text(match: Match) -> str:
    """``tcp flags syn / syn,ack`` is how flags under a mask are written."""
    left, op, right = match
    if isinstance(left, Masked) and left.type.name == "tcp_flag" and isinstance(right, Const) and not left.xor:
        return _tcp_flags(left, op, int(right.value))
    if op == "!=" and left == Selector("ct state", left_type(left)) and isinstance(right, Const):
        return f"ct state != {' | '.join(types.flag_names(right.type, int(right.value)))}"
    if op == "!=" and isinstance(right, Const) and right.type.name == "tcp_flag":
        names = types.flag_names(right.type, int(right.value))
        return f"{left_text(left)} != {names[0] if len(names) == 1 else hex(int(right.value))}"
    return f"{left_text(left)} {op + ' ' if op else ''}{right_text(right)}"


def left_type(left: Left) -> Type:
    return types.TYPES["integer"] if isinstance(left, Concat) else left.type


def _tcp_flags(left: Masked, op: str, bits: int) -> str:
    kind = left.type
    shown = types.text(kind, bits)
    if bits == left.mask and len(types.flag_names(kind, bits)) == 1:
        return f"{left_text(left)} {op} {shown}"
    return f"tcp flags {'!= ' if op == '!=' else ''}{shown} / {types.text(kind, left.mask)}"


def counter_text(counter: Counter) -> str:
    return (
        f'counter name "{counter.name}"' if counter.name else f"counter packets {counter.packets} bytes {counter.size}"
    )


def limit_text(limit: Limit) -> str:
    rate = f"{limit.rate} {limit.unit}/{limit.per}" if limit.unit else f"{limit.rate}/{limit.per}"
    usual = 0 if limit.unit else 5
    burst = f" burst {limit.burst} {limit.burst_unit}" if limit.burst != usual else ""
    return f"limit rate {'over ' if limit.over else ''}{rate}{burst}"


def log_text(log: Log) -> str:
    words = ["log"]
    words += [f'prefix "{log.prefix}"'] if log.prefix else []
    words += [f"group {log.group}"] if log.group is not None else []
    words += [f"level {log.level}"] if log.level else []
    words += [log.flags] if log.flags else []
    return " ".join(words)


def reject_text(reject: Reject) -> str:
    return "reject" if reject.usual else f"reject with {reject.how} {reject.code}"


def nat_text(nat: Nat) -> str:
    words = nat.kind + (f" {nat.family}" if nat.family else "")
    if nat.address is not None or nat.port is not None:
        words += " to "
    match nat.address:
        case Mapped():
            words += mapped_text(nat.address)
        case Const() | Range():
            text = single_text(nat.address)
            words += f"[{text}]" if ":" in text and nat.port is not None else text
    words += f":{single_text(nat.port)}" if nat.port is not None else ""
    return words + (f" {','.join(nat.flags)}" if nat.flags else "")


def mapped_text(mapped: Mapped) -> str:
    return f"{left_text(mapped.left)} map {right_text(mapped.right)}"


def set_mark_text(statement: SetMark) -> str:
    match statement.source:
        case Const():
            source = single_text(statement.source)
        case Mapped():
            source = mapped_text(statement.source)
        case _:
            source = left_text(statement.source)
    return f"{statement.target} set {source}"


def update_text(update: Update) -> str:
    timeout = f" timeout {time_text(update.timeout)}" if update.timeout is not None else ""
    return f"{update.op} @{update.set.name} {{ {left_text(update.key)}{timeout} }}"


PRINT: Mapping[type, Callable[[Any], str]] = {
    Match: match_text,
    Joined: lambda joined: " ".join(match_text(one) for one in joined.matches),
    Vmap: lambda vmap: f"{left_text(vmap.left)} vmap {right_text(vmap.right)}",
    Verdict: verdict_text,
    Counter: counter_text,
    Limit: limit_text,
    Log: log_text,
    Reject: reject_text,
    Nat: nat_text,
    SetMark: set_mark_text,
    Update: update_text,
    Notrack: lambda statement: "notrack",
}
"""A kind of statement -> how it is printed."""
