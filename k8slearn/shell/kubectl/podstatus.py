"""The one word in the STATUS column of ``kubectl get pods``: a summary that the API itself does not have.

The phase alone says little (a crashing pod is ``Running``), so the API server looks through the containers for the most
telling reason: pkg/printers/internalversion/printers.go, printPod.

Left out: pods of a node that the cloud has lost (``Unknown``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from k8slearn.api import seconds
from k8slearn.journal import World
from k8slearn.shell.kubectl.ages import since

Obj = dict[str, Any]


class Summary(NamedTuple):
    """READY, STATUS and RESTARTS of a pod."""

    ready: str
    status: str
    restarts: str


def summary(world: World, pod: Obj) -> Summary:
    """What the row of a pod says."""
    status, spec = pod.get("status") or {}, pod["spec"]
    containers = status.get("containerStatuses") or []
    count = sum(c.get("restartCount", 0) for c in containers)
    inits = status.get("initContainerStatuses") or []
    word = _initializing(spec, inits)
    if word:
        count = sum(c.get("restartCount", 0) for c in inits)
        containers_seen = inits
    else:
        word, containers_seen = _word(status, containers), containers
    if pod["metadata"].get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        word = "Terminating"
    ready = sum(1 for c in containers if c.get("ready") and "running" in (c.get("state") or {}))
    return Summary(f"{ready}/{len(spec['containers'])}", word, _restarts(world, count, containers_seen))


def _initializing(spec: Obj, inits: list[Obj]) -> str:
    """``Init:0/2`` and its kin, while an init container has not ended well."""
    total = len(spec.get("initContainers") or ())
    for done, container in enumerate(inits):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended and ended.get("exitCode") == 0:
            continue
        if ended:
            return f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{done}/{total}"
    return ""


def _word(status: Obj, containers: list[Obj]) -> str:
    word = status.get("reason") or status.get("phase") or "Unknown"
    scheduled: Obj = next((c for c in status.get("conditions") or () if c["type"] == "PodScheduled"), {})
    if scheduled.get("reason") == "SchedulingGated":
        word = "SchedulingGated"
    running = False
    for container in reversed(containers):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            word = waiting["reason"]
        elif ended is not None:
            word = ended.get("reason") or _exit(ended)
        elif container.get("ready") and "running" in state:
            running = True
    if word == "Completed" and running:
        whole = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        word = "Running" if whole else "NotReady"
    return str(word)


def _exit(ended: Obj) -> str:
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _restarts(world: World, count: int, containers: list[Obj]) -> str:
    ends = [((c.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for c in containers]
    latest = max((e for e in ends if e), key=seconds, default=None)
    return f"{count} ({since(world, latest)} ago)" if count and latest else str(count)
