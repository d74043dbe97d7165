"""From routes to Envoy's configuration: each match of each rule becomes a rule of the proxy's table.

The Gateway API says which of several rules goes first (HTTPRouteRule.matches): the most exact host name, then an exact
path, the longest prefix, a method, the most headers, the most query parameters, then the oldest route, the first by
``namespace/name``, the first rule in it. So the order of routes in a file means nothing.

A GRPCRoute is the same in other words: a call of ``shop.Cart/Add`` is a POST of the path ``/shop.Cart/Add``. A TLSRoute
goes by the server name alone, and a TCPRoute by the port alone. A backend that cannot be referred to keeps its share:
of its weight the requests are answered with 500.

Left out: retries, session persistence and CORS (they are stored, and nothing happens), the headers that every answer
has (nobody can take them away), percentages of mirrors (all is mirrored), the isolation of listeners that share a port
and a host, certificates that belong to several listeners.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from k8slearn.components.envoy_gateway.attaching import KINDS, Attached, certificates, full_name, look_up, table
from k8slearn.journal import World
from k8slearn.linux.frontend import Backend, Frontend, Headers, Match, Path, Redirect, Route

Obj = dict[str, Any]
SPEAKS = {"HTTP": "http", "HTTPS": "tls", "TLS": "tls", "TCP": "tcp"}
LAYERS = {"TLSRoute": "sni", "TCPRoute": "tcp"}
PATHS = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}
CODES = {
    301: "301 Moved Permanently",
    302: "302 Found",
    303: "303 See Other",
    307: "307 Temporary Redirect",
    308: "308 Permanent Redirect",
}
SHIFT = 10000
"""Envoy runs without privileges: a listener's port below 1024 is this much higher in its pod."""


def inside(port: int) -> int:
    """The port that Envoy listens on for a listener's port."""
    return port + SHIFT if port < 1024 else port


def frontends(world: World, gateway: Obj, routes: Iterable[Attached]) -> list[Frontend]:
    """What Envoy does on each port of a Gateway."""
    own = [one for one in routes if full_name(one.gateway) == full_name(gateway) and one.accepted.holds]
    listeners = [one for one in gateway["spec"]["listeners"] if one["protocol"] in SPEAKS]
    good = [one for one in listeners if certificates(world, gateway, one).holds]
    return [_frontend(world, port, good, own) for port in dict.fromkeys(one["port"] for one in good)]


def _frontend(world: World, port: int, listeners: list[Obj], routes: list[Attached]) -> Frontend:
    here = [one for one in listeners if one["port"] == port]
    found: dict[Route, None] = {}
    for one in routes:
        for listener, hosts in one.listeners:
            if listener in here:
                found |= dict.fromkeys(_routes(world, one.route, hosts))
    ordered = sorted(found, key=lambda route: (route.match.host, route.age))
    names = tuple(one.get("hostname") or "" for one in here if one["protocol"] == "HTTPS")
    return Frontend(inside(port), SPEAKS[here[0]["protocol"]], "envoy", tuple(ordered), names)


def _routes(world: World, route: Obj, hosts: tuple[str, ...]) -> Iterator[Route]:
    meta, name = route["metadata"], full_name(route)
    key = ("api", table(KINDS[route["kind"]]), name)
    number = 0
    for i, rule in enumerate(route["spec"].get("rules") or ()):
        for j, match in enumerate(rule.get("matches") or ({},)):
            number += 1
            where = f"spec.rules[{i}]" + (f".matches[{j}]" if rule.get("matches") else "")
            for host in hosts if route["kind"] != "TCPRoute" else ("",):
                yield Route(
                    _match(route["kind"], host, match),
                    tuple(_backend(world, route, ref) for ref in rule.get("backendRefs") or ()),
                    f"{route['kind']} {name} {where}",
                    key,
                    (str(meta.get("creationTimestamp", "")), name, number),
                    LAYERS.get(route["kind"], "http"),
                    timeout=_seconds(rule.get("timeouts") or {}),
                    **_filters(world, route, rule.get("filters") or ()),
                )


