"""``ping``: one echo request after the other, and what comes back (iputils 20221126).

Each request is a real walk. What nobody answered is told by silence, what a router or one's own kernel gave up on by
a line ``From ...``. A round trip takes 0.05 ms, and what queues on
the way add to that (`linux/qdisc.py`): nothing is measured here. A real ``ping`` goes on until somebody stops
it; this one stops after 4 requests when ``-c`` does not say how many.

With ``-s SIZE -M do`` it finds out how long packets may be: nobody may cut them, so a router that cannot pass them on
has to say so. ``ping`` takes IPv6 addresses too (``ping6`` is the same program).

Left out: flooding, record route, zones (``fe80::1%eth0``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator
from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import fib, ip, pmtu, socket
from k8slearn.linux.path import LOCAL_ERRORS
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import resolve
from k8slearn.trace import Attempt, Step

COUNT, DATA, TIME = 4, 56, 0.05
LINGER = 10.0
"""Seconds that it waits for an answer unless ``-W`` says otherwise."""
VALUES = ("c", "W", "w", "I", "t", "s", "i", "M")
FLAGS = ("n", "q", "4", "6", "v", "O", "D")
USAGE = (
    "\nUsage\n  ping [-n] [-q] [-4|-6] [-c count] [-I interface] [-M pmtudisc] [-s size] [-t ttl] [-W timeout] "
    "<destination>\n"
)
MESSAGES = {
    "net-unreachable": "Destination Net Unreachable",
    "host-unreachable": "Destination Host Unreachable",
    "port-unreachable": "Destination Port Unreachable",
    "proto-unreachable": "Destination Protocol Unreachable",
    "net-prohibited": "Dest Unreachable, Bad Code: 9",
    "host-prohibited": "Destination Host Prohibited",
    "admin-prohibited": "Packet filtered",
    "time-exceeded": "Time to live exceeded",
    "frag-needed": "Frag needed and DF set (mtu = {mtu})",
}
"""An ICMP message -> ping's words for it."""
MESSAGES6 = {
    "no-route": "Destination unreachable: No route",
    "adm-prohibited": "Destination unreachable: Administratively prohibited",
    "beyond-scope": "Destination unreachable: Beyond scope of source address",
    "addr-unreachable": "Destination unreachable: Address unreachable",
    "port-unreachable": "Destination unreachable: Port unreachable",
    "policy-fail": "Destination unreachable: Unknown code 5",
    "reject-route": "Destination unreachable: Unknown code 6",
    "packet-too-big": "Packet too big: mtu={mtu}",
    "time-exceeded": "Time exceeded: Hop limit",
}
HEADERS = {"ip": 28, "ip6": 48}
"""Bytes before the data: the IP header and eight of ICMP."""
TIMED = 16
"""From so many bytes of data on there is room for the time of sending."""
TOO_LONG = "Message too long"
BROADCAST = "ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n"
"""What ping makes of EACCES in IPv4."""


@dataclass(slots=True)
class Asked:
    """A command line."""

    told: dict[str, str]
    destination: str = ""

    def number(self, letter: str, default: int) -> int:
        return int(self.told.get(letter, default))


@dataclass(slots=True)
class Heard:
    """What came of one request: an answer, an error of somebody's, or nothing."""

    answer: Step | None = None
    error: Step | None = None
    local: str = ""
    """The socket's own error: the request never left."""
    time: float = TIME
    """Milliseconds until the answer was here."""


