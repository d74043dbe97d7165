"""Who a person means by ``"default/web"``, ``"node:node-1"``, ``"svc:default/api"``, ``"outside"``, an address, a name.

A source is a network namespace (a packet is sent from somewhere); a destination is an address (a packet is sent to a
number, never to a name). What has no address yet, or none at all, is refused with the reason. In a dual-stack
cluster a name stands for the first address; the other one is written itself: ``"fd00:10:244:1::2"``.

Left out: DNS. A name of that form has no address here; `verbs.send` looks it up as the source would (`names`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from k8slearn import ground
from k8slearn.cni import cri
from k8slearn.errors import Refused
from k8slearn.journal import World
from k8slearn.linux import ip

FORMS = "NAMESPACE/POD, node:NAME, svc:NAMESPACE/NAME, outside, outside:IP, an IP address or a DNS name"
_DNS_NAME = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([-a-z0-9_]*[a-z0-9_])?\.)*[a-z0-9]([-a-z0-9]*[a-z0-9])?\.?", re.IGNORECASE
)


def resolve_source(world: World, endpoint: str) -> str:
    """The scope of the network namespace that an endpoint sends from. Raises `Refused` with one sentence."""
    return _read(world, endpoint, _SOURCES, _source_address)


def resolve_destination(world: World, endpoint: str, source: str) -> str | None:
    """The IP address that an endpoint is reached at, or None for a name, which has to be looked up.

    Raises `Refused` with one sentence.
    """
    return _read(world, endpoint, _DESTINATIONS, _destination_address) or None


def outside_of(endpoint: str) -> str | None:
    """The address of the outside host that an endpoint names, or None when it names something else."""
    if endpoint == "outside":
        return ground.OUTSIDE
    return endpoint.removeprefix("outside:") if endpoint.startswith("outside:") else None


def address_of(world: World, host: str) -> str:
    """The address of a machine that the topology names (``db``); anything else is an address already."""
    settings = world.get(ground.SETTINGS)
    machines = settings.topology.machines if settings is not None else ()
    return next((m.addresses[0] for m in machines if m.name == host), host)


def pod_netns(world: World, namespace: str, name: str) -> str:
    """The scope of a pod's network namespace. Raises `Refused` while it has none."""
    pod = _pod(world, f"{namespace}/{name}")
    scope = netns_of(world, f"{namespace}/{name}")
    if scope is None:
        raise Refused(f"pod {namespace}/{name} has no network namespace yet: {_why_not_running(pod)}")
    return scope


def container_of(world: World, pod: str, name: str) -> None:
    """Raises `Refused` unless the pod (``namespace/name``) has such a container. (They all share one netns.)"""
    spec = _pod(world, pod)["spec"]
    known = [c["name"] for field in ("containers", "initContainers") for c in spec.get(field) or ()]
    if name not in known:
        raise Refused(f"container {name} is not valid for pod {pod}: it has {', '.join(known)}")


def netns_of(world: World, pod: str) -> str | None:
    """The scope of the network namespace of a pod (``namespace/name``), as the runtime on its node keeps it."""
    obj = world.get(("api", "pods", pod))
    node = f"node:{obj['spec'].get('nodeName', '')}" if obj is not None else ""
    for sandbox in reversed(cri.sandboxes(world, node, pod) if node else []):
        if world.get((sandbox.netns, "netns", "")) is not None:
            return sandbox.netns
    return None


def pods(world: World, family: int = 4) -> dict[str, tuple[str, str]]:
    """Every pod that has a network namespace and an address of this family: ``namespace/name`` -> (scope, address)."""
    found = {}
    for name in sorted(map(str, world.table("api", "pods"))):
        address = addresses(world.get(("api", "pods", name))).get(family)
        scope = netns_of(world, name) if address else None
        if address and scope is not None:
            found[name] = (scope, address)
    return found


def addresses(pod: dict[str, Any]) -> dict[int, str]:
    """A pod's address of each family, as its status has them: ``{4: "10.244.1.2", 6: "fd00:10:244:1::2"}``."""
    told = (pod.get("status") or {}).get("podIPs") or ()
    return {6 if ":" in str(each["ip"]) else 4: str(each["ip"]) for each in told}


def _read(
    world: World, endpoint: str, forms: dict[str, Callable[[World, str], str]], address: Callable[[World, str], str]
) -> str:
    if not isinstance(endpoint, str) or not endpoint:
        raise Refused(f"{endpoint!r} is no endpoint: write {FORMS}")
    if _is_address(endpoint):
        return address(world, ip.canonical(endpoint))
    form, _, rest = endpoint.partition(":")
    if endpoint == "outside" or form == "outside":
        return forms["outside"](world, address_of(world, outside_of(endpoint) or ""))
    if form in ("router", "switch") and form in forms:
        return forms[form](world, endpoint)
    if form in forms:
        return forms[form](world, rest)
    if ":" not in endpoint and "/" in endpoint:
        return forms["pod"](world, endpoint)
    if _DNS_NAME.fullmatch(endpoint):
        return forms["name"](world, endpoint)
    raise _unknown(world, endpoint)


@lru_cache(maxsize=1 << 12)
def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


