"""Taints and tolerations: which pods a node does not want, and which of them may come all the same.

A taint of a node says no to every pod that does not tolerate it: ``NoSchedule`` to new ones, ``NoExecute`` to those
that run as well, ``PreferNoSchedule`` only if there is room elsewhere.

Left out: the operators Lt and Gt of tolerations.
"""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]
PREVENTING = ("NoSchedule", "NoExecute")
"""The effects that keep a new pod away."""


def untolerated(tolerations: list[Obj], node: Obj, effects: tuple[str, ...] = PREVENTING) -> Obj | None:
    """The first taint of the node, of these effects, that no toleration matches."""
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint["effect"] in effects and not tolerates(tolerations, taint):
            return dict(taint)
    return None


def tolerates(tolerations: list[Obj], taint: Obj) -> bool:
    """Does one of the tolerations match this taint?"""
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: Obj, taint: Obj) -> bool:
    """No effect means every effect; no key, with Exists, means every taint."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    key = toleration.get("key", "")
    if toleration.get("operator", "Equal") == "Exists":
        return key in ("", taint["key"])
    return bool(key == taint["key"] and toleration.get("value", "") == taint.get("value", ""))
