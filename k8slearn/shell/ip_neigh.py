"""``ip neigh``: who has which address on a link (the tables of ARP and of IPv6's neighbour discovery).

The kernel writes REACHABLE, STALE and FAILED entries itself when it has asked; a person's entry is PERMANENT and is
never asked about. A proxy entry is an address that this machine answers for. Entries stand in the order of a hash in
the kernel; here they go by device and address.

Left out: counters (``-s``), ``router``, ``use`` and ``extern_learn``, proxy entries for all devices at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.linux import ip, neigh
from k8slearn.linux.device import error, refused
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Neighbour
from k8slearn.shell.iproute import Fields, Options, Words, answer, expected, garbage, match, not_modelled, prefix, wrong
from k8slearn.shell.links.words import MAC
from k8slearn.shell.process import Process

STATES = (*map(str.lower, neigh.STATES), "all")


HIDDEN = ("noarp", "none")
"""Not shown unless somebody asks for them."""


def neighbours(
    process: Process, dev: str = "", to: str = "", state: str = "", family: str = "", table: str = "neigh"
) -> list[Neighbour]:
    """The rows that a person asked for, by family, device and address. `state` may be several, with blanks."""
    links = process.world.table(process.netns, "link")
    if dev and dev not in links:
        raise CommandError(f'Cannot find device "{dev}"\n', 1)
    states = state.split()
    rows: list[Neighbour] = [
        row
        for row in process.world.table(process.netns, table).values()
        if dev in ("", row.dev)
        and (not to or ip.within(row.address, to))
        and (row.state.lower() in states or "all" in states if states else row.state.lower() not in HIDDEN)
        and family in ("", "46"[":" in row.address])
    ]
    return sorted(rows, key=lambda row: (":" in row.address, links[row.dev].index, ip.number(row.address)))


@dataclass(slots=True)
class Selection:
    """What stands after ``ip neigh show`` or ``flush``."""

    dev: str = ""
    to: str = ""
    state: str = ""
    proxy: bool = False


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh show [proxy] [TO] [dev DEV] [nud STATE]``."""
    yield from ()
    asked = _selection(words)
    if asked.proxy:
        found = neighbours(process, asked.dev, asked.to, "", options.family, "proxy")
    else:
        found = neighbours(process, asked.dev, asked.to, asked.state, options.family)
    rows = [_fields(row, asked.dev) for row in found]
    return answer(options, rows, (lambda row: _brief(row, asked.dev)) if options.brief else _text)


def _fields(row: Neighbour, dev: str = "") -> Fields:
    fields: Fields = {"dst": row.address} | ({} if dev else {"dev": row.dev})
    fields |= {"lladdr": row.mac} if row.mac else {}
    if row.state == "PROXY":
        return fields | {"proxy": None}
    return fields | {"state": [row.state] if row.state != "NONE" else []}


def _selection(words: Words) -> Selection:
    asked = Selection()
    while words:
        word = words.take()
        if word == "dev":
            asked.dev = words.take()
        elif word == "nud":
            asked.state += f" {_state(words.take())}"
        elif word == "proxy":
            asked.proxy = True
        else:
            asked.to = prefix(words.take() if word == "to" else word, "inet prefix")
    return asked


def _text(row: Fields) -> str:
    words = [row["dst"], *(("dev", row["dev"]) if "dev" in row else ())]
    words += ["lladdr", row["lladdr"]] if "lladdr" in row else []
    words += ["proxy"] if "proxy" in row else []
    return " ".join((*words, *row.get("state", ()))) + " \n"


def _brief(row: Fields, dev: str) -> str:
    return f"{row['dst']:<39} {row.get('dev', dev):<16} {row.get('lladdr', '')}\n"


def _state(word: str) -> str:
    if word not in STATES:
        wrong(word, "nud state is bad", "\n")
    return word


@dataclass(slots=True)
class Entry:
    """What stands after ``ip neigh add``."""

    dev: str = ""
    address: str = ""
    mac: str = ""
    state: str = "permanent"
    proxy: bool = False


