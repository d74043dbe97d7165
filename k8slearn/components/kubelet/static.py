"""Static pods: a kubelet runs what the files in its manifest folder describe, and asks nobody.

::

    /etc/kubernetes/manifests/web.yaml on node-1     the pod web-node-1, which the kubelet starts and keeps running
    Pod default/web-node-1 in the API                its mirror: it shows the pod, and to delete it stops nothing

No scheduler chose the node and no API server is needed: this is how kubeadm starts the API server itself. The kubelet
adds the node's name to the pod's, a uid that is a hash of the file, and a toleration of everything that would drive
it off. Where it reaches the API server it makes a *mirror pod* there, owned by its Node, with the hash as an
annotation; deleted, it makes it anew. Who wants the pod gone removes the file; a changed file is another pod, which
starts when the old one has ended. A file that is no pod is told in the kubelet's log (``journalctl -u kubelet``).

Source: kubernetes/kubernetes pkg/kubelet/config/{file,common}.go, pkg/kubelet/pod/mirror_client.go.

Left out: ``staticPodURL``, lists of pods in a file, folders below the manifest folder, priorities.
"""

from __future__ import annotations

import posixpath
from typing import Any

from k8slearn import api
from k8slearn.api import defaults, kinds, validate, yamltext
from k8slearn.api.admit import stamped, timestamp
from k8slearn.api.decode import decode
from k8slearn.api.defaults import MIRROR
from k8slearn.api.status import ApiError
from k8slearn.components.kubelet import dial, log
from k8slearn.components.kubelet.pod import OWN, SOURCE, Pod, hears, is_mirror, is_static
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, Remove, World, digest

Obj = dict[str, Any]
MANIFESTS = "/etc/kubernetes/manifests"
"""The kubelet's ``staticPodPath``, as kubeadm configures it."""
HASH, SEEN = "kubernetes.io/config.hash", "kubernetes.io/config.seen"
STAYS = {"operator": "Exists", "effect": "NoExecute"}
REFERENCES = (("configMap", "configmaps"), ("secret", "secrets"), ("persistentVolumeClaim", "persistentvolumeclaims"))
"""Volumes that only the API server can resolve."""
SINCE = 34
"""From this minor version on a pod that needs an object of the API is refused (PreventStaticPodAPIReferences)."""


def is_manifest(path: object) -> bool:
    """Does the kubelet read this file? (Hidden ones it does not; its ending does not matter.)"""
    folder, name = posixpath.split(str(path))
    return folder == MANIFESTS and not name.startswith(".")


def read(world: World, name: str) -> Commands:
    """Look through a node's manifests: new pods are taken up, those whose file has gone or changed have to stop."""
    node = f"node:{name}"
    wanted: dict[str, Obj] = {}
    for path in sorted(map(str, filter(is_manifest, world.table(node, "file")))):
        try:
            key, pod = _pod(world, name, path, world.get((node, "file", path)))
        except Refused as error:
            yield _unread(world, node, path, error)
        else:
            wanted.setdefault(key, pod)
    for known, obj in list(world.table(node, OWN).items()):
        key = str(known)
        other = key not in wanted or wanted[key]["metadata"]["uid"] != obj["metadata"]["uid"]
        if is_static(obj) and other and not obj["metadata"].get("deletionTimestamp"):
            yield Put((node, OWN, key), _stopping(world, obj))
    for key, obj in wanted.items():
        if world.get((node, OWN, key)) is None:
            yield Put((node, OWN, key), obj)


def _pod(world: World, name: str, path: str, text: str) -> tuple[str, Obj]:
    """The pod that a file describes, under its key. Raises Refused."""
    pod = decode(kinds.named("Pod"), _object(text), strict=False)
    metadata = pod["metadata"] = {"namespace": "default", **(pod.get("metadata") or {})}
    identity = digest("static", name, path, text, length=32)
    metadata |= {"name": f"{metadata.get('name', '')}-{name}", "uid": identity}
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        **{HASH: identity, SEEN: timestamp(world.clock), SOURCE: "file"},
    }
    defaults.fill(pod)
    spec = pod["spec"]
    spec["nodeName"] = name
    spec["tolerations"] = [
        *(spec.get("tolerations") or ()),
        *([STAYS] if STAYS not in spec.get("tolerations", ()) else ()),
    ]
    if causes := validate.created(kinds.named("Pod"), pod):
        raise Refused(f"invalid pod: [{', '.join(causes)}]")
    if dial.of(world).minor >= SINCE and (what := _needs(spec)):
        raise Refused(f"static pods may not reference {what}")
    pod["status"] = {"phase": "Pending", "qosClass": defaults.qos_class(spec)}
    return f"{metadata['namespace']}/{metadata['name']}", pod


