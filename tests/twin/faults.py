"""Things that break in a cluster's network, each as a person (or bad luck) would do it on one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from k8slearn.errors import CommandError
from k8slearn.journal import Put, World
from k8slearn.linux import addr, link, route
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rows import Address, Link, Neighbour, Route
from k8slearn.linux.rules import Chain

from .wired import play

Fault = Callable[[World, Random], str]
"""Breaks something in the world, and says what."""


def inject(world: World, random: Random, count: int) -> list[str]:
    """So many faults, one after the other."""
    return [random.choice(FAULTS)(world, random) for _ in range(count)]


def _machines(world: World) -> list[str]:
    return [s for s in world.scopes("netns") if s.startswith("node:") and "/" not in s]


def _pods(world: World) -> list[str]:
    return [s for s in world.scopes("netns") if s.startswith("node:") and "/" in s]


def _links(world: World, scope: str, wanted: Callable[[Link], bool]) -> list[Link]:
    rows: list[Link] = list(world.table(scope, "link").values())
    return [row for row in rows if wanted(row)]


def _bridges(world: World) -> Iterator[tuple[str, Link]]:
    for scope in _machines(world):
        for row in _links(world, scope, lambda r: r.kind == "bridge"):
            yield scope, row


def _route_deleted(world: World, random: Random) -> str:
    places = (*_machines(world), *_pods(world), "router")
    rows: list[tuple[str, Route]] = [(s, row) for s in places for row in world.table(s, "route").values()]
    scope, row = random.choice(rows)
    play(world, route.delete(world, scope, row.dst, dev=row.dev, table=row.table))
    return f"{scope}: ip route del {row.dst} dev {row.dev}"


def _forwarding_off(world: World, random: Random) -> str:
    scope = random.choice([*_machines(world), "router"])
    world.apply(Put((scope, "sysctl", "net.ipv4.ip_forward"), "0"))
    return f"{scope}: sysctl -w net.ipv4.ip_forward=0"


def _bridge_nf_off(world: World, random: Random) -> str:
    scope = random.choice(_machines(world))
    world.apply(Put((scope, "sysctl", "net.bridge.bridge-nf-call-iptables"), "0"))
    return f"{scope}: sysctl -w net.bridge.bridge-nf-call-iptables=0"


def _link_down(world: World, random: Random) -> str:
    choices = [(s, row.name) for s in _machines(world) for row in _links(world, s, lambda r: r.kind != "loopback")]
    choices += [(scope, "eth0") for scope in _pods(world)]
    scope, name = random.choice(choices)
    play(world, link.set_down(world, scope, name))
    return f"{scope}: ip link set {name} down"


def _wrong_address(world: World, random: Random) -> str:
    """One that nobody has, one from a foreign network, or the right one with a wrong prefix.

    Not another pod's: who then answers ARP first depends on what the kernels have seen before.
    """
    choices = [(scope, "eth0") for scope in _pods(world)] + [(scope, row.name) for scope, row in _bridges(world)]
    scope, dev = random.choice(choices)
    mine: list[Address] = addr.on(world, scope, dev)
    if not mine:
        return f"{scope}: {dev} had no address"
    old = mine[0]
    net = old.address.rpartition(".")[0]
    new = random.choice([f"{net}.{random.randint(70, 90)}/24", "10.99.9.9/24", f"{old.address}/28"])
    routes: list[Route] = list(world.table(scope, "route").values())
    play(world, addr.delete(world, scope, dev, f"{old.address}/{old.prefix}"))
    play(world, addr.add(world, scope, dev, new))
    for row in routes:
        if row.dst == "0.0.0.0/0" and random.random() < 0.7:
            play(world, route.replace(world, scope, replace(row, onlink=True)))
    return f"{scope}: ip addr replace {old.address}/{old.prefix} by {new} dev {dev}"


def _rule_deleted(world: World, random: Random) -> str:
    scope = random.choice(_machines(world))
    chains = [(key, chain) for key, chain in world.table(scope, "chain").items() if chain.rules]
    if not chains:
        return f"{scope}: no rule to delete"
    key, chain = random.choice(chains)
    gone = random.randrange(len(chain.rules))
    rules = chain.rules[:gone] + chain.rules[gone + 1 :]
    world.apply(Put((scope, "chain", key), replace(chain, rules=rules)))
    return f"{scope}: iptables -t {key[1]} -D {key[2]} {gone + 1}"


def _forward_drop(world: World, random: Random) -> str:
    scope = random.choice(_machines(world))
    key = (scope, "chain", ("ip", "filter", "FORWARD"))
    chain = world.get(key)
    if chain is None:
        return f"{scope}: no FORWARD chain"
    world.apply(Put(key, replace(chain, policy="DROP")))
    return f"{scope}: iptables -P FORWARD DROP"


def _hairpin_off(world: World, random: Random) -> str:
    ports = [(scope, row) for scope in _machines(world) for row in _links(world, scope, lambda r: bool(r.master))]
    if not ports:
        return "no bridge port"
    scope, row = random.choice(ports)
    play(world, link.set_hairpin(world, scope, row.name, not row.hairpin))
    return f"{scope}: bridge link set dev {row.name} hairpin {'off' if row.hairpin else 'on'}"


def _unplugged(world: World, random: Random) -> str:
    ports = [(scope, row) for scope in _machines(world) for row in _links(world, scope, lambda r: bool(r.master))]
    if not ports:
        return "no bridge port"
    scope, row = random.choice(ports)
    play(world, link.set_nomaster(world, scope, row.name))
    return f"{scope}: ip link set {row.name} nomaster"


MATCHES = (
    "",
    "-p tcp -m tcp --dport 80 ",
    "-p udp ",
    "-d 10.244.0.0/16 ",
    "-s 10.244.1.0/24 ",
    "-m conntrack --ctstate NEW ",
)
VERDICTS = (
    "DROP",
    "DROP",
    "REJECT",
    "REJECT --reject-with icmp-host-prohibited",
    "REJECT --reject-with icmp-admin-prohibited",
)


def _rule_added(world: World, random: Random) -> str:
    scope = random.choice([*_machines(world), *_pods(world)])
    chain = random.choice(["INPUT", "FORWARD", "OUTPUT"])
    where, verdict = random.choice(MATCHES), random.choice(VERDICTS)
    if where.startswith("-p tcp"):
        verdict = random.choice([verdict, "REJECT --reject-with tcp-reset"])
    key = (scope, "chain", ("ip", "filter", chain))
    there = world.get(key) or Chain(policy="ACCEPT")
    world.apply(Put(key, replace(there, rules=(parse_rule(f"{where}-j {verdict}"), *there.rules))))
    return f"{scope}: iptables -I {chain} {where}-j {verdict}"


def _route_added(world: World, random: Random) -> str:
    """A route that leads nowhere, says no, or goes by the wrong machine."""
    scope = random.choice([*_machines(world), "router"])
    dst = random.choice(["10.244.0.0/24", "10.244.1.0/25", "10.244.1.2/32", "203.0.113.0/24", "10.96.0.0/12"])
    row = random.choice(
        [
            Route(dst, kind="blackhole"),
            Route(dst, kind="unreachable"),
            Route(dst, kind="prohibit"),
            Route(dst, via="192.168.64.12", dev="eth0", onlink=True),
            Route(dst, via="192.168.64.250", dev="eth0", onlink=True),
            Route(dst, dev="eth0", scope="link"),
            Route(dst, dev="lo", scope="link"),
        ]
    )
    try:
        play(world, route.replace(world, scope, row))
    except CommandError as refused:
        return f"{scope}: {refused}"
    return f"{scope}: ip route replace {row.kind} {dst} via {row.via or '-'} dev {row.dev or '-'}"


def _neighbour_forged(world: World, random: Random) -> str:
    scope = random.choice([*_machines(world), *_pods(world)])
    address = random.choice(["192.168.64.1", "192.168.64.12", "10.244.0.1", "10.244.1.1", "10.244.0.2", "10.244.1.3"])
    bridge = next((row.name for s, row in _bridges(world) if s == scope), "eth0")
    dev = "eth0" if address.startswith("192") or "/" in scope else bridge
    if not world.get((scope, "link", dev)).up:
        return f"{scope}: {dev} is down"
    switch, port = world.get(("node:node-1", "link", "eth0")).peer
    mac = random.choice(["02:00:00:00:00:99", "ff:ff:ff:ff:ff:ff", world.get((switch, "link", port)).mac])
    world.apply(Put((scope, "neigh", (dev, address)), Neighbour(dev, address, mac, "PERMANENT")))
    return f"{scope}: ip neigh replace {address} lladdr {mac} dev {dev} nud permanent"


def _sysctl(name: str, value: str) -> Fault:
    def fault(world: World, random: Random) -> str:
        scope = random.choice(_machines(world))
        world.apply(Put((scope, "sysctl", name), value))
        return f"{scope}: sysctl -w {name}={value}"

    return fault


FAULTS: tuple[Fault, ...] = (
    _route_deleted,
    _forwarding_off,
    _bridge_nf_off,
    _link_down,
    _wrong_address,
    _rule_deleted,
    _forward_drop,
    _hairpin_off,
    _unplugged,
    _rule_added,
    _rule_added,
    _route_added,
    _neighbour_forged,
    _sysctl("net.ipv4.conf.all.rp_filter", "1"),
)
