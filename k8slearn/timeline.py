"""A pod's life, step by step: what was asked for, who called whom with what, and what came of it.

The journal has every entry; the timeline is those of one pod, each as a line with its revision. To stand where a step
stands, ask for the cluster as it was then: ``cluster.at(step.revision)``.

::

    API objects   created, bound to a node, its status, its events
    calls         kubelet -> containerd: RunPodSandbox, containerd -> CNI: ADD, ... (`cni.cri.Call`)
    states        what the runtime knows of its sandboxes and containers
    rows          namespaces, links, addresses, routes, rules that were written because of the pod

Left out: entries that other pods share (a Service's rules), and a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from k8slearn.cni.cri import Call, Container, Sandbox
from k8slearn.journal import Change, Journal

Obj = dict[str, Any]
CALL, OBJECT, STATE, ROW = "call", "object", "state", "row"


class Step(NamedTuple):
    """One line: the journal's `revision`, the `second` on the logical clock, who wrote it, and what it says."""

    revision: int
    second: float
    author: str
    kind: str
    """``call``, ``object``, ``state`` (of a sandbox or a container) or ``row``."""
    says: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of one pod's life, oldest first."""

    pod: str
    steps: tuple[Step, ...]

    def calls(self) -> list[str]:
        """The calls alone: ``kubelet -> containerd: RunPodSandbox(...)``."""
        return [step.says for step in self.steps if step.kind == CALL]

    def text(self) -> str:
        """A table: revision, second, author, what happened. Rows that followed a call are indented."""
        if not self.steps:
            return f"nothing has happened to a pod {self.pod}"
        width = max(len(step.author) for step in self.steps)
        lines = (
            f"{step.revision:>8}  {step.second:>6g}s  {step.author:<{width}}  {'  ' * (step.kind == ROW)}{step.says}"
            for step in self.steps
        )
        return "\n".join(lines)

    def to_dict(self) -> Obj:
        """JSON-ready."""
        return {"pod": self.pod, "steps": [step._asdict() for step in self.steps]}

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


def timeline(journal: Journal, pod: str, rows: bool = False) -> Timeline:
    """The life of a pod (``namespace/name``) as far as the journal goes; with `rows`, every row of the kernels too."""
    return Timeline(pod, tuple(step for step in _steps(journal, pod) if rows or step.kind != ROW))


def _steps(journal: Journal, pod: str) -> Iterator[Step]:
    second = 0.0
    for entry in journal:
        if not isinstance(entry, Change):
            continue
        if entry.key[1] == "now":
            second = float(entry.value or 0)
        for kind, says in _said(entry, pod):
            yield Step(entry.revision, second, entry.author, kind, says)


def _said(change: Change, pod: str) -> Iterator[tuple[str, str]]:
    scope, table, _ = change.key
    row = change.value if change.value is not None else change.before
    if table == "call":
        if isinstance(row, Call) and row.pod == pod:
            yield CALL, str(row)
    elif scope == "api":
        yield from ((OBJECT, says) for says in _object(change, pod))
    elif isinstance(row, Sandbox | Container):
        if row.pod == pod:
            yield STATE, _state(change, row)
    elif table != "probe" and table != "retry" and change.cause == ("api", "pods", pod):
        yield ROW, _row(change)


def _state(change: Change, row: Sandbox | Container) -> str:
    what = f"sandbox {row.id[:13]}" if isinstance(row, Sandbox) else f"container {row.name} {row.id[:13]}"
    if change.value is None:
        return f"{what}: forgotten"
    address = f", {row.ip}" if isinstance(row, Sandbox) and row.ip else ""
    code = f", exit code {row.exit_code}" if isinstance(row, Container) and row.state == "EXITED" else ""
    return f"{what}: {row.state}{address}{code}"


def _row(change: Change) -> str:
    scope, table, name = change.key
    verb = "gone" if change.value is None else "new" if change.before is None else "changed"
    words = " ".join(map(str, name)) if isinstance(name, tuple) else str(name)
    return f"{scope.removeprefix('node:')}: {table}{' ' if words else ''}{words} {verb}"


def _object(change: Change, pod: str) -> Iterator[str]:
    """What changed in the pod's object, or an event about it."""
    _, table, name = change.key
    if table == "events" and change.value is not None:
        about, namespace = change.value["involvedObject"], pod.partition("/")[0]
        if about["kind"] == "Pod" and f"{about.get('namespace', namespace)}/{about['name']}" == pod:
            yield f"event {change.value['type']} {change.value['reason']}: {change.value['message']}"
    if table == "pods" and name == pod:
        if change.before is None:
            yield f"Pod {pod} is created"
        elif change.value is None:
            yield f"Pod {pod} is gone"
        else:
            yield from _differences(change.before, change.value)


def _differences(before: Obj, after: Obj) -> Iterator[str]:
    was, now = _facts(before), _facts(after)
    for name in now:
        if was.get(name) != now[name]:
            yield f"{name}: {was.get(name) or '<none>'} -> {now[name] or '<none>'}"


def _facts(pod: Obj) -> dict[str, str]:
    """What a reader wants to see change: field -> value."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    found = {
        "deletionTimestamp": str(metadata.get("deletionTimestamp") or ""),
        "nodeName": str(pod["spec"].get("nodeName") or ""),
        "phase": str(status.get("phase") or ""),
        "podIP": str(status.get("podIP") or ""),
    }
    found |= {f"condition {c['type']}": c["status"] for c in status.get("conditions") or ()}
    for field in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(field) or ():
            (state, about) = next(iter((each.get("state") or {"waiting": {}}).items()))
            reason = about.get("reason")
            found[f"container {each['name']}"] = state + (f" ({reason})" if reason else "")
    return found
