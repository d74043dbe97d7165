"""The CNI specification's values: versions, results and errors, and how they look in each version.

Inside, a result always has the form of CNI 1.0.0::

    {"interfaces": [{"name", "mac", "sandbox"}], "ips": [{"interface", "address", "gateway"}],
     "routes": [{"dst", "gw"}], "dns": {}}

`printed` gives it the form that the configuration's ``cniVersion`` asks for, `read` takes any form back.

Left out: versions that the Debian plugins do not speak (1.1.0).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from k8slearn.errors import Refused

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0")
CURRENT = VERSIONS[-1]
INCOMPATIBLE_VERSION, BAD_ENVIRONMENT, IO_FAILURE, DECODING_FAILURE, INVALID_CONFIG = 1, 4, 5, 6, 7
INTERNAL = 999
"""What real plugins use for nearly everything."""

Result = dict[str, Any]
_text = lru_cache(maxsize=4096)(json.JSONEncoder(ensure_ascii=False).encode)


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
    """JSON as the plugins print it: four spaces, and no escapes that Go would not write."""
    return _indented(value, "\n") + "\n"


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
    """Is `version` the same as `other` or later?"""
    return VERSIONS.index(version) >= VERSIONS.index(other)


def printed(result: Result, version: str) -> Result:
    """The result in the form of `version`, ready to be printed as JSON."""
    if not at_least(version, "0.3.0"):
        return _old(result, version)
    ips = [_ip(ip, version) for ip in result.get("ips", ())]
    parts = {"interfaces": result.get("interfaces"), "ips": ips, "routes": result.get("routes")}
    return {"cniVersion": version, **{k: v for k, v in parts.items() if v}, "dns": result.get("dns") or {}}


def _ip(ip: Result, version: str) -> Result:
    return ip if at_least(version, "1.0.0") else {"version": "4", **ip}


def _old(result: Result, version: str) -> Result:
    """CNI 0.2.0 and before knew one address per family and no interfaces."""
    out: Result = {"cniVersion": version}
    for ip in result.get("ips", ())[:1]:
        out["ip4"] = {"ip": ip["address"]}
        if ip.get("gateway"):
            out["ip4"]["gateway"] = ip["gateway"]
        if result.get("routes"):
            out["ip4"]["routes"] = result["routes"]
    return {**out, "dns": result.get("dns") or {}}


def read(result: Mapping[str, Any]) -> Result:
    """A result of any version in the form that we use inside."""
    old = result.get("ip4")
    if old is None:
        ips = [{k: v for k, v in ip.items() if k != "version"} for ip in result.get("ips") or ()]
        found = {"interfaces": result.get("interfaces"), "ips": ips, "routes": result.get("routes")}
    else:
        ip = {"address": old["ip"], **({"gateway": old["gateway"]} if old.get("gateway") else {})}
        found = {"ips": [ip], "routes": old.get("routes")}
    return {**{k: v for k, v in found.items() if v}, "dns": result.get("dns") or {}}
