"""What ``dig``, ``nslookup`` and ``host`` have in common: they ask name servers themselves, without the C library.

They read /etc/resolv.conf for the servers and the search list, walk that list themselves and stop at the first name
that exists, with or without a record. A server that is silent is asked three times.

Left out: nothing that these programs share; what each leaves out it says itself.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple

from k8slearn import dns, names
from k8slearn.journal import Command, Put
from k8slearn.linux import ip, resolver
from k8slearn.linux.attempt import CAPTURED
from k8slearn.linux.resolver import PORT, Resolver, Sent
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import box_of, resolve

TRIES = 3
EDNS = 1232
"""What dig says it takes over UDP."""


class Servers(NamedTuple):
    """Whom to ask, and how."""

    addresses: tuple[str, ...]
    port: int = PORT
    protocol: str = "udp"
    tries: int = TRIES


class Asker:
    """One run of such a program: the resolver's file, and every query that was sent."""

    def __init__(self, process: Process, edns: int = 0, timeout: int = 5) -> None:
        self.process = process
        self.config = names.config(process.world, process.netns, box_of(process), "-")._replace(
            edns=edns, timeout=timeout, musl=False
        )
        self.resolver = Resolver(process.world, process.netns, self.config, recording=True)

    def servers(self, named: str = "") -> Generator[Command, None, Servers | None]:
        """The servers of the file, or the one that was named (None: its name is unknown)."""
        yield from names.prepare(self.process.world, self.config)
        if not named:
            return Servers(self.config.nameservers)
        found = yield from resolve(self.process, named)
        return Servers((found.address,)) if found.address is not None else None

    def once(self, servers: Servers, name: str, kind: str) -> Generator[Command, None, list[Sent]]:
        """Ask for one name in full; returns every try, the last of which may have an answer."""
        tried: list[Sent] = []
        for _ in range(servers.tries):
            for server in servers.addresses:
                sent = yield from self.resolver.exchange(server, name, kind, servers.protocol, servers.port)
                tried.append(sent)
                if sent.answer is not None and sent.rcode != "SERVFAIL":
                    return tried
            if tried[-1].rcode == "SERVFAIL":
                break
        return tried

    def along(self, servers: Servers, name: str, kind: str) -> Generator[Command, None, list[Sent]]:
        """Ask along the search list, to the first name that exists."""
        tried: list[Sent] = []
        for full in resolver.ladder(self.config, name):
            if dns.is_name(full):
                tried = yield from self.once(servers, full, kind)
                if not tried or tried[-1].answer is None or tried[-1].rcode != "NXDOMAIN":
                    break
        return tried

    def done(self) -> Generator[Command, None, None]:
        """What was sent can be captured."""
        yield Put(CAPTURED, tuple(frame for sent in self.resolver.sent for frame in sent.attempt.frames))


def question(name: str) -> tuple[str, str]:
    """(name, type) that these programs ask for when they are given no type: an address is asked back to its name."""
    return (dns.pointer(name), "PTR") if ip.is_address(name) else (name, "")


def why(tried: Sequence[Sent]) -> str:
    """Why the last try had no answer: ``timed out``, ``connection refused``, ..."""
    outcome = tried[-1].attempt.ending.outcome if tried else "timeout"
    return {"timeout": "timed out", "refused": "connection refused"}.get(outcome, "network unreachable")
