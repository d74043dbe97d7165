"""``conntrack``: the kernel's memory of connections, listed and deleted (conntrack-tools 1.4.7).

An entry has two halves: how the first packet looked, and how its reply must look. Where they are not mirror images,
an address was translated. ``[UNREPLIED]`` means that nothing came back yet, ``[ASSURED]`` that the kernel will not
drop it early.

Left out: creating and changing entries, events, zones, labels, and the table of expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.journal import Remove
from k8slearn.linux import ip
from k8slearn.linux.conntrack import is_dnat, is_snat
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Connection, Tuple
from k8slearn.shell.process import Process

NAME = "conntrack v1.4.7 (conntrack-tools)"
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}
LONG = {
    **{"--dump": "-L", "--delete": "-D", "--flush": "-F", "--count": "-C", "--version": "-V", "--protonum": "-p"},
    **{"--proto": "-p", "--src": "-s", "--orig-src": "-s", "--dst": "-d", "--orig-dst": "-d", "--reply-src": "-r"},
    **{"--reply-dst": "-q", "--src-nat": "-n", "--dst-nat": "-g", "--any-nat": "-j", "--output": "-o"},
    **{"--orig-port-src": "--sport", "--orig-port-dst": "--dport", "--mark": "-m", "--status": "-u", "--family": "-f"},
}
COMMANDS = ("-L", "-D", "-F", "-C", "-V")
ELSEWHERE = ("-I", "-U", "-G", "-E", "-A", "-S", "-w", "-l", "-z", "-b", "-e", "--create", "--update", "--event")


def fail(words: str) -> CommandError:
    """conntrack's way to refuse."""
    return CommandError(f"{NAME}: {words}\nTry `conntrack -h' or 'conntrack --help' for more information.\n", 2)


@dataclass(slots=True)
class Asked:
    """A command line: what to do, and which entries."""

    command: str = ""
    output: str = ""
    wanted: dict[str, str] = field(default_factory=dict)

    def takes(self, row: Connection) -> bool:
        return all(FILTERS[option](row, value) for option, value in self.wanted.items())


def _in(address: str, network: str) -> bool:
    return ip.within(address, network)


Test = Callable[[Connection, str], bool]


def _translated(of: Callable[[Connection], bool], now: Callable[[Connection], str]) -> Test:
    """``-n`` and ``-g``: was it translated (to this address)?"""
    return lambda row, value: of(row) and (not value or _in(now(row), value))


def _status(row: Connection, value: str) -> bool:
    return {"ASSURED": row.assured, "SEEN_REPLY": row.replied, "UNSET": not row.replied}.get(value.upper(), False)


FILTERS: Mapping[str, Test] = {
    "-p": lambda row, value: row.original.proto == value,
    "-s": lambda row, value: _in(row.original.src, value),
    "-d": lambda row, value: _in(row.original.dst, value),
    "-r": lambda row, value: _in(row.reply.src, value),
    "-q": lambda row, value: _in(row.reply.dst, value),
    "-n": _translated(is_snat, lambda row: row.reply.dst),
    "-g": _translated(is_dnat, lambda row: row.reply.src),
    "-j": lambda row, value: is_snat(row) or is_dnat(row),
    "-m": lambda row, value: row.mark == int(value, 0),
    "-u": _status,
    "--sport": lambda row, value: row.original.sport == int(value),
    "--dport": lambda row, value: row.original.dport == int(value),
    "--reply-port-src": lambda row, value: row.reply.sport == int(value),
    "--reply-port-dst": lambda row, value: row.reply.dport == int(value),
    "--state": lambda row, value: row.state == value.upper(),
}
OPTIONAL = ("-n", "-g", "-j")
"""These may stand without a value."""
OF_PROTOCOL = {"--sport", "--dport", "--reply-port-src", "--reply-port-dst", "--state"}
"""These are the protocol's own: ``-p`` must be there."""


