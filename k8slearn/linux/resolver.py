"""The C library's resolver: from a name to addresses, by the questions that /etc/resolv.conf makes of it.

A name is not sent as it was typed. With fewer dots than ``ndots`` it is tried with each domain of the search list
first, and as it is last::

    web.prod   search default.svc.cluster.local svc.cluster.local cluster.local   options ndots:5

    web.prod.default.svc.cluster.local.   A  AAAA     NXDOMAIN
    web.prod.svc.cluster.local.           A  AAAA     10.96.10.2: the search ends here

A and AAAA leave together from one socket. A server that is silent is waited for (``timeout:5`` seconds), then comes
the next one, and the whole list again (``attempts:2``); silence ends the search, "no such name" does not, nor does a
name that has no address. SERVFAIL is another server's turn, and then the next domain's. An answer that did not fit
into its datagram is asked for again over TCP.

musl, the C library of Alpine images, differs: it asks all servers at once, ends the search at a name without an
address too, and a name with ``ndots`` dots or more is asked only as it is. `Config.musl` is for that.

Each query is a conversation that is walked like any other (`attempt.connect`).

Left out: ``rotate``, ``no-aaaa``, ``trust-ad``, ``inet6``, ``single-request`` (the order of A and AAAA makes no
difference here), nscd, mDNS, nsswitch.conf other than ``files dns``. Sources: resolv.conf(5), getaddrinfo(3), glibc
resolv/res_query.c and res_send.c, musl src/network/lookup_name.c.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import lru_cache
from typing import NamedTuple

from k8slearn import dns
from k8slearn.dns import Message
from k8slearn.journal import Command, World
from k8slearn.linux import ip
from k8slearn.linux.attempt import connect
from k8slearn.trace import Attempt

PORT = 53
NAME_SERVERS = 3
"""MAXNS: further ones of the file are not heeded."""
NOT_KNOWN = "Name or service not known"
NO_ADDRESS = "No address associated with hostname"
AGAIN = "Temporary failure in name resolution"
BOTH = ("A", "AAAA")


FILE = "/etc/resolv.conf"
NAME_SERVER = "203.0.113.53"
"""The name server outside that machines are told of when they get their address (DHCP)."""
DHCP = f"nameserver {NAME_SERVER}\n"


def of_machine(world: World, machine: str) -> str:
    """A machine's own /etc/resolv.conf (`machine` is its scope): what somebody wrote there, or what DHCP said."""
    text: str | None = world.get((machine, "file", FILE))
    return DHCP if text is None else text


class Config(NamedTuple):
    """What /etc/resolv.conf says."""

    nameservers: tuple[str, ...] = ("127.0.0.1",)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: int = 5
    """Seconds that a server is waited for."""
    attempts: int = 2
    use_vc: bool = False
    """Always over TCP."""
    edns: int = 0
    """The bytes that we say we take over UDP."""
    musl: bool = False


@lru_cache(maxsize=256)
def parse(text: str) -> Config:
    """resolv.conf(5); of ``search`` and ``domain`` the last line counts."""
    servers, options = list[str](), dict[str, str]()
    search: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if words[:1] == ["nameserver"] and len(words) > 1 and ip.is_address(words[1].partition("%")[0]):
            servers.append(ip.canonical(words[1].partition("%")[0]))
        elif words[:1] in (["search"], ["domain"]):
            search = tuple(words[1:]) if words[0] == "search" else tuple(words[1:2])
        elif words[:1] == ["options"]:
            options |= {name: value for name, _, value in (word.partition(":") for word in words[1:])}
    numbers = {name: int(options[name]) for name in MOST if options.get(name, "").isdecimal()}
    told = {name: min(value, MOST[name]) for name, value in numbers.items()}
    return Config(
        tuple(servers[:NAME_SERVERS]) or ("127.0.0.1",),
        search,
        told.get("ndots", 1),
        max(1, told.get("timeout", 5)),
        max(1, told.get("attempts", 2)),
        "use-vc" in options,
        1200 if "edns0" in options else 0,
    )


MOST = {"ndots": 15, "timeout": 30, "attempts": 5}
"""What glibc takes at most (resolv.h: RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY)."""


def ladder(config: Config, name: str) -> list[str]:
    """The names that are tried, in order, in full."""
    if name.endswith("."):
        return [name]
    searched = [dns.absolute(f"{name}.{domain}".rstrip(".")) for domain in config.search]
    plain, many = f"{name}.", name.count(".") >= config.ndots
    if config.musl and many:
        return [plain]
    return list(dict.fromkeys((plain, *searched) if many else (*searched, plain)))


class Sent(NamedTuple):
    """One query, the conversation that it was, and what came back (None: nothing that could be read)."""

    name: str
    type: str
    server: str
    attempt: Attempt
    answer: Message | None
    protocol: str = "udp"

    @property
    def rcode(self) -> str:
        return self.answer.rcode if self.answer is not None else ""

    def __str__(self) -> str:
        return f"{self.type}? {self.name} @{self.server}: {said(self)}"


def said(sent: Sent) -> str:
    """What came back, in short: ``10.96.0.10``, ``NXDOMAIN``, ``no answer (timeout)``."""
    if sent.answer is None:
        return f"no answer ({sent.attempt.ending.outcome})"
    if sent.rcode != "NOERROR":
        return sent.rcode
    return ", ".join(record.data for record in sent.answer.answer) or f"no {sent.type} record (NODATA)"


