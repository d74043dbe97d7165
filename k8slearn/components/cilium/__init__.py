"""cilium-agent: on every node, it fills the maps that the node's programs look into, and lays what they hang to.

Its source is the API alone. Each agent writes a **CiliumNode** for its node; the operator (`operator`) gives it a piece
of the pod range; then the agent prepares the node (`host`, `masquerade`), writes the CNI configuration, and its node is
ready. For each pod on its node it finds the identity and publishes a **CiliumEndpoint** (`endpoints`). What other
agents publish, it writes into its own maps (`peers`): so every node knows every pod's address, identity and machine.
Services and EndpointSlices become the maps of the load balancer (`services`), and there is no kube-proxy.
NetworkPolicies become each endpoint's own rows (`policy`).

When the agent dies, programs and maps stay in the kernel: pods go on talking, and to Services too. What changes in the
cluster meanwhile is not learned, and no new pod gets a network (the plugin asks the agent for everything).

Here a changed ``cilium-config`` is acted upon at once, as if the pods had been restarted; in life they must be. Pods
that run keep the MTU that they began with.

A route that somebody deletes comes back when the node manager looks the next time (two nodes: after 66 s).

Left out: putting back programs, map rows and iptables rules that somebody takes away by hand, Hubble, the health checks
between nodes, taints for nodes without an agent, Envoy, CiliumNetworkPolicy, CiliumNodeConfig, and what
`k8slearn.cni.cilium` leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from k8slearn.api.events import event
from k8slearn.api.policy.compiled import NETWORK
from k8slearn.cni import cri
from k8slearn.cni.cilium import agent, identity, maps
from k8slearn.components.cilium import config, endpoints, host, hostport, peers, policy, services
from k8slearn.components.cilium.operator import CiliumOperator
from k8slearn.journal import Commands, Key, World

__all__ = ["Cilium", "CiliumOperator"]


def _of_pod(world: World, node: str, pod: str) -> Commands:
    """Perhaps its labels have changed, or its ports."""
    yield from endpoints.of_pod(world, node, pod)
    yield from hostport.ensure(world, node, pod)


VALIDATION = 60.0
"""Seconds, times the logarithm of the number of nodes (pkg/backoff: ClusterSizeDependantInterval)."""
PARTS: Mapping[str, Callable[[World, str, str], Commands]] = {
    "endpoint": endpoints.ensure,
    "pod": _of_pod,
    "ciliumendpoint": peers.endpoint,
    "ciliumnode": peers.node,
    "service": services.ensure,
    "routes": peers.validate,
    "namespace": endpoints.of_namespace,
    "policies": policy.ensure,
}
"""What a key may be about, after the node: ``node-1 service default/web``."""


class Cilium:
    """One agent for each node. Keys: ``node-1`` (everything), ``node-1 PART NAME``."""

    name = agent.PROGRAM

    def watches(self) -> Mapping[str, str]:
        ours = {agent.CILIUM_NODES: "other nodes", agent.CILIUM_ENDPOINTS: "pods anywhere"}
        api = {"configmaps": "cilium-config", "services": "what sockets are told", "endpointslices": "where they lead"}
        who = {
            "namespaces": "their labels",
            identity.IDENTITIES: "whom policies can mean",
            NETWORK: "who may talk to whom",
        }
        return {
            "container": "its own",
            agent.ENDPOINTS: "pods of its node",
            "pods": "their labels",
            **who,
            **ours,
            **api,
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, table, name = changed
        row = world.get(changed)
        if table == "container":
            return (scope.removeprefix("node:"),) if row is not None and row.program == agent.PROGRAM else ()
        if table == agent.ENDPOINTS:
            return (f"{scope.removeprefix('node:')} endpoint {name}", f"{scope.removeprefix('node:')} policies")
        nodes = agents(world)
        if not nodes:
            return ()
        if table == "pods":
            here = str((row or {}).get("spec", {}).get("nodeName", ""))
            about = [f"{node} pod {name}" for node in nodes if here == node or row is None]
            return [*about, *(f"{node} policies" for node in nodes)]
        if table in (NETWORK, identity.IDENTITIES):
            return [f"{node} policies" for node in nodes]
        if table == "namespaces":
            return [f"{node} namespace {name}" for node in nodes]
        if table == "configmaps":
            return nodes if name == config.NAME else ()
        if table == agent.CILIUM_NODES:
            return [node if node == name else f"{node} ciliumnode {name}" for node in nodes]
        if table == agent.CILIUM_ENDPOINTS:
            return [f"{node} ciliumendpoint {name}" for node in nodes]
        return [f"{node} service {services.owner(str(name), table, row)}" for node in nodes]

    def reconcile(self, world: World, key: str) -> Commands:
        name, _, rest = key.partition(" ")
        part, _, which = rest.partition(" ")
        node = f"node:{name}"
        if not cri.runs(world, node, agent.PROGRAM) or world.get(("api", "nodes", name)) is None:
            return
        if part and maps.config(world, node) is None:
            return
        cause = ("api", "nodes", name)
        for command in PARTS[part](world, node, which) if part else _everything(world, node):
            yield command if command.cause is not None else command._replace(cause=cause)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """The node manager looks at its routes ever so often, the less often the more nodes there are."""
        names = agents(world)
        period = VALIDATION * math.log1p(len(names))
        for name in names:
            node = f"node:{name}"
            if maps.config(world, node) is not None and any(True for _ in peers.validate(world, node)):
                yield (math.floor(world.clock / period) + 1) * period, f"{name} routes"


def _everything(world: World, node: str) -> Commands:
    """The agent starts, or its configuration has changed."""
    yield from peers.publish(world, node)
    problem = config.problem(world)
    if problem:
        said = event(world, world.get(("api", "nodes", node.removeprefix("node:"))), "NotModelled", problem, "cilium")
        if world.get(said.key) is None:
            yield said
        return
    if not (yield from host.ensure(world, node)):
        return
    yield from peers.publish(world, node)
    yield from agent.work_off(world, node)
    yield from peers.every(world, node)
    for number in sorted(world.table(node, agent.ENDPOINTS), key=str):
        yield from endpoints.ensure(world, node, str(number))
    yield from policy.ensure(world, node)
    yield from services.every(world, node)
    yield from hostport.every(world, node)


def agents(world: World) -> list[str]:
    """The nodes where an agent runs: each has published its CiliumNode."""
    known = sorted(map(str, world.table("api", agent.CILIUM_NODES)))
    return [name for name in known if cri.runs(world, f"node:{name}", agent.PROGRAM)]
