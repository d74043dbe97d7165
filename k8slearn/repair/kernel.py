"""What somebody might type on the machines that the packets passed: each row that they met, and each that they missed.

Left out: nftables' rules, policy rules (``ip rule``), eBPF programs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace

from k8slearn.journal import Change, Key, World
from k8slearn.linux import addr, fib, ip, sysctl
from k8slearn.linux.qdisc import Netem
from k8slearn.linux.rows import Address, Link, Neighbour, Route, Socket
from k8slearn.linux.rules import Chain, Rule
from k8slearn.repair.edit import Candidate, Case, Typed
from k8slearn.repair.typed import TOOLS, endpoint, saying, taken_along
from k8slearn.trace import Step

SWITCHES = {
    "ip": ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"),
    "ip6": ("net.ipv6.conf.all.forwarding", "net.bridge.bridge-nf-call-ip6tables"),
}
REASONS = {
    "IP_RPFILTER": ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.{dev}.rp_filter=0"),
}
"""A drop's reason -> settings that would let the packet through."""
ENDS = ("switch", "outside")
"""Machines that are not asked to forward packets."""
Candidates = Iterator[Candidate]


def candidates(case: Case) -> Candidates:
    """What might be typed about the rows that the packets met."""
    for propose in PROPOSE:
        yield from propose(case)


def one(case: Case, scope: str, *commands: str, size: int = 0) -> Candidate:
    """These commands at one place."""
    typed = tuple(Typed(command, endpoint(case.world, scope)) for command in commands)
    return Candidate(saying(typed), typed, size or len(typed))


def kept(case: Case, key: Key, rule: Rule | None = None) -> bool:
    """Did a component write this row (or put this rule there)? It would write it again."""
    change = case.engine.journal.origin(key)
    while change is not None and rule is not None and _has(change.previous, rule):
        change = change.previous
    return change is not None and change.author in {component.name for component in case.engine.components}


def _has(change: Change | None, rule: Rule) -> bool:
    return change is not None and isinstance(change.value, Chain) and rule in change.value.rules


def passed(case: Case) -> list[str]:
    """The namespaces that the packets were in, and those where the address is, each once."""
    owners = [s for s in case.world.scopes("addr") if fib.local_address(case.world, s, case.question.address or "")]
    homes = [owner.partition("/")[0] for owner in owners]
    return list(dict.fromkeys([*(step.where for step in case.attempt.steps), *owners, *homes]))


def _links(case: Case) -> Candidates:
    step = case.step
    for where in passed(case):
        for row in list(case.world.table(where, "link").values()):
            if not row.up:
                yield one(case, where, f"ip link set {row.name} up")
            elif row.master and not row.hairpin and step is not None and _asks_hairpin(step, row):
                yield one(case, where, f"bridge link set dev {row.name} hairpin on")


def _asks_hairpin(step: Step, row: Link) -> bool:
    return "hairpin" in step.says and row.name in step.says


def _settings(case: Case) -> Candidates:
    """Switches that are off where the packets passed, and settings that a drop's reason names."""
    world, step = case.world, case.step
    for where in (place for place in passed(case) if not place.startswith(ENDS)):
        for number, name in enumerate(SWITCHES["ip6" if ":" in (case.question.address or "") else "ip"]):
            busy = number == 0 or any(x.kind == "bridge" for x in world.table(where, "link").values())
            if busy and not sysctl.is_on(world, where, name):
                yield one(case, where, f"sysctl -w {name}=1")
    if step is None:
        return
    if step.because is not None and step.because.key[1] == "sysctl":
        name = str(step.because.key[2])
        if name in sysctl.DEFAULTS:
            yield one(case, step.because.key[0], f"sysctl -w {name}={sysctl.DEFAULTS[name]}")
    words = [word.format(dev=step.dev) for word in REASONS.get(step.reason, ())]
    if words:
        yield one(case, step.where, *(f"sysctl -w {word}" for word in words))


def _rules(case: Case) -> Candidates:
    """The rule or the policy of a chain that decided."""
    step = case.step
    if step is None or step.because is None or step.because.key[1] != "chain":
        return
    key, at = step.because.key, step.because.position
    chain: Chain | None = case.world.get(key)
    if chain is None or not isinstance(key[2], tuple) or key[2][0] not in TOOLS:
        return
    family, table, name = key[2]
    tool = f"{TOOLS[str(family)]} -t {table}"
    if at and at <= len(chain.rules) and not kept(case, key, chain.rules[at - 1]):
        yield one(case, key[0], f"{tool} -D {name} {at}")
    elif not at and chain.policy == "DROP":
        yield one(case, key[0], f"{tool} -P {name} ACCEPT")


