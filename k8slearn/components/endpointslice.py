"""The EndpointSlice controller: for each Service the addresses of the pods that its selector picks, ready or not.

A Service is a promise; its slices are who keeps it. A pod is listed as soon as it has an address. ``ready`` says
whether new connections may go to it, ``serving`` whether it passes its readiness check, ``terminating`` whether it is
being deleted. At most 100 endpoints stand in one slice, and all of them have the same ports: a target port with a
*name* may be another number in each pod, and then there are more slices. kube-proxy reads slices and never asks a
pod.

Left out: topology hints, IPv6, services that somebody else keeps slices for (no selector: nothing to do),
trigger-time annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from k8slearn.api import conditions, selectors
from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.api.defaults import random_name
from k8slearn.journal import Commands, Key, Put, Remove, Table, World

Obj = dict[str, Any]
Ports = tuple[tuple[str, int, str, str], ...]
"""(name, number, protocol, appProtocol) of each port that a slice serves."""
MOST = 100
"""Endpoints in one slice (``--max-endpoints-per-slice``)."""
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
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
        listed = world.table("api", "endpointslices").index(_listed).get(str(changed[2]), set())
        picking = [] if pod is None else [name for name, service in _services(world, namespace) if _picks(service, pod)]
        return sorted(listed.union(picking))

    def reconcile(self, world: World, key: str) -> Commands:
        service = world.get(("api", "services", key))
        if service is None or not _selector(service):
            return
        wanted = _wanted(world, service)
        old = _slices(world, key)
        for name in sorted(old):
            kept = _kept(service, old[name], wanted)
            if kept is None:
                yield Remove(("api", "endpointslices", name), ("api", "services", key))
            elif kept != old[name]:
                yield Put(("api", "endpointslices", name), stamped(world, kept), ("api", "services", key))
        yield from _added(world, service, wanted, key)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


Wanted = dict[Ports, dict[str, Obj]]
"""Ports -> the pod's key -> its endpoint. What stands in a kept slice is taken out."""


def _wanted(world: World, service: Obj) -> Wanted:
    namespace = service["metadata"]["namespace"]
    pods = world.table("api", "pods").index(_by_namespace).get(namespace, [])
    found: Wanted = {}
    for name, pod in pods:
        if _picks(service, pod) and _counts(pod):
            found.setdefault(_ports(service, pod), {})[name] = _endpoint(service, pod)
    return found


def _kept(service: Obj, old: Obj, wanted: Wanted) -> Obj | None:
    """An old slice with today's endpoints in their old places, or None when nobody is left in it."""
    here = wanted.get(_ports_of(old), {})
    names = [_pod_of(endpoint) for endpoint in old.get("endpoints") or ()]
    staying = [here.pop(name) for name in names if name in here]
    room = MOST - len(staying)
    fresh = [here.pop(name) for name in list(here)[:room]]
    if not staying and not fresh:
        return old if not old.get("endpoints") and not any(wanted.values()) else None
    return {**old, "metadata": {**old["metadata"], "labels": _labels(service)}, "endpoints": [*staying, *fresh]}


def _added(world: World, service: Obj, wanted: Wanted, key: str) -> Commands:
    """New slices for the endpoints that found no place; an empty one where the Service has no endpoint at all."""
    for ports in sorted(wanted):
        rest = list(wanted[ports].values())
        for start in range(0, len(rest), MOST):
            yield _slice(world, service, ports, rest[start : start + MOST])
    if not _slices(world, key):
        yield _slice(world, service, (), [])


def _free_name(world: World, namespace: str, service: str) -> str:
    """The Service's name and five letters; the same ones in every cluster in which the same slices are there."""
    taken = world.table("api", "endpointslices")
    names = (f"{service}-{random_name('endpointslices', namespace, service, n)}" for n in count())
    return next(name for name in names if f"{namespace}/{name}" not in taken)


def _slice(world: World, service: Obj, ports: Ports, endpoints: list[Obj]) -> Put:
    metadata = service["metadata"]
    name = _free_name(world, metadata["namespace"], metadata["name"])
    owner = {"apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"]}
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "uid": uid(world, "endpointslices", name),
            "creationTimestamp": timestamp(world.clock),
            "resourceVersion": str(world.revision),
            "generation": 1,
            "labels": _labels(service),
            "ownerReferences": [{**owner, "blockOwnerDeletion": True, "controller": True}],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [_port(*port) for port in ports],
    }
    key = f"{metadata['namespace']}/{metadata['name']}"
    return Put(("api", "endpointslices", f"{metadata['namespace']}/{name}"), obj, ("api", "services", key))


def _port(name: str, number: int, protocol: str, app_protocol: str) -> Obj:
    return {
        "name": name,
        "port": number,
        "protocol": protocol,
        **({"appProtocol": app_protocol} if app_protocol else {}),
    }


def _endpoint(service: Obj, pod: Obj) -> Obj:
    metadata, spec = pod["metadata"], pod["spec"]
    serving, terminating = conditions.holds(pod, "Ready"), bool(metadata.get("deletionTimestamp"))
    unready = bool(service["spec"].get("publishNotReadyAddresses"))
    ready = unready or (serving and not terminating)
    target = {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
    named = spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        **({"hostname": spec["hostname"]} if named else {}),
        "nodeName": spec.get("nodeName", ""),
        "targetRef": target,
    }


def _counts(pod: Obj) -> bool:
    """Has it an address, and does it still run?"""
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def _ports(service: Obj, pod: Obj) -> Ports:
    """The Service's ports as numbers in this pod; a name that the pod does not know is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = _number(port, pod)
        if number is not None:
            found.append((port.get("name", ""), number, port.get("protocol", "TCP"), port.get("appProtocol", "")))
    return tuple(found)


def _number(port: Obj, pod: Obj) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    protocol = port.get("protocol", "TCP")
    for container in pod["spec"].get("containers") or ():
        for declared in container.get("ports") or ():
            if declared.get("name") == target and declared.get("protocol", "TCP") == protocol:
                return int(declared["containerPort"])
    return None


def _ports_of(old: Obj) -> Ports:
    ports = old.get("ports") or ()
    return tuple((p.get("name") or "", p["port"], p.get("protocol", "TCP"), p.get("appProtocol", "")) for p in ports)


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
    return world.table("api", "endpointslices").index(_by_service).get(service, {})


def _by_namespace(rows: Table) -> dict[str, list[tuple[str, Obj]]]:
    found: dict[str, list[tuple[str, Obj]]] = {}
    for name in sorted(map(str, rows)):
        found.setdefault(name.partition("/")[0], []).append((name, rows[name]))
    return found


def _by_service(rows: Table) -> dict[str, dict[str, Obj]]:
    found: dict[str, dict[str, Obj]] = {}
    for name, obj in rows.items():
        labels = selectors.labels(obj)
        if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
            service = f"{obj['metadata']['namespace']}/{labels[SERVICE_NAME]}"
            found.setdefault(service, {})[str(name)] = obj
    return found


def _listed(rows: Table) -> dict[str, set[str]]:
    """Pod -> the Services in whose slices it stands."""
    found: dict[str, set[str]] = {}
    for service, slices in rows.index(_by_service).items():
        for obj in slices.values():
            for endpoint in obj.get("endpoints") or ():
                found.setdefault(_pod_of(endpoint), set()).add(service)
    return found


def _pod_of(endpoint: Obj) -> str:
    target = endpoint.get("targetRef") or {}
    return f"{target.get('namespace', '')}/{target.get('name', '')}"
