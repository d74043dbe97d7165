"""A cluster like a real one, out of what ``kubectl get nodes,pods,services,… -A -o yaml`` printed, or of plain YAML.

`ground` reads off the Nodes how the cluster is built, `wiring` which network plugin it has, and `objects` which of the
objects a person (and no controller) made: those are applied. Pods keep their names, their nodes and, where the range of
the node has them, their addresses; the controllers adopt them. What a real cluster knows and a dump does not say
(rules, routes) is ours; the plugin's own objects are too, in its manifest.

Left out: plugins that are not built here (``bridge`` stands in) or that leave no mark (``bridge`` and ``ptp`` look
alike), several subnets, nodes' IPv6 addresses (they are made of their IPv4 addresses here), pods' IPv6 addresses,
objects of ``kube-system``, and kinds that nothing here knows: a warning names them.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8slearn import api, manifests
from k8slearn.api import kinds
from k8slearn.api.decode import decode
from k8slearn.errors import Refused
from k8slearn.importing.ground import ground
from k8slearn.importing.header import told
from k8slearn.importing.objects import by_hand, from_a_server, identity, namespaces, there, written
from k8slearn.importing.wiring import Obj, images, network_of

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster

FIRST = ("Namespace", "CustomResourceDefinition")
GROUPS = {kind.group for kind in kinds.BUILT_IN}


def cluster_from(make: Callable[..., Cluster], source: Path | list[Obj], **wanted: Any) -> Cluster:
    """The cluster that a dump (or plain YAML) describes; `wanted` are arguments of `Cluster` that win over it.

    What was left out or stands in for something else is a warning. Raises `Refused` with one sentence.
    """
    wanted = {**(told(api.read(source)) if isinstance(source, Path) else {}), **wanted}
    objects = _each_once(list(map(_decoded, api.load(source))))
    nodes = [obj for obj in objects if obj["kind"] == "Node"]
    network = wanted["network"] if "network" in wanted else network_of(objects, nodes)
    cluster = make(**(_ground(nodes, objects, network) | {"network": network} | wanted))
    if any("multus-cni" in image for image in images(objects)):
        cluster.apply(manifests.text("multus"))
    _apply(cluster, _known(objects, cluster))
    return cluster


def _decoded(obj: Obj) -> Obj:
    """The object, which has the types that its kind wants. Raises the API server's refusal."""
    kind = kinds.BY_KIND.get((obj["apiVersion"].rpartition("/")[0], obj["kind"]))
    metadata = obj.get("metadata") or {}
    if not (isinstance(metadata.get("name"), str) and metadata["name"]) and not metadata.get("generateName"):
        raise Refused("error: resource name may not be empty")
    return obj if kind is None else decode(kind, obj)


def _ground(nodes: list[Obj], objects: list[Obj], network: str | None) -> dict[str, Any]:
    try:
        return ground(nodes, objects, network)
    except ValueError as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"the addresses that Nodes, pods and Services tell cannot be read: {error}") from None


def _apply(cluster: Cluster, objects: list[Obj]) -> None:
    """Definitions and namespaces first, then the rest in its order."""
    others = there(objects)
    wanted = written([obj for obj in objects if by_hand(obj, others)], cluster)
    first = [obj for obj in wanted if obj["kind"] in FIRST]
    rest = [obj for obj in wanted if obj["kind"] not in FIRST]
    missing = namespaces(wanted, {obj["metadata"]["name"] for obj in cluster.get("namespaces")})
    if missing and not any(map(from_a_server, objects)):
        names = ", ".join(obj["metadata"]["name"] for obj in missing)
        warnings.warn(f"no Namespace object makes {names}: it is made here, where kubectl would refuse", stacklevel=4)
    if wanted:
        cluster.apply([*first, *missing, *rest])


def _each_once(objects: list[Obj]) -> list[Obj]:
    """Without what comes twice from a server. Raises `Refused` for two objects of one name: two clusters' dumps."""
    seen: dict[tuple[str, ...], str] = {}
    found = []
    for obj in objects:
        uid = str((obj.get("metadata") or {}).get("uid", ""))
        again, before = identity(obj) in seen, seen.setdefault(identity(obj), uid)
        if uid and before and before != uid:
            raise Refused(
                f"{obj['kind']} {'/'.join(filter(None, identity(obj)[2:]))} is there twice with different uids: these "
                "are the dumps of two clusters; give those of one"
            )
        if not (uid and again):
            found.append(obj)
    return found


def _known(objects: list[Obj], cluster: Cluster) -> list[Obj]:
    """Without the kinds of foreign groups that neither the cluster nor a definition among the objects makes known."""
    specs = [obj.get("spec") or {} for obj in objects if obj["kind"] == "CustomResourceDefinition"]
    defined = {(spec.get("group"), (spec.get("names") or {}).get("kind")) for spec in specs}
    defined |= set(kinds.custom(cluster.world))
    foreign: Counter[tuple[str, str]] = Counter()
    found = []
    for obj in objects:
        group = obj["apiVersion"].rpartition("/")[0]
        if group in GROUPS or (group, obj["kind"]) in defined:
            found.append(obj)
        else:
            foreign[obj["kind"], obj["apiVersion"]] += 1
    for (kind, version), count in foreign.items():
        warnings.warn(f"nothing here knows the kind {kind} ({version}): {count} left out", stacklevel=4)
    return found
