"""``nc``: try a port (OpenBSD netcat).

``nc -zv HOST PORT`` says whether something listens. UDP has no handshake: a port counts as open unless somebody says
that it is not.

Left out: talking through it, and listening (``-l``): a program here ends at once.
"""

from __future__ import annotations

import re
from collections.abc import Generator

from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import socket
from k8slearn.linux.program import Result, Running
from k8slearn.shell.iptables_list import SERVICES
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import resolve

LISTENING = (
    "listening (-l) is not modelled here: a program ends before anybody could connect. The containers of a Pod listen "
    "on the ports that its manifest names; `ss -ltn` lists who listens"
)
USAGE = "usage: nc [-nuvz] [-p source_port] [-w timeout] destination port\n"


def program(process: Process) -> Running:
    """Run ``nc [-z] [-v] [-u] [-n] [-p SOURCE] [-w SECONDS] HOST PORT|FIRST-LAST``."""
    flags, patience, sport, rest = _read(list(process.argv))
    if len(rest) != 2 or not re.fullmatch(r"\d+(-\d+)?", rest[1]):
        raise CommandError(USAGE, 1)
    first, _, last = rest[1].partition("-")
    ports = range(int(first), int(last or first) + 1)
    if not ports or ports[-1] > 65535 or not ports[0]:
        raise CommandError(f"nc: port number invalid: {rest[1]}\n", 1)
    if len(ports) > 1000:
        raise CommandError("nc: at most 1000 ports at a time here\n", 1)
    address, error, _ = yield from resolve(process, rest[0])
    if address is None:
        wrong = f'nc: getaddrinfo for host "{rest[0]}" port {rest[1]}: {error}\n'
        raise CommandError(wrong, 1)
    said, code = "", 1
    for port in ports:
        text, done = yield from _try(process, flags, min(patience, process.limit), sport, rest[0], address, port)
        said, code = said + text, code if done else 0
    return Result("", said, 124 if process.limit < patience and "timed out" in said else code)


def _read(words: list[str]) -> tuple[set[str], float, int | None, list[str]]:
    flags, patience, sport, rest = set[str](), socket.PATIENCE, None, list[str]()
    while words:
        word = words.pop(0)
        if word.startswith("-w") and (len(word) > 2 or words):
            value = word[2:] or words.pop(0)
            if not value.isdigit() or not int(value):
                raise CommandError(f"nc: timeout too small: {value}\n", 1)
            patience = min(float(value), socket.PATIENCE)
        elif word.startswith("-p") and (len(word) > 2 or words):
            value = word[2:] or words.pop(0)
            if not value.isdigit() or not 0 < int(value) < 65536:
                raise CommandError(f"nc: port number invalid: {value}\n", 1)
            sport = int(value)
        elif word.startswith("-"):
            flags |= set(word[1:])
        else:
            rest.append(word)
    if "l" in flags:
        raise CommandError(f"nc: {LISTENING}\n", 1)
    if flags - set("zvun4"):
        raise CommandError(f"nc: invalid option -- '{sorted(flags - set('zvun4'))[0]}'\n{USAGE}", 1)
    return flags, patience, sport, rest


def _try(
    process: Process, flags: set[str], patience: float, sport: int | None, host: str, address: str, port: int
) -> Generator[Command, None, tuple[str, int]]:
    """One port: what ``-v`` says of it, and 0 when it is open."""
    proto = "udp" if "u" in flags else "tcp"
    attempts = max(1, sum(time < patience for time in socket.SYN_TIMES))
    attempt = yield from socket.connect(
        process.world, process.netns, address, port, proto, sport=sport, attempts=attempts, recording=True
    )
    outcome, error = attempt.ending.outcome, attempt.ending.error
    service = SERVICES.get(str(port), "*")
    if outcome == "connected" or (proto == "udp" and outcome == "timeout"):
        named = "*" if "n" in flags else service
        return f"Connection to {host} {port} port [{proto}/{named}] succeeded!\n" if "v" in flags else "", 0
    why = "timed out: Operation now in progress" if outcome == "timeout" else f"failed: {error}"
    if proto == "udp":
        return "", 1
    return f"nc: connect to {host} port {port} ({proto}) {why}\n" if "v" in flags or outcome != "refused" else "", 1
