"""Conditions: the part of a status that says, one line each, what holds of an object.

``lastTransitionTime`` moves only when the condition's status does, as in Kubernetes' own helper functions.

Left out: ``observedGeneration`` in conditions.
"""

from __future__ import annotations

from typing import Any

from k8slearn.api.admit import timestamp
from k8slearn.journal import World

Obj = dict[str, Any]


def find(obj: Obj, kind: str) -> Obj | None:
    """The condition of this type, if the object has it."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition["type"] == kind:
            return dict(condition)
    return None


def holds(obj: Obj, kind: str) -> bool:
    """Is the condition there, and True?"""
    condition = find(obj, kind)
    return condition is not None and condition["status"] == "True"


def put(world: World, status: Obj, kind: str, value: str, reason: str = "", message: str = "", **more: Any) -> Obj:
    """A status in which this condition says this (``value`` is True, False or Unknown)."""
    old = next((c for c in status.get("conditions") or () if c["type"] == kind), None)
    moved = timestamp(world.clock) if old is None or old["status"] != value else old["lastTransitionTime"]
    new = {**more, "type": kind, "status": value, "lastTransitionTime": moved}
    new |= {name: text for name, text in (("reason", reason), ("message", message)) if text}
    others = [c for c in status.get("conditions") or () if c["type"] != kind]
    position = next((n for n, c in enumerate(status.get("conditions") or ()) if c["type"] == kind), len(others))
    return {**status, "conditions": [*others[:position], new, *others[position:]]}
