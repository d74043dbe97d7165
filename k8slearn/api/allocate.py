"""Addresses and ports of Services: who gets which, and who is refused.

The API server hands out ClusterIPs from the service range and NodePorts from 30000-32767. The lowest part of each range
(the *static band*) is left for people who ask for a certain one; drawn ones come from the upper part first.
The real draw is random; ours is derived from the seed and the Service's name, and takes the next free one.

Further ranges are ServiceCIDR objects; one that is being deleted gives no more addresses. The cluster's own is asked
first, then the others by name (the real order is a hash's).

Left out: nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Hashable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from k8slearn.api import families, status
from k8slearn.journal import World, digest

Obj = dict[str, Any]
EXTERNAL = ("NodePort", "LoadBalancer")
NODE_PORTS = range(30000, 32768)
_STATIC_PORTS = 86


def service(world: World, new: Obj, old: Obj | None) -> list[str]:
    """Write addresses and ports into a fresh Service; returns the causes of a refusal."""
    causes = _addresses(world, new, old)
    return causes + _node_ports(world, new, old)


def release(new: Obj, old: Obj) -> None:
    """Before a changed Service is judged: what its old type had and its new one cannot have is given back.

    Only what is unchanged goes silently; what was asked for anew stays, to be refused.
    """
    spec, before = new["spec"], old["spec"]
    if spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []
    if spec["type"] == "ExternalName" and before["type"] != "ExternalName":
        gone: tuple[str, ...] = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
        _drop_same(spec, before, gone)
    if spec["type"] not in EXTERNAL and before["type"] in EXTERNAL:
        _drop_same(spec, before, ("externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts"))
        mine = {p.get("nodePort") for p in before.get("ports") or ()}
        for port in spec.get("ports") or ():
            if port.get("nodePort") in mine | {0}:
                port.pop("nodePort", None)
    if spec["type"] != "LoadBalancer" and before["type"] == "LoadBalancer":
        _drop_same(spec, before, ("allocateLoadBalancerNodePorts", "healthCheckNodePort", "loadBalancerClass"))


def _drop_same(spec: Obj, before: Obj, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field in spec and spec[field] == before.get(field):
            del spec[field]


@lru_cache(maxsize=16)
def band(cidr: str) -> tuple[int, int, int]:
    """(first address, size of the range, size of the static band) of a service range, as numbers.

    The network's own address is left out, and IPv4's broadcast address. ``min(max(16, size/16), 256)``.
    """
    network = ipaddress.ip_network(cidr)
    size = min(network.num_addresses, 2**16 if network.version == 6 else 2**32) - 1 - (network.version == 4)
    whole = size + 1 + (network.version == 4)
    return int(network.network_address) + 1, size, min(max(16, whole // 16), 256) if whole > 16 else 0


def ranges(world: World) -> tuple[str, ...]:
    """The service ranges of this cluster, the primary family first."""
    settings = world.get(("cluster", "settings", ""))
    text = getattr(settings, "service_cidr", "") or "10.96.0.0/12"
    return tuple(part.strip() for part in text.split(","))


DEFAULT = "kubernetes"
"""The ServiceCIDR of the cluster's own range."""


def _ranges_of(world: World, family: str) -> list[str]:
    """All ranges of one family that give addresses."""
    own = [cidr for cidr in ranges(world) if families.of(cidr) == family]
    rows = world.table("api", "servicecidrs")
    live = [rows[n] for n in sorted(rows, key=str) if n != DEFAULT and not rows[n]["metadata"].get("deletionTimestamp")]
    return own + [cidr for row in live for cidr in row["spec"].get("cidrs") or () if families.of(cidr) == family]


def _seed(world: World) -> int:
    return int(getattr(world.get(("cluster", "settings", "")), "seed", 0) or 0)


def _addresses_of(service: Obj) -> list[str]:
    return [ip for ip in service["spec"].get("clusterIPs") or () if ip not in ("", "None")]


class Held:
    """The addresses or ports that some Service has; `mine` are the asker's own."""

    def __init__(self, groups: Mapping[Hashable, Mapping[Hashable, Any]], mine: Collection[Any] = ()) -> None:
        self.groups = groups
        self.mine = mine

    def __contains__(self, thing: object) -> bool:
        return thing not in self.mine and bool(self.groups.get(thing))