def _routes(case: Case) -> Candidates:
    """Routes that led the packets, taken away; and one through a machine on the same link that knows the way."""
    step = case.step
    led = {s.because.key: s.because for s in case.attempt.steps if s.because and s.because.key[1] == "route"}
    for key in led:
        row: Route | None = case.world.get(key)
        if row is not None and row.proto != "kernel" and not kept(case, key):
            yield one(case, key[0], f"ip route del {fib.route_text(row)}")
    if step is None or step.what != "drop":
        return
    for dev, gateway, network in _neighbours_towards(case.world, step.where, step.before.dst):
        there = any(other.dst == network for other in case.world.table(step.where, "route").values())
        verb = "replace" if there else "add"
        yield one(case, step.where, f"ip route {verb} {network} via {gateway} dev {dev}")
    yield from _defaults(case, step)


def _defaults(case: Case, step: Step) -> Candidates:
    """A pod that has lost its way out: the gateway is its host's bridge."""
    rows: list[Address] = list(case.world.table(step.where, "addr").values())
    if "/" not in step.where or ":" in step.before.dst:
        return
    for mine in rows:
        home: list[Address] = list(case.world.table(step.where.partition("/")[0], "addr").values())
        near = [a for a in home if mine.dev != "lo" and ip.within(a.address, f"{mine.address}/{mine.prefix}")]
        for gateway in near:
            yield one(case, step.where, f"ip route add default via {gateway.address} dev {mine.dev}")


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


def _neighbours(case: Case) -> Candidates:
    """Neighbours that somebody wrote down for ever."""
    for where in passed(case):
        rows: list[tuple[Hashable, Neighbour]] = list(case.world.table(where, "neigh").items())
        for name, row in rows:
            if row.state == "PERMANENT" and not kept(case, (where, "neigh", name)):
                yield one(case, where, f"ip neigh del {row.address} dev {row.dev}")


def _queues(case: Case) -> Candidates:
    """Queues that lose or keep packets."""
    for where in passed(case):
        for name, row in case.world.table(where, "qdisc").items():
            if isinstance(row, Netem) and isinstance(name, tuple) and name[1] == "root":
                yield one(case, where, f"tc qdisc del dev {name[0]} root")


def _doubles(case: Case) -> Candidates:
    """An address or a MAC that two machines have."""
    world = case.world
    met = {a for s in case.attempt.steps for a in (s.before.src, s.before.dst) if a}
    owners = [(s, row) for s in world.scopes("addr") for row in world.table(s, "addr").values() if row.address in met]
    for scope, row in owners:
        double = sum(other.address == row.address for _, other in owners) > 1 and row.dev != "lo"
        if double and not kept(case, addr.key(scope, row)):
            commands = [f"ip addr del {row.address}/{row.prefix} dev {row.dev}", *taken_along(world, scope, row)]
            yield one(case, scope, *commands)


def _sizes(case: Case) -> Candidates:
    """Links that take smaller packets than the other end of their cable."""
    for where in passed(case):
        rows: list[Link] = list(case.world.table(where, "link").values())
        for row in rows:
            other = case.world.get((row.peer[0], "link", row.peer[1])) if row.peer else None
            if other is not None and row.mtu < other.mtu:
                yield one(case, where, f"ip link set {row.name} mtu {other.mtu}")


def _ports(case: Case) -> Candidates:
    """Nobody listens there: ask for a port where somebody does."""
    step, question = case.step, case.question
    if step is None or step.what != "refuse" or step.before.dst != question.address:
        return
    rows: list[Socket] = list(case.world.table(step.where, "socket").values())
    for row in sorted(rows, key=lambda r: (r.answers_as.startswith("node:"), r.port)):
        if row.proto == question.proto and row.port != question.port:
            says = f"ask for port {row.port}, where {row.program} listens"
            yield Candidate(says, (), 1, replace(question, port=row.port))


PROPOSE: tuple[Callable[[Case], Candidates], ...] = (
    _links,
    _settings,
    _rules,
    _routes,
    _neighbours,
    _queues,
    _doubles,
    _sizes,
    _ports,
)
"""Each proposes changes; what stands first is said first where several would do."""
