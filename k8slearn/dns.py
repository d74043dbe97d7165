"""DNS messages as values, and as the bytes that travel (RFC 1035).

A question is a name and a type; an answer is the question again with three lists of records behind it. Over UDP a
message fits in 512 bytes, or in as many as the asker says that it takes (EDNS, RFC 6891); a longer answer comes
truncated, and the asker asks again over TCP. The wire's bytes travel here as text of one character a byte (latin-1),
so that a packet is as long as the real one and Wireshark reads a capture of it.

Names are written in full, with the final dot, in the case in which they were asked.

Left out: classes other than IN, DNSSEC, opcodes other than QUERY, record types beyond `TYPES`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "ANY": 255}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
OPT = 41
CLASSIC = 512
"""Bytes of a message that everybody takes over UDP."""
LONGEST = 65535
"""Bytes of a message over TCP."""
HEADER = 12


class Record(NamedTuple):
    """One resource record; `data` is written as in a zone file: ``0 100 443 web.default.svc.cluster.local.``"""

    name: str
    type: str
    ttl: int
    data: str


Records = tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A question, or with `response` an answer to it."""

    name: str
    type: str
    id: int = 0
    response: bool = False
    rcode: str = "NOERROR"
    authoritative: bool = False
    truncated: bool = False
    recursion_desired: bool = True
    recursion_available: bool = False
    answer: Records = ()
    authority: Records = ()
    additional: Records = ()
    edns: int = 0
    """The bytes that the sender takes over UDP; 0: it says nothing of that."""

    def reply(self, rcode: str = "NOERROR", answer: Records = (), authority: Records = ()) -> Message:
        """The answer to this question, with nothing else in it."""
        return Message(self.name, self.type, self.id, True, rcode, answer=answer, authority=authority, edns=self.edns)

    @property
    def found(self) -> tuple[str, ...]:
        """The data of the records that were asked for; CNAMEs on the way are left out."""
        return tuple(record.data for record in self.answer if record.type == self.type)


def absolute(name: str) -> str:
    """The name in full: with its final dot."""
    return name if name.endswith(".") else f"{name}."


def is_within(name: str, zone: str) -> bool:
    """Does the name lie in the zone, or is it the zone?"""
    name, zone = name.lower(), zone.lower()
    return zone == "." or name == zone or name.endswith(f".{zone}")


def pointer(address: str) -> str:
    """The name under which an address has its PTR record: ``10.0.96.10.in-addr.arpa.``"""
    ip = IPv6Address(address) if ":" in address else IPv4Address(address)
    return f"{ip.reverse_pointer}."


def pointed(name: str) -> str:
    """The address that such a name stands for; empty: it is none."""
    labels = name.lower().rstrip(".").split(".")
    try:
        if labels[-2:] == ["in-addr", "arpa"] and len(labels) == 6:
            return str(IPv4Address(".".join(reversed(labels[:4]))))
        if labels[-2:] == ["ip6", "arpa"] and len(labels) == 34:
            digits = "".join(reversed(labels[:32]))
            return str(IPv6Address(":".join(digits[n : n + 4] for n in range(0, 32, 4))))
    except ValueError:
        pass
    return ""


def is_name(name: str) -> bool:
    """Can it be sent: labels of 1 to 63 characters, 255 bytes in all?"""
    labels = name.rstrip(".").split(".") if name.rstrip(".") else []
    return len(name) < 255 and name.isascii() and all(0 < len(label) < 64 for label in labels)


# -- bytes ---------------------------------------------------------------------------------------------------------


def fit(message: Message, room: int) -> str:
    """The answer as it fits into so many bytes: with names shortened, or cut and marked as truncated, where it must."""
    plain = encode(message, shorten=False)
    if len(plain) <= room or len(plain := encode(message)) <= room:
        return plain
    cut = replace(message, additional=(), truncated=True)
    while len(plain := encode(cut)) > room and (cut.answer or cut.authority):
        cut = replace(cut, answer=cut.answer[:-1]) if cut.answer else replace(cut, authority=cut.authority[:-1])
    return plain


@lru_cache(maxsize=4096)
def encode(message: Message, shorten: bool = True) -> str:
    """The message as it travels, one character a byte. `shorten`: a name that stands there already is pointed at."""
    bits = {0x8000: message.response, 0x0400: message.authoritative, 0x0200: message.truncated}
    bits |= {0x0100: message.recursion_desired, 0x0080: message.recursion_available}
    flags = sum(bit for bit, is_set in bits.items() if is_set) | RCODES.index(message.rcode)
    sections = (message.answer, message.authority, message.additional)
    counts = [len(section) for section in sections]
    counts[2] += bool(message.edns)
    out = _Writer(bytearray(struct.pack("!6H", message.id, flags, 1, *counts)), {}, shorten)
    out.name(message.name)
    out.data.extend(struct.pack("!2H", TYPES[message.type], 1))
    for section in sections:
        for record in section:
            out.record(record)
    if message.edns:
        out.data.extend(struct.pack("!BHHIH", 0, OPT, message.edns, 0, 0))
    return bytes(out.data).decode("latin-1")


