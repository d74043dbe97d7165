"""What the kubelet tells the API of a pod: ``status``, in the API's own form.

The addresses are the sandbox's, as the runtime reports them; the kubelet neither chooses nor checks them. At most one
of each family counts, and in a dual-stack cluster ``podIPs`` has both. The phase follows
from the containers alone. A condition's time moves only when its status does.

Left out: resources, allocated devices, ``observedGeneration``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8slearn.api.admit import stamped, timestamp
from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components.kubelet import containers, probes, programs, retry
from k8slearn.components.kubelet.pod import Pod
from k8slearn.journal import Commands, Put

Obj = dict[str, Any]
READY_TO_START = "PodReadyToStartContainers"
SINCE = 29
"""The minor version from which on the kubelet reports it."""
SCHEDULED = "PodScheduled"
"""A kubelet that has a pod says so, whoever placed it."""
EXPIRED = "Pod was active on the node longer than the specified deadline"
_OURS = (READY_TO_START, "Initialized", "Ready", "ContainersReady")


def report(pod: Pod, sandbox: Sandbox | None) -> Commands:
    """Write the pod's status, if it is not what the API has. (A plugin may have annotated the pod meanwhile.)"""
    obj: Obj = pod.world.get(pod.row) or pod.obj
    before: Obj = obj.get("status") or {}
    now = _status(pod, before, sandbox)
    if now != before:
        yield Put(pod.row, stamped(pod.world, {**obj, "status": now}))


def _status(pod: Pod, before: Obj, sandbox: Sandbox | None) -> Obj:
    inits = [_container(pod, spec, sandbox, True) for spec in pod.spec.get("initContainers") or ()]
    done = all(c["ready"] for c in inits)
    apps = [_container(pod, spec, sandbox, done) for spec in pod.spec["containers"]]
    phase = _phase(pod, inits, apps)
    out = {
        **before,
        "phase": phase,
        "conditions": _conditions(pod, before, sandbox, phase, inits, apps),
        "hostIP": pod.host_ip,
        "hostIPs": [{"ip": address} for address in pod.host_ips],
        "startTime": before.get("startTime") or timestamp(pod.world.clock),
        "containerStatuses": apps,
    }
    if pod.expired:
        out |= {"phase": "Failed", "reason": "DeadlineExceeded", "message": EXPIRED}
    if inits:
        out["initContainerStatuses"] = inits
    if sandbox is not None and sandbox.ip:
        out |= {"podIP": sandbox.ip, "podIPs": [{"ip": address} for address in sandbox.ips]}
    return out


def _container(pod: Pod, spec: Obj, sandbox: Sandbox | None, initialized: bool) -> Obj:
    """One entry of containerStatuses."""
    rows = [c for c in cri.containers(pod.world, pod.node, pod.key) if c.name == spec["name"]]
    last = rows[-1] if rows else None
    base = {"name": spec["name"], "image": spec.get("image", ""), "imageID": "", "lastState": {}, "restartCount": 0}
    if last is None:
        reason = "ContainerCreating" if initialized else "PodInitializing"
        if sandbox is None and pod.spec.get("initContainers"):
            reason = "PodInitializing"
        why = _unconfigured(pod, spec) or {"reason": reason}
        return {**base, "ready": False, "started": False, "state": {"waiting": why}}
    waiting = _unconfigured(pod, spec) or _waiting(pod, last)
    dead = [c for c in rows if c.state == cri.EXITED and (waiting or c is not last)]
    init_done = last.init and last.state == cri.EXITED and last.exit_code == 0 and not containers.is_sidecar(spec)
    running = last.state == cri.RUNNING
    return {
        **base,
        "image": programs.full_name(last.image) if not pod.dial.dockershim else last.image,
        "imageID": _image_id(pod, last),
        "containerID": _id(pod, last),
        "lastState": {"terminated": _terminated(pod, dead[-1])} if dead else {},
        "restartCount": last.attempt,
        "ready": (running and probes.ready(pod, spec, last)) or init_done,
        "started": running and probes.started(pod, spec, last),
        "state": {"waiting": waiting} if waiting else _state(pod, last),
    }


def _unconfigured(pod: Pod, spec: Obj) -> Obj | None:
    why = containers.unconfigured(pod, spec)
    return {"reason": "CreateContainerConfigError", "message": why} if why else None


def _waiting(pod: Pod, last: Container) -> Obj | None:
    """CrashLoopBackOff: dead, to be started again, but not yet."""
    if last.state != cri.EXITED or pod.world.get(retry.key(pod.node, pod.key, last.name)) is None:
        return None
    message = f"back-off {duration(last.backoff)} restarting failed container={last.name} pod={pod.full_name}"
    return {"reason": "CrashLoopBackOff", "message": message}


