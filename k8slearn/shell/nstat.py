"""``nstat``: the kernel's counters of a network namespace (SNMP names: ``IpInReceives``, ``IcmpOutEchos``).

The real tool reads ``/proc/net/snmp``, ``snmp6`` and ``netstat`` and keeps what it saw in a file of history, so that
the next call prints only what came since. The file (``/tmp/.nstat.u0``, or what ``NSTAT_HISTORY`` says) belongs to the
machine, not to a namespace: asked in two namespaces in turn, ``nstat`` compares one with the other, and where a counter
is smaller than before it prints nothing. ``nstat -a`` prints all there is.

Ours prints the rows of the table ``nstat``, which conversations that were recorded count up (`skb.Net.stat`); `COUNTED`
names them in the order in which the kernel prints them.

Left out: rates (``-d``, ``-t``), JSON, and every counter that is not in `COUNTED`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from k8slearn.errors import CommandError
from k8slearn.journal import Put
from k8slearn.linux.listen import speaks_ipv6
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

IP = (
    "InReceives InHdrErrors InAddrErrors ForwDatagrams InDelivers OutRequests OutNoRoutes ReasmReqds ReasmOKs FragOKs "
    "FragFails FragCreates OutTransmits"
)
IP6 = (
    "InReceives InHdrErrors InNoRoutes InAddrErrors InDelivers OutForwDatagrams OutRequests OutNoRoutes ReasmReqds "
    "ReasmOKs FragOKs FragFails FragCreates OutTransmits"
)
ICMP = "DestUnreachs TimeExcds Echos EchoReps"
ICMP6 = "DestUnreachs PktTooBigs TimeExcds ParmProblems Echos EchoReplies NeighborSolicits NeighborAdvertisements"


def _icmp(prefix: str, kinds: str) -> dict[str, list[str]]:
    return {way: [f"{prefix}{way}{kind}" for kind in kinds.split()] for way in ("In", "Out")}


FOUR, SIX = _icmp("Icmp", ICMP), _icmp("Icmp6", ICMP6)
COUNTED = (
    *(f"Ip{name}" for name in IP.split()),
    *("IcmpInMsgs", *FOUR["In"], "IcmpOutMsgs", *FOUR["Out"]),
    *(f"Ip6{name}" for name in IP6.split()),
    *("Icmp6InMsgs", "Icmp6OutMsgs", *SIX["In"], *SIX["Out"]),
    *("TcpExtIPReversePathFilter", "IpExtInNoRoutes"),
)
TYPED = ("IcmpMsg", "Icmp6InType", "Icmp6OutType")
"""Counters of one ICMP type each: the kernel shows them once they have counted something."""
BEFORE = {"IcmpMsg": "Ip6InReceives", "Icmp6InType": "TcpExtIPReversePathFilter"}
OPTIONS = {
    **{"-a": "a", "--ignore": "a", "-s": "s", "--noupdate": "s", "-z": "z", "--zeros": "z"},
    **{"-n": "n", "--nooutput": "n", "-r": "r", "--reset": "r"},
}


def program(process: Process) -> Running:
    """``nstat [-a] [-s] [-z] [-n] [-r] [PATTERN...]``."""
    flags, patterns = _options(process.argv)
    rows = {str(name): row[0] for name, row in process.world.table(process.netns, "nstat").items()}
    place = (process.files or process.netns, "file", process.env.get("NSTAT_HISTORY", "/tmp/.nstat.u0"))
    before = {} if "r" in flags else _history(process.world.get(place) or "")
    printed = kept = "#kernel\n"
    for name in _names(rows, speaks_ipv6(process.world, process.netns)):
        now, wanted = rows.get(name, 0), _wanted(name, patterns)
        came = now if "a" in flags else max(0, now - before.get(name, 0))
        if wanted and (came or "z" in flags):
            printed += _line(name, came)
        if now or "z" in flags:
            kept += _line(name, now if wanted else before.get(name, now))
    if "s" not in flags:
        yield Put(place, kept)
    return Result("" if "n" in flags else printed)


def _line(name: str, value: int) -> str:
    return f"{name:<32}{value:<16}{0.0:6.1f}\n"


def _history(text: str) -> dict[str, int]:
    """What the last call saw: counter -> value."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def netstat(process: Process) -> Running:
    """``netstat`` is not here."""
    yield from ()
    raise CommandError("netstat: not modelled here; `nstat -az` shows the counters and `ss -tln` the sockets\n", 1)


def _options(words: tuple[str, ...]) -> tuple[set[str], list[str]]:
    flags: set[str] = set()
    patterns: list[str] = []
    for word in words:
        letters = [word] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
        if not word.startswith("-"):
            patterns.append(word)
        elif all(letter in OPTIONS for letter in letters):
            flags.update(OPTIONS[letter] for letter in letters)
        else:
            raise CommandError(f"nstat: option {word} is not modelled here; -a, -s, -z, -n and -r are\n", 1)
    return flags, patterns


def _names(rows: dict[str, int], six: bool) -> list[str]:
    """Every counter in the kernel's order, those of single ICMP types where the kernel has them."""
    names: list[str] = []
    for name in COUNTED:
        for prefix, before in BEFORE.items():
            if name == before:
                first = TYPED[:1] if prefix == "IcmpMsg" else TYPED[1:]
                names += [typed for kind in first for typed in sorted(rows, key=_number) if typed.startswith(kind)]
        names.append(name)
    return [name for name in names if six or not name.startswith(("Ip6", "Icmp6"))]


def _number(name: str) -> tuple[str, int]:
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or 0)


def _wanted(name: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
