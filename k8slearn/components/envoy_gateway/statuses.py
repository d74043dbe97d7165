"""What became of each wish: the conditions of classes, Gateways, listeners and routes.

::

    GatewayClass  Accepted
    Gateway       Accepted, Programmed (an address, and an Envoy that runs)
      listener    Accepted, Programmed, ResolvedRefs (certificates); attachedRoutes counts
    route         for each parent: Accepted (by a listener), ResolvedRefs (the backends)

An accepted route whose reference is not resolved answers 500 in that reference's place.

Left out: Conflicted (Envoy Gateway has it for listeners that the API's own rules let through).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped
from k8slearn.components.envoy_gateway import infra
from k8slearn.components.envoy_gateway.attaching import (
    CONTROLLER,
    GROUP,
    KINDS,
    PROTOCOLS,
    Attached,
    Said,
    certificates,
    classes,
    full_name,
    gateways,
    table,
)
from k8slearn.journal import Commands, Key, Put, World

Obj = dict[str, Any]


def write(world: World, found: list[Attached]) -> Commands:
    """Every status that has changed."""
    for row in classes(world):
        accepted = Said(True, "Accepted", "Valid GatewayClass")
        status = _conditions(world, row, row.get("status") or {}, {"Accepted": accepted})
        yield from _put(world, ("api", table("gatewayclasses"), row["metadata"]["name"]), row, status)
    for gateway in gateways(world):
        yield from _put(world, ("api", table("gateways"), full_name(gateway)), gateway, _gateway(world, gateway, found))
    for plural in KINDS.values():
        for name, route in list(world.table("api", table(plural)).items()):
            own = [one for one in found if one.route is route]
            parents = _parents(world, route, own)
            before = (route.get("status") or {}).get("parents") or []
            if parents != before:
                yield from _put(world, ("api", table(plural), str(name)), route, {"parents": parents})


def _put(world: World, key: Key, obj: Obj, status: Obj) -> Commands:
    if obj.get("status") != status:
        yield Put(key, stamped(world, {**obj, "status": status}), key)


def _conditions(world: World, obj: Obj, status: Obj, said: dict[str, Said]) -> Obj:
    generation = {"observedGeneration": obj["metadata"].get("generation", 1)}
    for kind, one in said.items():
        status = conditions.put(world, status, kind, str(one.holds), one.reason, one.message, **generation)
    return status


def _gateway(world: World, gateway: Obj, found: list[Attached]) -> Obj:
    before = gateway.get("status") or {}
    service = world.get(("api", "services", f"{infra.NAMESPACE}/{infra.name_of(gateway)}"))
    given = (((service or {}).get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [_address(one) for one in given]
    accepted = Said(True, "Accepted", "The Gateway has been scheduled by Envoy Gateway")
    said = {"Accepted": accepted, "Programmed": _programmed(world, gateway, bool(addresses))}
    kept = {"conditions": before["conditions"]} if "conditions" in before else {}
    status = _conditions(world, gateway, kept, said)
    listeners = [_listener(world, gateway, one, found) for one in gateway["spec"]["listeners"]]
    return {**({"addresses": addresses} if addresses else {}), **status, "listeners": listeners}


def _address(one: Obj) -> Obj:
    named = "hostname" in one
    return {"type": "Hostname" if named else "IPAddress", "value": one["hostname"] if named else one["ip"]}


def _programmed(world: World, gateway: Obj, addressed: bool) -> Said:
    if not addressed:
        return Said(False, "AddressNotAssigned", "No addresses have been assigned to the Gateway")
    deployment = world.get(("api", "deployments", f"{infra.NAMESPACE}/{infra.name_of(gateway)}"))
    have = ((deployment or {}).get("status") or {}).get("availableReplicas", 0)
    if not have:
        return Said(False, "NoResources", "Envoy replicas unavailable")
    wanted = ((deployment or {}).get("spec") or {}).get("replicas", 1)
    words = f"Address assigned to the Gateway, {have}/{wanted} envoy replicas available"
    return Said(True, "Programmed", words)


def _listener(world: World, gateway: Obj, listener: Obj, found: list[Attached]) -> Obj:
    old: list[Obj] = (gateway.get("status") or {}).get("listeners") or []
    before = next((one for one in old if one["name"] == listener["name"]), {})
    known = listener["protocol"] in PROTOCOLS
    resolved = certificates(world, gateway, listener)
    accepted = Said(True, "Accepted", "Listener has been successfully translated")
    if not known:
        words = f"Protocol {listener['protocol']} is unsupported, must be HTTP, HTTPS, TCP or TLS."
        accepted = Said(False, "UnsupportedProtocol", words)
    programmed = Said(True, "Programmed", "Sending translated listener configuration to the data plane")
    if not (known and resolved.holds):
        programmed = Said(False, "Invalid", "Listener is invalid, see other Conditions for details.")
    kept = {"conditions": before["conditions"]} if before else {}
    said = {"Accepted": accepted, "Programmed": programmed, "ResolvedRefs": resolved}
    routes = {
        _identity(one)
        for one in found
        if full_name(one.gateway) == full_name(gateway) and _has(one, listener) and one.accepted.holds
    }
    named = [one["kind"] for one in (listener.get("allowedRoutes") or {}).get("kinds") or ()]
    kinds = [kind for kind in PROTOCOLS.get(listener["protocol"], ()) if not named or kind in named]
    return {
        "attachedRoutes": len(routes),
        **_conditions(world, gateway, kept, said),
        "name": listener["name"],
        "supportedKinds": [{"group": GROUP, "kind": kind} for kind in kinds],
    }


def _identity(one: Attached) -> tuple[str, str]:
    return one.route["kind"], full_name(one.route)


def _has(one: Attached, listener: Obj) -> bool:
    return any(taken["name"] == listener["name"] for taken, _ in one.listeners)


def _parents(world: World, route: Obj, own: list[Attached]) -> list[Obj]:
    """The parents' entries: ours as they are now, other controllers' as they were."""
    before = (route.get("status") or {}).get("parents") or []
    others = [one for one in before if one.get("controllerName") != CONTROLLER]
    return [*others, *_ours(world, route, own, before)]


def _ours(world: World, route: Obj, own: list[Attached], before: list[Obj]) -> Iterator[Obj]:
    for one in own:
        old: Obj = next((b for b in before if b["parentRef"] == one.ref and b.get("controllerName") == CONTROLLER), {})
        kept = {"conditions": old["conditions"]} if old else {}
        said = {"Accepted": one.accepted, "ResolvedRefs": one.resolved}
        yield {**_conditions(world, route, kept, said), "controllerName": CONTROLLER, "parentRef": one.ref}