def duration(seconds: float) -> str:
    """Seconds as Go prints a duration: ``1m20s``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _state(pod: Pod, last: Container) -> Obj:
    if last.state == cri.RUNNING:
        return {"running": {"startedAt": timestamp(last.started)}}
    if last.state == cri.EXITED:
        return {"terminated": _terminated(pod, last)}
    return {"waiting": {"reason": "ContainerCreating"}}


def _terminated(pod: Pod, dead: Container) -> Obj:
    return {
        "containerID": _id(pod, dead),
        "exitCode": dead.exit_code,
        "finishedAt": timestamp(dead.finished),
        "reason": dead.reason,
        "startedAt": timestamp(dead.started),
    }


def _id(pod: Pod, container: Container) -> str:
    return f"{pod.dial.scheme}://{container.id}"


def _image_id(pod: Pod, container: Container) -> str:
    if pod.dial.dockershim:
        return f"docker-pullable://{container.image.partition(':')[0]}@{container.image_id}"
    name = programs.full_name(container.image).partition("@")[0]
    last = name.rpartition("/")[2]
    return f"{name[: len(name) - len(last)]}{last.partition(':')[0]}@{container.image_id}"


def _phase(pod: Pod, inits: list[Obj], apps: list[Obj]) -> str:
    """kubelet_pods.go getPhase(): from the containers' states alone."""
    failed = any(_exit(c) for c in inits if "terminated" in c["state"])
    if failed and pod.restart_policy == "Never":
        return "Failed"
    if not all(c["ready"] for c in inits):
        return "Pending"
    if any("waiting" in c["state"] and not c["lastState"] for c in apps):
        return "Pending"
    if any("running" in c["state"] for c in apps) or pod.restart_policy == "Always":
        return "Running"
    if all(_exit(c) == 0 for c in apps):
        return "Succeeded"
    return "Failed" if pod.restart_policy == "Never" else "Running"


def _exit(container: Obj) -> int:
    ended = container["state"].get("terminated") or container["lastState"].get("terminated") or {}
    return int(ended.get("exitCode", 0))


def _conditions(
    pod: Pod, before: Obj, sandbox: Sandbox | None, phase: str, inits: list[Obj], apps: list[Obj]
) -> list[Obj]:
    """The kubelet's four (three before 1.29), then those that others wrote (PodScheduled, readiness gates)."""
    known = {c["type"]: c for c in before.get("conditions") or ()}
    says = list(_says(sandbox, phase, inits, apps))
    if pod.dial.minor >= SINCE:
        up = sandbox is not None and sandbox.state == cri.READY and bool(sandbox.ip)
        says.insert(0, (READY_TO_START, up, "", ""))
    ours = [_condition(pod, known.get(kind), kind, holds, reason, said) for kind, holds, reason, said in says]
    placed = [] if SCHEDULED in known else [_condition(pod, None, SCHEDULED, True, "", "")]
    return [*ours, *(c for kind, c in known.items() if kind not in _OURS), *placed]


def _says(
    sandbox: Sandbox | None, phase: str, inits: list[Obj], apps: list[Obj]
) -> Iterator[tuple[str, bool, str, str]]:
    lacking = [c["name"] for c in inits if not c["ready"]]
    initialized = not lacking
    if initialized:
        yield ("Initialized", True, "PodCompleted" if phase == "Succeeded" else "", "")
    else:
        yield (
            "Initialized",
            False,
            "ContainersNotInitialized",
            f"containers with incomplete status: {_names(lacking)}",
        )
    unready = [c["name"] for c in apps if not c["ready"]]
    reason, said = "ContainersNotReady", f"containers with unready status: {_names(unready)}"
    if phase == "Succeeded":
        reason, said = "PodCompleted", ""
    ready = not unready and initialized
    for kind in ("Ready", "ContainersReady"):
        yield (kind, ready, "" if ready else reason, "" if ready else said)


def _names(names: list[str]) -> str:
    return f"[{' '.join(names)}]"


def _condition(pod: Pod, before: Obj | None, kind: str, holds: bool, reason: str, message: str) -> Obj:
    value = "True" if holds else "False"
    moved = before is None or before["status"] != value
    when = timestamp(pod.world.clock) if moved or before is None else before["lastTransitionTime"]
    said = {k: v for k, v in (("reason", reason), ("message", message)) if v}
    return {"type": kind, "status": value, "lastTransitionTime": when, **said}
