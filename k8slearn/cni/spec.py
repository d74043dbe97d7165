"""The CNI specification's values: versions, results and errors, and how they look in each version.

Inside, a result always has the form of CNI 1.0.0 and later::

    {"interfaces": [{"name", "mac", "sandbox"}], "ips": [{"interface", "address", "gateway"}],
     "routes": [{"dst", "gw"}], "dns": {}}

`printed` gives it the form that the configuration's ``cniVersion`` asks for, `read` takes any form back:

==================  ==================================================================================
0.1.0, 0.2.0        one address of each family (``ip4``, ``ip6``), routes below it, no interfaces
0.3.0, 0.3.1        several interfaces and addresses; an address says its IP ``version``; chaining
0.4.0               the same; CHECK, and DEL is told the result of ADD
1.0.0               the address's ``version`` is gone; configurations are lists
1.1.0               GC and STATUS; a route may have ``mtu``, ``advmss``, ``priority``, ``table``, ``scope``
==================  ==================================================================================

Left out: nothing of the specification's values; `decode` says what of Go's reading is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from k8slearn.cni.decode import DNS, INT, IP, IPNET, ROUTES, STRING, Custom, Items, Kind, Struct, Wrong, decode
from k8slearn.errors import Refused

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CURRENT = VERSIONS[-1]
INCOMPATIBLE_VERSION, UNSUPPORTED_FIELD, UNKNOWN_CONTAINER, BAD_ENVIRONMENT = 1, 2, 3, 4
IO_FAILURE, DECODING_FAILURE, INVALID_CONFIG, INVALID_NETNS = 5, 6, 7, 8
TRY_AGAIN_LATER, NOT_AVAILABLE, LIMITED_CONNECTIVITY = 11, 50, 51
INTERNAL = 999
"""What real plugins use for nearly everything."""

Result = dict[str, Any]
_encode = json.JSONEncoder(ensure_ascii=False).encode


class CniError(Refused):
    """A plugin failed: `code` from the specification's table, `msg` and `details` in the plugin's words."""

    def __init__(self, msg: str, code: int = INTERNAL, details: str = "") -> None:
        super().__init__(f"{msg}; {details}" if details else msg)
        self.msg = msg
        self.code = code
        self.details = details

    def printed(self) -> str:
        """The error object as a plugin prints it (on standard output)."""
        fields = {"code": self.code, "msg": self.msg, "details": self.details}
        return pretty({k: v for k, v in fields.items() if v != ""})


def pretty(value: Any) -> str:
    """JSON as the plugins print it: four spaces, and the escapes that Go writes."""
    return _indented(value, "\n") + "\n"


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    return _encode(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _indented(value: Any, line: str) -> str:
    """(``json.dumps(indent=4)`` says the same in three times the time, and every pod's start prints six of these.)"""
    inner = line + "    "
    if isinstance(value, dict) and value:
        return "{" + ",".join(f"{inner}{_text(k)}: {_indented(v, inner)}" for k, v in value.items()) + line + "}"
    if isinstance(value, list | tuple) and value:
        return "[" + ",".join(inner + _indented(v, inner) for v in value) + line + "]"
    return _text(value) if isinstance(value, str) else str(value) if type(value) is int else json.dumps(value)


def version_of(config: Mapping[str, Any]) -> str:
    """The configuration's cniVersion; none means 0.1.0."""
    return config.get("cniVersion") or "0.1.0"


def at_least(version: str, other: str) -> bool:
    """Is `version` the same as `other` or later? Raises CniError where it is no version at all."""
    return numbers(version) >= numbers(other)


@lru_cache(maxsize=256)
def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers, to be compared. Raises CniError where it is none."""
    parts = version.split(".")
    if len(parts) > 3:
        raise CniError(f'invalid version "{version}": too many parts', DECODING_FAILURE)
    for name, part in zip(("major", "minor", "micro"), parts, strict=False):
        if not (part.isascii() and part.isdecimal()):
            words = f'failed to convert {name} version part "{part}": strconv.Atoi: parsing "{part}": invalid syntax'
            raise CniError(words, DECODING_FAILURE)
    return (*map(int, parts), 0, 0)[:3]


# -- results -----------------------------------------------------------------------------------------------------------

INTERFACE_FIELDS = ("name", "mac", "mtu", "sandbox", "socketPath", "pciID")
ADDRESS_FIELDS = ("version", "interface", "address", "gateway")
ROUTE_FIELDS = ("dst", "gw", "mtu", "advmss", "priority", "table", "scope")


def printed(result: Result, version: str) -> Result:
    """The result in the form of `version`, ready to be printed as JSON. Raises CniError where it has no such form."""
    if not at_least(version, "0.3.0"):
        return _old(result, version)
    new, newest = at_least(version, "1.0.0"), at_least(version, "1.1.0")
    parts = {
        "interfaces": [_kept(row, INTERFACE_FIELDS) for row in result.get("interfaces") or ()],
        "ips": [_kept(row if new else {"version": family(row), **row}, ADDRESS_FIELDS) for row in _ips(result)],
        "routes": [_kept(row, ROUTE_FIELDS if newest else ROUTE_FIELDS[:2]) for row in result.get("routes") or ()],
    }
    out = {"cniVersion": version, **{k: v for k, v in parts.items() if v}, "dns": result.get("dns") or {}}
    return by_library(out) if newest else out


def family(entry: Mapping[str, Any]) -> str:
    """``4`` or ``6``: the IP version of an address or of a route."""
    return "6" if ":" in str(entry.get("address") or entry.get("dst")) else "4"


def _ips(result: Result) -> list[Result]:
    return [{k: v for k, v in row.items() if k != "version"} for row in result.get("ips") or ()]


def _kept(row: Mapping[str, Any], fields: tuple[str, ...]) -> Result:
    return {name: row[name] for name in fields if row.get(name) not in (None, "")}


def by_library(out: Result) -> Result:
    """A result as the newer libraries print it: fields by name, and an empty ``dns`` not at all (pkg/types/100)."""
    if not at_least(out["cniVersion"], "1.0.0"):
        return out
    rows = {k: [dict(sorted(row.items())) for row in v] if isinstance(v, list) else v for k, v in out.items()}
    return dict(sorted((k, v) for k, v in rows.items() if k != "dns" or v))


def _old(result: Result, version: str) -> Result:
    """CNI 0.2.0 and before knew one address per family and no interfaces."""
    out: Result = {"cniVersion": version}
    for row in _ips(result):
        if f"ip{family(row)}" not in out:
            out[f"ip{family(row)}"] = {"ip": row["address"], **_kept(row, ("gateway",))}
    if len(out) == 1:
        raise CniError("cannot convert: no valid IP addresses")
    for part in sorted(out.keys() - {"cniVersion"}):
        routes = [_kept(row, ROUTE_FIELDS[:2]) for row in result.get("routes") or () if part == f"ip{family(row)}"]
        out[part] |= {"routes": routes} if routes else {}
    return {**out, "dns": result.get("dns") or {}}


_CONFIG = Struct("types020.ipConfig", {"ip": IPNET, "gateway": IP, "routes": ROUTES})
_INTERFACE: dict[str, Kind] = {**dict.fromkeys(INTERFACE_FIELDS, STRING), "mtu": INT}
_ADDRESS: dict[str, Kind] = {"version": STRING, "interface": INT, "address": IPNET, "gateway": IP}
_OLDEST = Struct("types020.Result", {"cniVersion": STRING, "ip4": _CONFIG, "ip6": _CONFIG, "dns": DNS})


def _form(package: str) -> Struct:
    interfaces = Items(Struct(f"{package}.Interface", _INTERFACE), f"[]*{package}.Interface")
    ips = Items(Custom(f"{package}.ipConfig", partial(_address, package), only_text=False), f"[]*{package}.IPConfig")
    fields: dict[str, Kind] = {"cniVersion": STRING, "interfaces": interfaces, "ips": ips, "routes": ROUTES, "dns": DNS}
    return Struct(f"{package}.Result", fields)


def _address(package: str, value: Any) -> Result:
    """(An address reads its own text.)"""
    return {"address": "<nil>", **(decode(value, Struct(f"{package}.ipConfig", _ADDRESS)) or {})}


FORMS = (
    (("", *VERSIONS[:2]), _OLDEST),
    (VERSIONS[2:5], _form("types040")),
    (VERSIONS[5:], _form("types100")),
)
"""Versions whose results have one form. A result of another form cannot stand in a configuration."""


def read(result: Mapping[str, Any], version: str = "") -> Result:
    """A result in the form of its own version (or of this one) in the form that we use inside. Raises CniError."""
    said = result.get("cniVersion")
    version = version or (said if isinstance(said, str) else "")
    form = next((form for versions, form in FORMS if version in versions), FORMS[-1][1])
    try:
        found: Result = decode(dict(result), form)
    except Wrong as wrong:
        raise CniError(str(wrong)) from None
    old = [found[part] for part in ("ip4", "ip6") if part in found]
    if form is _OLDEST:
        ips = [{"address": part.get("ip"), "gateway": part.get("gateway")} for part in old]
        found |= {"ips": ips, "routes": [route for part in old for route in part.get("routes") or ()]}
    rows = {
        "interfaces": [_kept(row, INTERFACE_FIELDS) for row in found.get("interfaces") or ()],
        "ips": [_kept(row, ADDRESS_FIELDS[1:]) for row in found.get("ips") or ()],
        "routes": [_kept(row, ROUTE_FIELDS) for row in found.get("routes") or ()],
    }
    return {**{k: v for k, v in rows.items() if v}, "dns": found.get("dns") or {}}


def previous(config: Mapping[str, Any]) -> Result | None:
    """The ``prevResult`` of a configuration, or None. Raises CniError where it cannot be read (ParsePrevResult)."""
    raw = config.get("prevResult")
    if raw is None:
        return None
    version = version_of(config)
    said = raw.get("cniVersion", version)
    known = next(versions for versions, _ in FORMS if version in versions)
    try:
        found = read(raw, version)
    except CniError as error:
        raise CniError(f"could not parse prevResult: {error.msg}") from None
    if said not in known:
        words = f'result type supports [{" ".join(known)}] but unmarshalled CNIVersion is "{said}"'
        raise CniError(f"could not parse prevResult: {words}")
    return found
