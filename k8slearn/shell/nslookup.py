"""``nslookup``: BIND's, and in BusyBox images BusyBox's, of which there are two.

BusyBox before 1.29 asks the C library and prints what that says, with the names that belong to the addresses. Since
1.29 it sends queries itself, and walks the search list only for a name without a dot: ``nslookup kubernetes.default``
finds nothing there, and pages that show it ask for busybox:1.28. BIND's walks the search list as ``ndots`` says.

Left out: the interactive mode, ``set`` options other than the type, ``-debug``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import NamedTuple

from k8slearn import dns
from k8slearn.dns import Message
from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import ip
from k8slearn.linux.program import Result, Running
from k8slearn.linux.resolver import Sent
from k8slearn.shell.dns_query import Asker, Servers, question
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import image, look_up

SILENT = ";; connection timed out; no servers could be reached\n\n"
RECORD: Mapping[str, str] = {
    "A": "Name:\t{name}\nAddress: {data}\n",
    "AAAA": "Name:\t{name}\nAddress: {data}\n",
    "CNAME": "{full}\tcanonical name = {data}\n",
    "PTR": "{full}\tname = {data}\n",
    "SRV": "{full}\tservice = {data}\n",
    "TXT": "{full}\ttext = {data}\n",
    "NS": "{full}\tnameserver = {data}\n",
    "MX": "{full}\tmail exchanger = {data}\n",
}
"""How a record of each type is printed; `name` is without the final dot, as is `full`."""
SOA = (
    "{}\n\torigin = {}\n\tmail addr = {}\n\tserial = {}\n\trefresh = {}\n\tretry = {}\n\texpire = {}\n\tminimum = {}\n"
)
BUSYBOX = re.compile(r"(?:^|/)busybox(?:plus)?(?::(?P<tag>[^@]*))?")


class Asked(NamedTuple):
    """A command line."""

    name: str
    server: str
    type: str
    port: int = 53


def program(process: Process) -> Running:
    """Run ``nslookup [-type=TYPE] NAME [SERVER]``."""
    asked = _read(list(process.argv))
    flavour = _flavour(image(process))
    if flavour == "old":
        return (yield from _libc(process, asked))
    asker = Asker(process)
    servers = yield from asker.servers(asked.server)
    if servers is None:
        raise CommandError(f"nslookup: couldn't get address for '{asked.server}': not found\n", 1)
    servers = servers._replace(port=asked.port)
    result = yield from (_busybox if flavour == "new" else _bind)(asker, asked, servers)
    yield from asker.done()
    return result


def _flavour(name: str) -> str:
    """Which nslookup an image has: ``bind``, or BusyBox's ``old`` and ``new`` one."""
    found = BUSYBOX.search(name)
    if found is None:
        return "new" if "alpine" in name else "bind"
    version = re.match(r"1\.(\d+)", found["tag"] or "")
    return "old" if "busyboxplus" in name or (version is not None and int(version[1]) < 29) else "new"


def _read(words: list[str]) -> Asked:
    kind, port, plain = "", 53, []
    for word in words:
        found = re.fullmatch(r"-(?:type|querytype|query|q|ty)=(\w+)", word)
        if found is not None and found[1].upper() in dns.TYPES:
            kind = found[1].upper()
        elif re.fullmatch(r"-port=\d{1,5}", word):
            port = int(word[6:])
        elif word.startswith("-"):
            raise CommandError(f"*** Invalid option: {word[1:]}\n", 1)
        else:
            plain.append(word)
    if not 1 <= len(plain) <= 2:
        raise CommandError("nslookup: give a name: the interactive mode is not modelled here\n", 1)
    if not dns.is_name(plain[0]) and not ip.is_address(plain[0]):
        raise CommandError(f"nslookup: '{plain[0]}' is not a legal name (empty label)\n", 1)
    name, back = question(plain[0])
    return Asked(name, plain[1] if len(plain) > 1 else "", kind or back, port)


# -- BIND's ----------------------------------------------------------------------------------------------------------