class Lookup(NamedTuple):
    """One lookup: every query that was sent, in order, and what it came to."""

    name: str
    config: Config
    queries: tuple[Sent, ...] = ()
    addresses: tuple[str, ...] = ()
    error: str = ""
    """getaddrinfo's words where there is no address; empty: there is one."""
    canonical: str = ""
    source: str = "dns"
    """Who knew it: ``dns``, or ``files`` (/etc/hosts)."""

    @property
    def seconds(self) -> float:
        """How long silence was waited for; A and AAAA wait together."""
        waits = [sent for sent in self.queries if sent.answer is None and sent.type == self.queries[0].type]
        silent = [sent for sent in waits if sent.attempt.ending.outcome == "timeout"]
        return float(len(silent) * self.config.timeout)


class Resolver:
    """A program's resolver: it remembers nothing but how many queries it has sent."""

    def __init__(self, world: World, netns: str, config: Config, recording: bool = False, nth: int = 0) -> None:
        self.world, self.netns, self.config, self.recording = world, netns, config, recording
        self.sent: list[Sent] = []
        self.nth = nth

    def exchange(
        self, server: str, name: str, kind: str, protocol: str = "udp", port: int = PORT, sport: int | None = None
    ) -> Generator[Command, None, Sent]:
        """Send one question to one server; TCP follows where the answer is truncated."""
        self.nth += 1
        number = (self.world.revision * 7919 + self.nth * 104729) & 0xFFFF
        asked = dns.encode(Message(name, kind, number, edns=self.config.edns))
        attempt = yield from connect(
            self.world,
            self.netns,
            server,
            port,
            protocol,
            sport=sport,
            request=asked,
            nth=self.nth,
            recording=self.recording,
            patience=float(self.config.timeout),
        )
        answer = dns.decode(attempt.ending.payload) if attempt.ending.outcome == "connected" else None
        sent = Sent(name, kind, server, attempt, answer, protocol)
        self.sent.append(sent)
        if answer is not None and answer.truncated and protocol == "udp":
            return (yield from self.exchange(server, name, kind, "tcp", port))
        return sent

    def _both(self, server: str, name: str, kinds: tuple[str, ...]) -> Generator[Command, None, list[Sent]]:
        """A and AAAA, from one socket: one source port for both."""
        found: list[Sent] = []
        for kind in kinds:
            first = found[0].attempt if found and found[0].protocol == "udp" else None
            sport = first.legs[0].steps[0].before.sport if first is not None and first.legs else None
            protocol = "tcp" if self.config.use_vc else "udp"
            found.append((yield from self.exchange(server, name, kind, protocol, sport=sport or None)))
        return found

    def ask(self, name: str, kinds: tuple[str, ...] = BOTH) -> Generator[Command, None, list[Sent]]:
        """Ask for one name in full, of each server in turn until one answers."""
        found: list[Sent] = []
        for _ in range(self.config.attempts):
            for server in self.config.nameservers:
                found = yield from self._both(server, name, kinds)
                if all(sent.rcode in ("NOERROR", "NXDOMAIN") for sent in found):
                    return found
        return found

    def search(self, name: str, kinds: tuple[str, ...] = BOTH) -> Generator[Command, None, tuple[list[Sent], str]]:
        """Ask along the ladder; returns (the last answers, getaddrinfo's words or nothing)."""
        error, found = "", list[Sent]()
        for full in ladder(self.config, name):
            if not dns.is_name(full):
                continue
            found = yield from self.ask(full, kinds)
            if any(sent.answer is not None and sent.answer.found for sent in found):
                return found, ""
            here = _error(found)
            if here == AGAIN and not any(sent.rcode == "SERVFAIL" for sent in found):
                return found, AGAIN
            error = here if error != NO_ADDRESS or here == AGAIN else error
            if self.config.musl and here != NOT_KNOWN:
                return found, error
        return found, error or NOT_KNOWN


def _error(found: list[Sent]) -> str:
    if any(sent.answer is None or sent.rcode not in ("NOERROR", "NXDOMAIN") for sent in found):
        return AGAIN
    return NOT_KNOWN if all(sent.rcode == "NXDOMAIN" for sent in found) else NO_ADDRESS


def lookup(
    world: World,
    netns: str,
    config: Config,
    name: str,
    kinds: tuple[str, ...] = BOTH,
    recording: bool = False,
    nth: int = 0,
) -> Generator[Command, None, Lookup]:
    """``getaddrinfo()`` of a name that no file knows."""
    resolver = Resolver(world, netns, config, recording, nth)
    found, error = yield from resolver.search(name, kinds)
    answers = [sent.answer for sent in found if sent.answer is not None]
    addresses = tuple(dict.fromkeys(address for answer in answers for address in answer.found))
    canonical = next(_canonical(answers), name.rstrip(".")) if addresses else ""
    return Lookup(name, config, tuple(resolver.sent), addresses, "" if addresses else error, canonical)


def _canonical(answers: list[Message]) -> Iterator[str]:
    return (record.name.rstrip(".") for answer in answers for record in answer.answer if record.type in BOTH)


def of_hosts(text: str, name: str) -> list[str]:
    """The addresses that /etc/hosts has for a name."""
    wanted = name.rstrip(".").lower()
    entries = [line.partition("#")[0].split() for line in text.splitlines()]
    return [
        ip.canonical(entry[0])
        for entry in entries
        if len(entry) > 1 and ip.is_address(entry[0]) and wanted in (each.lower() for each in entry[1:])
    ]
