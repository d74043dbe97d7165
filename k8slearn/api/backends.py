"""From a backend as an Ingress or a route names it to the pods behind it: Service, port, EndpointSlices.

A proxy does not send to a Service's address: it watches the EndpointSlices itself and opens connections to the pods,
so that it can weigh, retry and keep sessions. Of the Service it takes the port's *name*, by which slices know it.

Left out: Services of type ExternalName, zone hints, endpoints that are terminating, IPv6 endpoints.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from k8slearn.journal import Table, World

Obj = dict[str, Any]
SERVICE_NAME = "kubernetes.io/service-name"


class Found(NamedTuple):
    """What became of a reference: the places that serve, or why there is nothing to be found."""

    places: tuple[tuple[str, int], ...] = ()
    problem: str = ""


def behind(world: World, namespace: str, name: str, port: int | str) -> Found:
    """The ready endpoints of a Service's port, which is given by its number or its name."""
    service = world.get(("api", "services", f"{namespace}/{name}"))
    if service is None:
        return Found(problem=f"there is no Service {namespace}/{name}")
    if service["spec"].get("type") == "ExternalName":
        return Found(problem=f"Service {namespace}/{name} is of type ExternalName, which is not followed here")
    ports = service["spec"].get("ports") or ()
    meant = next((known for known in ports if port in (known["port"], known.get("name"))), None)
    if meant is None:
        return Found(problem=f"Service {namespace}/{name} has no port {port}")
    return Found(_ready(world, f"{namespace}/{name}", meant.get("name") or ""))


def _ready(world: World, service: str, port: str) -> tuple[tuple[str, int], ...]:
    found = []
    for piece in world.table("api", "endpointslices").index(_by_service).get(service, ()):
        number = next((p.get("port") for p in piece.get("ports") or () if (p.get("name") or "") == port), None)
        for endpoint in piece.get("endpoints") or () if number is not None else ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found += [(str(address), int(number or 0)) for address in endpoint["addresses"][:1]]
    return tuple(sorted(found))


def _by_service(rows: Table) -> dict[str, list[Obj]]:
    """``namespace/name`` of a Service -> its slices of IPv4 addresses."""
    found: dict[str, list[Obj]] = {}
    for key in sorted(rows, key=str):
        piece = rows[key]
        service = (piece["metadata"].get("labels") or {}).get(SERVICE_NAME)
        if service and piece.get("addressType") == "IPv4":
            found.setdefault(f"{piece['metadata']['namespace']}/{service}", []).append(piece)
    return found
