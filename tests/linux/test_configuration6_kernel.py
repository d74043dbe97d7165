"""IPv6 configuration held against the kernel: the same random commands here and in two real namespaces.

As `test_configuration_kernel`, with IPv6 on (and duplicate address detection off): link-local addresses that come with
a carrier and go with a link, connected routes, next hops, ``disable_ipv6``, forwarding, MTUs below 1280, both tables.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, World
from k8slearn.linux import addr, fib, link, localtable, netns, route, setting, sysctl
from k8slearn.linux.rows import Netns, Route
from k8slearn.linux.source6 import ordered

from . import test_configuration_kernel as lab
from .test_configuration_kernel import A, Act, B, play

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2"),
]
QUIET = [f"net.ipv6.conf.{dev}.{name}=0" for dev in ("all", "default") for name in ("accept_dad", "accept_ra")]


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    found.apply(Put(("node:n", "netns", ""), Netns("n", "node:n", True)))
    for name in lab.REAL.values():
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", *QUIET], check=True)
    try:
        for scope in lab.REAL:
            play(found, netns.add(found, "node:n", scope.rpartition("/")[2]))
        yield found
    finally:
        for name in lab.REAL.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


ADDRESSES = (
    "2001:db8::1/64",
    "2001:db8::2/64",
    "2001:db8:1::1/80",
    "2001:db8:2::1/128",
    "fe80::5/64",
    "2001:db8::1/48",
)
NETWORKS = ("2001:db8:5::/48", "2001:db8:6::/64", "::/0", "2001:db8::/64", "2001:db8:7::1/64", "2001:db8:8::1/128")
GATEWAYS = ("2001:db8::2", "2001:db8::77", "2001:db8:1::5", "2001:db8:5::1", "fe80::9", "2001:db8:2::1")


def _addr_add(rng: Random, scope: str, dev: str) -> Act:
    cidr, quiet = rng.choice(ADDRESSES), rng.random() < 0.2
    words = f"addr add {cidr} dev {dev}" + " noprefixroute" * quiet
    return (scope, words, lambda w: addr.add(w, scope, dev, cidr, noprefixroute=quiet))


def _addr_del(rng: Random, scope: str, dev: str) -> Act:
    cidr = rng.choice((*ADDRESSES[:4], "2001:db8::1/128"))
    return (scope, f"-6 addr del {cidr} dev {dev}", lambda w: addr.delete(w, scope, dev, cidr))


def _route_add(rng: Random, scope: str, dev: str) -> Act:
    dst, metric, table = rng.choice(NETWORKS), rng.choice((0, 0, 5)), rng.choice(("main", "main", "100"))
    via, on_dev = rng.choice((*GATEWAYS, "")), rng.random() < 0.5
    onlink = bool(via) and on_dev and rng.random() < 0.3
    src = rng.choice(("", "", "", "2001:db8::1"))
    how, act = rng.choice((("add", route.add), ("add", route.add), ("replace", route.replace)))
    words = [f"-6 route {how} {dst}", f"via {via}" * bool(via), f"dev {dev}" * (on_dev or not via)]
    words += [f"metric {metric}" * bool(metric), "onlink" * onlink, f"src {src}" * bool(src), f"table {table}"]
    row = Route(dst, via, dev if on_dev or not via else "", src, metric=metric, onlink=onlink, table=table)
    return (scope, " ".join(filter(None, words)), lambda w: act(w, scope, row))


def _reject(rng: Random, scope: str, dev: str) -> Act:
    dst, kind = rng.choice(NETWORKS), rng.choice(("blackhole", "unreachable", "prohibit", "throw"))
    row = Route(dst, kind=kind)
    return (scope, f"-6 route add {kind} {dst}", lambda w: route.add(w, scope, row))


def _route_del(rng: Random, scope: str, dev: str) -> Act:
    dst = rng.choice([n for n in NETWORKS if n != "2001:db8:7::1/64"])
    return (scope, f"-6 route del {dst}", lambda w: route.delete(w, scope, dst))


def _mtu(rng: Random, scope: str, dev: str) -> Act:
    mtu, port = rng.choice((1400, 1200, 1279, 1280)), "v0" if scope == A else "v1"
    return (scope, f"link set {port} mtu {mtu}", lambda w: link.set_mtu(w, scope, port, mtu))


def _sysctl(rng: Random, scope: str, dev: str) -> Act:
    dev = rng.choice(("all", "default", "lo", "v0" if scope == A else "v1"))
    setting, value = rng.choice(("forwarding", "forwarding", "disable_ipv6", "keep_addr_on_down")), rng.choice("01")
    name = f"net.ipv6.conf.{dev}.{setting}"
    return (scope, f"netns exec {lab.REAL[scope]} sysctl -qw {name}={value}", lambda w: _write(w, scope, name, value))


def _write(world: World, scope: str, name: str, value: str) -> Commands:
    row = world.get((scope, "link", sysctl.place(name)[1]))
    if row is not None and row.mtu < 1280:
        raise CommandError(f"sysctl: cannot stat /proc/sys/{name.replace('.', '/')}: No such file or directory\n", 255)
    yield from setting.write(world, scope, name, value)


_ACTS = (lab._up, lab._up, lab._up, lab._down, _addr_add, _addr_add, _addr_add, _addr_del, _route_add, _route_add)
_ACTS += (_route_add, _route_del, _reject, lab._master, _mtu, _sysctl, _sysctl, lab._delete)


def _random_act(rng: Random) -> Act:
    scope = rng.choice((A, A, B))
    dev = rng.choice(("v0", "p0", "br0", "lo") if scope == A else ("v1", "p1"))
    return rng.choice(_ACTS)(rng, scope, dev)


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(n, marks=pytest.mark.slow) for n in range(8, 100))])
def test_the_same_commands_leave_the_same_ipv6_rows_as_in_the_kernel(world: World, seed: int) -> None:
    rng, told = Random(seed), []
    for scope, words, act in [*lab._start(), *(_random_act(rng) for _ in range(24))]:
        told.append(f"{scope[-1]}: ip {words}")
        done = _run(scope, words)
        try:
            play(world, act(world))
            refusal = ""
        except CommandError as error:
            refusal = error.stderr
        assert refusal.strip() == done.stderr.strip(), "\n".join(told)
        for place in lab.REAL:
            assert _soon(place, _ours(world, place)) == _ours(world, place), f"{place} after\n" + "\n".join(told)


def _run(scope: str, words: str) -> subprocess.CompletedProcess[str]:
    if words.startswith("netns exec"):
        return subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
    return lab.ip(scope, words)


def _soon(scope: str, expected: dict[str, Any]) -> dict[str, Any]:
    """What the kernel has. A carrier comes and goes a moment after its cause: look again for a while."""
    for _ in range(40):
        found = _theirs(scope)
        if found == expected:
            break
        time.sleep(0.05)
    return found


def _theirs(scope: str) -> dict[str, Any]:
    links = lab._json(scope, "-j -6 addr")
    routes = lab.ip(scope, "-6 route show table all").stdout
    return {
        "addr": {r["ifname"]: [f"{a['local']}/{a['prefixlen']} {a['scope']}" for a in r["addr_info"]] for r in links},
        "route": sorted(line.replace(" linkdown", "").strip() for line in routes.splitlines()),
    }


def _ours(world: World, scope: str) -> dict[str, Any]:
    rows = {name: ordered(addr.on(world, scope, str(name), "ip6")) for name in world.table(scope, "link")}
    routes = [*world.table(scope, "route").values(), *localtable.derived(world, scope)]
    return {
        "addr": {name: [f"{a.cidr} {a.scope}" for a in found] for name, found in rows.items() if found},
        "route": sorted(_text(r) for r in routes if ":" in r.dst),
    }


def _text(row: Route) -> str:
    words = fib.route_text(row)
    return words if row.metric else words.replace(" pref", " metric 0 pref")
