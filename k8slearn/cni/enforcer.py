"""Who makes a node's kernel do what policies say: the agent of a network plugin, or nobody.

The API server stores a NetworkPolicy and does nothing else with it. Whether packets are ever refused because of it
depends on the node where the pod runs: on whether an agent that knows policies works there. Without one the policy is
text, and everything goes through; nobody is told.

An agent may know some kinds of policies and not others: ClusterNetworkPolicies are stored, and Cilium 1.19 does not
read them (1.20 does).

Left out: agents that can be told to leave out a kind.
"""

from __future__ import annotations

from k8slearn.cni import cri
from k8slearn.journal import World

NETWORK, CLUSTER = "NetworkPolicy", "ClusterNetworkPolicy"
AGENTS = {"calico-node": (NETWORK, CLUSTER), "cilium-agent": (NETWORK,)}
"""The processes of network plugins that enforce policies, and which kinds."""


def enforcer(world: World, node: str, kind: str = NETWORK) -> str:
    """The agent that enforces policies of a kind on this machine (a scope); empty: there is none."""
    found = (agent for agent, kinds in AGENTS.items() if kind in kinds)
    return next((agent for agent in found if cri.runs(world, node, agent)), "")


def without(world: World, kind: str = NETWORK) -> list[str]:
    """The nodes on which nobody enforces policies of a kind."""
    names = [str(name) for name in world.table("api", "nodes")]
    machines = [name for name in sorted(names) if world.get((f"node:{name}", "netns", "")) is not None]
    return [name for name in machines if not enforcer(world, f"node:{name}", kind)]
