"""``ip rule``: which routing table is asked for which packet; `linux/rule.py` holds what the kernel does with it.

Left out: ``goto``, ``tos``, ``ipproto`` and ports, ``uidrange``, ``suppress_ifgroup``, ``realms``, ``save`` and
``restore``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Table
from k8slearn.linux import inet6, ip, rule
from k8slearn.linux.device import error, refused
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Rule
from k8slearn.shell.ip_route import network
from k8slearn.shell.ip_route import table as table_name
from k8slearn.shell.iproute import Fields, Options, Words, answer, match, not_modelled, wrong
from k8slearn.shell.process import Process

ACTIONS = ("blackhole", "unreachable", "prohibit")
ELSEWHERE = (
    *("goto", "tos", "dsfield", "ipproto", "sport", "dport", "uidrange", "realms", "nat", "map-to", "l3mdev", "tun_id"),
    *("suppress_ifgroup", "sup_ifgroup"),
)


@dataclass(slots=True)
class Given:
    """What stands after ``ip rule add``: the fields that were named."""

    named: dict[str, Any] = field(default_factory=dict)
    priority: int | None = None
    six: bool = False


def _given(options: Options, words: Words) -> Given:
    given = Given(six=options.family == "6")
    while words:
        word = words.take()
        if word == "not":
            given.named["inverted"] = True
        elif word in READERS:
            READERS[word](given, words.take())
        elif word in ACTIONS:
            given.named["action"] = word
        elif word in ELSEWHERE:
            not_modelled(f"ip rule {word}")
        elif word == "type":
            _type(given, words.take())
        else:
            wrong(word, "Failed to parse rule type", "\n")
    return given


def _type(given: Given, word: str) -> None:
    if word not in ("unicast", *ACTIONS):
        wrong(word, "Failed to parse rule type", "\n")
    given.named |= {"action": word} if word in ACTIONS else {}


def _prefix(name: str) -> Callable[[Given, str], None]:
    def read(given: Given, word: str) -> None:
        if ":" in word and not given.six and network(word):
            raise error(f"Invalid {'source' if name == 'src' else 'dst'} address.")
        base, _, length = network(word, "6" if given.six else "").partition("/")
        given.named[name] = ip.network_of(base, int(length)) if int(length) else ""

    return read


def _number(word: str, complaint: str) -> int:
    try:
        number = int(word, 0)
    except ValueError:
        wrong(word, complaint)
    if not 0 <= number < 1 << 32:
        wrong(word, complaint)
    return number


def _mark(given: Given, word: str) -> None:
    mark, slash, mask = word.partition("/")
    given.named["mark"] = _number(mark, "fwmark value is invalid")
    given.named["mask"] = _number(mask, "fwmask value is invalid") if slash else 0xFFFFFFFF


def _priority(given: Given, word: str) -> None:
    given.priority = _number(word, "preference value is invalid")


def _suppress(given: Given, word: str) -> None:
    given.named["suppress_prefixlength"] = _number(word, "suppress_prefixlength value is invalid")


def _table(given: Given, word: str) -> None:
    given.named["table"] = table_name(word, "invalid table ID")


def _plain(name: str) -> Callable[[Given, str], None]:
    return lambda given, word: given.named.__setitem__(name, word)


READERS: Mapping[str, Callable[[Given, str], None]] = {
    "from": _prefix("src"),
    "to": _prefix("dst"),
    "fwmark": _mark,
    "iif": _plain("iif"),
    "dev": _plain("iif"),
    "oif": _plain("oif"),
    "table": _table,
    "lookup": _table,
    "priority": _priority,
    "preference": _priority,
    "pref": _priority,
    "prio": _priority,
    "order": _priority,
    "protocol": _plain("proto"),
    "proto": _plain("proto"),
    "suppress_prefixlength": _suppress,
    "sup_pl": _suppress,
}


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip rule show [from P] [to P] [fwmark M] [iif D] [oif D] [table T] [pref N]``."""
    yield from ()
    given = _given(options, words)
    rules = rule.every(process.world, process.netns, "ip6" if given.six else "ip") if _has(process, given) else []
    links = process.world.table(process.netns, "link")
    rows = [_fields(row, options, links) for row in rules if _fits(row, given)]
    return answer(replace(options, oneline=False), rows, _text)


