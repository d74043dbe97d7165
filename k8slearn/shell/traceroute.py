"""``traceroute``: which routers are on the way (Debian's, 2.1.2).

A packet may pass only so many routers (its TTL); the one at which that number reaches 0 throws it away and tells the
sender (ICMP time exceeded), and so gives away its address. ``traceroute`` sends packets with a TTL of 1, 2, 3, ...
until the destination itself answers: to a UDP port at which nobody listens (33434 and up: "port unreachable"), with
``-I`` an echo request, with ``-T`` a TCP SYN that is never followed by an ACK. A star is a probe that nobody answered
in 5 seconds: a firewall, a router that is silent, or a way back that does not exist.

Each probe is a real walk; a round trip takes 0.05 ms, and what queues on the way and neighbours that never answer add.

Left out: names of routers, the other methods and options, probes side by side (``-N``): one is sent after the other.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import socket
from k8slearn.linux.program import Result, Running
from k8slearn.packet import Packet
from k8slearn.shell.ping import TIME, forbidden
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import resolve
from k8slearn.trace import Attempt

USAGE = "Usage:\n  traceroute [ -46nITU ] [ -f first_ttl ] [ -m max_ttl ] [ -p port ] [ -q nqueries ] [ -s src_addr ]\n"
USAGE += "             [ -w MAX ] host [ packetlen ]\n"
VALUES = {
    "f": "first_ttl",
    "m": "max_ttl",
    "N": "squeries",
    "p": "port",
    "q": "nqueries",
    "s": "src_addr",
    "w": "MAX,HERE,NEAR",
}
FLAGS = "46nITU"
ELSEWHERE = "dFreADVgitlzMOP"
PORTS = {"": 33434, "U": 53, "T": 80, "I": 0}
"""Method -> the port of its (first) probe."""
MARKS: Mapping[str, str] = {
    **dict.fromkeys(("net-unreachable", "no-route"), "!N"),
    **dict.fromkeys(("host-unreachable", "addr-unreachable", "beyond-scope"), "!H"),
    **dict.fromkeys(("net-prohibited", "host-prohibited", "admin-prohibited", "adm-prohibited"), "!X"),
    **{"proto-unreachable": "!P", "port-unreachable": "", "time-exceeded": "", "policy-fail": "!<5>"},
    **{"reject-route": "!<6>", "frag-needed": "!F-{mtu}", "packet-too-big": "!F-{mtu}"},
}
"""An ICMP error -> the mark that a probe gets."""
HEADERS = {"udp": 28, "icmp": 28, "tcp": 40}


@dataclass(slots=True)
class Asked:
    """A command line."""

    told: dict[str, str]
    host: str = ""
    length: int = 0
    """Bytes of a probe, with its IP header; 0: nobody said."""

    def number(self, letter: str, default: int) -> int:
        return int(self.told.get(letter, default))

    @property
    def method(self) -> str:
        return next((letter for letter in "ITU" if letter in self.told), "")

    @property
    def wait(self) -> float:
        return float(self.told.get("w", "5").partition(",")[0]) or 5.0


class Answer(NamedTuple):
    """What came of one probe."""

    src: str = ""
    time: float = 0.0
    """Milliseconds."""
    mark: str = ""
    final: bool = False


def program(process: Process) -> Running:
    """Run ``traceroute``."""
    asked = _read(list(process.argv))
    address, error, _ = yield from resolve(process, asked.host)
    if address is None or ("4" in asked.told and ":" in address) or ("6" in asked.told and ":" not in address):
        name = f'Cannot handle "host" cmdline arg `{asked.host}\' on position 1 (argc {len(process.argv)})\n'
        raise CommandError(f"{asked.host}: {error or 'Name or service not known'}\n{name}", 2)
    first, hops = asked.number("f", 1), asked.number("m", 30)
    text = f"traceroute to {asked.host} ({address}), {hops} hops max, {_length(asked, address)} byte packets"
    identity, number = None, 0
    for ttl in range(first, hops + 1):
        answers: list[Answer] = []
        for _ in range(asked.number("q", 3)):
            attempt = yield from _probe(process, asked, address, ttl, number, identity)
            complaint = _complaint(process, attempt)
            if complaint:
                early = complaint.startswith("connect") and asked.method in ("I", "T")
                return Result("" if early else text, f"\n{complaint}\n", 1)
            identity, number = identity or attempt.steps[0].before.sport, number + 1
            answers.append(_answer(process, attempt, asked))
        text += f"\n{ttl:2} " + "".join(_told(asked, answers))
        if process.limit < asked.wait and not all(answer.src for answer in answers):
            return Result(text, "", 124)
        if any(answer.final for answer in answers):
            break
    return Result(f"{text}\n")


def _probe(
    process: Process, asked: Asked, address: str, ttl: int, number: int, identity: int | None
) -> Generator[Command, None, Attempt]:
    """One packet and what comes back. Only the default method counts its ports up; pings of one call share an id."""
    proto = {"I": "icmp", "T": "tcp"}.get(asked.method, "udp")
    port = asked.number("p", PORTS[asked.method]) + (0 if asked.method else number)
    attempt = yield from socket.connect(
        process.world,
        process.netns,
        address,
        0 if proto == "icmp" else port,
        proto,
        sport=identity if proto == "icmp" else None,
        attempts=1,
        ttl=ttl,
        size=_length(asked, address) if proto != "tcp" else 0,
        discover="dont",
        source=asked.told.get("s", ""),
        recording=True,
        patience=asked.wait,
        half_open=True,
    )
    return attempt


def _length(asked: Asked, address: str) -> int:
    """An IP header and 40 bytes, unless somebody says more."""
    six = 20 if ":" in address else 0
    proto = {"I": "icmp", "T": "tcp"}.get(asked.method, "udp")
    return max(asked.length, HEADERS[proto] + six) if asked.length and proto != "tcp" else 60 + six


def _complaint(process: Process, attempt: Attempt) -> str:
    """What the socket said where the probe never left."""
    if _heard(process, attempt) is not None:
        return ""
    if len(attempt.steps) == 1 and attempt.ending.error:
        return f"connect: {attempt.ending.error}"
    words = forbidden(process, attempt)
    return f"send: {words}" if words else ""


def _heard(process: Process, attempt: Attempt) -> Packet | None:
    """The answer to a probe, whoever sent it."""
    steps = (step for leg in attempt.legs[1:] for step in leg.steps)
    return next((step.before for step in steps if step.where == process.netns and step.what == "deliver"), None)


def _answer(process: Process, attempt: Attempt, asked: Asked) -> Answer:
    """Who answered a probe, after how long, and what it means."""
    packet = _heard(process, attempt)
    slow = any(step.reason == "NEIGH_FAILED" for step in attempt.steps)
    time = TIME + 1000 * (attempt.heard + slow * socket.NEIGHBOUR_TIMEOUT)
    if packet is None or time > 1000 * asked.wait:
        return Answer()
    mark = MARKS.get(packet.flags, "").format(mtu=packet.mtu)
    return Answer(packet.src, time, mark, packet.flags != "time-exceeded")


def _told(asked: Asked, answers: list[Answer]) -> Iterator[str]:
    """A hop's line: an address is said again where it is another one than the last."""
    last = ""
    for answer in answers:
        if not answer.src:
            yield " *"
            continue
        name = answer.src if "n" in asked.told else f"{answer.src} ({answer.src})"
        yield f" {name}" if answer.src != last else ""
        yield f"  {answer.time:.3f} ms{f' {answer.mark}' if answer.mark else ''}"
        last = answer.src


