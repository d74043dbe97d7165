"""The ``host-local`` plugin: hands out addresses of a range, and remembers them in files on this node alone.

A lease is a file, named after the address, that holds the container's id and interface. The next address is the one
after the last that was given, so a freed one comes back only when the range has wrapped round. No other node is
asked: each needs a range of its own. A range set gives one address: dual-stack needs two of them.

The reference plugin does nothing at GC and STATUS (v1.9): a lease that nobody freed is found by the runtime, whose GC
is a DEL for each attachment that it knows and that is not valid any more (`runtime.gc`).

Left out: the file lock as more than a file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import decode, spec
from k8slearn.cni.decode import IP, IPNET, ROUTES, STRING, Custom, Items, Kind, Struct, Wrong
from k8slearn.cni.skel import Args, Printed, load_ipam, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands, Key, Put, Remove
from k8slearn.linux import ip

DATA_DIR = "/var/lib/cni/networks"


class Range(NamedTuple):
    """A range of addresses, as numbers (first and last are given out too), with its mask and gateway."""

    first: int
    last: int
    prefix: int
    gateway: str
    width: int

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and ip.bits(address) == self.width and self.has(ip.number(address))

    def has(self, number: int) -> bool:
        return self.first <= number <= self.last

    def overlaps(self, other: Range) -> bool:
        return self.width == other.width and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return f"{ip.text(self.first, self.width)}-{ip.text(self.last, self.width)}"


RangeSet = tuple[Range, ...]


class Ipam(NamedTuple):
    """The ``ipam`` part of a configuration."""

    sets: tuple[RangeSet, ...]
    routes: list[Any]
    directory: str
    resolv_conf: str


def _add(args: Args) -> Printed:
    ipam, wanted = _load(args)
    dns = _resolv_conf(args, ipam.resolv_conf)
    yield Put(_file(args, ipam, "lock"), "")
    ips: list[dict[str, Any]] = []
    for number, ranges in enumerate(ipam.sets):
        asked = next((address for address in wanted if any(address in r for r in ranges)), "")
        try:
            address, of = _pick(args, ipam, ranges, number, asked)
        except CniError as error:
            yield from _release(args, ipam, ips)
            raise CniError(f"failed to allocate for range {number}: {error.msg}") from None
        wanted = [other for other in wanted if other != asked]
        yield Put(_file(args, ipam, address), _holder(args))
        yield Put(_file(args, ipam, f"last_reserved_ip.{number}"), address)
        ips.append({"address": f"{address}/{of.prefix}", "gateway": of.gateway})
    if wanted:
        yield from _release(args, ipam, ips)
        raise CniError(f"failed to allocate all requested IPs: {' '.join(wanted)}")
    return spec.printed({"ips": ips, "routes": ipam.routes, "dns": dns}, args.version)


def _delete(args: Args) -> Commands:
    ipam, _ = _load(args)
    yield Put(_file(args, ipam, "lock"), "")
    yield from _release(args, ipam, ipam.sets)


def _check(args: Args) -> Commands:
    ipam, _ = _load(args)
    yield Put(_file(args, ipam, "lock"), "")
    if not _leases(args, ipam):
        raise CniError(f"host-local: Failed to find address added by container {args.container_id}")


def _pick(args: Args, ipam: Ipam, ranges: RangeSet, number: int, asked: str) -> tuple[str, Range]:
    """The address to give and its range (allocator.go Get)."""
    files = args.world.table(args.node, "file")
    if asked:
        found = next(r for r in ranges if asked in r)
        if asked == found.gateway:
            raise CniError(f"requested ip {asked} is subnet's gateway")
        if _file(args, ipam, asked)[2] in files:
            raise CniError(f"requested IP address {asked} is not available in range set {_shown(ranges)}")
        return asked, found
    for held in _leases(args, ipam):
        if any(held in r for r in ranges):
            words = f"{held} has been allocated to {args.container_id}, duplicate allocation is not allowed"
            raise CniError(words)
    last = files.get(_file(args, ipam, f"last_reserved_ip.{number}")[2], "")
    for address, of in _round(ranges, last):
        if address != of.gateway and _file(args, ipam, address)[2] not in files:
            return address, of
    raise CniError(f"no IP addresses available in range set: {_shown(ranges)}")


def _round(ranges: RangeSet, last: str) -> Iterator[tuple[str, Range]]:
    """Every address of the set once, beginning with the one after the last that was given (allocator.go Next)."""
    at = next((i for i, r in enumerate(ranges) if last and last in r), None)
    now = ip.number(last) if at is not None else ranges[0].first - 1
    at, first = at or 0, None
    while True:
        if now == ranges[at].last:
            at = (at + 1) % len(ranges)
            now = ranges[at].first
        else:
            now += 1
        if (at, now) == first:
            return
        first = first or (at, now)
        yield ip.text(now, ranges[at].width), ranges[at]


def _shown(ranges: RangeSet) -> str:
    return ",".join(map(str, ranges))


def _leases(args: Args, ipam: Ipam) -> list[str]:
    """The addresses that this container's interface holds; files of old versions name the container alone."""
    folder, holder = str(_file(args, ipam, "")[2]), _holder(args)
    files = args.world.table(args.node, "file").items()
    own = [(str(name).removeprefix(folder), text) for name, text in files if str(name).startswith(folder)]
    held = [name for name, text in own if text.strip() == holder]
    return held or [name for name, text in own if text.strip() == args.container_id]


