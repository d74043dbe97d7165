"""What the API server refuses in NetworkPolicies, Endpoints and EndpointSlices.

Left out: the number of entries that a list may have.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from k8slearn.api import names
from k8slearn.api.status import bad, banned, required, unsupported
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
    for i, word in enumerate(spec.get("policyTypes") or ()):
        if word not in ("Ingress", "Egress"):
            wrong.append(unsupported(f"spec.policyTypes[{i}]", word, ("Egress", "Ingress")))
    return wrong


def _policy_port(port: Obj, path: str) -> list[str]:
    wrong = []
    if port["protocol"] not in _PROTOCOLS:
        wrong.append(unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS))
    number, end = port.get("port"), port.get("endPort")
    if number is not None:
        wrong += port_or_name(number, f"{path}.port")
    if end is not None:
        if not isinstance(number, int):
            how = "not specified" if number is None else "non-numeric"
            wrong.append(bad(f"{path}.endPort", end, f"may not be specified when `port` is {how}"))
        elif end < number:
            wrong.append(bad(f"{path}.endPort", end, "must be greater than or equal to `port`"))
        wrong += [bad(f"{path}.endPort", end, why) for why in names.port_number(end)]
    return wrong


def _peer(peer: Obj, path: str) -> list[str]:
    kinds = [k for k in ("podSelector", "namespaceSelector", "ipBlock") if k in peer]
    if not kinds:
        return [required(path, "must specify a peer")]
    wrong = []
    for name in ("podSelector", "namespaceSelector"):
        if name in peer:
            wrong += selector(peer[name], f"{path}.{name}")
    if "ipBlock" in peer:
        if len(kinds) > 1:
            wrong.append(banned(path, "may not specify both ipBlock and another peer"))
        wrong += _block(peer["ipBlock"], f"{path}.ipBlock")
    return wrong


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


def endpoint_slice(obj: Obj) -> list[str]:
    kind = obj.get("addressType", "")
    wrong = []
    if not kind:
        wrong.append(required("addressType"))
    elif kind not in ("IPv4", "IPv6", "FQDN"):
        wrong.append(unsupported("addressType", kind, ("FQDN", "IPv4", "IPv6")))
    for i, endpoint in enumerate(obj.get("endpoints") or ()):
        wrong += _endpoint(endpoint, f"endpoints[{i}]", kind)
    for i, port in enumerate(obj.get("ports") or ()):
        if port["protocol"] not in _PROTOCOLS:
            wrong.append(unsupported(f"ports[{i}].protocol", port["protocol"], _PROTOCOLS))
        if port.get("port") is not None:
            wrong += [bad(f"ports[{i}].port", port["port"], why) for why in names.port_number(port["port"])]
    return wrong


def _endpoint(endpoint: Obj, here: str, kind: str) -> list[str]:
    addresses = endpoint.get("addresses") or []
    wrong = [] if addresses else [required(f"{here}.addresses", "must contain at least 1 address")]
    for i, address in enumerate(addresses):
        path = f"{here}.addresses[{i}]"
        if kind in ("IPv4", "IPv6"):
            family = ":" in address
            why = names.ip(address) or ([f"must be an {kind} address"] if family != (kind == "IPv6") else [])
            wrong += [bad(path, address, w) for w in why]
    return wrong


def endpoint_slice_changed(new: Obj, old: Obj) -> list[str]:
    if new.get("addressType") == old.get("addressType"):
        return []
    return [bad("addressType", new.get("addressType"), "field is immutable")]


def endpoints(obj: Obj) -> list[str]:
    wrong = []
    for i, subset in enumerate(obj.get("subsets") or ()):
        for field in ("addresses", "notReadyAddresses"):
            for j, address in enumerate(subset.get(field) or ()):
                path = f"subsets[{i}].{field}[{j}].ip"
                wrong += [bad(path, address.get("ip", ""), why) for why in names.ip(address.get("ip", ""))]
        for j, port in enumerate(subset.get("ports") or ()):
            path, number = f"subsets[{i}].ports[{j}].port", port.get("port", 0)
            wrong += [bad(path, number, why) for why in names.port_number(number)]
    return wrong
