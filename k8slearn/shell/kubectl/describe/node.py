"""``kubectl describe node``: its conditions, what it has, and what the pods on it asked for.

Left out: images, volumes, hugepages.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from k8slearn.api import quantity
from k8slearn.shell.kubectl import ages
from k8slearn.shell.kubectl.columns import roles
from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.describe import words

Obj = dict[str, Any]
_SYSTEM = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
    ("Kube-Proxy Version", "kubeProxyVersion"),
)


def page(request: Request, node: Obj) -> Iterator[str]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    yield f"Name:\t{node['metadata']['name']}"
    yield f"Roles:\t{roles(node)}"
    yield from words.labels(node)
    yield from words.annotated(node)
    yield f"CreationTimestamp:\t{words.created(node)}"
    yield from _taints(spec.get("taints") or [])
    yield f"Unschedulable:\t{words.yes(spec.get('unschedulable'))}"
    yield from _lease(request, node)
    yield from _conditions(status.get("conditions") or [])
    yield "Addresses:"
    for address in status.get("addresses") or ():
        yield f"  {address['type']}:\t{address['address']}"
    for field in ("capacity", "allocatable"):
        if status.get(field):
            yield f"{field.capitalize()}:"
            for name, amount in sorted(status[field].items()):
                yield f"  {name}:\t{amount}"
    yield "System Info:"
    for title, field in _SYSTEM:
        yield f"  {title}:\t{(status.get('nodeInfo') or {}).get(field, '')}"
    if spec.get("podCIDR"):
        yield f"PodCIDR:\t{spec['podCIDR']}"
    if spec.get("podCIDRs"):
        yield f"PodCIDRs:\t{','.join(spec['podCIDRs'])}"
    yield from _pods(request, node)
    yield from words.events(request, node)


def _taints(taints: list[Obj]) -> Iterator[str]:
    title = "Taints:\t"
    for taint in sorted(taints, key=lambda t: (t.get("effect", ""), t.get("key", ""))):
        value = f"={taint['value']}" if taint.get("value") else ""
        yield f"{title}{taint['key']}{value}:{taint['effect']}"
        title = "\t"
    if not taints:
        yield title + "<none>"


def _lease(request: Request, node: Obj) -> Iterator[str]:
    name = node["metadata"]["name"]
    lease = request.world.get(("api", "leases", f"kube-node-lease/{name}"))
    if lease is None:
        yield f'Lease:\tFailed to get lease: leases.coordination.k8s.io "{name}" not found'
        return
    spec = lease.get("spec") or {}
    yield "Lease:"
    yield f"  HolderIdentity:\t{spec.get('holderIdentity', '<unset>')}"
    yield "  AcquireTime:\t<unset>"
    yield f"  RenewTime:\t{ages.rfc1123(spec['renewTime']) if spec.get('renewTime') else '<unset>'}"


def _conditions(conditions: list[Obj]) -> Iterator[str]:
    if not conditions:
        return
    yield "Conditions:"
    yield "  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage"
    yield "  ----\t------\t-----------------\t------------------\t------\t-------"
    for c in conditions:
        times = [ages.rfc1123(c.get("lastHeartbeatTime")), ages.rfc1123(c.get("lastTransitionTime"))]
        cells = [c["type"], c["status"], *times, c.get("reason", ""), c.get("message", "")]
        yield "  " + " \t".join(cells)


def _pods(request: Request, node: Obj) -> Iterator[str]:
    pods = _running(request, node["metadata"]["name"])
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    yield f"Non-terminated Pods:\t({len(pods)} in total)"
    yield "  Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge"
    yield "  ---------\t----\t\t------------\t----------\t---------------\t-------------\t---"
    for pod in pods:
        shares = [
            _share(_asked(pod, field), name, allocatable)
            for name in ("cpu", "memory")
            for field in ("requests", "limits")
        ]
        metadata = pod["metadata"]
        yield f"  {metadata['namespace']}\t{metadata['name']}\t\t" + "\t".join([*shares, ages.age(request.world, pod)])
    yield "Allocated resources:"
    yield "  (Total limits may be over 100 percent, i.e., overcommitted.)"
    yield "  Resource\tRequests\tLimits"
    yield "  --------\t--------\t------"
    totals = {f: _sum([_asked(p, f) for p in pods]) for f in ("requests", "limits")}
    for name in ("cpu", "memory", "ephemeral-storage"):
        shares = [_share(totals[field], name, allocatable) for field in ("requests", "limits")]
        yield "  " + "\t".join([name, *shares])


def _running(request: Request, node: str) -> list[Obj]:
    rows = request.world.table("api", "pods")
    mine = (rows[key] for key in sorted(rows, key=str) if rows[key]["spec"].get("nodeName") == node)
    return [p for p in mine if (p.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]


def _asked(pod: Obj, field: str) -> dict[str, Fraction]:
    """A pod asks for the sum of its containers, or for its hungriest init container."""
    spec = pod["spec"]
    total = _sum([_amounts(c, field) for c in spec["containers"]])
    for container in spec.get("initContainers") or ():
        for name, amount in _amounts(container, field).items():
            total[name] = max(total.get(name, Fraction()), amount)
    return total


def _amounts(container: Obj, field: str) -> dict[str, Fraction]:
    return {k: quantity.parse(v) for k, v in ((container.get("resources") or {}).get(field) or {}).items()}


def _sum(parts: list[dict[str, Fraction]]) -> dict[str, Fraction]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum((part.get(name, Fraction()) for part in parts), Fraction()) for name in names}


def _share(amounts: dict[str, Fraction], name: str, allocatable: Obj) -> str:
    """``500m (12%)``: of what the node can give."""
    amount = amounts.get(name, Fraction())
    whole = quantity.parse(allocatable[name]) if allocatable.get(name) else Fraction()
    written = quantity.decimal(amount) if name == "cpu" else quantity.binary(amount)
    return f"{written} ({int(amount * 100 / whole) if whole else 0}%)"