def _release(args: Args, ipam: Ipam, given: object) -> Commands:
    """(After a failure only where something was given: allocators that gave nothing release nothing.)"""
    for address in _leases(args, ipam) if given else ():
        yield Remove(_file(args, ipam, address))


def _holder(args: Args) -> str:
    return f"{args.container_id}\r\n{args.ifname}"


def _file(args: Args, ipam: Ipam, name: str) -> Key:
    return (args.node, "file", f"{ipam.directory}/{args.name}/{name}")


def _load(args: Args) -> tuple[Ipam, list[str]]:
    """The configuration, and the addresses that somebody asked for: CNI_ARGS ``IP=``, ``args.cni.ips`` or the
    capability ``ips``."""
    net = _net(args.call.stdin)
    asked = args.cni_args(IP=_asked_address).get("IP")
    places = ((net.get("args") or {}).get("cni") or {}, net.get("runtimeConfig") or {})
    others = [address for place in places for address in place.get("ips", ())]
    if not all(others):
        raise CniError("cannot understand ip: IP <nil> not v4 nor v6")
    return _ipam(args.call.stdin), list(dict.fromkeys([*([asked] if asked else []), *others]))


def _resolv_conf(args: Args, path: str) -> dict[str, Any]:
    """The ``dns`` of the result, read from a resolv.conf on the node."""
    if not path:
        return {}
    text: str | None = args.world.get((args.node, "file", path))
    if text is None:
        raise CniError(f"open {path}: no such file or directory")
    lines = [line.split() for line in text.splitlines()]
    rows = [line for line in lines if len(line) > 1 and line[0][0] not in "#;"]
    dns = {
        "nameservers": [line[1] for line in rows if line[0] == "nameserver"],
        "domain": "".join([line[1] for line in rows if line[0] == "domain"][-1:]),
        "search": [word for line in rows if line[0] == "search" for word in line[1:]],
        "options": [word for line in rows if line[0] == "options" for word in line[1:]],
    }
    return {k: v for k, v in dns.items() if v}


# -- the configuration (backend/allocator/config.go) -------------------------------------------------------------------


def _asked_address(value: Any) -> str:
    """An address with or without its prefix (pkg/ip/ip.go)."""
    if not isinstance(value, str):
        raise decode.Mismatch(value, "*ip.IP")
    if not value:
        return ""
    try:
        return decode.cidr(value).partition("/")[0] if "/" in value else decode.address(value)
    except Wrong:
        raise Wrong(f"invalid IP address {value}") from None


_IPS = Items(Custom("*ip.IP", _asked_address), "[]*ip.IP")
_FIELDS: dict[str, Kind] = {"rangeStart": IP, "rangeEnd": IP, "subnet": IPNET, "gateway": IP}
_RANGE = Items(Struct("allocator.Range", _FIELDS), "allocator.RangeSet")
_RANGES = Items(_RANGE, "[]allocator.RangeSet")
_PLACES: dict[str, Kind] = {"routes": ROUTES, "dataDir": STRING, "resolvConf": STRING, "ranges": _RANGES}
_RUNTIME = (
    'struct { IPRanges []allocator.RangeSet "json:\\"ipRanges,omitempty\\""; IPs []*ip.IP "json:\\"ips,omitempty\\"" }'
)
_NET = Struct(
    "allocator.Net",
    {
        "name": STRING,
        "cniVersion": STRING,
        "ipam": Struct("allocator.IPAMConfig", {**_FIELDS, "type": STRING, **_PLACES}),
        "runtimeConfig": Struct(_RUNTIME, {"ipRanges": _RANGES, "ips": _IPS}),
        "args": Struct(
            'struct { A *allocator.IPAMArgs "json:\\"cni\\"" }', {"cni": Struct("allocator.IPAMArgs", {"ips": _IPS})}
        ),
    },
)


