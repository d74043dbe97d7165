"""One pod's life, as its kubelet sees it at each look: what is there, what should be, the next steps between them.

::

    not admitted      ── the pod is Failed, and nothing of it is started
    network not ready ── wait         (hostNetwork pods do not)
    volumes missing   ── wait         (a ConfigMap, a Secret)
    no sandbox        ── make one     netns, CNI ADD, pause
    sandbox broken    ── kill every container, break it down, make another: usually a new address
    init containers   ── one after the other, each to its end
    containers        ── start those that are not there, start dead ones again as restartPolicy says
    deleted           ── stop the containers (that may take a grace period), CNI DEL, netns, pause; the object goes

Left out: ephemeral containers, and grace for containers whose sandbox has died (they are killed at once).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.cni.spec import CniError
from k8slearn.components import is_silent
from k8slearn.components.kubelet import (
    admission,
    containers,
    dial,
    mounts,
    network,
    probes,
    retry,
    sandbox,
    static,
    status,
)
from k8slearn.components.kubelet.pod import Pod, find, machines
from k8slearn.journal import Command, Commands, Remove, World

Obj = dict[str, Any]
HOUSEKEEPING = 2.0
"""Seconds after which the kubelet has seen what somebody made behind its back."""
CHANGED = "Pod sandbox changed, it will be killed and re-created."


def pod(world: World, key: str) -> Commands:
    """Look at a pod, and do what has to be done."""
    known = find(world, key)
    if not known or any("startTime" not in (found.obj.get("status") or {}) for found in known):
        yield from _orphans(world, key, [found.uid for found in known])
    for found in known:
        yield from _look(found)
        if found.static:
            yield from _mirrored(found)
    if not known:
        yield from static.unshow(world, key)


def _look(found: Pod) -> Commands:
    if found.obj["metadata"].get("deletionTimestamp"):
        yield from _delete(found)
    elif (found.obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        yield from _finished(found)
    elif "startTime" not in (found.obj.get("status") or {}) and (why := admission.refused(found)) is not None:
        yield from admission.reject(found, *why)
    else:
        yield from _run(found)


def _mirrored(found: Pod) -> Commands:
    """The API's picture of a static pod: as it is now, after the look."""
    obj = found.world.get(found.row)
    yield from static.mirror(replace(found, obj=obj)) if obj is not None else static.unshow(found.world, found.key)


def _run(pod: Pod) -> Commands:
    if pod.expired:
        yield pod.say("DeadlineExceeded", status.EXPIRED)
        yield from containers.kill_all(pod.world, pod.node, pod.key, pod)
        yield from status.report(pod, None)
        return
    if pod.expires < float("inf"):
        yield from retry.later(pod.world, pod.node, pod.key, "deadline", pod.expires)
    live = yield from _sandbox(pod)
    if live is not None:
        for container in cri.containers(pod.world, pod.node, pod.key):
            if container.state == cri.EXITED:
                yield from containers.bury(pod, live, container)
            elif container.state == cri.RUNNING and (kind := probes.failed(pod, container)):
                yield from _unhealthy(pod, container, kind)
        if (yield from _init(pod, live)):
            for spec in pod.spec["containers"]:
                yield from _keep_running(pod, live, spec)
    yield from status.report(pod, live)


def _unhealthy(pod: Pod, container: Container, kind: str) -> Commands:
    """A startup or liveness probe has failed too often."""
    message = f"Container {container.name} failed {kind} probe"
    if pod.restart_policy != "Never":
        message += ", will be restarted"
    yield from containers.stop(pod, container, message, probes.grace(pod, container, kind))


