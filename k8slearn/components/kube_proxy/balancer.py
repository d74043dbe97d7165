"""One sync in ipvs mode: the device, its addresses, the sets' elements and the virtual servers as they ought to be.

What is there and right stays; the rest is added, changed and deleted. Whatever one family's kube-proxy finds of the
other it leaves alone.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.components.kube_proxy.ipvs import DEVICE, IPS, SETS, Part, bits, set_name
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import addr, link
from k8slearn.linux import ipvs as kernel
from k8slearn.linux.ipset import IpSet, Member

Parts = list[tuple[str, Part]]
"""(Service, its part)."""


def sync(world: World, scope: str, family: str, parts: Parts, cause: Key) -> Commands:
    """Everything but the rules."""
    if world.get(link.key(scope, DEVICE)) is None:
        yield from link.add(world, scope, DEVICE, "dummy")
    yield from _bind(world, scope, family, parts, cause)
    yield from _fill(world, scope, family, parts, cause)
    yield from _serve(world, scope, family, parts, cause)


def remove(world: World, scope: str, families: Iterable[str]) -> Commands:
    """All of it (cleanup.go: cleanupLeftovers)."""
    for name in list(world.table(scope, "ipvs")):
        yield Remove((scope, "ipvs", name))
    if world.get(link.key(scope, DEVICE)) is not None:
        yield from link.delete(world, scope, DEVICE)
    names = {set_name(name, family) for family in families for name in SETS}
    for key in [k for k in world.table(scope, "ipset-member") if isinstance(k, tuple) and k[0] in names]:
        yield Remove((scope, "ipset-member", key))
    for name in sorted(names):
        if world.get((scope, "ipset", name)) is not None:
            yield Remove((scope, "ipset", name))


def own_addresses(world: World, scope: str, family: str) -> tuple[str, ...]:
    """The node's addresses that can take node ports: all but localhost's and Services' (GetAllLocalAddressesExcept)."""
    rows = [row for row in world.table(scope, "addr").values() if row.dev not in (DEVICE, "lo")]
    return tuple(sorted({row.address for row in rows if _is_of(family, row.address) and row.scope != "link"}))


def _is_of(family: str, address: str) -> bool:
    return (":" in address) == (family == "ip6")


def _bind(world: World, scope: str, family: str, parts: Parts, cause: Key) -> Commands:
    """The addresses of Services are this machine's own; one that another device has stays there alone."""
    taken = own_addresses(world, scope, family)
    wanted = {address: owner for owner, part in parts for address in part.addresses if address not in taken}
    there = {row.address: row for row in addr.on(world, scope, DEVICE, family)}
    for address, owner in wanted.items():
        if address not in there:
            for command in addr.add(world, scope, DEVICE, f"{address}/{bits(family)}"):
                yield command._replace(cause=("api", "services", owner))
    for address, row in there.items():
        if address not in wanted and row.scope != "link":
            yield Remove(addr.key(scope, row), cause)


def _fill(world: World, scope: str, family: str, parts: Parts, cause: Key) -> Commands:
    wanted = {(set_name(name, family), one): owner for owner, part in parts for name, one in part.members}
    taken = own_addresses(world, scope, family)
    bound = ((a, owner) for owner, part in parts for a in part.addresses if a not in taken)
    wanted |= {(set_name(IPS, family), (address,)): owner for address, owner in bound}
    for name, (kind, _) in SETS.items():
        own = set_name(name, family)
        if world.get((scope, "ipset", own)) is None:
            yield Put((scope, "ipset", own), _set(kind, family))
    mine, there = {set_name(name, family) for name in SETS}, world.table(scope, "ipset-member")
    for key in [k for k in there if isinstance(k, tuple) and k[0] in mine and k not in wanted]:
        yield Remove((scope, "ipset-member", key), cause)
    for key, owner in wanted.items():
        if key not in there:
            yield Put((scope, "ipset-member", key), Member(key[1]), ("api", "services", owner))


def _set(kind: str, family: str) -> IpSet:
    if kind == "bitmap:port":
        return IpSet(kind, "", last=65535)
    return IpSet(kind, "inet6" if family == "ip6" else "inet")


def _serve(world: World, scope: str, family: str, parts: Parts, cause: Key) -> Commands:
    there: Mapping[Any, kernel.Virtual] = world.table(scope, "ipvs")
    wanted = {name: (virtual, owner) for owner, part in parts for name, virtual in part.servers}
    for name in [n for n in there if _is_of(family, n[1]) and n not in wanted]:
        yield Remove(kernel.key(scope, name), cause)
    for name, (virtual, owner) in wanted.items():
        if there.get(name) != virtual:
            yield Put(kernel.key(scope, name), virtual, ("api", "services", owner))