# -- sources: scopes -----------------------------------------------------------------------------------------------


def _source_pod(world: World, path: str) -> str:
    namespace, _, name = path.partition("/")
    return pod_netns(world, namespace, name)


def _source_node(world: World, name: str) -> str:
    return _machine(world, f"node:{name}")


def _source_outside(world: World, address: str) -> str:
    return _machine(world, ground.outside(address))


def _source_machine(world: World, scope: str) -> str:
    return _machine(world, scope)


def _no_source_service(world: World, name: str) -> str:
    raise Refused(
        f"svc:{name} is a Service: it has no network namespace, so nothing can be sent from it; name a pod or a node"
    )


def _no_source_name(world: World, name: str) -> str:
    raise _unknown(world, name)


def _source_address(world: World, address: str) -> str:
    for scope in _scopes(world):
        if any(row.address == address for row in world.table(scope, "addr").values()):
            return scope
    raise Refused(f"nothing in this cluster has the address {address}: nothing can be sent from it")


_SOURCES: dict[str, Callable[[World, str], str]] = {
    "pod": _source_pod,
    "node": _source_node,
    "svc": _no_source_service,
    "outside": _source_outside,
    "router": _source_machine,
    "switch": _source_machine,
    "name": _no_source_name,
}


# -- destinations: addresses ---------------------------------------------------------------------------------------


def _pod_address(world: World, path: str) -> str:
    pod = _pod(world, path)
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise Refused(f"pod {path} has no address yet: {_why_not_running(pod)}")
    return str(address)


def _node_address(world: World, name: str) -> str:
    """A machine has its address also while it is off: whoever asks for it then gets no answer."""
    nodes = dict(world.get(ground.SETTINGS).nodes)
    return str(nodes[name]) if name in nodes else _machine(world, f"node:{name}")


def _service_address(world: World, path: str) -> str:
    service = world.get(("api", "services", path))
    if service is None:
        raise _unknown(world, f"svc:{path}")
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        raise Refused(
            f"svc:{path} is an ExternalName Service: it has no address, only a name, {spec.get('externalName')}"
        )
    if spec.get("clusterIP") in (None, "", "None"):
        raise Refused(f"svc:{path} is headless (clusterIP: None): it has no address of its own; name one of its pods")
    return str(spec["clusterIP"])


def _outside_address(world: World, address: str) -> str:
    _machine(world, ground.outside(address))
    return address


def _router_address(world: World, scope: str) -> str:
    """The bare word is a name like any other, for DNS to resolve."""
    if scope == ground.ROUTER:
        return ""
    rows = world.table(_machine(world, scope), "addr").values()
    return next(str(row.address) for row in rows if row.dev != "lo")


def _unresolved(world: World, name: str) -> str:
    return ""


def _destination_address(world: World, address: str) -> str:
    return address


_DESTINATIONS: dict[str, Callable[[World, str], str]] = {
    "pod": _pod_address,
    "node": _node_address,
    "svc": _service_address,
    "outside": _outside_address,
    "router": _router_address,
    "name": _unresolved,
}


# -- what is there -------------------------------------------------------------------------------------------------


def _pod(world: World, path: str) -> dict[str, Any]:
    pod: dict[str, Any] | None = world.get(("api", "pods", path))
    if pod is None:
        raise _unknown(world, path)
    return pod


def _why_not_running(pod: dict[str, Any]) -> str:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return f"it is {status.get('phase', 'Pending')} ({condition['message']})"
    return f"it is {status.get('phase', 'Pending')}; kubectl describe pod says why"


def _machine(world: World, scope: str) -> str:
    if world.get((scope, "netns", "")) is None:
        name = scope.removeprefix("node:")
        if scope != name and any(name == node for node, _ in world.get(ground.SETTINGS).nodes):
            raise Refused(f"{name} is off: nothing runs there. cluster.boot({name!r}) switches it on")
        raise _unknown(world, scope)
    return scope


def _scopes(world: World) -> Iterable[str]:
    return world.scopes("netns")


def every(world: World) -> list[str]:
    """Every endpoint that exists, as a person would write it: pods, nodes, Services, outside hosts."""
    machines = [
        scope for scope in _scopes(world) if scope.startswith(("node:", "outside:", "router:")) and "/" not in scope
    ]
    services = [f"svc:{name}" for name in sorted(map(str, world.table("api", "services")))]
    return [*sorted(map(str, world.table("api", "pods"))), *machines, *services]


def _unknown(world: World, endpoint: str) -> Refused:
    known = every(world)
    near = [name for name in known if name.startswith(f"{endpoint}-")][:1]  # a Deployment's name: one of its pods
    near += get_close_matches(endpoint, [name for name in known if name not in near], n=3 - len(near), cutoff=0.6)
    if not near and not endpoint.startswith(("node:", "svc:", "outside:")):
        near = [name for name in known if endpoint.rpartition("/")[2] and name.endswith(endpoint.rpartition("/")[2])][
            :3
        ]
    hint = f"did you mean {' or '.join(near)}?" if near else f"an endpoint is {FORMS}"
    return Refused(f"there is no endpoint {endpoint!r} here: {hint}")
