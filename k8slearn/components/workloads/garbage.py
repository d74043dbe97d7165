"""What goes when something else has gone: the garbage collector and the namespace controller.

An object whose owner (``ownerReferences``) is gone is deleted, and so on down: delete a Deployment and its
ReplicaSets go, and with them their pods. A namespace that is being deleted goes when nothing is left in it.

Left out: foreground deletion, orphaning, owners of several objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn import api
from k8slearn.api import kinds
from k8slearn.journal import Commands, Key, Table, World

Obj = dict[str, Any]
OWNERS = ("deployments", "replicasets", "daemonsets", "statefulsets", "jobs", "services")
OWNED = ("replicasets", "endpointslices", "endpoints", "pods", "jobs")


class GarbageCollector:
    """Keys: objects that are gone, as ``table namespace/name``."""

    name = "garbage-collector"

    def watches(self) -> Mapping[str, str]:
        return dict.fromkeys(OWNERS, "when one goes, what it owned goes too")

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        return (f"{changed[1]} {changed[2]}",) if world.get(changed) is None else ()

    def reconcile(self, world: World, key: str) -> Commands:
        table, _, name = key.partition(" ")
        owner: Key = ("api", table, name)
        kind = kinds.BY_TABLE[table].kind
        there = world.get(owner)
        for owned in OWNED:
            for uid, orphan in world.table("api", owned).index(_by_name).get((kind, name), []):
                if there is None or there["metadata"]["uid"] != uid:
                    for command in api.deletion(world, ("api", owned, orphan)):
                        yield command._replace(cause=owner)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


class Namespaces:
    """Keys: namespaces, by name."""

    name = "namespace-controller"

    def watches(self) -> Mapping[str, str]:
        return {"namespaces": "those that are being deleted", "pods": "the last to leave one"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        name = str(changed[2]).partition("/")[0]
        namespace = world.get(("api", "namespaces", name))
        return (name,) if namespace is not None and namespace["metadata"].get("deletionTimestamp") else ()

    def reconcile(self, world: World, key: str) -> Commands:
        yield from api.finish_namespace(world, key)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _by_name(rows: Table) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(kind, namespace/name) of an owner -> (its uid, the key of what it owns)."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name in sorted(map(str, rows)):
        obj: Obj = rows[name]
        for owner in obj["metadata"].get("ownerReferences") or ():
            namespace = obj["metadata"].get("namespace", "")
            found.setdefault((owner["kind"], f"{namespace}/{owner['name']}"), []).append((owner["uid"], name))
    return found
