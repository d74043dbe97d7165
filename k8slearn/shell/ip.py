"""``ip``: the one tool for links, addresses, routes, neighbours and namespaces (iproute2 6.1).

This file reads what stands before the object and hands on: `ip_link`, `ip_addr`, `ip_route`, `ip_neigh`, `ip_netns`.

Left out: every object of ``ip`` that is not below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.linux.program import Result, Running
from k8slearn.shell import (
    ip_addr,
    ip_link,
    ip_link_set,
    ip_neigh,
    ip_netns,
    ip_route,
    ip_route_get,
    ip_route_set,
    ip_rule,
    ip_tunnel,
)
from k8slearn.shell.iproute import Options, Words, choose, match, not_modelled, parse_options
from k8slearn.shell.process import Process
from k8slearn.shell.wrappers import named_netns

VERSION = "ip utility, iproute2-6.1.0, libbpf 1.1.2\n"
USAGE = """Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { address | link | neighbour | netns | route | rule }
       OPTIONS := { -4 | -6 | -br[ief] | -d[etails] | -j[son] | -p[retty] |
                    -o[neline] | -n[etns] name | -V[ersion] }
"""
Command = Callable[[Process, Options, Words], Running]


def program(process: Process) -> Running:
    """Run ``ip``."""
    words = Words(process.argv)
    if any(word in ("-V", "-Version", "--version") for word in process.argv[:2]):
        return Result(VERSION)
    options = parse_options(words, "ip")
    name = words.take() if words else "help"
    found = match(name, OBJECTS)
    if found is None:
        raise CommandError(f'Object "{name}" is unknown, try "ip help".\n', 1)
    if options.statistics and not "link".startswith(name):
        not_modelled(f"ip -s {name}: counters")
    if options.netns:
        process = replace(process, netns=_netns(process, options.netns))
    return (yield from found(process, options, words))


def _netns(process: Process, name: str) -> str:
    scope = named_netns(process, name)
    if scope is None:
        raise CommandError(f'Cannot open network namespace "{name}": No such file or directory\n', 255)
    return scope


def _object(tool: str, default: str, commands: Mapping[str, Command]) -> Command:
    """An object of ``ip``: its commands by name, in the order in which iproute2 tries a shortened word."""

    def run(process: Process, options: Options, words: Words) -> Running:
        if words and words.left[0] == "help":
            raise CommandError(f"Usage: {tool} {{ {' | '.join(commands)} }}\n", 255)
        command = choose(words, commands, default, tool)
        return (yield from command(process, options, words))

    return run


def _unknown_here(name: str) -> Command:
    def run(process: Process, options: Options, words: Words) -> Running:
        yield from ()
        not_modelled(f"ip {name}")

    return run


def _help(process: Process, options: Options, words: Words) -> Running:
    yield from ()
    raise CommandError(USAGE, 255)


OBJECTS: dict[str, Command] = {
    "address": _object("ip address", "show", ip_addr.COMMANDS),
    "maddress": _unknown_here("maddress"),
    "route": _object("ip route", "show", {**ip_route.COMMANDS, **ip_route_get.COMMANDS, **ip_route_set.COMMANDS}),
    "rule": _object("ip rule", "list", ip_rule.COMMANDS),
    "neighbor": _object("ip neigh", "show", ip_neigh.COMMANDS),
    "neighbour": _object("ip neigh", "show", ip_neigh.COMMANDS),
    "link": _object("ip link", "show", {**ip_link_set.COMMANDS, **ip_link.COMMANDS}),
    "tunnel": _object("ip tunnel", "show", ip_tunnel.COMMANDS),
    "tuntap": _unknown_here("tuntap"),
    "monitor": _unknown_here("monitor"),
    "xfrm": _unknown_here("xfrm"),
    "netns": _object("ip netns", "list", ip_netns.COMMANDS),
    "nexthop": _unknown_here("nexthop"),
    "vrf": _unknown_here("vrf"),
    "help": _help,
}
