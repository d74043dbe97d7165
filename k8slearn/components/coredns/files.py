"""The files of a CoreDNS container that matter here: those of a ConfigMap that its pod mounts, and of its node.

Left out: files of the image itself (it has none of these) and what other volumes hold.
"""

from __future__ import annotations

import posixpath
from typing import Any

from k8slearn.journal import World

Obj = dict[str, Any]
PROGRAM, NODE_CACHE = "coredns", "node-cache"


def text_of(world: World, node: str, pod: str, path: str) -> str:
    """What a file of the pod's CoreDNS says; nothing where there is no such file."""
    obj = world.get(("api", "pods", pod))
    spec = container_of(obj) if obj is not None else None
    found = file(world, node, obj, spec, path) if obj is not None and spec is not None else None
    return found or ""


def container_of(pod: Obj) -> Obj | None:
    """The part of a Pod's spec that is its CoreDNS, or node-cache, which is one too."""
    images = [(c, str(c.get("image", ""))) for c in pod["spec"]["containers"]]
    named = [c for c, image in images if PROGRAM in image or NODE_CACHE in image]
    return named[0] if named else None


def file(world: World, node: str, pod: Obj, spec: Obj, path: str) -> str | None:
    """A file's text, or None: the longest mount that covers its path has it."""
    path = posixpath.normpath(path)
    over = [(posixpath.normpath(m["mountPath"]), m) for m in spec.get("volumeMounts") or ()]
    covering = [(at, mount) for at, mount in over if path == at or path.startswith(at.rstrip("/") + "/")]
    if not covering:
        return None
    at, mount = max(covering, key=lambda pair: len(pair[0]))
    volume: Obj = next((v for v in pod["spec"].get("volumes") or () if v["name"] == mount["name"]), {})
    rest = posixpath.join(mount.get("subPath") or "", path.removeprefix(at).lstrip("/"))
    if "hostPath" in volume:
        on_node: str | None = world.get((node, "file", posixpath.join(volume["hostPath"]["path"], rest)))
        return on_node
    source = volume.get("configMap") or {}
    config_map = world.get(("api", "configmaps", f"{pod['metadata'].get('namespace', 'default')}/{source.get('name')}"))
    items = source.get("items")
    key = rest if items is None else next((item["key"] for item in items if item["path"] == rest), "")
    text: str | None = ((config_map or {}).get("data") or {}).get(key)
    return text


def corefile_path(spec: Obj) -> str:
    """``-conf /etc/coredns/Corefile``; without it, the file ``Corefile`` in the folder where it starts."""
    words = [str(word) for word in (*(spec.get("command") or ()), *(spec.get("args") or ()))]
    for at, word in enumerate(words):
        if word.lstrip("-").startswith("conf"):
            _, equals, value = word.partition("=")
            return value if equals else (words[at + 1] if at + 1 < len(words) else "")
    return "/Corefile"
