"""One HTTP request, for ``curl`` and ``wget``: what the URL says, what came back, and when.

Only the network is modelled. A listener answers any request with 200 and the text that `linux/socket.py` gives it,
unless it has a page of its own (a health check's 503).
Seconds are the conversation's own (SYNs at 0, 1, 2, 3 and 4 seconds); below a second nothing is measured.

A request that means more than the address (a host's name, headers, https) says so (`linux/http.py`), and a proxy on the
way may wait for others: for an answer `ANSWER` seconds are spent where a connection stands.

Left out: certificates (nobody here is trusted: ``curl -k``), request bodies.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, field

from k8slearn.journal import Command, Put
from k8slearn.linux import http, ip, listen, socket
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import resolve
from k8slearn.trace import Ending

URL = re.compile(
    r"(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^/:?#@\s\[\]]+)"
    r"(?::(?P<port>\d*))?(?P<path>[/?#]\S*)?"
)
PORTS = {"http": 80, "https": 443}
ANSWER = 60.0
"""Seconds that a client waits for an answer, once it is connected."""
SERVER_HEADERS = "HTTP/1.1 {status}\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n{more}Content-Length: {length}\r\n"
SERVER_HEADERS += "Content-Type: text/plain; charset=utf-8\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL, taken apart; `host` is an IPv6 address without the brackets that it has in a URL."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS.get(self.scheme) else f"{host}:{self.port}"


def parse(text: str) -> Url | None:
    """The parts of a URL, or None where it is none. Without a scheme it is http."""
    found = URL.fullmatch(text)
    if found is None or ("://" in text and found["scheme"] is None):
        return None
    scheme = (found["scheme"] or "http").lower()
    port = int(found["port"]) if found["port"] else PORTS.get(scheme, 80)
    path = (found["path"] or "/").partition("#")[0]
    return (
        Url(scheme, found["host"].strip("[]"), port, path if path.startswith("/") else f"/{path}")
        if port < 65536
        else None
    )


@dataclass(frozen=True, slots=True)
class Words:
    """What a client says beside the URL: method, headers, and where it connects in place of the URL's own host."""

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    places: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    """(host, port) of a URL -> (host or address, port) that is connected to."""

    def request(self, url: Url) -> http.Request:
        """The request for a URL."""
        told = next((value for name, value in self.headers if name.lower() == "host"), "")
        named = "" if _is_address(url.host) else url.host
        others = tuple((name, value) for name, value in self.headers if name.lower() != "host")
        sni = named if url.scheme == "https" else None
        return http.Request(self.method, url.path, http.without_port(told or named), others, sni)


def _is_address(host: str) -> bool:
    try:
        return bool(ip.canonical(host))
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a request."""

    url: Url
    address: str | None
    source: str
    """The client's own address, or empty."""
    ending: Ending
    seconds: float
    """How long it took: 0 unless something had to be waited for."""
    arrived: int = 0
    """Bytes of the answer that could be read in time."""
    expected: int = 0
    handshake: float | None = None
    """Seconds until the connection stood; None: it never did."""

    @property
    def headers(self) -> str:
        more = "".join(f"{line}\r\n" for line in self._told.split("\r\n")[1:])
        return SERVER_HEADERS.format(status=self.status, more=more, length=len(self.body.encode()))

    @property
    def _told(self) -> str:
        """The head of the answer, where the server said one."""
        payload = self.ending.payload
        return payload.partition("\r\n\r\n")[0] if payload.startswith(listen.HTTP) else ""

    @property
    def location(self) -> str:
        """Where a redirect leads, or nothing."""
        lines = (line.partition(": ") for line in self._told.split("\r\n")[1:])
        return next((value for name, _, value in lines if name == "Location"), "")

    @property
    def status(self) -> str:
        """``200 OK``"""
        return listen.status(self.ending.payload)

    @property
    def body(self) -> str:
        payload = self.ending.payload
        return payload.partition("\r\n\r\n")[2] if payload.startswith(listen.HTTP) else payload


def fetch(
    process: Process, url: Url, patience: float = socket.PATIENCE, whole: float = 0.0, words: Words | None = None
) -> Generator[Command, None, Fetched]:
    """Ask for a URL, waiting `patience` seconds at most for the connection and `whole` (0: any) for all of it."""
    words, whole = words or Words(), max(whole or ANSWER, patience)
    host, port = words.places.get((url.host, url.port), (url.host, url.port))
    address, error, frames = yield from resolve(process, host)
    if address is None:
        return Fetched(url, None, "", Ending("unresolved", error=error), 0.0)
    attempts = max(1, sum(time < patience for time in socket.SYN_TIMES))
    attempt = yield from socket.connect(
        process.world,
        process.netns,
        address,
        port,
        request=words.request(url).text,
        attempts=attempts,
        recording=True,
        patience=whole,
    )
    if frames:
        yield Put(socket.CAPTURED, (*frames, *attempt.frames))
    source = attempt.legs[0].steps[0].before.src if attempt.legs and attempt.legs[0].steps else ""
    if attempt.ending.outcome == "connected":
        seconds = attempt.seconds
    else:
        last = min(patience, waited(attempt.ending, attempt.legs[-1].time if attempt.legs else 0.0))
        seconds = whole if attempt.ending.outcome == "timeout" and attempt.handshake is not None else last
    return Fetched(url, address, source, attempt.ending, seconds, attempt.arrived, attempt.expected, attempt.handshake)


def waited(ending: Ending, last: float) -> float:
    """How long the client waited, out of the time of the last packet."""
    if ending.outcome == "timeout":
        return socket.PATIENCE
    if ending.error == "No route to host" and last == 0.0:
        return socket.NEIGHBOUR_TIMEOUT
    return last