def _object(text: str) -> Obj:
    """The one object in a file's text, if it says that it is a Pod. Raises Refused with the decoder's words."""
    try:
        found: Any = next((document for document in yamltext.documents(text) if document is not None), {})
    except yamltext.BadYaml as error:
        raise Refused(f"yaml: {f'line {error.go_line}: ' if error.go_line else ''}{error.problem}") from None
    shown = kinds.compact(found)
    for field in ("kind", "apiVersion"):
        if not isinstance(found, dict) or not isinstance(found.get(field), str):
            raise Refused(f"Object '{'Kind' if field == 'kind' else field}' is missing in '{shown}'")
    if (found["apiVersion"], found["kind"]) != ("v1", "Pod"):
        raise Refused(f"invalid pod: {shown}")
    return dict(found)


def _needs(spec: Obj) -> str:
    """The resource that this pod could not have without an API server."""
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    sources = [*(spec.get("volumes") or ())]
    for container in containers:
        sources += [
            {"configMap": e.get("configMapRef"), "secret": e.get("secretRef")} for e in container.get("envFrom") or ()
        ]
        refs = [e.get("valueFrom") or {} for e in container.get("env") or ()]
        sources += [{"configMap": r.get("configMapKeyRef"), "secret": r.get("secretKeyRef")} for r in refs]
    return next((what for field, what in REFERENCES for source in sources if source.get(field)), "")


def _unread(world: World, node: str, path: str, error: Refused) -> Put:
    said = (
        str(error)
        if str(error).startswith(("invalid pod: [", "static"))
        else (f"{path}: couldn't parse as pod({error}), please check config file")
    )
    return log.error(world, node, "file.go:187", "Could not process manifest file", err=said, path=path)


def _stopping(world: World, obj: Obj) -> Obj:
    """The pod as it is once its file has gone: it gets its grace period, as a deleted one does."""
    grace = int(obj["spec"].get("terminationGracePeriodSeconds", 30))
    marks = {"deletionTimestamp": timestamp(world.clock + grace), "deletionGracePeriodSeconds": grace}
    return {**obj, "metadata": {**obj["metadata"], **marks}}


# -- mirrors -------------------------------------------------------------------------------------------------------


def mirror(pod: Pod) -> Commands:
    """The API's picture of a static pod: made if it is not there (or shows another), and given the pod's status."""
    name = pod.node.removeprefix("node:")
    owner = pod.world.get(("api", "nodes", name))
    if not pod.static or pod.cut_off or owner is None:
        return
    row: Key = ("api", "pods", pod.key)
    there = pod.world.get(row)
    if there is not None and not is_mirror(there):
        return
    if there is not None and (there["metadata"].get("deletionTimestamp") or _shows(there) != pod.uid):
        yield Remove(row)
        there = None
    if there is None and not pod.obj["metadata"].get("deletionTimestamp"):
        try:
            yield from api.create(pod.world, _picture(pod, owner))
        except ApiError as error:
            says = "Failed creating a mirror pod for"
            yield log.error(pod.world, pod.node, "kubelet.go:1742", says, err=error.message, pod=pod.key)
            return
    there = pod.world.get(row)
    if there is not None and there.get("status") != pod.obj.get("status"):
        yield Put(row, stamped(pod.world, {**there, "status": pod.obj["status"]}))


def _shows(there: Obj) -> str:
    """The uid of the static pod that a mirror shows."""
    return str(there["metadata"]["annotations"][MIRROR])


def _picture(pod: Pod, owner: Obj) -> Obj:
    metadata = pod.obj["metadata"]
    reference = {"apiVersion": "v1", "kind": "Node", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {
        **{field: value for field, value in pod.obj.items() if field != "status"},
        "metadata": {
            **{field: value for field, value in metadata.items() if field != "uid"},
            "annotations": {**metadata["annotations"], MIRROR: pod.uid},
            "ownerReferences": [{**reference, "controller": True}],
        },
    }


def unshow(world: World, key: str) -> Commands:
    """The mirror of a static pod that is there no more goes."""
    there = world.get(("api", "pods", key))
    name = there["spec"].get("nodeName", "") if there is not None else ""
    known = world.get((f"node:{name}", OWN, key))
    if there is not None and is_mirror(there) and known is None and hears(world, name):
        yield Remove(("api", "pods", key))
