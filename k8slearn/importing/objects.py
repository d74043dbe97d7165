"""Which objects of a dump a person made, as they could have written them.

``kubectl get -o yaml`` prints what controllers made as well (ReplicaSets, EndpointSlices, Events), what the server
added (uids, statuses) and the control plane's own objects. An object without a uid was never in a server: it is a
person's.

Left out: pods that have ended or are being deleted, Jobs that are done, and the pods of Jobs, StatefulSets and
DaemonSets: those make them again, at other addresses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

from k8slearn.importing.wiring import Obj, is_agent, spec_of

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster

NEVER = {"Event", "Lease", "ControllerRevision", "IPAddress", "CSINode"}
"""Kinds that no person makes."""
MADE_AGAIN = {"Job", "Node", "DaemonSet", "StatefulSet"}
"""Owners that make their pods themselves here, where they are in the dump."""
PLUGINS_OWN = ("kube-flannel", "calico-system", "calico-apiserver", "tigera-operator", "cilium-secrets")
"""Namespaces of network plugins: what is in there comes with the wiring, as their DaemonSets do."""
SYSTEM = ("kube-system", "kube-public", "kube-node-lease", *PLUGINS_OWN)
PLUGIN_GROUPS = ("crd.projectcalico.org/", "projectcalico.org/", "operator.tigera.io/", "cilium.io/")
KUBERNETES = ("", "Service", "default", "kubernetes")
EACH_HAS = {KUBERNETES, ("networking.k8s.io", "ServiceCIDR", "", "kubernetes")}
"""What every cluster has before anybody comes."""
SERVER_OWNED = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "ownerReferences",
)
SLICES_OF_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
TOKEN = "kube-api-access-"  # how the volume of a service account's token begins, which the server adds to each pod
PASSING = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Taints that a controller lays on a node, and takes away again."""
POD_IPS, MORE_NETWORKS = "k8slearn.io/pod-ips", "k8s.v1.cni.cncf.io/networks"
NO_WISHES = ("cilium", "vpc", "calico")
"""Wirings whose pods do not get addresses of their node's ``podCIDR``."""


def identity(obj: Obj) -> tuple[str, str, str, str]:
    """(group, kind, namespace, name)"""
    metadata = obj.get("metadata") or {}
    group = obj["apiVersion"].rpartition("/")[0]
    return group, obj["kind"], str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def from_a_server(obj: Obj) -> bool:
    """Was this printed by a server, or written by a person?"""
    return bool((obj.get("metadata") or {}).get("uid"))


class There(NamedTuple):
    """What else is in the dump: who makes pods again, and which Services have a selector."""

    makers: frozenset[tuple[str, str, str]]
    selecting: frozenset[tuple[str, ...]]


def there(objects: Iterable[Obj]) -> There:
    """What `by_hand` has to know of all objects."""
    makers = (identity(obj)[1:] for obj in objects if obj["kind"] in MADE_AGAIN)
    services = (obj for obj in objects if obj["kind"] == "Service" and spec_of(obj).get("selector"))
    return There(frozenset(makers), frozenset(identity(obj)[2:] for obj in services))


def by_hand(obj: Obj, others: There) -> bool:
    """Is this an object that a person made, or a pod that is to keep its name?"""
    if obj["kind"] == "Node":
        return bool(_of_node(obj))
    if is_agent(obj) or identity(obj)[2] in PLUGINS_OWN:
        return False
    if not from_a_server(obj):
        return True
    return not (_system(obj) or by_a_controller(obj, others))


def by_a_controller(obj: Obj, others: There) -> bool:
    """Did a controller make this object, or does every cluster have it?"""
    if obj["kind"] in NEVER or identity(obj) in EACH_HAS or identity(obj)[3] == "kube-root-ca.crt":
        return True
    return not _MADE.get(obj["kind"], _of_a_person)(obj, others)


def _system(obj: Obj) -> bool:
    """Does it belong to the control plane or to a network plugin?"""
    _, kind, namespace, name = identity(obj)
    if namespace in SYSTEM or (kind == "Namespace" and name in SYSTEM):
        return True
    return (obj["apiVersion"].startswith(PLUGIN_GROUPS) and kind != "IPPool") or name.startswith("system:")


def _of_a_person(obj: Obj, others: There) -> bool:
    return not obj["metadata"].get("ownerReferences")


