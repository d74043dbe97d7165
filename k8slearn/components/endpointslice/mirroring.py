"""The EndpointSlice mirroring controller: Endpoints that a person wrote become slices, which kube-proxy reads.

A Service without a selector has no controller: whoever made it says where it leads, by EndpointSlices or, as before
1.21, by an **Endpoints** object of the Service's name (deprecated since 1.33). Nobody who translates addresses reads
Endpoints any more; this controller copies them. Who writes slices by hand is left alone, since those have no owner
here. An object labelled ``endpointslice.kubernetes.io/skip-mirror: "true"`` is not copied (KEP-752).

The Endpoints of Services *with* a selector are no rows: a reader is told them (`api.legacy`).

Left out: leader election records, whose annotation also says not to copy; at most 1000 addresses of one subset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import selectors
from k8slearn.components.endpointslice.endpoint import Ports
from k8slearn.components.endpointslice.placing import identity
from k8slearn.components.endpointslice.writing import MANAGED_BY, SERVICE_NAME, Desired, Wanted, written
from k8slearn.journal import Commands, Key, Remove, Table, World

Obj = dict[str, Any]
MIRROR = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"


class EndpointSliceMirroring:
    """Keys: Endpoints and the Services of their name, as ``namespace/name``."""

    name = "endpointslicemirroring-controller"

    def watches(self) -> Mapping[str, str]:
        return {"endpoints": "what a person wrote", "services": "those without a selector are led by it"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        name = str(changed[2])
        return (name,) if changed[1] == "endpoints" or world.get(("api", "endpoints", name)) is not None else ()

    def reconcile(self, world: World, key: str) -> Commands:
        endpoints, service = world.get(("api", "endpoints", key)), world.get(("api", "services", key))
        mine = world.table("api", "endpointslices").index(_mirrored).get(key, {})
        if endpoints is None or service is None or not _is_mirrored(endpoints, service):
            for name in sorted(mine):
                yield Remove(("api", "endpointslices", name), ("api", "endpoints", key))
            return
        labels = {**selectors.labels(endpoints), SERVICE_NAME: endpoints["metadata"]["name"], MANAGED_BY: MIRROR}
        for address_type in ("IPv4", "IPv6"):
            old = {name: piece for name, piece in mine.items() if piece["addressType"] == address_type}
            wanted = _wanted(endpoints, address_type)
            yield from written(world, Desired(endpoints, "Endpoints", labels, address_type, wanted, False), old)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _is_mirrored(endpoints: Obj, service: Obj) -> bool:
    spec = service["spec"]
    leads_itself = bool(spec.get("selector")) or spec.get("type") == "ExternalName"
    return not leads_itself and selectors.labels(endpoints).get(SKIP) != "true"


def _wanted(endpoints: Obj, address_type: str) -> Wanted:
    found: Wanted = {}
    for subset in endpoints.get("subsets") or ():
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(field) or ():
                if (":" in address["ip"]) == (address_type == "IPv6"):
                    one = _endpoint(address, ready)
                    found.setdefault(_ports(subset), {})[identity(one)] = one
    return found


def _endpoint(address: Obj, ready: bool) -> Obj:
    told = {field: address[field] for field in ("hostname", "nodeName", "targetRef") if address.get(field)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **told}


def _ports(subset: Obj) -> Ports:
    ports = subset.get("ports") or ()
    return tuple((p.get("name", ""), p["port"], p.get("protocol", "TCP"), p.get("appProtocol", "")) for p in ports)


def _mirrored(rows: Table) -> dict[str, dict[str, Obj]]:
    """Endpoints -> the slices that copy it, by key."""
    found: dict[str, dict[str, Obj]] = {}
    for name, obj in rows.items():
        labels = selectors.labels(obj)
        if labels.get(MANAGED_BY) == MIRROR:
            found.setdefault(f"{obj['metadata']['namespace']}/{labels.get(SERVICE_NAME)}", {})[str(name)] = obj
    return found
