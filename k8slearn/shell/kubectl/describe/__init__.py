"""``kubectl describe``: an object told to a person, with what happened to it at the end.

Each kind has a function from (request, object) to lines; tabs in a line become columns (`tabs.py`). The functions
follow the order of kubectl's describe.go, line by line: people recognise a page by its shape. ``tests/shell`` holds
them against the real kubectl, which makes these pages itself out of what the API sends.

Left out: kinds without a network meaning and without a page of their own here are shown field by field, as kubectl does
with custom resources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from typing import Any

from k8slearn.api import shown, warnings
from k8slearn.api.kinds import Kind
from k8slearn.linux.program import Result
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail
from k8slearn.shell.kubectl.describe import fields, namespaced, network, node, pod, service, workloads
from k8slearn.shell.kubectl.resources import SELECTING, chosen, found, wanted, warned_of
from k8slearn.shell.kubectl.tabs import aligned

Obj = dict[str, Any]
Page = Callable[[Request, Obj], Iterator[str]]

FLAGS: dict[str, Flag] = {**SELECTING, "show-events": Flag(takes=False, default="true")}
PAGES: Mapping[str, Page] = {
    "Pod": pod.page,
    "Service": service.page,
    "EndpointSlice": service.slice_page,
    "Endpoints": service.endpoints_page,
    "Node": node.page,
    "Deployment": workloads.deployment,
    "ReplicaSet": workloads.replicaset,
    "ReplicationController": workloads.replicaset,
    "DaemonSet": workloads.daemonset,
    "StatefulSet": workloads.statefulset,
    "Job": workloads.job,
    "NetworkPolicy": network.policy,
    "Ingress": network.ingress,
    "IngressClass": network.ingress_class,
    "Namespace": namespaced.namespace,
    "ConfigMap": namespaced.configmap,
    "Secret": namespaced.secret,
    "ServiceAccount": namespaced.service_account,
    "PersistentVolumeClaim": namespaced.claim,
}
_NO_TYPE = (
    'error: You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of '
    "supported resources."
)


def describe(request: Request) -> Doing:
    """``kubectl describe TYPE [NAME_OR_PREFIX...]``."""
    yield from ()
    if not request.words:
        fail(_NO_TYPE)
    pages: list[str] = []
    missing: list[str] = []
    wants = wanted(request.world, request.words)
    said = warned_of(sentence for want in wants for sentence in warnings({"kind": want.kind.kind}))
    for want in wants:
        got = found(request, want, shown)
        pages += [_page(request, want.kind, obj) for obj in got.objects]
        for sentence in got.missing:
            alike = _by_prefix(request, want.kind, sentence)
            pages += [_page(request, want.kind, obj) + "\n" for obj in alike]
            missing += [] if alike else [sentence]
    if not pages and not missing:
        where = "" if request.flags["all-namespaces"] else f" in {request.namespace} namespace."
        return Result(stderr=f"{said}No resources found{where}\n")
    return Result("\n\n".join(pages), said + "".join(s + "\n" for s in missing), bool(missing))


def _page(request: Request, kind: Kind, obj: Obj) -> str:
    own = PAGES.get(kind.kind) if kind.table == kind.plural else None
    lines = (own or fields.page)(request, obj)
    if request.flags["show-events"] == "false":
        lines = takewhile(lambda line: not line.startswith("Events:"), lines)
    return aligned(lines)


def _by_prefix(request: Request, kind: Kind, sentence: str) -> list[Obj]:
    """A name that nobody has may be the beginning of some: ``kubectl describe pod web`` finds ``web-5d8f…``."""
    prefix = sentence.split('"')[1]
    return [o for o in chosen(request, kind, shown) if o["metadata"]["name"].startswith(prefix)]


COMMANDS = {"describe": Kubectl(describe, FLAGS)}
