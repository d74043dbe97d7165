"""The version dial, where the kubelet feels it: which runtime it talks to, which pause image, which words.

Each table lists (the first minor version of Kubernetes 1.x, what holds from then on).

Left out: CRI-O and other runtimes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from k8slearn.cni import cri
from k8slearn.components import Settings
from k8slearn.journal import Put, World

T = TypeVar("T")

RUNTIMES = (
    (0, "docker://20.10.12"),
    (24, "containerd://1.6.15"),
    (27, "containerd://1.7.24"),
    (34, "containerd://2.1.4"),
)
PAUSES = (
    (0, "k8s.gcr.io/pause:3.6"),
    (24, "k8s.gcr.io/pause:3.7"),
    (25, "registry.k8s.io/pause:3.8"),
    (27, "registry.k8s.io/pause:3.9"),
    (32, "registry.k8s.io/pause:3.10"),
    (36, "registry.k8s.io/pause:3.10.1"),
)
CREATED = ((0, "Created container {name}"), (32, "Created container: {name}"), (35, "Container created"))
STARTED = ((0, "Started container {name}"), (35, "Container started"))
PRESENT = (
    (0, 'Container image "{image}" already present on machine'),
    (35, 'Container image "{image}" already present on machine and can be accessed by the pod'),
)
ERRORED = ((0, "errored"), (33, "errored and resulted in unknown state"))
"""Of a probe that could not be asked."""
PATCHES = ((0, 0), (23, 17))
"""The last patch release, where it is known."""


class Dial(NamedTuple):
    """All that follows from the version."""

    version: str
    minor: int
    runtime: str
    pause: str
    created: str
    started: str
    present: str
    errored: str

    @property
    def dockershim(self) -> bool:
        """Kubernetes 1.23 and older: the kubelet speaks to Docker itself, and owns the network plugin."""
        return self.minor < 24

    def call(self, world: World, node: str, pod: str, method: str, **told: object) -> Put:
        """The kubelet calls the container runtime by CRI (``RunPodSandbox``)."""
        return cri.call(world, node, pod, "kubelet", self.scheme, method, **told)

    @property
    def scheme(self) -> str:
        """What stands before a container's id in a status: ``containerd``."""
        return self.runtime.partition(":")[0]


def of(world: World) -> Dial:
    """What the cluster's version means for its kubelets."""
    settings: Settings | None = world.get(("cluster", "settings", ""))
    return at(settings.kubernetes if settings is not None else "1.37")


@lru_cache(maxsize=64)
def at(kubernetes: str) -> Dial:
    """What a version such as ``1.23`` means for its kubelets."""
    parts = kubernetes.removeprefix("v").split(".")
    minor = int(parts[1])
    patch = parts[2] if len(parts) > 2 else str(dict(PATCHES).get(minor, 0))
    tables = (_at(minor, table) for table in (RUNTIMES, PAUSES, CREATED, STARTED, PRESENT, ERRORED))
    return Dial(f"v1.{minor}.{patch}", minor, *tables)


def _at(minor: int, table: Sequence[tuple[int, T]]) -> T:
    return next(value for since, value in reversed(table) if since <= minor)