class _Writer(NamedTuple):
    data: bytearray
    known: dict[str, int]
    """Where each name stands already: a later one points there (RFC 1035, 4.1.4)."""
    shortens: bool = True

    def name(self, name: str) -> None:
        labels = [label for label in name.split(".") if label]
        for at in range(len(labels)):
            rest = ".".join(labels[at:])
            if self.shortens and rest in self.known:
                self.data.extend(struct.pack("!H", 0xC000 | self.known[rest]))
                return
            if len(self.data) < 0x4000:
                self.known[rest] = len(self.data)
            label = labels[at].encode("latin-1", "replace")
            self.data.extend(bytes((len(label),)) + label)
        self.data.append(0)

    def record(self, record: Record) -> None:
        self.name(record.name)
        self.data.extend(struct.pack("!HHIH", TYPES[record.type], 1, record.ttl, 0))
        start = len(self.data)
        WRITE[record.type](self, record.data)
        self.data[start - 2 : start] = struct.pack("!H", len(self.data) - start)


def _write_soa(out: _Writer, data: str) -> None:
    mname, rname, *numbers = data.split()
    out.name(mname)
    out.name(rname)
    out.data.extend(struct.pack("!5I", *map(int, numbers)))


def _write_srv(out: _Writer, data: str) -> None:
    *numbers, target = data.split()
    out.data.extend(struct.pack("!3H", *map(int, numbers)))
    _Writer(out.data, {}, False).name(target)  # RFC 2782: a target is not compressed


def _write_mx(out: _Writer, data: str) -> None:
    preference, host = data.split()
    out.data.extend(struct.pack("!H", int(preference)))
    out.name(host)


def _write_txt(out: _Writer, data: str) -> None:
    text = data.strip('"').encode("latin-1", "replace")
    out.data.extend(bytes((len(text),)) + text)


WRITE: Mapping[str, Callable[[_Writer, str], None]] = {
    "A": lambda out, data: out.data.extend(IPv4Address(data).packed),
    "AAAA": lambda out, data: out.data.extend(IPv6Address(data).packed),
    **dict.fromkeys(("NS", "CNAME", "PTR"), _Writer.name),
    "SOA": _write_soa,
    "SRV": _write_srv,
    "MX": _write_mx,
    "TXT": _write_txt,
}
"""How the data of each type is written."""


@lru_cache(maxsize=4096)
def decode(text: str) -> Message | None:
    """The message that these bytes are; None: they are none."""
    try:
        data = text.encode("latin-1")
        number, flags, questions, *counts = struct.unpack_from("!6H", data)
        if questions != 1 or flags & 0x7800:
            return None
        name, at = _name(data, HEADER)
        kind, _ = struct.unpack_from("!2H", data, at)
        sections, edns, at = [], 0, at + 4
        for count in counts:
            records = []
            for _ in range(count):
                record, size, at = _record(data, at)
                edns = size or edns
                records += [record] if record is not None else []
            sections.append(tuple(records))
        told = [bool(flags & bit) for bit in (0x8000, 0x0400, 0x0200, 0x0100, 0x0080)]
        rcode = RCODES[flags & 15]
        answer, authority, additional = sections
        is_response, by_authority, is_cut, wanted, available = told
        heading = (is_response, rcode, by_authority, is_cut, wanted, available)
        return Message(name, NAMES[kind], number, *heading, answer, authority, additional, edns)
    except (struct.error, IndexError, KeyError, ValueError):
        return None


def _name(data: bytes, at: int, depth: int = 0) -> tuple[str, int]:
    """(the name that stands there, where what follows it begins)."""
    labels: list[str] = []
    while length := data[at]:
        if length >= 0xC0:
            if depth > 32:
                raise ValueError("a name that points in a circle")
            rest, _ = _name(data, (length & 0x3F) << 8 | data[at + 1], depth + 1)
            return "".join(f"{label}." for label in labels) + ("" if rest == "." else rest) or ".", at + 2
        labels.append(data[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    return "".join(f"{label}." for label in labels) or ".", at + 1


def _record(data: bytes, at: int) -> tuple[Record | None, int, int]:
    """(the record, or None where it is an EDNS one; the bytes that such a one tells; where the next begins)."""
    name, at = _name(data, at)
    kind, size, ttl, length = struct.unpack_from("!HHIH", data, at)
    start = at + 10
    if kind == OPT:
        return None, size, start + length
    return Record(name, NAMES[kind], ttl, READ[NAMES[kind]](data, start, length)), 0, start + length


def _read_soa(data: bytes, at: int, length: int) -> str:
    mname, at = _name(data, at)
    rname, at = _name(data, at)
    return " ".join((mname, rname, *map(str, struct.unpack_from("!5I", data, at))))


def _read_srv(data: bytes, at: int, length: int) -> str:
    return " ".join((*map(str, struct.unpack_from("!3H", data, at)), _name(data, at + 6)[0]))


READ: Mapping[str, Callable[[bytes, int, int], str]] = {
    "A": lambda data, at, length: str(IPv4Address(data[at : at + 4])),
    "AAAA": lambda data, at, length: str(IPv6Address(data[at : at + 16])),
    **{kind: lambda data, at, length: _name(data, at)[0] for kind in ("NS", "CNAME", "PTR")},
    "SOA": _read_soa,
    "SRV": _read_srv,
    "MX": lambda data, at, length: f"{struct.unpack_from('!H', data, at)[0]} {_name(data, at + 2)[0]}",
    "TXT": lambda data, at, length: '"' + data[at + 1 : at + length].decode("latin-1") + '"',
}
"""How the data of each type is read."""
