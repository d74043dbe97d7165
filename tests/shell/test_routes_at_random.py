"""Random addresses, routes, rules and settings, and then questions: ``ip route get`` here and on a real kernel.

Each answer is a look-up through rules, tables, prefixes and metrics, with the source address that the kernel chooses,
and for a packet that came in also the check of its source.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

pytestmark = pytest.mark.root

SEEDS = [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 100))]
START = """
    ip link add v1 address 02:00:00:00:00:01 type veth peer name w1 address 02:00:00:00:00:02
    ip link add v2 address 02:00:00:00:00:03 type veth peer name w2 address 02:00:00:00:00:04
    ip link set lo up
    ip link set v1 up
    ip link set w1 up
    ip link set v2 up
    ip link set w2 up
    ip addr
sysctl -qw net.ipv6.conf.v1.disable_ipv6=1
sysctl -qw net.ipv6.conf.v1.disable_ipv6=0
sysctl -qw net.ipv6.conf.w1.disable_ipv6=1
sysctl -qw net.ipv6.conf.w1.disable_ipv6=0
sysctl -qw net.ipv6.conf.v2.disable_ipv6=1
sysctl -qw net.ipv6.conf.v2.disable_ipv6=0
sysctl -qw net.ipv6.conf.w2.disable_ipv6=1
sysctl -qw net.ipv6.conf.w2.disable_ipv6=0
"""
DEVICES = ("v1", "v2")
MARKS = (0, 0, 1, 2, 3)
FOUR = {
    "host": (
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.255",
        "10.0.1.1",
        "10.1.0.9",
        "10.1.2.3",
        "10.2.0.7",
        "127.0.0.9",
        "9.9.9.9",
    ),
    "address": ("10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/25", "10.1.0.9/16", "10.2.0.1/32", "10.0.0.1/16"),
    "network": ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0", "10.0.1.0/25", "127.0.0.0/24"),
    "gateway": ("10.0.0.7", "10.0.1.7", "10.1.0.77"),
}
SIX = {
    "host": (
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::",
        "2001:db8:1::1",
        "2001:db8:2::9",
        "fd00::5",
        "fe80::77",
        "9::9",
        "::1",
        "fe80::ff:fe00:1",
    ),
    "address": (
        "2001:db8::1/64",
        "2001:db8::2/64",
        "2001:db8:1::1/80",
        "fd00::1/64",
        "2001:db8:2::9/128",
        "fe80::9/64",
    ),
    "network": ("2001:db8::/32", "2001:db8:1::/48", "2001:db8:2::/64", "2001:db8:2::9/128", "::/0", "fd00::/8"),
    "gateway": ("2001:db8::7", "fe80::7", "2001:db8:1::7"),
}


def _address(rng: Random, words: dict[str, Any], ip: str) -> str:
    flags = rng.choice(("", "", "", " preferred_lft 0", " noprefixroute"))
    return f"ip addr add {rng.choice(words['address'])} dev {rng.choice(DEVICES)}{flags}"


def _route(rng: Random, words: dict[str, Any], ip: str) -> str:
    how, metric = rng.choice(("add", "add", "append")), rng.choice(("", "", " metric 5"))
    table = rng.choice(("", "", " table 100", " table 200"))
    to = rng.choice(words["network"])
    kind = rng.choice(("", "", "", "", "unreachable", "prohibit", "blackhole", "throw", "local"))
    if kind == "local":
        return f"{ip} route add local {to} dev lo"
    if kind:
        return f"{ip} route add {kind} {to}{metric}{table}"
    way = rng.choice(
        (f"dev {rng.choice(DEVICES)}", f"via {rng.choice(words['gateway'])} dev {rng.choice(DEVICES)} onlink")
    )
    return f"{ip} route {how if 'dev' in way[:3] else 'add'} {to} {way}{metric}{table}"


def _rule(rng: Random, words: dict[str, Any], ip: str) -> str:
    selectors = (f"from {rng.choice(words['network'])}", f"to {rng.choice(words['network'])}", "fwmark 1", "fwmark 2/2")
    selectors += (f"iif {rng.choice((*DEVICES, 'lo'))}", "not fwmark 3", f"oif {rng.choice(DEVICES)}", "")
    action = rng.choice(("table 100", "table 200", "table main", "table main suppress_prefixlength 0", "table 101"))
    action = rng.choice((action, action, action, "unreachable", "prohibit", "blackhole"))
    return f"{ip} rule add {rng.choice(selectors)} {action} pref {rng.randint(1, 40000)}"


def _setting(rng: Random, words: dict[str, Any], ip: str) -> str:
    dev = rng.choice(("all", *DEVICES))
    name = rng.choice(("rp_filter", "rp_filter", "accept_local", "route_localnet", "forwarding", "src_valid_mark"))
    return f"sysctl -w net.ipv4.conf.{dev}.{name}={rng.choice('0112' if name == 'rp_filter' else '01')}"


def _question(rng: Random, words: dict[str, Any], ip: str) -> str:
    if ip == "ip -6" and rng.random() < 0.05:
        return f"ip -6 route get ff02::1 oif {rng.choice(DEVICES)}"
    line = f"{ip} route get {rng.choice(words['host'])}"
    source, mark = rng.choice(words["host"]), rng.choice(MARKS)
    line += f" mark {mark}" if mark else ""
    return line + rng.choice(("", "", f" oif {rng.choice(DEVICES)}", f" from {source} iif {rng.choice(DEVICES)}"))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ip", ["ip -4", "ip -6"])
def test_the_kernel_goes_the_same_way(pair6: Any, ip: str, seed: int) -> None:
    rng, words = Random(f"{ip} {seed}"), FOUR if ip == "ip -4" else SIX
    acts = [_address] * 3 + [_route] * 6 + [_rule] * rng.choice((0, 0, 3)) + [_setting] * (2 if ip == "ip -4" else 0)
    forward = f"sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding={rng.choice('01')}"
    lines = [forward, *(rng.choice(acts)(rng, words, ip) for _ in range(22))]
    lines += [
        f"{ip} rule",
        f"{ip} route show table {'all' if ip == 'ip -4' else 'main'}",
        *(_question(rng, words, ip) for _ in range(40)),
    ]
    pair6.check("\n".join([*START.splitlines(), *lines]))
