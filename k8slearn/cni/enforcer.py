"""Who makes a node's kernel do what policies say: the agent of a network plugin, or nobody.

The API server stores a NetworkPolicy and does nothing else with it. Whether packets are ever refused because of it
depends on the node where the pod runs: on whether an agent that knows policies works there. Without one the policy is
text, and everything goes through; nobody is told.

Left out: agents that enforce some policies and not others.
"""

from __future__ import annotations

from k8slearn.cni import cri
from k8slearn.journal import World

AGENTS = ("calico-node", "cilium-agent")
"""The processes of network plugins that enforce NetworkPolicies."""


def enforcer(world: World, node: str) -> str:
    """The agent that enforces policies on this machine (a scope); empty: there is none."""
    return next((agent for agent in AGENTS if cri.runs(world, node, agent)), "")


def without(world: World) -> list[str]:
    """The nodes on which nobody enforces policies."""
    names = [str(name) for name in world.table("api", "nodes")]
    machines = [name for name in sorted(names) if world.get((f"node:{name}", "netns", "")) is not None]
    return [name for name in machines if not enforcer(world, f"node:{name}")]