def _entry(process: Process, options: Options, words: Words) -> Entry:
    """``[proxy] ADDRESS [lladdr MAC] [nud STATE] dev DEV``."""
    entry = Entry()
    while words:
        word = words.take()
        if match(word, {"lladdr": True}) and len(word) > 1:
            entry.mac = words.take()
        elif word == "dev":
            entry.dev = words.take()
        elif word == "nud":
            entry.state = _state(words.take())
        elif word in ("router", "use", "extern_learn", "managed", "protocol", "vni"):
            not_modelled(f"ip neigh {word}")
        elif entry.address:
            garbage("to", word)
        else:
            entry.proxy = word == "proxy"
            entry.address = _address(options, words.take() if word in ("to", "proxy") else word)
    if not entry.dev and entry.proxy:
        not_modelled("ip neigh proxy: an entry for all devices")
    if not entry.dev or not entry.address:
        raise CommandError("Device and destination are required arguments.\n", 255)
    if entry.mac and MAC.fullmatch(entry.mac) is None:
        raise CommandError(_bad_mac(entry.mac), 2 if _octets(entry.mac) else 1)
    if entry.dev not in process.world.table(process.netns, "link"):
        raise CommandError(f'Cannot find device "{entry.dev}"\n', 1)
    return entry


def _address(options: Options, word: str) -> str:
    what = {"": "any valid address", "4": "inet address", "6": "inet6 address"}[options.family]
    try:
        address = ip.canonical(word)
    except ValueError:
        expected(what, word)
    if options.family not in ("", "46"[":" in address]):
        expected(what, word)
    return address


def _octets(mac: str) -> bool:
    """Does each part begin as a hexadecimal octet (``sscanf("%x")``)?"""
    found = [re.match("[0-9a-fA-F]+", part) for part in mac.split(":")]
    return all(octet is not None and int(octet[0], 16) < 256 for octet in found)


def _bad_mac(mac: str) -> str:
    """ll_addr_a2n(): the tool reads octets, the kernel counts them."""
    return "Error: Invalid link address.\n" if _octets(mac) else f'"{mac}" is invalid lladdr.\n'


def get(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh get [proxy] ADDRESS dev DEV``: one entry, as text whatever was asked for."""
    yield from ()
    if not ("dev" in words.left and len(words.left) > 2):
        raise CommandError("Device and address are required arguments.\n", 1)
    entry = _entry(process, options, words)
    table = "proxy" if entry.proxy else "neigh"
    row: Neighbour | None = process.world.get((process.netns, table, (entry.dev, entry.address)))
    if row is None:
        raise error("Proxy neighbour entry not found." if entry.proxy else "Neighbour entry not found.")
    return Result(_text(_fields(row)))


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh add``: an entry that is not there yet."""
    entry = _entry(process, options, words)
    if entry.proxy:
        yield from neigh.add_proxy(process.world, process.netns, entry.dev, entry.address)
        return Result()
    _needs_mac(entry)
    state = entry.state.upper()
    yield from neigh.add(process.world, process.netns, entry.dev, entry.address, entry.mac, state)
    return Result()


def replace(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh replace``: an entry, whatever is there."""
    entry = _entry(process, options, words)
    _needs_mac(entry)
    state = entry.state.upper()
    yield from neigh.replace(process.world, process.netns, entry.dev, entry.address, entry.mac, state)
    return Result()


def change(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh change``: an entry that is there."""
    entry = _entry(process, options, words)
    row: Neighbour | None = process.world.get(neigh.key(process.netns, entry.dev, entry.address))
    if row is None:
        raise refused("No such file or directory")
    mac, state = entry.mac or row.mac, entry.state.upper()
    yield from neigh.replace(process.world, process.netns, entry.dev, entry.address, mac, state)
    return Result()


def _needs_mac(entry: Entry) -> None:
    if not entry.mac and entry.state in ("permanent", "reachable", "stale"):
        raise CommandError("Error: No link layer address given.\n", 2)


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh del [proxy] ADDRESS dev DEV``."""
    entry = _entry(process, options, words)
    gone = neigh.delete_proxy if entry.proxy else neigh.delete
    yield from gone(process.world, process.netns, entry.dev, entry.address)
    return Result()


def flush(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh flush dev DEV|TO|all``: all but the PERMANENT entries, unless one asks for those."""
    if not words:
        raise CommandError("Flush requires arguments.\n", 1)
    if words.left == ["all"]:
        words.left.clear()
    asked = _selection(words)
    for row in neighbours(process, asked.dev, asked.to, asked.state, options.family):
        if row.state != "PERMANENT" if not asked.state else row.state != "NOARP" or "noarp" in asked.state:
            yield from neigh.delete(process.world, process.netns, row.dev, row.address)
    return Result()


COMMANDS = {
    "add": add,
    "change": change,
    "chg": change,
    "replace": replace,
    "delete": delete,
    "show": show,
    "list": show,
    "lst": show,
    "get": get,
    "flush": flush,
}