def program(process: Process) -> Running:
    """Run ``ping``."""
    asked = _read(list(process.argv))
    address, error, _ = yield from resolve(process, asked.destination)
    if address is None:
        raise CommandError(f"ping: {asked.destination}: {error}\n", 2)
    if ("4" in asked.told and ":" in address) or ("6" in asked.told and ":" not in address):
        raise CommandError(f"ping: {asked.destination}: Address family for hostname not supported\n", 2)
    source = _source(process, address, asked.told.get("I", ""))
    count, identity = asked.number("c", COUNT), None
    lines = [_head(asked, address, source)]
    heard: list[Heard] = []
    complaints = ""
    for sequence in range(1, min(count, 1 + int(min(process.limit, count))) + 1):
        attempt = yield from _request(process, asked, address, identity)
        identity = identity or _identity(attempt)
        one = _listen(process, attempt)
        if one.local in LOCAL_ERRORS.values():
            broadcast = one.local == "Permission denied" and ":" not in address
            raise CommandError(BROADCAST if broadcast else f"ping: connect: {one.local}\n", 2)
        heard.append(one)
        complaints += _complaint(process, one, address)
        lines += [] if "q" in asked.told else _line(asked, one, sequence)
    if process.limit < count - 1:
        return Result("".join(lines), complaints, 124)
    lines.append(_statistics(asked, heard))
    return Result("".join(lines), complaints, int(not any(one.answer for one in heard)))


def _read(words: list[str]) -> Asked:
    asked = Asked({})
    while words:
        word = words.pop(0)
        found = re.fullmatch(r"-(\w)(.*)", word)
        if found is None:
            asked.destination = word
        elif found[1] in VALUES:
            if not found[2] and not words:
                raise CommandError(f"ping: option requires an argument -- '{found[1]}'\n{USAGE}", 2)
            asked.told[found[1]] = _checked(found[1], found[2] or words.pop(0))
        elif set(word[1:]) <= set(FLAGS):
            asked.told |= dict.fromkeys(word[1:], "")
        else:
            raise CommandError(f"ping: invalid option -- '{found[1]}'\n{USAGE}", 2)
    if not asked.destination:
        raise CommandError("ping: usage error: Destination address required\n", 1)
    return asked


LIMITS = {
    "s": (0, 2147483647, "0 <= value <= 2147483647"),
    "c": (1, 100, "1 <= value <= 9223372036854775807"),
    "t": (0, 255, "0 <= value <= 255"),
}


def _checked(letter: str, value: str) -> str:
    if letter == "M" and value not in ("do", "want", "dont", "probe"):
        raise CommandError(f"ping: invalid -M argument: {value}\n", 2)
    if letter in "IM":
        return value
    if not re.fullmatch(r"-?\d+(\.\d+)?", value) or (letter in LIMITS and not value.removeprefix("-").isdigit()):
        raise CommandError(f"ping: invalid argument: '{value}'\n", 1)
    low, high, words = LIMITS.get(letter, (0, 10**9, ""))
    if not low <= float(value) <= high:
        if letter == "c" and int(value) > high:
            raise CommandError(f"ping: -c {value}: at most {high} requests at a time here\n", 1)
        raise CommandError(f"ping: invalid argument: '{value}': out of range: {words}\n", 1)
    return value


def _source(process: Process, address: str, name: str) -> str:
    """``-I``: one of this namespace's own addresses or devices."""
    if not name:
        return ""
    rows = process.world.table(process.netns, "addr").values()
    if name in process.world.table(process.netns, "link"):
        same = (row for row in rows if row.dev == name and (":" in row.address) == (":" in address))
        return next((f"{row.address} {name}" for row in same if not ip.is_link_local(row.address)), name)
    if not any(row.address == name for row in rows):
        unknown = "Cannot assign requested address" if _is_address(name) else "unknown iface"
        raise CommandError(f"ping: {unknown}: {name}\n" if unknown[0] == "u" else f"ping: bind: {unknown}\n", 2)
    return name


def _is_address(word: str) -> bool:
    try:
        return bool(ip.canonical(word))
    except ValueError:
        return False


def _request(process: Process, asked: Asked, address: str, identity: int | None) -> Generator[Command, None, Attempt]:
    six = ":" in address
    source = asked.told.get("I", "")
    attempt = yield from socket.connect(
        process.world,
        process.netns,
        address,
        0,
        "icmp6" if six else "icmp",
        sport=identity,
        ttl=asked.number("t", 64),
        size=asked.number("s", DATA) + HEADERS["ip6" if six else "ip"],
        discover=asked.told.get("M", "want").replace("probe", "do"),
        source=source if _is_address(source) else "",
        recording=True,
        patience=float(asked.told.get("W", LINGER)),
    )
    return attempt


