"""What the API server refuses in Ingresses and IngressClasses, and the class that it gives to those without one.

(pkg/apis/networking/validation/validation.go; plugin/pkg/admission/network/ingressclass.)

Left out: resource backends' own fields, parameters of an IngressClass.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from k8slearn.api import names
from k8slearn.api.status import bad, required, unsupported
from k8slearn.journal import World

Obj = dict[str, Any]
CLASS = "kubernetes.io/ingress.class"
"""The annotation that named a class before there was a field; deprecated since 1.18, and still read."""
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
SUFFIXES = ("/..", "/.")
TYPES = ("Exact", "ImplementationSpecific", "Prefix")
WILDCARD = re.compile(r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NOT_A_WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    "regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def with_class(world: World, obj: Obj) -> None:
    """An Ingress that names no class gets the cluster's default one, the newest where there are several."""
    annotations = obj["metadata"].get("annotations") or {}
    if obj["spec"].get("ingressClassName") is not None or CLASS in annotations:
        return
    marked = [
        (row["metadata"]["creationTimestamp"], name)
        for name, row in world.table("api", "ingressclasses").items()
        if (row["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    if marked:
        newest = max(when for when, _ in marked)
        obj["spec"]["ingressClassName"] = min(str(name) for when, name in marked if when == newest)


def ingress(obj: Obj) -> list[str]:
    spec = obj.get("spec") or {}
    wrong = []
    if not spec.get("rules") and not spec.get("defaultBackend"):
        wrong.append(bad("spec", [], "either `defaultBackend` or `rules` must be specified"))
    if "defaultBackend" in spec:
        wrong += _backend(spec["defaultBackend"], "spec.defaultBackend")
    for i, rule in enumerate(spec.get("rules") or ()):
        wrong += _rule(rule, f"spec.rules[{i}]")
    for i, entry in enumerate(spec.get("tls") or ()):
        wrong += _tls(entry, f"spec.tls[{i}]")
    name = spec.get("ingressClassName")
    if name is not None:
        wrong += [bad("spec.ingressClassName", name, why) for why in names.subdomain(name)]
    annotated = (obj["metadata"].get("annotations") or {}).get(CLASS)
    if annotated is not None and name is not None and annotated != name:
        wrong.append(bad(f"annotations.{CLASS}", annotated, "must match `ingressClassName` when both are specified"))
    return wrong


def ingress_class(obj: Obj) -> list[str]:
    controller = (obj.get("spec") or {}).get("controller", "")
    if not controller:
        return [required("spec.controller")]
    domain, slash, path = controller.partition("/")
    if not slash or not path or names.subdomain(domain):
        why = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [bad("spec.controller", controller, why)]
    return []


def ingress_class_changed(new: Obj, old: Obj) -> list[str]:
    controller = new["spec"].get("controller", "")
    if controller == old["spec"].get("controller", ""):
        return []
    return [bad("spec.controller", controller, "field is immutable")]


def _rule(rule: Obj, here: str) -> list[str]:
    host = rule.get("host") or ""
    wrong = [bad(f"{here}.host", host, why) for why in _host(host)] if host else []
    if "http" in rule:
        paths = (rule["http"] or {}).get("paths") or ()
        wrong += [] if paths else [required(f"{here}.http.paths")]
        for j, path in enumerate(paths):
            wrong += _path(path, f"{here}.http.paths[{j}]")
    return wrong


def _host(host: str) -> list[str]:
    try:
        ipaddress.ip_address(host)
        return ["must be a DNS name, not an IP address"]
    except ValueError:
        return _name(host)


def _name(host: str) -> list[str]:
    if "*" in host:
        return [] if WILDCARD.fullmatch(host) else [NOT_A_WILDCARD]
    return names.subdomain(host)


def _tls(entry: Obj, here: str) -> list[str]:
    wrong = [
        bad(f"{here}.hosts[{i}]", host, why) for i, host in enumerate(entry.get("hosts") or ()) for why in _name(host)
    ]
    secret = entry.get("secretName") or ""
    return wrong + [bad(f"{here}.secretName", secret, why) for why in (names.subdomain(secret) if secret else ())]


def _path(path: Obj, here: str) -> list[str]:
    kind, text = path.get("pathType"), path.get("path", "")
    if kind is None:
        return [required(f"{here}.pathType", "pathType must be specified")]
    wrong = [] if kind in TYPES else [unsupported(f"{here}.pathType", kind, TYPES)]
    if kind in TYPES and not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        wrong.append(bad(f"{here}.path", text, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        wrong += [bad(f"{here}.path", text, f"must not contain '{part}'") for part in SEQUENCES if part in text]
        wrong += [bad(f"{here}.path", text, f"cannot end with '{end}'") for end in SUFFIXES if text.endswith(end)]
    return wrong + _backend(path.get("backend") or {}, f"{here}.backend")


def _backend(backend: Obj, path: str) -> list[str]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [bad(path, "", "cannot set both resource and service backends")]
    if service is None:
        return [] if resource is not None else [bad(path, "", "resource or service backend is required")]
    return _service(service, path)


def _service(service: Obj, path: str) -> list[str]:
    name, port = service.get("name") or "", service.get("port") or {}
    wrong = [bad(f"{path}.service.name", name, why) for why in names.label(name)] if name else []
    wrong += [] if name else [required(f"{path}.service.name")]
    if port.get("name") and port.get("number"):
        wrong.append(bad(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        wrong += [bad(f"{path}.service.port.name", port["name"], why) for why in names.port_name(port["name"])]
    elif port.get("number"):
        wrong += [bad(f"{path}.service.port.number", port["number"], why) for why in names.port_number(port["number"])]
    else:
        wrong.append(required(path, "port name or number is required"))
    return wrong
