"""``ip addr``: the addresses on a namespace's links.

devinet.c keeps a link's IPv4 addresses in order: the first in each network is a primary, later ones in the same network
are ``secondary``; primaries of a narrower scope (``link``, ``host``) stand before the global ones. IPv6 addresses come
after them, the widest scope first, then the youngest (addrconf.c: ipv6_link_dev_addr).

Left out: lifetimes (but ``forever``, and ``preferred_lft 0``), anycast, home addresses, ``autojoin``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Put
from k8slearn.linux import addr, ip
from k8slearn.linux.device import find
from k8slearn.linux.localtable import SCOPES, ordered4
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Address, Link
from k8slearn.linux.source6 import ordered
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
UNUSUAL = ("anycast", "home", "homeaddress", "autojoin", "mngtmpaddr", "temporary", "dynamic", "permanent")
"""Words that iproute2 knows in ``ip addr``, and nothing here does."""
FLAGS = ("secondary", "nodad", "deprecated", "tentative", "noprefixroute")
"""ipaddress.c: the flags of an address, in the order in which they are printed."""


@dataclass(slots=True)
class Wanted(Filter):
    """Which addresses a person asked for, on which links."""

    scope: str = ""
    to: str = ""
    only: dict[str, bool] = field(default_factory=dict)
    """``secondary`` -> must it be one?"""
    picky_family: bool = False
    """The family follows from what was asked for."""

    def of(self, process: Process, options: Options, link: Link) -> list[Address]:
        """The link's addresses that the filter takes."""
        world, netns = process.world, process.netns
        four = ordered4(addr.on(world, netns, link.name, "ip")) if options.family != "6" else []
        six = ordered(addr.on(world, netns, link.name, "ip6")) if options.family != "4" else []
        return [
            row
            for row in (*four, *six)
            if self.scope in ("", "all", row.scope)
            and (not self.to or ip.within(row.address, self.to))
            and all(getattr(row, name) == value for name, value in self.only.items())
        ]

    @property
    def picky(self) -> bool:
        return bool(self.scope or self.to or self.only)


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip addr show [DEV] [up] [scope S] [to PREFIX] [master B] [type KIND]``."""
    yield from ()
    wanted = _wanted(process, words)
    if wanted.to and not options.family:
        options = dataclasses.replace(options, family="46"[":" in wanted.to])
        wanted.picky_family = True
    rows: list[Fields] = []
    for link in chosen(process, wanted):
        found = wanted.of(process, options, link)
        bare = not addr.on(process.world, process.netns, link.name) or not wanted.picky
        if found or (bare and not options.family):
            row = link_fields(process, options, link, False)
            row = _as_inet6(row) if options.family == "6" and not (wanted.dev or wanted.picky_family) else row
            row.pop("ifalias", None)
            row["addr_info"] = [address_fields(address) for address in found]
            rows.append(row)
    if options.brief:
        return answer(options, [_brief_fields(row) for row in rows] if options.json else rows, _brief)
    if options.oneline and not options.json:
        return Result("".join(_numbered(row, address) for row in rows for address in row["addr_info"]))
    return answer(options, rows, lambda row: _text(process, row))


def _as_inet6(row: Fields) -> Fields:
    """What IPv6 itself knows of a link (addrconf.c: inet6_fill_ifinfo): neither its queue, nor group, nor master."""
    return {name: value for name, value in row.items() if name not in ("qdisc", "group", "master")}


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
        elif word.removeprefix("-") in FLAGS:
            wanted.only[word.removeprefix("-")] = word in FLAGS
        elif word in (*UNUSUAL, "label"):
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
    six = ":" in row.address
    fields: Fields = {"family": "inet6" if six else "inet", "local": row.address}
    fields |= {"address": row.peer} if row.peer else {}
    fields |= {"prefixlen": row.prefix} | ({"metric": row.metric} if row.metric else {})
    fields |= {"broadcast": row.broadcast} if row.broadcast else {}
    fields |= {"scope": row.scope} | {flag: True for flag in FLAGS if getattr(row, flag)}
    fields |= {} if six else {"label": row.label or row.dev}
    return fields | {"valid_life_time": FOREVER, "preferred_life_time": 0 if row.deprecated else FOREVER}


def address_text(row: Fields) -> str:
    """The two lines of an address."""
    words = [row["family"], row["local"], *(["peer", row["address"]] if "address" in row else [])]
    words[-1] += f"/{row['prefixlen']}"
    words += ["metric", str(row["metric"])] if "metric" in row else []
    words += ["brd", row["broadcast"]] if "broadcast" in row else []
    words += ["scope", row["scope"], *(flag for flag in FLAGS if row.get(flag)), row.get("label", "")]
    preferred = "forever" if row["preferred_life_time"] else "0sec"
    return f"    {' '.join(words)}\n       valid_lft forever preferred_lft {preferred}\n"


def _text(process: Process, row: Fields) -> str:
    return head_text(row) + hardware_text(process, row) + "".join(address_text(a) for a in row["addr_info"])


def _numbered(row: Fields, address: Fields) -> str:
    return f"{row['ifindex']}: {row['ifname']}" + address_text(address)[:-1].replace("\n", "\\") + "\n"


def _brief(row: Fields) -> str:
    addresses = "".join(map(_brief_address, row["addr_info"]))
    return f"{full_name(row):<16} {row['operstate']:<14} {addresses}\n"


def _brief_address(row: Fields) -> str:
    peer = f" peer {row['address']}" if "address" in row else ""
    metric = f"metric {row['metric']} " if "metric" in row else ""
    return f"{row['local']}{peer}/{row['prefixlen']} {metric}"


def _brief_fields(row: Fields) -> Fields:
    kept = {name: row[name] for name in ("link", "link_index", "ifname", "operstate") if name in row}
    shown = ("local", "address", "prefixlen", "metric")
    return kept | {"addr_info": [{name: a[name] for name in shown if name in a} for a in row["addr_info"]]}


@dataclass(slots=True)
class Given:
    """What stands after ``ip addr add``."""

    local: str = ""
    dev: str = ""
    broadcast: str = ""
    scope: str = ""
    named: dict[str, Any] = field(default_factory=dict)
    """Further fields of the row."""


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
        elif word in ("nodad", "noprefixroute"):
            given.named[word] = True
        elif word in READERS:
            READERS[word](given, words.take())
        elif word in UNUSUAL:
            not_modelled(f"ip addr {word}")
        elif given.local:
            garbage("local", word)
        else:
            given.local = _local(options, words.take() if word == "local" else word)
    if not given.dev:
        raise CommandError('Not enough information: "dev" argument is required.\n', 1)
    return given


def _label(given: Given, word: str) -> None:
    given.named["label"] = "" if word == given.dev else word


def _peer(given: Given, word: str) -> None:
    given.named["peer"] = prefix(word, "any valid prefix")


def _metric(given: Given, word: str) -> None:
    if not word.isdecimal() or int(word) >= 1 << 32:
        wrong(word, '"metric" value is invalid')
    given.named["metric"] = int(word)


def _valid(given: Given, word: str) -> None:
    if word != "forever":
        not_modelled(f"ip addr valid_lft {word}")


def _preferred(given: Given, word: str) -> None:
    if word not in ("forever", "0"):
        not_modelled(f"ip addr preferred_lft {word}")
    given.named["deprecated"] = word == "0"


READERS: Mapping[str, Callable[[Given, str], None]] = {
    "label": _label,
    "peer": _peer,
    "remote": _peer,
    "metric": _metric,
    "priority": _metric,
    "preference": _metric,
    "valid_lft": _valid,
    "preferred_lft": _preferred,
}


def _local(options: Options, word: str) -> str:
    what = {"": "any valid prefix", "4": "inet prefix", "6": "inet6 prefix"}[options.family]
    local = prefix(word, what)
    if options.family and (":" in local) != (options.family == "6"):
        expected(what, word)
    return local


def _broadcast(given: Given) -> str:
    """``brd +`` sets all host bits, ``brd -`` clears them."""
    if ":" in given.local and given.broadcast:
        raise CommandError("Broadcast can be set only for IPv4 addresses\n", 1)
    if not given.broadcast:
        return ""
    if given.broadcast not in ("+", "-"):
        return _prefix_address(given.broadcast)
    number, length = ip.network(given.named.get("peer", given.local))
    if length > 30:
        return ""
    return ip.text(number | (~ip.mask(length) & 0xFFFFFFFF if given.broadcast == "+" else 0))


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
    given.broadcast = broadcast
    local, _, length = given.local.partition("/")
    if "peer" in given.named:
        peer, _, length = given.named["peer"].partition("/")
        given.named["peer"] = ip.canonical(peer) if ip.canonical(peer) != ip.canonical(local) else ""
    given.local = f"{local}/{length or ip.bits(local)}"
    return given


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip addr add CIDR [peer P] [brd +] [scope S] [label L] [metric N] [noprefixroute] dev DEV``."""
    given = _prepared(process, options, words)
    world, netns = process.world, process.netns
    yield from addr.add(world, netns, given.dev, given.local, given.broadcast, given.scope, **given.named)
    return Result()


