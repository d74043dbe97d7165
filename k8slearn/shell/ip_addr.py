"""``ip addr``: the addresses on a namespace's links.

devinet.c keeps a link's addresses in order: the first in each network is a primary, later ones in the same network are
``secondary``; primaries of a narrower scope (``link``, ``host``) stand before the global ones.

Left out: IPv6, labels, peers, lifetimes, anycast.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.linux import addr, ip
from k8slearn.linux.device import find
from k8slearn.linux.localtable import SCOPES, ordered4
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Address, Link
from k8slearn.shell.ip_link import (
    Filter,
    chosen,
    dev_word,
    filter_word,
    full_name,
    hardware_text,
    head_text,
    link_fields,
)
from k8slearn.shell.iproute import Fields, Options, Words, answer, expected, garbage, not_modelled, prefix, wrong
from k8slearn.shell.process import Process

FOREVER = 4294967295
UNUSUAL = ("anycast", "label", "metric", "valid_lft", "preferred_lft", "home", "nodad", "noprefixroute", "autojoin")


@dataclass(slots=True)
class Wanted(Filter):
    """Which addresses a person asked for, on which links."""

    scope: str = ""
    to: str = ""
    only: dict[str, bool] = field(default_factory=dict)
    """``secondary`` -> must it be one?"""

    def of(self, process: Process, options: Options, link: Link) -> list[Address]:
        """The link's addresses that the filter takes."""
        if options.family == "6":
            return []
        return [
            row
            for row in ordered4(addr.on(process.world, process.netns, link.name))
            if self.scope in ("", "all", row.scope)
            and (not self.to or ip.within(row.address, self.to))
            and self.only.get("secondary", row.secondary) == row.secondary
        ]

    @property
    def picky(self) -> bool:
        return bool(self.scope or self.to or self.only)


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip addr show [DEV] [up] [scope S] [to PREFIX] [master B] [type KIND]``."""
    yield from ()
    wanted = _wanted(process, words)
    options = dataclasses.replace(options, family="4") if wanted.to and not options.family else options
    rows: list[Fields] = []
    for link in chosen(process, wanted):
        found = wanted.of(process, options, link)
        bare = not addr.on(process.world, process.netns, link.name) or not wanted.picky
        if found or (bare and not options.family):
            row = link_fields(process, options, link, False)
            row["addr_info"] = [address_fields(address) for address in found]
            rows.append(row)
    if options.brief:
        return answer(options, [_brief_fields(row) for row in rows] if options.json else rows, _brief)
    if options.oneline and not options.json:
        return Result("".join(_numbered(row, address) for row in rows for address in row["addr_info"]))
    return answer(options, rows, lambda row: _text(process, row))


def _wanted(process: Process, words: Words) -> Wanted:
    wanted = Wanted()
    while words:
        word = words.take()
        if word == "scope":
            wanted.scope = _scope(words.take())
        elif word == "to":
            wanted.to = prefix(words.take(), "any valid prefix")
        elif word in ("primary", "secondary"):
            wanted.only["secondary"] = word == "secondary"
        elif word in UNUSUAL:
            not_modelled(f"ip addr show {word}")
        elif not filter_word(process, wanted, word, words):
            dev_word(wanted, word, words)
    return wanted


def _scope(word: str) -> str:
    if word not in SCOPES and word != "all":
        wrong(word, "invalid scope value.", "\n")
    return word


def address_fields(row: Address) -> Fields:
    """An address in iproute2's JSON form."""
    fields: Fields = {"family": "inet", "local": row.address, "prefixlen": row.prefix}
    fields |= {"broadcast": row.broadcast} if row.broadcast else {}
    fields |= {"scope": row.scope} | ({"secondary": True} if row.secondary else {})
    return fields | {"label": row.dev, "valid_life_time": FOREVER, "preferred_life_time": FOREVER}


def address_text(row: Fields) -> str:
    """The two lines of an address."""
    broadcast = f"brd {row['broadcast']} " if "broadcast" in row else ""
    secondary = "secondary " if row.get("secondary") else ""
    first = f"    inet {row['local']}/{row['prefixlen']} {broadcast}scope {row['scope']} {secondary}{row['label']}\n"
    return first + "       valid_lft forever preferred_lft forever\n"


def _text(process: Process, row: Fields) -> str:
    return head_text(row) + hardware_text(process, row) + "".join(address_text(a) for a in row["addr_info"])


def _numbered(row: Fields, address: Fields) -> str:
    return f"{row['ifindex']}: {row['ifname']}" + address_text(address)[:-1].replace("\n", "\\") + "\n"


def _brief(row: Fields) -> str:
    addresses = "".join(f"{a['local']}/{a['prefixlen']} " for a in row["addr_info"])
    return f"{full_name(row):<16} {row['operstate']:<14} {addresses}\n"


