"""``cluster.export("manifests")``: what people made of this cluster, as YAML for ``kubectl apply -f``.

An object that was applied and has not been changed since stands there as it was written. Any other one is what
``kubectl get -o yaml`` prints, without what the server added: uids, statuses, and the addresses, node ports and nodes
that it chose itself. What controllers make is not in there: they make it again.

Left out: Nodes (a cluster has its own; the first lines say ours, for `Cluster.from_manifests`), whatever stood in the
API when the cluster started and was left alone, and everything that was done on a node by a command.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn import api
from k8slearn.api import merge
from k8slearn.components import Settings
from k8slearn.engine import Engine
from k8slearn.importing.header import header
from k8slearn.importing.objects import PLUGIN_GROUPS, There, by_a_controller, stripped, there
from k8slearn.journal import Key, Remove, World
from k8slearn.shell.kubectl.written import as_yaml
from k8slearn.verbs import VERBS

Obj = dict[str, Any]
FIRST = ("customresourcedefinitions", "namespaces", "serviceaccounts", "configmaps", "secrets")
"""What the others need is written first."""
CHOSEN = {
    "Service": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"),
    "Pod": ("nodeName", "serviceAccount", "serviceAccountName"),
}
"""Fields that the cluster fills in, each with what fits there."""
_ADDED: tuple[str, ...] = (merge.LAST_APPLIED, "deployment.kubernetes.io/revision")
NOTE = """\
# The objects of a cluster of {nodes} nodes with the network {network}. In a real one: kubectl apply -f FILE.
# Here again: k8slearn matrix FILE, or Cluster.from_manifests(FILE), for which the next line says the nodes.
"""


def manifests(world: World) -> str:
    """The objects that people made, as YAML documents."""
    settings: Settings = world.get(("cluster", "settings", ""))
    top = NOTE.format(nodes=len(settings.nodes), network=settings.wiring) + header(settings)
    return top + "".join(f"---\n{as_yaml(obj)}" for obj in made(world))


def made(world: World) -> Iterator[Obj]:
    """The objects that people made, as they could write them."""
    tables = sorted((table for scope, table in world.tables() if scope == "api"), key=lambda t: (t not in FIRST, t))
    objects = [obj for table in tables for _, obj in sorted(world.table("api", table).items())]
    others, start = there(objects), Engine(world.get(("cluster", "settings", "")), VERBS).world
    for obj in objects:
        if obj["kind"] != "Node" and not _is_made(obj, others) and not _was_there(start, api.key(world, obj), obj):
            yield _written(world, obj)


def _is_made(obj: Obj, others: There) -> bool:
    """Does some controller (or a plugin's agent) make this object?"""
    agents = obj["apiVersion"].startswith(PLUGIN_GROUPS) and not merge.last_applied(obj)
    return agents or bool(obj["metadata"].get("ownerReferences")) or by_a_controller(obj, others)


def _was_there(start: World, key: Key, obj: Obj) -> bool:
    """Is this object as it was when the cluster started: kubeadm's, or the network plugin's?"""
    before = start.get(key)
    return before is not None and _as_it_is(before, {}) == _as_it_is(obj, {})


def _written(world: World, obj: Obj) -> Obj:
    """As it was applied, where that makes the same object again; else as it is."""
    applied = merge.last_applied(obj)
    if applied and _as_it_is(_again(world, obj, applied), {}) == _as_it_is(obj, {}):
        return {**applied, "metadata": {n: v for n, v in applied["metadata"].items() if v != {}}}
    return _as_it_is(obj, applied)


def _again(world: World, obj: Obj, applied: Obj) -> Obj:
    """What the API would make of the applied object if there were none of that name."""
    without = world.fork()
    without.apply(Remove(api.key(world, obj)))
    return api.admitted(without, applied)


def _as_it_is(obj: Obj, applied: Obj) -> Obj:
    """Without what the server added, and what it chose where the person did not."""
    found = stripped(obj)
    notes = {n: v for n, v in (found["metadata"].get("annotations") or {}).items() if n not in _ADDED}
    metadata = {n: v for n, v in {**found["metadata"], "annotations": notes}.items() if v}
    asked = applied.get("spec") or {}
    spec = {n: v for n, v in (found.get("spec") or {}).items() if n not in CHOSEN.get(obj["kind"], ()) or n in asked}
    if obj["kind"] == "Service":
        spec |= {"clusterIP": "None"} if found["spec"].get("clusterIP") == "None" else {}
        spec |= {"ports": [_unchosen(port) for port in spec["ports"]]} if spec.get("ports") else {}
    return {**found, "metadata": metadata, **({"spec": spec} if spec else {})}


def _unchosen(port: Obj) -> Obj:
    return {name: value for name, value in port.items() if name != "nodePort"}
