"""The door of the API: what must happen before an object is let into the world.

The API server decodes, sets defaults, lets its admission plugins add to it, validates, hands out addresses,
and stamps the metadata (uid, creationTimestamp, resourceVersion, generation). `admit` is ``kubectl apply``
(create, or merge over what exists); `create` and `update` are the requests that it consists of. Each returns the
object as it should be put; nothing is written here. An object equal to what exists is returned as it is.

Left out: dry runs, finalizers of creations, quotas, and who may do what (everybody is an administrator).
"""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Any

from k8slearn.api import allocate, defaults, kinds, merge, schema, status, validate, validate_ingress
from k8slearn.api.decode import decode
from k8slearn.api.kinds import Kind
from k8slearn.errors import Refused
from k8slearn.journal import Key, World, digest

Obj = dict[str, Any]

EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_NO_GENERATION = {"Service", "ConfigMap", "Secret", "ServiceAccount", "Namespace", "Node", "Endpoints", "Event",
                  "PersistentVolume", "PersistentVolumeClaim", "Role", "RoleBinding", "ClusterRole", "Lease",
                  "ClusterRoleBinding", "HorizontalPodAutoscaler", "LimitRange", "ResourceQuota", "StorageClass",
                  "ControllerRevision"}  # fmt: skip
_KEEPS_STATUS = {"Node", "PersistentVolume"}
MOST_PODS = 2000
"""So many pods may one object ask for here; a real API server takes more, and real nodes leave them Pending."""


def admit(world: World, obj: Obj, namespace: str = "default") -> Obj:
    """The object as ``kubectl apply`` leaves it: created, or merged over what exists. Raises `status.ApiError`."""
    kind, wanted = _decoded(world, obj, namespace)
    annotations = wanted["metadata"].pop("annotations", None) or {}
    annotations.pop(merge.LAST_APPLIED, None)
    wanted["metadata"]["annotations"] = annotations
    text = _as_applied(obj, wanted["metadata"], annotations)
    live = world.get(key_of(kind, wanted))
    if live is None:
        wanted["metadata"]["annotations"] = {**annotations, merge.LAST_APPLIED: text}
        return _created(world, kind, wanted)
    typed = kind.table == kind.plural
    merged = merge.three_way(merge.last_applied(live), {k: v for k, v in wanted.items() if k != "status"}, live, typed)
    metadata = merged["metadata"]
    merged["metadata"] = {**metadata, "annotations": {**metadata.get("annotations", {}), merge.LAST_APPLIED: text}}
    return _updated(world, kind, merged, live)


def annotated(world: World, obj: Obj, namespace: str = "default") -> Obj:
    """The object with itself in the annotation that the next ``kubectl apply`` compares with (``--save-config``)."""
    metadata = obj.get("metadata") or {}
    annotations = dict(metadata.get("annotations") or {})
    settled = {"namespace": metadata.get("namespace") or namespace} if kinds.of(world, obj).namespaced else {}
    text = _as_applied(obj, settled, annotations)
    return {**obj, "metadata": {**metadata, "annotations": {**annotations, merge.LAST_APPLIED: text}}}


def _as_applied(obj: Obj, settled: Obj, annotations: Obj) -> str:
    """The object as the person wrote it: what the next apply compares with."""
    metadata = {**(obj.get("metadata") or {}), "annotations": annotations}
    if "namespace" in settled:
        metadata["namespace"] = settled["namespace"]
    return kinds.compact({**obj, "metadata": metadata}) + "\n"


def create(world: World, obj: Obj, namespace: str = "default") -> Obj:
    """The object as a POST leaves it; raises AlreadyExists where there is one of that name."""
    kind, wanted = _decoded(world, obj, namespace)
    if world.get(key_of(kind, wanted)) is not None:
        raise status.already_exists(kind.resource, wanted["metadata"]["name"])
    return _created(world, kind, wanted)


def update(world: World, obj: Obj) -> Obj:
    """The object as a PUT leaves it: what scale, label and edit do. Raises NotFound where there is none."""
    kind, wanted = _decoded(world, obj, "default")
    live = world.get(key_of(kind, wanted))
    if live is None:
        raise status.not_found(kind.resource, wanted["metadata"]["name"])
    return _updated(world, kind, wanted, live)


def key_of(kind: Kind, obj: Obj) -> Key:
    metadata = obj["metadata"]
    return kind.key(metadata.get("name", ""), metadata.get("namespace", ""))


def key(world: World, obj: Obj) -> Key:
    """Where an object's row is."""
    return key_of(kinds.of(world, obj), obj)


def timestamp(seconds: float) -> str:
    """A second of the logical clock as the API writes it: ``2026-01-01T00:00:07Z``."""
    return _written(int(seconds))


