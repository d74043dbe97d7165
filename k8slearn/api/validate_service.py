"""What the API server refuses in a Service.

The causes come in the order of pkg/apis/core/validation/validation.go (ValidateService), since kubectl prints them all.
Wrong cluster IPs are told alone: the server allocates addresses before it looks at the rest.

Left out: topology annotations, and the annotation that was once loadBalancerSourceRanges.
"""

from __future__ import annotations

from typing import Any

from k8slearn.api import names
from k8slearn.api.families import changed, mismatched
from k8slearn.api.status import bad, banned, duplicate, required, unsupported
from k8slearn.api.validate_pod import port_or_name

Obj = dict[str, Any]

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
EXTERNAL = ("NodePort", "LoadBalancer")
ONLY_LOAD_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
HEALTH_CHECK = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
WORDS: dict[str, tuple[str, ...]] = {
    "internalTrafficPolicy": ("Cluster", "Local"),
    "trafficDistribution": ("PreferClose", "PreferSameNode", "PreferSameZone"),
}
LONGEST_AFFINITY = 86400
"""Seconds: a day."""


def service(obj: Obj) -> list[str]:
    spec = obj["spec"]
    headless = spec.get("clusterIP") == "None"
    wrong = [] if spec["type"] == "ExternalName" else _addresses(spec)
    if wrong:
        return wrong
    if not spec.get("ports") and not headless and spec["type"] != "ExternalName":
        wrong.append(required("spec.ports"))
    wrong += _by_type(spec, headless)
    seen: set[str] = set()
    for i, port in enumerate(spec.get("ports") or ()):
        wrong += _port(port, f"spec.ports[{i}]", len(spec["ports"]) > 1, seen)
    for key, value in (spec.get("selector") or {}).items():
        wrong += [bad("spec.selector", key, why) for why in names.qualified(key)]
        wrong += [bad("spec.selector", value, why) for why in names.label_value(value)]
    wrong += _affinity(spec)
    for i, address in enumerate(spec.get("externalIPs") or ()):
        wrong += [bad(f"spec.externalIPs[{i}]", address, why) for why in names.ip(address) or names.special_ip(address)]
    if spec["type"] not in TYPES:
        wrong.append(unsupported("spec.type", spec["type"], TYPES))
    return wrong + _twice(spec) + _load_balancer(spec) + _outside(spec) + _words(spec)


