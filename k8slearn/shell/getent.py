"""``getent hosts``, which asks as every program does, and ``host``, which asks name servers itself.

Left out: ``getent``'s other databases, ``host`` with ``-a``, ``-l`` and ``-v``.
"""

from __future__ import annotations

from collections.abc import Generator

from k8slearn import dns
from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import ip
from k8slearn.linux.program import Result, Running
from k8slearn.linux.resolver import Sent
from k8slearn.shell.dns_query import Asker, question, why
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import look_up

FOUND = {
    "A": "{} has address {}",
    "AAAA": "{} has IPv6 address {}",
    "CNAME": "{} is an alias for {}",
    "PTR": "{} domain name pointer {}",
    "SRV": "{} has SRV record {}",
    "TXT": "{} descriptive text {}",
    "NS": "{} name server {}",
    "MX": "{} mail is handled by {}",
    "SOA": "{} has SOA record {}",
}
BY_ITSELF = ("A", "AAAA", "MX")
"""What ``host NAME`` asks for."""
NUMBERS = {"SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}


def program(process: Process) -> Running:
    """``getent hosts|ahosts|ahostsv4|ahostsv6 NAME...``."""
    words = list(process.argv)
    if not words or words[0] not in ("hosts", "ahosts", "ahostsv4", "ahostsv6"):
        raise CommandError(f"Unknown database: {words[0] if words else ''}\n", 1)
    out, code = "", 0
    for name in words[1:]:
        text = yield from (_hosts if words[0] == "hosts" else _ahosts)(process, name, words[0])
        out, code = out + text, code if text else 2
    return Result(out, "", code)


def _hosts(process: Process, name: str, database: str) -> Generator[Command, None, str]:
    """gethostbyname2(): IPv6 addresses where the name has some, or else IPv4 ones."""
    if ip.is_address(name):
        found = yield from look_up(process, dns.pointer(name), ("PTR",))
        return f"{name:<15} {found.addresses[0].rstrip('.')}\n" if found.addresses else ""
    for kind in ("AAAA", "A"):
        found = yield from look_up(process, name, (kind,))
        of_kind = [address for address in found.addresses if (":" in address) == (kind == "AAAA")]
        if of_kind:
            return "".join(f"{address:<15} {found.canonical}\n" for address in of_kind)
    return ""


def _ahosts(process: Process, name: str, database: str) -> Generator[Command, None, str]:
    """getaddrinfo(): every address, once for each kind of socket."""
    kinds = {"ahosts": ("A", "AAAA"), "ahostsv4": ("A",), "ahostsv6": ("AAAA",)}[database]
    found = yield from look_up(process, name, kinds)
    out = ""
    for number, address in enumerate(found.addresses):
        first = f" {found.canonical}" if not number else ""
        out += f"{address:<15} STREAM{first}\n{address:<15} DGRAM\n{address:<15} RAW\n"
    return out


def host(process: Process) -> Running:
    """``host [-t TYPE] NAME [SERVER]``."""
    words = list(process.argv)
    kinds: tuple[str, ...] = BY_ITSELF
    if words[:1] == ["-t"] and len(words) > 2 and words[1].upper() in dns.TYPES:
        kinds = (words[1].upper(),)
        words = words[2:]
    if not 1 <= len(words) <= 2 or words[0].startswith("-"):
        raise CommandError("Usage: host [-t type] hostname [server]\n", 1)
    name, back = question(words[0])
    if not dns.is_name(name):
        raise CommandError(f"host: convert UTF-8 textname to IDN encoding: empty label: {name}\n", 1)
    asker = Asker(process)
    servers = yield from asker.servers(words[1] if len(words) > 1 else "")
    if servers is None:
        raise CommandError(f"host: couldn't get address for '{words[1]}': not found\n", 1)
    first = yield from asker.along(servers, name, back or kinds[0])
    found = [first[-1]]
    if first[-1].rcode == "NOERROR" and not back:
        for kind in kinds[1:]:
            found += (yield from asker.once(servers, first[-1].name, kind))[-1:]
    yield from asker.done()
    return _told(name, first, found)


def _told(name: str, first: list[Sent], found: list[Sent]) -> Result:
    if first[-1].answer is None:
        refused = why(first) == "connection refused"
        lines = (
            f";; communications error to {first[-1].server}#53: connection refused\n" * len(first) if refused else ""
        )
        return Result(f"{lines};; no servers could be reached\n", "", 1)
    if first[-1].rcode != "NOERROR":
        rcode = first[-1].rcode
        return Result(f"Host {name.rstrip('.')} not found: {NUMBERS.get(rcode, 2)}({rcode})\n", "", 1)
    records = [record for sent in found if sent.answer is not None for record in sent.answer.answer]
    lines = "".join(f"{FOUND[r.type].format(r.name.rstrip('.'), r.data)}\n" for r in dict.fromkeys(records))
    full, kind = first[-1].name.rstrip("."), first[-1].type
    return Result(lines or f"{full} has no {kind} record\n")
