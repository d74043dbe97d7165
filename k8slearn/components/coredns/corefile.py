"""The Corefile: which zones a CoreDNS serves on which port, and the plugins that each query passes there.

::

    .:53 {                                         zones and port of a server block
        errors
        kubernetes cluster.local in-addr.arpa {    a plugin, its arguments
            pods insecure                          and its own lines
        }
        forward . /etc/resolv.conf
    }

The order in which a query passes the plugins is that of `ORDER`, compiled into CoreDNS (its plugin.cfg), and not that
of the file. A word that is no plugin ends CoreDNS at its start, with the line's number; so does an option that a
plugin does not know.

A block listens on every address unless ``bind`` says on which ones.

Left out: snippets and ``import``, environment variables in the file, other transports than plain DNS, zones written
as networks (``10.0.0.0/16``), ``bind`` to a device by its name, and the plugins of `NOT_MODELLED`: each of these is
refused, with CoreDNS' own manner of refusing. Sources: coredns/coredns plugin.cfg, core/dnsserver/register.go,
plugin/bind/setup.go, coredns/caddy caddyfile/parse.go.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from k8slearn.dns import absolute, is_within
from k8slearn.errors import Refused
from k8slearn.linux import ip

PORT = 53
ORDER = (
    "reload",
    "bufsize",
    "bind",
    "debug",
    "ready",
    "health",
    "prometheus",
    "errors",
    "log",
    "loadbalance",
    "cache",
    "rewrite",
    "autopath",
    "template",
    "hosts",
    "kubernetes",
    "loop",
    "forward",
    "whoami",
)
"""The plugins that are modelled, in the order in which a query meets them."""
NOT_MODELLED = frozenset(
    """acl any auto azure chaos clouddns dns64 dnssec dnstap erratic etcd file geoip grpc header k8s_external local
    metadata minimal multisocket nomad nsid pprof quic root route53 secondary sign tls timeouts trace transfer tsig view
    """.split()  # noqa: SIM905
)
NOTHING = ".:53 {\n    whoami\n    log\n}\n"
"""What a CoreDNS without a Corefile does (coremain: defaultLoader)."""


class Directive(NamedTuple):
    """One plugin of a server block: its name, its arguments, and the words of each of its own lines."""

    name: str
    arguments: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()

    def option(self, name: str) -> tuple[str, ...] | None:
        """The arguments of the last line that begins with this word, or None."""
        return next((line[1:] for line in reversed(self.lines) if line[0] == name), None)


class Block(NamedTuple):
    """A server block. `plugins` are in the order in which a query passes them."""

    zones: tuple[str, ...]
    port: int
    plugins: tuple[Directive, ...]

    def plugin(self, name: str) -> Directive | None:
        return next((each for each in self.plugins if each.name == name), None)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens; ``""`` stands for every address."""
        found = tuple(address for each in self.plugins if each.name == "bind" for address in each.arguments)
        return found or ("",)

    def listens_on(self, address: str) -> bool:
        """Does it? Without an address it is asked of no one in particular."""
        return not address or "" in self.addresses or address in self.addresses


class Corefile(NamedTuple):
    """All server blocks."""

    blocks: tuple[Block, ...]

    def block(self, name: str, port: int, address: str = "") -> Block | None:
        """The block that serves a name for who asks at this address: the one with the longest zone that it lies in."""
        fitting = [
            (zone.count(".") if zone != "." else 0, -at)
            for at, block in enumerate(self.blocks)
            for zone in block.zones
            if block.port == port and block.listens_on(address) and is_within(name, zone)
        ]
        return self.blocks[-max(fitting)[1]] if fitting else None

    def has(self, plugin: str) -> bool:
        return any(block.plugin(plugin) is not None for block in self.blocks)


