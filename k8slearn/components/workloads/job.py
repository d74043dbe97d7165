"""The Job controller: pods that run to their end, until enough of them have succeeded.

It keeps up to ``parallelism`` pods running while ``completions`` is not reached; a pod that failed is replaced until
``backoffLimit`` is used up. The pods of a finished Job stay, so that their logs can be read.

Left out: indexed jobs, deadlines, the pause between retries, suspension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import timestamp
from k8slearn.api.events import event
from k8slearn.components.workloads import owning
from k8slearn.journal import Commands, Key, World

Obj = dict[str, Any]


class Jobs:
    """Keys: Jobs, as ``namespace/name``."""

    name = "job-controller"

    def watches(self) -> Mapping[str, str]:
        return {"jobs": "how many must succeed", "pods": "those it owns"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        owner = str(changed[2]) if changed[1] == "jobs" else owning.owner_key(world, changed, "Job")
        return (owner,) if owner and owner in world.table("api", "jobs") else ()

    def reconcile(self, world: World, key: str) -> Commands:
        where: Key = ("api", "jobs", key)
        own = world.get(where)
        if own is None or _ended(own) or own["metadata"].get("deletionTimestamp"):
            return
        phases = [pod.get("status", {}).get("phase") for pod in owning.owned(world, "pods", own)]
        running = len(owning.active(owning.owned(world, "pods", own)))
        left = _completions(own) - phases.count("Succeeded")
        hopeless = phases.count("Failed") > own["spec"].get("backoffLimit", 6)
        for _ in range(0 if hopeless else min(own["spec"].get("parallelism", 1), left) - running):
            yield from owning.create_pod(world, own, self.name)
        yield from owning.put_status(world, where, own, _status(world, own, hopeless))
        after = world.get(where)
        if _ended(after):
            said = (
                ("Job has reached the specified backoff limit", "Warning") if hopeless else ("Job completed", "Normal")
            )
            reason = "BackoffLimitExceeded" if hopeless else "Completed"
            yield event(world, after, reason, said[0], self.name, said[1])

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _completions(own: Obj) -> int:
    return int(own["spec"].get("completions", own["spec"].get("parallelism", 1)))


def _ended(own: Obj) -> bool:
    return conditions.holds(own, "Complete") or conditions.holds(own, "Failed")


def _status(world: World, own: Obj, hopeless: bool) -> Obj:
    pods = owning.owned(world, "pods", own)
    phases = [pod.get("status", {}).get("phase") for pod in pods]
    counts = {
        "active": len(owning.active(pods)),
        "ready": len(owning.ready(pods)),
        "succeeded": phases.count("Succeeded"),
        "failed": phases.count("Failed"),
    }
    now = timestamp(world.clock)
    status = {
        "startTime": (own.get("status") or {}).get("startTime", now),
        **{name: count for name, count in counts.items() if count or name == "ready"},
    }
    if counts["succeeded"] >= _completions(own):
        return {**conditions.put(world, status, "Complete", "True", "CompletionsReached"), "completionTime": now}
    if hopeless:
        reason, says = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        return conditions.put(world, status, "Failed", "True", reason, says)
    return status