def replace(process: Process, options: Options, words: Words) -> Running:
    """``ip addr replace`` (and ``change``): as add; of an address that is there already only what was named changes."""
    given = _prepared(process, options, words)
    world, netns = process.world, process.netns
    wanted = addr.parse(given.dev, given.local)
    held = addr.on(world, netns, given.dev, "ip6" if ":" in given.local else "ip")
    there = next((a for a in held if (a.address, a.prefix) == (wanted.address, wanted.prefix)), None)
    if there is None:
        yield from addr.add(world, netns, given.dev, given.local, given.broadcast, given.scope, **given.named)
    elif "deprecated" in given.named:
        yield Put(addr.key(netns, there), dataclasses.replace(there, deprecated=given.named["deprecated"]))
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip addr del CIDR dev DEV``."""
    wildcard = next((w for w in words.left if w.count(".") == 3 and "/" not in w), "")
    given = _prepared(process, options, words)
    rows = addr.on(process.world, process.netns, given.dev)
    named = next((a for a in rows if a.address == wildcard), None)
    cidr = f"{named.address}/{named.prefix}" if named is not None else given.local
    yield from addr.delete(process.world, process.netns, given.dev, cidr, peer=given.named.get("peer", ""))
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
                cidr = f"{row.address}/{row.prefix}"
                yield from addr.delete(process.world, process.netns, link.name, cidr, peer=row.peer)
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
