"""What a web client says over its connection: a request line, the host that it means, and its headers.

::

    TLS shop.example            only in https: the ClientHello, which names the server (SNI) in clear text
    GET /cart?id=7 HTTP/1.1     method and target: a path and perhaps a query
    Host: shop.example          several sites share one address; this says which one is meant
    X-Forwarded-For: 10.0.0.1   any further headers

A client that means nothing but the address itself says ``GET /cart`` and no more. Of TLS only what decides the
network's part is here: a proxy without the key sees the first line, and the rest is sealed from it.

Left out: certificates and keys themselves, bodies, several requests over one connection.
"""

from __future__ import annotations

from typing import NamedTuple

HELLO = "TLS "
"""What a ClientHello begins with here."""
TLS_PORTS = (443, 8443)
"""Where a plain listener is taken for one that speaks TLS."""


class Request(NamedTuple):
    """One request. `server_name` is the SNI of an https connection; empty: plain http."""

    method: str = "GET"
    target: str = "/"
    host: str = ""
    """As the ``Host`` header has it, without the port and in small letters."""
    headers: tuple[tuple[str, str], ...] = ()
    """Without ``Host``."""
    server_name: str | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self.target.partition("?")[2].split("&") if pair)
        found: dict[str, str] = {}
        for name, _, value in pairs:
            found.setdefault(name, value)
        return found

    def header(self, name: str) -> str | None:
        """The value of a header, whose name's case does not matter; of several the values stand with commas between."""
        found = [value for known, value in self.headers if known.lower() == name.lower()]
        return ",".join(found) if found else None

    @property
    def text(self) -> str:
        """As it goes over the connection."""
        if not self.host and not self.headers and self.server_name is None and self.method == "GET":
            return f"GET {self.target}"
        hello = f"{HELLO}{self.server_name}\r\n" if self.server_name is not None else ""
        host = (("Host", self.host),) if self.host else ()
        lines = "".join(f"{name}: {value}\r\n" for name, value in (*host, *self.headers))
        return f"{hello}{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n"

    @property
    def url(self) -> str:
        """``GET http://shop.example/cart``"""
        scheme = "http" if self.server_name is None else "https"
        return f"{self.method} {scheme}://{self.host or '(no host)'}{self.target}"


def parse(text: str) -> Request:
    """A request out of what came over a connection."""
    server_name = None
    if text.startswith(HELLO):
        first, _, text = text.partition("\r\n")
        server_name = first.removeprefix(HELLO)
    first, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
    method, target, *_ = [*first.split(" "), "/"]
    named = [(name, value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
    host = next((value for name, value in named if name.lower() == "host"), "")
    others = tuple((name, value) for name, value in named if name.lower() != "host")
    return Request(method, target, without_port(host), others, server_name)


def without_port(host: str) -> str:
    """``Shop.example:8080`` is the host ``shop.example``."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() and not name.endswith(":") else host).lower()