def _sandbox(pod: Pod) -> Generator[Command, None, Sandbox | None]:
    """The sandbox to work in, made if need be; None: there is none (yet)."""
    known = cri.sandboxes(pod.world, pod.node, pod.key)
    live = known[-1] if known else None
    if live is not None and not sandbox.broken(pod, live):
        return live
    if live is not None and _is_over(pod):
        return live
    if retry.waits(pod.world, pod.node, pod.key, retry.SANDBOX):
        return None
    reason = "" if pod.host_network else network.not_ready(pod.world, pod.node)
    if reason:
        yield from pod.warn_once("NetworkNotReady", f"network is not ready: {reason}")
        return None
    if live is not None and not (yield from _break_down(pod, live)):
        return None
    if live is None and (why := mounts.missing(pod)):
        yield pod.say("FailedMount", why, "Warning")
        again = mounts.next_try(pod.started, pod.world.clock)
        yield from retry.later(pod.world, pod.node, pod.key, retry.SANDBOX, again)
        return None
    new = yield from sandbox.run(pod, live.attempt + 1 if live is not None else 0)
    if new is not None and live is not None:
        yield pod.call("RemovePodSandbox", id=live.id[:13])
        yield Remove(cri.sandbox_key(pod.node, live))
    return new


def _break_down(pod: Pod, live: Sandbox) -> Generator[Command, None, bool]:
    """Kill all containers and stop the sandbox; did that work? (Said at every attempt to have a new one.)"""
    yield pod.say("SandboxChanged", CHANGED)
    yield from containers.kill_all(pod.world, pod.node, pod.key, pod)
    return (yield from _stopped(pod, live))


def _stopped(pod: Pod, old: Sandbox) -> Generator[Command, None, bool]:
    """Stop a sandbox; where its CNI DEL fails the pod says so, and it is tried again later."""
    try:
        yield from sandbox.stop(pod.world, pod.node, old)
    except CniError as error:
        yield from _failed_kill(pod, old, error)
        return False
    return True


def _is_over(pod: Pod) -> bool:
    """Nothing of this pod would be started again, so a dead sandbox is no loss."""
    last = [containers.newest(pod, spec["name"]) for spec in pod.spec["containers"]]
    return all(c is not None and c.state == cri.EXITED and not _again(pod, c) for c in last)


def _init(pod: Pod, live: Sandbox) -> Generator[Command, None, bool]:
    """Run the init containers of this sandbox, in order; may the others start?"""
    for spec in pod.spec.get("initContainers") or ():
        if containers.is_sidecar(spec):
            yield from _keep_running(pod, live, spec, init=True)
            continue
        last = containers.newest(pod, spec["name"])
        if last is None or last.sandbox != live.id:
            last = yield from containers.start(pod, live, spec, init=True)
        if last is None:
            return False
        if last.exit_code:
            last = yield from _retried(pod, live, spec, last)
        if last.exit_code:
            return False
    return True


def _retried(pod: Pod, live: Sandbox, spec: Obj, last: Container) -> Generator[Command, None, Container]:
    """An init container failed: again, at once or after its back-off, unless the pod never restarts."""
    while last.exit_code and pod.restart_policy != "Never":
        if containers.waits_until(last) > pod.world.clock:
            yield from containers.back_off(pod, last)
            break
        started = yield from containers.start(pod, live, spec, init=True)
        if started is None:
            break
        last = started
    return last


def _keep_running(pod: Pod, live: Sandbox, spec: Obj, init: bool = False) -> Commands:
    last = containers.newest(pod, spec["name"])
    if last is None or last.sandbox != live.id:
        last = yield from containers.start(pod, live, spec, init)
    while last is not None and last.state == cri.EXITED and (init or _again(pod, last)):
        if containers.waits_until(last) > pod.world.clock:
            yield from containers.back_off(pod, last)
            return
        last = yield from containers.start(pod, live, spec, init)
    if last is not None and last.state == cri.RUNNING:
        yield from probes.attend(pod, live, spec, last)


def probe(world: World, key: str, workers: Callable[[Pod, Sandbox], Commands] = probes.tick) -> Commands:
    """The workers of a pod's probes tick; what they find out is acted on at once."""
    for found in find(world, key):
        live = cri.sandboxes(world, found.node, key)
        if live and live[-1].state == cri.READY:
            yield from workers(found, live[-1])
            yield from pod(world, key)


def _again(pod: Pod, dead: Container) -> bool:
    """restartPolicy: is a container that ended like this started again?"""
    return pod.restart_policy == "Always" or (pod.restart_policy == "OnFailure" and dead.exit_code != 0)


