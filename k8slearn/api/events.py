"""Events: what components say about objects, as ``kubectl describe`` lists it at the end.

An Event is an object like any other. The same thing said again about the same object is counted, not stored twice
(client-go's event correlator). Its name is the object's with a hash behind it.

Left out: events.k8s.io/v1's series, the rate limit, and that events go away after an hour.
"""

from __future__ import annotations

from typing import Any

from k8slearn.api import kinds
from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.journal import Key, Put, World, digest

Obj = dict[str, Any]


def event(
    world: World,
    about: Obj,
    reason: str,
    message: str,
    component: str,
    kind: str = "Normal",
    host: str = "",
    field: str = "",
) -> Put:
    """The command that records an Event about an object, or about a `field` of it (``spec.containers{app}``).

    `kind` is ``Normal`` or ``Warning``.
    """
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    name = (
        f"{metadata['name']}.{digest('event', metadata.get('uid'), reason, message, component, host, field, length=16)}"
    )
    key: Key = ("api", "events", f"{namespace}/{name}")
    now = timestamp(world.clock)
    before: Obj | None = world.get(key)
    if before is not None:
        again = {**before, "count": before["count"] + 1, "lastTimestamp": now}
        return Put(key, stamped(world, again), cause=key_of(about))
    found = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid(world, "events", namespace, name),
            "creationTimestamp": now,
            "resourceVersion": str(world.revision),
        },
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            **({"namespace": metadata["namespace"]} if metadata.get("namespace") else {}),
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
            **({"fieldPath": field} if field else {}),
        },
        "type": kind,
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": component, **({"host": host} if host else {})},
        "reportingComponent": component,
        "reportingInstance": host,
    }
    return Put(key, found, cause=key_of(about))


def key_of(about: Obj) -> Key:
    """Where the object that an event is about stands."""
    kind = kinds.BY_KIND[about["apiVersion"].rpartition("/")[0], about["kind"]]
    return kind.key(about["metadata"]["name"], about["metadata"].get("namespace", ""))
