"""A security identity: a number for everybody who has the same labels, wherever they run and whatever their address.

Policies are written for labels, and programs compare numbers. Pods with equal labels have one identity; the numbers
below 256 are **reserved** for those who have no labels: the machine, other machines, the world. A packet carries its
sender's identity to the next machine as the tunnel's VNI.

Not all of a pod's labels count: those that differ between pods of one kind (``pod-template-hash``) do not
(pkg/labelsfilter), and four are added that say where it is from. In life the number is drawn; here it is derived from
the labels.

Sources: pkg/identity/reserved.go, pkg/identity/numericidentity.go, pkg/k8s/utils (SanitizePodLabels).

Left out: identities for names, garbage collection (``identity-gc-interval``), one identity's labels for a network
(all the longer ones that hold it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.journal import Commands, Put, Table, World, digest

Obj = Mapping[str, Any]
IDENTITIES = "ciliumidentities.cilium.io"
UNKNOWN, HOST, WORLD, UNMANAGED, HEALTH, INIT, REMOTE_NODE, KUBE_APISERVER, INGRESS = range(9)
NAMES: Mapping[int, str] = {
    UNKNOWN: "unknown",
    HOST: "host",
    WORLD: "world",
    UNMANAGED: "unmanaged",
    HEALTH: "health",
    INIT: "init",
    REMOTE_NODE: "remote-node",
    KUBE_APISERVER: "kube-apiserver",
    INGRESS: "ingress",
}
LEAST, MOST = 256, 65535
"""The identities of pods."""
LOCAL = 1 << 24
"""Above it are the identities that a machine gives by itself, to networks that policies name."""
NAMESPACE, OF_NAMESPACE = "io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels."
"""The label that says which namespace a pod is in, and how those begin that are the namespace's own."""
IGNORED = re.compile(
    r"io\.kubernetes|kubernetes\.io|.*beta\.kubernetes\.io|k8s\.io|pod-template-(generation|hash)|etcd_node|annotation"
    r"|controller-(revision-hash|uid)|statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index"
    r"|batch\.kubernetes\.io/(job-completion-index|controller-uid)"
)
"""Beginnings of labels that do not count (pkg/labelsfilter/filter.go)."""


def labels(pod: Obj, space: Obj | None = None) -> tuple[str, ...]:
    """The labels of a pod, and of its namespace, that make its identity, sorted: ``k8s:app=web``."""
    metadata = pod["metadata"]
    own = {name: value for name, value in (metadata.get("labels") or {}).items() if not IGNORED.match(name)}
    namespace = metadata.get("namespace") or "default"
    around = ((space or {}).get("metadata") or {}).get("labels") or {}
    added = {
        f"{OF_NAMESPACE}kubernetes.io/metadata.name": namespace,
        **{f"{OF_NAMESPACE}{name}": value for name, value in around.items()},
        "io.cilium.k8s.policy.cluster": "default",
        "io.cilium.k8s.policy.serviceaccount": (pod.get("spec") or {}).get("serviceAccountName") or "default",
        NAMESPACE: namespace,
    }
    return tuple(sorted(f"k8s:{name}={value}" for name, value in {**own, **added}.items()))


def find(world: World, wanted: Iterable[str]) -> int:
    """The identity of these labels; 0: nobody has them yet."""
    return world.table("api", IDENTITIES).index(_by_labels).get(tuple(sorted(wanted)), UNKNOWN)


def _by_labels(rows: Table) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    for row in rows.values():
        words = tuple(sorted(f"{name}={value}" for name, value in row["security-labels"].items()))
        found.setdefault(words, int(row["metadata"]["name"]))
    return found


def allocate(world: World, wanted: tuple[str, ...]) -> Commands:
    """A CiliumIdentity for these labels, unless there is one (``identity-allocation-mode: crd``)."""
    if find(world, wanted):
        return
    rows, span = world.table("api", IDENTITIES), MOST - LEAST + 1
    first = int(digest("identity", *wanted), 16) % span
    name = next(str(LEAST + (first + n) % span) for n in range(span) if str(LEAST + (first + n) % span) not in rows)
    words = dict(word.split("=", 1) for word in wanted)
    namespace = words.get("k8s:io.kubernetes.pod.namespace", "")
    metadata = {
        "name": name,
        "uid": uid(world, IDENTITIES, name),
        "creationTimestamp": timestamp(world.clock),
        "labels": {"io.kubernetes.pod.namespace": namespace},
    }
    made = {"apiVersion": "cilium.io/v2", "kind": "CiliumIdentity", "metadata": metadata, "security-labels": words}
    yield Put(("api", IDENTITIES, name), stamped(world, made))


def labels_of(world: World, number: int) -> tuple[str, ...]:
    """The labels behind an identity."""
    if number in NAMES:
        return (f"reserved:{NAMES[number]}",)
    row = world.get(("api", IDENTITIES, str(number)))
    return tuple(f"{name}={value}" for name, value in sorted(row["security-labels"].items())) if row else ()


def name(number: int) -> str:
    """``world (2)``, ``identity 34211``, ``network 16777217``."""
    word = "network" if number > LOCAL else "identity"
    return f"{NAMES[number]} ({number})" if number in NAMES else f"{word} {number}"
