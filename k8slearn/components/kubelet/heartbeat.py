"""The kubelet's sign of life: a lease that it renews at the API server, over the network, every ten seconds.

While it comes nothing is written here (in life the lease's ``renewTime`` moves). When it stays away, because the
machine is off, the kubelet is stopped or the way to the API server is broken, the row ``("cluster", "silent",
"node-1")`` says since when; the node controller reads it.

A kubelet that runs and cannot reach the API server goes on with the pods that it has, as it remembers them: it starts
their dead containers again and asks their probes, and hears of no change. When it reaches the API server again it
looks there, says how its pods are, and stops those that were deleted meanwhile. One that was restarted in between
remembers nothing: what runs goes on without anybody who looks after it, except for static pods.

Left out: the lease object itself, and the seconds (up to ten) between the break and the renewal that fails.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from k8slearn.components import SILENT, Settings, runs
from k8slearn.components.kubelet import probing
from k8slearn.components.kubelet.pod import OWN, is_mirror, is_static, on_node
from k8slearn.journal import Commands, Key, Put, Remove, Table, World
from k8slearn.linux.socket import PATIENCE

RENEWAL = 10.0
API_SERVER = 6443
Memory = dict[str, tuple[bool, probing.Versions]]


def key(name: str) -> Key:
    """Where the world keeps since when nothing has been heard of a node."""
    return ("cluster", SILENT, name)


def check(world: World, name: str) -> Commands:
    """Renew the lease, if that is possible."""
    running, silent = runs(world, f"node:{name}", "kubelet"), world.get(key(name))
    beats = running and _reaches(world, name)
    if beats and silent is not None:
        yield Remove(key(name))
        yield from forget(world, name)
    if not beats and silent is None:
        yield from _remember(world, name) if running else ()
        yield Put(key(name), max(0.0, world.clock - RENEWAL) if running else world.clock)


def _remember(world: World, name: str) -> Commands:
    """The kubelet goes on with a copy of each pod that it had."""
    for pod in on_node(world, name):
        obj = world.get(("api", "pods", pod))
        ours = obj is not None and obj["spec"].get("nodeName") == name and not is_mirror(obj)
        if ours and world.get((f"node:{name}", OWN, pod)) is None:
            yield Put((f"node:{name}", OWN, pod), obj, ("api", "pods", pod))


def forget(world: World, name: str) -> Commands:
    """The API server says what there is (or this is another process, that never heard of it): the copies go."""
    for pod, obj in list(world.table(f"node:{name}", OWN).items()):
        if not is_static(obj):
            yield Remove((f"node:{name}", OWN, pod), ("api", "nodes", name))


def _reaches(world: World, name: str) -> bool:
    """Does the node reach the API server? (Remembered, as a probe's answer is.)"""
    found = _remembered(world, name)
    if found is not None:
        return found
    settings: Settings = world.get(("cluster", "settings", ""))
    fork, node = world.fork(), f"node:{name}"
    fork.revision = int(1000 * world.clock)
    attempt = probing.reach(fork, node, settings.nodes[0][1], API_SERVER, PATIENCE, node)
    reached = attempt.ending.outcome == "connected"
    if probing.lasting(fork, len(attempt.draws)):
        world.table(node, "netns").index(_memory)[name] = (reached, probing.versions(world, fork))
    return reached


def _memory(rows: Table) -> Memory:
    return {}


def _remembered(world: World, name: str) -> bool | None:
    found = world.table(f"node:{name}", "netns").index(_memory).get(name)
    return found[0] if found is not None and probing.hold(world, found[1]) else None


def timers(world: World) -> Iterator[tuple[float, str]]:
    """(second, node) of the next renewal, unless it would come out as the last one did."""
    settings: Settings | None = world.get(("cluster", "settings", ""))
    for name, _ in settings.nodes if settings is not None else ():
        if runs(world, f"node:{name}", "kubelet") and _remembered(world, name) is None:
            yield (math.floor(world.clock / RENEWAL) + 1) * RENEWAL, name
