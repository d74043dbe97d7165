"""The Endpoints of Services that select Pods: what the old controller keeps beside the EndpointSlices.

Nobody who translates addresses has read them since 1.21, and the API has been deprecated since 1.33; but people still
type ``kubectl get endpoints``. So they are no rows here: whoever asks for them is told what the controller
(pkg/controller/endpoint) would have written, worked out from the slices. An object that a person stored under the
same name comes before it.

Left out: the annotation with the moment of the last change; writing to such an object (the controller would undo it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import selectors
from k8slearn.api.kinds import Kind
from k8slearn.journal import World

Obj = dict[str, Any]
CAPACITY = 1000
"""So many addresses at most (maxCapacity)."""
_SERVICE = "kubernetes.io/service-name"
_SLICES_OWNER = "endpointslice.kubernetes.io/managed-by"
_MIRROR = "endpointslicemirroring-controller.k8s.io"
_OWNER = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
_HEADLESS = {"service.kubernetes.io/headless": ""}
_OF_THE_SERVER = {"endpointslice.kubernetes.io/skip-mirror": "true"}
_OVER = {"endpoints.kubernetes.io/over-capacity": "truncated"}


def shown(world: World, kind: Kind) -> Mapping[Any, Obj]:
    """The rows of a kind as a reader gets them."""
    rows: Mapping[Any, Obj] = world.table("api", kind.table)
    return rows if kind.kind != "Endpoints" else {**_derived(world), **rows}


def _derived(world: World) -> dict[str, Obj]:
    pieces: dict[str, list[Obj]] = {}
    for piece in world.table("api", "endpointslices").values():
        labels = selectors.labels(piece)
        if labels.get(_SLICES_OWNER) != _MIRROR and (service := labels.get(_SERVICE)):
            pieces.setdefault(f"{piece['metadata']['namespace']}/{service}", []).append(piece)
    services = world.table("api", "services")
    return {
        str(name): _endpoints(service, pieces.get(str(name), []))
        for name, service in services.items()
        if _is_kept(service)
    }


def _is_kept(service: Obj) -> bool:
    """Does a controller keep its Endpoints? The API server keeps those of its own Service."""
    spec, metadata = service["spec"], service["metadata"]
    leads = bool(spec.get("selector")) and spec.get("type") != "ExternalName"
    return leads or (metadata["namespace"], metadata["name"]) == ("default", "kubernetes")


def _endpoints(service: Obj, pieces: Iterable[Obj]) -> Obj:
    spec, about = service["spec"], service["metadata"]
    pieces = [p for p in pieces if p["addressType"] == (spec.get("ipFamilies") or ["IPv4"])[0]]
    own = (
        {**_OWNER, **(_HEADLESS if spec.get("clusterIP") == "None" else {})} if spec.get("selector") else _OF_THE_SERVER
    )
    metadata = {
        "creationTimestamp": about["creationTimestamp"],
        "labels": {**selectors.labels(service), **own},
        "name": about["name"],
        "namespace": about["namespace"],
        "resourceVersion": str(max(int(p["metadata"]["resourceVersion"]) for p in [service, *pieces])),
    }
    subsets, cut = _subsets(pieces, bool(spec.get("publishNotReadyAddresses")))
    if cut:
        metadata["annotations"] = dict(_OVER)
    found = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return {**found, "subsets": subsets} if subsets else found


def _subsets(pieces: Iterable[Obj], everybody: bool) -> tuple[list[Obj], bool]:
    """(the subsets, one for each list of ports; was something left out?). Who is ending is in none."""
    by_ports: dict[str, Obj] = {}
    count = 0
    for piece in pieces:
        ports = [{k: v for k, v in port.items() if v not in ("", None)} for port in piece.get("ports") or ()]
        subset = by_ports.setdefault(repr(ports), {"addresses": [], "notReadyAddresses": [], "ports": ports})
        for end in piece.get("endpoints") or ():
            conditions = end.get("conditions") or {}
            if conditions.get("terminating") and not everybody:
                continue
            count += 1
            if count <= CAPACITY:
                subset["addresses" if conditions.get("ready", True) else "notReadyAddresses"].append(_address(end))
    listed = []
    for subset in by_ports.values():
        kept = {k: sorted(v, key=lambda one: str(one["ip"])) if k != "ports" else v for k, v in subset.items() if v}
        if "addresses" in kept or "notReadyAddresses" in kept:
            listed.append(kept)
    return listed, count > CAPACITY


def _address(end: Obj) -> Obj:
    told = {field: end[field] for field in ("hostname", "nodeName", "targetRef") if end.get(field)}
    return {"ip": end["addresses"][0], **told}
