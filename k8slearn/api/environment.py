"""A container's environment, as its pod's spec says it: values, keys of ConfigMaps, fields of the pod itself.

The kubelet works it out once, when it starts the container: a ConfigMap that changes later changes nothing in there.

Left out: ``envFrom``, Secrets, ``resourceFieldRef``, ``$(NAME)`` in values, Services as variables.
"""

from __future__ import annotations

from typing import Any

from k8slearn.journal import World

Obj = dict[str, Any]


def of(world: World, pod: Obj, container: Obj) -> dict[str, str]:
    """The variables that a container of this pod is given now."""
    return {entry["name"]: _value(world, pod, entry) for entry in container.get("env") or ()}


def _value(world: World, pod: Obj, entry: Obj) -> str:
    source = entry.get("valueFrom") or {}
    if "configMapKeyRef" in source:
        wanted = source["configMapKeyRef"]
        key = f"{pod['metadata'].get('namespace', 'default')}/{wanted['name']}"
        return str(((world.get(("api", "configmaps", key)) or {}).get("data") or {}).get(wanted["key"], ""))
    if "fieldRef" in source:
        found: Any = pod
        for field in source["fieldRef"]["fieldPath"].split("."):
            found = found.get(field) if isinstance(found, dict) else None
        if isinstance(found, list):  # status.podIPs, status.hostIPs
            return ",".join(str(each.get("ip", "")) for each in found)
        return "" if found is None else str(found)
    return str(entry.get("value", ""))
