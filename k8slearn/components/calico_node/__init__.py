"""calico-node: the agent of Calico that runs on every node, and makes of many nodes one routed network.

Three programs share its container. **Felix** prepares the node (`felix`): the tunnel, masquerading. **BIRD** speaks
BGP with every other node's BIRD (`bird`): here are my blocks, send their packets to me. **confd** tells BIRD whom to
speak with; here it is one with it. What they work from are objects in the API: IPPools say how packets travel
(``ipipMode``: ``Always``, ``CrossSubnet``, ``Never``), IPAMBlocks say which node has which addresses. At its first
start the agent itself makes the default pool, from its container's environment.

When the agent dies its routes stay in the kernel, and pods go on talking; the other nodes give up a restarting peer's
routes after 120 seconds, a silent one's after 240 (`k8slearn.cni.bgp`). A route that somebody deletes comes back at
BIRD's next scan (2 s), the rest of what Felix wrote at its next resync (90 s).

Here a changed ``calico-config`` is acted upon at once, as if the pods had been restarted; in life they must be.

Left out: WireGuard, eBPF, VXLAN (said with an event), Typha,
BGPPeer and route reflectors, BGPConfiguration, calico-kube-controllers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import chain

from k8slearn.cni import blocks, cri
from k8slearn.components.calico_node import bird, felix, policy, startup
from k8slearn.journal import Command, Commands, Key, World

PROGRAM = "calico-node"
CONFIG = "kube-system/calico-config"
POLICY = "policy/"
FELIX, BIRD = 90.0, 2.0
"""How often each compares the kernel with what it should be, in seconds."""
WAYS = ("link", "addr", "rule", "sysctl", "chain")
"""Tables that decide whether two machines hear each other."""


class CalicoNode:
    """Keys: nodes, by name; ``reach/NODE`` when something changed that its sessions travel by; ``policy/NODE`` when
    only policies did, or the pods that they are about."""

    name = PROGRAM

    def watches(self) -> Mapping[str, str]:
        wanted = {"container": "its own", "nodes": "their addresses", "bgp": "the other end of a session"}
        ours = {
            "configmaps": "calico-config",
            blocks.POOLS: "how packets travel",
            blocks.BLOCKS: "whose addresses are where",
        }
        return {
            **wanted,
            **ours,
            **policy.WATCHED,
            "route": "what BIRD exports",
            **dict.fromkeys(WAYS, "may TCP 179 be spoken?"),
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, table, name = changed
        if scope == "api" and table in policy.WATCHED:
            return [POLICY + name for name in agents(world)]
        if table == "container":
            row = world.get(changed)
            return agents(world, scope) if row is not None and row.program == PROGRAM else ()
        if scope == "api":
            return _of_the_api(world, changed)
        if not startup.mesh(world):
            return ()
        if table == "bgp":
            row = world.get(changed)
            well = row is not None and row.state == "up" and not row.until
            return _named(world, str(name), "" if well else bird.REACH)
        if scope.startswith(("switch", "router")):
            return [bird.REACH + agent for agent in agents(world)]
        return bird.concerned(world, changed)

    def reconcile(self, world: World, key: str) -> Commands:
        what, _, name = key.rpartition("/")
        node, cause = f"node:{name}", ("api", "nodes", name)
        if not cri.runs(world, node, PROGRAM):
            yield from () if what == POLICY[:-1] else chain(bird.stopped(world, node), startup.stopped(world, node))
            return
        if what == POLICY[:-1]:
            yield from policy.ensure(world, node)
            return
        for command in self._work(world, node, bool(what)):
            yield replace_cause(command, cause)

    def _work(self, world: World, node: str, afresh: bool) -> Commands:
        yield from startup.started(world, node)
        yield from felix.ensure(world, node)
        yield from bird.sessions(world, node, lambda peer: cri.runs(world, peer, PROGRAM), afresh)
        yield from bird.routes(world, node)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """Sessions that wait, and a look at the kernel where it would find something."""
        for name in agents(world):
            node = f"node:{name}"
            yield from ((row.until, name) for row in bird.rows(world, node) if row.until)
            if cri.runs(world, node, PROGRAM):
                for period, work in ((BIRD, bird.routes), (FELIX, felix.ensure)):
                    if any(True for _ in work(world, node)):
                        yield (math.floor(world.clock / period) + 1) * period, name


def _of_the_api(world: World, changed: Key) -> Iterable[str]:
    if changed[1] == "nodes":
        return (str(changed[2]),) if world.get(changed) is not None else agents(world)
    if changed[1] == "configmaps" and changed[2] != CONFIG:
        return ()
    if changed[1] == blocks.BLOCKS:
        block = world.get(changed)
        return agents(world) if block is None else (blocks.owner(block),)
    return agents(world)


def agents(world: World, also: str = "") -> list[str]:
    """The nodes of the mesh (every node where the agent has ever run), and the one of this scope."""
    return sorted({*startup.mesh(world).values(), *([also.removeprefix("node:")] if also else [])})


def _named(world: World, address: str, what: str) -> Iterable[str]:
    name = startup.mesh(world).get(address)
    return (what + name,) if name is not None else ()


def replace_cause(command: Command, cause: Key) -> Command:
    """The same command, because of this."""
    return command if command.cause is not None else command._replace(cause=cause)
