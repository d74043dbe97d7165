"""``trace``, ``matrix`` and ``export``: questions to the cluster that files describe.

Left out: commands run in it (``%%node`` in a notebook does that), and a second look: each question builds its cluster
anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from k8slearn.cli.files import Telling, cluster_of
from k8slearn.errors import Refused

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster

DONE, FAILED = 0, 1


def trace(given: argparse.Namespace) -> int:
    """The fate of one connection; 1 unless it connects."""
    cluster = cluster_of(given)
    with Telling("walking"):
        told = cluster.trace(getattr(given, "from"), given.to, given.port, given.protocol)
        text = _json(told.to_dict()) if given.output == "json" else f"{told.explain()}\n\n{told.text()}"
    print(text)
    return DONE if told.outcome == "connected" else FAILED


def matrix(given: argparse.Namespace) -> int:
    """Every pod to every pod."""
    from k8slearn.widgets.matrix_face import matrix_svg

    cluster = cluster_of(given)
    _must_have_pods(cluster)
    _must_have_an_enforcer(cluster)
    with Telling("walking"):
        found = cluster.reachability(given.port, given.protocol)
    faces: dict[str, Callable[[], str]] = {
        "json": lambda: _json(found.to_dict()),
        "svg": lambda: matrix_svg(found),
        "table": lambda: str(found),
    }
    print(faces[given.output]())
    return DONE


def export(given: argparse.Namespace) -> int:
    """The cluster for somewhere else."""
    sys.stdout.write(cluster_of(given).export(given.to))
    return DONE


def _json(found: Any) -> str:
    return json.dumps(found, indent=1, sort_keys=True)


def _must_have_pods(cluster: Cluster) -> None:
    """A matrix is of pods that have an address; those that have none (yet) are told."""
    from k8slearn.importing.objects import SYSTEM

    pods = cluster.get("pods", namespace=None)
    if not [pod for pod in pods if pod["metadata"]["namespace"] not in SYSTEM]:
        raise Refused("there are no pods in these manifests, nor anything that makes pods: nobody can reach anybody")
    for pod in pods:
        if not (pod.get("status") or {}).get("podIP"):
            where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            warnings.warn(f"{where} has no address and is not in the matrix: {_why(cluster, pod)}", stacklevel=1)


def _must_have_an_enforcer(cluster: Cluster) -> None:
    """Policies that nobody enforces are told: a table full of dots would surprise whoever wrote them."""
    from k8slearn.cni.enforcer import enforcer

    policies = cluster.get("networkpolicies", namespace=None)
    if policies and not any(enforcer(cluster.world, f"node:{node}") for node, _ in cluster.settings.nodes):
        warnings.warn(
            f"nobody enforces NetworkPolicies under the network {cluster.settings.wiring!r}, and there are "
            f"{len(policies)}: with --network calico the matrix is what they say",
            stacklevel=1,
        )


def _why(cluster: Cluster, pod: dict[str, Any]) -> str:
    """What the last warning about the pod says, or its phase."""
    metadata = pod["metadata"]
    said = [
        event["message"]
        for event in cluster.get("events", namespace=metadata["namespace"])
        if event["involvedObject"].get("uid") == metadata["uid"] and event["type"] == "Warning"
    ]
    return said[-1] if said else f"it is {(pod.get('status') or {}).get('phase', 'Pending')}"