def _by_type(spec: Obj, headless: bool) -> list[str]:
    """What one type of Service may not have, and what it must."""
    kind = spec["type"]
    if headless and kind in EXTERNAL:
        return [bad("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")]
    if kind != "ExternalName":
        return []
    set_ = {field: spec.get(field) for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")}
    set_["clusterIPs"] = set_["clusterIPs"] or spec.get("clusterIP")
    wrong = [banned(f"spec.{field}", "may not be set for ExternalName services") for field in set_ if set_[field]]
    name = spec.get("externalName", "").removesuffix(".")
    why = names.subdomain(name) if name else []
    return [
        *wrong,
        *(bad("spec.externalName", name, w) for w in why),
        *([] if name else [required("spec.externalName")]),
    ]


def _port(port: Obj, here: str, several: bool, seen: set[str]) -> list[str]:
    wrong = []
    name = port.get("name", "")
    if several and not name:
        wrong.append(required(f"{here}.name"))
    elif name:
        wrong += [bad(f"{here}.name", name, why) for why in names.label(name)]
        if name in seen:
            wrong.append(duplicate(f"{here}.name", name))
        seen.add(name)
    wrong += [bad(f"{here}.port", port.get("port", 0), why) for why in names.port_number(port.get("port", 0))]
    if port["protocol"] not in PROTOCOLS:
        wrong.append(unsupported(f"{here}.protocol", port["protocol"], PROTOCOLS))
    if "targetPort" in port:
        wrong += port_or_name(port["targetPort"], f"{here}.targetPort")
    if "appProtocol" in port:
        wrong += [bad(f"{here}.appProtocol", port["appProtocol"], why) for why in names.qualified(port["appProtocol"])]
    return wrong


def _twice(spec: Obj) -> list[str]:
    """Node ports of a Service that has none, and ports that are there twice."""
    wrong = []
    ports = list(enumerate(spec.get("ports") or ()))
    if spec["type"] == "ClusterIP":
        why = "may not be used when `type` is 'ClusterIP'"
        wrong += [banned(f"spec.ports[{i}].nodePort", why) for i, port in ports if port.get("nodePort")]
    seen: set[tuple[str, str, int]] = set()
    for field in ("nodePort", "port"):
        for i, port in ports:
            key = (field, port["protocol"], port.get(field, 0))
            if field == "nodePort" and not port.get(field):
                continue
            if key in seen:
                pair = {"protocol": port["protocol"], "port": port.get("port", 0)}
                where, value = (
                    (f"spec.ports[{i}].nodePort", key[2]) if field == "nodePort" else (f"spec.ports[{i}]", pair)
                )
                wrong.append(duplicate(where, value))
            seen.add(key)
    return wrong


def _addresses(spec: Obj) -> list[str]:
    """Cluster IPs and families (ValidateServiceClusterIPsRelatedFields)."""
    wrong: list[str] = []
    several = spec.get("clusterIPs") or []
    if several and not spec.get("clusterIP"):
        wrong.append(bad("spec.clusterIPs", several, "must be empty when `clusterIP` is not specified"))
    elif several and several[0] != spec["clusterIP"]:
        wrong.append(bad("spec.clusterIPs", several, "first value must match `clusterIP`"))
    families = spec.get("ipFamilies") or []
    for i, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            wrong.append(unsupported(f"spec.ipFamilies[{i}]", family, ("IPv4", "IPv6")))
        if family in families[:i]:
            wrong.append(duplicate(f"spec.ipFamilies[{i}]", family))
    policy = spec.get("ipFamilyPolicy")
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    if policy is not None and policy not in policies:
        wrong.append(unsupported("spec.ipFamilyPolicy", policy, policies))
    asked = several or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    odd = []
    for i, address in enumerate(asked):
        if not (i == 0 and address == "None"):
            odd += [bad(f"spec.clusterIPs[{i}]", address, why) for why in names.ip(address)]
    many = [bad("spec.clusterIPs", several, "may only hold up to 2 values")] if len(several) > 2 else []
    return wrong + odd + many + ([] if odd else mismatched(spec))


def _affinity(spec: Obj) -> list[str]:
    config, path = spec.get("sessionAffinityConfig"), "spec.sessionAffinityConfig"
    if spec["sessionAffinity"] not in ("ClientIP", "None"):
        return [unsupported("spec.sessionAffinity", spec["sessionAffinity"], ("ClientIP", "None"))]
    if spec["sessionAffinity"] == "None":
        return [banned(path, "must not be set when session affinity is None")] if config else []
    timeout = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
    if timeout is None or 0 < timeout <= LONGEST_AFFINITY:
        return []
    return [bad(f"{path}.clientIP.timeoutSeconds", timeout, f"must be greater than 0 and less than {LONGEST_AFFINITY}")]


def _load_balancer(spec: Obj) -> list[str]:
    """What only a LoadBalancer may have."""
    wrong, balances = [], spec["type"] == "LoadBalancer"
    ranges = spec.get("loadBalancerSourceRanges") or []
    if ranges and not balances:
        wrong.append(banned("spec.LoadBalancerSourceRanges", ONLY_LOAD_BALANCERS))
    for i, block in enumerate(ranges):
        wrong += [bad(f"spec.LoadBalancerSourceRanges[{i}]", block.strip(), why) for why in names.cidr(block.strip())]
    if "allocateLoadBalancerNodePorts" in spec and not balances:
        wrong.append(banned("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCERS))
    name = spec.get("loadBalancerClass")
    if name is not None and not balances:
        wrong.append(banned("spec.loadBalancerClass", ONLY_LOAD_BALANCERS))
    elif name is not None:
        wrong += [bad("spec.loadBalancerClass", name, why) for why in names.qualified(name)]
    return wrong


def _outside(spec: Obj) -> list[str]:
    """How traffic from outside is treated: only where some may come (validateServiceExternalTrafficPolicy)."""
    wrong, policy = [], spec.get("externalTrafficPolicy")
    reached = spec["type"] in EXTERNAL or (spec["type"] == "ClusterIP" and spec.get("externalIPs"))
    if policy and not reached:
        wrong.append(bad("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services"))
    elif policy and policy not in ("Cluster", "Local"):
        wrong.append(unsupported("spec.externalTrafficPolicy", policy, ("Cluster", "Local")))
    checked = spec.get("healthCheckNodePort")
    if checked and not (spec["type"] == "LoadBalancer" and policy == "Local"):
        wrong.append(bad("spec.healthCheckNodePort", checked, HEALTH_CHECK))
    elif checked:
        wrong += [bad("spec.healthCheckNodePort", checked, why) for why in names.port_number(checked)]
    return wrong


def _words(spec: Obj) -> list[str]:
    odd = [field for field, words in WORDS.items() if field in spec and spec[field] not in words]
    return [unsupported(f"spec.{field}", spec[field], WORDS[field]) for field in odd]


def service_changed(new: Obj, old: Obj) -> list[str]:
    """A Service keeps its first ClusterIP; only one that turns into an ExternalName lets go of it."""
    now, before = new["spec"], old["spec"]
    wrong = changed(now, before)
    if now["type"] == before["type"] == "LoadBalancer":
        name = now.get("loadBalancerClass")
        if name != before.get("loadBalancerClass"):
            wrong.append(bad("spec.loadBalancerClass", name, "may not change once set"))
        local = now.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") == "Local"
        if local and now.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
            wrong.append(banned("spec.healthCheckNodePort", "field is immutable"))
    return wrong
