"""What the API server takes and warns of: the sentences of its ``Warning`` headers, which kubectl prints.

For Services in the order of pkg/api/service/warnings.go (Kubernetes 1.36 and newer), for Endpoints that of their
deprecation. A warning changes nothing: the object is stored.

Left out: warnings about addresses that can be read in two ways (they are refused here, as 1.36 refuses them in new
objects), and those about other kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Obj = Mapping[str, Any]
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"


def warnings(obj: Obj) -> list[str]:
    """Each sentence that the server sends with its answer to a request for this object."""
    if obj.get("kind") == "Endpoints":
        return ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]
    return list(_of_service(obj)) if obj.get("kind") == "Service" else []


def _of_service(obj: Obj) -> Iterator[str]:
    spec = obj.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    if _HINTS in ((obj.get("metadata") or {}).get("annotations") or {}):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    if headless:
        yield from (f"spec.{field} is ignored for headless services" for field in _ignored(spec))
    elif spec.get("externalIPs") and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if kind == "ExternalName" and spec.get("externalIPs"):
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _ignored(spec: Obj) -> Iterator[str]:
    """What a headless Service says in vain. (The server writes SessionAffinity with a capital.)"""
    yield from (field for field in ("loadBalancerIP", "externalIPs") if spec.get(field))
    if spec.get("sessionAffinity", "None") != "None":
        yield "SessionAffinity"
