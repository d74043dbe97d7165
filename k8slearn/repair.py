"""The smallest change that flips an outcome, found by trying it on a copy of the world.

A failed attempt names the step where it ended. `CANDIDATES` proposes what a person might change around it: the row
that decided, a switch that is off, a link that is down, a route that is missing, an input that somebody may want to
take back. Each is applied to a fork and the question is asked again. One change is tried before two, two before
three.

Left out: changes of API objects (a component would have to run); they are named by the rule's own reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from k8slearn.errors import Refused
from k8slearn.journal import Change, Command, Commands, Input, Journal, Key, Put, Remove, World, drive
from k8slearn.linux import fib, ip, link, route, socket, sysctl
from k8slearn.linux.iptables import rule_text
from k8slearn.linux.rows import Address, Link, Neighbour, Route, Socket, VxlanFdb
from k8slearn.linux.rules import Chain
from k8slearn.trace import Attempt, Step

SWITCHES = {
    "ip": ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"),
    "ip6": ("net.ipv6.conf.all.forwarding", "net.bridge.bridge-nf-call-ip6tables"),
}
TOOLS = {"ip": "iptables", "ip6": "ip6tables"}
LINUX = ("link", "addr", "route", "neigh", "fdb", "vxfdb", "sysctl", "chain")
BUDGET = 300
"""How many times a question is asked again, at most."""
DEPTH = 3


class Question(NamedTuple):
    """What was asked: from which namespace, to which address, port and protocol (tcp, udp, icmp)."""

    netns: str
    dst: str
    port: int
    proto: str


class Repair(NamedTuple):
    """One change: where, as it would be typed, and what it does to rows. `ask` is another question instead."""

    where: str
    says: str
    commands: Callable[[World], Commands]
    ask: Question | None = None


def search(world: World, journal: Journal, question: Question, attempt: Attempt) -> list[Repair]:
    """The shortest list of changes after which it connects; empty where none of ours does."""
    tries = [BUDGET]
    frontier: list[tuple[list[Repair], World, Attempt]] = [([], world, attempt)]
    for _ in range(DEPTH):
        further = []
        for done, base, failed in frontier:
            for candidate in _proposed(base, journal, question, failed):
                tries[0] -= 1
                if tries[0] < 0:
                    return []
                result = _try(base, candidate, question)
                if result is None:
                    continue
                changed, after = result
                if after.ending.outcome == "connected":
                    return [*done, candidate]
                if _end(after) != _end(failed):
                    further.append(([*done, candidate], changed, after))
        frontier = further[:8]
    return []


def _proposed(world: World, journal: Journal, question: Question, attempt: Attempt) -> list[Repair]:
    step = attempt.decisive
    found: dict[tuple[str, str], Repair] = {}
    for propose in CANDIDATES:
        for candidate in propose(world, journal, question, attempt, step):
            found.setdefault((candidate.where, candidate.says), candidate)
    return list(found.values())


def _try(world: World, candidate: Repair, question: Question) -> tuple[World, Attempt] | None:
    fork = world.fork()
    try:
        for command in candidate.commands(fork):
            fork.apply(command)
        return fork, ask(fork, candidate.ask or question)
    except (Refused, AssertionError):
        return None


def ask(world: World, question: Question) -> Attempt:
    """The attempt, on a fork that is thrown away."""
    fork = world.fork()
    return drive(socket.connect(fork, *question), fork.apply)


def keystone(attempt: Attempt, world: World, question: Question) -> tuple[Step, str] | None:
    """The first route of the way without which it would end otherwise, and how it would end."""
    seen: set[Key] = set()
    for step in attempt.steps:
        if step.because is None or step.because.key[1] != "route" or step.because.key in seen:
            continue
        seen.add(step.because.key)
        fork = world.fork()
        fork.apply(Remove(step.because.key))
        outcome = ask(fork, question).ending.outcome
        if outcome != "connected" and not step.because.text.startswith("default"):
            return step, outcome
    return None


def _end(attempt: Attempt) -> tuple[Any, ...]:
    step = attempt.decisive
    return (attempt.ending.outcome, step and (step.where, step.dev, step.says))


# --- what a person might change ----------------------------------------------------------------

Candidates = Iterator[Repair]


def _one(command: Command) -> Callable[[World], Commands]:
    return lambda world: iter((command,))


def _taken_back(world: World, journal: Journal, question: Question, attempt: Attempt, step: Step | None) -> Candidates:
    """Inputs that edited Linux rows by hand, the newest first: the opposite, in the words that one would type."""
    done: dict[int, list[Change]] = {}
    for entry in journal.entries:
        if isinstance(entry, Change) and entry.key[1] in LINUX and entry.revision <= world.revision:
            done.setdefault(entry.source, []).append(entry)
    for source in sorted(done, reverse=True)[:12]:
        cause = journal.entries[source - 1]
        if not isinstance(cause, Input) or cause.kind not in ("run", "fault"):
            continue
        changes = [c for c in done[source] if world.get(c.key) == c.value]
        if changes:
            yield Repair(changes[0].key[0], _opposite(changes, cause), _reversed(changes))


def _reversed(changes: list[Change]) -> Callable[[World], Commands]:
    def commands(world: World) -> Commands:
        for change in reversed(changes):
            yield Remove(change.key) if change.before is None else Put(change.key, change.before)

    return commands


def _opposite(changes: list[Change], cause: Input) -> str:
    first = changes[0]
    table, before = first.key[1], first.before
    if table in ("route", "addr") and {c.key[1] for c in changes} <= {"route", "addr"}:
        mine = [c for c in changes if c.key[1] == table and (c.before is None or c.value is None)]
        if len(mine) == 1:
            verb, row = ("add", before) if first.value is None else ("del", first.value)
            return f"`ip {table} {verb} {row_text(first.key, row)}`{_lost_routes(changes, first)}"
    if table in ("neigh", "vxfdb") and len(changes) == 1 and before is not None:
        return f"`{row_text(first.key, before)}`"
    if table == "sysctl" and len(changes) == 1:
        return (
            f"`sysctl -w {first.key[2]}={before if before is not None else sysctl.DEFAULTS.get(str(first.key[2]), 0)}`"
        )
    links = [c for c in changes if c.key[1] == "link" and c.before is not None and c.value is not None]
    if links and links[0].before.up and not links[0].value.up:
        return f"`ip link set {links[0].key[2]} up`{_lost_addresses(changes)}{_lost_routes(changes, links[0])}"
    if table == "chain" and first.value is not None:
        return _chain_opposite(first.key, before or Chain((), first.value.policy), first.value)
    return f"take back `{cause.arguments.get('command', cause.kind)}` (revision {cause.revision})"


def _lost_addresses(changes: list[Change]) -> str:
    """A link that goes down keeps its IPv4 addresses, and of IPv6 it gets back only what it makes itself."""
    lost = [c for c in changes if c.key[1] == "addr" and c.value is None and not ip.is_link_local(c.before.address)]
    return "".join(f" and `ip addr add {row_text(c.key, c.before)}`" for c in lost)


def _lost_routes(changes: list[Change], but: Change) -> str:
    """The kernel took these routes along and does not give them back."""
    lost = [
        c for c in changes if c is not but and c.key[1] == "route" and c.value is None and c.before.proto != "kernel"
    ]
    return "".join(f" and `ip route add {row_text(c.key, c.before)}`" for c in lost)


def _chain_opposite(key: Key, before: Chain, after: Chain) -> str:
    family, table, name = key[2] if isinstance(key[2], tuple) else ("", "", "")
    tool = f"{TOOLS.get(str(family), 'iptables')} -t {table}"
    for n, rule in enumerate(before.rules):
        if (*before.rules[:n], *before.rules[n + 1 :]) == after.rules:
            return f"`{tool} -I {name} {n + 1} {rule_text(rule)}`"
    for n in range(len(after.rules)):
        if (*after.rules[:n], *after.rules[n + 1 :]) == before.rules:
            return f"`{tool} -D {name} {n + 1}`"
    return (
        f"`{tool} -P {name} {before.policy}`"
        if before.policy != after.policy
        else f"restore chain {name} of table {table}"
    )


def _switches(world: World, journal: Journal, question: Question, attempt: Attempt, step: Step | None) -> Candidates:
    for where in dict.fromkeys(s.where for s in attempt.steps):
        for place, name in enumerate(SWITCHES["ip6" if ":" in question.dst else "ip"]):
            busy = place == 0 or any(x.kind == "bridge" for x in world.table(where, "link").values())
            if busy and not sysctl.is_on(world, where, name):
                yield Repair(where, f"`sysctl -w {name}=1`", _one(Put((where, "sysctl", name), "1")))


def _links(world: World, journal: Journal, question: Question, attempt: Attempt, step: Step | None) -> Candidates:
    owner = _owner(world, question.dst)
    scopes = dict.fromkeys([*(s.where for s in attempt.steps), *([owner, owner.partition("/")[0]] if owner else [])])
    for where in scopes:
        for row in list(world.table(where, "link").values()):
            if not row.up:
                yield Repair(where, f"`ip link set {row.name} up`", _set_up(where, row))
            elif (
                row.master and not row.hairpin and step is not None and "hairpin" in step.says and row.name in step.says
            ):
                put = Put((where, "link", row.name), _with(row, hairpin=True))
                yield Repair(where, f"`bridge link set dev {row.name} hairpin on`", _one(put))


def _with(row: Link, **fields: Any) -> Link:
    return replace(row, **fields)


def _set_up(where: str, row: Link) -> Callable[[World], Commands]:
    return lambda world: link.set_up(world, where, row.name)


def _rules(world: World, journal: Journal, question: Question, attempt: Attempt, step: Step | None) -> Candidates:
    """The rule or the policy that decided."""
    if step is None or step.because is None or step.because.key[1] != "chain":
        return
    key = step.because.key
    chain: Chain | None = world.get(key)
    if chain is None or not isinstance(key[2], tuple) or key[2][0] == "nft":
        return
    family, table, name = key[2]
    tool = f"{TOOLS.get(str(family), 'iptables')} -t {table}"
    at = step.because.position
    if at and at <= len(chain.rules):
        left = Chain((*chain.rules[: at - 1], *chain.rules[at:]), chain.policy)
        yield Repair(key[0], f"`{tool} -D {name} {at}`", _one(Put(key, left)))
    elif chain.policy == "DROP":
        yield Repair(key[0], f"`{tool} -P {name} ACCEPT`", _one(Put(key, Chain(chain.rules, "ACCEPT"))))


def _routes(world: World, journal: Journal, question: Question, attempt: Attempt, step: Step | None) -> Candidates:
    """A route through a machine on the same link that knows the way."""
    if step is None or step.what != "drop":
        return
    dst = step.before.dst
    for dev, gateway, network in _neighbours_towards(world, step.where, dst):
        row = Route(network, via=gateway, dev=dev)
        there = any(other.dst == network for other in world.table(step.where, "route").values())
        says = f"`ip route {'replace' if there else 'add'} {network} via {gateway} dev {dev}`"
        yield Repair(step.where, says, _add_route(step.where, row))


def _add_route(where: str, row: Route) -> Callable[[World], Commands]:
    return lambda world: route.replace(world, where, row)


def _neighbours_towards(world: World, netns: str, dst: str) -> Iterator[tuple[str, str, str]]:
    """(device, gateway, network): machines on our links that have `dst` on a link of theirs."""
    mine: list[Address] = list(world.table(netns, "addr").values())
    for other in world.scopes("addr"):
        rows: list[Address] = list(world.table(other, "addr").values())
        holds = [a for a in rows if a.dev != "lo" and ip.within(dst, f"{a.address}/{a.prefix}")]
        if other == netns or not holds or "/" in other:
            continue
        for a in rows:
            near = [m for m in mine if m.dev != "lo" and ip.within(a.address, f"{m.address}/{m.prefix}")]
            if near and a.address != dst:
                yield near[0].dev, a.address, ip.network_of(holds[0].address, holds[0].prefix)


def _owner(world: World, address: str) -> str:
    return next((s for s in world.scopes("addr") if fib.local_address(world, s, address) is not None), "")


def _ports(world: World, journal: Journal, question: Question, attempt: Attempt, step: Step | None) -> Candidates:
    """Nobody listens there: ask for a port where somebody does."""
    if step is None or step.what != "refuse" or step.before.dst != question.dst:
        return
    rows: list[Socket] = list(world.table(step.where, "socket").values())
    for row in sorted(rows, key=lambda r: (r.answers_as.startswith("node:"), r.port)):
        if row.proto == question.proto and row.port != question.port:
            asked = question._replace(port=row.port)
            yield Repair("", f"ask for port {row.port}, where {row.program} listens", lambda world: iter(()), asked)


CANDIDATES = (_taken_back, _links, _switches, _rules, _routes, _ports)
"""Each proposes changes; what stands first is said first where several would do."""


def row_text(key: Key, value: Any) -> str:
    """A removed row as its tool prints it, or takes it."""
    if isinstance(value, Route):
        return fib.route_text(value)
    if isinstance(value, Address):
        return f"{value.address}/{value.prefix} dev {value.dev}"
    if isinstance(value, Neighbour):
        return f"ip neigh replace {value.address} lladdr {value.mac} dev {value.dev} nud {value.state.lower()}"
    if isinstance(value, VxlanFdb):
        where = value.remotes[0].dst
        return f"bridge fdb replace {value.mac} dev {value.dev} dst {where} self {value.state}"
    return str(value)