def _has(process: Process, given: Given) -> bool:
    return not given.six or inet6.speaks(process.world, process.netns)


def _fits(row: Rule, given: Given) -> bool:
    named = all(getattr(row, name) == value for name, value in given.named.items())
    return named and given.priority in (None, row.priority)


def _fields(row: Rule, options: Options, links: Table) -> Fields:
    """A rule in iproute2's JSON form."""
    fields: Fields = {"priority": row.priority} | ({"not": None} if row.inverted else {})
    for name, word in (("src", row.src), ("dst", row.dst)):
        base, _, length = word.partition("/")
        host = not word or int(length) == ip.bits(base)
        fields |= {name: base or "all"} if word or name == "src" else {}
        fields |= {} if host else {f"{name}len": int(length)}
    if row.mask:
        fields |= {"fwmark": hex(row.mark)} | ({"fwmask": hex(row.mask)} if row.mask != 0xFFFFFFFF else {})
    for name, dev in (("iif", row.iif), ("oif", row.oif)):
        fields |= {name: dev} if dev else {}
        fields |= {f"{name}_detached": None} if dev and dev not in links else {}
    fields |= {"table": row.table} if row.action == "lookup" else {}
    fields |= {"suppress_prefixlen": row.suppress_prefixlength} if row.suppress_prefixlength >= 0 else {}
    fields |= {"action": row.action} if row.action != "lookup" else {}
    return fields | ({"protocol": row.proto} if options.details else {})


def _text(row: Fields) -> str:
    words = ["not"] if "not" in row else []
    for name, keyword in (("src", "from"), ("dst", "to")):
        if name in row:
            words += [keyword, row[name] + (f"/{row[name + 'len']}" if f"{name}len" in row else "")]
    words += ["fwmark", row["fwmark"] + (f"/{row['fwmask']}" if "fwmask" in row else "")] if "fwmark" in row else []
    for name, keyword in KEYWORDS.items():
        words += [*([keyword] if keyword else []), str(row[name])] if name in row else []
        words += ["[detached]"] if f"{name}_detached" in row else []
    return f"{row['priority']}:\t{' '.join(words)}\n"


KEYWORDS = {
    "iif": "iif",
    "oif": "oif",
    "table": "lookup",
    "suppress_prefixlen": "suppress_prefixlength",
    "action": "",
    "protocol": "proto",
}


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip rule add [not] [from P] [to P] [fwmark M[/MASK]] [iif D] [oif D] [pref N] lookup T|blackhole|...``."""
    if not words:
        raise CommandError('"ip rule add" requires arguments.\n', 1)
    given = _given(options, words)
    if not _has(process, given):
        raise refused("Address family not supported by protocol")
    usual = {} if "action" in given.named else {"table": "main"}
    row = Rule("ip6" if given.six else "ip", 0, **({"proto": "unspec"} | usual | given.named))
    yield from rule.add(process.world, process.netns, row, given.priority)
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip rule del``: the first rule that has all that was named."""
    if not words:
        raise CommandError('"ip rule del" requires arguments.\n', 1)
    given = _given(options, words)
    for row in rule.every(process.world, process.netns, "ip6" if given.six else "ip"):
        if _fits(row, given):
            yield from rule.delete(process.world, process.netns, row)
            return Result()
    raise refused("No such file or directory")


def flush(process: Process, options: Options, words: Words) -> Running:
    """``ip rule flush``: all but the one of priority 0."""
    if words and match(words.left[0], {"protocol": True, "table": True}) is None:
        raise CommandError('"ip rule flush" does not take arguments.\n', 1)
    given = _given(options, words)
    for row in rule.every(process.world, process.netns, "ip6" if given.six else "ip"):
        if row.priority and _fits(row, given):
            yield from rule.delete(process.world, process.netns, row)
    return Result()


COMMANDS = {"list": show, "lst": show, "show": show, "add": add, "delete": delete, "flush": flush}