def _addresses(world: World, new: Obj, old: Obj | None) -> list[str]:
    spec = new["spec"]
    if spec["type"] == "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(field, None)
        return []
    before = (old or {}).get("spec") or {}
    if before.get("clusterIPs") and not spec.get("clusterIP"):
        spec["clusterIP"] = before["clusterIP"]
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        same = before.get("clusterIP") == spec["clusterIP"]
        spec["clusterIPs"] = list(before["clusterIPs"]) if same else [spec["clusterIP"]]
    asked = spec.get("clusterIPs") or []
    causes = families.settle(spec, before, [families.of(cidr) for cidr in ranges(world)])
    if causes or asked == ["None"]:
        return causes
    asked = asked[: len(spec["ipFamilies"])]
    taken = Held(world.table("api", "services").by(_addresses_of))
    given: list[str] = []
    for position, family in enumerate(spec["ipFamilies"]):
        cidrs = _ranges_of(world, family)
        if position < len(asked):
            given.append(asked[position])
            causes += _may_have(asked, asked[position], cidrs, taken, set(before.get("clusterIPs") or ()))
        else:
            given.append(next(filter(None, (_draw(world, new, cidr, taken) for cidr in cidrs)), ""))
    spec["clusterIP"], spec["clusterIPs"] = given[0], given
    return causes + ([] if all(given) else [f"spec.clusterIPs: Internal error: {_FULL}"])


_FULL = "failed to allocate a serviceIP: range is full"


def _may_have(asked: list[str], ip: str, cidrs: list[str], taken: Held, mine: set[str]) -> list[str]:
    if ip in mine:
        return []
    why = ""
    if not any(ipaddress.ip_address(ip) in ipaddress.ip_network(cidr) for cidr in cidrs):
        why = f"the provided IP ({ip}) is not in the valid range. The range of valid IPs is {cidrs[0]}"
        if len(cidrs) > 1:
            why = "the provided network does not match the current range"
    elif ip in taken:
        why = "provided IP is already allocated"
    return [status.bad("spec.clusterIPs", asked, f"failed to allocate IP {ip}: {why}")] if why else []


def _draw(world: World, new: Obj, cidr: str, taken: Held) -> str:
    first, size, static = band(cidr)
    metadata = new["metadata"]
    number = int(digest("clusterIP", _seed(world), metadata.get("namespace"), metadata["name"], length=12), 16)
    for offset in _order(size, static, number):
        ip = str(ipaddress.ip_address(first + offset))
        if ip not in taken:
            return ip
    return ""


def _order(size: int, static: int, number: int) -> Iterator[int]:
    """Every offset once: the upper band from the drawn one on, then the lower."""
    static = min(static, size)
    for i in range(size - static):
        yield static + (number + i) % (size - static)
    yield from range(static)


def _ports_of(service: Obj) -> set[int]:
    """The node ports of a Service."""
    spec = service["spec"]
    return {n for n in (*(p.get("nodePort") for p in spec.get("ports") or ()), spec.get("healthCheckNodePort")) if n}


def _node_ports(world: World, new: Obj, old: Obj | None) -> list[str]:
    spec = new["spec"]
    before = (old or {}).get("spec") or {}
    mine = {p.get("nodePort") for p in before.get("ports") or ()} | {before.get("healthCheckNodePort")}
    wanted = spec["type"] == "NodePort" or (
        spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
    )
    if spec["type"] not in EXTERNAL:
        return []
    taken = Held(world.table("api", "services").by(_ports_of), mine)
    causes: list[str] = []
    here: dict[int, set[str]] = {}
    for i, port in enumerate(spec.get("ports") or ()):
        number = port.get("nodePort") or (_draw_port(world, new, i, taken, here) if wanted else 0)
        if number:
            causes += _port_free(f"spec.ports[{i}].nodePort", number, port["protocol"], taken, here)
            port["nodePort"] = number
            here.setdefault(number, set()).add(port["protocol"])
    if spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
        spec["healthCheckNodePort"] = spec.get("healthCheckNodePort") or _draw_port(world, new, -1, taken, here)
    return causes


def _port_free(path: str, number: int, protocol: str, taken: Held, here: dict[int, set[str]]) -> list[str]:
    if number not in NODE_PORTS:
        why = f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
        return [status.bad(path, number, why)]
    if number in taken or protocol in here.get(number, ()):
        return [status.bad(path, number, "provided port is already allocated")]
    return []


def _draw_port(world: World, new: Obj, i: int, taken: Held, here: dict[int, set[str]]) -> int:
    metadata = new["metadata"]
    number = int(digest("nodePort", _seed(world), metadata.get("namespace"), metadata["name"], i, length=12), 16)
    for offset in _order(len(NODE_PORTS), _STATIC_PORTS, number):
        if NODE_PORTS[offset] not in taken and NODE_PORTS[offset] not in here:
            return NODE_PORTS[offset]
    return 0
