"""What the API server refuses in Deployments, ReplicaSets, DaemonSets, StatefulSets and Jobs.

The one rule that everybody meets: the selector must match the labels of the template, and never changes.

Left out: partitions, pod failure policies, volume claim templates.
"""

from __future__ import annotations

import re
from typing import Any

from k8slearn.api import names, selectors, validate_pod
from k8slearn.api.status import bad, banned, required, shown, unsupported

Obj = dict[str, Any]
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_MISMATCH = "`selector` does not match template `labels`"


def selector(wanted: Obj | None, path: str) -> list[str]:
    """A LabelSelector's own form."""
    wanted = wanted or {}
    wrong = []
    for key, value in (wanted.get("matchLabels") or {}).items():
        wrong += [bad(f"{path}.matchLabels", key, why) for why in names.qualified(key)]
        wrong += [bad(f"{path}.matchLabels", value, why) for why in names.label_value(value)]
    for i, expression in enumerate(wanted.get("matchExpressions") or ()):
        wrong += _expression(expression, f"{path}.matchExpressions[{i}]")
    return wrong


def _expression(expression: Obj, path: str) -> list[str]:
    """ValidateLabelSelectorRequirement: the values, then the key."""
    operator, values = expression.get("operator", ""), expression.get("values") or []
    wrong = []
    if operator not in _OPERATORS:
        wrong.append(bad(f"{path}.operator", operator, "not a valid selector operator"))
    if operator in ("In", "NotIn") and not values:
        wrong.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    if operator in ("Exists", "DoesNotExist") and values:
        wrong.append(banned(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    key = expression.get("key", "")
    wrong += [bad(f"{path}.key", key, why) for why in names.qualified(key)]
    return wrong + [
        bad(f"{path}.values[{i}]", value, why) for i, value in enumerate(values) for why in names.label_value(value)
    ]


def replicated(obj: Obj) -> list[str]:
    """ReplicaSet, StatefulSet: replicas, selector, template."""
    spec = obj["spec"]
    wrong = (
        [] if spec["replicas"] >= 0 else [bad("spec.replicas", spec["replicas"], "must be greater than or equal to 0")]
    )
    return wrong + _selected(spec) + _template(spec, "Always")


def _selected(spec: Obj) -> list[str]:
    labels = spec["template"]["metadata"].get("labels") or {}
    wanted = spec.get("selector")
    if wanted is None:
        return [required("spec.selector"), bad("spec.template.metadata.labels", labels, _MISMATCH)]
    wrong = selector(wanted, "spec.selector")
    if not wanted.get("matchLabels") and not wanted.get("matchExpressions"):
        wrong.append(bad("spec.selector", wanted, "empty selector is invalid for deployment"))
    elif not wrong and not selectors.matches(wanted, labels):
        wrong.append(bad("spec.template.metadata.labels", labels, _MISMATCH))
    return wrong


def _template(spec: Obj, only: str) -> list[str]:
    template = spec["template"]
    wrong = []
    for key, value in (template["metadata"].get("labels") or {}).items():
        wrong += [bad("spec.template.labels", key, why) for why in names.qualified(key)]
        wrong += [bad("spec.template.labels", value, why) for why in names.label_value(value)]
    policy = template["spec"]["restartPolicy"]
    if only and policy != only and policy in ("Always", "OnFailure", "Never"):
        wrong.append(unsupported("spec.template.spec.restartPolicy", policy, (only,)))
    return wrong + validate_pod.spec(template["spec"], "spec.template.spec")


def deployment(obj: Obj) -> list[str]:
    spec = obj["spec"]
    wrong = replicated(obj)
    kind = spec["strategy"]["type"]
    if kind not in ("Recreate", "RollingUpdate"):
        return [*wrong, unsupported("spec.strategy.type", kind, ("Recreate", "RollingUpdate"))]
    rolling = spec["strategy"].get("rollingUpdate")
    if kind == "Recreate":
        why = "may not be specified when strategy `type` is 'Recreate'"
        return [*wrong, banned("spec.strategy.rollingUpdate", why)] if rolling else wrong
    return wrong + _rolling(rolling or {}, "spec.strategy.rollingUpdate")


def _rolling(rolling: Obj, path: str) -> list[str]:
    wrong = []
    for field in ("maxUnavailable", "maxSurge"):
        value = rolling.get(field, 0)
        if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
            why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
            wrong.append(bad(f"{path}.{field}", value, why + "regex used for validation is '[0-9]+%')"))
        elif isinstance(value, int) and value < 0:
            wrong.append(bad(f"{path}.{field}", value, "must be greater than or equal to 0"))
    both = [str(rolling.get(f, 0)).rstrip("%") for f in ("maxUnavailable", "maxSurge")]
    if not wrong and all(b.strip("0") == "" for b in both):
        wrong.append(
            bad(f"{path}.maxUnavailable", rolling.get("maxUnavailable", 0), "may not be 0 when `maxSurge` is 0")
        )
    return wrong


def daemonset(obj: Obj) -> list[str]:
    return _selected(obj["spec"]) + _template(obj["spec"], "Always")


def replication_controller(obj: Obj) -> list[str]:
    spec = obj["spec"]
    if not spec.get("selector"):
        return [required("spec.selector")]
    wrong = (
        [] if spec["replicas"] >= 0 else [bad("spec.replicas", spec["replicas"], "must be greater than or equal to 0")]
    )
    labels = spec["template"]["metadata"].get("labels") or {}
    if not selectors.equal(spec["selector"], labels):
        wrong.append(bad("spec.template.metadata.labels", labels, _MISMATCH))
    return wrong + _template(spec, "Always")


def job(obj: Obj) -> list[str]:
    return job_spec(obj["spec"], "spec")


def job_spec(spec: Obj, path: str) -> list[str]:
    wrong = []
    for field in ("parallelism", "completions", "backoffLimit"):
        if spec.get(field, 0) < 0:
            wrong.append(bad(f"{path}.{field}", spec[field], "must be greater than or equal to 0"))
    inner = spec.get("template", {}).get("spec", {})
    if inner.get("restartPolicy") == "Always":
        where = f"{path}.template.spec.restartPolicy"
        wrong.append(f'{where}: Required value: valid values: "OnFailure", "Never"')
    return wrong + (
        validate_pod.spec(inner, f"{path}.template.spec") if inner else [required(f"{path}.template.spec.containers")]
    )


def selector_changed(new: Obj, old: Obj) -> list[str]:
    if new["spec"].get("selector") == old["spec"].get("selector"):
        return []
    return [bad("spec.selector", new["spec"].get("selector"), "field is immutable")]


_STATEFUL = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def statefulset_changed(new: Obj, old: Obj) -> list[str]:
    fixed = ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates")
    same = all(new["spec"].get(f) == old["spec"].get(f) for f in fixed)
    return [] if same else [banned("spec", _STATEFUL)]


def job_changed(new: Obj, old: Obj) -> list[str]:
    before, now = old["spec"], new["spec"]
    fixed = ("selector", "template", "completionMode")
    return [
        f"spec.{f}: Invalid value: {shown(now.get(f))}: field is immutable"
        for f in fixed
        if now.get(f) != before.get(f)
    ]
