"""Which routes belong to which listeners of which Gateways: both sides have to agree.

A route names its parents (``parentRefs``: a Gateway, perhaps one listener of it by ``sectionName`` or ``port``). A
listener says whom it takes (``allowedRoutes``: kinds, and namespaces: its own, all, or by labels). And their host
names must have something in common: ``*.shop.example`` on a listener and ``cart.shop.example`` on a route do, and what
they have in common is what is served. Here ``*`` stands for any number of labels, where an Ingress' stands for one.

Each way in which that can fail has a reason in the route's status; so has each backend that is not there, or is in
another namespace without a ReferenceGrant *there* that lets this one in. The words are Envoy Gateway's
(envoyproxy/gateway internal/gatewayapi/contexts.go, route.go; the reasons are the API's own, apis/v1/shared_types.go).

Left out: parents other than Gateways (a Service, a mesh), ListenerSets, grants for what is no Service or Secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from k8slearn.api import selectors
from k8slearn.api.backends import Found, behind
from k8slearn.journal import World

Obj = dict[str, Any]
GROUP = "gateway.networking.k8s.io"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
PROTOCOLS = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute",),
    "TCP": ("TCPRoute",),
}
"""A listener's protocol -> the kinds of routes that it can carry."""
KINDS = {"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes", "TCPRoute": "tcproutes", "TLSRoute": "tlsroutes"}


class Said(NamedTuple):
    """A condition: does it hold, why, and in words."""

    holds: bool
    reason: str
    message: str


class Attached(NamedTuple):
    """One parent of a route: the listeners that take it, each with the host names that are served."""

    route: Obj
    ref: Obj
    gateway: Obj
    listeners: tuple[tuple[Obj, tuple[str, ...]], ...]
    accepted: Said
    resolved: Said


def table(plural: str) -> str:
    return f"{plural}.{GROUP}"


def full_name(obj: Obj) -> str:
    """``namespace/name``"""
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def classes(world: World) -> list[Obj]:
    """The GatewayClasses that are this controller's."""
    rows = world.table("api", table("gatewayclasses")).values()
    return [row for row in rows if row["spec"]["controllerName"] == CONTROLLER]


def gateways(world: World) -> list[Obj]:
    """The Gateways of its classes."""
    ours = {row["metadata"]["name"] for row in classes(world)}
    return [row for row in world.table("api", table("gateways")).values() if row["spec"]["gatewayClassName"] in ours]


def attached(world: World) -> list[Attached]:
    """Every parent of every route that is a Gateway of ours."""
    ours = {full_name(gateway): gateway for gateway in gateways(world)}
    found = []
    for plural in KINDS.values():
        for route in world.table("api", table(plural)).values():
            for ref in route["spec"].get("parentRefs") or ():
                name = f"{ref.get('namespace') or route['metadata']['namespace']}/{ref['name']}"
                if name in ours and ref.get("kind", "Gateway") == "Gateway":
                    found.append(_attach(world, route, ref, ours[name]))
    return found


def _attach(world: World, route: Obj, ref: Obj, gateway: Obj) -> Attached:
    meant = [one for one in gateway["spec"]["listeners"] if _is_meant(one, ref)]
    allowed = [one for one in meant if _takes_kind(one, route) and _takes_namespace(world, one, gateway, route)]
    hosts = [(one, common(one.get("hostname") or "", route["spec"].get("hostnames") or ())) for one in allowed]
    taken = tuple((one, names) for one, names in hosts if names)
    accepted = Said(True, "Accepted", "Route is accepted")
    if not meant:
        accepted = Said(False, "NoMatchingParent", "No listeners match this parent ref")
    elif not allowed:
        words = "No listeners included by this parent ref allowed this attachment."
        accepted = Said(False, "NotAllowedByListeners", words)
    elif not taken:
        words = f"There were no hostname intersections between the {route['kind']} and this parent ref's Listener(s)."
        accepted = Said(False, "NoMatchingListenerHostname", words)
    return Attached(route, ref, gateway, taken, accepted, _resolved(world, route))


def _is_meant(listener: Obj, ref: Obj) -> bool:
    asked = (ref.get("sectionName", listener["name"]), ref.get("port", listener["port"]))
    return asked == (listener["name"], listener["port"])


def _takes_kind(listener: Obj, route: Obj) -> bool:
    named = [one["kind"] for one in (listener.get("allowedRoutes") or {}).get("kinds") or ()]
    return route["kind"] in PROTOCOLS.get(listener["protocol"], ()) and (not named or route["kind"] in named)