def _match(kind: str, host: str, match: Obj) -> Match:
    headers = tuple(_pair(one) for one in match.get("headers") or ())
    if kind == "GRPCRoute":
        return Match(host, 0, *_call(match.get("method") or {}), "POST", headers)
    path = match.get("path") or {}
    value, how = path.get("value", "/"), PATHS[path.get("type", "PathPrefix")]
    query = tuple(_pair(one) for one in match.get("queryParams") or ())
    return Match(host, 0, f"(?:{value})$" if how == "regex" else value, how, match.get("method", ""), headers, query)


def _call(method: Obj) -> tuple[str, str]:
    """(path, how) of a call: ``/service/method``, of which either may be left open."""
    service, name = method.get("service", ""), method.get("method", "")
    if method.get("type") == "RegularExpression":
        return f"/{service or '[^/]+'}/{name or '[^/]+'}$", "regex"
    if service and name:
        return f"/{service}/{name}", "exact"
    return (f"/{service}/", "letters") if service else (f"/[^/]+/{name}$", "regex") if name else ("/", "prefix")


def _pair(one: Obj) -> tuple[str, str, str]:
    return one["name"], one["value"], "regex" if one.get("type") == "RegularExpression" else "exact"


def _backend(world: World, route: Obj, ref: Obj) -> Backend:
    found, _ = look_up(world, route, ref)
    namespace = ref.get("namespace") or route["metadata"]["namespace"]
    says = f"{ref.get('kind', 'Service')} {namespace}/{ref['name']}, port {ref.get('port', '?')}"
    changes = tuple(change for one in ref.get("filters") or () for change in _changes(one))
    return Backend(says, found.places, ref.get("weight", 1), found.problem, changes)


def _filters(world: World, route: Obj, filters: Iterable[Obj]) -> dict[str, Any]:
    """What a rule does besides sending on, as fields of a `Route`."""
    said: dict[str, Any] = {}
    for one in filters:
        said["headers"] = (*said.get("headers", ()), *_changes(one))
        if "responseHeaderModifier" in one:
            said["answer"] = (*said.get("answer", ()), *_modified(one["responseHeaderModifier"]))
        if "requestRedirect" in one:
            said["redirect"] = _redirect(one["requestRedirect"])
        if "urlRewrite" in one:
            rewrite = one["urlRewrite"]
            said |= {"rewrite": _path(rewrite.get("path")), "rewrite_host": rewrite.get("hostname", "")}
        if "requestMirror" in one:
            copy = _backend(world, route, one["requestMirror"]["backendRef"])
            said["mirrors"] = (*said.get("mirrors", ()), copy)
    return said


def _seconds(timeouts: Obj) -> float:
    """The shorter of a rule's time-outs, as the API writes durations (``1m30s``, ``500ms``); 0: none."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    found = [
        sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|h|m|s)", str(timeouts.get(name, ""))))
        for name in ("request", "backendRequest")
    ]
    return min((seconds for seconds in found if seconds), default=0.0)


def _changes(one: Obj) -> Headers:
    return _modified(one.get("requestHeaderModifier") or {})


def _modified(modifier: Obj) -> Headers:
    return (
        *(("set", h["name"], h["value"]) for h in modifier.get("set") or ()),
        *(("add", h["name"], h["value"]) for h in modifier.get("add") or ()),
        *(("remove", name, "") for name in modifier.get("remove") or ()),
    )


def _redirect(one: Obj) -> Redirect:
    code = CODES[one.get("statusCode", 302)]
    port = one.get("port", 0)
    return Redirect(code, one.get("scheme", ""), one.get("hostname", ""), port, _path(one.get("path")))


def _path(path: Obj | None) -> Path | None:
    if not path:
        return None
    if path["type"] == "ReplaceFullPath":
        return "full", path["replaceFullPath"]
    return "prefix", path["replacePrefixMatch"]
