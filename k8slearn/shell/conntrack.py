"""``conntrack``: the kernel's memory of connections, listed and deleted (conntrack-tools 1.4.7).

An entry has two halves: how the first packet looked, and how its reply must look. Where they are not mirror images,
an address was translated. ``[UNREPLIED]`` means that nothing came back yet, ``[ASSURED]`` that the kernel will not
drop it early. Both families are listed unless ``-f`` chooses one. The lines' form is in `conntrack_text.py`.

Left out: creating and changing entries, events, statistics, zones, labels, XML, and the table of expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.journal import Remove
from k8slearn.linux import conntrack, ip
from k8slearn.linux.connection import PINGS, is_dnat, is_snat
from k8slearn.linux.conntrack_states import SCTP, TCP
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Connection
from k8slearn.shell.conntrack_text import PROTOCOLS, text_of
from k8slearn.shell.process import Process

NAME = "conntrack v1.4.7 (conntrack-tools)"
LONG = {
    **{"--dump": "-L", "--delete": "-D", "--get": "-G", "--flush": "-F", "--count": "-C", "--version": "-V"},
    **{"--protonum": "-p", "--proto": "-p", "--src": "-s", "--orig-src": "-s", "--dst": "-d", "--orig-dst": "-d"},
    **{"--reply-src": "-r", "--reply-dst": "-q", "--src-nat": "-n", "--dst-nat": "-g", "--any-nat": "-j"},
    **{"--output": "-o", "--mark": "-m", "--status": "-u", "--family": "-f", "--zone": "-w", "--zero": "-z"},
    **{"--orig-port-src": "--sport", "--orig-port-dst": "--dport", "--stats": "-S", "--event": "-E"},
    **{"--create": "-I", "--update": "-U", "--timeout": "-t", "--label": "-l", "--buffer-size": "-b"},
    **{"--event-mask": "-e"},
}
COMMANDS = ("-L", "-D", "-G", "-F", "-C", "-V")
ELSEWHERE = ("-I", "-U", "-E", "-A", "-S", "-w", "-l", "-z", "-b", "-e", "-t", "-c")
TABLES = ("conntrack", "expect", "dying", "unconfirmed")
OUTPUTS = ("extended", "id", "ktimestamp", "timestamp", "labels", "userspace", "xml", "save")
FAMILIES = ("ipv4", "ipv6")


def fail(words: str) -> CommandError:
    """conntrack's way to refuse."""
    return CommandError(f"{NAME}: {words}\nTry `conntrack -h' or 'conntrack --help' for more information.\n", 2)


@dataclass(slots=True)
class Asked:
    """A command line: what to do, and which entries."""

    command: str = ""
    table: str = "conntrack"
    output: tuple[str, ...] = ()
    family: str = ""
    wanted: dict[str, str] = field(default_factory=dict)

    def takes(self, row: Connection) -> bool:
        if self.family and (":" in row.original.src) != (self.family == "ipv6"):
            return False
        return all(FILTERS[option](row, value) for option, value in self.wanted.items())


def _translated(of: Callable[[Connection], bool], now: Callable[[Connection], str]) -> Test:
    """``-n`` and ``-g``: was it translated (to this address)?"""
    return lambda row, value: of(row) and (not value or ip.within(now(row), value))


def _marked(row: Connection, value: str) -> bool:
    mark, _, mask = value.partition("/")
    return row.mark & (_number(mask) if mask else 0xFFFFFFFF) == _number(mark)


def _number(text: str) -> int:
    """A number as C's strtoul() reads it: what is none is 0."""
    try:
        return int(text, 0) & 0xFFFFFFFF
    except ValueError:
        return 0


STATUS: Mapping[str, Callable[[Connection], bool]] = {
    "ASSURED": lambda row: row.assured,
    "SEEN_REPLY": lambda row: row.replied,
    "UNREPLIED": lambda row: not row.replied,
    "CONFIRMED": lambda row: True,
    "SRC_NAT": is_snat,
    "DST_NAT": is_dnat,
}
"""``-u``: what a connection's status says of it."""

Test = Callable[[Connection, str], bool]
FILTERS: Mapping[str, Test] = {
    "-p": lambda row, value: row.original.proto == value,
    "-s": lambda row, value: ip.within(row.original.src, value),
    "-d": lambda row, value: ip.within(row.original.dst, value),
    "-r": lambda row, value: ip.within(row.reply.src, value),
    "-q": lambda row, value: ip.within(row.reply.dst, value),
    "-n": _translated(is_snat, lambda row: row.reply.dst),
    "-g": _translated(is_dnat, lambda row: row.reply.src),
    "-j": lambda row, value: is_snat(row) or is_dnat(row),
    "-m": _marked,
    "-u": lambda row, value: all(STATUS[word](row) for word in value.split(",")),
    "--sport": lambda row, value: row.original.sport == _number(value),
    "--dport": lambda row, value: row.original.dport == _number(value),
    "--reply-port-src": lambda row, value: row.reply.sport == _number(value),
    "--reply-port-dst": lambda row, value: row.reply.dport == _number(value),
    "--state": lambda row, value: row.state == value,
    "--icmp-id": lambda row, value: row.original.sport == _number(value),
    "--icmp-type": lambda row, value: _number(value) == (8 if row.original.proto == "icmp" else 128),
    "--icmp-code": lambda row, value: _number(value) == 0,
}
OPTIONAL = ("-n", "-g", "-j")
"""These may stand without a value."""
PORTED = ("--sport", "--dport", "--reply-port-src", "--reply-port-dst")
OWN = {
    **{"tcp": (*PORTED, "--state"), "sctp": (*PORTED, "--state"), "udp": PORTED, "dccp": (*PORTED, "--state")},
    **dict.fromkeys(PINGS, ("--icmp-id", "--icmp-type", "--icmp-code")),
}
"""Options that a protocol brings: ``-p`` must be there."""
STATES = {"tcp": [*TCP[False, "SYN"]], "sctp": [*SCTP[False, "INIT"]]}


