"""Requests to the API server, as generators of commands: ``kubectl apply``, a POST and a PUT.

`admit` says what an object becomes; here it is written. An object that is being deleted and has lost its
last finalizer goes away with the update that took it.

Left out: PATCH (its callers make the new object and replace the old one).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from k8slearn.api import admit, kinds
from k8slearn.journal import Command, Key, Put, Remove, World

Obj = dict[str, Any]
Request = Generator[Command, None, Key]


def apply(world: World, obj: Obj, namespace: str = "default", cause: Key | None = None) -> Request:
    """``kubectl apply``: create, or merge over what exists. Returns the object's key."""
    return (yield from _put(world, admit.admit(world, obj, namespace), cause))


def create(world: World, obj: Obj, namespace: str = "default", cause: Key | None = None) -> Request:
    """POST: raises AlreadyExists. Returns the object's key."""
    created = admit.create(world, obj, namespace)
    if not (obj.get("metadata") or {}).get("name"):
        counter = admit.names_given(kinds.of(world, obj), created["metadata"])
        yield Put(counter, (world.get(counter) or 0) + 1, cause)
    return (yield from _put(world, created, cause))


def replace(world: World, obj: Obj, cause: Key | None = None) -> Request:
    """PUT: the whole object but its status; raises NotFound. Returns the object's key."""
    return (yield from _put(world, admit.update(world, obj), cause))


def _put(world: World, obj: Obj, cause: Key | None) -> Request:
    key = admit.key(world, obj)
    metadata = obj["metadata"]
    waiting = obj["kind"] in ("Pod", "Namespace")
    if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and not waiting:
        yield Remove(key, cause)
    elif world.get(key) is not obj:
        yield Put(key, obj, cause)
    return key