@lru_cache(maxsize=64)
def parse(text: str) -> Corefile:
    """The server blocks of a Corefile. Raises `Refused` with CoreDNS' last words where it would not start with it."""
    lines = list(_lines(text))
    blocks: list[Block] = []
    while lines:
        number, words = lines.pop(0)
        if words[0].startswith("("):
            raise Refused(f"Corefile:{number} - snippets are not modelled here: write their lines where they are used")
        if words[-1] != "{":
            raise Refused(f"Corefile:{number} - Error during parsing: server block {words[0]} has no opening brace")
        plugins = tuple(sorted(_directives(lines), key=lambda each: ORDER.index(each.name)))
        by_port: dict[int, list[str]] = {}
        for word in " ".join(words[:-1]).replace(",", " ").split():
            zone, port = _zone(word, number)
            by_port.setdefault(port, []).append(zone)
        blocks += [Block(tuple(zones), port, plugins) for port, zones in by_port.items()]
    return Corefile(tuple(blocks))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that say something, with their numbers, in words."""
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            raise Refused(f"Corefile:{number} - Error during parsing: a quotation mark without its partner") from None
        if words:
            yield number, words


def _zone(word: str, number: int) -> tuple[str, int]:
    if "://" in word:
        scheme, _, word = word.partition("://")
        if scheme != "dns":
            raise Refused(f"Corefile:{number} - the transport {scheme}:// is not modelled here")
    zone, colon, port = word.rpartition(":")
    zone, port = (zone, port) if colon else (word, str(PORT))
    if not port.isdecimal() or "/" in zone:
        raise Refused(f"Corefile:{number} - Error during parsing: {word!r} is no zone with a port, such as .:53")
    return absolute(zone.lower()) if zone != "." else ".", int(port)


def _directives(lines: list[tuple[int, list[str]]]) -> Iterator[Directive]:
    """The plugins up to the closing brace; takes their lines away."""
    while lines:
        number, words = lines.pop(0)
        if words == ["}"]:
            return
        _check(words, number)
        body = tuple(_body(lines)) if words[-1] == "{" else ()
        yield Directive(words[0], tuple(words[1:-1] if words[-1] == "{" else words[1:]), body)
    raise Refused("Corefile: Error during parsing: Unexpected EOF: a closing brace is missing")


def _check(words: list[str], number: int) -> None:
    name = words[0]
    if name in NOT_MODELLED or name == "import":
        raise Refused(f"Corefile:{number} - the plugin {name} is not modelled here")
    if name not in ORDER:
        raise Refused(f"Corefile:{number} - Error during parsing: Unknown directive '{name}'")
    if name == "bind":
        _check_bind(words[1:])


def _check_bind(addresses: list[str]) -> None:
    if not addresses:
        raise Refused("plugin/bind: at least one address or interface name is expected")
    for address in addresses:
        if not ip.is_address(address):
            raise Refused(f'plugin/bind: not a valid IP address or interface name: "{address}"')


def _body(lines: list[tuple[int, list[str]]]) -> Iterator[tuple[str, ...]]:
    while lines:
        _, words = lines.pop(0)
        if words == ["}"]:
            return
        yield tuple(words)


PORTS: Mapping[str, int] = {"health": 8080, "ready": 8181, "prometheus": 9153}
"""Plugins that answer HTTP, and where unless they are told otherwise."""


def listening(corefile: Corefile) -> dict[tuple[str, str, int], str]:
    """(protocol, address, port) -> the plugin that it is for; ``dns`` for the names themselves. No address: any."""
    found = {
        (proto, address, block.port): "dns"
        for block in corefile.blocks
        for address in block.addresses
        for proto in ("udp", "tcp")
    }
    for block in corefile.blocks:
        for each in block.plugins:
            if each.name in PORTS:
                address, _, port = (each.arguments[0] if each.arguments else "").rpartition(":")
                own = address.strip("[]") if ip.is_address(address.strip("[]")) else ""
                found["tcp", own, int(port) if port.isdecimal() else PORTS[each.name]] = each.name
    return found
