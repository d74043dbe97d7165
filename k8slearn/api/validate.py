"""What the API server refuses, in its own words: one sentence for each field that is wrong.

Each kind has a function from an object (decoded, with its defaults) to its causes, such as ``spec.ports[0].port:
Invalid value: 70000: must be between 1 and 65535, inclusive``; a second table has what an update may not change.
kubectl prints them after ``The Service "web" is invalid:``.

Left out: kinds without a network meaning are only checked for their names, labels and types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from k8slearn.api import names, validate_ingress, validate_network, validate_pod, validate_service, validate_workloads
from k8slearn.api.kinds import Kind
from k8slearn.api.status import bad, banned, invalid, required, unsupported

Obj = dict[str, Any]
_LABEL_NAMED = {"Namespace", "Service"}
_PATH_NAMED = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
_MOST_ANNOTATIONS = 256 * 1024


def metadata(kind: Kind, obj: Obj) -> None:
    """Refuse a bad name before anything else is looked at; the rest is reported with the other causes."""
    wanted = obj["metadata"]
    if wanted.get("namespace") and names.label(wanted["namespace"]):
        raise invalid(kind.kind, wanted.get("name", ""), _each("metadata.namespace", wanted["namespace"], names.label))
    if not wanted.get("name"):
        why = required("metadata.name", "name or generateName is required")
        raise invalid(kind.kind, "", [why])


def created(kind: Kind, obj: Obj) -> list[str]:
    """The causes to refuse a new object."""
    return _metadata(kind, obj["metadata"]) + _missing(obj) + _CREATED.get(kind.kind, _nothing)(obj)


def updated(kind: Kind, new: Obj, old: Obj) -> list[str]:
    """The causes to refuse a change: it must be good in itself, and leave alone what is fixed."""
    return created(kind, new) + _UPDATED.get(kind.kind, _unchanged)(new, old)


_REQUIRED: dict[str, tuple[str, ...]] = {
    "HorizontalPodAutoscaler": ("spec.scaleTargetRef.kind", "spec.scaleTargetRef.name", "spec.maxReplicas"),
    "PersistentVolume": ("spec.capacity", "spec.accessModes"),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.resources.requests.storage"),
    "RoleBinding": ("roleRef.kind", "roleRef.name"),
    "ClusterRoleBinding": ("roleRef.kind", "roleRef.name"),
    "StorageClass": ("provisioner",),
    "Event": ("involvedObject.kind", "involvedObject.name"),
}
"""What must be there, in kinds that are otherwise stored as they are."""


def _missing(obj: Obj) -> list[str]:
    return [required(path) for path in _REQUIRED.get(obj["kind"], ()) if not _at(obj, path)]


def _at(obj: Obj, path: str) -> Any:
    found: Any = obj
    for field in path.split("."):
        found = found.get(field) if isinstance(found, dict) else None
    return found


def _nothing(obj: Obj) -> list[str]:
    return []


def _unchanged(new: Obj, old: Obj) -> list[str]:
    return []


def _each(path: str, value: str, check: names.Check) -> list[str]:
    return [bad(path, value, why) for why in check(value)]


def _metadata(kind: Kind, wanted: Obj) -> list[str]:
    check = names.path_segment if kind.kind in _PATH_NAMED else names.subdomain
    check = names.label if kind.kind in _LABEL_NAMED else check
    wrong = _each("metadata.name", wanted["name"], check)
    wrong += labels(wanted.get("labels") or {}, "metadata.labels")
    annotations = wanted.get("annotations") or {}
    for key in annotations:
        wrong += [bad("metadata.annotations", key, why) for why in names.qualified(key.lower())]
    if sum(len(k) + len(v) for k, v in annotations.items()) > _MOST_ANNOTATIONS:
        wrong.append(f"metadata.annotations: Too long: may not be more than {_MOST_ANNOTATIONS} bytes")
    for i, owner in enumerate(wanted.get("ownerReferences") or ()):
        path = f"metadata.ownerReferences[{i}]"
        wrong += [
            required(f"{path}.{f}", f"{f} must not be empty")
            for f in ("apiVersion", "kind", "name", "uid")
            if not owner.get(f)
        ]
    return wrong


def labels(wanted: dict[str, str], path: str) -> list[str]:
    wrong = [bad(path, key, why) for key in wanted for why in names.qualified(key)]
    return wrong + [bad(path, value, why) for value in wanted.values() for why in names.label_value(value)]


def _configured(obj: Obj) -> list[str]:
    wrong = []
    for field in ("data", "binaryData"):
        for key in obj.get(field) or ():
            wrong += [bad(f"{field}[{key}]", key, why) for why in names.config_key(key)]
    twice = sorted(set(obj.get("data") or ()) & set(obj.get("binaryData") or ()))
    return wrong + [bad(f"data[{k}]", k, "duplicate of key present in binaryData") for k in twice]


def _configured_changed(new: Obj, old: Obj) -> list[str]:
    if not old.get("immutable"):
        return []
    wrong = [] if new.get("immutable") else [banned("immutable", "field is immutable when `immutable` is set")]
    changed = [f for f in ("data", "binaryData") if (new.get(f) or {}) != (old.get(f) or {})]
    return wrong + [banned(f, "field is immutable when `immutable` is set") for f in changed]


def _definition(obj: Obj) -> list[str]:
    spec = obj["spec"]
    wrong = [required(f"spec.{f}") for f in ("group", "scope", "names", "versions") if not spec.get(f)]
    if wrong:
        return wrong
    return _definition_names(obj, spec)


def _definition_names(obj: Obj, spec: Obj) -> list[str]:
    wrong = [required(f"spec.names.{f}") for f in ("plural", "kind") if not spec["names"].get(f)]
    if spec["scope"] not in ("Namespaced", "Cluster"):
        wrong.append(f'spec.scope: Unsupported value: "{spec["scope"]}": supported values: "Cluster", "Namespaced"')
    wrong += [required(f"spec.versions[{i}].name") for i, v in enumerate(spec["versions"]) if not v.get("name")]
    if not wrong and obj["metadata"]["name"] != f"{spec['names']['plural']}.{spec['group']}":
        why = 'must be spec.names.plural+"."+spec.group'
        wrong.append(bad("metadata.name", obj["metadata"]["name"], why))
    return wrong


def _node(obj: Obj) -> list[str]:
    spec = obj.get("spec") or {}
    blocks = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    wrong = []
    for i, taint in enumerate(spec.get("taints") or ()):
        here, effect = f"metadata.taints[{i}]", taint.get("effect", "")
        wrong += [bad(f"{here}.key", taint.get("key", ""), why) for why in names.qualified(taint.get("key", ""))]
        if not effect:
            wrong.append(required(f"{here}.effect"))
        elif effect not in _EFFECTS:
            wrong.append(unsupported(f"{here}.effect", effect, _EFFECTS, in_order=True))
    return wrong + [bad(f"spec.podCIDRs[{i}]", b, why) for i, b in enumerate(blocks) for why in names.cidr(b)]


_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


_TIMES = re.compile(r"(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \S+|(\S+\s+){4}\S+)")


def _cronjob(obj: Obj) -> list[str]:
    schedule = obj["spec"].get("schedule", "")
    wrong = (
        []
        if _TIMES.fullmatch(schedule)
        else [
            bad(
                "spec.schedule",
                schedule,
                f"expected exactly 5 fields, found {len(schedule.split())}: {schedule.split()}",
            )
        ]
    )
    wrong = wrong if schedule else [required("spec.schedule")]
    return wrong + validate_workloads.job_spec(
        obj["spec"].get("jobTemplate", {}).get("spec", {}), "spec.jobTemplate.spec"
    )


_CREATED: dict[str, Callable[[Obj], list[str]]] = {
    "Pod": validate_pod.pod,
    "Service": validate_service.service,
    "Deployment": validate_workloads.deployment,
    "ReplicaSet": validate_workloads.replicated,
    "ReplicationController": validate_workloads.replication_controller,
    "DaemonSet": validate_workloads.daemonset,
    "StatefulSet": validate_workloads.replicated,
    "Job": validate_workloads.job,
    "CronJob": _cronjob,
    "NetworkPolicy": validate_network.network_policy,
    "Ingress": validate_ingress.ingress,
    "IngressClass": validate_ingress.ingress_class,
    "EndpointSlice": validate_network.endpoint_slice,
    "Endpoints": validate_network.endpoints,
    "ServiceCIDR": validate_network.service_cidr,
    "IPAddress": validate_network.ip_address,
    "ConfigMap": _configured,
    "Secret": _configured,
    "CustomResourceDefinition": _definition,
    "Node": _node,
}
_UPDATED: dict[str, Callable[[Obj, Obj], list[str]]] = {
    "Pod": validate_pod.pod_changed,
    "Service": validate_service.service_changed,
    "Deployment": validate_workloads.selector_changed,
    "ReplicaSet": validate_workloads.selector_changed,
    "DaemonSet": validate_workloads.selector_changed,
    "StatefulSet": validate_workloads.statefulset_changed,
    "Job": validate_workloads.job_changed,
    "EndpointSlice": validate_network.endpoint_slice_changed,
    "IngressClass": validate_ingress.ingress_class_changed,
    "ServiceCIDR": validate_network.service_cidr_changed,
    "IPAddress": validate_network.ip_address_changed,
    "ConfigMap": _configured_changed,
    "Secret": _configured_changed,
}
