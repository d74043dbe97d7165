"""The CEL rules of the Gateway API's definitions that are understood here: the rule's own text -> what it asks.

A CustomResourceDefinition may say in CEL (Common Expression Language) what a schema alone cannot: two listeners may not
be the same, a redirect has no backends. The API server runs the expression; here each known one has a function.

Left out: every other expression; what it would refuse is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Obj = Mapping[str, Any]
Rule = Callable[[Any], bool]
FILTERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "RequestMirror": "requestMirror",
}
CLEAR = ("HTTP", "TCP", "UDP")


def _path_lacks(part: str) -> Rule:
    return lambda path: path.get("type") not in ("Exact", "PathPrefix") or part not in path["value"]


def _filter_has(kind: str, field: str) -> Rule:
    return lambda one: one.get("type") != kind or field in one


def _mode(listener: Obj) -> str:
    return str((listener.get("tls") or {}).get("mode", ""))


def _place(listener: Obj) -> tuple[Any, ...]:
    return (listener["port"], listener["protocol"], listener.get("hostname"))


def _unique(values: list[Any]) -> bool:
    return len(values) == len(set(values))


def _redirects(rule: Obj) -> bool:
    return any("requestRedirect" in one for one in rule.get("filters") or ())


def _says(kind: str, field: str) -> Rule:
    return lambda path: path.get("type") != kind or field in path


GATEWAY: dict[str, Rule] = {
    "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true": lambda ref: bool(
        ref.get("group") or ref.get("kind", "Service") != "Service" or "port" in ref
    ),
    "(self.type in ['Exact','PathPrefix']) ? self.value.startsWith('/') : true": lambda path: (
        path.get("type") not in ("Exact", "PathPrefix") or path["value"].startswith("/")
    ),
    **{
        f"(self.type in ['Exact','PathPrefix']) ? !self.value.contains('{part}') : true": _path_lacks(part)
        for part in ("//", "/./", "/../")
    },
    **{f"!(!has(self.{field}) && self.type == '{kind}')": _filter_has(kind, field) for kind, field in FILTERS.items()},
    "(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || self.filters.all(f, "
    "!has(f.requestRedirect))): true": lambda rule: not (rule.get("backendRefs") and _redirects(rule)),
    **{
        f"self.type == '{kind}' ? has(self.{field}) : true": _says(kind, field)
        for kind, field in (("ReplaceFullPath", "replaceFullPath"), ("ReplacePrefixMatch", "replacePrefixMatch"))
    },
    "self.mode == 'Terminate' ? size(self.certificateRefs) > 0 || size(self.options) > 0 : true": lambda tls: bool(
        tls.get("mode") != "Terminate" or tls.get("certificateRefs") or tls.get("options")
    ),
    "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)": lambda listeners: (
        not any(one["protocol"] in CLEAR and "tls" in one for one in listeners)
    ),
    "self.all(l, (l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true))": lambda all_of: all(
        one["protocol"] != "TLS" or _mode(one) for one in all_of
    ),
    "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)": (
        lambda listeners: all(one["protocol"] != "HTTPS" or _mode(one) in ("", "Terminate") for one in listeners)
    ),
    "self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)": lambda all_of: all(
        one["protocol"] not in ("TCP", "UDP") or not one.get("hostname") for one in all_of
    ),
    "self.all(l1, self.exists_one(l2, l1.name == l2.name))": lambda listeners: _unique(
        [one["name"] for one in listeners]
    ),
    "self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && "
    "has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))": lambda listeners: (
        _unique([_place(one) for one in listeners])
    ),
}
