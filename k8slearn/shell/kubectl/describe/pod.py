"""``kubectl describe pod``.

Left out: ephemeral containers, topology spread constraints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from k8slearn.shell.kubectl import ages
from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.describe import containers, words

Obj = dict[str, Any]
_LABEL = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


def page(request: Request, pod: Obj) -> Iterator[str]:
    spec, status = pod["spec"], pod.get("status") or {}
    yield from _top(request, pod)
    yield from _addresses(status)
    if words.controller(pod):
        yield f"Controlled By:\t{words.controller(pod)}"
    resolve = _resolver(pod)
    if spec.get("initContainers"):
        yield from containers.section(
            "Init Containers", spec["initContainers"], status.get("initContainerStatuses") or [], resolve
        )
    yield from containers.section("Containers", spec["containers"], status.get("containerStatuses") or [], resolve)
    if status.get("conditions"):
        yield "Conditions:"
        yield "  Type\tStatus"
        for condition in status["conditions"]:
            yield f"  {condition['type']} \t{condition['status']} "
    yield from containers.volumes(spec.get("volumes") or [])
    yield f"QoS Class:\t{status.get('qosClass', '')}"
    yield from words.pairs("Node-Selectors", spec.get("nodeSelector"))
    yield from containers.tolerations(spec.get("tolerations") or [])
    yield from words.events(request, pod)


def _top(request: Request, pod: Obj) -> Iterator[str]:
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    yield f"Name:\t{metadata['name']}"
    yield f"Namespace:\t{metadata['namespace']}"
    if spec.get("priority") is not None:
        yield f"Priority:\t{spec['priority']}"
    if spec.get("priorityClassName"):
        yield f"Priority Class Name:\t{spec['priorityClassName']}"
    if spec.get("serviceAccountName"):
        yield f"Service Account:\t{spec['serviceAccountName']}"
    node = f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "<none>"
    yield f"Node:\t{node}"
    if status.get("startTime"):
        yield f"Start Time:\t{ages.rfc1123(status['startTime'])}"
    yield from words.labels(pod)
    yield from words.annotated(pod)
    if metadata.get("deletionTimestamp"):
        yield f"Status:\tTerminating (lasts {ages.since(request.world, metadata['deletionTimestamp'])})"
        yield f"Termination Grace Period:\t{metadata.get('deletionGracePeriodSeconds', 0)}s"
    else:
        yield f"Status:\t{status.get('phase', '')}"
    for field in ("reason", "message"):
        if status.get(field):
            yield f"{field.capitalize()}:\t{status[field]}"


def _addresses(status: Obj) -> Iterator[str]:
    yield f"IP:\t{status.get('podIP', '')}"
    if not status.get("podIPs"):
        yield "IPs:\t<none>"
        return
    yield "IPs:"
    for each in status["podIPs"]:
        yield f"  IP:\t{each['ip']}"


def _resolver(pod: Obj) -> containers.Resolve:
    def resolve(path: str) -> str:
        found = _LABEL.fullmatch(path)
        if found:
            return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))
        value: Any = pod
        for field in path.split("."):
            value = value.get(field) if isinstance(value, dict) else None
        return "" if value is None else str(value)

    return resolve
