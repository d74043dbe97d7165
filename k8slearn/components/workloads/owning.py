"""Who owns whom, and how a controller makes and removes the pods that it owns.

An object's controller is the one entry of its ``ownerReferences`` with ``controller: true``. A pod's name is its
owner's with five letters behind it, so that it says whose it is even when it is gone.

An object without a controller is adopted by the first one whose selector fits it, when that one next looks at its own
(controller_ref_manager.go: ``claimObject``).

Left out: an object whose labels stop fitting is not let go of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn import api
from k8slearn.api import conditions, selectors
from k8slearn.api.admit import stamped
from k8slearn.api.defaults import NAME_LETTERS
from k8slearn.api.events import event
from k8slearn.api.status import ApiError
from k8slearn.journal import Commands, Key, Put, Table, World, digest

Obj = dict[str, Any]
ENDED = ("Succeeded", "Failed")


def reference(owner: Obj) -> Obj:
    """The ownerReference that makes `owner` the controller of an object."""
    metadata = owner["metadata"]
    names = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {**names, "controller": True, "blockOwnerDeletion": True}


def controller(obj: Obj) -> Obj | None:
    """The reference to the object's controller."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return dict(owner)
    return None


def owned(world: World, table: str, owner: Obj) -> list[Obj]:
    """The objects of a table whose controller this is, in the order of their names."""
    return world.table("api", table).index(_by_owner).get(owner["metadata"]["uid"], [])


def adopted(world: World, table: str, owner: Obj) -> Commands:
    """Become the controller of those objects of the namespace that fit the selector and have none."""
    orphans = world.table("api", table).index(_by_owner).get(f"nobody's in {owner['metadata']['namespace']}", ())
    for orphan in orphans:
        if selectors.matches(owner["spec"]["selector"], selectors.labels(orphan)):
            metadata = {**orphan["metadata"], "ownerReferences": [reference(owner)]}
            yield Put(key_of(world, orphan), stamped(world, {**orphan, "metadata": metadata}), key_of(world, owner))


def claimants(world: World, changed: Key, table: str, kind: str) -> list[str]:
    """Who has to look at its own because an object changed: its owner, or those that may adopt it."""
    obj = world.get(changed)
    if obj is None or obj["metadata"].get("ownerReferences"):
        owner = owner_key(world, changed, kind)
        return [owner] if owner and owner in world.table("api", table) else []
    space, labels = f"{obj['metadata']['namespace']}/", selectors.labels(obj)
    rows = world.table("api", table)
    near = sorted(key for key in map(str, rows) if key.startswith(space))
    return [key for key in near if selectors.matches(rows[key]["spec"]["selector"], labels)]


def owner_key(world: World, changed: Key, kind: str) -> str | None:
    """The key of the `kind` that owns (or, when it is gone, by its name must have owned) the changed object."""
    obj = world.get(changed)
    namespace, _, name = str(changed[2]).partition("/")
    if obj is None:
        return f"{namespace}/{name.rpartition('-')[0]}"
    owner = controller(obj)
    return f"{namespace}/{owner['name']}" if owner is not None and owner["kind"] == kind else None


def active(pods: list[Obj]) -> list[Obj]:
    """The pods that run, or will: neither ended nor being deleted."""
    return [
        p for p in pods if not p["metadata"].get("deletionTimestamp") and p.get("status", {}).get("phase") not in ENDED
    ]


def ready(pods: list[Obj]) -> list[Obj]:
    return [pod for pod in pods if conditions.holds(pod, "Ready")]


def create_pod(
    world: World, owner: Obj, component: str, name: str = "", said: str = "Created pod: {}", **changes: Any
) -> Commands:
    """Write a pod from the owner's template; `changes` are laid over its labels and its spec."""
    template = owner["spec"]["template"]
    pod = from_template(template, owner, changes.get("labels") or {}, changes.get("spec") or {})
    pod["metadata"] |= {"name": name} if name else {"generateName": f"{owner['metadata']['name']}-"}
    try:
        key = yield from api.create(world, pod, cause=key_of(world, owner))
    except ApiError as error:
        yield event(world, owner, "FailedCreate", f"Error creating: {error.message}", component, "Warning")
        return
    yield event(world, owner, "SuccessfulCreate", said.format(str(key[2]).partition("/")[2]), component)


def from_template(template: Obj, owner: Obj, labels: Obj, spec: Obj) -> Obj:
    metadata = template.get("metadata") or {}
    having = {**(metadata.get("labels") or {}), **labels}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": owner["metadata"]["namespace"],
            **({"labels": having} if having else {}),
            **({"annotations": metadata["annotations"]} if metadata.get("annotations") else {}),
            "ownerReferences": [reference(owner)],
        },
        "spec": {**template["spec"], **spec},
    }


def delete_pod(world: World, owner: Obj, pod: Obj, component: str, said: str = "Deleted pod: {}") -> Commands:
    """Delete a pod, and say so at its owner."""
    name = pod["metadata"]["name"]
    yield from api.delete(world, "pods", name, pod["metadata"]["namespace"])
    yield event(world, owner, "SuccessfulDelete", said.format(name), component)


def put_status(world: World, key: Key, obj: Obj, status: Obj) -> Iterator[Put]:
    """Write a status, unless it says what is there already."""
    if obj.get("status") != status:
        yield Put(key, stamped(world, {**obj, "status": status}), key)


def key_of(world: World, obj: Obj) -> Key:
    return api.key(world, obj)


def template_hash(template: Obj) -> str:
    """``pod-template-hash``: as the real one, up to ten of the letters that names are made of."""
    number = int(digest("template", repr(sorted_deep(template)), length=8), 16)
    return "".join(NAME_LETTERS[ord(digit) % len(NAME_LETTERS)] for digit in str(number))


def sorted_deep(value: Any) -> Any:
    """The same value whatever the order of its keys."""
    if isinstance(value, dict):
        return [(name, sorted_deep(value[name])) for name in sorted(value)]
    return [sorted_deep(part) for part in value] if isinstance(value, list) else value


def _by_owner(rows: Table) -> dict[str, list[Obj]]:
    """The objects by the uid of their controller; those that nobody owns or deletes by their namespace."""
    found: dict[str, list[Obj]] = {}
    for name in sorted(map(str, rows)):
        metadata, owner = rows[name]["metadata"], controller(rows[name])
        if owner is not None:
            found.setdefault(owner["uid"], []).append(rows[name])
        elif not metadata.get("ownerReferences") and not metadata.get("deletionTimestamp"):
            found.setdefault(f"nobody's in {metadata['namespace']}", []).append(rows[name])
    return found
