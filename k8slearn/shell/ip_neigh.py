"""``ip neigh``: who has which address on a link (the ARP table).

The kernel writes REACHABLE, STALE and FAILED entries itself when it has asked; a person's entry is PERMANENT and is
never asked about.

Left out: proxy entries, counters, ``get``.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.linux import ip, neigh
from k8slearn.linux.device import refused
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Neighbour
from k8slearn.shell.iproute import Fields, Options, Words, answer, garbage, match, prefix, wrong
from k8slearn.shell.links.words import MAC
from k8slearn.shell.process import Process

STATES = ("permanent", "reachable", "stale", "failed", "noarp", "none", "incomplete", "delay", "probe", "all")


def neighbours(process: Process, dev: str = "", to: str = "", state: str = "") -> list[Neighbour]:
    """The rows that a person asked for, by device and address."""
    links = process.world.table(process.netns, "link")
    if dev and dev not in links:
        raise CommandError(f'Cannot find device "{dev}"\n', 1)
    rows: list[Neighbour] = [
        row
        for row in process.world.table(process.netns, "neigh").values()
        if dev in ("", row.dev) and (not to or ip.within(row.address, to)) and _wanted(row, state)
    ]
    return sorted(rows, key=lambda row: (links[row.dev].index, ip.number(row.address)))


def _wanted(row: Neighbour, state: str) -> bool:
    """ipneigh.c: who names no state sees all but NOARP."""
    return row.state != "NOARP" if not state else state in ("all", row.state.lower())


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh show [TO] [dev DEV] [nud STATE]``."""
    yield from ()
    dev, to, state = _selection(words)
    rows: list[Fields] = []
    for row in neighbours(process, dev, to, state) if options.family != "6" else []:
        fields: Fields = {"dst": row.address} | ({} if dev else {"dev": row.dev})
        fields |= {"lladdr": row.mac} if row.mac else {}
        rows.append(fields | {"state": [row.state]})
    return answer(options, rows, (lambda row: _brief(row, dev)) if options.brief else _text)


def _selection(words: Words) -> tuple[str, str, str]:
    dev = to = state = ""
    while words:
        word = words.take()
        if word == "dev":
            dev = words.take()
        elif word == "nud":
            state = _state(words.take())
        else:
            to = prefix(words.take() if word == "to" else word, "inet prefix")
    return dev, to, state


def _text(row: Fields) -> str:
    words = [row["dst"], *(("dev", row["dev"]) if "dev" in row else ())]
    words += ["lladdr", row["lladdr"]] if "lladdr" in row else []
    return " ".join((*words, *row["state"])) + " \n"


def _brief(row: Fields, dev: str) -> str:
    return f"{row['dst']:<39} {row.get('dev', dev):<16} {row.get('lladdr', '')}\n"


def _state(word: str) -> str:
    if word not in STATES:
        wrong(word, "nud state is bad")
    return word


def _entry(process: Process, words: Words) -> tuple[str, str, str, str]:
    """``ADDRESS [lladdr MAC] [nud STATE] dev DEV`` -> (dev, address, mac, state)."""
    dev = address = mac = ""
    state = "permanent"
    while words:
        word = words.take()
        if match(word, {"lladdr": True}) and len(word) > 1:
            mac = words.take()
        elif word == "dev":
            dev = words.take()
        elif word == "nud":
            state = _state(words.take())
        elif address:
            garbage("to", word)
        else:
            address = prefix(words.take() if word == "to" else word, "any valid address")
    if not dev or not address:
        raise CommandError("Device and destination are required arguments.\n", 255)
    if mac and MAC.fullmatch(mac) is None:
        raise CommandError("Error: Invalid link address.\n", 2)
    if dev not in process.world.table(process.netns, "link"):
        raise CommandError(f'Cannot find device "{dev}"\n', 1)
    return dev, address, mac, state


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh add``: an entry that is not there yet."""
    dev, address, mac, state = _entry(process, words)
    _needs_mac(mac, state)
    yield from neigh.add(process.world, process.netns, dev, address, mac, state.upper())
    return Result()


def replace(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh replace``: an entry, whatever is there."""
    dev, address, mac, state = _entry(process, words)
    _needs_mac(mac, state)
    yield from neigh.replace(process.world, process.netns, dev, address, mac, state.upper())
    return Result()


def change(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh change``: an entry that is there."""
    dev, address, mac, state = _entry(process, words)
    row: Neighbour | None = process.world.get(neigh.key(process.netns, dev, address))
    if row is None:
        raise refused("No such file or directory")
    yield from neigh.replace(process.world, process.netns, dev, address, mac or row.mac, state.upper())
    return Result()


def _needs_mac(mac: str, state: str) -> None:
    if not mac and state in ("permanent", "reachable", "stale"):
        raise CommandError("Error: No link layer address given.\n", 2)


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh del ADDRESS dev DEV``."""
    dev, address, _, _ = _entry(process, words)
    yield from neigh.delete(process.world, process.netns, dev, address)
    return Result()


def flush(process: Process, options: Options, words: Words) -> Running:
    """``ip neigh flush dev DEV|TO|all``: all but the PERMANENT entries, unless one asks for those."""
    if not words:
        raise CommandError("Flush requires arguments.\n", 1)
    if words.left == ["all"]:
        words.left.clear()
    dev, to, state = _selection(words)
    for row in neighbours(process, dev, to, state):
        if state or row.state != "PERMANENT":
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
    "flush": flush,
}
