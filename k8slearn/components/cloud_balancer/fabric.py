"""What the cloud is told about its load balancers: rules and routes on the router under the cluster.

::

    passthrough   mangle PREROUTING ─ CLOUD-LB ─ CLB-…: the first packet of a connection draws a node's mark, the
                  connection keeps it; ``ip rule fwmark`` sends it to that node, as it is
    proxy         nat PREROUTING ─ CLOUD-LB ─ CLB-…: DNAT to a node port, and masquerade, so the answer comes back

No machine has the address: what is for a port that no Service has, or for a load balancer without a healthy node, goes
into a blackhole. Real clouds do this in their fabric or in proxies of their own (Maglev, Envoy); what a node sees of it
is the same.

Left out: draining (a connection to a node that is not healthy any more breaks off at once in passthrough mode).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from k8slearn.journal import Commands, Key, Put, Remove, World, digest
from k8slearn.linux import route as way
from k8slearn.linux import rule as policy
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rows import Route, Rule
from k8slearn.linux.rules import Chain

CLOUD = "router"
SHARED, OWN, NODE = "CLOUD-LB", "CLB-", "CLB-TO-"
PROTO = "cloud"
"""The routes and rules with this word (``ip route`` shows it) are ours."""
Lines = dict[tuple[str, str], list[str]]
"""(table, chain) -> its rules."""


class Front(NamedTuple):
    """A port of a load balancer, and the node port behind it (0: none)."""

    protocol: str
    port: int
    node_port: int


class Balancer(NamedTuple):
    """One load balancer, for one Service."""

    service: str
    address: str
    mode: str
    fronts: tuple[Front, ...]
    nodes: tuple[tuple[str, str], ...]
    """(name, address) of those that its health check finds well."""
    sources: tuple[str, ...] = ()
    """``loadBalancerSourceRanges``: who may come; nobody is named: everybody."""

    @property
    def chain(self) -> str:
        return OWN + digest("balancer", self.service, length=8).upper()


def configured(world: World, balancers: list[Balancer]) -> Commands:
    """What makes the router carry these load balancers and no others."""
    marks = {node: n for n, node in enumerate(sorted({node for b in balancers for node in b.nodes}), 1)}
    yield from _chains(world, _lines(balancers, marks))
    wanted = {**_routes(world, balancers, marks), **_rules(marks)}
    for key, row in wanted.items():
        if world.get(key) != row:
            yield Put(key, row)
    for table in ("route", "rule"):
        for name, row in list(world.table(CLOUD, table).items()):
            if row.proto == PROTO and (CLOUD, table, name) not in wanted:
                yield Remove((CLOUD, table, name))


Marks = dict[tuple[str, str], int]


def _routes(world: World, balancers: list[Balancer], marks: Marks) -> dict[Key, object]:
    found: dict[Key, object] = {}
    for b in balancers:
        route = Route(f"{b.address}/32", kind="blackhole", proto=PROTO)
        found[CLOUD, "route", ("main", route.dst, 0)] = route
    for (_, address), mark in marks.items():
        there = way.checked(world, CLOUD, Route("0.0.0.0/0", via=address, table=str(100 + mark), proto=PROTO))
        found[CLOUD, "route", (there.table, there.dst, 0)] = there
    return found


def _rules(marks: Marks) -> dict[Key, object]:
    rows = [Rule("ip", 1000 + m, str(100 + m), mark=m, mask=0xFFFFFFFF, proto=PROTO) for m in marks.values()]
    return {(CLOUD, "rule", policy.name(row)): row for row in rows}


def _lines(balancers: list[Balancer], marks: Marks) -> Lines:
    lines: Lines = {}
    for table, chains in (("mangle", ("PREROUTING",)), ("nat", ("PREROUTING", "POSTROUTING"))):
        mine = [b for b in balancers if (b.mode == "proxy") == (table == "nat")]
        if mine:
            for chain in chains:
                lines[table, chain] = [
                    f"-j {SHARED}" if chain == "PREROUTING" else f"-m mark --mark {LEAVES} -j MASQUERADE"
                ]
            lines[table, SHARED] = [line for b in mine for line in _to_balancer(b)]
            for b in mine:
                lines[table, b.chain] = list(_through(b, marks) if table == "mangle" else _instead(b))
    for (node, _), mark in marks.items() if ("mangle", SHARED) in lines else ():
        lines["mangle", NODE + node] = [f"-j MARK --set-mark {mark}", "-j CONNMARK --save-mark"]
    return lines


LEAVES = "0x8000/0x8000"


def _to_balancer(b: Balancer) -> Iterator[str]:
    for front in b.fronts:
        for source in b.sources or ("",):
            who = f"-s {source} " if source else ""
            match = f"{who}-d {b.address} -p {front.protocol} -m {front.protocol} --dport {front.port}"
            yield f"{match} -m comment --comment {b.service} -j {b.chain}"


def _through(b: Balancer, marks: Marks) -> Iterator[str]:
    """Every packet of a connection to the node that its first one drew, as long as that one is well."""
    yield "-j CONNMARK --restore-mark"
    numbers = [marks[node] for node in b.nodes]
    for number in sorted(set(marks.values()) - set(numbers)):
        yield f"-m mark --mark {number} -j MARK --set-mark 0"
    for i, (node, _) in enumerate(b.nodes):
        yield f"-m mark --mark 0x0 {_share(len(b.nodes) - i)}-j {NODE}{node}"


def _instead(b: Balancer) -> Iterator[str]:
    yield f"-j MARK --set-xmark {LEAVES}"
    for front in b.fronts:
        for i, (_, address) in enumerate(b.nodes):
            match = f"-p {front.protocol} -m {front.protocol} --dport {front.port} {_share(len(b.nodes) - i)}"
            yield f"{match}-j DNAT --to-destination {address}:{front.node_port}"


def _share(left: int) -> str:
    return f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""


def _chains(world: World, lines: Lines) -> Commands:
    """Our chains as wanted; of the built-in ones only our own rules are touched."""
    table = world.table(CLOUD, "chain")
    for (name, chain), texts in lines.items():
        key = ("ip", name, chain)
        rules = tuple(parse_rule(text, PROTO) for text in texts)
        old = table.get(key)
        if chain in ("PREROUTING", "POSTROUTING"):
            old = old or Chain(policy="ACCEPT")
            rules = (*(r for r in rules if r not in old.rules), *old.rules)
        new = Chain(rules, old.policy if old is not None else "")
        if new != old:
            yield Put((CLOUD, "chain", key), new)
    for key in [k for k in table if isinstance(k, tuple) and str(k[2]).startswith(OWN)]:
        if key[1:] not in lines:
            yield Remove((CLOUD, "chain", key))
    for name in ("mangle", "nat"):
        if (name, SHARED) not in lines and table.get(("ip", name, SHARED)) not in (None, Chain()):
            yield Put((CLOUD, "chain", ("ip", name, SHARED)), Chain())
