"""``kubectl delete``: what goes at once, and what is only marked.

The API server removes an object from etcd at once, unless somebody must act first: a Pod on a node gets a
``deletionTimestamp`` (now + its grace period) and the kubelet removes it when its containers are gone; an object with
finalizers waits for whoever put them there; a namespace goes when all that is in it has gone.
Dependents go by their ``ownerReferences``: that is the garbage collector's work, a component.

Left out: ``--cascade`` other than background, preconditions.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from k8slearn.api import admit, kinds, status
from k8slearn.api.kinds import Kind
from k8slearn.api.legacy import shown
from k8slearn.journal import Command, Commands, Key, Put, Remove, World

Obj = dict[str, Any]


def deletion(world: World, key: Key, grace: int | None = None) -> Commands:
    """Delete the object at this key as a DELETE request does; `grace` in seconds overrules the Pod's own."""
    obj = world.get(key)
    if obj is None:
        return
    kind = kind_at(world, key)
    if kind.kind == "Namespace":
        yield from _namespace(world, key, obj)
    elif kind.kind == "Pod":
        yield from _pod(world, key, obj, grace)
    elif obj["metadata"].get("finalizers"):
        yield from _mark(world, key, obj, 0)
    else:
        if kind.kind == "CustomResourceDefinition":
            yield from _customs(world, obj, key)
        yield Remove(key)


def kind_at(world: World, key: Key) -> Kind:
    """The kind of the objects in a table."""
    found = kinds.BY_TABLE.get(key[1])
    return found or next(k for k in kinds.custom(world).values() if k.table == key[1])


def _mark(world: World, key: Key, obj: Obj, grace: int) -> Iterator[Command]:
    """The object is terminating: somebody else takes it away."""
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        return
    marked = {
        **metadata,
        "deletionTimestamp": admit.timestamp(world.clock + grace),
        "deletionGracePeriodSeconds": grace,
        "resourceVersion": str(world.revision),
    }
    yield Put(key, {**obj, "metadata": marked})


def _pod(world: World, key: Key, pod: Obj, grace: int | None) -> Commands:
    """A Pod that no node has, or whose containers have ended, goes at once; so does one that gets no time."""
    if grace is None:
        grace = int(pod["spec"].get("terminationGracePeriodSeconds", 30))
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    if pod["metadata"].get("finalizers"):
        yield from _mark(world, key, pod, grace)
    elif not pod["spec"].get("nodeName") or ended or grace == 0:
        yield Remove(key)
    else:
        yield from _mark(world, key, pod, grace)


def _namespace(world: World, key: Key, namespace: Obj) -> Commands:
    name = str(key[2])
    if name in admit.SYSTEM_NAMESPACES:
        raise status.forbidden("namespaces", name, "this namespace may not be deleted")
    if namespace.get("status", {}).get("phase") != "Terminating":
        terminating = {**namespace, "status": {**namespace.get("status", {}), "phase": "Terminating"}}
        yield from _mark(world, key, terminating, 0)
    for inner in content(world, name):
        yield from deletion(world, inner)
    yield from finish_namespace(world, name)


def content(world: World, namespace: str) -> list[Key]:
    """The keys of everything in a namespace, events last: they tell of the others."""
    tables = sorted((k.table for k in kinds.every(world) if k.namespaced), key=lambda t: (t == "events", t))
    start = namespace + "/"
    return [("api", t, n) for t in tables for n in sorted(map(str, world.table("api", t))) if n.startswith(start)]


def finish_namespace(world: World, name: str) -> Commands:
    """Remove a terminating namespace once nothing is left in it."""
    key = ("api", "namespaces", name)
    namespace = world.get(key)
    if namespace is not None and namespace["metadata"].get("deletionTimestamp"):
        left = content(world, name)
        if all(k[1] == "events" for k in left):
            for k in left:
                yield Remove(k, key)
            yield Remove(key)


def _customs(world: World, definition: Obj, key: Key) -> Commands:
    table = f"{definition['spec']['names']['plural']}.{definition['spec']['group']}"
    for name in sorted(map(str, world.table("api", table))):
        yield Remove(("api", table, name), key)


def delete(world: World, resource: str, name: str, namespace: str = "default") -> Generator[Command, None, Key]:
    """Delete the object that a person names; returns its key. Raises NotFound."""
    kind = known(world, resource)
    key = kind.key(name, namespace)
    if world.get(key) is None:
        raise status.not_found(kind.resource, name)
    yield from deletion(world, key)
    return key


def known(world: World, resource: str) -> Kind:
    """The resource that a person means; raises kubectl's sentence for a word that is none."""
    kind = kinds.find(world, resource)
    if kind is None:
        raise status.no_such_resource(resource)
    return kind


def get(world: World, resource: str, name: str | None = None, namespace: str | None = "default") -> Any:
    """One object by name, or the list of a namespace's (None: of all namespaces'), sorted by namespace and name."""
    kind = known(world, resource)
    rows = shown(world, kind)
    if name is not None:
        found = rows.get(kind.key(name, namespace or "default")[2])
        if found is None:
            raise status.not_found(kind.resource, name)
        return found
    start = f"{namespace}/" if kind.namespaced and namespace is not None else ""
    return [rows[n] for n in sorted(rows, key=str) if str(n).startswith(start)]
