"""tcpdump's filter expressions: ``tcp port 80 and host 10.244.1.2``, ``icmp or arp``, ``not port 22`` (pcap-filter(7)).

An expression is primitives joined by ``and``, ``or``, ``not`` and brackets; a number or address without its own words
takes over the last ones (``port 80 or 443``).

Left out: arithmetic on bytes (``tcp[13] & 2 != 0``), ``gateway``, ``proto``, names of hosts and services.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from k8slearn.errors import CommandError
from k8slearn.linux import ip
from k8slearn.packet import Packet

Test = Callable[[Packet], bool]

KINDS: dict[str, Test] = {
    "tcp": lambda p: p.proto == "tcp",
    "udp": lambda p: p.proto == "udp",
    "sctp": lambda p: p.proto == "sctp",
    "icmp": lambda p: p.proto == "icmp",
    "icmp6": lambda p: p.proto == "icmp6",
    "arp": lambda p: p.proto == "arp",
    "ip": lambda p: p.proto != "arp" and p.family == "ip",
    "ip6": lambda p: p.family == "ip6",
}
SIDES = ("src", "dst")
TYPES = ("host", "net", "port", "portrange")
WRONG = "tcpdump: can't parse filter expression: syntax error\n"


def parse(words: list[str]) -> Test:
    """The test that an expression is; no words pass everything. Raises CommandError in tcpdump's words."""
    tokens = re.findall(r"[()!]|[^\s()!]+", " ".join(words))
    if not tokens:
        return lambda packet: True
    parser = _Parser(tokens)
    found = parser.either()
    if parser.tokens:
        raise CommandError(WRONG, 1)
    return found


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.kind, self.side, self.proto = "host", "", ""

    def next(self) -> str:
        return self.tokens[0].lower() if self.tokens else ""

    def take(self) -> str:
        if not self.tokens:
            raise CommandError(WRONG, 1)
        return self.tokens.pop(0)

    def either(self) -> Test:
        found = self.both()
        while self.next() in ("or", "||"):
            self.take()
            found = _any(found, self.both())
        return found

    def both(self) -> Test:
        found = self.one()
        while self.next() in ("and", "&&"):
            self.take()
            found = _all(found, self.one())
        return found

    def one(self) -> Test:
        if self.next() in ("not", "!"):
            self.take()
            inner = self.one()
            return lambda p: not inner(p)
        if self.next() == "(":
            self.take()
            inner = self.either()
            if self.take() != ")":
                raise CommandError(WRONG, 1)
            return inner
        return self.primitive()

    def primitive(self) -> Test:
        """``[tcp] [src|dst] [host|net|port|portrange] VALUE``, or a protocol alone."""
        word = self.next()
        if word == "vlan":
            self.take()
            tag = int(self.take()) if self.next().isdecimal() else 0
            return lambda p: p.tag == tag if tag else p.tag > 0
        if word in ("less", "greater"):
            self.take()
            size = self.number()
            return (lambda p: p.size + 14 <= size) if word == "less" else (lambda p: p.size + 14 >= size)
        named = word in (*KINDS, *SIDES, *TYPES)
        if named:
            self.kind, self.side, self.proto = "host", "", ""
        if word in KINDS:
            self.proto = self.take().lower()
            if self.next() not in (*SIDES, *TYPES):
                return KINDS[self.proto]
        if self.next() in SIDES:
            self.side = self.take().lower()
        if self.next() in TYPES:
            self.kind = self.take().lower()
        return self.value(self.take())

    def number(self) -> int:
        word = self.take()
        if not word.isdecimal():
            raise CommandError(WRONG, 1)
        return int(word)

    def value(self, word: str) -> Test:
        proto, sides = self.proto, (self.side,) if self.side else SIDES
        only = KINDS[proto] if proto else lambda p: True
        if self.kind in ("port", "portrange"):
            low, high = _ports(word, self.kind)
            names = {"src": "sport", "dst": "dport"}
            return lambda p: (
                only(p)
                and p.proto in ("tcp", "udp", "sctp")
                and any(low <= getattr(p, names[s]) <= high for s in sides)
            )
        network = _network(word, self.kind)
        return lambda p: only(p) and any(ip.within(getattr(p, side), network) for side in sides)


def _any(a: Test, b: Test) -> Test:
    return lambda p: a(p) or b(p)


def _all(a: Test, b: Test) -> Test:
    return lambda p: a(p) and b(p)


def _ports(word: str, kind: str) -> tuple[int, int]:
    low, _, high = word.partition("-")
    if not low.isdecimal() or not (high or "0").isdecimal() or (high and kind == "port") or int(low) > 65535:
        raise CommandError(f"tcpdump: unknown port '{word}'\n", 1)
    return int(low), int(high or low)


def _network(word: str, kind: str) -> str:
    try:
        base, length = ip.network(word)
    except ValueError:
        raise CommandError(f"tcpdump: unknown {'network' if kind == 'net' else 'host'} '{word}'\n", 1) from None
    return f"{ip.text(base, ip.bits(word))}/{length}"
