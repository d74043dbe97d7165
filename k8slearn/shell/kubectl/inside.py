"""``kubectl exec`` and ``logs``: a container's inside, by way of its node's kubelet.

``exec`` runs a program in the pod's network namespace; all containers of a pod share it.

Left out: a terminal (``-it`` is taken and changes nothing), following (``logs -f`` prints what is there), port-forward,
attach, cp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k8slearn.cni import cri
from k8slearn.linux.program import Result
from k8slearn.shell import process
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail, invalid, switch, usage
from k8slearn.shell.kubectl.resources import chosen, found, wanted

Obj = dict[str, Any]

EXEC_FLAGS: dict[str, Flag] = {
    "container": Flag("c"),
    "stdin": switch("i"),
    "tty": switch("t"),
    "quiet": switch("q", idle="nothing else is printed"),
    "filename": Flag("f", many=True),
    "pod-running-timeout": Flag(idle="the cluster is at rest: a Pod runs, or it does not"),
}


def execute(request: Request) -> Doing:
    """``kubectl exec POD [-c CONTAINER] -- COMMAND``."""
    if not request.words:
        fail("error: pod, type/name or --filename must be specified")
    if len(request.words) > 1:
        usage("exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead", "exec")
    if not request.after:
        fail("error: you must specify at least one command for the container")
    pod = pod_of(request, request.words[0])
    container, notice = _container(request, pod)
    scope = _scope(request, pod, container)
    stdin = request.process.stdin if request.flags["stdin"] else ""
    row = _running(request, pod, container)
    env = cri.variables(request.world, row) if row is not None else {}
    inside = row.id if row is not None else ""
    result = yield from process.run(request.world, scope, list(request.after), stdin, env, inside)
    missing = f"sh: 1: {request.after[0]}: not found\n"
    if result.exit_code == 127 and result.stderr == missing:
        why = (
            "OCI runtime exec failed: exec failed: unable to start container process: exec: "
            f'"{request.after[0]}": executable file not found in $PATH: unknown\n'
        )
        return Result("", f"{notice}error: Internal error occurred: {why}", 1)
    ended = f"command terminated with exit code {result.exit_code}\n" if result.exit_code else ""
    return Result(result.stdout, notice + result.stderr + ended, result.exit_code)


def _running(request: Request, pod: Obj, container: str) -> cri.Container | None:
    """The container of this name that runs."""
    node, path = f"node:{pod['spec']['nodeName']}", f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    rows = cri.containers(request.world, node, path)
    return next((c for c in reversed(rows) if c.name == container and c.state == cri.RUNNING), None)


def pod_of(request: Request, word: str) -> Obj:
    """The pod that a word means: its name, ``pod/web``, or one of ``deploy/web``'s."""
    words: Sequence[str] = (word,) if "/" in word else ("pod", word)
    want = wanted(request.world, words)[0]
    got = found(request, want)
    if got.missing:
        fail(got.missing[0])
    obj = got.objects[0]
    if want.kind.kind == "Pod":
        return obj
    selector = obj["spec"].get("selector") or {}
    for pod in chosen(request, wanted(request.world, ["pods"])[0].kind):
        if _selected(want.kind.kind, selector, pod):
            return pod
    fail(f"error: timed out waiting for the condition: no pod belongs to {word}")


def _selected(kind: str, selector: Obj, pod: Obj) -> bool:
    from k8slearn.api import selectors

    if kind in ("Service", "ReplicationController"):
        return selectors.equal(selector, selectors.labels(pod))
    return selectors.matches(selector, selectors.labels(pod))


def _container(request: Request, pod: Obj) -> tuple[str, str]:
    """The container's name, and kubectl's notice if it chose one itself."""
    names = [c["name"] for c in pod["spec"]["containers"]]
    inits = [c["name"] for c in pod["spec"].get("initContainers") or ()]
    name = request.flags["container"]
    if name:
        if name not in names + inits:
            fail(f"Error from server (BadRequest): container {name} is not valid for pod {pod['metadata']['name']}")
        return name, ""
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in names:
        return str(default), ""
    several = [*names, *(f"{i} (init)" for i in inits)]
    notice = f'Defaulted container "{names[0]}" out of: {", ".join(several)}\n' if len(several) > 1 else ""
    return names[0], notice


