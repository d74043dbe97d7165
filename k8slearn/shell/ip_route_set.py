"""``ip route add|append|prepend|replace|change|del|flush``: what a person may write into a routing table.

Left out: multipath, encapsulation, route metrics other than ``mtu``, gateways of the other family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Remove, World
from k8slearn.linux import ip
from k8slearn.linux import route as table
from k8slearn.linux.device import find
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Route
from k8slearn.shell.ip_route import KINDS, gateway, network, order, protocol, read_filter, scope, selected
from k8slearn.shell.ip_route import table as table_name
from k8slearn.shell.iproute import Options, Words, expected, garbage, not_modelled, wrong
from k8slearn.shell.process import Process

USAGE = "Usage: ip route { add | del | change | append | replace } [ TYPE ] PREFIX [ via ADDRESS ] [ dev DEV ] ...\n"
HERE = ("unicast", "local", "blackhole", "unreachable", "prohibit", "throw")
ELSEWHERE = ("nexthop", "advmss", "encap", "tos", "realm", "weight", "nhid", "expires", "vrf", "as", "congctl")


@dataclass(slots=True)
class Given:
    """What stands after ``ip route add``: the destination, and the fields that were named."""

    dst: str = ""
    named: dict[str, Any] = field(default_factory=dict)
    family: str = ""

    def route(self) -> Route:
        """The route that is meant: without a gateway its scope is the link, and what is local is in ``local``."""
        kind = self.named.get("kind", "unicast")
        near = kind == "unicast" and not self.named.get("via")
        usual = {"scope": "host" if kind == "local" else "link" if near else "global"}
        return Route(self.dst, **({"table": "local" if kind == "local" else "main"} | usual | self.named))


def _given(process: Process, options: Options, words: Words) -> Given:
    given = Given(family=options.family)
    while words:
        word = words.take()
        if word in READERS:
            name, reader = READERS[word]
            given.named[name] = reader(words)
        elif word == "onlink":
            given.named["onlink"] = True
        elif word == "pref":
            _preference(words.take())
        elif word == "mtu":
            _mtu(given, words)
        elif word in ELSEWHERE:
            not_modelled(f"ip route {word}")
        elif given.dst:
            garbage("to", word)
        else:
            _destination(given, word, words)
    if given.dst == "":
        raise CommandError(USAGE, 255)
    if given.dst == ip.ANY and any(":" in str(given.named.get(name, "")) for name in ("via", "src")):
        given.dst = ip.ANY6
    _one_family(given)
    if given.named.get("dev"):
        find(process.world, process.netns, given.named["dev"])
    return given


def _one_family(given: Given) -> None:
    what = "inet6" if ":" in given.dst else "inet"
    for name in ("via", "src"):
        word = given.named.get(name, "")
        if word and (":" in word) != (what == "inet6"):
            expected(f"{what} address", word)


def _mtu(given: Given, words: Words) -> None:
    """``mtu N``, ``mtu lock N``."""
    locked = words.left[:1] == ["lock"]
    if locked:
        words.take()
    given.named |= {"mtu_lock": locked, "mtu": words.number('"mtu" value is invalid')}


def _destination(given: Given, word: str, words: Words) -> None:
    """``[TYPE] PREFIX``."""
    word = words.take() if word == "to" else word
    if word in KINDS:
        if word not in HERE:
            not_modelled(f"ip route {word}")
        given.named["kind"] = word
        word = words.take()
    given.dst = network(word, given.family)


def _metric(words: Words) -> int:
    return words.number('"metric" value is invalid')


def _preference(word: str) -> None:
    """``pref medium``, as IPv6 routes are shown."""
    if word in ("low", "high"):
        not_modelled(f"ip route pref {word}")
    if word != "medium":
        wrong(word, '"pref" value is invalid')


def _table(words: Words) -> str:
    return table_name(words.take(), '"table" value is invalid')


READERS: Mapping[str, tuple[str, Callable[[Words], Any]]] = {
    "via": ("via", lambda words: gateway(_family(words))),
    "dev": ("dev", Words.take),
    "oif": ("dev", Words.take),
    "src": ("src", lambda words: gateway(words.take())),
    "proto": ("proto", lambda words: protocol(words.take())),
    "protocol": ("proto", lambda words: protocol(words.take())),
    "scope": ("scope", lambda words: scope(words.take())),
    "metric": ("metric", _metric),
    "preference": ("metric", _metric),
    "priority": ("metric", _metric),
    "table": ("table", _table),
}


def _family(words: Words) -> str:
    """``via inet ADDRESS`` is ``via ADDRESS``."""
    word = words.take()
    return words.take() if word == "inet" else word


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip route add``: refused when there is one to this destination with this metric."""
    yield from table.add(process.world, process.netns, _given(process, options, words).route())
    return Result()


def replace(process: Process, options: Options, words: Words) -> Running:
    """``ip route replace``: over whatever has this destination and metric."""
    yield from table.replace(process.world, process.netns, _given(process, options, words).route())
    return Result()


def change(process: Process, options: Options, words: Words) -> Running:
    """``ip route change``: the same, and there must be one."""
    yield from table.change(process.world, process.netns, _given(process, options, words).route())
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip route del``: the first route that fits what was named."""
    given = _given(process, options, words)
    local = {"table": "local"} if given.named.get("kind") == "local" else {}
    yield from table.delete(process.world, process.netns, given.dst, **(local | given.named))
    return Result()


def append(process: Process, options: Options, words: Words) -> Running:
    """``ip route append``: behind those to the same destination with the same metric."""
    yield from table.append(process.world, process.netns, _given(process, options, words).route())
    return Result()


def prepend(process: Process, options: Options, words: Words) -> Running:
    """``ip route prepend``: before those to the same destination with the same metric."""
    yield from table.prepend(process.world, process.netns, _given(process, options, words).route())
    return Result()


def flush(process: Process, options: Options, words: Words) -> Running:
    """``ip route flush [table main] [dev D] [PREFIX] ...``."""
    if not words:
        raise CommandError('"ip route flush" requires arguments.\n', 1)
    if words.left == ["cache"]:
        return Result()
    wanted = read_filter(process, options, words)
    doomed = set(selected(process, wanted))
    yield from _drop(process.world, process.netns, doomed)
    return Result()


def _drop(world: World, netns: str, doomed: set[Route]) -> Commands:
    for name, route in sorted(world.table(netns, "route").items(), key=lambda row: order(row[1])):
        if route in doomed:
            yield Remove((netns, "route", name))


COMMANDS = {
    "add": add,
    "change": change,
    "chg": change,
    "replace": replace,
    "append": append,
    "prepend": prepend,
    "delete": delete,
    "flush": flush,
}
