"""Rows as somebody would type them: the commands that put a row there, and those that take a change back.

A kernel takes more along than was asked for (a link that goes down loses its routes), and gives only part of it back.
`undone` has the commands for all that would stay lost.

Left out: rows that no single command makes (a container's, a tunnel's key); a change of such a row is not taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from k8slearn.journal import Change, Key, World
from k8slearn.linux import fib, ip, sysctl
from k8slearn.linux.iptables import rule_text
from k8slearn.linux.rows import Address, Link, Neighbour, Route, VxlanFdb
from k8slearn.linux.rules import Chain
from k8slearn.repair.edit import Typed

TOOLS = {"ip": "iptables", "ip6": "ip6tables"}
BY_THEMSELVES = ("fib", "conntrack", "fdb", "upper", "qdisc_handle", "inet6", "active", "counter", "nstat", "drops")
"""Tables whose rows the kernel writes by itself."""


class Diff(NamedTuple):
    """A row before and after what somebody typed."""

    key: Key
    before: Any
    after: Any


def row_text(key: Key, value: Any) -> str:
    """A removed row as its tool prints it, or takes it."""
    if isinstance(value, Route):
        return fib.route_text(value)
    if isinstance(value, Address):
        return f"{value.address}/{value.prefix} dev {value.dev}"
    if isinstance(value, Neighbour):
        return f"ip neigh replace {value.address} lladdr {value.mac} dev {value.dev} nud {value.state.lower()}"
    if isinstance(value, VxlanFdb):
        return f"bridge fdb replace {value.mac} dev {value.dev} dst {value.remotes[0].dst} self {value.state}"
    return str(value)


def endpoint(world: World, scope: str) -> str:
    """How a person names a namespace: ``node:node-1``, ``default/web``."""
    netns = world.get((scope, "netns", ""))
    return str(netns.name) if netns is not None and "/" in scope else scope


def place(on: str) -> str:
    """The same in an explanation: ``node-1``."""
    return on.removeprefix("node:")


def saying(typed: tuple[Typed, ...]) -> str:
    """Commands as an explanation names them: ``on node-1: `ip link set cni0 up```."""
    found: list[tuple[str, list[str]]] = []
    for step in typed:
        if not found or found[-1][0] != step.on:
            found.append((step.on, []))
        text = f"{step.command} <<'END'\n{step.stdin}END" if step.stdin else step.command
        found[-1][1].append(f"`{text}`")
    return "; then ".join((f"on {place(on)}: " if on else "") + " and ".join(words) for on, words in found)


# --- taking back -------------------------------------------------------------------------------


def undone(world: World, changes: list[Change]) -> tuple[Typed, ...]:
    """The commands that take changes back, as far as they still stand; none where no command would."""
    rows: dict[Key, Diff] = {}
    for change in changes:
        first = rows.get(change.key)
        rows[change.key] = Diff(change.key, first.before if first else change.before, change.value)
    diffs = [d for d in rows.values() if d.before != d.after and d.key[1] not in BY_THEMSELVES]
    diffs = [d for d in diffs if world.get(d.key) == d.after]
    if any(d.key[1] not in BACK for d in diffs):
        return ()
    tables = {d.key[1] for d in diffs}
    lost = [d for d in diffs if not (_comes_back(d) and tables & {"link", "addr"})]
    found = []
    for diff in sorted(lost, key=lambda d: (list(BACK).index(d.key[1]), bool(getattr(d.before, "via", "")))):
        commands = list(BACK[diff.key[1]](diff))
        if tables & {"link", "addr"} and isinstance(diff.before, Route) and diff.before.src:
            commands = [command.replace(" add ", " replace ", 1) for command in commands]  # the network's own is back
        if not commands:
            return ()
        found += [Typed(command, endpoint(world, diff.key[0])) for command in commands]
    for diff in diffs:
        if isinstance(diff.after, Address) and diff.before is None:
            said = taken_along(world, diff.key[0], diff.after)
            found += [Typed(command, endpoint(world, diff.key[0])) for command in said]
    return tuple(found)


def taken_along(world: World, scope: str, row: Address) -> list[str]:
    """A link that loses its last address loses its routes (fib_frontend.c): they have to be typed again."""
    every: list[Address] = list(world.table(scope, "addr").values())
    family = ":" in row.address
    if any(a is not row and a.dev == row.dev and (":" in a.address) is family for a in every):
        return []
    rows: list[Route] = [r for r in world.table(scope, "route").values() if r.dev == row.dev and r.proto != "kernel"]
    mine = sorted((r for r in rows if (":" in r.dst) is family and r.src != row.address), key=lambda r: bool(r.via))
    return [f"ip route add {fib.route_text(r)}" for r in mine]


def _comes_back(diff: Diff) -> bool:
    """Rows that the kernel writes again together with a link or an address."""
    row = diff.before if diff.after is None else diff.after
    if isinstance(row, Route):
        return row.proto == "kernel"
    if isinstance(row, Address):
        return ip.is_link_local(row.address)
    return isinstance(row, Neighbour) and row.state != "PERMANENT"


def _link(diff: Diff) -> Iterator[str]:
    before, after = diff.before, diff.after
    if before is None:
        yield f"ip link del {after.name}"
    if before is None or after is None:
        return
    for attribute, words in LINK.items():
        if getattr(before, attribute) != getattr(after, attribute):
            yield words(before)


LINK: Mapping[str, Callable[[Link], str]] = {
    "mac": lambda row: f"ip link set {row.name} address {row.mac}",
    "mtu": lambda row: f"ip link set {row.name} mtu {row.mtu}",
    "master": lambda row: f"ip link set {row.name} " + (f"master {row.master}" if row.master else "nomaster"),
    "hairpin": lambda row: f"bridge link set dev {row.name} hairpin {'on' if row.hairpin else 'off'}",
    "arp": lambda row: f"ip link set {row.name} arp {'on' if row.arp else 'off'}",
    "up": lambda row: f"ip link set {row.name} {'up' if row.up else 'down'}",
}
"""An attribute of a link -> the command that gives it its value."""


def _address(diff: Diff) -> Iterator[str]:
    if diff.after is not None:
        yield f"ip addr del {row_text(diff.key, diff.after)}"
    if diff.before is not None:
        yield f"ip addr add {row_text(diff.key, diff.before)}"


def _route(diff: Diff) -> Iterator[str]:
    verb = "add" if diff.after is None else "del" if diff.before is None else "replace"
    row: Route = diff.after if diff.before is None else diff.before
    yield f"ip route {verb} {fib.route_text(row)}"


def _neighbour(diff: Diff) -> Iterator[str]:
    if diff.before is not None and diff.before.state == "PERMANENT":
        yield row_text(diff.key, diff.before)
    elif diff.after is not None:
        yield f"ip neigh del {diff.after.address} dev {diff.after.dev}"


def _vxlan(diff: Diff) -> Iterator[str]:
    if diff.before is not None:
        yield row_text(diff.key, diff.before)


def _sysctl(diff: Diff) -> Iterator[str]:
    name = str(diff.key[2])
    yield f"sysctl -w {name}={diff.before if diff.before is not None else sysctl.DEFAULTS.get(name, 0)}"


def _qdisc(diff: Diff) -> Iterator[str]:
    dev, parent = diff.key[2] if isinstance(diff.key[2], tuple) else ("", "")
    if diff.before is None and parent == "root":
        yield f"tc qdisc del dev {dev} root"


def _chain(diff: Diff) -> Iterator[str]:
    family, table, name = diff.key[2] if isinstance(diff.key[2], tuple) else ("nft", "", "")
    if family not in TOOLS or diff.after is None:
        return
    tool, before, after = f"{TOOLS[family]} -t {table}", diff.before or Chain((), diff.after.policy), diff.after
    if before.policy != after.policy:
        yield f"{tool} -P {name} {before.policy}"
    yield from (f"{tool} {words}" for words in _rules(str(name), list(before.rules), list(after.rules)))


def _rules(name: str, before: list[Any], after: list[Any]) -> Iterator[str]:
    """Delete what is too much, insert what is missing: the longest beginning and end that are alike stay."""
    head = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    rest = min(len(before), len(after)) - head
    tail = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    kept = next((n for n in range(len(new)) if len(old) == len(new) and [*new[n:], *new[:n]] == old), None)
    if kept is not None and 1 in (kept, len(new) - kept):
        yield from _moved(name, head, old, new)
        return
    yield from (f"-D {name} {head + 1}" for _ in new)
    yield from (f"-I {name} {head + 1 + n} {rule_text(rule)}" for n, rule in enumerate(old))


def _moved(name: str, head: int, old: list[Any], new: list[Any]) -> Iterator[str]:
    """One rule stands at the other end of a row of rules."""
    if new[0] == old[-1]:
        yield f"-D {name} {head + 1}"
        yield f"-I {name} {head + len(old)} {rule_text(old[-1])}"
    else:
        yield f"-D {name} {head + len(new)}"
        yield f"-I {name} {head + 1} {rule_text(old[0])}"


BACK: Mapping[str, Callable[[Diff], Iterator[str]]] = {
    "link": _link,
    "addr": _address,
    "route": _route,
    "neigh": _neighbour,
    "vxfdb": _vxlan,
    "sysctl": _sysctl,
    "qdisc": _qdisc,
    "chain": _chain,
}
"""A table -> how a change of one of its rows is taken back; in the order in which that is typed."""
