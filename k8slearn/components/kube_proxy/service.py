"""Services and EndpointSlices as kube-proxy sees them: flat, frozen, one `Port` for each port of a Service.

kube-proxy follows a Service to its EndpointSlices by the label ``kubernetes.io/service-name`` and by the *name* of the
port; it never looks at ``targetPort``. It runs once for each family and sees only the addresses of that one: a
dual-stack Service is two, as far as rules are concerned. Which endpoints a node may use is said in `topology.py`.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from k8slearn.journal import Table
from k8slearn.linux import ip

OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
"""A Service or EndpointSlice with this label belongs to another proxy."""
HEADLESS = "service.kubernetes.io/headless"
SERVICE_NAME = "kubernetes.io/service-name"
ADDRESS_TYPES = {"ip": "IPv4", "ip6": "IPv6"}
"""The families as the kernel's tables name them -> as EndpointSlices do."""


class Port(NamedTuple):
    """One port of one Service: where it can be reached, and by which policy."""

    service: str
    """``default/web``"""
    name: str
    place: int
    """In ``spec.ports``, from 0."""
    protocol: str
    """Lower case, as iptables writes it."""
    port: int
    cluster_ip: str
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    load_balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    health_check_node_port: int = 0
    internal_local: bool = False
    external_local: bool = False
    affinity_seconds: int = 0
    """How long a client stays with its endpoint; 0: no session affinity."""

    @property
    def full_name(self) -> str:
        """``default/web:http``, as kube-proxy's comments and hashes have it; no colon for a port without a name."""
        return f"{self.service}:{self.name}" if self.name else self.service

    @property
    def externally_accessible(self) -> bool:
        return bool(self.node_port or self.external_ips or self.load_balancer_ips)

    @property
    def because(self) -> str:
        return f"Service {self.service}, spec.ports[{self.place}]"


class Endpoint(NamedTuple):
    """One address and port behind a Service, and the place in the EndpointSlice that says so."""

    address: str
    port: int
    node: str
    ready: bool
    serving: bool
    terminating: bool
    slice: str
    place: int
    for_zones: tuple[str, ...] = ()
    """The zones that ``hints.forZones`` keeps it for."""
    for_nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def because(self) -> str:
        return f"EndpointSlice {self.slice}, endpoints[{self.place}]"


def ports(family: str, services: Table) -> dict[str, tuple[Port, ...]]:
    """Every port that kube-proxy serves in one family, by Service: an index of the table ``services``."""
    named = sorted(services.items(), key=str)
    found = ((str(name), tuple(_ports(str(name), service, family))) for name, service in named)
    return {name: ports for name, ports in found if ports}


def _ports(name: str, service: Mapping[str, Any], family: str) -> Iterator[Port]:
    spec = service.get("spec") or {}
    if _is_not_ours(service) or spec.get("type") == "ExternalName":
        return
    cluster_ip = _of(family, spec.get("clusterIPs") or [spec.get("clusterIP")])
    if not cluster_ip:
        return
    external_ips = _of(family, spec.get("externalIPs") or [])
    load_balancer_ips = _of(family, _load_balancer_ips(service))
    affinity = spec.get("sessionAffinity") == "ClientIP"
    client_ip = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    is_external = spec.get("type") in ("NodePort", "LoadBalancer") or bool(external_ips)
    for place, port in enumerate(spec.get("ports") or []):
        yield Port(
            service=name,
            name=port.get("name") or "",
            place=place,
            protocol=str(port.get("protocol") or "TCP").lower(),
            port=int(port["port"]),
            cluster_ip=cluster_ip[0],
            node_port=int(port.get("nodePort") or 0),
            external_ips=external_ips,
            load_balancer_ips=load_balancer_ips,
            source_ranges=_of(family, spec.get("loadBalancerSourceRanges") or []),
            health_check_node_port=_health_check_port(spec),
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=is_external and spec.get("externalTrafficPolicy") == "Local",
            affinity_seconds=int(client_ip.get("timeoutSeconds") or 10800) if affinity else 0,
        )


def _is_not_ours(service: Mapping[str, Any]) -> bool:
    return OTHER_PROXY in ((service.get("metadata") or {}).get("labels") or {})


def _of(family: str, addresses: Iterable[str | None]) -> tuple[str, ...]:
    """The addresses and networks of one family in their usual form; ``None`` (headless) is of neither.

    Go reads ``172.30.0.041`` as 172.30.0.41, and so does kube-proxy with what an old API server let through.
    """
    wide = family == "ip6"
    found = (a.strip() for a in addresses if a and a != "None")
    return tuple(_usual(a) for a in found if (":" in a) == wide)


def _usual(address: str) -> str:
    return ip.network_of(*_parts(address)) if "/" in address else ip.canonical(address)


def _parts(cidr: str) -> tuple[str, int]:
    address, _, prefix = cidr.partition("/")
    return address, int(prefix)


def _load_balancer_ips(service: Mapping[str, Any]) -> Iterator[str | None]:
    """Ingress addresses that the kernel should answer for; ``ipMode: Proxy`` leaves them to the load balancer."""
    if (service.get("spec") or {}).get("type") == "LoadBalancer":
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        yield from (i.get("ip") for i in ingress if i.get("ipMode", "VIP") == "VIP")


def _health_check_port(spec: Mapping[str, Any]) -> int:
    wants = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    return int(spec.get("healthCheckNodePort") or 0) if wants else 0


Endpoints = dict[tuple[str, str, str], tuple[Endpoint, ...]]
"""(Service, port name, protocol) -> its endpoints in the string order of ``address:port``, as kube-proxy sorts them."""


def endpoints(family: str, slices: Table) -> Endpoints:
    """Every endpoint of every Service in one family: an index of the table ``endpointslices``."""
    found: dict[tuple[str, str, str], dict[str, Endpoint]] = {}
    for name, piece in sorted(slices.items(), key=str):
        labels = (piece.get("metadata") or {}).get("labels") or {}
        other = piece.get("addressType") != ADDRESS_TYPES[family]
        if other or SERVICE_NAME not in labels or {OTHER_PROXY, HEADLESS} & set(labels):
            continue
        service = f"{str(name).split('/')[0]}/{labels[SERVICE_NAME]}"
        for port in piece.get("ports") or []:
            if port.get("port"):
                key = (service, port.get("name") or "", str(port.get("protocol") or "TCP").lower())
                found.setdefault(key, {}).update((str(e), e) for e in _endpoints(str(name), piece, int(port["port"])))
    return {key: tuple(by[name] for name in sorted(by)) for key, by in found.items()}


def _endpoints(name: str, piece: Mapping[str, Any], port: int) -> Iterator[Endpoint]:
    for place, endpoint in enumerate(piece.get("endpoints") or []):
        conditions, hints = endpoint.get("conditions") or {}, endpoint.get("hints") or {}
        yield Endpoint(
            address=ip.canonical(endpoint["addresses"][0]),
            port=port,
            node=endpoint.get("nodeName") or "",
            ready=conditions.get("ready") is not False,
            serving=conditions.get("serving") is not False,
            terminating=conditions.get("terminating") is True,
            slice=name,
            place=place,
            for_zones=tuple(zone["name"] for zone in hints.get("forZones") or ()),
            for_nodes=tuple(node["name"] for node in hints.get("forNodes") or ()),
        )


PORTS = {family: partial(ports, family) for family in ADDRESS_TYPES}
ENDPOINTS = {family: partial(endpoints, family) for family in ADDRESS_TYPES}
"""Family -> the index of its ports, and of its endpoints: ``table.index(PORTS["ip"])``."""
