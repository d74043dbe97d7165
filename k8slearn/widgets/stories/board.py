"""The incident board: what the cluster's own signs say, before anybody has looked for a cause.

It reads what an operator's screen has (``kubectl get nodes,pods,endpointslices``, events of type Warning): symptoms,
never the fault.

Left out: packets (`Cluster.laws` and `Cluster.reachability` send some).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8slearn.journal import World
from k8slearn.widgets.story import Line, Part, Story

Obj = Mapping[str, Any]


def board(world: World) -> Story:
    """Nodes, pods, Services and warnings; `failed` and `warns` stand beside what is wrong."""
    api = {kind: dict(world.table("api", kind)) for kind in ("nodes", "pods", "services", "endpointslices", "events")}
    parts = (
        Part("Nodes", tuple(_ready(str(name), obj) for name, obj in api["nodes"].items())),
        Part("Pods", tuple(_ready(str(name), obj) for name, obj in api["pods"].items())),
        Part("Services", tuple(_services(api["services"], api["endpointslices"]))),
        Part("Warnings", tuple(_warnings(api["events"]))),
    )
    signs = [line.sign for part in parts for line in part.lines]
    failed, warned = signs.count("failed"), signs.count("warns")
    said = f"Wrong now: {failed} of {len(signs) - warned} signs. Warnings that were given, now or before: {warned}."
    return Story("The incident board", tuple(part for part in parts if part.lines), said)


def _ready(name: str, obj: Obj) -> Line:
    status = obj.get("status") or {}
    ready: Obj = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), {})
    done = status.get("phase") == "Succeeded"
    fine = done or ready.get("status") == "True"
    told = (("phase", status.get("phase")), ("reason", ready.get("reason")), ("message", ready.get("message")))
    details = tuple((word, str(value)) for word, value in told if value)
    said = "Completed" if done else "Ready" if fine else "not Ready"
    return Line(f"{name}  {said}", "fine" if fine else "failed", details)


def _services(services: Mapping[Any, Obj], slices: Mapping[Any, Obj]) -> Iterator[Line]:
    for name, service in services.items():
        namespace, _, short = str(name).partition("/")
        own = [
            endpoint
            for piece in slices.values()
            if piece["metadata"].get("labels", {}).get("kubernetes.io/service-name") == short
            and piece["metadata"].get("namespace", "default") == namespace
            for endpoint in piece.get("endpoints") or ()
        ]
        ready = [e for e in own if (e.get("conditions") or {}).get("ready", True)]
        external = (service.get("spec") or {}).get("type") == "ExternalName"
        said = f"{name}  {len(ready)} of {len(own)} endpoints ready"
        yield Line(said, "fine" if ready or external else "failed")


def _warnings(events: Mapping[Any, Obj]) -> Iterator[Line]:
    for event in events.values():
        if event.get("type") == "Warning":
            about = event.get("involvedObject") or event.get("regarding") or {}
            details = (("message", str(event.get("message") or event.get("note") or "")),)
            yield Line(f"{about.get('kind', '')} {about.get('name', '')}  {event.get('reason', '')}", "warns", details)
