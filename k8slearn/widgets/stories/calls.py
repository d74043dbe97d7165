"""The calls of a pod's life: who asked whom for what, and what came of it before the next call.

The kubelet asks the container runtime over the CRI (``RunPodSandbox``, ``CreateContainer``); the runtime runs the CNI
plugins with ``CNI_COMMAND`` set to ADD or DEL. Each call is an entry of the journal; what was written because of the
pod until the next call stands with it.

What the plugins of a network were given and what they answered is what libcni keeps of each ADD under
``/var/lib/cni/results`` (containernetworking/cni, ``libcni/api.go: cacheAdd``): the configuration list, CNI_ARGS
and the result.

Left out: each plugin's own part of the list as its standard input, and CNI_PATH.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator

from k8slearn.cni.cri import Call
from k8slearn.errors import Refused
from k8slearn.journal import Change, Journal
from k8slearn.timeline import CALL, Step, timeline
from k8slearn.widgets.story import Line, Part, Story

RESULTS = "/var/lib/cni/results/"
ENVIRONMENT = {"ifname": "CNI_IFNAME", "netns": "CNI_NETNS"}
"""What a CNI call was told -> the variable that a plugin finds it in (CNI specification, "Parameters")."""


def of(journal: Journal, pod: str) -> Story:
    """The calls of this pod, oldest first; a part for each run of one caller. Refused for a pod that never was."""
    steps = timeline(journal, pod, True).steps
    if not steps:
        raise Refused(f"there never was a pod {pod}: kubectl get pods -A lists those that are there")
    changes = {entry.revision: entry for entry in journal.entries if isinstance(entry, Change)}
    made = [step for step in steps if step.kind == CALL]
    ends = [step.revision for step in made[1:]] + [steps[-1].revision + 1]
    parts: list[Part] = []
    for number, (step, end) in enumerate(zip(made, ends, strict=True), 1):
        call = changes[step.revision].value
        assert isinstance(call, Call)
        followed = [other for other in steps if step.revision < other.revision < end]
        title = f"{call.caller} -> {call.callee}"
        line = Line(
            f"{call.method}  {_told(call)}".strip(), "called", _details(call, step, followed, changes), str(number)
        )
        if parts and parts[-1].title == title:
            parts[-1] = Part(title, (*parts[-1].lines, line))
        else:
            parts.append(Part(title, (line,)))
    return Story(f"The calls in the life of {pod}", tuple(parts), "" if parts else "Nobody has called anybody yet.")


def _told(call: Call) -> str:
    return " ".join(f"{name}={value}" for name, value in call.told if value)


def _details(call: Call, step: Step, followed: list[Step], changes: dict[int, Change]) -> tuple[tuple[str, str], ...]:
    cni = call.callee == "CNI"
    variables = [("CNI_COMMAND", call.method)] if cni else []
    told = [(ENVIRONMENT.get(name, name) if cni else name, value) for name, value in call.told if value]
    kept = [pair for other in followed for pair in _kept(changes[other.revision])] if cni else []
    came = [("then", other.says) for other in followed]
    when = ("when", f"{step.second:g} s, revision {step.revision}")
    return (when, *variables, *told, *dict.fromkeys(kept), *came)


def _kept(change: Change) -> Iterator[tuple[str, str]]:
    """What libcni wrote down of an ADD."""
    if change.key[1] != "file" or not str(change.key[2]).startswith(RESULTS) or change.value is None:
        return
    cache = json.loads(str(change.value))
    yield "CNI_CONTAINERID", cache["containerId"]
    yield "CNI_ARGS", ";".join(f"{name}={value}" for name, value in cache["cniArgs"])
    yield f"configuration of {cache['networkName']}", b64decode(cache["config"]).decode()
    yield f"result of {cache['networkName']}", json.dumps(cache["result"])
