"""Service ranges as objects: a ServiceCIDR for each range, an IPAddress for each address in use (1.33, KEP-1880).

At its start the API server writes its own range as the ServiceCIDR ``kubernetes``, and with every ClusterIP that it
gives an **IPAddress** of that name, whose parent is the Service: no two Services can have one address, as no two
objects can have one name. Who needs more addresses creates another ServiceCIDR. One that is being deleted gives no more
addresses, and stays until the last of its own is back, unless another range has it too (``Ready: False``).

Left out: the ten seconds of grace before a range goes, IPAddresses that a person makes, the repair loop's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import allocate, conditions
from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.components import Settings
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import ip

Obj = dict[str, Any]
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
GROUP = "networking.k8s.io/v1"
SINCE = 33
"""The minor version 1.x from which ranges are objects."""
WAITS = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
READY = "Kubernetes Service CIDR is ready"


class IpAddresses:
    """The API server's bookkeeping. Keys: Services, as ``namespace/name``."""

    name = "kube-apiserver"

    def watches(self) -> Mapping[str, str]:
        return {"services": "the addresses that they have"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        return (str(changed[2]),) if _has_objects(world) else ()

    def reconcile(self, world: World, key: str) -> Commands:
        cause: Key = ("api", "services", key)
        if world.get(("api", "servicecidrs", allocate.DEFAULT)) is None:
            cidrs = {"cidrs": list(allocate.ranges(world))}
            yield Put(
                ("api", "servicecidrs", allocate.DEFAULT), _new(world, "ServiceCIDR", allocate.DEFAULT, cidrs), cause
            )
        service = world.get(cause) or {"spec": {}}
        own = {a for a in service["spec"].get("clusterIPs") or () if a != "None"}
        listed = world.table("api", "ipaddresses")
        for address in sorted(a for a in own if a not in listed):
            yield Put(("api", "ipaddresses", address), _address(world, key, address), cause)
        for address in sorted(str(a) for a in listed.by(_parents).get(key, ()) if a not in own):
            yield Remove(("api", "ipaddresses", address), cause)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


class ServiceCidrs:
    """The service-cidrs-controller. Keys: ServiceCIDRs, by name."""

    name = "service-cidrs-controller"

    def watches(self) -> Mapping[str, str]:
        return {"servicecidrs": "ranges that come and go", "ipaddresses": "the last of a range that goes"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] == "servicecidrs" and world.get(changed) is not None:
            return (str(changed[2]),)
        rows = world.table("api", "servicecidrs")
        return sorted(str(name) for name, row in rows.items() if row["metadata"].get("deletionTimestamp"))

    def reconcile(self, world: World, key: str) -> Commands:
        row = world.get(("api", "servicecidrs", key))
        if row is None:
            return
        going = bool(row["metadata"].get("deletionTimestamp"))
        if going and not _needed(world, key, row):
            yield Remove(("api", "servicecidrs", key))
            return
        finalizers = row["metadata"].get("finalizers") or ([] if going else [FINALIZER])
        said = ("False", "Terminating", WAITS) if going else ("True", "", READY)
        status = conditions.put(world, row.get("status") or {}, "Ready", *said)
        changed = {**row, "metadata": {**row["metadata"], "finalizers": finalizers}, "status": status}
        if changed["metadata"] != row["metadata"] or not _says(row, said[0]):
            yield Put(("api", "servicecidrs", key), stamped(world, changed))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _has_objects(world: World) -> bool:
    settings: Settings | None = world.get(("cluster", "settings", ""))
    return settings is not None and int(settings.kubernetes.split(".")[1]) >= SINCE


def _says(row: Obj, status: str) -> bool:
    found = conditions.find(row, "Ready")
    return found is not None and found["status"] == status


def _needed(world: World, name: str, row: Obj) -> bool:
    """Is there an address that no other range has?"""
    others = [c for n, r in world.table("api", "servicecidrs").items() if n != name for c in _live(r)]
    mine = row["spec"].get("cidrs") or ()
    every = (str(address) for address in world.table("api", "ipaddresses"))
    return any(_in(address, mine) and not _in(address, others) for address in every)


def _live(row: Obj) -> Iterable[str]:
    return () if row["metadata"].get("deletionTimestamp") else row["spec"].get("cidrs") or ()


def _in(address: str, cidrs: Iterable[str]) -> bool:
    return any(ip.within(address, cidr) for cidr in cidrs)


def _parents(obj: Obj) -> Iterable[str]:
    """The Service that has this address."""
    parent = obj["spec"].get("parentRef") or {}
    named = f"{parent.get('namespace', '')}/{parent.get('name', '')}"
    return (named,) if parent.get("resource") == "services" else ()


def _address(world: World, service: str, address: str) -> Obj:
    namespace, _, name = service.partition("/")
    parent = {"group": "", "name": name, "namespace": namespace, "resource": "services"}
    made = _new(world, "IPAddress", address, {"parentRef": parent})
    family = "IPv6" if ":" in address else "IPv4"
    labels = {"ipaddress.kubernetes.io/ip-family": family, "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


def _new(world: World, kind: str, name: str, spec: Obj) -> Obj:
    metadata = {
        "name": name,
        "uid": uid(world, kind, name),
        "creationTimestamp": timestamp(world.clock),
        "resourceVersion": str(world.revision),
        "generation": 1,
    }
    return {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": spec}
