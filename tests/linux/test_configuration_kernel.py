"""Configuration held against the kernel: the same random commands here and in two real namespaces.

Two namespaces, two veth pairs between them, a bridge. Each command is run by ``ip`` and by us; both succeed or both are
refused in the same words, and afterwards links, addresses, routes and neighbours are the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, World
from k8slearn.linux import addr, fib, link, neigh, netns, route
from k8slearn.linux.rows import Route

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"),
]
A, B = "node:n/a", "node:n/b"
REAL = {A: f"k8sl-a-{os.getpid()}", B: f"k8sl-b-{os.getpid()}"}
MACS = {"v0": "02:00:00:00:00:10", "v1": "02:00:00:00:00:20", "p0": "02:00:00:00:00:08", "p1": "02:00:00:00:00:09"}

Act = tuple[str, str, Callable[[World], Commands]]
"""(namespace, what ``ip`` is told, what we do)."""


def play(world: World, commands: Commands) -> None:
    for command in commands:
        world.apply(command)


def ip(scope: str, words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", "-n", REAL[scope], *words.split()], capture_output=True, text=True, check=False)


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    for name in REAL.values():
        subprocess.run(["ip", "netns", "add", name], check=True)
        for setting in ("all", "default"):
            subprocess.run(
                ["ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.{setting}.disable_ipv6=1"], check=True
            )
    try:
        for scope in REAL:
            play(found, netns.add(found, "node:n", scope.rpartition("/")[2]))
        yield found
    finally:
        for name in REAL.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


def _start() -> list[Act]:
    def veth(name: str, peer: str) -> Act:
        words = f"link add {name} address {MACS[name]} type veth peer name {peer} address {MACS[peer]} netns {REAL[B]}"
        return (A, words, lambda w: link.add_veth(w, A, name, B, peer, mac=MACS[name], peer_mac=MACS[peer]))

    bridge: Act = (
        A,
        "link add br0 address 02:00:00:00:00:99 type bridge",
        lambda w: link.add_bridge(w, A, "br0", mac="02:00:00:00:00:99"),
    )
    return [_up(Random(), A, "lo"), _up(Random(), B, "lo"), veth("v0", "v1"), veth("p0", "p1"), bridge]


ADDRESSES = ("10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/25", "10.0.2.1/32", "10.0.0.9/16")
NETWORKS = ("10.5.0.0/16", "10.6.0.0/24", "0.0.0.0/0", "10.0.0.0/24", "10.7.0.1/24", "10.8.0.1/32")
GATEWAYS = ("10.0.0.2", "10.0.0.77", "10.0.1.5", "10.5.0.1", "10.0.2.1")


def _random_act(rng: Random) -> Act:
    scope = rng.choice((A, A, B))
    dev = rng.choice(("v0", "p0", "br0", "nope") if scope == A else ("v1", "p1"))
    return rng.choice(_ACTS)(rng, scope, dev)


def _up(rng: Random, scope: str, dev: str) -> Act:
    return (scope, f"link set {dev} up", lambda w: link.set_up(w, scope, dev))


def _down(rng: Random, scope: str, dev: str) -> Act:
    return (scope, f"link set {dev} down", lambda w: link.set_down(w, scope, dev))


def _addr_add(rng: Random, scope: str, dev: str) -> Act:
    cidr = rng.choice(ADDRESSES)
    return (scope, f"addr add {cidr} dev {dev}", lambda w: addr.add(w, scope, dev, cidr))


def _addr_del(rng: Random, scope: str, dev: str) -> Act:
    cidr = rng.choice(ADDRESSES)
    return (scope, f"addr del {cidr} dev {dev}", lambda w: addr.delete(w, scope, dev, cidr))


def _route_add(rng: Random, scope: str, dev: str) -> Act:
    dst, metric = rng.choice(NETWORKS), rng.choice((0, 0, 5))
    via, on_dev = rng.choice((*GATEWAYS, "")), rng.random() < 0.5
    onlink = bool(via) and on_dev and rng.random() < 0.3
    how, act = rng.choice((("add", route.add), ("add", route.add), ("replace", route.replace)))
    words = [f"route {how} {dst}", f"via {via}" * bool(via), f"dev {dev}" * (on_dev or not via)]
    words += [f"metric {metric}" * bool(metric), "onlink" * onlink]
    row = Route(
        dst,
        via=via,
        dev=dev if on_dev or not via else "",
        scope="global" if via else "link",
        metric=metric,
        onlink=onlink,
    )
    return (scope, " ".join(filter(None, words)), lambda w: act(w, scope, row))


def _route_del(rng: Random, scope: str, dev: str) -> Act:
    dst = rng.choice([n for n in NETWORKS if n != "10.7.0.1/24"])
    return (scope, f"route del {dst}", lambda w: route.delete(w, scope, dst))


def _neigh(rng: Random, scope: str, dev: str) -> Act:
    address, mac = rng.choice(GATEWAYS), rng.choice(tuple(MACS.values()))
    if rng.random() < 0.3:
        return (scope, f"neigh del {address} dev {dev}", lambda w: neigh.delete(w, scope, dev, address))
    return (scope, f"neigh add {address} lladdr {mac} dev {dev}", lambda w: neigh.add(w, scope, dev, address, mac))


def _master(rng: Random, scope: str, dev: str) -> Act:
    port = rng.choice(("v0", "p0"))
    if rng.random() < 0.3:
        return (A, f"link set {port} nomaster", lambda w: link.set_nomaster(w, A, port))
    return (A, f"link set {port} master br0", lambda w: link.set_master(w, A, port, "br0"))


def _mtu(rng: Random, scope: str, dev: str) -> Act:
    mtu = rng.choice((1400, 1450, 10, 70000))
    port = "v0" if scope == A else "v1"
    return (scope, f"link set {port} mtu {mtu}", lambda w: link.set_mtu(w, scope, port, mtu))


def _delete(rng: Random, scope: str, dev: str) -> Act:
    gone = rng.choice(("p0", "lo", "nope")) if scope == A else "p1"
    return (scope, f"link del {gone}", lambda w: link.delete(w, scope, gone))


_ACTS = (_up, _up, _up, _down, _addr_add, _addr_add, _addr_add, _addr_del, _route_add, _route_add, _route_add)
_ACTS += (_route_del, _neigh, _master, _mtu, _delete)


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(n, marks=pytest.mark.slow) for n in range(8, 100))])
def test_the_same_commands_leave_the_same_rows_as_in_the_kernel(world: World, seed: int) -> None:
    rng, told = Random(seed), []
    for number, (scope, words, act) in enumerate([*_start(), *(_random_act(rng) for _ in range(24))]):
        told.append(f"{scope[-1]}: ip {words}")
        done = ip(scope, words)
        try:
            play(world, act(world))
            refusal = ""
        except CommandError as error:
            refusal = error.stderr
        assert refusal.strip() == done.stderr.strip(), "\n".join(told)
        for place in REAL:
            assert _soon(place, _ours(world, place)) == _ours(world, place), f"{place} after {number}:\n" + "\n".join(
                told
            )


def _soon(scope: str, expected: dict[str, Any]) -> dict[str, Any]:
    """What the kernel has. A carrier comes and goes a moment after its cause: look again for a while."""
    for _ in range(30):
        found = _theirs(scope)
        if found == expected or found | {"carrier": None} != expected | {"carrier": None}:
            break
        time.sleep(0.05)
    return found


def _json(scope: str, words: str) -> list[dict[str, Any]]:
    said = ip(scope, words).stdout
    return [row for row in json.loads(said) if row] if said.strip() else []


def _theirs(scope: str) -> dict[str, Any]:
    links, routes = _json(scope, "-j addr"), ip(scope, "route").stdout
    bridge = {row["ifname"] for row in links if row.get("linkinfo", {}).get("info_kind") == "bridge"} | {"br0"}
    return {
        "link": {r["ifname"]: (r["mtu"], r.get("master", ""), "UP" in r["flags"], r["address"]) for r in links},
        "carrier": {r["ifname"] for r in links if "NO-CARRIER" in r["flags"] and r["ifname"] not in bridge},
        "addr": {(r["ifname"], f"{a['local']}/{a['prefixlen']}") for r in links for a in r["addr_info"]},
        "route": sorted(line.replace(" linkdown", "").strip() for line in routes.splitlines()),
        "neigh": {(r["dev"], r["dst"], r.get("lladdr", "")) for r in _json(scope, "-j -4 neigh show nud permanent")},
    }


def _ours(world: World, scope: str) -> dict[str, Any]:
    links = world.table(scope, "link").values()
    return {
        "link": {r.name: (r.mtu, r.master, r.up, r.mac) for r in links},
        "carrier": {r.name for r in links if r.up and r.kind != "bridge" and not link.carrier(world, scope, r)},
        "addr": {(r.dev, f"{r.address}/{r.prefix}") for r in world.table(scope, "addr").values()},
        "route": sorted(fib.route_text(r) for r in world.table(scope, "route").values()),
        "neigh": {(r.dev, r.address, r.mac) for r in world.table(scope, "neigh").values()},
    }