def _bind(asker: Asker, asked: Asked, servers: Servers) -> Generator[Command, None, Result]:
    """A first; where that name exists, AAAA of the same name."""
    tried = yield from asker.along(servers, asked.name, asked.type or "A")
    last = tried[-1]
    if last.answer is None:
        return Result(SILENT, "", 1)
    out = f"Server:\t\t{asked.server or last.server}\nAddress:\t{last.server}#{servers.port}\n\n"
    if (last.rcode != "NXDOMAIN" and last.rcode != "NOERROR") or last.rcode == "NXDOMAIN":
        missed = asked.name if last.rcode == "NXDOMAIN" else last.name
        return Result(f"{out}** server can't find {missed.rstrip('.')}: {last.rcode}\n\n", "", 1)
    found = [last]
    if not asked.type:
        found += (yield from asker.once(servers, last.name, "AAAA"))[-1:]
    answers = [sent.answer for sent in found if sent.answer is not None]
    if not any(answer.answer for answer in answers):
        return Result(f"{out}*** Can't find {asked.name.rstrip('.')}: No answer\n\n", "", 0)
    plain = "" if answers[0].authoritative else "Non-authoritative answer:\n"
    return Result(out + plain + "".join(dict.fromkeys(_records(answers))) + "\n")


def _records(answers: list[Message]) -> list[str]:
    return [_record(record) for answer in answers for record in answer.answer]


def _record(record: dns.Record) -> str:
    name = record.name.rstrip(".")
    if record.type == "SOA":
        mname, rname, *numbers = record.data.split()
        return SOA.format(name, mname.rstrip("."), rname.rstrip("."), *numbers)
    return RECORD[record.type].format(name=name, full=name, data=record.data)


# -- BusyBox's -------------------------------------------------------------------------------------------------------


def _busybox(asker: Asker, asked: Asked, servers: Servers) -> Generator[Command, None, Result]:
    """All queries leave at once, and each answer is printed on its own."""
    searched = "." not in asked.name and asked.type != "PTR"
    names = [dns.absolute(f"{asked.name}.{domain}") for domain in asker.config.search] if searched else []
    kinds = (asked.type,) if asked.type else ("A", "AAAA")
    found: list[Sent] = []
    for name in names or [dns.absolute(asked.name)]:
        for kind in kinds:
            found.append((yield from asker.once(servers, name, kind))[-1])
    if all(sent.answer is None for sent in found):
        return Result(SILENT, "", 1)
    server = servers.addresses[0]
    at = f"[{server}]" if ":" in server else server
    out = f"Server:\t\t{asked.server or server}\nAddress:\t{at}:{servers.port}\n\n"
    failed = any(sent.rcode not in ("NOERROR", "") for sent in found)
    return Result(out + "".join(map(_busyboxs, found)), "", int(failed))


def _busyboxs(sent: Sent) -> str:
    name = sent.name.rstrip(".")
    if sent.answer is None or sent.rcode != "NOERROR":
        return f"** server can't find {name}: {sent.rcode or 'SERVFAIL'}\n\n"
    plain = "" if sent.answer.authoritative else "Non-authoritative answer:\n"
    records = (_record(record._replace(data=record.data.rstrip("."))) for record in sent.answer.answer)
    return f"{plain}{''.join(records)}\n"


def _libc(process: Process, asked: Asked) -> Generator[Command, None, Result]:
    """The old one: getaddrinfo(), and getnameinfo() of each address."""
    asker = Asker(process)
    server = asked.server or asker.config.nameservers[0]
    out = "Server:    " + f"{server}\n" + (yield from _numbered(process, (server,))) + "\n"
    name = dns.pointed(asked.name) or asked.name
    if ip.is_address(name):
        addresses: tuple[str, ...] = (name,)
    else:
        addresses = (yield from look_up(process, name)).addresses
    if not addresses:
        return Result(out, f"nslookup: can't resolve '{name}'\n", 1)
    return Result(f"{out}Name:      {name}\n" + (yield from _numbered(process, addresses)))


def _numbered(process: Process, addresses: tuple[str, ...]) -> Generator[Command, None, str]:
    out = ""
    for number, address in enumerate(addresses, 1):
        back = (yield from look_up(process, dns.pointer(address), ("PTR",))).addresses
        out += f"Address {number}: {address}{' ' + back[0].rstrip('.') if back else ''}\n"
    return out
