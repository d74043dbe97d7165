"""What the API server refuses in a Service.

Left out: loadBalancerClass, topology annotations.
"""

from __future__ import annotations

from typing import Any

from k8slearn.api import names
from k8slearn.api.families import changed, mismatched
from k8slearn.api.status import bad, banned, duplicate, required, unsupported
from k8slearn.api.validate_pod import port_or_name

Obj = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_WORDS: dict[str, tuple[str, ...]] = {
    "type": _TYPES,
    "sessionAffinity": ("ClientIP", "None"),
    "externalTrafficPolicy": ("Cluster", "Local"),
    "internalTrafficPolicy": ("Cluster", "Local"),
    "ipFamilyPolicy": ("SingleStack", "PreferDualStack", "RequireDualStack"),
    "trafficDistribution": ("PreferClose", "PreferSameZone", "PreferSameNode"),
}


def service(obj: Obj) -> list[str]:
    spec = obj["spec"]
    headless = spec.get("clusterIP") == "None"
    wrong = []
    if not spec.get("ports") and not headless and spec["type"] != "ExternalName":
        wrong.append(required("spec.ports"))
    for field, words in _WORDS.items():
        if field in spec and spec[field] not in words:
            wrong.append(unsupported(f"spec.{field}", spec[field], words))
    for key, value in (spec.get("selector") or {}).items():
        wrong += [bad("spec.selector", key, why) for why in names.qualified(key)]
        wrong += [bad("spec.selector", value, why) for why in names.label_value(value)]
    return wrong + _ports(spec) + _addresses(spec, headless) + _by_type(spec, headless)


def _ports(spec: Obj) -> list[str]:
    ports = spec.get("ports") or []
    wrong: list[str] = []
    names_seen: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for i, port in enumerate(ports):
        here = f"spec.ports[{i}]"
        wrong += _port(port, here, len(ports) > 1, names_seen)
        found = (port["protocol"], port.get("port", 0))
        if found in seen:
            wrong.append(duplicate(here, {"protocol": found[0], "port": found[1]}))
        seen.add(found)
        if port.get("nodePort") and spec["type"] in ("ClusterIP", "ExternalName"):
            why = f"may not be used when `type` is '{spec['type']}'"
            wrong.append(banned(f"{here}.nodePort", why))
    return wrong


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
    if port["protocol"] not in _PROTOCOLS:
        wrong.append(unsupported(f"{here}.protocol", port["protocol"], _PROTOCOLS))
    if "targetPort" in port:
        wrong += port_or_name(port["targetPort"], f"{here}.targetPort")
    return wrong


def _addresses(spec: Obj, headless: bool) -> list[str]:
    wrong = []
    several = spec.get("clusterIPs") or []
    if several and spec.get("clusterIP") and several[0] != spec["clusterIP"]:
        wrong.append(bad("spec.clusterIPs", several, "first value must match `clusterIP`"))
    if not headless:
        asked = several or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
        wrong += [bad(f"spec.clusterIPs[{i}]", a, why) for i, a in enumerate(asked) if a for why in names.ip(a)]
    if several and not spec.get("clusterIP"):
        wrong.append(bad("spec.clusterIPs", several, "must be empty when `clusterIP` is not specified"))
    if len(several) > 2:
        wrong.append(bad("spec.clusterIPs", several, "may only hold up to 2 values"))
    for i, address in enumerate(spec.get("externalIPs") or ()):
        wrong += [bad(f"spec.externalIPs[{i}]", address, why) for why in names.ip(address)]
    for i, block in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        wrong += [bad(f"spec.loadBalancerSourceRanges[{i}]", block, why) for why in names.cidr(block.strip())]
    for i, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in ("IPv4", "IPv6"):
            wrong.append(unsupported(f"spec.ipFamilies[{i}]", family, ("IPv4", "IPv6")))
    families = spec.get("ipFamilies") or []
    if len(set(families)) < len(families):
        wrong.append(duplicate("spec.ipFamilies[1]", families[-1]))
    return wrong or mismatched(spec)


def _by_type(spec: Obj, headless: bool) -> list[str]:
    wrong = []
    kind = spec["type"]
    if kind == "ExternalName":
        name = spec.get("externalName", "").removesuffix(".")
        wrong += (
            [bad("spec.externalName", name, w) for w in names.subdomain(name)]
            if name
            else [required("spec.externalName")]
        )
        if spec.get("clusterIP"):
            wrong.append(banned("spec.clusterIPs[0]", "may not be set when `type` is 'ExternalName'"))
    elif headless and kind != "ClusterIP":
        why = f"may not be set to 'None' for {kind} services"
        wrong.append(bad("spec.clusterIPs[0]", "None", why))
    if spec.get("externalTrafficPolicy") and kind not in ("NodePort", "LoadBalancer") and not spec.get("externalIPs"):
        why = "may only be set for externally-accessible services"
        wrong.append(bad("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], why))
    timeout = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    if spec["sessionAffinity"] == "None" and spec.get("sessionAffinityConfig"):
        wrong.append(banned("spec.sessionAffinityConfig", "must not be set when session affinity is None"))
    elif timeout is not None and not 0 < timeout <= 86400:
        path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        wrong.append(bad(path, timeout, "must be greater than 0 and less than or equal to 86400"))
    return wrong


def service_changed(new: Obj, old: Obj) -> list[str]:
    """A Service keeps its first ClusterIP; only one that turns into an ExternalName lets go of it."""
    return changed(new["spec"], old["spec"])
