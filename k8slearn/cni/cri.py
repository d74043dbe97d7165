"""What a container runtime remembers: its sandboxes and containers, as ``crictl pods`` and ``crictl ps -a`` list them.

A **sandbox** is a pod on its node: a network namespace and the pause container that holds it. The application's
containers join it. The rows are in the node's scope: ``("node:node-1", "sandbox", ID)`` and ``("node:node-1",
"container", ID)``. Whoever wants a container to die sets its state; the kubelet finds it so when it looks.
What the kubelet asks the runtime for, and the runtime its plugins, is kept too: `Call`.

Left out: images on disk, mounts, log files, exec and port-forward streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from k8slearn.api.environment import of as environment_of
from k8slearn.journal import Key, Put, Table, World, digest

READY, NOTREADY = "READY", "NOTREADY"
"""A sandbox's state: NOTREADY when its pause container is dead."""
CREATED, RUNNING, EXITED = "CREATED", "RUNNING", "EXITED"
"""A container's state."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod sandbox. `pod` is ``namespace/name``, `netns` the scope of its network namespace."""

    id: str
    pod: str
    uid: str
    attempt: int
    netns: str
    state: str = READY
    ip: str = ""
    additional_ips: tuple[str, ...] = ()
    """Its addresses beside the first, as the CRI has it: that of the other family."""
    created: float = 0.0
    """The second of the logical clock."""
    image: str = ""
    """The pause container's image."""
    pid: int = 0
    """The pause container's process on the node."""
    host_network: bool = False
    pids: str = "CONTAINER"
    """Whose processes a container sees: only its own (CONTAINER), the whole pod's (POD), all of the node (NODE)."""
    hand: bool = False
    """Was it made by hand (``crictl runp``)? No kubelet asked for it."""
    resolv_conf: str = ""
    """The /etc/resolv.conf of its containers; empty: that of the machine."""

    @property
    def ips(self) -> tuple[str, ...]:
        return (self.ip, *self.additional_ips) if self.ip else ()


@dataclass(frozen=True, slots=True)
class Container:
    """A container in a sandbox. `attempt` counts its restarts; `sockets` are the keys of the sockets that it holds."""

    id: str
    pod: str
    name: str
    sandbox: str
    image: str
    image_id: str
    attempt: int
    state: str = CREATED
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    exit_code: int = 0
    reason: str = ""
    """Why it ended, in the kubelet's word: ``Error``, ``Completed``."""
    log: str = ""
    """What it printed."""
    init: bool = False
    program: str = ""
    """The name of its process."""
    sockets: tuple[tuple[str, str, int], ...] = ()
    backoff: float = 0.0
    """Seconds that the kubelet waits before it starts the next one, once this one is dead."""
    ends: float = 0.0
    """It was told to stop and will have ended at this second; 0: nobody told it so."""
    ends_with: int = 0
    """The exit code that it will have then."""
    services: tuple[tuple[str, str], ...] = ()
    """The variables that tell of Services, as they were when it was made."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call in a pod's life: who asked whom for what. The row ``(node, "call", "last")`` is the latest one; all
    of them are in the journal, where what followed stands behind each."""

    time: float
    pod: str
    caller: str
    callee: str
    method: str
    """``RunPodSandbox``, ``ADD``."""
    told: tuple[tuple[str, str], ...]
    """What was said: names and values."""

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.told if value)
        return f"{self.caller} -> {self.callee}: {self.method}({said})"


LAST = "last"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def call(world: World, node: str, pod: str, caller: str, callee: str, method: str, **told: object) -> Put:
    """The command that says that this call is made now."""
    said = tuple((name, str(value)) for name, value in told.items())
    return Put((node, "call", LAST), Call(world.clock, pod, caller, callee, method, said))


def sandbox_key(node: str, sandbox: Sandbox) -> Key:
    """Where the world keeps this sandbox; `node` is the machine's scope."""
    return (node, "sandbox", sandbox.id)


def container_key(node: str, container: Container) -> Key:
    """Where the world keeps this container."""
    return (node, "container", container.id)


def sandboxes(world: World, node: str, pod: str) -> list[Sandbox]:
    """A pod's sandboxes on a machine, the newest last."""
    return world.table(node, "sandbox").index(_sandboxes).get(pod, [])


def containers(world: World, node: str, pod: str) -> list[Container]:
    """A pod's containers on a machine, dead ones too, the newest of each name last."""
    return world.table(node, "container").index(_containers).get(pod, [])


def runs(world: World, node: str, program: str) -> bool:
    """Does a container with this process run on the machine? A daemon works on a node while its pod is up there."""
    return program in world.table(node, "container").index(_programs)


def variables(world: World, container: Container) -> dict[str, str]:
    """What ``env`` prints in a container: the image's, the Services', and those that the pod's spec gives it."""
    pod = world.get(("api", "pods", container.pod))
    if pod is None:
        return {}
    spec: dict[str, Any] = next((c for c in pod["spec"]["containers"] if c["name"] == container.name), {})
    hostname = pod["spec"].get("hostname") or pod["metadata"]["name"]
    given = {**dict(container.services), **environment_of(world, pod, spec)}
    return {"PATH": PATH, "HOSTNAME": hostname, **given, "HOME": "/root"}


def environment(world: World, node: str, program: str) -> dict[str, str]:
    """The environment of the container with this process, as its pod has it."""
    rows: list[Container] = list(world.table(node, "container").values())
    row = next((row for row in rows if row.program == program and row.state == RUNNING), None)
    pod = world.get(("api", "pods", row.pod)) if row is not None else None
    if pod is None or row is None:
        return {}
    spec: dict[str, Any] = next((c for c in pod["spec"]["containers"] if c["name"] == row.name), {})
    return environment_of(world, pod, spec)


def _programs(rows: Table) -> frozenset[str]:
    return frozenset(row.program for row in rows.values() if row.state == RUNNING)


def _sandboxes(rows: Table) -> dict[str, list[Sandbox]]:
    found: dict[str, list[Sandbox]] = {}
    for row in sorted(rows.values(), key=lambda row: (row.attempt, row.id)):
        found.setdefault(row.pod, []).append(row)
    return found


def _containers(rows: Table) -> dict[str, list[Container]]:
    found: dict[str, list[Container]] = {}
    for row in sorted(rows.values(), key=lambda row: (row.created, row.attempt, row.id)):
        found.setdefault(row.pod, []).append(row)
    return found


def process_id(identity: str) -> int:
    """The number of a container's process on its node: derived, where Linux counts."""
    return 1000 + int(digest("pid", identity, length=6), 16) % 4_000_000