def _brief_fields(row: Fields) -> Fields:
    kept = {name: row[name] for name in ("link", "link_index", "ifname", "operstate") if name in row}
    return kept | {"addr_info": [{"local": a["local"], "prefixlen": a["prefixlen"]} for a in row["addr_info"]]}


@dataclass(slots=True)
class Given:
    """What stands after ``ip addr add``."""

    local: str = ""
    dev: str = ""
    broadcast: str = ""
    scope: str = ""


def _given(options: Options, words: Words) -> Given:
    given = Given()
    while words:
        word = words.take()
        if word == "dev":
            given.dev = words.take()
        elif word in ("broadcast", "brd"):
            given.broadcast = words.take()
        elif word == "scope":
            given.scope = _scope(words.take())
        elif word in UNUSUAL or word in ("peer", "remote"):
            not_modelled(f"ip addr {word}")
        elif given.local:
            garbage("local", word)
        else:
            given.local = _local(options, words.take() if word == "local" else word)
    if not given.dev:
        raise CommandError('Not enough information: "dev" argument is required.\n', 1)
    return given


def _local(options: Options, word: str) -> str:
    if options.family == "6":
        expected("inet6 prefix", word)
    if ":" in word and set(word.lower()) <= set("0123456789abcdef:./"):
        not_modelled(f"{word}: IPv6")
    return prefix(word, "inet prefix" if options.family else "any valid prefix")


def _broadcast(given: Given) -> str:
    """``brd +`` sets all host bits, ``brd -`` clears them."""
    number, prefix = ip.network(given.local)
    if given.broadcast not in ("", "+", "-"):
        return _prefix_address(given.broadcast)
    return {"": "", "+": ip.text(number | ~ip.mask(prefix) & 0xFFFFFFFF), "-": ip.text(number)}[given.broadcast]


def _prefix_address(word: str) -> str:
    try:
        ip.number(word)
    except ValueError:
        expected("inet address", word)
    return word


def _prepared(process: Process, options: Options, words: Words) -> Given:
    """What was given, with a link that is there and an address to put on it."""
    given = _given(options, words)
    broadcast = _broadcast(given) if given.local else ""
    find(process.world, process.netns, given.dev)
    if not given.local:
        raise CommandError("RTNETLINK answers: Operation not supported\n", 2)
    given.local = given.local if "/" in given.local else f"{given.local}/32"
    given.broadcast = broadcast
    return given


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip addr add CIDR [brd +] [scope S] dev DEV``."""
    given = _prepared(process, options, words)
    yield from addr.add(process.world, process.netns, given.dev, given.local, given.broadcast, given.scope)
    return Result()


def replace(process: Process, options: Options, words: Words) -> Running:
    """``ip addr replace`` (and ``change``): as add; an address that is there already stays."""
    given = _prepared(process, options, words)
    row = addr.parse(given.dev, given.local)
    if process.world.get(addr.key(process.netns, row)) is None:
        yield from addr.add(process.world, process.netns, given.dev, given.local, given.broadcast, given.scope)
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip addr del CIDR dev DEV``."""
    wildcard = next((w for w in words.left if w.count(".") == 3 and "/" not in w), "")
    given = _prepared(process, options, words)
    rows = addr.on(process.world, process.netns, given.dev)
    named = next((a for a in rows if a.address == wildcard), None)
    cidr = f"{named.address}/{named.prefix}" if named is not None else given.local
    yield from addr.delete(process.world, process.netns, given.dev, cidr)
    return Result("", WILDCARD.format(wildcard) if wildcard and given.local != cidr else "")


WILDCARD = """Warning: Executing wildcard deletion to stay compatible with old scripts.
         Explicitly specify the prefix length ({}/32) to avoid this warning.
         This special behaviour is likely to disappear in further releases,
         fix your scripts!
"""


def flush(process: Process, options: Options, words: Words) -> Running:
    """``ip addr flush dev DEV [scope S] [to PREFIX]``."""
    if not words:
        raise CommandError("Flush requires arguments.\n", 1)
    wanted = _wanted(process, words)
    for link in chosen(process, wanted):
        for row in wanted.of(process, options, link):
            if process.world.get(addr.key(process.netns, row)) is not None:
                yield from addr.delete(process.world, process.netns, link.name, f"{row.address}/{row.prefix}")
    return Result()


COMMANDS: Mapping[str, Callable[[Process, Options, Words], Running]] = {
    "add": add,
    "change": replace,
    "chg": replace,
    "replace": replace,
    "delete": delete,
    "show": show,
    "list": show,
    "lst": show,
    "flush": flush,
}
