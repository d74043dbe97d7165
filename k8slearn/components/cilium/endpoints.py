"""Each pod of a node becomes an endpoint with an identity, and everybody is told by a CiliumEndpoint.

The plugin has made the endpoint; the agent looks the pod's labels up, finds the identity that they have (or makes a
CiliumIdentity), writes it into the map, and publishes ``kubectl get ciliumendpoints``: the address, the identity and
the node. A pod that is given other labels gets another identity, and keeps its number and its address.

Sources: pkg/endpoint, pkg/endpointmanager, pkg/k8s/watchers/endpointsynchronizer.go.

Left out: CiliumEndpointSlices, ``identity-change-grace-period``, the states between (``regenerating``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.cni.cilium import agent, identity, maps
from k8slearn.components.cilium import peers
from k8slearn.journal import Commands, Put, Remove, World

Obj = dict[str, Any]


def ensure(world: World, node: str, number: str) -> Commands:
    """The endpoint with this number has its pod's identity, and is published; or it is gone, and so is what was."""
    known: agent.Known | None = world.get((node, agent.ENDPOINTS, number))
    if known is None:
        yield from _withdraw(world, node, number)
        return
    pod = world.get(("api", "pods", known.pod)) if known.pod else None
    if pod is not None:
        wanted = identity.labels(pod, world.get(("api", "namespaces", pod["metadata"]["namespace"])))
        yield from identity.allocate(world, wanted)
        known = yield from _identified(world, node, known, identity.find(world, wanted))
    yield from peers.address(world, node, known.address, maps.Remote(known.identity, of=known.pod))
    if pod is not None:
        yield from _publish(world, node, known, pod)


def of_pod(world: World, node: str, pod: str) -> Commands:
    """A pod has changed: perhaps its labels have."""
    for known in agent.endpoints(world, node):
        if known.pod == pod:
            yield from ensure(world, node, str(known.id))


def of_namespace(world: World, node: str, namespace: str) -> Commands:
    """A namespace has changed: perhaps its labels have, and so its pods' identities."""
    for known in agent.endpoints(world, node):
        if known.pod.startswith(f"{namespace}/"):
            yield from ensure(world, node, str(known.id))


def _identified(world: World, node: str, known: agent.Known, found: int) -> Any:
    if found != known.identity:
        known = replace(known, identity=found)
        yield Put((node, agent.ENDPOINTS, str(known.id)), known)
    row: maps.Endpoint | None = maps.endpoint(world, node, known.address)
    if row is not None and row.sec_id != found:
        yield Put((node, maps.LXC, known.address), replace(row, sec_id=found), ("api", "pods", known.pod))
    return known


def _publish(world: World, node: str, known: agent.Known, pod: Obj) -> Commands:
    before = world.get(("api", agent.CILIUM_ENDPOINTS, known.pod))
    metadata = {
        "name": pod["metadata"]["name"],
        "namespace": pod["metadata"]["namespace"],
        "uid": uid(world, agent.CILIUM_ENDPOINTS, known.pod, known.id),
        "creationTimestamp": timestamp(known.created),
        "labels": dict(pod["metadata"].get("labels") or {}),
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        ],
    }
    made = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumEndpoint",
        "metadata": metadata,
        "status": _status(world, node, known),
    }
    if before is None or {**before, "metadata": {**before["metadata"], "resourceVersion": ""}} != {
        **made,
        "metadata": {**metadata, "resourceVersion": ""},
    }:
        yield Put(("api", agent.CILIUM_ENDPOINTS, known.pod), stamped(world, made), ("api", "pods", known.pod))


def _status(world: World, node: str, known: agent.Known) -> Obj:
    config = maps.config(world, node)
    namespace, _, name = known.pod.partition("/")
    return {
        "encryption": {"key": 255} if config is not None and config.wireguard else {},
        "external-identifiers": {
            "cni-attachment-id": f"{known.container}:{known.ifname}",
            "k8s-namespace": namespace,
            "k8s-pod-name": name,
            "pod-name": known.pod,
        },
        "id": known.id,
        "identity": {"id": known.identity, "labels": list(identity.labels_of(world, known.identity))},
        "networking": {
            "addressing": [{"ipv4": known.address}],
            "node": config.node_ip if config is not None else "",
        },
        "state": known.state,
    }


def _withdraw(world: World, node: str, number: str) -> Commands:
    """What this node has published for an endpoint that is gone."""
    config = maps.config(world, node)
    for name, row in list(world.table("api", agent.CILIUM_ENDPOINTS).items()):
        status = row.get("status") or {}
        here = config is not None and (status.get("networking") or {}).get("node") == config.node_ip
        if here and str(status.get("id")) == number:
            yield Remove(("api", agent.CILIUM_ENDPOINTS, name))
    for address, remote in list(world.table(node, maps.IPCACHE).items()):
        host = str(address).partition("/")[0]
        gone = maps.endpoint(world, node, host) is None and not remote.tunnel and str(address).endswith("/32")
        if gone and remote.identity >= identity.LEAST and not peers.published(world, host):
            yield Remove((node, maps.IPCACHE, address))
