"""What the API's objects add to a picture: Services with their endpoints, and pods that have no namespace to be drawn
in.

Left out: ExternalName (a Service without an address is drawn without one).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from k8slearn.journal import Key, World
from k8slearn.linux.listen import place


@dataclass(frozen=True, slots=True)
class Service:
    """A Service: a name and addresses that no link carries, only rules. `endpoints` are ``10.244.1.2:80``."""

    key: Key
    kind: str
    addresses: tuple[str, ...]
    ports: tuple[str, ...]
    endpoints: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.key[2])


def services(world: World) -> Iterable[Service]:
    """Every Service with its ready endpoints, by name."""
    backends: dict[str, list[str]] = {}
    for name, piece in sorted(world.table("api", "endpointslices").items(), key=lambda item: str(item[0])):
        service = (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        if service:
            backends.setdefault(f"{str(name).partition('/')[0]}/{service}", []).extend(_endpoints(piece))
    for name, service in sorted(world.table("api", "services").items(), key=lambda item: str(item[0])):
        spec = service.get("spec", {})
        addresses = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
        ports = tuple(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or ())
        found = tuple(dict.fromkeys(backends.get(str(name), ())))
        yield Service(
            ("api", "services", name), spec.get("type", "ClusterIP"), tuple(filter(None, addresses)), ports, found
        )


def _endpoints(piece: Mapping[str, Any]) -> list[str]:
    ready = [e for e in piece.get("endpoints") or () if (e.get("conditions") or {}).get("ready", True) is not False]
    ports = [p.get("port") for p in piece.get("ports") or ()] or [None]
    return [place(a, port) if port else a for port in ports for e in ready for a in e.get("addresses", ())]


def pods_by_node(world: World) -> dict[str, list[str]]:
    """Node -> the pods that were placed there; under "" those without a node."""
    found: dict[str, list[str]] = {}
    for name, pod in world.table("api", "pods").items():
        found.setdefault(pod.get("spec", {}).get("nodeName") or "", []).append(str(name))
    return found


def without_netns(world: World, names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Pods without a namespace of their own: those on the host's network, and those that wait."""
    host: list[str] = []
    waiting: list[str] = []
    for name in sorted(names):
        pod = world.get(("api", "pods", name))
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            continue
        (host if pod.get("spec", {}).get("hostNetwork") else waiting).append(name)
    return tuple(host), tuple(waiting)