@lru_cache(maxsize=1024)
def _net(stdin: str) -> dict[str, Any]:
    return load_ipam(stdin, _NET)


@lru_cache(maxsize=1024)
def _ipam(stdin: str) -> Ipam:
    net = _net(stdin)
    ipam, runtime = net["ipam"], net.get("runtimeConfig", {})
    sets = [*runtime.get("ipRanges", ()), *([[ipam]] if ipam.get("subnet") else []), *ipam.get("ranges", ())]
    if not sets:
        raise CniError("no IP ranges specified")
    read = tuple(_set(number, ranges) for number, ranges in enumerate(sets))
    _check_sets(read, net.get("cniVersion", ""))
    directory = posixpath.normpath(ipam.get("dataDir") or DATA_DIR)
    return Ipam(read, ipam.get("routes", []), directory, ipam.get("resolvConf", ""))


def _check_sets(sets: tuple[RangeSet, ...], version: str) -> None:
    widths = [ranges[0].width for ranges in sets]
    if len(set(widths)) < len(widths) and not spec.at_least(version or "0.1.0", "0.3.0"):
        raise CniError(f"CNI version {version} does not support more than 1 address per family")
    for number, ranges in enumerate(sets):
        for other in range(number + 1, len(sets)):
            if any(one.overlaps(two) for one in ranges for two in sets[other]):
                raise CniError(f"range set {number} overlaps with {other}")


def _set(number: int, configs: list[dict[str, Any]] | None) -> RangeSet:
    try:
        return _ranges(configs or [])
    except CniError as error:
        raise CniError(f"invalid range set {number}: {error.msg}") from None


def _ranges(configs: list[dict[str, Any]]) -> RangeSet:
    if not configs:
        raise CniError("empty range set")
    ranges: list[Range] = []
    for config in configs:
        ranges.append(_range(config or {}))
        if ranges[-1].width != ranges[0].width:
            raise CniError("mixed address families")
    for at, one in enumerate(ranges):
        for two in ranges[at + 1 :]:
            if one.overlaps(two):
                raise CniError(f"subnets {one} and {two} overlap")
    return tuple(ranges)


def _range(config: Mapping[str, Any]) -> Range:
    """One range with its defaults: from the first to the last usable address, the first is the gateway's (range.go)."""
    subnet: str = config.get("subnet", "")
    if not subnet:
        raise CniError("IP <nil> not v4 nor v6")
    base, prefix = ip.network(subnet)
    width = ip.bits(subnet)
    if prefix > width - 2:
        raise CniError(f"Network {subnet} too small to allocate from")
    if subnet.startswith("::ffff:"):
        raise CniError("IPNet IP and Mask version mismatch")
    if base != ip.number(subnet.partition("/")[0]):
        at = ip.text(base, width)
        raise CniError(f"Network has host bits set. For a subnet mask of length {prefix} the network address is {at}")
    whole = Range(base, base | ~ip.mask(prefix, width) & ((1 << width) - 1), prefix, "", width)
    usual = whole._replace(first=base + 1, last=whole.last - (width == 32))
    end = config.get("rangeEnd") or ip.text(whole.last, width)
    inside = whole if ip.bits(end) != width else whole._replace(last=min(whole.last, ip.number(end)))
    first = _bound(config, "rangeStart", inside, subnet, usual.first)
    last = _bound(config, "rangeEnd", whole._replace(first=first), subnet, usual.last)
    return Range(first, last, prefix, config.get("gateway") or ip.text(base + 1, width), width)


def _bound(config: Mapping[str, Any], field: str, inside: Range, subnet: str, default: int) -> int:
    value = config.get(field)
    if not value:
        return default
    if value not in inside:
        raise CniError(f"{field[0].upper()}{field[1:]} {value} not in network {subnet}")
    return ip.number(value)


host_local = plugin("host-local", _add, _delete, _check)