def _delete(pod: Pod) -> Commands:
    """The pod is being deleted: when nothing of it is left on the node, the kubelet lets the object go."""
    yield from retry.forget(pod.world, pod.node, pod.key, "deadline")
    if not (yield from _stopped_containers(pod)):
        known = cri.sandboxes(pod.world, pod.node, pod.key)
        yield from status.report(pod, known[-1] if known else None)
        return
    for old in list(cri.sandboxes(pod.world, pod.node, pod.key)):
        if not (yield from _stopped(pod, old)):
            return
    yield from _forget(pod.world, pod.node, pod.key)
    if not pod.obj["metadata"].get("finalizers"):
        yield Remove(pod.row)


def _stopped_containers(pod: Pod) -> Generator[Command, None, bool]:
    """All at the same time: has every one of them ended?"""
    grace = float(pod.obj["metadata"].get("deletionGracePeriodSeconds") or 0)
    over = True
    for container in list(cri.containers(pod.world, pod.node, pod.key)):
        if container.state == cri.RUNNING:
            over &= yield from containers.stop(pod, container, f"Stopping container {container.name}", grace)
    return over


def _failed_kill(pod: Pod, old: Sandbox, error: CniError) -> Commands:
    said = f'rpc error: code = Unknown desc = failed to destroy network for sandbox "{old.id}": {error}'
    message = f'error killing pod: failed to "KillPodSandbox" for "{pod.uid}" with KillPodSandboxError: "{said}"'
    yield from pod.warn_once("FailedKillPod", message)
    until = pod.world.clock + retry.SANDBOX_DELAY
    yield from retry.later(pod.world, pod.node, pod.key, retry.SANDBOX, until)


def _finished(pod: Pod) -> Commands:
    """All containers have ended for good: the sandbox goes, its address is free; records stay for ``logs``."""
    yield from retry.forget(pod.world, pod.node, pod.key)
    yield from probes.forget(pod.world, pod.node, pod.key)
    yield from containers.kill_all(pod.world, pod.node, pod.key, pod)
    for old in list(cri.sandboxes(pod.world, pod.node, pod.key)):
        yield from _stopped(pod, old)


def _orphans(world: World, key: str, known: list[str]) -> Commands:
    """What is left of a pod that the API does not know (any more), on whichever node; a namesake's is left alone.
    A kubelet that does not hear of the API server cannot know what it should not have."""
    for node in machines(world):
        old = [row for row in cri.sandboxes(world, node, key) if row.uid not in known]
        if is_silent(world, node.removeprefix("node:")):
            continue
        for row in [row for row in old if row.hand and world.clock < row.created + HOUSEKEEPING]:
            yield from retry.later(world, node, key, retry.SANDBOX, row.created + HOUSEKEEPING)
            old.remove(row)
        if not old:
            continue
        yield from containers.kill_all(world, node, key, None)
        for row in old:
            try:
                yield from sandbox.stop(world, node, row)
            except CniError:
                yield from retry.later(world, node, key, retry.SANDBOX, world.clock + retry.SANDBOX_DELAY)
                return
        yield from _forget(world, node, key)


def sweep(world: World, node: str) -> Commands:
    """Stop what the runtime of a node has of pods that its kubelet should not have."""
    for row in list(world.table(node, "sandbox").values()):
        known = [found.uid for found in find(world, row.pod)]
        if row.uid not in known:
            yield from _orphans(world, row.pod, known)


def _forget(world: World, node: str, key: str) -> Commands:
    """The runtime removes its records."""
    yield from retry.forget(world, node, key)
    yield from probes.forget(world, node, key)
    for container in list(cri.containers(world, node, key)):
        yield dial.of(world).call(world, node, key, "RemoveContainer", id=container.id[:13])
        yield Remove(cri.container_key(node, container))
    for row in list(cri.sandboxes(world, node, key)):
        yield dial.of(world).call(world, node, key, "RemovePodSandbox", id=row.id[:13])
        yield Remove(cri.sandbox_key(node, row))