def _identity(attempt: Attempt) -> int | None:
    """The echo id: one ``ping`` keeps one, so that all its requests are one connection to conntrack."""
    steps = attempt.steps
    return steps[0].before.sport or None if steps else None


def _listen(process: Process, attempt: Attempt) -> Heard:
    heard = Heard()
    for step in attempt.steps:
        if step.where == process.netns and step.what == "deliver" and step.before.proto in ("icmp", "icmp6"):
            if step.before.inner is not None:
                heard.error = step
            elif step.before.flags == "echo-reply":
                heard.answer, heard.time = step, TIME + attempt.seconds * 1000
    if heard.answer is None and heard.error is None:
        heard.local = attempt.ending.error if attempt.ending.outcome == "unreachable" else forbidden(process, attempt)
    return heard


def forbidden(process: Process, attempt: Attempt) -> str:
    """A request that one's own firewall drops on its way out is an error of sendmsg(), not silence."""
    last = attempt.legs[0].steps[-1] if attempt.legs and attempt.legs[0].steps else None
    out = last is not None and last.where == process.netns and last.hook in ("OUTPUT", "POSTROUTING")
    return "Operation not permitted" if out and last is not None and last.what in ("drop", "rule", "policy") else ""


def _head(asked: Asked, address: str, source: str) -> str:
    size = asked.number("s", DATA)
    origin = f" from {source if ' ' in source else source + ' '}:" if source else ""
    if ":" in address:
        return f"PING {asked.destination}({address}){origin} {size} data bytes\n"
    return f"PING {asked.destination} ({address}){origin} {size}({size + 28}) bytes of data.\n"


def _line(asked: Asked, one: Heard, sequence: int) -> list[str]:
    if one.answer is not None:
        packet, size = one.answer.before, asked.number("s", DATA)
        time = f" time={_milliseconds(one.time)} ms" if size >= TIMED else ""
        return [f"{size + 8} bytes from {packet.src}: icmp_seq={sequence} ttl={packet.ttl}{time}\n"]
    if one.error is not None:
        packet = one.error.before
        words = (MESSAGES6 if packet.family == "ip6" else MESSAGES).get(packet.flags, packet.flags)
        return [f"From {packet.src} icmp_seq={sequence} {words.format(mtu=packet.mtu)}\n"]
    return []


def _milliseconds(time: float) -> str:
    """``0.050``, ``1.23``, ``12.3``, ``123``: ping keeps three digits, cut and not rounded."""
    micro = round(time * 1000)
    digits = next((n for n, least in ((0, 100_000), (1, 10_000), (2, 1000)) if micro >= least), 3)
    return f"{micro // 10 ** (3 - digits) / 10**digits:.{digits}f}"


def _complaint(process: Process, one: Heard, address: str) -> str:
    """What the socket itself said, on the error channel."""
    if one.local != TOO_LONG:
        return f"ping: sendmsg: {one.local}\n" if one.local else ""
    found = fib.lookup(process.world, process.netns, address)
    mtu = pmtu.mtu(process.world, process.netns, found, address)
    return f"ping: local error: message too long, mtu{': ' if ':' in address else '='}{mtu}\n"


def _statistics(asked: Asked, heard: list[Heard]) -> str:
    sent, received = len(heard), sum(one.answer is not None for one in heard)
    errors = sum(one.error is not None or one.local == TOO_LONG for one in heard)
    lost = f"{100 * (sent - received) / sent:.6g}"
    text = f"\n--- {asked.destination} ping statistics ---\n{sent} packets transmitted, {received} received, "
    text += f"+{errors} errors, " if errors else ""
    text += f"{lost}% packet loss, time {1000 * (sent - 1)}ms\n"
    timed = received and asked.number("s", DATA) >= TIMED
    return text + (_round_trips([one.time for one in heard if one.answer]) if timed else "\n" if not received else "")


def _round_trips(times: list[float]) -> str:
    mean = sum(times) / len(times)
    spread = math.sqrt(max(0.0, sum(time * time for time in times) / len(times) - mean * mean))
    return f"rtt min/avg/max/mdev = {min(times):.3f}/{mean:.3f}/{max(times):.3f}/{spread:.3f} ms\n"
