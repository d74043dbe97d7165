"""From Ingresses to nginx's configuration: each path of each rule becomes a rule of the proxy's table.

``Exact`` and ``Prefix`` mean in every controller what the API says (`linux/frontend.py`); ``ImplementationSpecific`` is
nginx's own ``location "/foo"``: any path that begins with these letters, ``/foobar`` too. A host's rules are in one
``server`` block, whichever Ingresses they come from; the oldest Ingress wins where two say the same. ``*.shop.example``
is one label. What no path of a host takes goes to the Ingress' ``defaultBackend``, or is answered with 404.

Where an Ingress has a certificate for a host (``spec.tls``), plain requests are sent to https with 308, unless
``nginx.ingress.kubernetes.io/ssl-redirect`` is "false". nginx ends TLS; a Secret that is missing only means a
certificate that no client trusts ("Kubernetes Ingress Controller Fake Certificate"). Annotations that are understood:
``rewrite-target`` (the paths of the Ingress are regular expressions then, and capital letters do not matter),
``use-regex``, ``ssl-redirect``, ``force-ssl-redirect``, ``service-upstream``.

Left out: a ``Prefix`` that ends in a slash (nginx answers the path without it with 301, ours with the page);
backends that are a ``resource``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn.api.backends import behind
from k8slearn.journal import Key, World
from k8slearn.linux.frontend import Backend, Frontend, Match, Redirect, Route

Obj = dict[str, Any]
CONTROLLER = "k8s.io/ingress-nginx"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
NGINX = "nginx.ingress.kubernetes.io/"
KINDS = {"Exact": "exact", "Prefix": "prefix", "ImplementationSpecific": "letters"}
TO_HTTPS = Redirect("308 Permanent Redirect", scheme="https")


def frontends(world: World, arguments: tuple[str, ...]) -> tuple[Frontend, Frontend]:
    """What nginx does on its two ports."""
    plain: list[Route] = []
    sealed: list[Route] = []
    for ingress in world.table("api", "ingresses").values():
        if is_ours(world, ingress, arguments):
            for route, to_https in _routes(world, ingress):
                sealed.append(route)
                plain.append(_redirecting(route) if to_https else route)
    return Frontend(80, "http", "nginx", _sorted(plain)), Frontend(443, "tls", "nginx", _sorted(sealed), ("",))


def is_ours(world: World, ingress: Obj, arguments: tuple[str, ...]) -> bool:
    """Does the Ingress ask for this controller (by the flags that it was started with)?"""
    told = dict(word.removeprefix("--").partition("=")[::2] for word in arguments if word.startswith("--"))
    name = ingress["spec"].get("ingressClassName")
    if name:
        wanted = world.get(("api", "ingressclasses", name))
        controller = told.get("controller-class", CONTROLLER)
        return wanted is not None and wanted["spec"].get("controller") == controller
    annotated = annotation(ingress, CLASS_ANNOTATION)
    if annotated:
        return bool(annotated == told.get("ingress-class", "nginx"))
    return told.get("watch-ingress-without-class") == "true"


def annotation(obj: Obj, name: str) -> str:
    """The value of an annotation, or nothing."""
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))


def _sorted(routes: list[Route]) -> tuple[Route, ...]:
    return tuple(sorted(routes, key=lambda route: (route.match.host, route.age)))


def _redirecting(route: Route) -> Route:
    return Route(route.match, (), route.says, route.key, route.age, redirect=TO_HTTPS)


def _routes(world: World, ingress: Obj) -> Iterator[tuple[Route, bool]]:
    """(rule, is a plain request for it sent to https?)"""
    spec, meta = ingress["spec"], ingress["metadata"]
    full = f"{meta['namespace']}/{meta['name']}"
    key: Key = ("api", "ingresses", full)
    number = 0
    for i, rule in enumerate(spec.get("rules") or ()):
        for j, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            number += 1
            says, host = f"Ingress {full} spec.rules[{i}].http.paths[{j}]", rule.get("host") or ""
            match = _match(ingress, host, path)
            rewrite = annotation(ingress, f"{NGINX}rewrite-target")
            backend = _backend(world, ingress, path["backend"])
            age = (str(meta.get("creationTimestamp", "")), full, number)
            route = Route(match, (backend,), says, key, age, rewrite=("regex", rewrite) if rewrite else None)
            yield route, _to_https(ingress, host)
    if "defaultBackend" in spec:
        hosts = {rule.get("host") or "" for rule in spec.get("rules") or ()} or {""}
        backend = _backend(world, ingress, spec["defaultBackend"])
        for host in sorted(hosts):
            age = (str(meta.get("creationTimestamp", "")), f"~{full}", 0)
            yield Route(Match(host, 1), (backend,), f"Ingress {full} spec.defaultBackend", key, age), False


def _match(ingress: Obj, host: str, path: Obj) -> Match:
    text, kind = path.get("path") or "/", KINDS[path["pathType"]]
    if annotation(ingress, f"{NGINX}rewrite-target") or annotation(ingress, f"{NGINX}use-regex") == "true":
        return Match(host, 1, f"(?i){text}", "regex")
    return Match(host, 1, text, kind)


def _to_https(ingress: Obj, host: str) -> bool:
    if annotation(ingress, f"{NGINX}force-ssl-redirect") == "true":
        return True
    tls = ingress["spec"].get("tls") or ()
    covered = any(host in (entry.get("hosts") or ()) for entry in tls)
    return covered and annotation(ingress, f"{NGINX}ssl-redirect") != "false"


def _backend(world: World, ingress: Obj, backend: Obj) -> Backend:
    namespace, service = ingress["metadata"]["namespace"], backend.get("service")
    if not service:
        return Backend("a resource backend", problem="nginx sends to Services only")
    port = service["port"].get("number") or service["port"].get("name")
    says = f"Service {namespace}/{service['name']}, port {port}"
    found = behind(world, namespace, service["name"], port)
    if found.places and annotation(ingress, f"{NGINX}service-upstream") == "true":
        return Backend(says, _own_address(world, f"{namespace}/{service['name']}", port))
    return Backend(says, found.places, problem=found.problem)


def _own_address(world: World, name: str, port: int | str) -> tuple[tuple[str, int], ...]:
    """The Service's own address: kube-proxy chooses then, on the controller's node."""
    spec = world.get(("api", "services", name))["spec"]
    number = next(p["port"] for p in spec["ports"] if port in (p["port"], p.get("name")))
    return ((str(spec["clusterIP"]), int(number)),)
