"""The EndpointSlice controller: for each Service the addresses of the pods that its selector picks, ready or not.

A Service is a promise; its slices are who keeps it. A pod is listed as soon as it has an address. ``ready`` says
whether new connections may go to it, ``serving`` whether it passes its readiness check, ``terminating`` whether it is
being deleted. At most 100 endpoints stand in one slice, and all of them have the same ports: a target port with a
*name* may be another number in each pod, and then there are more slices. kube-proxy reads slices and never asks a
pod. A dual-stack Service has slices of its own for each family.

Read `endpoint.py` for what a slice says of a pod, `placing.py` for which slice it stands in. Services without a
selector are their maker's business: `mirroring.py`.

Left out: trigger-time annotations. A node's zone is read when a Service or a pod changes, as in the real controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k8slearn.api import selectors
from k8slearn.components.endpointslice.endpoint import addresses, entry, ports_in
from k8slearn.components.endpointslice.placing import identity
from k8slearn.components.endpointslice.writing import MANAGED_BY, SERVICE_NAME, Desired, Wanted, written
from k8slearn.journal import Commands, Key, Remove, Table, World

Obj = dict[str, Any]
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"


class EndpointSlices:
    """Keys: Services, as ``namespace/name``."""

    name = "endpointslice-controller"

    def watches(self) -> Mapping[str, str]:
        return {"services": "their selectors and ports", "pods": "their addresses and whether they are ready"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        if changed[1] == "services":
            return (str(changed[2]),)
        pod = world.get(changed)
        namespace = str(changed[2]).partition("/")[0]
        slices = world.table("api", "endpointslices").by(_pods_in).get(str(changed[2]), {})
        listed = {service for obj in slices.values() for service in _services_of(obj)}
        picking = [] if pod is None else [name for name, service in _services(world, namespace) if _picks(service, pod)]
        return sorted(listed.union(picking))

    def reconcile(self, world: World, key: str) -> Commands:
        service = world.get(("api", "services", key))
        if service is None or not _selector(service):
            return
        families = service["spec"].get("ipFamilies") or ["IPv4"]
        for address_type in families:
            old = {name: piece for name, piece in _slices(world, key).items() if piece["addressType"] == address_type}
            desired = Desired(service, "Service", _labels(service), address_type, _wanted(world, service, address_type))
            yield from written(world, desired, old)
        for name, piece in _slices(world, key).items():
            if piece["addressType"] not in families:
                yield Remove(("api", "endpointslices", name), ("api", "services", key))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _wanted(world: World, service: Obj, address_type: str) -> Wanted:
    """Ports -> the endpoints that serve them, by identity."""
    pods = world.table("api", "pods").index(_by_namespace).get(service["metadata"]["namespace"], [])
    found: Wanted = {}
    for _, pod in pods:
        if _picks(service, pod) and addresses(pod, address_type):
            one = entry(world, service, pod, address_type)
            found.setdefault(ports_in(service, pod), {})[identity(one)] = one
    return found


def _labels(service: Obj) -> Obj:
    spec, own = service["spec"], service["metadata"].get("labels") or {}
    headless = {HEADLESS: ""} if spec.get("clusterIP") == "None" else {}
    return {**own, MANAGED_BY: MANAGER, SERVICE_NAME: service["metadata"]["name"], **headless}


def _selector(service: Obj) -> Mapping[str, str]:
    spec = service["spec"]
    return {} if spec.get("type") == "ExternalName" else spec.get("selector") or {}


def _picks(service: Obj, pod: Obj) -> bool:
    return selectors.equal(_selector(service), selectors.labels(pod))


def _services(world: World, namespace: str) -> Iterator[tuple[str, Obj]]:
    yield from world.table("api", "services").index(_by_namespace).get(namespace, [])


def _slices(world: World, service: str) -> dict[str, Obj]:
    """The slices that this controller keeps for a Service, by key."""
    found = world.table("api", "endpointslices").by(_services_of).get(service, {})
    return {str(name): found[name] for name in sorted(found, key=str)}


def _by_namespace(rows: Table) -> dict[str, list[tuple[str, Obj]]]:
    found: dict[str, list[tuple[str, Obj]]] = {}
    for name in sorted(map(str, rows)):
        found.setdefault(name.partition("/")[0], []).append((name, rows[name]))
    return found


def _services_of(obj: Obj) -> Iterator[str]:
    """The Service whose slice this is, if it is one that this controller keeps."""
    labels = selectors.labels(obj)
    if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
        yield f"{obj['metadata']['namespace']}/{labels[SERVICE_NAME]}"


def _pods_in(obj: Obj) -> set[str]:
    """The pods that stand in a slice that this controller keeps."""
    return {_pod_of(endpoint) for _ in _services_of(obj) for endpoint in obj.get("endpoints") or ()}


def _pod_of(endpoint: Obj) -> str:
    target = endpoint.get("targetRef") or {}
    return f"{target.get('namespace', '')}/{target.get('name', '')}"
