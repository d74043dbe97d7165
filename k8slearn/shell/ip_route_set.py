"""``ip route add|append|replace|change|del|flush``: what a person may write into a routing table.

Left out: multipath, encapsulation, route metrics, and tables other than ``main``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Remove, World
from k8slearn.linux import route as table
from k8slearn.linux.device import find, refused
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Route
from k8slearn.shell.ip_route import KINDS, TABLES, gateway, network, order, protocol, read_filter, scope, selected
from k8slearn.shell.iproute import Options, Words, garbage, not_modelled, wrong
from k8slearn.shell.process import Process

USAGE = "Usage: ip route { add | del | change | append | replace } [ TYPE ] PREFIX [ via ADDRESS ] [ dev DEV ] ...\n"
HERE = ("unicast", "blackhole", "unreachable", "prohibit")
ELSEWHERE = ("nexthop", "mtu", "advmss", "encap", "tos", "realm", "weight", "nhid", "expires", "vrf", "as", "congctl")


@dataclass(slots=True)
class Given:
    """What stands after ``ip route add``: the destination, and the fields that were named."""

    dst: str = ""
    named: dict[str, Any] = field(default_factory=dict)

    def route(self) -> Route:
        """The route that is meant: without a gateway its scope is the link."""
        near = self.named.get("kind", "unicast") == "unicast" and not self.named.get("via")
        return Route(self.dst, **({"scope": "link" if near else "global"} | self.named))


def _given(process: Process, words: Words) -> Given:
    given = Given()
    while words:
        word = words.take()
        if word in READERS:
            name, reader = READERS[word]
            given.named[name] = reader(words)
        elif word == "onlink":
            given.named["onlink"] = True
        elif word in ELSEWHERE:
            not_modelled(f"ip route {word}")
        elif given.dst:
            garbage("to", word)
        else:
            _destination(given, word, words)
    if given.dst == "":
        raise CommandError(USAGE, 255)
    if given.named.get("dev"):
        find(process.world, process.netns, given.named["dev"])
    return given


def _destination(given: Given, word: str, words: Words) -> None:
    """``[TYPE] PREFIX``."""
    word = words.take() if word == "to" else word
    if word in KINDS:
        if word not in HERE:
            not_modelled(f"ip route {word}")
        given.named["kind"] = word
        word = words.take()
    given.dst = network(word)


def _metric(words: Words) -> int:
    return words.number('"metric" value is invalid')


def _table(words: Words) -> str:
    word = words.take()
    if word not in TABLES and not word.isdigit():
        wrong(word, '"table" value is invalid')
    if TABLES.get(word, word) != "main":
        not_modelled(f"ip route table {word}")
    return "main"


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
    yield from table.add(process.world, process.netns, _given(process, words).route())
    return Result()


def replace(process: Process, options: Options, words: Words) -> Running:
    """``ip route replace``: over whatever has this destination and metric."""
    yield from table.replace(process.world, process.netns, _given(process, words).route())
    return Result()


def change(process: Process, options: Options, words: Words) -> Running:
    """``ip route change``: the same, and there must be one."""
    route = _given(process, words).route()
    checked = table.checked(process.world, process.netns, route)
    if process.world.get(table.key(process.netns, checked)) is None:
        raise refused("No such file or directory")
    yield from table.replace(process.world, process.netns, route)
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip route del``: the first route that fits what was named."""
    given = _given(process, words)
    yield from table.delete(process.world, process.netns, given.dst, **given.named)
    return Result()


def append(process: Process, options: Options, words: Words) -> Running:
    """``ip route append``: a second route to the same destination, which this table cannot hold."""
    route = table.checked(process.world, process.netns, _given(process, words).route())
    if process.world.get(table.key(process.netns, route)) is not None:
        not_modelled("ip route append: a second route with the same destination and metric")
    yield from table.add(process.world, process.netns, route)
    return Result()


def flush(process: Process, options: Options, words: Words) -> Running:
    """``ip route flush [table main] [dev D] [PREFIX] ...``."""
    if not words:
        raise CommandError('"ip route flush" requires arguments.\n', 1)
    if words.left == ["cache"]:
        return Result()
    wanted = read_filter(process, words)
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
    "delete": delete,
    "flush": flush,
}