@lru_cache(maxsize=1024)
def _written(seconds: int) -> str:
    return (EPOCH + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """The other way round."""
    when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (when - EPOCH).total_seconds()


def _decoded(world: World, obj: Obj, namespace: str) -> tuple[Kind, Obj]:
    """A fresh, strictly decoded copy with its namespace settled."""
    kind = kinds.of(world, obj)
    wanted = decode(kind, obj, custom=schema.of(world, kind))
    metadata = wanted.setdefault("metadata", {})
    wanted["apiVersion"] = kind.api_version if kind.table == kind.plural else obj["apiVersion"]
    if kind.namespaced:
        metadata["namespace"] = metadata.get("namespace") or namespace
    else:
        metadata.pop("namespace", None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = _generated(world, kind, metadata)
    return kind, wanted


def names_given(kind: Kind, metadata: Obj) -> Key:
    """The row that counts the names made of one ``generateName``, so that none is ever given twice."""
    return ("api-server", "names", f"{kind.plural}/{metadata.get('namespace', '')}/{metadata['generateName']}")


def _generated(world: World, kind: Kind, metadata: Obj) -> str:
    """The next name: it depends on its owner and on how many there were before, and on nothing else that happened."""
    number, prefix = world.get(names_given(kind, metadata)) or 0, metadata["generateName"]
    while True:
        name = prefix + defaults.random_name(kind.plural, metadata.get("namespace"), prefix, number)
        if world.get(kind.key(name, metadata.get("namespace", ""))) is None:
            return str(name)
        number += 1


def _created(world: World, kind: Kind, wanted: Obj) -> Obj:
    metadata = wanted["metadata"]
    validate.metadata(kind, wanted)
    _namespace_takes(world, kind, metadata)
    if kind.kind not in _KEEPS_STATUS and kind.table == kind.plural:
        wanted.pop("status", None)
    defaults.fill(wanted)
    schema.fill(schema.of(world, kind), wanted)
    if kind.kind == "Ingress":
        validate_ingress.with_class(world, wanted)
    _stamp(world, kind, metadata)
    _not_too_many(kind, wanted)
    causes = validate.created(kind, wanted) + list(schema.wrong(schema.of(world, kind), wanted))
    if kind.kind == "Service" and not causes:
        causes = allocate.service(world, wanted, None)
    if causes:
        raise status.invalid(kind.kind, metadata["name"], causes)
    defaults.finish(wanted)
    return wanted


def _stamp(world: World, kind: Kind, metadata: Obj) -> None:
    """uid, creationTimestamp, resourceVersion, generation: nobody may choose them."""
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(field, None)
    if not metadata.get("annotations"):
        metadata.pop("annotations", None)
    metadata["uid"] = uid(world, kind.resource, metadata.get("namespace"), metadata["name"])
    metadata["creationTimestamp"] = timestamp(world.clock)
    metadata["resourceVersion"] = str(world.revision)
    if kind.kind not in _NO_GENERATION:
        metadata["generation"] = 1


def uid(world: World, *words: object) -> str:
    """A UUID that depends on these words and the revision: never given twice, and the same in every replay."""
    bits = digest("uid", *words, world.revision, length=32)
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:32]}"


def stamped(world: World, obj: Obj) -> Obj:
    """The changed object with the resourceVersion of now: what a component puts when it wrote a status."""
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(world.revision)}}


def _not_too_many(kind: Kind, wanted: Obj) -> None:
    """A cluster in a notebook must stay quick. Raises `Refused`."""
    for field in ("replicas", "parallelism", "completions"):
        asked = (wanted.get("spec") or {}).get(field)
        if isinstance(asked, int) and asked > MOST_PODS:
            name = f"{kind.kind} {wanted['metadata']['name']}"
            raise Refused(f"{name}: spec.{field} is {asked}: one object may ask for at most {MOST_PODS} pods here")


def _namespace_takes(world: World, kind: Kind, metadata: Obj) -> None:
    if not kind.namespaced:
        return
    name = metadata["namespace"]
    namespace = world.get(("api", "namespaces", name))
    if namespace is None:
        if name not in SYSTEM_NAMESPACES:
            raise status.not_found("namespaces", name)
    elif namespace["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise status.forbidden(kind.resource, metadata["name"], why)


_SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def _updated(world: World, kind: Kind, wanted: Obj, live: Obj) -> Obj:
    new = decode(kind, wanted)
    old_metadata = live["metadata"]
    metadata = new["metadata"] = {**new["metadata"], "resourceVersion": old_metadata.get("resourceVersion", "0")}
    for field in _SERVER_OWNED:
        metadata.pop(field, None)
        if field in old_metadata:
            metadata[field] = old_metadata[field]
    new.pop("status", None)
    if "status" in live:
        new["status"] = live["status"]
    validate.metadata(kind, new)
    defaults.fill(new)
    schema.fill(schema.of(world, kind), new)
    if kind.kind == "Service":
        allocate.release(new, live)
    _not_too_many(kind, new)
    causes = validate.updated(kind, new, live) + list(schema.wrong(schema.of(world, kind), new))
    if kind.kind == "Service" and not causes:
        causes = allocate.service(world, new, live)
    if causes:
        raise status.invalid(kind.kind, metadata["name"], causes)
    if new == live:
        return live
    if "generation" in metadata and _without_status(new) != _without_status(live):
        metadata["generation"] = old_metadata["generation"] + 1
    metadata["resourceVersion"] = str(world.revision)
    return new


def _without_status(obj: Obj) -> Obj:
    return {k: v for k, v in obj.items() if k not in ("status", "metadata")}