def _scope(request: Request, pod: Obj, container: str) -> str:
    """The netns of the container; ends with kubectl's words while it does not run."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    if not pod["spec"].get("nodeName"):
        fail(f"Error from server (BadRequest): pod {metadata['name']} does not have a host assigned")
    if status.get("phase") in ("Succeeded", "Failed"):
        fail(f"error: cannot exec into a container in a completed pod; current phase is {status['phase']}")
    state = next((s.get("state") or {} for s in status.get("containerStatuses") or () if s["name"] == container), {})
    if "running" not in state:
        fail(f'error: Internal error occurred: unable to upgrade connection: container not found ("{container}")')
    node, path = f"node:{pod['spec']['nodeName']}", f"{metadata['namespace']}/{metadata['name']}"
    ready = [s for s in cri.sandboxes(request.world, node, path) if s.state == cri.READY]
    if not ready:
        fail(f'error: Internal error occurred: unable to upgrade connection: container not found ("{container}")')
    return node if ready[-1].host_network else ready[-1].netns


LOG_FLAGS: dict[str, Flag] = {
    "container": Flag("c"),
    "follow": switch("f", idle="the cluster is at rest, and nothing more is printed"),
    "previous": switch("p"),
    "tail": Flag(default="-1"),
    "since": Flag(instead="what a container printed has no times here; --tail counts lines"),
    "timestamps": switch(instead="what a container printed has no times here"),
    "all-containers": switch(),
    "all-pods": switch(instead="kubectl logs -l SELECTOR prints those of several Pods"),
    "prefix": switch(),
    "selector": Flag("l"),
    "max-log-requests": Flag(idle="logs are read one after the other"),
    "ignore-errors": switch(idle="it belongs to --follow"),
}
_NO_POD = (
    "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for "
    "the logs command\nSee 'kubectl logs -h' for help and examples"
)


def logs(request: Request) -> Doing:
    """``kubectl logs POD [-c CONTAINER] [-p]``."""
    yield from ()
    if not request.words and not request.flags["selector"]:
        fail(_NO_POD)
    pods = [_log_pod(request)] if request.words else chosen(request, wanted(request.world, ["pods"])[0].kind)
    out, err = "", ""
    for pod in pods:
        if request.flags["all-containers"]:
            names = [c["name"] for c in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])]
        else:
            name = request.words[1] if len(request.words) > 1 else ""
            one, notice = (name, "") if name else _container(request, pod)
            names, err = [one], err + notice
        for container in names:
            prefix = f"[pod/{pod['metadata']['name']}/{container}] " if request.flags["prefix"] else ""
            out += "".join(f"{prefix}{line}\n" for line in _lines(request, pod, container))
    return Result(out, err)


def _log_pod(request: Request) -> Obj:
    name = request.words[0]
    if "/" not in name and request.world.get(("api", "pods", f"{request.namespace}/{name}")) is None:
        fail(f'error: error from server (NotFound): pods "{name}" not found in namespace "{request.namespace}"')
    return pod_of(request, name)


def _lines(request: Request, pod: Obj, container: str) -> list[str]:
    metadata, spec = pod["metadata"], pod["spec"]
    mine: list[cri.Container] = []
    if spec.get("nodeName"):
        path = f"{metadata['namespace']}/{metadata['name']}"
        mine = [c for c in cri.containers(request.world, f"node:{spec['nodeName']}", path) if c.name == container]
    if request.flags["previous"]:
        mine = mine[:-1]
        if not mine:
            fail(
                f'Error from server (BadRequest): previous terminated container "{container}" in pod '
                f'"{metadata["name"]}" not found'
            )
    if not mine:
        fail(f"Error from server (BadRequest): {_waits(pod, container)}")
    lines = mine[-1].log.splitlines()
    tail = request.flags["tail"]
    if not tail.lstrip("-").isdecimal():
        invalid("tail", tail)
    return lines[max(len(lines) - int(tail), 0) :] if int(tail) >= 0 else lines


def _waits(pod: Obj, container: str) -> str:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if not pod["spec"].get("nodeName"):
        return f"pod {name} does not have a host assigned"
    state = next((s.get("state") or {} for s in status.get("containerStatuses") or () if s["name"] == container), {})
    reason = (state.get("waiting") or {}).get("reason", "ContainerCreating")
    return f'container "{container}" in pod "{name}" is waiting to start: {reason}'


def port_forward(request: Request) -> Doing:
    """Refused: there is no port on the learner's own machine to forward from."""
    yield from ()
    fail(
        "error: kubectl port-forward is not modelled: there is no socket on your own machine here. Ask from where the "
        "traffic comes from: `kubectl exec POD -- curl ADDRESS:PORT`, or `curl` on a node or an outside host"
    )


COMMANDS: dict[str, Kubectl] = {
    "exec": Kubectl(execute, EXEC_FLAGS, dashes=True),
    "logs": Kubectl(logs, LOG_FLAGS),
    "port-forward": Kubectl(port_forward, {"address": Flag(idle="port-forward is refused")}),
}
