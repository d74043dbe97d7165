"""``dig``: one question to one name server, and everything that came back, as BIND 9.18 prints it.

dig asks for a name as it stands; only ``+search`` makes it walk the search list.

Left out: several questions in one run, DNSSEC, cookies, ``+trace``, ``-f``, ``-b``; nothing takes time (0 msec).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from k8slearn import dns
from k8slearn.api import EPOCH
from k8slearn.dns import Message, Record
from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import ip
from k8slearn.linux.program import Result, Running
from k8slearn.linux.resolver import Sent
from k8slearn.shell.dns_query import EDNS, Asker, Servers, why
from k8slearn.shell.process import Process

VERSION = "9.18.28"
SECTIONS = ("question", "answer", "authority", "additional")
SHOWN = ("cmd", "comments", "stats", *SECTIONS)
TTL, CLASS, TYPE, DATA = 24, 32, 40, 48
"""The columns of a record."""
NO_SERVER = ";; no servers could be reached\n"
ASKING = {"tcp": "tcp", "vc": "tcp", "search": "search", "defname": "search", "short": "short", "recurse": "recurse"}
IGNORED = ("edns", "cookie", "dnssec", "multiline", "ttlid", "class", "crypto", "ignore", "fail", "qr", "identify")


@dataclass(slots=True)
class Asked:
    """A command line."""

    name: str = ""
    type: str = ""
    server: str = ""
    port: int = 53
    timeout: int = 5
    tries: int = 3
    flags: dict[str, bool] = field(default_factory=dict)
    shown: set[str] = field(default_factory=lambda: set(SHOWN))

    def says(self, flag: str) -> bool:
        return self.flags.get(flag, False)


def program(process: Process) -> Running:
    """Run ``dig [@SERVER] [-x ADDRESS] [-t TYPE] [-p PORT] NAME [TYPE] [+OPTION...]``."""
    asked = _read(list(process.argv))
    asker = Asker(process, EDNS if asked.flags.get("edns", True) else 0, asked.timeout)
    servers = yield from asker.servers(asked.server)
    if servers is None:
        raise CommandError(f"dig: couldn't get address for '{asked.server}': not found\n", 10)
    head = f"\n; <<>> DiG {VERSION} <<>> {' '.join(process.argv)}\n;; global options: +cmd\n"
    head = "" if asked.says("short") or "cmd" not in asked.shown else head
    tried = yield from _asked(asker, asked, servers)
    yield from asker.done()
    if tried[-1].answer is None:
        return Result(head + _silence(tried), "", 9)
    if asked.says("short"):
        return Result("".join(f"{record.data}\n" for record in tried[-1].answer.answer))
    return Result(head + "".join(_printed(process, asked, tried[-1], tried[-1].answer)))


def _asked(asker: Asker, asked: Asked, servers: Servers) -> Generator[Command, None, list[Sent]]:
    told = servers._replace(port=asked.port, tries=asked.tries, protocol="tcp" if asked.says("tcp") else "udp")
    if asked.says("search"):
        return (yield from asker.along(told, asked.name, asked.type))
    return (yield from asker.once(told, dns.absolute(asked.name), asked.type))


def _silence(tried: list[Sent]) -> str:
    lines = [f";; communications error to {sent.server}#53: {why([sent])}\n" for sent in tried if sent.answer is None]
    return "".join(lines) + "\n" + NO_SERVER


def _read(words: list[str]) -> Asked:
    asked = Asked()
    while words:
        word = words.pop(0)
        if word.startswith("@"):
            asked.server = word[1:]
        elif word.startswith("+"):
            _plus(asked, word[1:])
        elif word.startswith("-"):
            _dash(asked, word, words)
        elif word.upper() in dns.TYPES:
            asked.type = word.upper()
        elif word.upper() != "IN":
            asked.name = word
    asked.name = asked.name or "."
    asked.type = asked.type or ("NS" if asked.name == "." else "A")
    if asked.name != "." and not dns.is_name(asked.name):
        raise CommandError(f"dig: '{asked.name}' is not a legal name (empty label)\n", 10)
    return asked


def _plus(asked: Asked, word: str) -> None:
    name, _, value = word.partition("=")
    on, plain = not name.startswith("no"), name.removeprefix("no")
    if plain == "all":
        asked.shown = set(SHOWN) if on else set()
    elif plain in SHOWN:
        (asked.shown.add if on else asked.shown.discard)(plain)
    elif name in ("time", "timeout", "tries", "retry") and value.isdecimal():
        if name.startswith("time"):
            asked.timeout = max(1, int(value))
        else:
            asked.tries = max(1, int(value) + (name == "retry"))
    elif plain in ASKING:
        asked.flags[ASKING[plain]] = on
    elif plain in IGNORED:
        asked.flags[plain] = on
    else:
        raise CommandError(f"Invalid option: +{word}\n", 1)


def _dash(asked: Asked, word: str, words: list[str]) -> None:
    if word in ("-4", "-6"):
        return
    letter, value = word[:2], word[2:] or (words.pop(0) if words else "")
    if letter == "-x" and ip.is_address(value):
        asked.name, asked.type = dns.pointer(value), "PTR"
    elif letter == "-t" and value.upper() in dns.TYPES:
        asked.type = value.upper()
    elif letter == "-p" and value.isdecimal():
        asked.port = int(value)
    elif letter == "-q" and value:
        asked.name = value
    else:
        raise CommandError(f"Invalid option: {word}\n", 1)


# -- what is printed -----------------------------------------------------------------------------------------------


def _printed(process: Process, asked: Asked, sent: Sent, answer: Message) -> Iterator[str]:
    if "comments" in asked.shown:
        yield from _heading(answer)
    if "question" in asked.shown:
        comment = ";; QUESTION SECTION:\n" if "comments" in asked.shown else ""
        yield comment + _columns(f";{answer.name}", ("IN", CLASS), (answer.type, TYPE)) + "\n\n"
    for section in SECTIONS[1:]:
        records: tuple[Record, ...] = getattr(answer, section)
        if records and section in asked.shown:
            comment = f";; {section.upper()} SECTION:\n" if "comments" in asked.shown else ""
            yield comment + "".join(f"{line(record)}\n" for record in records)
            yield "\n" if "comments" in asked.shown else ""
    if "stats" in asked.shown:
        yield ";; Query time: 0 msec\n"
        yield f";; SERVER: {sent.server}#{asked.port}({asked.server or sent.server}) ({sent.protocol.upper()})\n"
        yield f";; WHEN: {EPOCH + timedelta(seconds=process.world.clock):%a %b %d %H:%M:%S UTC %Y}\n"
        yield f";; MSG SIZE  rcvd: {len(sent.attempt.ending.payload)}\n\n"


def _heading(answer: Message) -> Iterator[str]:
    bits = {"qr": True, "aa": answer.authoritative, "tc": answer.truncated, "rd": answer.recursion_desired}
    bits["ra"] = answer.recursion_available
    flags = " ".join(name for name, is_set in bits.items() if is_set)
    counts = (len(answer.answer), len(answer.authority), len(answer.additional) + bool(answer.edns))
    yield f";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: {answer.rcode}, id: {answer.id}\n"
    yield f";; flags: {flags}; QUERY: 1, " + "ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}\n".format(*counts)
    if answer.recursion_desired and not answer.recursion_available:
        yield ";; WARNING: recursion requested but not available\n"
    yield "\n"
    if answer.edns:
        yield f";; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: {answer.edns}\n"


def line(record: Record) -> str:
    """A record in dig's columns."""
    told = ((str(record.ttl), TTL), ("IN", CLASS), (record.type, TYPE), (record.data, DATA))
    return _columns(record.name, *told)


def _columns(first: str, *words: tuple[str, int]) -> str:
    """Each word at its column, or one place behind what stands there already (BIND's `masterdump.c: indent`)."""
    text, at = first, len(first.removeprefix(";"))
    for word, column in words:
        to = max(column, at + 1)
        tabs = to // 8 - at // 8
        text += "\t" * tabs + " " * (to - (to // 8 * 8 if tabs else at)) + word
        at = to + len(word)
    return text
