"""A sandbox and a container as the container runtime describes them: CRI's own field names, in JSON.

Left out: mounts, resources, security contexts, annotations.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.linux import netns

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Obj = dict[str, Any]


def _time(seconds: float) -> str:
    """A second of the logical clock as a date; 0001-01-01 where it has not happened."""
    return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _namespaces(box: Sandbox, container: bool = False) -> list[Obj]:
    """The OCI runtime's list: which namespaces are its own, and which it joins by the file that stands for them."""
    shared = [] if box.host_network else [{"type": "network", "path": netns.path(box.netns)}]
    pids = {"type": "pid", "path": f"/proc/{box.pid}/ns/pid"} if container and box.pids == "POD" else {"type": "pid"}
    kinds = [{"type": kind} | ({"path": f"/proc/{box.pid}/ns/{kind}"} if container else {}) for kind in ("ipc", "uts")]
    return [*([] if box.pids == "NODE" else [pids]), *kinds, {"type": "mount"}, *shared]


def _labels(pod: str, uid: str) -> Obj:
    namespace, _, name = pod.partition("/")
    keys = ("name", "namespace", "uid")
    return dict(zip((f"io.kubernetes.pod.{key}" for key in keys), (name, namespace, uid), strict=True))


def sandbox_object(row: Sandbox, whole: bool = False) -> Obj:
    """``crictl inspectp`` (`whole`), or one item of ``crictl pods -o json``."""
    namespace, _, name = row.pod.partition("/")
    status: Obj = {
        "id": row.id,
        "metadata": {"attempt": row.attempt, "name": name, "namespace": namespace, "uid": row.uid},
        "state": f"SANDBOX_{row.state}",
        "createdAt": _time(row.created),
        "labels": {} if row.hand else _labels(row.pod, row.uid),
    }
    if not whole:
        return status
    where = "NODE" if row.host_network else "POD"
    status["network"] = {"additionalIps": [{"ip": ip} for ip in row.additional_ips], "ip": row.ip}
    status["linux"] = {"namespaces": {"options": {"ipc": "POD", "network": where, "pid": row.pids}}}
    spec = {"linux": {"namespaces": _namespaces(row)}}
    return {"status": status, "info": {"image": row.image, "pid": row.pid, "runtimeSpec": spec}}


def container_object(row: Container, box: Sandbox | None = None) -> Obj:
    """``crictl inspect`` (with its sandbox), or one item of ``crictl ps -o json``."""
    labels = _labels(row.pod, box.uid if box is not None else "")
    status: Obj = {
        "id": row.id,
        "metadata": {"attempt": row.attempt, "name": row.name},
        "state": f"CONTAINER_{row.state}",
        "createdAt": _time(row.created),
        "image": {"image": row.image},
        "imageRef": row.image_id,
        "labels": {"io.kubernetes.container.name": row.name, **labels},
    }
    if box is None:
        return {**status, "podSandboxId": row.sandbox}
    status |= {"startedAt": _time(row.started), "exitCode": row.exit_code, "reason": row.reason}
    status |= {"finishedAt": _time(row.finished)} if row.state == cri.EXITED else {}
    pid = cri.process_id(row.id) if row.state == cri.RUNNING else 0
    spec = {"linux": {"namespaces": _namespaces(box, True)}}
    return {"status": status, "info": {"sandboxID": box.id, "pid": pid, "runtimeSpec": spec}}
