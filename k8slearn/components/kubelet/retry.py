"""When the kubelet will try again: rows ``(node, "retry", (pod, what)) -> second on the logical clock``.

`what` is a container's name while it is in back-off, or empty for the pod's sandbox. A row that is due is taken away
by whoever tries.

Left out: jitter, and the delay between two looks at a healthy pod.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.components.kubelet.pod import machines
from k8slearn.journal import Commands, Key, Put, Remove, World

SANDBOX = ""
SANDBOX_DELAY = 10.0
"""Seconds between two attempts to make (or destroy) a sandbox."""


def key(node: str, pod: str, what: str) -> Key:
    """Where the world keeps this timer."""
    return (node, "retry", (pod, what))


def waits(world: World, node: str, pod: str, what: str) -> bool:
    """Is it too early to try?"""
    until: float | None = world.get(key(node, pod, what))
    return until is not None and until > world.clock


def later(world: World, node: str, pod: str, what: str, until: float) -> Commands:
    """Try again then."""
    if world.get(key(node, pod, what)) != until:
        yield Put(key(node, pod, what), until)


def forget(world: World, node: str, pod: str, what: str | None = None) -> Commands:
    """Take away one timer of a pod, or all of them."""
    for name in list(world.table(node, "retry")):
        if isinstance(name, tuple) and name[0] == pod and what in (None, name[1]):
            yield Remove((node, "retry", name))


def timers(world: World) -> Iterator[tuple[float, str]]:
    """(second, pod) of every timer on every node."""
    for node in machines(world):
        for name, until in world.table(node, "retry").items():
            if isinstance(name, tuple):
                yield until, name[0]