def _pod(obj: Obj, others: There) -> bool:
    ended = (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    owners = obj["metadata"].get("ownerReferences") or ()
    made = {(o.get("kind"), identity(obj)[2] if o.get("kind") != "Node" else "", o.get("name")) for o in owners}
    return not (ended or obj["metadata"].get("deletionTimestamp") or made & others.makers)


def _replica_set(obj: Obj, others: There) -> bool:
    """Those of a Deployment keep their names, so that their pods can; the empty ones are history."""
    return bool(spec_of(obj).get("replicas")) or not obj["metadata"].get("ownerReferences")


def _job(obj: Obj, others: There) -> bool:
    done = [c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") in ("Complete", "Failed")]
    return not done and _of_a_person(obj, others)


def _slice(obj: Obj, others: There) -> bool:
    by = (obj["metadata"].get("labels") or {}).get("endpointslice.kubernetes.io/managed-by")
    return by not in SLICES_OF_CONTROLLERS and identity(obj)[2:] != KUBERNETES[2:] and _of_a_person(obj, others)


def _endpoints(obj: Obj, others: There) -> bool:
    """The controller writes those of every Service that has a selector."""
    return identity(obj)[2:] not in {*others.selecting, KUBERNETES[2:]}


def _account(obj: Obj, others: There) -> bool:
    return bool(obj["metadata"]["name"] != "default")


_MADE = {
    "Pod": _pod,
    "ReplicaSet": _replica_set,
    "Job": _job,
    "EndpointSlice": _slice,
    "Endpoints": _endpoints,
    "ServiceAccount": _account,
}
"""Kinds that controllers make too."""


def written(objects: list[Obj], cluster: Cluster) -> list[Obj]:
    """The objects as somebody could have written them, for this cluster."""
    nodes = {node["metadata"]["name"]: node for node in cluster.get("nodes")}
    pods = [pod for pod in cluster.get("pods", namespace=None) if not pod["spec"].get("hostNetwork")]
    taken = {(pod.get("status") or {}).get("podIP") for pod in pods}
    ranges = {} if cluster.settings.network in NO_WISHES else {n: _cidr(node) for n, node in nodes.items()}
    done = [_of_node(obj) if obj["kind"] == "Node" else stripped(obj) for obj in objects]
    for obj, source in zip(done, objects, strict=True):
        if obj["kind"] == "Pod":
            _keep_address(obj, source, ranges, taken)
        if obj["kind"] == "Pod" and from_a_server(source) and obj["spec"].get("nodeName") not in nodes:
            obj["spec"].pop("nodeName", None)  # unscheduled there, or --nodes says other ones
    return [obj for obj in done if obj["kind"] != "Node" or obj["metadata"]["name"] in nodes]


def stripped(obj: Obj) -> Obj:
    """The object as somebody could have written it: without what the server and the controllers added."""
    if not from_a_server(obj):
        return obj
    metadata = {name: value for name, value in obj["metadata"].items() if name not in SERVER_OWNED}
    found = {**{name: value for name, value in obj.items() if name != "status"}, "metadata": metadata}
    return {**found, "spec": _without_token(spec_of(obj))} if obj["kind"] == "Pod" else found


def _without_token(spec: Obj) -> Obj:
    """The pod's spec without the volume that the server adds."""
    found = {**spec, "volumes": [v for v in spec.get("volumes") or () if not v.get("name", "").startswith(TOKEN)]}
    for field in ("containers", "initContainers"):
        if field in spec:
            found[field] = [{**c, "volumeMounts": _mounts(c)} for c in spec[field]]
    return found


def _mounts(container: Obj) -> list[Obj]:
    return [mount for mount in container.get("volumeMounts") or () if not mount.get("name", "").startswith(TOKEN)]


def _of_node(obj: Obj) -> Obj:
    """What a person says of a Node that is there: its labels and taints, and whether it takes pods. Empty: nothing."""
    spec, metadata = spec_of(obj), obj.get("metadata") or {}
    taints = [taint for taint in spec.get("taints") or () if not taint.get("key", "").startswith(PASSING)]
    asked = {**({"taints": taints} if taints else {}), **({"unschedulable": True} if spec.get("unschedulable") else {})}
    if not asked and not metadata.get("labels"):
        return {}
    kept = {"name": metadata.get("name", ""), "labels": metadata.get("labels") or {}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": kept, "spec": asked}


def _cidr(node: Obj) -> str:
    return str(spec_of(node).get("podCIDR", ""))


def _keep_address(obj: Obj, source: Obj, ranges: dict[str, str], taken: set[Any]) -> None:
    """A pod asks for the address that it had, where its node has that range and nobody has the address.

    One with further networks does not: every plugin would be asked for it.
    """
    address, node = (source.get("status") or {}).get("podIP", ""), spec_of(source).get("nodeName", "")
    notes = (obj.get("metadata") or {}).get("annotations") or {}
    if spec_of(source).get("hostNetwork") or MORE_NETWORKS in notes or not ranges.get(node):
        return
    if address and address not in taken and ip_address(address) in ip_network(ranges[node]):
        taken.add(address)
        obj["metadata"] = {**obj["metadata"], "annotations": {**notes, POD_IPS: json.dumps([address])}}


def namespaces(objects: Iterable[Obj], there: set[str]) -> list[Obj]:
    """The Namespaces that the objects are in and that nobody makes."""
    objects = list(objects)
    made = there | {identity(obj)[3] for obj in objects if obj["kind"] == "Namespace"}
    named = {(obj.get("metadata") or {}).get("namespace") for obj in objects}
    missing = sorted(str(name) for name in named if name and name not in made)
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in missing]
