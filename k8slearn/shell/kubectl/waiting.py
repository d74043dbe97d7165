"""``kubectl wait`` and ``kubectl rollout``: is it there yet?

A cluster here is at rest after every command, so waiting cannot change anything: what is not true now is answered with
kubectl's timeout. What only time brings (a back-off, a grace period) comes when the clock is advanced.

Left out: ``rollout undo``, ``history``, ``pause``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8slearn import api
from k8slearn.linux.program import Result
from k8slearn.shell.kubectl import jsonpath, written
from k8slearn.shell.kubectl.change import FILES
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail, switch
from k8slearn.shell.kubectl.resources import SELECTING, found, one, wanted

Obj = dict[str, Any]

_PATIENT = Flag(idle="what is not so now comes with the clock: cluster.advance(seconds=30)")
WAIT_FLAGS: dict[str, Flag] = {**FILES, **SELECTING, "for": Flag(), "all": switch(), "timeout": _PATIENT}


def wait(request: Request) -> Doing:
    """``kubectl wait --for=condition=Ready pod/web``."""
    yield from ()
    condition = request.flags["for"]
    kind, _, detail = condition.partition("=")
    if kind.lower() not in ("condition", "delete", "jsonpath", "create"):
        fail(f'error: unrecognized condition: "{condition}"')
    out, err = "", ""
    seen = False
    for want in wanted(request.world, request.words):
        if not want.names and not (request.flags["all"] or request.flags["selector"]):
            fail("error: resource(s) were provided, but no name was specified")
        got = found(request, want)
        seen = seen or bool(got.objects) or bool(want.names)
        if kind.lower() != "delete" and got.missing:
            fail(got.missing[0])
        for obj in got.objects:
            if _met(kind.lower(), detail, obj):
                out += f"{written.name(obj)} condition met\n"
            else:
                err += f"timed out waiting for the condition on {want.kind.plural}/{obj['metadata']['name']}\n"
    if not seen and kind.lower() != "delete":
        fail("error: no matching resources found")
    single = err.count("\n") == 1
    return Result(out, f"error: {err}" if single else err, bool(err))


def _met(kind: str, detail: str, obj: Obj) -> bool:
    if kind == "create":
        return True
    if kind == "delete":
        return False
    if kind == "jsonpath":
        path, equals, value = detail.partition("=") if "]" not in detail else _past_brackets(detail)
        values = [jsonpath.text(v) for v in jsonpath.find(path.strip("'{}"), obj)]
        return value.strip("'\"") in values if equals else any(values)
    name, _, value = detail.partition("=")
    conditions = (obj.get("status") or {}).get("conditions") or ()
    wished = (value or "True").lower()
    return any(c["type"].lower() == name.lower() and c["status"].lower() == wished for c in conditions)


def _past_brackets(detail: str) -> tuple[str, str, str]:
    """A path may have ``==`` in its brackets; the value stands behind the last brace or bracket."""
    end = max(detail.rfind("}"), detail.rfind("]")) + 1
    path, equals, value = detail[end:].partition("=")
    return detail[:end] + path, equals, value


ROLLOUT_FLAGS: dict[str, Flag] = {
    **FILES,
    **SELECTING,
    "watch": Flag("w", takes=False, default="true"),
    "timeout": _PATIENT,
    "revision": Flag(idle="it belongs to `rollout history`, which is refused"),
    "to-revision": Flag(idle="it belongs to `rollout undo`, which is refused"),
}


def rollout(request: Request) -> Doing:
    """``kubectl rollout status|restart TYPE/NAME``."""
    verb = request.words[0] if request.words else ""
    if verb not in _ROLLOUTS:
        fail(
            f"error: `kubectl rollout {verb}` is not modelled: of rollout there are status and restart".replace(
                "  ", " "
            )
        )
    if len(request.words) == 1:
        fail("error: required resource not specified")
    return (yield from _ROLLOUTS[verb](request))


def _restart(request: Request) -> Doing:
    kind, obj = one(request, request.words[1:])
    if kind.kind not in _STATUS:
        fail(f'error: {kind.plural} "{obj["metadata"]["name"]}" restarting is not supported')
    template = obj["spec"]["template"]
    metadata = template.get("metadata") or {}
    when = api.timestamp(request.world.clock)
    annotations = {**(metadata.get("annotations") or {}), "kubectl.kubernetes.io/restartedAt": when}
    template = {**template, "metadata": {**metadata, "annotations": annotations}}
    yield from api.replace(request.world, {**obj, "spec": {**obj["spec"], "template": template}})
    return Result(f"{written.name(obj)} restarted\n")


def _status(request: Request) -> Doing:
    yield from ()
    kind, obj = one(request, request.words[1:])
    if kind.kind not in _STATUS:
        fail(f"error: no status viewer has been implemented for {kind.kind}")
    metadata, status = obj["metadata"], obj.get("status") or {}
    if metadata.get("generation", 0) > status.get("observedGeneration", 0):
        said, done = f"Waiting for {_SPOKEN[kind.kind]} spec update to be observed...\n", False
    else:
        said, done = _STATUS[kind.kind](metadata["name"], obj["spec"], status)
    if done or request.flags["watch"] == "false":
        return Result(said)
    return Result(said, "error: timed out waiting for the condition\n", 1)


_SPOKEN = {"Deployment": "deployment", "DaemonSet": "daemon set", "StatefulSet": "statefulset"}


def _deployment(name: str, spec: Obj, status: Obj) -> tuple[str, bool]:
    wanted_count = spec.get("replicas", 1)
    updated, total, available = (status.get(f, 0) for f in ("updatedReplicas", "replicas", "availableReplicas"))
    start = f'Waiting for deployment "{name}" rollout to finish: '
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            fail(f'error: deployment "{name}" exceeded its progress deadline')
    if updated < wanted_count:
        return f"{start}{updated} out of {wanted_count} new replicas have been updated...\n", False
    if total > updated:
        return f"{start}{total - updated} old replicas are pending termination...\n", False
    if available < updated:
        return f"{start}{available} of {updated} updated replicas are available...\n", False
    return f'deployment "{name}" successfully rolled out\n', True


def _daemonset(name: str, spec: Obj, status: Obj) -> tuple[str, bool]:
    start = f'Waiting for daemon set "{name}" rollout to finish: '
    updated, desired = status.get("updatedNumberScheduled", 0), status.get("desiredNumberScheduled", 0)
    available = status.get("numberAvailable", 0)
    if updated < desired:
        return f"{start}{updated} out of {desired} new pods have been updated...\n", False
    if available < desired:
        return f"{start}{available} of {desired} updated pods are available...\n", False
    return f'daemon set "{name}" successfully rolled out\n', True


def _statefulset(name: str, spec: Obj, status: Obj) -> tuple[str, bool]:
    waiting = spec.get("replicas", 1) - status.get("readyReplicas", 0)
    if waiting > 0:
        return f"Waiting for {waiting} pods to be ready...\n", False
    total, revision = status.get("currentReplicas", 0), status.get("currentRevision", "")
    return f"statefulset rolling update complete {total} pods at revision {revision}...\n", True


_STATUS: Mapping[str, Callable[[str, Obj, Obj], tuple[str, bool]]] = {
    "Deployment": _deployment,
    "DaemonSet": _daemonset,
    "StatefulSet": _statefulset,
}
_ROLLOUTS: Mapping[str, Callable[[Request], Doing]] = {"status": _status, "restart": _restart}
COMMANDS: dict[str, Kubectl] = {"wait": Kubectl(wait, WAIT_FLAGS), "rollout": Kubectl(rollout, ROLLOUT_FLAGS)}
