"""``tc``: what waits, what is lost and what is redirected at a device (iproute2 6.1).

``tc qdisc`` gives a device a queue of its own: ``tbf`` lets through so many bits a second, ``netem`` delays and loses.
``tc qdisc add dev DEV ingress`` makes the place where ``tc filter`` (`tc_filter.py`) hooks in. A queue that nobody
named gets a number from 8001 on; who brings it down with ``del`` gives the device back what its driver has.

Left out: every other qdisc, classes, actions by themselves, ``tc -s filter``, jitter and the other faults of netem.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import qdisc
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.program import Result, Running
from k8slearn.linux.qdisc import Qdisc
from k8slearn.linux.rows import Link
from k8slearn.shell import tc_filter, tc_kinds
from k8slearn.shell.iproute import Fields, Options, Words, answer, choose, not_modelled, parse_options, wrong
from k8slearn.shell.process import Process
from k8slearn.shell.tc_filter import Command
from k8slearn.shell.tc_kinds import KINDS, OTHERS, find

HOW = {"add": qdisc.ADD, "replace": qdisc.REPLACE, "change": qdisc.CHANGE}
USAGE = "Usage:\ttc [ OPTIONS ] OBJECT { COMMAND | help }\nwhere  OBJECT := { qdisc | filter }\n"


def program(process: Process) -> Running:
    """Run ``tc``."""
    words = Words(process.argv)
    options = parse_options(words, "tc")
    if not words:
        return Result(USAGE)
    word = words.take()
    if word and "qdisc".startswith(word):
        return (yield from choose(words, COMMANDS, "show", "tc qdisc")(process, options, words))
    if word and "filter".startswith(word):
        return (yield from choose(words, tc_filter.COMMANDS, "show", "tc filter")(process, options, words))
    if any(word and name.startswith(word) for name in ("class", "actions", "chain", "monitor", "exec")):
        not_modelled(f"tc {word}")
    raise CommandError(f'Object "{word}" is unknown, try "tc help".\n', 255)


@dataclass(slots=True)
class Asked:
    """What stands before the kind of a qdisc, and the kind."""

    dev: str = ""
    parent: str = ""
    handle: str = ""
    kind: str = ""


def _read(words: Words) -> Asked:
    asked = Asked()
    while words and not asked.kind:
        word = words.take()
        if word == "dev":
            name = words.take()
            if asked.dev:
                raise CommandError(f'Error: duplicate "dev": "{name}" is the second value.\n', 255)
            asked.dev = name
        elif word == "handle":
            asked.handle = _handle(words.take())
        elif word in ("root", "ingress"):
            if asked.parent:
                raise CommandError(f'Error: "{word}" is {"a " * (word != "root")}duplicate parent ID\n', 255)
            asked.parent, asked.kind = word, "ingress" if word == "ingress" else ""
        elif word in ("parent", "clsact", "estimator", "stab"):
            not_modelled(f"tc qdisc ... {word}")
        else:
            asked.kind = word
    return asked


def _handle(word: str) -> str:
    """``1:``, without its minor number: a qdisc has none."""
    found = re.fullmatch(r"([0-9a-fA-F]{1,4})(:[0-9a-fA-F]{0,4})?", word)
    if found is None:
        wrong(word, "invalid qdisc ID", "\n")
    return f"{int(found[1], 16):x}:"


def _setting(command: str) -> Command:
    def run(process: Process, options: Options, words: Words) -> Running:
        asked = _read(words)
        row = _row(asked, words)
        if not asked.dev:
            raise CommandError("RTNETLINK answers: No such device\n", 2)
        find(process, asked.dev)
        yield from _set(process, asked, row, command)
        return Result()

    return run


def _row(asked: Asked, words: Words) -> Qdisc | None:
    """The queue that was described; None: an ingress, or no kind at all."""
    if asked.kind in KINDS:
        row: Qdisc = KINDS[asked.kind].parse(words, asked.handle)
        return row
    if asked.kind in OTHERS:
        not_modelled(f"tc qdisc {asked.kind}")
    if asked.kind not in ("", "ingress") and words:
        raise CommandError(f'Unknown qdisc "{asked.kind}", hence option "{words.take()}" is unparsable\n', 1)
    if words:
        raise CommandError(f'What is "{words.take()}"? Try "tc qdisc help".\n', 255)
    return None


def _set(process: Process, asked: Asked, row: Qdisc | None, command: str) -> Commands:
    world, netns = process.world, process.netns
    if asked.parent == "ingress":
        yield from qdisc.add_ingress(world, netns, asked.dev, HOW[command])
        return
    if not asked.parent:
        raise qdisc.error("Handle cannot be zero." if not asked.handle else "Specified qdisc not found.")
    if row is None:
        here = world.get(qdisc.key(netns, asked.dev)) is not None
        exclusive = here and command == "add" and not asked.handle
        words = "Exclusivity flag on, cannot modify." if exclusive else "Specified qdisc kind is unknown."
        raise qdisc.error(words)
    yield from qdisc.set_root(world, netns, asked.dev, row, HOW[command])


def _delete(process: Process, options: Options, words: Words) -> Running:
    """``tc qdisc del dev DEV root|ingress [KIND ...]``."""
    asked = _read(words)
    _row(asked, words)
    if not asked.dev:
        raise CommandError("RTNETLINK answers: No such device\n", 2)
    find(process, asked.dev)
    if not asked.parent:
        raise qdisc.error("Failed to find qdisc with specified handle.")
    kind = asked.kind if asked.parent == "root" else ""
    yield from qdisc.delete(process.world, process.netns, asked.dev, asked.parent, asked.handle, kind)
    return Result()


def _show(process: Process, options: Options, words: Words) -> Running:
    """``tc qdisc show [dev DEV]``."""
    yield from ()
    dev, parent, handle = "", "", ""
    while words:
        word = words.take()
        if word == "dev":
            dev = words.take()
        elif word in ("root", "ingress"):
            parent = word
        elif word == "handle":
            handle = _handle(words.take())
        else:
            raise CommandError(f'What is "{word}"? Try "tc qdisc help".\n', 255)
    if options.details:
        not_modelled("tc -d qdisc")
    if dev:
        find(process, dev)
    links: list[Link] = sorted(process.world.table(process.netns, "link").values(), key=lambda link: link.index)
    rows = [row for link in links if dev in ("", link.name) for row in _fields(process, options, link, not dev)]
    rows = [row for row in rows if parent in ("", _parent(row)) and handle in ("", row["handle"])]
    return answer(options, rows, _text)


def _parent(row: Fields) -> str:
    return "root" if "root" in row else "ingress"


def _fields(process: Process, options: Options, link: Link, named: bool) -> list[Fields]:
    """A device's queues in iproute2's JSON form."""
    found: list[Fields] = []
    for parent in ("root", "ingress"):
        row = process.world.get(qdisc.key(process.netns, link.name, parent))
        kind = qdisc.name(row) if row is not None else DRIVERS[link.kind].qdisc
        if row is None and (parent == "ingress" or not (link.up or link.opened)):
            continue
        fields: Fields = {"kind": kind, "handle": row.handle if row is not None else "0:"}
        fields |= {"dev": link.name} if named else {}
        fields |= {"root": True, "refcnt": 2} if parent == "root" else {"parent": "ffff:fff1"}
        fields["options"] = KINDS[kind].fields(row) if kind in KINDS else tc_kinds.BORN[kind]
        found.append(fields | (_counted(process, link, parent) if options.statistics else {}))
    return found


def _counted(process: Process, link: Link, parent: str) -> Fields:
    table = process.world.table(process.netns, "counter")
    sent, dropped, over = (table.get(("qdisc", link.name, parent, what)) or (0, 0) for what in qdisc.COUNTED)
    counts = {"bytes": sent[1], "packets": sent[0], "drops": dropped[0], "overlimits": over[0]}
    return {**counts, "requeues": 0, "backlog": 0, "qlen": 0}


def _text(row: Fields) -> str:
    dev = f"dev {row['dev']} " if "dev" in row else ""
    parent = f"root refcnt {row['refcnt']} " if "root" in row else f"parent {row['parent']} "
    kind = row["kind"]
    words = KINDS[kind].text(row["options"]) if kind in KINDS else tc_kinds.BORN_TEXT[kind]
    text = f"qdisc {kind} {row['handle']} {dev}{parent}{words}\n"
    if "bytes" in row:
        text += f" Sent {row['bytes']} bytes {row['packets']} pkt (dropped {row['drops']}, "
        text += f"overlimits {row['overlimits']} requeues 0) \n backlog 0b 0p requeues 0\n"
    return text


COMMANDS: dict[str, Command] = {
    "add": _setting("add"),
    "change": _setting("change"),
    "replace": _setting("replace"),
    "delete": _delete,
    "list": _show,
    "show": _show,
    "lst": _show,
}
