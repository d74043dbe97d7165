"""What the API server refuses in NetworkPolicies, Endpoints, EndpointSlices and the ranges of Services.

Left out: the number of entries that a list may have.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from k8slearn.api import names
from k8slearn.api.status import bad, banned, duplicate, required, too_many, unsupported
from k8slearn.api.validate_pod import port_or_name
from k8slearn.api.validate_workloads import selector

Obj = dict[str, Any]
_PROTOCOLS = ("TCP", "UDP", "SCTP")


def network_policy(obj: Obj) -> list[str]:
    spec = obj["spec"]
    wrong = selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(spec.get(direction) or ()):
            here = f"spec.{direction}[{i}]"
            for j, port in enumerate(rule.get("ports") or ()):
                wrong += _policy_port(port, f"{here}.ports[{j}]")
            for j, peer in enumerate(rule.get(peers) or ()):
                wrong += _peer(peer, f"{here}.{peers}[{j}]")
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        return [*wrong, bad("spec.policyTypes", types, "may not specify more than two policyTypes")]
    for i, word in enumerate(types):
        if word not in ("Ingress", "Egress"):
            wrong.append(unsupported(f"spec.policyTypes[{i}]", word, ("Ingress", "Egress"), in_order=True))
    return wrong


def _policy_port(port: Obj, path: str) -> list[str]:
    wrong = []
    if port["protocol"] not in _PROTOCOLS:
        wrong.append(unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS, in_order=True))
    number, end = port.get("port"), port.get("endPort")
    if not isinstance(number, int):
        how = "not specified" if number is None else "non-numeric"
        if end is not None:
            wrong.append(bad(f"{path}.endPort", end, f"may not be specified when `port` is {how}"))
        return wrong + (port_or_name(number, f"{path}.port") if number is not None else [])
    wrong += port_or_name(number, f"{path}.port")
    if end is not None and end < number:
        wrong.append(bad(f"{path}.endPort", end, "must be greater than or equal to `port`"))
    return wrong + ([bad(f"{path}.endPort", end, why) for why in names.port_number(end)] if end is not None else [])


def _peer(peer: Obj, path: str) -> list[str]:
    kinds = [k for k in ("podSelector", "namespaceSelector", "ipBlock") if k in peer]
    if not kinds:
        return [required(path, "must specify a peer")]
    wrong = []
    for name in ("podSelector", "namespaceSelector"):
        if name in peer:
            wrong += selector(peer[name], f"{path}.{name}")
    wrong += _block(peer["ipBlock"], f"{path}.ipBlock") if "ipBlock" in peer else []
    both = "ipBlock" in peer and len(kinds) > 1
    return [*wrong, banned(path, "may not specify both ipBlock and another peer")] if both else wrong


def _block(block: Obj, path: str) -> list[str]:
    text = block.get("cidr", "")
    if not text:
        return [required(f"{path}.cidr")]
    if names.cidr(text):
        return [bad(f"{path}.cidr", text, why) for why in names.cidr(text)]
    whole = ipaddress.ip_network(text, strict=False)
    wrong = []
    for i, hole in enumerate(block.get("except") or ()):
        here = f"{path}.except[{i}]"
        wrong += [bad(here, hole, why) for why in names.cidr(hole)]
        if not names.cidr(hole) and not _inside(hole, whole):
            wrong.append(bad(here, hole, "must be a strict subset of `cidr`"))
    return wrong


def _inside(hole: str, whole: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    part = ipaddress.ip_network(hole, strict=False)
    if part.version != whole.version or part.prefixlen <= whole.prefixlen:
        return False
    return part.network_address in whole


MOST_ENDPOINTS, MOST_ADDRESSES, MOST_PORTS = 1000, 100, 100


def endpoint_slice(obj: Obj) -> list[str]:
    """Of pkg/apis/discovery/validation: its kind of addresses, the endpoints, the ports."""
    kind = obj.get("addressType", "")
    wrong = []
    if not kind:
        wrong.append(required("addressType"))
    elif kind not in ("IPv4", "IPv6", "FQDN"):
        wrong.append(unsupported("addressType", kind, ("FQDN", "IPv4", "IPv6")))
    endpoints, ports = obj.get("endpoints") or [], obj.get("ports") or []
    if len(endpoints) > MOST_ENDPOINTS:
        wrong.append(too_many("endpoints", len(endpoints), MOST_ENDPOINTS))
    else:
        wrong += [why for i, one in enumerate(endpoints) for why in _endpoint(one, f"endpoints[{i}]", kind)]
    if len(ports) > MOST_PORTS:
        return [*wrong, too_many("ports", len(ports), MOST_PORTS)]
    seen: set[str] = set()
    return wrong + [why for i, port in enumerate(ports) for why in _slice_port(port, f"ports[{i}]", seen)]


def _endpoint(endpoint: Obj, here: str, kind: str) -> list[str]:
    addresses = endpoint.get("addresses") or []
    wrong = [] if addresses else [required(f"{here}.addresses", "must contain at least 1 address")]
    if len(addresses) > MOST_ADDRESSES:
        wrong.append(too_many(f"{here}.addresses", len(addresses), MOST_ADDRESSES))
    for i, address in enumerate(addresses):
        if kind in ("IPv4", "IPv6"):
            wrong += [bad(f"{here}.addresses[{i}]", address, why) for why in _of_family(address, kind)]
        elif kind == "FQDN":
            name = address.removesuffix(".")
            wrong += [bad(f"{here}.addresses[{i}]", name, why) for why in names.full_name(name)]
    if "hostname" in endpoint:
        wrong += [bad(f"{here}.hostname", endpoint["hostname"], why) for why in names.label(endpoint["hostname"])]
    return wrong


def _of_family(address: str, kind: str) -> list[str]:
    if why := names.ip(address):
        return why
    other = (":" in address) != (kind == "IPv6")
    return [f"must be an {kind} address"] if other else names.special_ip(address)


def _slice_port(port: Obj, here: str, seen: set[str]) -> list[str]:
    name = port.get("name") or ""
    wrong = [bad(f"{here}.name", name, why) for why in names.label(name)] if name else []
    wrong += [duplicate(f"{here}.name", name)] if name in seen else []
    seen.add(name)
    if port["protocol"] not in _PROTOCOLS:
        wrong.append(unsupported(f"{here}.protocol", port["protocol"], _PROTOCOLS))
    if port.get("port") is not None:
        wrong += [bad(f"{here}.port", port["port"], why) for why in names.port_number(port["port"])]
    if port.get("appProtocol") is not None:
        wrong += [bad(f"{here}.appProtocol", port["appProtocol"], why) for why in names.qualified(port["appProtocol"])]
    return wrong


def endpoint_slice_changed(new: Obj, old: Obj) -> list[str]:
    if new.get("addressType") == old.get("addressType"):
        return []
    return [bad("addressType", new.get("addressType"), "field is immutable")]


def endpoints(obj: Obj) -> list[str]:
    """Of the older kind (validateEndpointSubsets)."""
    wrong = []
    for i, subset in enumerate(obj.get("subsets") or ()):
        here, ports = f"subsets[{i}]", subset.get("ports") or []
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            wrong.append(required(here, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for j, address in enumerate(subset.get(field) or ()):
                text = address.get("ip", "")
                wrong += [bad(f"{here}.{field}[{j}].ip", text, w) for w in names.ip(text) or names.special_ip(text)]
        wrong += [why for j, port in enumerate(ports) for why in _old_port(port, f"{here}.ports[{j}]", len(ports) > 1)]
    return wrong


def _old_port(port: Obj, here: str, several: bool) -> list[str]:
    name, number = port.get("name", ""), port.get("port", 0)
    wrong = [bad(f"{here}.name", name, why) for why in names.label(name)] if name else []
    wrong += [required(f"{here}.name")] if several and not name else []
    wrong += [bad(f"{here}.port", number, why) for why in names.port_number(number)]
    protocol = port.get("protocol", "TCP")
    return wrong if protocol in _PROTOCOLS else [*wrong, unsupported(f"{here}.protocol", protocol, _PROTOCOLS)]


def service_cidr(obj: Obj) -> list[str]:
    """A range of Services: one of each family at most."""
    cidrs, path = (obj.get("spec") or {}).get("cidrs") or [], "spec.cidrs"
    if not cidrs:
        return [required(path, "at least one CIDR required")]
    if len(cidrs) > 2:
        return [bad(path, {"CIDRs": cidrs}, "may only hold up to 2 values")]
    wrong = [bad(f"{path}[{i}]", cidr, why) for i, cidr in enumerate(cidrs) for why in names.cidr(cidr)]
    if not wrong and len(cidrs) == 2 and (":" in cidrs[0]) == (":" in cidrs[1]):
        wrong.append(bad(path, cidrs, ONE_OF_EACH))
    return wrong


ONE_OF_EACH = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


def service_cidr_changed(new: Obj, old: Obj) -> list[str]:
    """Its ranges are fixed; only the second family may come later."""
    now, was = (new.get("spec") or {}).get("cidrs") or [], old["spec"]["cidrs"]
    if len(now) != len(was) and (len(was), len(now)) != (1, 2):
        return [bad("spec.cidrs", now, "field is immutable")]
    changed = [i for i, (a, b) in enumerate(zip(now, was, strict=False)) if a != b]
    return [bad(f"spec.cidrs[{i}]", now[i], "field is immutable") for i in changed]


def ip_address(obj: Obj) -> list[str]:
    """Its name is the address; it says whose it is."""
    name, parent = obj["metadata"]["name"], (obj.get("spec") or {}).get("parentRef")
    wrong = [bad("metadata.name", name, why) for why in names.ip(name)]
    if parent is None:
        return [*wrong, required("spec.parentRef")]
    return wrong + [required(f"spec.parentRef.{field}") for field in ("resource", "name") if not parent.get(field)]


def ip_address_changed(new: Obj, old: Obj) -> list[str]:
    parent = (new.get("spec") or {}).get("parentRef")
    return [] if parent == old["spec"].get("parentRef") else [bad("spec.parentRef", parent, "field is immutable")]
