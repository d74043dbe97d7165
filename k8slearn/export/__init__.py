"""Taking a cluster out of here: to a real kernel's network namespaces, to kind, or as plain manifests.

Left out: other installers of clusters (k3d, minikube), Helm charts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.errors import Refused
from k8slearn.export.kind import kind_script
from k8slearn.export.manifests import manifests
from k8slearn.export.netns import netns_script
from k8slearn.journal import World

TO: Mapping[str, Callable[[World], str]] = {"kind": kind_script, "manifests": manifests, "netns": netns_script}


def exported(world: World, to: str) -> str:
    """The cluster as the text that `to` names. Raises `Refused` for a form that there is not."""
    if to not in TO:
        raise Refused(f"a cluster cannot be exported to {to!r}: there is {', '.join(sorted(TO))}")
    return TO[to](world)
