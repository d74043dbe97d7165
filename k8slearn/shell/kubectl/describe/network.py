"""The pages of NetworkPolicies and Ingresses.

Left out: resource backends of an Ingress. A NetworkPolicy's page has one line more than kubectl's, where no agent
enforces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from k8slearn.api import selectors
from k8slearn.cni import enforcer
from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.describe import words
from k8slearn.shell.kubectl.describe.service import endpoints

Obj = dict[str, Any]


def policy(request: Request, obj: Obj) -> Iterator[str]:
    spec = obj["spec"]
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    yield f"Created on:\t{_go_time(obj['metadata'].get('creationTimestamp', ''))}"
    yield from words.labels(obj)
    yield from words.annotated(obj)
    yield "Spec:"
    everybody = " (Allowing the specific traffic to all pods in this namespace)"
    chosen = selectors.written(spec.get("podSelector"))
    yield f"  PodSelector:     {chosen}{everybody if chosen == '<none>' else ''}"
    for direction, peers in (("ingress", "From"), ("egress", "To")):
        if direction.capitalize() in (spec.get("policyTypes") or ()):
            yield f"  Allowing {direction} traffic:"
            yield from words.indented(2, _rules(spec.get(direction) or [], direction, peers))
        else:
            yield f"  Not affecting {direction} traffic"
    yield f"  Policy Types: {', '.join(spec.get('policyTypes') or ())}"
    yield from _unenforced(request)


def _unenforced(request: Request) -> Iterator[str]:
    """Ours, and not kubectl's: where nobody enforces it, a policy says so."""
    nodes = enforcer.without(request.world)
    if nodes:
        yield f"Enforced: no enforcer on this node: {', '.join(nodes)} (the policy is stored, nothing happens there)"


def _go_time(text: str) -> str:
    return text.replace("T", " ").replace("Z", " +0000 UTC")


def _rules(rules: list[Obj], direction: str, peers: str) -> Iterator[str]:
    if not rules:
        yield f"<none> (Selected pods are isolated for {direction} connectivity)"
    for i, rule in enumerate(rules):
        if not rule.get("ports"):
            yield "To Port: <any> (traffic allowed to all ports)"
        for port in rule.get("ports") or ():
            yield _port(port)
        if not rule.get(peers.lower()):
            whom = "source" if direction == "ingress" else "destination"
            yield f"{peers}: <any> (traffic not restricted by {whom})"
        for peer in rule.get(peers.lower()) or ():
            yield f"{peers}:"
            yield from words.indented(1, _peer(peer))
        if i < len(rules) - 1:
            yield "----------"


def _port(port: Obj) -> str:
    if port.get("port") is None:
        return f"To Port: <any>/{port['protocol']}"
    if port.get("endPort"):
        return f"To Port Range: {port['port']}-{port['endPort']}/{port['protocol']}"
    return f"To Port: {port['port']}/{port['protocol']}"


def _peer(peer: Obj) -> Iterator[str]:
    if "ipBlock" in peer:
        yield "IPBlock:"
        yield f"  CIDR: {peer['ipBlock']['cidr']}"
        yield f"  Except: {', '.join(peer['ipBlock'].get('except') or ())}"
        return
    for title, field in (("NamespaceSelector", "namespaceSelector"), ("PodSelector", "podSelector")):
        if field in peer:
            yield f"{title}: {selectors.written(peer[field])}"


def ingress(request: Request, obj: Obj) -> Iterator[str]:
    spec = obj["spec"]
    yield f"Name:\t{obj['metadata']['name']}"
    yield from words.labels(obj)
    yield f"Namespace:\t{obj['metadata']['namespace']}"
    balancer = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    yield f"Address:\t{','.join(i.get('ip') or i.get('hostname') or '' for i in balancer)}"
    yield f"Ingress Class:\t{spec.get('ingressClassName', '<none>')}"
    backend = spec.get("defaultBackend")
    yield f"Default backend:\t{_backend(request, obj, backend) if backend else '<default>'}"
    yield from _tls(spec.get("tls") or ())
    yield "Rules:"
    yield "  Host\tPath\tBackends"
    yield "  ----\t----\t--------"
    for rule in spec.get("rules") or ():
        yield f"  {rule.get('host') or '*'}\t"
        for path in (rule.get("http") or {}).get("paths") or ():
            yield f"  \t{path.get('path', '')} \t{_backend(request, obj, path['backend'])}"
    if not spec.get("rules"):
        yield f"  *\t*\t{_backend(request, obj, backend) if backend else '<default>'}"
    yield from words.annotated(obj)
    yield from words.events(request, obj)


def _tls(entries: Iterable[Obj]) -> Iterator[str]:
    for n, entry in enumerate(entries):
        if n == 0:
            yield "TLS:"
        hosts, secret = ",".join(entry.get("hosts") or ()), entry.get("secretName")
        yield f"  {secret} terminates {hosts}" if secret else f"  SNI routes {hosts}"


def ingress_class(request: Request, obj: Obj) -> Iterator[str]:
    yield f"Name:\t{obj['metadata']['name']}"
    yield from words.labels(obj)
    yield from words.annotated(obj)
    yield f"Controller:\t{obj['spec']['controller']}"
    yield from words.events(request, obj)


def _backend(request: Request, obj: Obj, backend: Obj) -> str:
    wanted = backend.get("service") or {}
    number = wanted.get("port") or {}
    name, port = wanted.get("name", ""), number.get("name") or number.get("number", "")
    service = request.world.get(("api", "services", f"{obj['metadata']['namespace']}/{name}"))
    if service is None:
        return f'{name}:{port} (<error: services "{name}" not found>)'
    found: Obj = next((p for p in service["spec"].get("ports") or () if port in (p.get("name"), p["port"])), {})
    inner = endpoints(request, service, found.get("name", ""))
    return f"{name}:{port} ({'' if inner == '<none>' else inner})"
