"""The ``host-local`` plugin: hands out addresses of a range, and remembers them in files on this node alone.

A lease is a file, named after the address, that holds the container's id and interface. The next address is the one
after the last that was given, so a freed one comes back only when the range has wrapped round. No other node is
asked: each needs a range of its own.

Left out: IPv6 ranges, and the file lock as more than a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import spec
from k8slearn.cni.skel import Args, Printed, configuration, plugin, typed
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands, Key, Put, Remove
from k8slearn.linux import ip

DATA_DIR = "/var/lib/cni/networks"
KNOWN_ARGS = ("IP", "GATEWAY", "IgnoreUnknown")


class Range(NamedTuple):
    """A range of addresses, as numbers (first and last are given out too), with its mask and gateway."""

    first: int
    last: int
    prefix: int
    gateway: str

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and self.first <= ip.number(address) <= self.last

    def __str__(self) -> str:
        return f"{ip.text(self.first)}-{ip.text(self.last)}"


RangeSet = tuple[Range, ...]


class Ipam(NamedTuple):
    """The ``ipam`` part of a configuration."""

    sets: tuple[RangeSet, ...]
    routes: list[Any]
    directory: str
    resolv_conf: str


def _add(args: Args) -> Printed:
    ipam = _ipam(args.call.stdin)
    wanted = _requested(args)
    yield Put(_file(args, ipam, "lock"), "")
    ips: list[dict[str, Any]] = []
    for number, ranges in enumerate(ipam.sets):
        asked = next((address for address in wanted if any(address in r for r in ranges)), "")
        try:
            address, of = _pick(args, ipam, ranges, number, asked)
        except CniError as error:
            yield from _release(args, ipam)
            raise CniError(f"failed to allocate for range {number}: {error.msg}") from None
        wanted = [other for other in wanted if other != asked]
        yield Put(_file(args, ipam, address), _holder(args))
        yield Put(_file(args, ipam, f"last_reserved_ip.{number}"), address)
        ips.append({"address": f"{address}/{of.prefix}", "gateway": of.gateway})
    if wanted:
        yield from _release(args, ipam)
        raise CniError(f"failed to allocate all requested IPs: {' '.join(wanted)}")
    dns = _resolv_conf(args, ipam.resolv_conf)
    return spec.printed({"ips": ips, "routes": ipam.routes, "dns": dns}, args.version)


def _delete(args: Args) -> Commands:
    ipam = _ipam(args.call.stdin)
    yield Put(_file(args, ipam, "lock"), "")
    yield from _release(args, ipam)


def _check(args: Args) -> Commands:
    if not _leases(args, _ipam(args.call.stdin)):
        raise CniError(f"host-local: Failed to find address added by container {args.container_id}")
    yield from ()


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
    """Every address of the set once, beginning with the one after the last that was given."""
    at = next((i for i, r in enumerate(ranges) if last and last in r), None)
    start = ip.number(last) + 1 if at is not None else ranges[0].first
    for turn in range(len(ranges) + 1):
        of = ranges[((at or 0) + turn) % len(ranges)]
        for number in range(start if turn == 0 else of.first, (start if turn == len(ranges) else of.last + 1)):
            yield ip.text(number), of


def _shown(ranges: RangeSet) -> str:
    return ",".join(map(str, ranges))


def _leases(args: Args, ipam: Ipam) -> list[str]:
    """The addresses that this container's interface holds."""
    folder, holder = _file(args, ipam, "")[2], _holder(args)
    files = args.world.table(args.node, "file").items()
    held = [str(name).removeprefix(str(folder)) for name, text in files if text == holder]
    return [address for address in held if "/" not in address]


def _release(args: Args, ipam: Ipam) -> Commands:
    for address in _leases(args, ipam):
        yield Remove(_file(args, ipam, address))


def _holder(args: Args) -> str:
    return f"{args.container_id}\r\n{args.ifname}"


def _file(args: Args, ipam: Ipam, name: str) -> Key:
    return (args.node, "file", f"{ipam.directory}/{args.name}/{name}")


