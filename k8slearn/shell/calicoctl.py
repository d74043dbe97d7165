"""``calicoctl``: how Calico itself sees the cluster, its BGP sessions, pools, blocks and nodes; and BIRD's ``birdcl``.

``calicoctl node status`` is asked on a node, about that node's agent; ``get`` and ``ipam show`` read the API, as
``kubectl get ippools`` does, but as one who knows what the fields mean.

Left out: ``create``, ``apply``, ``delete`` (kubectl does that), ``ipam check|release``, YAML and JSON output, IPv6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from k8slearn.api import timestamp
from k8slearn.cni import blocks, cri
from k8slearn.cni.bgp import Session
from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux import ip
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

Obj = dict[str, Any]
Rows = Sequence[Sequence[str]]
USAGE = "Usage:\n  calicoctl [options] <command> [<args>...]\n\n    get       Get a resource.\n    ipam      IP address\
 management.\n    node      Calico node management.\n"


def program(process: Process) -> Running:
    """Run ``calicoctl``."""
    yield from ()
    words = [word for word in process.argv if word not in ("-o", "wide", "-owide", "--output=wide")]
    wide = len(words) < len(process.argv)
    if words[:2] == ["node", "status"]:
        return _status(process)
    if words[:1] == ["get"] and len(words) > 1:
        return Result(_get(process.world, words[1], wide))
    if words[:2] == ["ipam", "show"]:
        return Result(_ipam(process.world, words[2:]))
    return Result(USAGE, "", 0 if words[:1] in ([], ["help"], ["--help"]) else 1)


def birdcl(process: Process) -> Running:
    """``birdcl show protocols``: BIRD's own list of what it speaks with."""
    yield from ()
    if tuple(process.argv[-2:]) != ("show", "protocols"):
        raise CommandError("birdcl: only `show protocols` is modelled here\n", 1)
    if not _runs(process):
        raise CommandError("Unable to connect to server control socket (bird.ctl): No such file or directory\n", 1)
    began = _since(min((row.since for row in _sessions(process)), default=process.world.clock))
    lines = ["BIRD v0.3.3+birdv1.6.8 ready.", "name     proto    table    state  since       info"]
    own = (("static1", "Static"), ("kernel1", "Kernel"), ("device1", "Device"), ("direct1", "Direct"))
    lines += [f"{name:<8} {proto:<8} master   up     {began}    " for name, proto in own]
    for row in _sessions(process):
        name = "Mesh_" + row.peer.replace(".", "_")
        lines.append(f"{name:<8} BGP      master   {row.state:<6} {_since(row.since)}    {row.info}")
    return Result("\n".join(lines) + "\n")


# --- node status -------------------------------------------------------------------------------


def _status(process: Process) -> Result:
    if not _runs(process):
        return Result("", "Calico process is not running.\n", 1)
    sessions = _sessions(process)
    rows = [(s.peer, "node-to-node mesh", s.state, _since(s.since), s.info) for s in sessions]
    heads = ("PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO")
    shown = _boxed(heads, rows) if rows else "No IPv4 peers found.\n"
    six = "\nIPv6 BGP status\nNo IPv6 peers found.\n\n"
    return Result(f"Calico process is running.\n\nIPv4 BGP status\n{shown}{six}")


def _runs(process: Process) -> bool:
    return cri.runs(process.world, process.machine, "calico-node")


def _sessions(process: Process) -> list[Session]:
    rows: list[Session] = list(process.world.table(process.machine, "bgp").values())
    return sorted(rows, key=lambda row: ip.number(row.peer))


def _since(seconds: float) -> str:
    return timestamp(seconds)[11:19]


# --- get ---------------------------------------------------------------------------------------