# --- the command line ------------------------------------------------------------------------------


def _read(words: list[str]) -> Asked:
    asked, rest, at = Asked({}), list[str](), 0
    while at < len(words):
        word, at = words[at], at + 1
        if word.startswith("-") and word != "-":
            at = _option(asked, word, words, at)
        else:
            rest.append(word)
    if not rest:
        raise CommandError(USAGE, 2)
    asked.host = rest[0]
    if len(rest) > 1:
        if not rest[1].isdecimal():
            says = f'Cannot handle "packetlen" cmdline arg `{rest[1]}\' on position 2 (argc {len(words)})\n'
            raise CommandError(says, 2)
        asked.length = int(rest[1])
    return _in_bounds(asked)


def _option(asked: Asked, word: str, words: list[str], at: int) -> int:
    """Several letters in one word, the last one perhaps with a value; returns where the next word stands."""
    for place, letter in enumerate(word[1:], 1):
        if letter in VALUES:
            value = word[place + 1 :]
            if not value and at == len(words):
                says = f"Option `-{letter}' (argc {at}) requires an argument: `-{letter} {VALUES[letter]}'\n"
                raise CommandError(says, 2)
            if not value:
                value, at = words[at], at + 1
            asked.told[letter] = _checked(letter, value, at)
            break
        if letter not in FLAGS:
            known = letter in ELSEWHERE or word.startswith("--")
            says = f"traceroute {word}: this is not modelled here" if known else f"Bad option `-{letter}' (argc {at})"
            raise CommandError(f"{says}\n", 2)
        asked.told[letter] = ""
    return at


def _checked(letter: str, value: str, place: int) -> str:
    number = value.partition(",")[0].replace(".", "", 1) if letter == "w" else value
    if letter != "s" and not number.isdecimal():
        raise CommandError(f"Cannot handle `-{letter}' option with arg `{value}' (argc {place})\n", 2)
    return value


def _in_bounds(asked: Asked) -> Asked:
    hops, first = asked.number("m", 30), asked.number("f", 1)
    complaints = {
        "first hop out of range": not 0 < first <= hops,
        "max hops cannot be more than 255": hops > 255,
        "no more than 10 probes per hop": not 0 < asked.number("q", 3) <= 10,
        "too big packetlen 65001 specified": asked.length > 65000,
    }
    for complaint, holds in complaints.items():
        if holds:
            raise CommandError(f"{complaint}\n", 2)
    return asked
