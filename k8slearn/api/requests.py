"""Requests to the API as generators of commands: apply, delete, get. kubectl, the facade and the controllers use the same ones.

Deleting is a story of its own. A Pod that runs on a node is only marked (``deletionTimestamp``): its kubelet stops it and then takes
the object away. A Namespace is marked until the namespace controller has emptied it. Everything else goes at once, and the garbage
collector takes what it owned.

Left out: finalizers, foreground and orphaning deletion, preconditions.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from k8slearn.api import kinds, status
from k8slearn.api.admit import admit, key_of, stamped, timestamp
from k8slearn.api.kinds import Kind
from k8slearn.errors import Refused
from k8slearn.journal import Command, Commands, Key, Put, Remove, World

Obj = dict[str, Any]
ENDED = ("Succeeded", "Failed")
"""The phases of a Pod that runs nowhere any more."""


def apply(world: World, obj: Obj, namespace: str = "default") -> Generator[Command, None, Key]:
    """``kubectl apply`` of one object; returns its key."""
    admitted = admit(world, obj, namespace)
    key = key_of(kinds.of(world, admitted), admitted)
    yield Put(key, admitted)
    return key


def delete(
    world: World, resource: str, name: str, namespace: str = "default", grace: int | None = None, cause: Key | None = None
) -> Commands:
    """``kubectl delete RESOURCE NAME``; `grace` in seconds, 0 is at once. Raises NotFound where there is none."""
    kind = resource_named(world, resource)
    key = kind.key(name, namespace)
    obj: Obj | None = world.get(key)
    if obj is None:
        raise status.not_found(kind.resource, name)
    if kind.kind == "Namespace" and name in ("default", "kube-system", "kube-public"):
        raise status.forbidden("namespaces", name, "this namespace may not be deleted")
    seconds = _grace(kind, obj, grace)
    if seconds is None:
        yield Remove(key, cause)
    elif not obj["metadata"].get("deletionTimestamp"):
        yield Put(key, _marked(world, obj, seconds), cause)


def get(world: World, resource: str, name: str | None = None, namespace: str | None = "default") -> Any:
    """The object of this name (NotFound where there is none), or all of a namespace (None: of every one) in order."""
    kind = resource_named(world, resource)
    table = world.table("api", kind.table)
    if name is not None:
        found = table.get(f"{namespace or 'default'}/{name}" if kind.namespaced else name)
        if found is None:
            raise status.not_found(kind.resource, name)
        return found
    rows = [table[key] for key in sorted(table)]
    if kind.namespaced and namespace is not None:
        rows = [row for row in rows if row["metadata"]["namespace"] == namespace]
    return rows


def resource_named(world: World, resource: str) -> Kind:
    """The kind that a person means by ``pods``, ``pod``, ``po`` or ``Pod``."""
    kind = kinds.find(world, resource) if isinstance(resource, str) else None
    if kind is None:
        raise Refused(f'error: the server doesn\'t have a resource type "{resource}"')
    return kind


def _grace(kind: Kind, obj: Obj, grace: int | None) -> int | None:
    """The seconds that somebody gets to tidy up, or None where the object goes at once."""
    if kind.kind == "Namespace":
        return 0
    if kind.kind != "Pod" or not obj["spec"].get("nodeName") or obj.get("status", {}).get("phase") in ENDED:
        return None
    seconds = obj["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
    return int(seconds) or None


def _marked(world: World, obj: Obj, seconds: int) -> Obj:
    metadata = {
        **obj["metadata"],
        "deletionTimestamp": timestamp(world.clock + seconds),
        **({"deletionGracePeriodSeconds": seconds} if obj["kind"] == "Pod" else {}),
    }
    marked = {**obj, "metadata": metadata}
    if obj["kind"] == "Namespace":
        marked["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    return stamped(world, marked)
