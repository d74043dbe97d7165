"""Slices as objects: from the endpoints that there should be to the fewest writes that make it so.

A slice that nobody needs any more is used for what needs a new one, so it keeps its name; who has no endpoint at all
has one empty slice (`finalize` in upstream's endpointslice/reconciler.go).

Left out: trigger-time annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple

from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.api.defaults import random_name
from k8slearn.components.endpointslice.endpoint import Ports
from k8slearn.components.endpointslice.placing import place
from k8slearn.journal import Commands, Key, Put, Remove, World

Obj = dict[str, Any]
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
Wanted = dict[Ports, dict[Any, Obj]]
"""Ports -> the endpoints that serve them, by identity."""
Content = tuple[Ports, list[Obj]]


class Desired(NamedTuple):
    """The slices of one family that somebody wants."""

    owner: Obj
    """The Service (or Endpoints) that they belong to."""
    kind: str
    labels: Obj
    address_type: str
    endpoints: Wanted
    placeholder: bool = True
    """Is there one empty slice where there is no endpoint?"""

    @property
    def cause(self) -> Key:
        metadata = self.owner["metadata"]
        table = "services" if self.kind == "Service" else "endpoints"
        return ("api", table, f"{metadata['namespace']}/{metadata['name']}")


def written(world: World, desired: Desired, old: Mapping[str, Obj]) -> Commands:
    """What makes the old slices (by key) those that are desired."""
    kept, fresh, gone = _placed(dict(sorted(old.items())), desired.endpoints)
    if not kept and not fresh and desired.placeholder:
        fresh = [((), [])]
    while gone and fresh:
        kept[gone.pop(0)] = fresh.pop()
    for name in gone:
        yield Remove(("api", "endpointslices", name), desired.cause)
    for name, (ports, endpoints) in kept.items():
        changed = _changed(old[name], desired.labels, ports, endpoints)
        if changed != old[name]:
            yield Put(("api", "endpointslices", name), stamped(world, _next_generation(changed)), desired.cause)
    for ports, endpoints in fresh:
        yield _new(world, desired, ports, endpoints)


def _placed(old: Mapping[str, Obj], wanted: Wanted) -> tuple[dict[str, Content], list[Content], list[str]]:
    """(slices that stay, new ones, slices that nobody needs): each set of ports by itself."""
    kept: dict[str, Content] = {}
    fresh: list[Content] = []
    gone = [name for name, piece in old.items() if ports_of(piece) not in wanted]
    for ports, endpoints in sorted(wanted.items()):
        mine = {name: piece.get("endpoints") or [] for name, piece in old.items() if ports_of(piece) == ports}
        placing = place(mine, endpoints)
        kept |= {name: (ports, there) for name, there in placing.kept.items()}
        fresh += [(ports, there) for there in placing.fresh]
        gone += placing.gone
    return kept, fresh, gone


def _changed(old: Obj, labels: Obj, ports: Ports, endpoints: list[Obj]) -> Obj:
    metadata = {**old["metadata"], "labels": labels}
    return {**old, "metadata": metadata, "endpoints": endpoints, "ports": [_port(*port) for port in ports]}


def _next_generation(piece: Obj) -> Obj:
    metadata = piece["metadata"]
    return {**piece, "metadata": {**metadata, "generation": metadata.get("generation", 1) + 1}}


def _new(world: World, desired: Desired, ports: Ports, endpoints: list[Obj]) -> Put:
    of = desired.owner["metadata"]
    name = _free_name(world, of["namespace"], of["name"])
    owner = {"apiVersion": "v1", "kind": desired.kind, "name": of["name"], "uid": of["uid"]}
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "generateName": f"{of['name']}-",
            "namespace": of["namespace"],
            "uid": uid(world, "endpointslices", name),
            "creationTimestamp": timestamp(world.clock),
            "resourceVersion": str(world.revision),
            "generation": 1,
            "labels": desired.labels,
            "ownerReferences": [{**owner, "blockOwnerDeletion": True, "controller": True}],
        },
        "addressType": desired.address_type,
        "endpoints": endpoints,
        "ports": [_port(*port) for port in ports],
    }
    return Put(("api", "endpointslices", f"{of['namespace']}/{name}"), obj, desired.cause)


def _free_name(world: World, namespace: str, service: str) -> str:
    """The Service's name and five letters; the same ones in every cluster in which the same slices are there."""
    taken = world.table("api", "endpointslices")
    names = (f"{service}-{random_name('endpointslices', namespace, service, n)}" for n in count())
    return next(name for name in names if f"{namespace}/{name}" not in taken)


def _port(name: str, number: int, protocol: str, app_protocol: str) -> Obj:
    told = {"appProtocol": app_protocol} if app_protocol else {}
    return {"name": name, "port": number, "protocol": protocol, **told}


def ports_of(piece: Obj) -> Ports:
    """The ports that a slice serves."""
    ports = piece.get("ports") or ()
    return tuple((p.get("name") or "", p["port"], p.get("protocol", "TCP"), p.get("appProtocol", "")) for p in ports)
