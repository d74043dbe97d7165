"""Services and EndpointSlices as kube-proxy sees them: flat, frozen, one `Port` for each port of a Service.

kube-proxy follows a Service to its EndpointSlices by the label ``kubernetes.io/service-name`` and by the *name* of the
port; it never looks at ``targetPort``. An endpoint counts while it is ready. When none is, those that are
terminating but still serving take over (KEP-1669). A ``Local`` policy counts only the endpoints on the node itself.

Left out: topology hints (``trafficDistribution``), IPv6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from k8slearn.journal import Table

OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
"""A Service or EndpointSlice with this label belongs to another proxy."""
HEADLESS = "service.kubernetes.io/headless"
SERVICE_NAME = "kubernetes.io/service-name"


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

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def because(self) -> str:
        return f"EndpointSlice {self.slice}, endpoints[{self.place}]"


class Usable(NamedTuple):
    """The endpoints of one port that one node may send to."""

    cluster: tuple[Endpoint, ...]
    """For a policy of ``Cluster``."""
    local: tuple[Endpoint, ...]
    """For a policy of ``Local``."""
    anywhere: bool
    """Is there any usable endpoint in the cluster?"""


def usable(port: Port, endpoints: tuple[Endpoint, ...], node: str) -> Usable:
    """Sort the endpoints of a port by what its two traffic policies allow on this node."""
    uses_cluster = not port.internal_local or port.externally_accessible
    uses_local = port.internal_local or (port.external_local and port.externally_accessible)
    here = tuple(e for e in endpoints if e.node == node) if uses_local else ()
    everywhere = _ready_or_draining(endpoints)
    return Usable(everywhere if uses_cluster else (), _ready_or_draining(here), bool(everywhere))


def _ready_or_draining(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    ready = tuple(e for e in endpoints if e.ready)
    return ready or tuple(e for e in endpoints if e.serving and e.terminating)


def ports(services: Table) -> dict[str, tuple[Port, ...]]:
    """Every port that kube-proxy serves, by Service: an index of the table ``services``."""
    found = ((str(name), tuple(_ports(str(name), service))) for name, service in sorted(services.items(), key=str))
    return {name: ports for name, ports in found if ports}


def _ports(name: str, service: Mapping[str, Any]) -> Iterator[Port]:
    spec = service.get("spec") or {}
    if _is_not_ours(service) or spec.get("type") == "ExternalName":
        return
    cluster_ip = _ipv4([*(spec.get("clusterIPs") or [spec.get("clusterIP")])])
    if not cluster_ip:
        return
    external_ips = _ipv4(spec.get("externalIPs") or [])
    load_balancer_ips = _load_balancer_ips(service)
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
            source_ranges=_ipv4(r.strip() for r in spec.get("loadBalancerSourceRanges") or []),
            health_check_node_port=_health_check_port(spec),
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=is_external and spec.get("externalTrafficPolicy") == "Local",
            affinity_seconds=int(client_ip.get("timeoutSeconds") or 10800) if affinity else 0,
        )


def _is_not_ours(service: Mapping[str, Any]) -> bool:
    return OTHER_PROXY in ((service.get("metadata") or {}).get("labels") or {})


def _ipv4(addresses: Any) -> tuple[str, ...]:
    """Those that are IPv4; ``None`` (headless) and IPv6 are not."""
    return tuple(a for a in addresses if a and a[0].isdigit() and ":" not in a)


def _load_balancer_ips(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Ingress addresses that the kernel should answer for; ``ipMode: Proxy`` leaves them to the load balancer."""
    if (service.get("spec") or {}).get("type") != "LoadBalancer":
        return ()
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return _ipv4(i.get("ip") for i in ingress if i.get("ipMode", "VIP") == "VIP")


def _health_check_port(spec: Mapping[str, Any]) -> int:
    wants = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    return int(spec.get("healthCheckNodePort") or 0) if wants else 0


Endpoints = dict[tuple[str, str, str], tuple[Endpoint, ...]]
"""(Service, port name, protocol) -> its endpoints in the string order of ``address:port``, as kube-proxy sorts them."""


def endpoints(slices: Table) -> Endpoints:
    """Every endpoint of every Service: an index of the table ``endpointslices``."""
    found: dict[tuple[str, str, str], dict[str, Endpoint]] = {}
    for name, piece in sorted(slices.items(), key=str):
        labels = (piece.get("metadata") or {}).get("labels") or {}
        if piece.get("addressType") != "IPv4" or SERVICE_NAME not in labels or {OTHER_PROXY, HEADLESS} & set(labels):
            continue
        service = f"{str(name).split('/')[0]}/{labels[SERVICE_NAME]}"
        for port in piece.get("ports") or []:
            if port.get("port"):
                key = (service, port.get("name") or "", str(port.get("protocol") or "TCP").lower())
                found.setdefault(key, {}).update((str(e), e) for e in _endpoints(str(name), piece, int(port["port"])))
    return {key: tuple(by[name] for name in sorted(by)) for key, by in found.items()}


def _endpoints(name: str, piece: Mapping[str, Any], port: int) -> Iterator[Endpoint]:
    for place, endpoint in enumerate(piece.get("endpoints") or []):
        conditions = endpoint.get("conditions") or {}
        yield Endpoint(
            address=endpoint["addresses"][0],
            port=port,
            node=endpoint.get("nodeName") or "",
            ready=conditions.get("ready") is not False,
            serving=conditions.get("serving") is not False,
            terminating=conditions.get("terminating") is True,
            slice=name,
            place=place,
        )