def program(process: Process) -> Running:
    """Run ``conntrack``."""
    asked = _read(list(process.argv))
    if not asked.command:
        usage = "Usage: conntrack { -L | -D | -F | -C } [ -p proto ] [ -s ip ] [ -d ip ] [ -r ip ] [ -q ip ] ...\n"
        return Result(f"Command line interface for the connection tracking system. Version 1.4.7\n{usage}")
    if asked.command == "-V":
        return Result(f"{NAME}\n")
    rows = [row for row in connections(process) if asked.takes(row)]
    if asked.command == "-C":
        return Result(f"{len(connections(process))}\n")
    if asked.command == "-F":
        rows = connections(process)
    for row in rows if asked.command in ("-D", "-F") else []:
        yield Remove((process.netns, "conntrack", row.original))
        yield Remove((process.netns, "conntrack", row.reply))
    if asked.command == "-F":
        return Result("", f"{NAME}: connection tracking table has been emptied.\n")
    done = "shown" if asked.command == "-L" else "deleted"
    text = "".join(text_of(row, process.world.clock, asked.output) for row in rows)
    missing = asked.command == "-D" and not rows
    return Result(text, f"{NAME}: {len(rows)} flow entries have been {done}.\n", int(missing))


def connections(process: Process) -> list[Connection]:
    """The living entries, in the order in which they came to be. (The table holds each under both of its tuples.)"""
    rows: Mapping[Hashable, Connection] = process.world.table(process.netns, "conntrack")
    clock = process.world.clock
    return [row for name, row in rows.items() if name == row.original and row.until > clock]


def _read(words: list[str]) -> Asked:
    asked = Asked()
    while words:
        word = LONG.get(words[0], words[0])
        words.pop(0)
        if word in COMMANDS:
            if asked.command:
                raise fail(f"Can't use -{asked.command[1]} with {word}")
            asked.command = word
        elif word == "-o":
            asked.output = words.pop(0) if words else ""
        elif word == "-f":
            words[:1] = []
        elif word in FILTERS:
            asked.wanted[word] = _value(word, words)
        elif word in ELSEWHERE or word == "expect":
            raise CommandError(f"conntrack {word}: this is not modelled here\n", 1)
        elif word != "conntrack":
            raise fail(f"unknown option `{word}'" if word.startswith("-") else f"Bad parameter: '{word}'")
    _check(asked)
    return asked


def _value(option: str, words: list[str]) -> str:
    if option in OPTIONAL and (not words or words[0].startswith("-")):
        return ""
    if not words:
        raise fail(f"option `{option}' requires an argument")
    return words.pop(0)


def _check(asked: Asked) -> None:
    """Every value is one of its kind, and a protocol's own options have their protocol."""
    for option, value in asked.wanted.items():
        if option in OF_PROTOCOL and "-p" not in asked.wanted:
            raise fail(f"unknown option `{option}'")
        if option in ("-s", "-d", "-r", "-q") or (option in OPTIONAL and value):
            _check_address(value)
        elif (option.endswith("port") or "-port-" in option or option == "-m") and not value.isdigit():
            raise fail(f"Invalid port `{value}'" if option != "-m" else f"Invalid mark `{value}'")
    protocol = asked.wanted.get("-p", "")
    names = {str(number): name for name, number in PROTOCOLS.items()}
    if protocol and names.get(protocol, protocol) not in PROTOCOLS:
        raise fail(f"`{protocol}' unsupported protocol")
    if protocol:
        asked.wanted["-p"] = names.get(protocol, protocol)


def _check_address(value: str) -> None:
    try:
        ip.network(value)
    except ValueError:
        raise fail(f"Invalid IP address `{value}'") from None


def text_of(row: Connection, clock: float, output: str = "") -> str:
    """One entry, one line."""
    protocol = row.original.proto
    head = f"{protocol:<8} {PROTOCOLS.get(protocol, 0)} {int(row.until - clock)} {row.state + ' ' if row.state else ''}"
    head = f"ipv4     2 {head}" if "extended" in output.split(",") else head
    unreplied = "" if row.replied else " [UNREPLIED]"
    assured = " [ASSURED]" if row.assured else ""
    halves = f"{_half(row.original, False)}{unreplied} {_half(row.reply, True)}"
    return f"{head}{halves}{assured} mark={row.mark} use=1\n"


def _half(side: Tuple, reply: bool) -> str:
    addresses = f"src={side.src} dst={side.dst}"
    if side.proto == "icmp":
        return f"{addresses} type={0 if reply else 8} code=0 id={side.sport}"
    return f"{addresses} sport={side.sport} dport={side.dport}"
