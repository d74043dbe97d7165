"""The files that a container sees: its image's own, and those that its pod mounts over them.

::

    volumes:                                               volumeMounts:
    - {name: cni, hostPath: {path: /etc/cni/net.d}}        the node's own files, read and written
    - {name: cfg, configMap: {name: kube-flannel-cfg}}     a file for each key, read only

A mount covers everything below its path; of two the longer path wins. So what a network plugin's install container
copies to ``/opt/cni/bin`` lies on its node afterwards, and stays there when the pod goes.

Left out: emptyDir and other volumes (nothing is in them, and what is written there is lost), ``subPathExpr``, modes
and owners. An image has the few files of `FILES` and no others.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, NamedTuple

from k8slearn.cni.skel import binary
from k8slearn.components.kubelet.pod import Pod
from k8slearn.components.kubelet.programs import short_name
from k8slearn.journal import Commands, Key, Put

Obj = dict[str, Any]
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
    if "configMap" in volume:
        return _of_config_map(pod, volume["configMap"], rest)
    return None


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


def _of_config_map(pod: Pod, source: Obj, rest: str) -> Found | None:
    key = ("api", "configmaps", f"{pod.namespace}/{source.get('name', '')}")
    data = (pod.world.get(key) or {}).get("data") or {}
    items = source.get("items")
    name = rest if items is None else next((item["key"] for item in items if item["path"] == rest), "")
    return Found(data[name], key) if name in data else None