def program(process: Process) -> Running:
    """Run ``conntrack``."""
    asked = _read(list(process.argv))
    if not asked.command:
        usage = "Usage: conntrack { -L | -G | -D | -F | -C } [ -p proto ] [ -s ip ] [ -d ip ] [ -r ip ] [ -q ip ] ...\n"
        return Result(f"Command line interface for the connection tracking system. Version 1.4.7\n{usage}")
    if asked.command == "-V":
        return Result(f"{NAME}\n")
    known = conntrack.entries(process.world, process.netns) if asked.table == "conntrack" else []
    if asked.command == "-C":
        return Result(f"{len(known)}\n")
    rows = known if asked.command == "-F" else [row for row in known if asked.takes(row)]
    for row in rows if asked.command in ("-D", "-F") else []:
        yield Remove((process.netns, "conntrack", row.original))
        yield Remove((process.netns, "conntrack", row.reply))
    return _said(process, asked, rows)


def _said(process: Process, asked: Asked, rows: list[Connection]) -> Result:
    if asked.command == "-F":
        return Result("", f"{NAME}: connection tracking table has been emptied.\n")
    if asked.table == "expect":
        return Result("", f"{NAME}: 0 expectations have been shown.\n")
    if asked.command == "-G" and not rows:
        return Result("", f"{NAME}: Operation failed: such conntrack doesn't exist\n", 1)
    done = "deleted" if asked.command == "-D" else "shown"
    text = "".join(text_of(row, process.world.clock, asked.output) for row in rows)
    missing = asked.command == "-D" and not rows
    return Result(text, f"{NAME}: {len(rows)} flow entries have been {done}.\n", int(missing))


def _read(words: list[str]) -> Asked:
    asked = Asked()
    while words:
        word = words.pop(0)
        option = LONG.get(word, word)
        if option in COMMANDS:
            if asked.command:
                raise fail("Invalid commands combination")
            asked.command = option
        elif option in ("-o", "-f"):
            _choose(asked, option, _value(option, words))
        elif option in FILTERS:
            asked.wanted[option] = _value(option, words)
        elif option in ELSEWHERE:
            raise CommandError(f"conntrack {word}: this is not modelled here\n", 1)
        elif option in TABLES:
            asked.table = option
        else:
            raise fail(f"unknown option `{word}'" if word.startswith("-") else f"unknown type `{word}'")
    _check(asked)
    return asked


def _choose(asked: Asked, option: str, value: str) -> None:
    """``-o extended,id`` and ``-f ipv6``."""
    if option == "-f":
        if value not in FAMILIES:
            raise fail(f"`{value}' unsupported protocol")
        asked.family = value
        return
    asked.output = tuple(value.split(","))
    for word in asked.output:
        if word not in OUTPUTS:
            raise fail(f"Bad parameter `{word}'")
    if {"xml", "save"} & set(asked.output):
        raise CommandError(f"conntrack -o {value}: this form is not modelled here\n", 1)


def _value(option: str, words: list[str]) -> str:
    if option in OPTIONAL and (not words or words[0].startswith("-")):
        return ""
    if not words:
        raise fail(f"option `{option}' requires an argument")
    return words.pop(0)


def _check(asked: Asked) -> None:
    """Every value is one of its kind, and a protocol's own options have their protocol."""
    wanted = asked.wanted
    protocol = wanted.get("-p", "").lower()
    if protocol:
        wanted["-p"] = protocol = _protocol(protocol)
    for option, value in wanted.items():
        if (option.startswith("--")) and option not in OWN.get(protocol, ()):
            raise fail(f"unknown option `{option}'")
        if option in ("-s", "-d", "-r", "-q") or (option in OPTIONAL and value):
            _check_address(value)
    if "--state" in wanted and wanted["--state"] not in STATES.get(protocol, ()):
        raise fail(f"unknown {protocol.upper()} state `{wanted['--state']}'")
    for word in wanted.get("-u", "").split(",") if "-u" in wanted else []:
        if word not in STATUS:
            raise fail(f"Bad parameter `{word}'")
    if asked.command == "-G":
        _check_get(wanted)


def _check_get(wanted: Mapping[str, str]) -> None:
    """``-G`` names one connection."""
    if "-p" not in wanted:
        raise fail("You need to supply the `--protonum' option for this command")
    if not {"-s", "-d"} <= wanted.keys() and not {"-r", "-q"} <= wanted.keys():
        raise fail("you have to specify `--src' and `--dst'")


def _protocol(name: str) -> str:
    """The engine's word for a protocol, by name or by number."""
    numbers = {str(number): ours for ours, (_, number) in PROTOCOLS.items()}
    names = {theirs: ours for ours, (theirs, _) in PROTOCOLS.items() if theirs != "unknown"}
    if name.isdigit() and int(name) < 256:
        return numbers.get(name, name)
    if name not in names:
        raise fail(f"`{name}' unsupported protocol")
    return names[name]


def _check_address(value: str) -> None:
    try:
        ip.network(value)
    except ValueError:
        raise fail(f"Invalid IP address `{value}'") from None
