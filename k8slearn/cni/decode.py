"""Configurations are read as Go reads them: each field has a type, and a wrong one is named in encoding/json's words.

The reference plugins are Go programs. Their types are tables here, so that the same slip in a configuration gives the
same sentence: ``json: cannot unmarshal string into Go struct field NetConf.mtu of type int``. As in Go, the first
mistake in the order of the text is the one that is told, ``null`` is no value, and unknown fields are left alone.

Left out: field names are matched exactly (Go forgives upper and lower case).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.linux import ip


class Wrong(Exception):
    """A value that its field cannot have, in Go's words."""


class Mismatch(Wrong):
    """A value of another type than its field. A type that reads its own text says no place: who asked it does."""

    def __init__(self, value: Any, go: str, at: Place | None = None) -> None:
        place = f"Go struct field {at.struct}.{'.'.join(at.path)}" if at and at.path else "Go value"
        super().__init__(f"json: cannot unmarshal {name_of(value, go)} into {place} of type {go}")
        self.value = value
        self.go = go


@dataclass(frozen=True, slots=True)
class Plain:
    """A JSON value without parts; `go` is its type's name in Go, `python` the one in Python."""

    go: str
    python: type


STRING, BOOL, INT = Plain("string", str), Plain("bool", bool), Plain("int", int)
OBJECT = Plain("map[string]interface {}", dict)


@dataclass(frozen=True, slots=True)
class Custom:
    """A type that reads its own text (net.IP, types.IPNet): `read` returns the value or raises Wrong."""

    go: str
    read: Callable[[Any], Any]
    only_text: bool = True
    """It is asked only where the JSON value is a string (UnmarshalText)."""


@dataclass(frozen=True, slots=True)
class Struct:
    """An object with fields of its own. (One without a name of its own is written out: ``struct { ... }``.)"""

    go: str
    fields: Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    of: Kind
    go: str


@dataclass(frozen=True, slots=True)
class Texts:
    """An object from any name to a value of one kind."""

    of: Kind
    go: str


Kind = Plain | Custom | Struct | Items | Texts


class Place(NamedTuple):
    """Where a value stands: the innermost struct's name, and the fields from the outermost one."""

    struct: str = ""
    path: tuple[str, ...] = ()


def decode(value: Any, kind: Kind) -> Any:
    """The value with only the fields that the kind knows, and those right. Raises Wrong."""
    slips: list[Wrong] = []
    found = _decode(value, kind, Place(), slips)
    if slips:
        raise slips[0]
    return found


def _decode(value: Any, kind: Kind, at: Place, slips: list[Wrong]) -> Any:
    if value is None:
        return None
    if isinstance(kind, Plain) and type(value) is kind.python:
        return value
    if isinstance(kind, Custom):
        return _custom(value, kind, at, slips)
    if isinstance(kind, Items) and type(value) is list:
        return [_decode(item, kind.of, at, slips) for item in value]
    if isinstance(kind, Texts) and type(value) is dict:
        return {k: _decode(v, kind.of, at, slips) for k, v in value.items()}
    if isinstance(kind, Struct) and type(value) is dict:
        return _struct(value, kind, at, slips)
    slips.append(Mismatch(value, kind.go, at))
    return None


def _struct(value: dict[str, Any], kind: Struct, at: Place, slips: list[Wrong]) -> dict[str, Any]:
    inner = "" if kind.go.startswith("struct {") else kind.go.rpartition(".")[2]
    found = {}
    for name, given in value.items():
        field = kind.fields.get(name)
        if isinstance(field, Plain) and type(given) is field.python:  # most are, and every pod's start reads hundreds
            found[name] = given
        elif field is not None:
            read = _decode(given, field, Place(inner, (*at.path, name)), slips)
            if read is not None:
                found[name] = read
    return found


def _custom(value: Any, kind: Custom, at: Place, slips: list[Wrong]) -> Any:
    if kind.only_text and not isinstance(value, str):
        slips.append(Mismatch(value, kind.go, at))
        return None
    try:
        return kind.read(value)
    except Mismatch as wrong:
        slips.append(Mismatch(wrong.value, wrong.go, at))
    except Wrong as wrong:
        slips.append(wrong)
    return None


def name_of(value: Any, go: str = "") -> str:
    """What encoding/json calls this value."""
    if (isinstance(value, float) and go == "int") or (go == "uint64" and type(value) in (int, float)):
        return f"number {value:g}"
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch(value, "string")
    return value


def _cidr(value: Any) -> str:
    return cidr(_text(value))


@lru_cache(maxsize=4096)
def cidr(text: str) -> str:
    """An address with its prefix, in the one form of it. Raises Wrong."""
    address, _, length = text.partition("/")
    digits = length.isascii() and length.isdecimal()
    if not digits or not is_address(address) or int(length) > ip.bits(address):
        raise Wrong(f"invalid CIDR address: {text}")
    return f"{ip.canonical(address)}/{int(length)}"


def _address(value: Any) -> str:
    if value == "":
        return ""
    return address(value)


@lru_cache(maxsize=4096)
def address(text: str) -> str:
    """An address in the one form of it. Raises Wrong."""
    if not is_address(text):
        raise Wrong(f"invalid IP address: {text}")
    return _plain(ip.canonical(text))


def _plain(text: str) -> str:
    """An IPv4 address that was written as an IPv6 one (``::ffff:10.0.0.1``) is an IPv4 address to Go."""
    return text.rpartition(":")[2] if text.startswith("::ffff:") and "." in text else text


def is_address(text: str) -> bool:
    """Is this an address as net.ParseIP reads it (no leading zeros, no zone)?"""
    try:
        ip.number(text)
    except ValueError:
        return False
    return ":" in text or all(part == str(int(part)) for part in text.split("."))


def _natural(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise Mismatch(value, "uint64")
    return value


UINT64 = Custom("uint64", _natural, only_text=False)
IP = Custom("net.IP", _address)
IPNET = Custom("types.IPNet", _cidr, only_text=False)


def _route(value: Any) -> dict[str, Any]:
    return {"dst": "<nil>", **(decode(value, _ROUTE) or {})}


_ROUTE = Struct(
    "types.route",
    {"dst": IPNET, "gw": IP, "mtu": INT, "advmss": INT, "priority": INT, "table": INT, "scope": INT},
)
ROUTE = Custom("types.Route", _route, only_text=False)
ROUTES = Items(ROUTE, "[]*types.Route")
STRINGS = Items(STRING, "[]string")
DNS = Struct("types.DNS", {"nameservers": STRINGS, "domain": STRING, "search": STRINGS, "options": STRINGS})
NETCONF: dict[str, Kind] = {
    **dict.fromkeys(("cniVersion", "name", "type"), STRING),
    "capabilities": Texts(BOOL, "map[string]bool"),
    "ipam": Struct("types.IPAM", {"type": STRING}),
    "dns": DNS,
    "prevResult": OBJECT,
}
"""What every plugin's configuration has (types.NetConf)."""
