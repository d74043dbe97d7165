"""Which components a cluster runs, and what stands before the first of them wakes.

The order is the order of their turns (`engine.py`): who is upstream of whom in a real cluster. kubeadm installs most of it
in life; the wiring between nodes is an administrator's, an agent's or a cloud's, and has that name here.

Left out: an API server, etcd and a controller manager as processes that can die.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from k8slearn import ground
from k8slearn.components import Component, Settings
from k8slearn.journal import Commands, Put, World


@lru_cache(maxsize=64)
def components(settings: Settings) -> tuple[Component, ...]:
    """The components of such a cluster, upstream first."""
    return ()


def start(world: World, settings: Settings) -> Iterator[tuple[str, Commands]]:
    """(author, what it writes) of everything that is there before the components run."""
    yield "installer", iter([Put(ground.SETTINGS, settings), Put(("clock", "now", ""), 0.0)])
    yield "installer", ground.build(world, settings)