def _get(world: World, what: str, wide: bool) -> str:
    kind = next((kind for names, kind in KINDS.items() if what.lower() in names), None)
    if kind is None:
        raise CommandError(f"Failed to execute command: resource type '{what}' is not supported\n", 1)
    columns, rows = kind
    shown = {head: value for head, (value, only_wide) in columns.items() if wide or not only_wide}
    cells = [list(shown), *([value(row) for value in shown.values()] for row in rows(world))]
    widths = [max(len(line[n]) for line in cells) + 3 for n in range(len(shown))]
    lines = ("".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(lines) + "\n\n"


def _pools(world: World) -> Iterator[Obj]:
    table = world.table("api", blocks.POOLS)
    yield from (table[name] for name in sorted(table, key=str))


def _nodes(world: World) -> Iterator[Obj]:
    nodes = world.table("api", "nodes")
    yield from (nodes[name] for name in sorted(nodes, key=str) if _note(nodes[name]))


def _note(node: Obj) -> str:
    return str((node["metadata"].get("annotations") or {}).get("projectcalico.org/IPv4Address", ""))


def _spec(field: str, default: str = "") -> Callable[[Obj], str]:
    def value(obj: Obj) -> str:
        found = obj["spec"].get(field)
        return {None: default, True: "true", False: "false"}.get(found, str(found))

    return value


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


Columns = Mapping[str, tuple[Callable[[Obj], str], bool]]
POOL: Columns = {
    "NAME": (_name, False),
    "CIDR": (_spec("cidr"), False),
    "NAT": (_spec("natOutgoing", "false"), True),
    "IPIPMODE": (_spec("ipipMode", "Never"), True),
    "VXLANMODE": (_spec("vxlanMode", "Never"), True),
    "DISABLED": (_spec("disabled", "false"), True),
    "DISABLEBGPEXPORT": (_spec("disableBGPExport", "false"), True),
    "SELECTOR": (_spec("nodeSelector", "all()"), False),
}
NODE: Columns = {
    "NAME": (_name, False),
    "ASN": (lambda node: "(64512)", True),
    "IPV4": (_note, True),
    "IPV6": (lambda node: "", True),
}
KINDS: Mapping[tuple[str, ...], tuple[Columns, Callable[[World], Iterator[Obj]]]] = {
    ("ippool", "ippools", "ipp", "pool", "pools"): (POOL, _pools),
    ("node", "nodes", "no"): (NODE, _nodes),
}
"""Names of a resource -> its columns (the second word: only with ``-o wide``) and its objects."""


# --- ipam show ---------------------------------------------------------------------------------


def _ipam(world: World, words: Sequence[str]) -> str:
    asked = next((word.partition("=")[2] for word in words if word.startswith("--ip=")), "")
    if asked:
        return _address(world, asked)
    rows: list[Sequence[str]] = []
    for pool in _pools(world):
        cidr = pool["spec"]["cidr"]
        inside = [b for c, b in blocks.every(world).items() if ip.within(c.partition("/")[0], cidr)]
        used = [(b["spec"]["cidr"], sum(1 for _ in blocks.allocations(b))) for b in inside]
        rows.append(_usage("IP Pool", cidr, sum(count for _, count in used)))
        rows += [_usage("Block", block, count) for block, count in used if "--show-blocks" in words]
    return _boxed(("GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS FREE"), rows, right=(2,))


def _usage(kind: str, cidr: str, used: int) -> Sequence[str]:
    total = 1 << (32 - ip.network(cidr)[1])
    shares = (f"{count:.5g} ({100 * count / total:.0f}%)" for count in (used, total - used))
    return (kind, cidr, f"{total:.5g}", *shares)


def _address(world: World, asked: str) -> str:
    try:
        ip.number(asked)
    except ValueError:
        raise CommandError(f"Error executing command: invalid IP address specified: {asked}\n", 1) from None
    given = (found for block in blocks.every(world).values() for found in blocks.allocations(block))
    row = next((row for address, row in given if address == asked), None)
    if row is None:
        return f"{asked} is not assigned\n"
    notes = "".join(f"  {name}: {value}\n" for name, value in sorted(row["secondary"].items()))
    return f"IP {asked} is in use\nHandle ID: {row['handle_id']}\nAttributes:\n{notes}"


def _boxed(heads: Sequence[str], rows: Rows, right: Sequence[int] = ()) -> str:
    """A table with lines round it: heads in the middle, cells to the left (olekukonko/tablewriter)."""
    widths = [max(len(line[n]) for line in (heads, *rows)) for n in range(len(heads))]
    rule = "+" + "".join("-" * (width + 2) + "+" for width in widths) + "\n"
    centred = [
        " " * ((w - len(h)) // 2) + h + " " * (w - len(h) - (w - len(h)) // 2)
        for h, w in zip(heads, widths, strict=True)
    ]
    body = [
        [c.rjust(w) if n in right else c.ljust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))]
        for row in rows
    ]
    lines = ["| " + " | ".join(line) + " |\n" for line in (centred, *body)]
    return rule + lines[0] + rule + "".join(lines[1:]) + rule
