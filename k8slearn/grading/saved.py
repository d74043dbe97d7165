"""An exercise that survives its kernel: its cluster follows a file, and opens where the file ends.

The file is a saved cluster like any other (``Cluster.load`` reads it): the start is in it, and what the learner did. A
file whose start is not this exercise's any more (its author changed it) is kept under another name.

Left out: two kernels on one exercise.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from k8slearn.cluster import Cluster
from k8slearn.errors import Refused


def followed(fresh: Cluster, path: Path, resume: bool = True) -> Cluster:
    """The cluster that this file saved, else `fresh`; either way the file follows it, if it can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cluster = (resume and path.exists() and _resumed(fresh, path)) or fresh
        cluster.save(path, follow=True)
        return cluster
    except (Refused, OSError) as wrong:
        warnings.warn(f"this exercise is not saved as you go: {wrong}", stacklevel=4)
        return fresh


def _resumed(fresh: Cluster, path: Path) -> Cluster | None:
    """The saved cluster, if it goes on from this start."""
    try:
        found = Cluster.load(path)
    except Refused as wrong:
        path.replace(path.with_name(path.name + ".unreadable"))
        warnings.warn(f"{wrong}; it is kept as {path.name}.unreadable, and you begin anew", stacklevel=5)
        return None
    return _beyond(fresh, found)


def goes_on(fresh: Cluster, path: Path) -> Cluster | None:
    """The cluster that this file saved, if it goes on from this start; nothing is written. Refused: unreadable."""
    return _beyond(fresh, Cluster.load(path))


def _beyond(fresh: Cluster, found: Cluster) -> Cluster | None:
    start = fresh.engine.inputs()
    if found.settings != fresh.settings or found.engine.inputs()[: len(start)] != start:
        return None
    found.engine.floor = fresh.engine.floor
    found.engine.remedies = fresh.engine.remedies
    return found
