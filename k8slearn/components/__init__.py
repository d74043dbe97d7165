"""What runs in a cluster: each component reads the world and says what it would write.

A component never calls another: they meet in the API's rows and in the kernel's, as the real ones do.
The engine asks a component to `reconcile` a key when a row that it watches has changed, or when a timer
that it asked for is due on the logical clock, until nobody has anything left to do.

Left out: leader election, and resource versions other than the world's revision.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from k8slearn.journal import Commands, Key, World


@dataclass(frozen=True, slots=True)
class Settings:
    """What a cluster was started with: the arguments of `Cluster`, checked."""

    nodes: tuple[tuple[str, str], ...]
    """(name, address) of each node; the first runs the control plane."""
    network: str | None
    """A wiring's name, the JSON of a CNI configuration of one's own, or None: no plugin yet."""
    node_cidr: str
    pod_cidr: str
    service_cidr: str
    proxy: str
    kubernetes: str
    seed: int

    @property
    def wiring(self) -> str | None:
        """The wiring's name, in a person's words."""
        own = self.network is not None and self.network.startswith("{")
        return json.loads(self.network or "")["name"] if own else self.network


class Component(Protocol):
    """One component. Its reconcile is written per key and is pure: the same world, the same commands."""

    name: str
    """As events and ``explain`` call it: ``kube-proxy``."""

    def watches(self) -> Mapping[str, str]:
        """The API tables it watches -> why, in a few words."""

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        """Which of its own keys (a pod, a node, a Service) to look at after this row changed."""

    def reconcile(self, world: World, key: str) -> Commands:
        """What it would write for this key now. Each command is applied before the next is asked for."""

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """(second on the logical clock, key) of every timer that is running."""
