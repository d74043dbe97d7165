"""The ``static`` plugin: gives the addresses that the configuration names, and remembers nothing.

Nobody counts here: two containers with one configuration get the same address, and the plugin does not mind. The
capability ``ips`` and ``args.cni.ips`` replace the configured addresses; ``IP=`` in CNI_ARGS adds to them.

Left out: nothing (it does nothing at DEL, GC and STATUS in life either).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import decode, spec
from k8slearn.cni.decode import DNS, IP, ROUTES, STRING, STRINGS, Items, Kind, Struct, Wrong
from k8slearn.cni.skel import Args, Printed, check_netconf, load_ipam, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands
from k8slearn.linux import ip

_ADDRESS = Struct("main.Address", {"address": STRING, "gateway": IP})
_IPAM: dict[str, Kind] = {"type": STRING, "routes": ROUTES, "addresses": Items(_ADDRESS, "[]main.Address"), "dns": DNS}
_NET = Struct(
    "main.Net",
    {
        "name": STRING,
        "cniVersion": STRING,
        "ipam": Struct("main.IPAMConfig", _IPAM),
        "runtimeConfig": Struct('struct { IPs []string "json:\\"ips,omitempty\\"" }', {"ips": STRINGS}),
        "args": Struct(
            'struct { A *main.IPAMArgs "json:\\"cni\\"" }', {"cni": Struct("main.IPAMArgs", {"ips": STRINGS})}
        ),
    },
)


class Address(NamedTuple):
    """An address with its prefix, and the gateway that was said for it."""

    cidr: str
    gateway: str = ""


def _add(args: Args) -> Printed:
    net = _net(args.call.stdin)
    ips = [{"address": a.cidr, "gateway": a.gateway} for a in _addresses(args, net)]
    ipam = net["ipam"]
    yield from ()
    return spec.printed({"ips": ips, "routes": ipam.get("routes"), "dns": ipam.get("dns")}, args.version)


def _delete(args: Args) -> Commands:
    yield from ()


def _check(args: Args) -> Commands:
    addresses = _addresses(args, _net(args.call.stdin))
    check_netconf(args, "failed to load netconf")
    result = args.previous
    if result is None:
        raise CniError("Required prevResult missing")
    for address, gateway in addresses:
        found = [row for row in result.get("ips", ()) if _host(row["address"]) == _host(address)]
        if found and gateway and gateway != found[0].get("gateway"):
            raise CniError(f"static: Failed to match addr {_host(address)} on interface {args.ifname}")
    yield from ()


def _host(cidr: str) -> str:
    return cidr.partition("/")[0]


@lru_cache(maxsize=256)
def _net(stdin: str) -> dict[str, Any]:
    return load_ipam(stdin, _NET)


def _addresses(args: Args, net: dict[str, Any]) -> list[Address]:
    """What is asked for: configured addresses, those of CNI_ARGS, or what replaces them all (LoadIPAMConfig)."""
    said = args.cni_args(IP=str, GATEWAY=str)
    found = [Address(row.get("address", ""), row.get("gateway", "")) for row in net["ipam"].get("addresses", ())]
    read = len(found)
    for text in map(str.strip, said.get("IP", "").split(",") if said.get("IP") else ()):
        found.append(Address(_cidr(text, "the 'ip' field is expected to be in CIDR notation")))
    for text in said.get("GATEWAY", "").split(",") if said.get("GATEWAY") else ():
        found = [*found[:read], *_with_gateway(found[read:], text)]
    for place in ((net.get("args") or {}).get("cni") or {}, net.get("runtimeConfig") or {}):
        if place.get("ips"):
            found = [
                Address(_cidr(text, "an entry in the 'ips' field is NOT in CIDR notation")) for text in place["ips"]
            ]
            read = 0
    words = "the 'address' field is expected to be in CIDR notation"
    found = [Address(_cidr(a.cidr, words), a.gateway) for a in found]
    _check_families(found, net.get("cniVersion", ""))
    return found


def _with_gateway(addresses: list[Address], text: str) -> list[Address]:
    """A gateway belongs to the addresses of CNI_ARGS in whose network it is."""
    if not decode.is_address(text.strip()):
        raise CniError(f"invalid gateway address: {text}")
    gateway = decode.address(text.strip())
    return [a._replace(gateway=gateway) if ip.within(gateway, a.cidr) else a for a in addresses]


def _cidr(text: str, words: str) -> str:
    try:
        return decode.cidr(text)
    except Wrong:
        raise CniError(f"{words}, got: '{text}'") from None


def _check_families(addresses: list[Address], version: str) -> None:
    families = [":" in address.cidr for address in addresses]
    if len(set(families)) < len(families) and not spec.at_least(version or "0.1.0", "0.3.0"):
        raise CniError(f"CNI version {version} does not support more than 1 address per family")


static = plugin("static", _add, _delete, _check)
