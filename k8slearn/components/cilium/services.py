"""Services and EndpointSlices become rows of three maps, the same on every node, save for NodePorts and ``Local``.

::

    10.96.0.10:80/TCP (0)          [ClusterIP, non-routable]   2 backends
    10.96.0.10:80/TCP (1)          -> backend 7
    10.96.0.10:80/TCP (2)          -> backend 9
    0.0.0.0:30080/TCP (0)          [NodePort, non-routable]    any node's address, asked by a socket inside
    192.168.64.11:30080/TCP (0)    [NodePort]                  this node's own, asked from outside
    backends: 7 10.244.0.7:8080    9 10.244.1.3:8080

``externalTrafficPolicy: Local`` gives a NodePort two scopes: outside has this node's backends, inside (``/i``) has all.
``internalTrafficPolicy: Local`` leaves a ClusterIP this node's. An endpoint counts while it is ready; when none is,
those that are terminating but still serve.

Sources: pkg/loadbalancer (reconciler, maps), bpf/lib/lb.h.

Left out: topology hints, ``loadBalancerSourceRanges``, headless Services (no address to translate).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8slearn.cni.cilium import lb, maps
from k8slearn.cni.cilium.maps import EXTERNAL, INTERNAL, Frontend
from k8slearn.components.cilium import frontends
from k8slearn.components.cilium.frontends import Place, Wanted
from k8slearn.journal import Commands, Table, World

SERVICE_NAME, HEADLESS = "kubernetes.io/service-name", "service.kubernetes.io/headless"
OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
Obj = Mapping[str, Any]


def owner(name: str, table: str, row: Any) -> str:
    """The Service that a changed row is about; ``default/``: a slice that is gone cannot say."""
    if table == "services":
        return name
    labels = ((row or {}).get("metadata") or {}).get("labels") or {}
    return f"{name.partition('/')[0]}/{labels.get(SERVICE_NAME, '')}"


def every(world: World, node: str) -> Commands:
    """All Services; and what is none any more goes."""
    for name in _known(world, node):
        yield from _one(world, node, name)


def _known(world: World, node: str) -> list[str]:
    """Services that there are, and those that still have rows (what has a colon is a pod's: `hostport`)."""
    rows = (name for name in frontends.owners(world, node) if ":" not in name)
    return sorted({*map(str, world.table("api", "services")), *rows})


def ensure(world: World, node: str, name: str) -> Commands:
    """One Service, or all of a namespace (``default/``)."""
    if not name.endswith("/"):
        yield from _one(world, node, name)
        return
    for other in _known(world, node):
        if other.startswith(name):
            yield from _one(world, node, other)


def _one(world: World, node: str, name: str) -> Commands:
    here = maps.config(world, node)
    assert here is not None
    service = world.get(("api", "services", name))
    wanted = dict(_wanted(world, name, service, here, node)) if service is not None else {}
    yield from frontends.write(world, node, name, wanted, ("api", "services", name), _affinity(service))


def _affinity(service: Obj | None) -> int:
    """``sessionAffinity: ClientIP``, three hours unless somebody says otherwise."""
    spec = (service or {}).get("spec") or {}
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(client.get("timeoutSeconds") or 10800)


# --- what is read ------------------------------------------------------------------------------


def _wanted(world: World, name: str, service: Obj, here: maps.Config, node: str) -> Iterator[tuple[Frontend, Wanted]]:
    spec = service.get("spec") or {}
    address = str(spec.get("clusterIP") or "None")
    labels = (service.get("metadata") or {}).get("labels") or {}
    if address == "None" or ":" in address or spec.get("type") == "ExternalName" or OTHER_PROXY in labels:
        return
    external_local = spec.get("externalTrafficPolicy") == "Local"
    internal_local = spec.get("internalTrafficPolicy") == "Local"
    words = ("Local",) * external_local + ("InternalLocal",) * internal_local
    stays = ("sessionAffinity",) * bool(_affinity(service))
    for port in spec.get("ports") or ():
        proto = str(port.get("protocol") or "TCP").lower()
        places = _usable(
            world.table("api", "endpointslices").index(_places).get((name, port.get("name") or "", proto), ())
        )
        near = _usable(p for p in world.table("api", "endpointslices").index(_places).get(
            (name, port.get("name") or "", proto), ()) if p.node == node.removeprefix("node:"))  # fmt: skip
        inside = near if internal_local else places
        front = Frontend(address, int(port["port"]), proto)
        yield front, ("ClusterIP", (*words[external_local:], *stays, "non-routable"), inside)
        for at, kind, routable in _outer(service, int(port["port"]), int(port.get("nodePort") or 0), proto, here):
            scopes = ("two-scopes",) * (external_local != internal_local)
            flags = (*words, *scopes, *stays, *("non-routable",) * (not routable))
            yield at, (kind, flags, near if external_local else places)
            if external_local != internal_local:
                yield at._replace(scope=INTERNAL), (kind, flags, inside)


def _outer(
    service: Obj, port: int, node_port: int, proto: str, here: maps.Config
) -> Iterator[tuple[Frontend, str, bool]]:
    """(frontend, kind, may it be asked from outside?) beside the ClusterIP."""
    if node_port:
        yield Frontend(lb.ANYWHERE, node_port, proto, EXTERNAL), "NodePort", False
        yield Frontend(here.node_ip, node_port, proto, EXTERNAL), "NodePort", True
    for address in service["spec"].get("externalIPs") or ():
        yield Frontend(str(address), port, proto), "ExternalIPs", True
    status = (service.get("status") or {}).get("loadBalancer") or {}
    for ingress in status.get("ingress") or ():
        if ingress.get("ip") and ingress.get("ipMode", "VIP") == "VIP":
            yield Frontend(str(ingress["ip"]), port, proto), "LoadBalancer", True


def _usable(places: Any) -> list[Place]:
    every = list(places)
    return [p for p in every if p.state == "active"] or [p for p in every if p.state == "terminating"]


def _places(slices: Table) -> dict[tuple[str, str, str], list[Place]]:
    """(Service, port's name, protocol) -> its places, in the order of their addresses."""
    found: dict[tuple[str, str, str], dict[tuple[str, int], Place]] = {}
    for name, piece in sorted(slices.items(), key=str):
        labels = (piece.get("metadata") or {}).get("labels") or {}
        if piece.get("addressType") != "IPv4" or SERVICE_NAME not in labels or HEADLESS in labels:
            continue
        service = f"{str(name).partition('/')[0]}/{labels[SERVICE_NAME]}"
        for port in piece.get("ports") or ():
            key = (service, port.get("name") or "", str(port.get("protocol") or "TCP").lower())
            for place in _of(str(name), piece, int(port.get("port") or 0)):
                found.setdefault(key, {})[place.address, place.port] = place
    return {key: [by[at] for at in sorted(by)] for key, by in found.items()}


def _of(name: str, piece: Obj, port: int) -> Iterator[Place]:
    for endpoint in piece.get("endpoints") or ():
        said = endpoint.get("conditions") or {}
        serving = said.get("serving") is not False and said.get("terminating") is True
        state = "active" if said.get("ready") is not False else "terminating" if serving else "quarantined"
        yield Place(endpoint["addresses"][0], port, endpoint.get("nodeName") or "", state, name)
