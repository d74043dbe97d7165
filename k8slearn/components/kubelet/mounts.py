"""The files that a container sees: its image's own, and those that its pod mounts over them.

::

    volumes:                                               volumeMounts:
    - {name: cni, hostPath: {path: /etc/cni/net.d}}        the node's own files, read and written
    - {name: cfg, configMap: {name: kube-flannel-cfg}}     a file for each key, read only

A mount covers everything below its path; of two the longer path wins. So what a network plugin's install container
copies to ``/opt/cni/bin`` lies on its node afterwards, and stays there when the pod goes.

A volume whose ConfigMap or Secret is not there (and is not optional) cannot be set up, and the pod waits without a
sandbox: `missing` has the words of the event FailedMount. The kubelet tries again, at first soon, then every two
minutes (`next_try`); that somebody makes the ConfigMap meanwhile wakes nobody.

Left out: emptyDir and other volumes (nothing is in them, and what is written there is lost), ``subPathExpr``, modes
and owners, the second event FailedMount that sums up after two minutes. An image has the few files of `FILES` and no
others. The ConfigMap ``kube-root-ca.crt``, which every namespace has in life, is taken to be there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from k8slearn.api import environment
from k8slearn.cni.skel import binary
from k8slearn.components.kubelet.pod import Pod
from k8slearn.components.kubelet.programs import short_name
from k8slearn.journal import Commands, Key, Put

Obj = dict[str, Any]
ROOT_CA = "kube-root-ca.crt"
NO_KEY = {
    "configmaps": "configmap references non-existent config key: {key}",
    "secrets": "references non-existent secret key: {key}",
}
FIRST_WAIT, LONGEST_WAIT = 0.5, 122.0
"""Seconds (pkg/util/goroutinemap/exponentialbackoff)."""
FILES: Mapping[str, Mapping[str, str]] = {
    "cni": {f"/opt/cni/bin/{name}": binary(name) for name in ("calico", "calico-ipam")},
    "cilium": {"/opt/cni/bin/cilium-cni": binary("cilium-cni")},
    "flannel-cni-plugin": {"/flannel": binary("flannel")},
    "multus-cni": {"/usr/src/multus-cni/bin/multus": binary("multus")},
}
"""What lies in an image, by the last part of its name: path -> text."""


class Origin(NamedTuple):
    """Where a path of a container leads: the volume (None: the image itself) and the path below its mount."""

    volume: Obj | None
    rest: str


class Found(NamedTuple):
    """A file's text, and the object that it is from."""

    text: str
    cause: Key


def read(pod: Pod, spec: Obj, path: str) -> Found | None:
    """The file at a path of this container (`spec`), or None."""
    volume, rest = origin(pod, spec, path)
    if volume is None:
        text = FILES.get(short_name(spec.get("image", "")), {}).get(posixpath.normpath(path))
        return Found(text, pod.row) if text is not None else None
    if "hostPath" in volume:
        text = pod.world.get((pod.node, "file", on_node(volume, rest)))
        return Found(text, pod.row) if text is not None else None
    return next((file for source in _sources(volume) if (file := _of(pod, source, rest)) is not None), None)


def folder(pod: Pod, spec: Obj, path: str) -> dict[str, str]:
    """The files of a folder of the node's that this container sees, by the container's own paths."""
    volume, rest = origin(pod, spec, path)
    if volume is None or "hostPath" not in volume:
        return {}
    there = on_node(volume, rest) + "/"
    files = pod.world.table(pod.node, "file").items()
    return {posixpath.join(path, str(at)[len(there) :]): text for at, text in files if str(at).startswith(there)}


def write(pod: Pod, spec: Obj, path: str, file: Found) -> Commands:
    """Write a file; it lasts where the path leads to the node."""
    volume, rest = origin(pod, spec, path)
    if volume is not None and "hostPath" in volume:
        yield Put((pod.node, "file", on_node(volume, rest)), file.text, file.cause)


def origin(pod: Pod, spec: Obj, path: str) -> Origin:
    """Which volume a path is in."""
    path = posixpath.normpath(path)
    mounts = [(posixpath.normpath(m["mountPath"]), m) for m in spec.get("volumeMounts") or ()]
    over = [(at, mount) for at, mount in mounts if path == at or path.startswith(at.rstrip("/") + "/")]
    if not over:
        return Origin(None, path)
    at, mount = max(over, key=lambda pair: len(pair[0]))
    below = path.removeprefix(at).lstrip("/")
    volume = next((v for v in pod.spec.get("volumes") or () if v["name"] == mount["name"]), None)
    return Origin(volume, posixpath.join(mount.get("subPath") or "", below))


def on_node(volume: Obj, rest: str) -> str:
    """The node's own path of a file in a hostPath volume."""
    return posixpath.normpath(posixpath.join(volume["hostPath"]["path"], rest))


class Source(NamedTuple):
    """One ConfigMap or Secret in a volume. `items`: (key, path) of what is wanted; None: every key under its name."""

    table: str
    name: str
    items: tuple[tuple[str, str], ...] | None
    optional: bool


def _sources(volume: Obj) -> Iterator[Source]:
    """What is laid into a volume: one object, or where it is projected several."""
    for part in (volume, *((volume.get("projected") or {}).get("sources") or ())):
        for field, table in (("configMap", "configmaps"), ("secret", "secrets")):
            if part.get(field):
                given = part[field]
                items = given.get("items")
                pairs = None if items is None else tuple((item["key"], item["path"]) for item in items)
                name = given.get("secretName") or given.get("name", "")
                yield Source(table, name, pairs, bool(given.get("optional")))


def _of(pod: Pod, source: Source, rest: str) -> Found | None:
    there = environment.data(pod.world, pod.obj, source.table, source.name) or {}
    name = rest if source.items is None else next((key for key, path in source.items if path == rest), "")
    cause: Key = ("api", source.table, f"{pod.namespace}/{source.name}")
    return Found(there[name], cause) if name in there else None


def missing(pod: Pod) -> str:
    """Why a volume of the pod cannot be set up, in the words of FailedMount; empty: all can."""
    for volume in pod.spec.get("volumes") or ():
        for source in _sources(volume):
            why = "" if source.optional or source.name == ROOT_CA else _lacks(pod, source)
            if why:
                return f'MountVolume.SetUp failed for volume "{volume["name"]}" : {why}'
    return ""


def _lacks(pod: Pod, source: Source) -> str:
    there = environment.data(pod.world, pod.obj, source.table, source.name)
    if there is None:
        return f'{source.table[:-1]} "{source.name}" not found'
    key = next((key for key, _ in source.items or () if key not in there), "")
    return key and NO_KEY[source.table].format(key=key)


def next_try(first: float, now: float) -> float:
    """When a volume is tried again: half a second after the `first` try, then each time after twice as long."""
    when = first + (wait := FIRST_WAIT)
    while when <= now:
        when += (wait := min(2 * wait, LONGEST_WAIT))
    return when