def _takes_namespace(world: World, listener: Obj, gateway: Obj, route: Obj) -> bool:
    said = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    own, name = gateway["metadata"]["namespace"], route["metadata"]["namespace"]
    if said.get("from", "Same") == "Selector":
        namespace = world.get(("api", "namespaces", name)) or {"metadata": {}}
        return selectors.matches(said.get("selector"), namespace["metadata"].get("labels") or {})
    return bool(said.get("from") == "All" or own == name)


def common(listener: str, names: Iterable[str]) -> tuple[str, ...]:
    """The host names that a listener and a route have in common; ``("",)``: all there are."""
    wanted = tuple(names)
    if not wanted or not listener:
        return wanted or (listener,)
    both = (_narrower(listener, name) for name in wanted)
    return tuple(name for name in both if name)


def _narrower(one: str, other: str) -> str:
    """Of two host names the one that the other covers, or nothing."""
    for wide, narrow in ((one, other), (other, one)):
        if wide == narrow or (wide.startswith("*.") and narrow.endswith(wide[1:])):
            return narrow
    return ""


# --- what a route or a listener refers to ------------------------------------------------------


def permitted(world: World, referrer: Obj, kind: str, namespace: str, name: str) -> bool:
    """May an object refer to a Service or Secret there? In its own namespace always, else by a ReferenceGrant there."""
    if referrer["metadata"]["namespace"] == namespace:
        return True
    source = (GROUP, referrer["kind"], referrer["metadata"]["namespace"])
    grants = (row["spec"] for row in world.table("api", table("referencegrants")).values() if _is_in(row, namespace))
    return any(
        any((one["group"], one["kind"], one["namespace"]) == source for one in grant["from"])
        and any((one["group"], one["kind"]) == ("", kind) and one.get("name", name) == name for one in grant["to"])
        for grant in grants
    )


def _is_in(row: Obj, namespace: str) -> bool:
    return bool(row["metadata"]["namespace"] == namespace)


def look_up(world: World, route: Obj, ref: Obj) -> tuple[Found, str]:
    """(places or the problem, the condition's reason) of one backend of a route."""
    kind, name = ref.get("kind", "Service"), ref["name"]
    namespace = ref.get("namespace") or route["metadata"]["namespace"]
    if kind != "Service" or ref.get("group"):
        said = "Group is invalid, only the core API group (specified by omitting the group field or setting it to an "
        return Found(problem=said + "empty string) and Service are supported"), "InvalidKind"
    if not permitted(world, route, kind, namespace, name):
        said = f"Backend ref to {kind} {namespace}/{name} not permitted by any ReferenceGrant."
        return Found(problem=said), "RefNotPermitted"
    if world.get(("api", "services", f"{namespace}/{name}")) is None:
        return Found(problem=f"Service {namespace}/{name} not found"), "BackendNotFound"
    found = behind(world, namespace, name, ref["port"])
    if found.problem:
        return Found(problem=f"TCP Port {ref['port']} not found on Service {namespace}/{name}"), "PortNotFound"
    return found, ""


def backend_refs(route: Obj) -> Iterator[Obj]:
    """Every reference of a route to a backend, those of mirrors too."""
    for rule in route["spec"].get("rules") or ():
        yield from rule.get("backendRefs") or ()
        for one in rule.get("filters") or ():
            if "requestMirror" in one:
                yield one["requestMirror"]["backendRef"]


def _resolved(world: World, route: Obj) -> Said:
    for ref in backend_refs(route):
        found, reason = look_up(world, route, ref)
        if reason:
            return Said(False, reason, found.problem)
    return Said(True, "ResolvedRefs", "Resolved all the Object references for the Route")


def certificates(world: World, gateway: Obj, listener: Obj) -> Said:
    """Are the certificates of a listener there, and may it use them?"""
    for ref in (listener.get("tls") or {}).get("certificateRefs") or ():
        namespace = ref.get("namespace") or gateway["metadata"]["namespace"]
        if not permitted(world, gateway, "Secret", namespace, ref["name"]):
            words = f"Certificate ref to secret {namespace}/{ref['name']} not permitted by any ReferenceGrant."
            return Said(False, "RefNotPermitted", words)
        if world.get(("api", "secrets", f"{namespace}/{ref['name']}")) is None:
            return Said(False, "InvalidCertificateRef", f"Secret {namespace}/{ref['name']} does not exist.")
    return Said(True, "ResolvedRefs", "Listener references have been resolved")
