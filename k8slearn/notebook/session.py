"""Which cluster a notebook's command lines act on, where they run, and how their output is written.

They act on the newest cluster that has a name in the notebook (a variable, or an exercise's), or on the one chosen
with ``%cluster NAME``. The lab asks (``K8SLEARN_AUTOSAVE``) that every such cluster is saved beside the notebook as
it changes.

Left out: clusters that have no name in the notebook.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from k8slearn.cluster import Cluster
from k8slearn.errors import CommandError, Refused
from k8slearn.linux.program import Result

NONE_YET = (
    "there is no cluster in this notebook yet; run the cells above, "
    "or try: from k8slearn import Cluster; cluster = Cluster(nodes=2)"
)


class Session:
    """One notebook's: the clusters that it has named, the one that is chosen, and the place of the last command."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.chosen = ""
        self.place = ""
        self._seen: dict[int, Cluster] = {}
        """Every cluster that had a name, in the order of their coming; by identity, and kept, so that no id returns."""
        self.look()

    @property
    def cluster(self) -> Cluster:
        """The cluster that a command line means. Raises `Refused` while there is none."""
        named = self.look()
        if self.chosen:
            if self.chosen not in named:
                raise Refused(f"{self.chosen} is no cluster any more; `%cluster NAME` chooses another")
            return named[self.chosen]
        if not named:
            raise Refused(NONE_YET)
        age = list(self._seen)
        return max(named.values(), key=lambda cluster: age.index(id(cluster)))

    def look(self) -> dict[str, Cluster]:
        """Every cluster of the notebook by its name; a new one is remembered, and saved if the lab asked for it."""
        named = dict(self._named())
        exercises = {id(cluster) for name, cluster in named.items() if "." in name}
        for name, cluster in named.items():
            if id(cluster) not in self._seen:
                self._seen[id(cluster)] = cluster
                if id(cluster) not in exercises:
                    _autosave(cluster, name)
        alive = {id(cluster) for cluster in named.values()}
        self._seen = {key: cluster for key, cluster in self._seen.items() if key in alive}
        return named

    def _named(self) -> Iterator[tuple[str, Cluster]]:
        for name, value in list(self.shell.user_ns.items()):
            if name.startswith("_"):
                continue
            if isinstance(value, Cluster):
                yield name, value
            elif isinstance(within := vars(value).get("cluster") if hasattr(value, "__dict__") else None, Cluster):
                yield f"{name}.cluster", within

    def kubectl(self, command: str, stdin: str = "") -> Result:
        """One kubectl command on the cluster, as a result: a refusal is what it says on standard error."""
        try:
            return Result(self.cluster.kubectl(command, stdin))
        except CommandError as error:
            return Result(error.stdout, error.stderr, error.exit_code)
        except Refused as error:
            return Result("", f"{error}\n", 1)

    def run(self, place: str, command: str) -> Result:
        """One command line on a node, in a pod or outside."""
        try:
            result: Result = _place(self.cluster, place).run(command)
            return result
        except CommandError as error:
            return Result(error.stdout, error.stderr, error.exit_code)
        except Refused as error:
            return Result("", f"{error}\n", 1)


def _place(cluster: Cluster, place: str) -> Any:
    if place.startswith("node:"):
        return cluster.node(place.removeprefix("node:"))
    if place.startswith("outside"):
        return cluster.outside(*filter(None, [place.partition(":")[2]]))
    namespace, _, name = place.rpartition("/")
    return cluster.pod(name, namespace or "default")


def write(result: Result) -> None:
    """Put a result into the cell's output: each stream in one piece, so that it is the same at every run."""
    for stream, text in ((sys.stdout, result.stdout), (sys.stderr, result.stderr)):
        if text:
            stream.write(text if text.endswith("\n") else text + "\n")
            stream.flush()


def saved_as(name: str) -> Path | None:
    """The file that follows a cluster of this name in this notebook, if the lab asked for it."""
    folder = os.environ.get("K8SLEARN_AUTOSAVE", "")
    if folder in ("", "0"):
        return None
    notebook = Path(os.environ.get("JPY_SESSION_NAME", "notebook")).stem
    return Path(".k8slearn" if folder == "1" else folder) / f"{notebook}-{name}.jsonl"


def _autosave(cluster: Cluster, name: str) -> None:
    path = saved_as(name)
    if path is None or cluster._file is not None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cluster.save(path, follow=True)
    except (OSError, Refused) as error:
        warnings.warn(f"this cluster is not saved as you go: {error}", stacklevel=2)
