"""``tc filter``: what becomes of a frame that comes in (iproute2 6.1).

Here it does what the bandwidth plugin asks of it: ``protocol all u32 match u32 0 0 action mirred egress redirect dev
ifb0`` under the ``ingress`` qdisc sends every frame through an ifb.

An agent's programs are filters too (``bpf``, ``direct-action``), under ``ingress`` and under ``egress`` of a device:
they are listed and can be deleted here, not added. A program's number and tag are derived from its name.

Left out: filters under other qdiscs, conditions, every other kind of filter and action, ``change`` and ``replace``,
counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.journal import Remove, digest
from k8slearn.linux import ingress, qdisc
from k8slearn.linux.bpf import Program
from k8slearn.linux.ingress import PROTOCOLS, Filter
from k8slearn.linux.program import Result, Running
from k8slearn.shell.iproute import Fields, Options, Words, answer, not_modelled, wrong
from k8slearn.shell.process import Process
from k8slearn.shell.tc_kinds import find

PARENTS = ("ffff:", "ffff:fff1", "ffff:fff2")
ACTION = ("mirred", "egress", "redirect", "dev")
TALKING = "We have an error talking to the kernel"


@dataclass(slots=True)
class Asked:
    """What stands before the kind of a filter, and the kind."""

    dev: str = ""
    parent: str = ""
    named: bool = False
    """Was the parent given by its number?"""
    protocol: str = "all"
    pref: int = 0
    kind: str = ""


def _read(words: Words) -> Asked:
    asked = Asked()
    while words and not asked.kind:
        word = words.take()
        if word == "dev":
            asked.dev = words.take()
        elif word in ("ingress", "egress", "root"):
            asked.parent = word
        elif word == "parent":
            given = words.take()
            asked.parent, asked.named = ("ingress" if given in PARENTS else given), True
        elif word == "protocol":
            asked.protocol = words.take()
            if asked.protocol not in PROTOCOLS:
                wrong(asked.protocol, "invalid protocol", "\n")
        elif word in ("prio", "pref", "preference", "priority"):
            asked.pref = _pref(words.take())
        elif word in ("handle", "chain", "block", "estimator"):
            not_modelled(f"tc filter ... {word}")
        else:
            asked.kind = word
    return asked


def _pref(word: str) -> int:
    if not word.isdigit() or int(word) > 0xFFFF:
        wrong(word, "invalid priority value", "\n")
    return int(word)


def _add(process: Process, options: Options, words: Words) -> Running:
    asked = _read(words)
    if asked.kind not in ("", "u32"):
        not_modelled(f"tc filter {asked.kind}")
    to, flowid = _u32(process, words) if asked.kind else ("", "")
    if not asked.dev:
        not_modelled("tc filter without a device")
    find(process, asked.dev)
    if asked.parent in ("", "root", "egress"):
        row = process.world.get(qdisc.key(process.netns, asked.dev))
        says = "Class doesn't support blocks." if isinstance(row, qdisc.Tbf) else "Qdisc not classful."
        raise qdisc.error(f"{says}\n{TALKING}")
    if asked.parent != "ingress":
        raise qdisc.error(f"Parent Qdisc doesn't exists.\n{TALKING}")
    if not to:
        not_modelled("tc filter without an action")
    yield from ingress.add(process.world, process.netns, asked.dev, asked.pref, asked.protocol, to, flowid)
    return Result()


def _u32(process: Process, words: Words) -> tuple[str, str]:
    """``match u32 0 0 [flowid 1:1] action mirred egress redirect dev DEV``: the device, and the flow."""
    to, flowid = "", ""
    while words:
        word = words.take()
        if word == "match":
            _match(words)
        elif word in ("flowid", "classid"):
            flowid = words.take()
        elif word == "action":
            to = _action(process, words)
        else:
            raise CommandError(f'What is "{word}"?\n', 1)
    return to, flowid


def _match(words: Words) -> None:
    kind, value, mask = words.take(), words.take(), words.take()
    if kind != "u32" or {value, mask} - {"0", "0x0", "00000000"}:
        not_modelled(f"match {kind} {value} {mask}: only `match u32 0 0`, which takes everything")
    if words.left[:2] == ["at", "0"]:
        del words.left[:2]


def _action(process: Process, words: Words) -> str:
    """``mirred egress redirect dev DEV``."""
    said = tuple(words.take() for _ in ACTION)
    if said != ACTION:
        not_modelled(f"action {' '.join(said)}")
    dev = words.take()
    if dev not in process.world.table(process.netns, "link"):
        complaint = f'Cannot find device "{dev}"\nbad action parsing\nparse_action: bad value (5:mirred)!\n'
        raise CommandError(f'{complaint}Illegal "action"\n', 1)
    return dev


def _delete(process: Process, options: Options, words: Words) -> Running:
    asked = _read(words)
    if not asked.dev:
        not_modelled("tc filter without a device")
    find(process, asked.dev)
    hook = (process.netns, "bpf", (asked.dev, asked.parent))
    if process.world.get(hook) is not None and asked.pref in (0, 1):
        yield Remove(hook)
        return Result()
    if asked.parent != "ingress":
        raise qdisc.error(f"Parent Qdisc doesn't exists.\n{TALKING}")
    yield from ingress.delete(process.world, process.netns, asked.dev, asked.pref)
    return Result()


def _show(process: Process, options: Options, words: Words) -> Running:
    yield from ()
    asked = _read(words)
    if asked.kind:
        raise CommandError(f'What is "{asked.kind}"? Try "tc filter help".\n', 255)
    if options.statistics or options.details:
        not_modelled("tc -s filter")
    if not asked.dev:
        return Result("[]\n" if options.json else "")
    find(process, asked.dev)
    found = ingress.on(process.world.table(process.netns, "tcfilter"), asked.dev)
    found = [row for row in found if asked.parent == "ingress" and asked.pref in (0, row.pref)]
    rows: list[Fields] = [*_programs(process, asked)] if asked.pref in (0, 1) else []
    for row in found:
        rows += _fields(process, row, {} if asked.named else {"parent": "ffff:"})
    return answer(options, rows, _text)


def _programs(process: Process, asked: Asked) -> Iterator[Fields]:
    """The program that hangs at this hook: two records, as for every filter."""
    program: Program | None = process.world.get((process.netns, "bpf", (asked.dev, asked.parent)))
    if program is None:
        return
    name = f"{program.name}-{asked.dev}"
    head: Fields = {"protocol": "all", "pref": 1, "kind": "bpf", "chain": 0}
    number = 1 + int(digest("program", process.netns, name, asked.parent), 16) % 9999
    prog = {"id": number, "name": program.name[:15], "tag": digest("tag", program.name, length=16), "jited": 1}
    told: Fields = {"handle": "0x1", "bpf_name": name, "direct-action": True, "not_in_hw": True, "prog": prog}
    yield from (head, head | {"options": told})


def _of_program(row: Fields) -> str:
    head, told = f"filter protocol all pref {row['pref']} bpf chain 0 ", row.get("options")
    if told is None:
        return head + "\n"
    prog = told["prog"]
    text = f"{head}handle {told['handle']} {told['bpf_name']} direct-action not_in_hw"
    return f"{text} id {prog['id']} tag {prog['tag']} jited \n"


def _fields(process: Process, row: Filter, parent: Fields) -> list[Fields]:
    """Three records tell of the first filter of a preference: the preference, its hash table, and the filter."""
    head: Fields = {**parent, "protocol": row.protocol, "pref": row.pref, "kind": "u32", "chain": 0}
    table = f"{row.table:x}"
    to = row.to if row.to in process.world.table(process.netns, "link") else "*"
    action = {"order": 1, "kind": "mirred", "mirred_action": "redirect", "direction": "egress", "to_dev": to}
    action |= {"control_action": {"type": "stolen"}, "index": row.index, "ref": 1, "bind": 1}
    told: Fields = {"fh": f"{table}::{row.node:x}", "order": row.node, "key_ht": table, "bkt": "0"}
    told |= {"flowid": row.flowid} if row.flowid else {}
    told |= {"not_in_hw": True, "match": {"value": "0", "mask": "0", "offmask": "", "off": 0}, "actions": [action]}
    first = [head, head | {"options": {"fh": f"{table}:", "ht_divisor": 1}}] if row.node == ingress.NODE else []
    return [*first, head | {"options": told}]


def _text(row: Fields) -> str:
    if row["kind"] == "bpf":
        return _of_program(row)
    parent = f"parent {row['parent']} " if "parent" in row else ""
    head = f"filter {parent}protocol {row['protocol']} pref {row['pref']} u32 chain 0 "
    told = row.get("options", {})
    if "ht_divisor" in told:
        return f"{head}fh {told['fh']} ht divisor 1 \n"
    if not told:
        return head + "\n"
    action = told["actions"][0]
    flow = f"*flowid {told['flowid']}" if "flowid" in told else "terminal flowid"
    text = f"{head}fh {told['fh']} order {told['order']} key ht {told['key_ht']} bkt 0 {flow} not_in_hw \n"
    text += "  match 00000000/00000000 at 0\n"
    text += f"\taction order 1: mirred (Egress Redirect to device {action['to_dev']}) stolen\n"
    return text + f"\tindex {action['index']} ref 1 bind 1\n\n"


Command = Callable[[Process, Options, Words], Running]


def _unmodelled(process: Process, options: Options, words: Words) -> Running:
    yield from ()
    not_modelled("tc filter change, replace and get")


COMMANDS: dict[str, Command] = {
    "add": _add,
    "change": _unmodelled,
    "replace": _unmodelled,
    "delete": _delete,
    "get": _unmodelled,
    "list": _show,
    "show": _show,
    "lst": _show,
}