def _requested(args: Args) -> list[str]:
    """Addresses that somebody asked for: CNI_ARGS ``IP=``, ``args.cni.ips`` or the capability ``ips``."""
    pairs = args.cni_args()
    unknown = [f"{k}={v}" for k, v in pairs.items() if k not in KNOWN_ARGS]
    if unknown and pairs.get("IgnoreUnknown") not in ("1", "true"):
        raise CniError(f'ARGS: unknown args ["{chr(34).join(unknown)}"]')
    asked = [pairs["IP"]] if pairs.get("IP") else []
    cni = typed(typed(args.config, "args", {}, "Net"), "cni", {}, "Net")
    runtime = typed(args.config, "runtimeConfig", {}, "Net")
    asked += [*typed(cni, "ips", [], "Net"), *typed(runtime, "ips", [], "Net")]
    return [_address(str(a).partition("/")[0], "IP") for a in asked]


def _resolv_conf(args: Args, path: str) -> dict[str, Any]:
    """The ``dns`` of the result, read from a resolv.conf on the node."""
    if not path:
        return {}
    text: str | None = args.world.get((args.node, "file", path))
    if text is None:
        raise CniError(f"open {path}: no such file or directory")
    lines = [line.split() for line in text.splitlines() if line.strip() and line[0] not in "#;"]
    said = {
        word: [w for line in lines if line[0] == word for w in line[1:]]
        for word in ("nameserver", "search", "options", "domain")
    }
    dns = {
        "nameservers": said["nameserver"],
        "domain": "".join(said["domain"][-1:]),
        "search": said["search"],
        "options": said["options"],
    }
    return {k: v for k, v in dns.items() if v}


@lru_cache(maxsize=1024)
def _ipam(stdin: str) -> Ipam:
    config = configuration(stdin)
    ipam = config.get("ipam")
    if not isinstance(ipam, dict):
        raise CniError("IPAM config missing 'ipam' key")
    sets = [*typed(typed(config, "runtimeConfig", {}, "Net"), "ipRanges", [], "Net")]
    sets += [[ipam]] if ipam.get("subnet") else []
    sets += typed(ipam, "ranges", [], "IPAMConfig")
    if not sets:
        raise CniError("no IP ranges specified")
    read = tuple(_set(number, ranges) for number, ranges in enumerate(sets))
    directory = typed(ipam, "dataDir", "", "IPAMConfig") or DATA_DIR
    routes = typed(ipam, "routes", [], "IPAMConfig")
    return Ipam(read, routes, directory, typed(ipam, "resolvConf", "", "IPAMConfig"))


def _set(number: int, ranges: Any) -> RangeSet:
    if not isinstance(ranges, list) or not all(isinstance(r, dict) for r in ranges):
        raise CniError("json: cannot unmarshal into Go struct field IPAMConfig.ranges of type allocator.RangeSet")
    try:
        if not ranges:
            raise CniError("empty range set")
        return tuple(_range(r) for r in ranges)
    except CniError as error:
        raise CniError(f"invalid range set {number}: {error.msg}") from None


def _range(config: Mapping[str, Any]) -> Range:
    """One range with its defaults: from the first to the last usable address, the first is the gateway's (range.go)."""
    subnet = typed(config, "subnet", "", "Range")
    address, _, bits = subnet.partition("/")
    if ":" in subnet:
        raise CniError(f"IPv6 is not modelled: {subnet}")
    if not (bits.isdecimal() and int(bits) <= 32) or not _is_address(address):
        raise CniError(f"invalid CIDR address: {subnet}")
    prefix = int(bits)
    base = ip.number(address) & ip.mask(prefix)
    if prefix > 30:
        raise CniError(f"Network {subnet} too small to allocate from")
    if base != ip.number(address):
        at = ip.text(base)
        words = f"Network has host bits set. For a subnet mask of length {prefix} the network address is {at}"
        raise CniError(words)
    last = base | ~ip.mask(prefix) & 0xFFFFFFFF
    first, end = (_bound(config, f, subnet, d) for f, d in (("rangeStart", base + 1), ("rangeEnd", last - 1)))
    gateway = typed(config, "gateway", "", "Range")
    return Range(first, end, prefix, _address(gateway, "gateway") if gateway else ip.text(base + 1))


def _bound(config: Mapping[str, Any], field: str, subnet: str, default: int) -> int:
    value = typed(config, field, "", "Range")
    if not value:
        return default
    if not ip.within(_address(value, field), subnet):
        raise CniError(f"{field[0].upper()}{field[1:]} {value} not in network {subnet}")
    return ip.number(value)


def _address(value: str, what: str) -> str:
    if not _is_address(value):
        raise CniError(f"invalid IP address: {value} ({what})")
    return value


def _is_address(value: str) -> bool:
    try:
        ip.number(value)
    except ValueError:
        return False
    return True


host_local = plugin("host-local", _add, _delete, _check)
