"""``ipvsadm`` (1.31): the virtual servers of IPVS, listed and changed.

A listing has a line for each virtual server and an indented one for each of its real servers, with the connections that
it has::

    TCP  10.96.0.50:80 rr
      -> 10.244.1.2:80                Masq    1      1          0

What they do with packets is in `linux/ipvs.py`. A real server's connections are conntrack's here: active are those that
are ESTABLISHED.

Left out: the other schedulers and ways to forward, weights other than 1, firewall marks, ``-c`` (``conntrack -L`` lists
the connections), statistics, time-outs, ``--save`` and ``--restore``, names in place of numbers (``-L`` prints as
``-Ln``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, Remove, World
from k8slearn.linux import ip
from k8slearn.linux.conntrack import entries
from k8slearn.linux.ipvs import Name, Server, Virtual, key, line
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

HEAD = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
"""
COMMANDS = {
    **{"-L": "list", "-l": "list", "--list": "list", "-A": "add", "--add-service": "add", "-D": "delete"},
    **{"--delete-service": "delete", "-a": "add-server", "--add-server": "add-server", "-d": "delete-server"},
    **{"--delete-server": "delete-server", "-C": "clear", "--clear": "clear"},
}
VALUES = {"-t": "tcp", "--tcp-service": "tcp", "-u": "udp", "--udp-service": "udp", "--sctp-service": "sctp"}
VALUES |= {"-s": "scheduler", "--scheduler": "scheduler", "-r": "server", "--real-server": "server"}
SILENT = ("-n", "--numeric", "-m", "--masquerading", "--sort")
PERSISTENT = 300
"""Seconds, where ``-p`` says nothing."""


def program(process: Process) -> Running:
    """Run ``ipvsadm``."""
    asked = _read(process.argv)
    work = process.world, process.netns
    command = asked.get("command", "list")
    if command == "list":
        return Result(HEAD + listed(*work))
    if command == "clear":
        for name in list(process.world.table(process.netns, "ipvs")):
            yield Remove((process.netns, "ipvs", name))
        return Result()
    yield from CHANGES[command](*work, asked)
    return Result()


def listed(world: World, netns: str) -> str:
    """Every virtual server with its real servers."""
    rows: Mapping[Any, Virtual] = world.table(netns, "ipvs")
    found, counts = "", _connections(world, netns)
    for name, row in sorted(rows.items(), key=lambda each: (each[0][0], ip.number(each[0][1]), each[0][2])):
        found += f"{line(name, row)}\n"
        for server in row.servers:
            active, idle = counts.get((name, server), (0, 0))
            found += f"  -> {server!s:28} {'Masq':7} {1:<6} {active:<10} {idle:<10}\n"
    return found


def _connections(world: World, netns: str) -> dict[tuple[Name, Server], tuple[int, int]]:
    """(virtual server, real server) -> how many connections are active, and how many are not."""
    found: dict[tuple[Name, Server], tuple[int, int]] = {}
    for row in (row for row in entries(world, netns) if row.ipvs):
        at = (row.original.proto, row.original.dst, row.original.dport), Server(row.reply.src, row.reply.sport)
        active, idle = found.get(at, (0, 0))
        found[at] = (active + 1, idle) if row.state == "ESTABLISHED" else (active, idle + 1)
    return found


def _read(argv: tuple[str, ...]) -> dict[str, str]:
    """The words of a command line, by what they are."""
    asked: dict[str, str] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        if len(word) > 2 and word[0] == "-" and word[1] != "-":
            words[:0] = [f"-{letter}" for letter in word[1:]]
        elif word in COMMANDS:
            asked["command"] = COMMANDS[word]
        elif word in VALUES:
            if not words:
                raise fail(f"option requires an argument -- '{word.lstrip('-')}'")
            asked[VALUES[word]] = words.pop(0)
        elif word in ("-p", "--persistent"):
            asked["persistent"] = words.pop(0) if words and words[0].isdecimal() else str(PERSISTENT)
        elif word in ("-w", "--weight") and words[:1] == ["1"]:
            words.pop(0)
        elif word not in SILENT:
            raise fail(f"{word}: not modelled here; this ipvsadm knows {', '.join(sorted(COMMANDS))} with {KNOWS}")
    if asked.get("scheduler", "rr") != "rr":
        raise fail(f"scheduler {asked['scheduler']}: only rr is modelled here")
    return asked


KNOWS = "-t -u -r -s rr -p -m -w 1 -n"


def fail(words: str, code: int = 255) -> CommandError:
    """How ipvsadm refuses."""
    return CommandError(f"{words}\n", code)


def _service(asked: Mapping[str, str]) -> Name:
    proto = next((proto for proto in ("tcp", "udp", "sctp") if proto in asked), "")
    if not proto:
        raise fail("You need to supply the 'service-address' option for this command")
    return (proto, *_place(asked[proto], "virtual server"))


def _server(asked: Mapping[str, str]) -> Server:
    if "server" not in asked:
        raise fail("You need to supply the 'server-address' option for this command")
    return Server(*_place(asked["server"], "real server"))


def _place(words: str, what: str) -> tuple[str, int]:
    """``10.0.0.1:80``, ``[fd00::1]:80``."""
    address, _, port = words.rpartition(":")
    try:
        return ip.canonical(address.strip("[]")), int(port)
    except ValueError:
        raise fail(f"illegal {what} address[:port] specified") from None


def _add(world: World, netns: str, asked: Mapping[str, str]) -> Commands:
    name = _service(asked)
    if world.get(key(netns, name)) is not None:
        raise fail("Service already exists")
    yield Put(key(netns, name), Virtual(persistent=int(asked.get("persistent", 0))))


def _delete(world: World, netns: str, asked: Mapping[str, str]) -> Commands:
    name = _service(asked)
    if world.get(key(netns, name)) is None:
        raise fail("No such service")
    yield Remove(key(netns, name))


def _add_server(world: World, netns: str, asked: Mapping[str, str]) -> Commands:
    name, server = _service(asked), _server(asked)
    row = _defined(world, netns, name)
    if server in row.servers:
        raise fail("Destination already exists")
    yield Put(key(netns, name), replace(row, servers=(*row.servers, server)))


def _delete_server(world: World, netns: str, asked: Mapping[str, str]) -> Commands:
    name, server = _service(asked), _server(asked)
    row = _defined(world, netns, name)
    if server not in row.servers:
        raise fail("No such destination")
    yield Put(key(netns, name), replace(row, servers=tuple(s for s in row.servers if s != server)))


def _defined(world: World, netns: str, name: Name) -> Virtual:
    row: Virtual | None = world.get(key(netns, name))
    if row is None:
        raise fail("Service not defined")
    return row


CHANGES = {"add": _add, "delete": _delete, "add-server": _add_server, "delete-server": _delete_server}
