"""MetalLB: Services of type LoadBalancer where no cloud is, by ARP.

Two programs. The **controller** (one pod) gives each such Service an address out of an IPAddressPool and writes it into
the Service's status: from then on every kube-proxy has rules for it. But no machine *has* the address, so nobody
would send a packet for it. That is the **speakers'** work (a pod on every node, `speaker.py`): one of them answers
ARP for the address, and all of its packets come to that node. So layer 2 mode is a fail-over and no spreading: what
spreads is kube-proxy's choice behind it. An L2Advertisement says which pools are announced.

Installed as in life: ``kubectl apply -f https://…/metallb-native.yaml``, then a pool and an advertisement.

Left out: BGP mode, IPv6, sharing an address (``metallb.io/allow-shared-ip``), ``serviceAllocation`` of pools, and the
webhook that refuses a wrong pool (an unreadable range is skipped).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.cni import cri
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, Table, World
from k8slearn.linux import ip

GROUP = "metallb.io"
POOLS, ADVERTISEMENTS = f"ipaddresspools.{GROUP}", f"l2advertisements.{GROUP}"
FROM_POOL = f"{GROUP}/ip-allocated-from-pool"
WANTED, WANTED_POOL = f"{GROUP}/loadBalancerIPs", f"{GROUP}/address-pool"
PROGRAM = "metallb-controller"
Obj = dict[str, Any]


class MetalLbController:
    """Keys: Services, as ``namespace/name``."""

    name = "metallb-controller"

    def watches(self) -> Mapping[str, str]:
        return {"services": "those of type LoadBalancer", POOLS: "which addresses there are", "container": "its own"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] == "container":
            row = world.get(changed)
            return _waiting(world) if row is not None and row.program == PROGRAM else ()
        freed = changed[1] == POOLS or world.get(changed) is None
        return _waiting(world) if freed else (str(changed[2]),)

    def reconcile(self, world: World, key: str) -> Commands:
        service = world.get(("api", "services", key))
        if service is None or not world.table("api", POOLS) or not _runs(world):
            return
        if not is_ours(service):
            if FROM_POOL in annotated(service):
                yield _put(world, key, _with(service, "", ""))
            return
        try:
            pool, address = _address(world, key, service)
        except Refused as why:
            yield from _said(world, service, "AllocationFailed", f'Failed to allocate IP for "{key}": {why}', "Warning")
            return
        if (pool, address) != (annotated(service).get(FROM_POOL), given(service)):
            yield _put(world, key, _with(service, pool, address))
            yield from _said(world, service, "IPAllocated", f'Assigned IP ["{address}"]')

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def is_ours(service: Obj) -> bool:
    """A Service of type LoadBalancer that asks for no other implementation (``loadBalancerClass``)."""
    return service["spec"].get("type") == "LoadBalancer" and not service["spec"].get("loadBalancerClass")


def given(service: Obj) -> str:
    """The address that its status has, or nothing."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return str(ingress[0].get("ip", "")) if ingress else ""


def annotated(service: Obj) -> Obj:
    """The object's annotations; none is an empty dict."""
    return service["metadata"].get("annotations") or {}


def _runs(world: World) -> bool:
    return any(cri.runs(world, f"node:{node}", PROGRAM) for node in world.table("api", "nodes"))


def _waiting(world: World) -> list[str]:
    services = world.table("api", "services")
    return sorted(str(name) for name, service in services.items() if is_ours(service) or given(service))


def _address(world: World, key: str, service: Obj) -> tuple[str, str]:
    """(pool, address) that it has or gets. Refused, with MetalLB's reason, where there is none."""
    taken = {a for name, a in world.table("api", "services").index(_given).items() if name != key}
    pools = _pools(world, annotated(service).get(WANTED_POOL, ""))
    asked = annotated(service).get(WANTED) or service["spec"].get("loadBalancerIP") or ""
    if asked:
        return _asked(world, asked, taken)
    own = given(service)
    for name, pool in pools:
        if own and own not in taken and any(own in span for span in _ranges(pool)):
            return name, own
    for name, pool in pools:
        for span in _ranges(pool):
            free = next((address for address in span if address not in taken), None)
            if free is not None:
                return name, free
    raise Refused("no available IPs")


def _asked(world: World, asked: str, taken: set[str]) -> tuple[str, str]:
    every = sorted((str(p["metadata"]["name"]), p) for p in world.table("api", POOLS).values())
    found = next((name for name, pool in every if any(asked in span for span in _ranges(pool))), None)
    if found is None:
        raise Refused(f'["{asked}"] is not allowed in config')
    if asked in taken:
        raise Refused(f'can\'t change sharing key for "{asked}", address also in use by another Service')
    return found, asked


def _pools(world: World, wanted: str) -> list[tuple[str, Obj]]:
    """Those that may be taken from unasked, by name; or the one that is asked for."""
    rows = sorted((str(p["metadata"]["name"]), p) for p in world.table("api", POOLS).values())
    if wanted and wanted not in dict(rows):
        raise Refused(f'unknown pool "{wanted}"')
    return [(n, p) for n, p in rows if n == wanted or (not wanted and p["spec"].get("autoAssign") is not False)]


class Span:
    """The addresses of ``10.0.0.1-10.0.0.9`` or ``10.0.0.0/28``, counted only as far as somebody looks."""

    def __init__(self, text: str) -> None:
        first, dash, last = (part.strip() for part in text.partition("-"))
        base, prefix = ip.network(first)
        self.first = base
        self.last = ip.number(last) if dash else base | (1 << (32 - prefix)) - 1

    def __iter__(self) -> Iterator[str]:
        return (ip.text(number) for number in range(self.first, self.last + 1))

    def __contains__(self, address: str) -> bool:
        return ":" not in address and self.first <= ip.number(address) <= self.last


def _ranges(pool: Obj) -> list[Span]:
    found = []
    for text in pool["spec"].get("addresses") or ():
        try:
            found.append(Span(str(text)))
        except ValueError:
            continue
    return found


def pool_of(world: World, address: str) -> str:
    """The pool that an address is of, by name."""
    for pool in world.table("api", POOLS).values():
        if any(address in span for span in _ranges(pool)):
            return str(pool["metadata"]["name"])
    return ""


def _given(rows: Table) -> dict[str, str]:
    return {str(name): given(service) for name, service in rows.items() if given(service)}


def _with(service: Obj, pool: str, address: str) -> Obj:
    """The Service with its address, or without."""
    told = {k: v for k, v in annotated(service).items() if k != FROM_POOL} | ({FROM_POOL: pool} if pool else {})
    ingress = {"ingress": [{"ip": address, "ipMode": "VIP"}]} if address else {}
    status = {**(service.get("status") or {}), "loadBalancer": ingress}
    return {**service, "metadata": {**service["metadata"], "annotations": told}, "status": status}


def _put(world: World, key: str, service: Obj) -> Put:
    return Put(("api", "services", key), stamped(world, service), ("api", "services", key))


def _said(world: World, service: Obj, reason: str, words: str, kind: str = "Normal") -> Commands:
    """An event, once."""
    said = event(world, service, reason, words, PROGRAM, kind)
    if world.get(said.key) is None:
        yield said
