"""``kubectl describe service``, and the pages of EndpointSlices and Endpoints.

Left out: traffic distribution's line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn.api import selectors
from k8slearn.shell.kubectl.columns import some
from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.describe import words

Obj = dict[str, Any]


def page(request: Request, service: Obj) -> Iterator[str]:
    spec = service["spec"]
    yield from words.heading(service)
    yield f"Selector:\t{_selector(spec)}"
    yield f"Type:\t{spec['type']}"
    if spec.get("ipFamilyPolicy"):
        yield f"IP Family Policy:\t{spec['ipFamilyPolicy']}"
    yield f"IP Families:\t{','.join(spec.get('ipFamilies') or ()) or '<none>'}"
    yield f"IP:\t{spec.get('clusterIP', '')}"
    yield f"IPs:\t{','.join(spec.get('clusterIPs') or ()) or '<none>'}"
    yield from _outside(service)
    for port in spec.get("ports") or ():
        yield from _port(request, service, port)
    yield f"Session Affinity:\t{spec['sessionAffinity']}"
    if spec.get("externalTrafficPolicy"):
        yield f"External Traffic Policy:\t{spec['externalTrafficPolicy']}"
    if spec.get("internalTrafficPolicy"):
        yield f"Internal Traffic Policy:\t{spec['internalTrafficPolicy']}"
    if spec.get("healthCheckNodePort"):
        yield f"HealthCheck NodePort:\t{spec['healthCheckNodePort']}"
    if spec.get("loadBalancerSourceRanges"):
        yield f"LoadBalancer Source Ranges:\t{','.join(spec['loadBalancerSourceRanges'])}"
    yield from words.events(request, service)


def _selector(spec: Obj) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items())) or "<none>"


def _outside(service: Obj) -> Iterator[str]:
    spec = service["spec"]
    if spec.get("externalIPs"):
        yield f"External IPs:\t{','.join(spec['externalIPs'])}"
    if spec.get("loadBalancerIP"):
        yield f"Desired LoadBalancer IP:\t{spec['loadBalancerIP']}"
    if spec.get("externalName"):
        yield f"External Name:\t{spec['externalName']}"
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if ingress:
        yield f"LoadBalancer Ingress:\t{', '.join(map(_ingress, ingress))}"


def _ingress(each: Obj) -> str:
    mode = f" ({each['ipMode']})" if each.get("ip") and each.get("ipMode") else ""
    return (each.get("ip") or each.get("hostname") or "") + mode


def _port(request: Request, service: Obj, port: Obj) -> Iterator[str]:
    name = port.get("name") or "<unset>"
    yield f"Port:\t{name}\t{port['port']}/{port['protocol']}"
    yield f"TargetPort:\t{port.get('targetPort', port['port'])}/{port['protocol']}"
    if port.get("nodePort"):
        yield f"NodePort:\t{name}\t{port['nodePort']}/{port['protocol']}"
    yield f"Endpoints:\t{endpoints(request, service, port.get('name', ''))}"


def endpoints(request: Request, service: Obj, port_name: str) -> str:
    """Addresses behind a port of a Service, as its EndpointSlices list them: ready ones, at most three."""
    metadata = service["metadata"]
    found = []
    rows = request.world.table("api", "endpointslices")
    for key in sorted(rows, key=str):
        piece = rows[key]
        mine = selectors.labels(piece).get("kubernetes.io/service-name") == metadata["name"]
        if mine and piece["metadata"]["namespace"] == metadata["namespace"]:
            found += _of_port(piece, port_name)
    return some(found) or "<none>"


def _of_port(piece: Obj, port_name: str) -> list[str]:
    ports = [p["port"] for p in piece.get("ports") or () if p.get("name", "") == port_name and p.get("port")]
    ready = [e for e in piece.get("endpoints") or () if (e.get("conditions") or {}).get("ready", True)]
    addresses = [a for e in ready for a in e.get("addresses") or ()]
    return [f"[{a}]:{p}" if ":" in a else f"{a}:{p}" for p in ports for a in addresses]


def slice_page(request: Request, piece: Obj) -> Iterator[str]:
    yield from words.heading(piece)
    yield f"AddressType:\t{piece['addressType']}"
    yield from _ports(piece.get("ports") or [], "Ports: <unset>")
    if not piece.get("endpoints"):
        yield "Endpoints: <none>"
    else:
        yield "Endpoints:"
        for endpoint in piece["endpoints"]:
            yield from words.indented(1, _endpoint(endpoint))
    yield from words.events(request, piece)


def _ports(ports: list[Obj], none: str) -> Iterator[str]:
    if not ports:
        yield none
        return
    yield "Ports:"
    yield "  Name\tPort\tProtocol"
    yield "  ----\t----\t--------"
    for port in ports:
        yield f"  {port.get('name') or '<unset>'}\t{port.get('port', '<unset>')}\t{port['protocol']}"


def _endpoint(endpoint: Obj) -> Iterator[str]:
    yield f"- Addresses:\t{', '.join(endpoint.get('addresses') or ())}"
    yield "  Conditions:"
    ready = (endpoint.get("conditions") or {}).get("ready")
    yield f"    Ready:\t{'<unset>' if ready is None else words.yes(ready)}"
    yield f"  Hostname:\t{endpoint.get('hostname') or '<unset>'}"
    target = endpoint.get("targetRef")
    if target:
        yield f"  TargetRef:\t{target.get('kind', '')}/{target.get('name', '')}"
    yield f"  NodeName:\t{endpoint.get('nodeName') or '<unset>'}"
    yield f"  Zone:\t{endpoint.get('zone') or '<unset>'}"
    if (endpoint.get("hints") or {}).get("forZones"):
        yield f"  Hints:\t{','.join(z['name'] for z in endpoint['hints']['forZones'])}"


def endpoints_page(request: Request, obj: Obj) -> Iterator[str]:
    yield from words.heading(obj)
    yield "Subsets:"
    for subset in obj.get("subsets") or ():
        for title, field in (("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")):
            yield f"  {title}:\t{','.join(a['ip'] for a in subset.get(field) or ()) or '<none>'}"
        yield from words.indented(1, _ports(subset.get("ports") or [], "Ports:\t<unset>"))
        yield ""
    yield from words.events(request, obj)
