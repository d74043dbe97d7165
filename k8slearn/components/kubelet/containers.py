"""Containers: made, started, found dead, started again, killed.

A container joins its sandbox's network namespace, so its sockets are rows there. One that cannot bind its port ends
at once. A dead container is started again in the same namespace: the address stays, the restart count goes up, and
from the second time on the kubelet waits 10 seconds, then 20, 40, and so on up to 5 minutes (CrashLoopBackOff); 10
minutes of life clear the slate.

A container that is told to stop may take its time: its preStop hook runs, then it gets SIGTERM, and what still runs
when the pod's grace period is over is killed. Most programs end at once; a shell or a ``sleep`` as process 1 does not
even hear of the signal, which is why ``kubectl delete`` of such a pod takes half a minute.

Left out: postStart hooks, preStop hooks that fail, images that have to be fetched, exit codes other than plain ones.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from k8slearn.api import environment
from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components.kubelet import commands, dial, programs, retry, tools
from k8slearn.components.kubelet.pod import Pod
from k8slearn.journal import Command, Commands, Put, Remove, World, digest
from k8slearn.linux import inet6
from k8slearn.linux.program import Result
from k8slearn.linux.rows import Socket

FIRST_BACKOFF, LONGEST_BACKOFF, FORGIVEN = 10.0, 300.0, 600.0
KILLED, TERMINATED = 137, 143
LEAST = 2.0
"""Seconds that a container has after its preStop hook, whatever its grace period was."""
ANY, BOTH = "0.0.0.0", "::"
Obj = dict[str, Any]


def newest(pod: Pod, name: str) -> Container | None:
    """The latest container of this name, dead or alive, of this very pod."""
    return next((c for c in reversed(cri.containers(pod.world, pod.node, pod.key)) if c.name == name), None)


def start(pod: Pod, sandbox: Sandbox, spec: Obj, init: bool = False) -> Generator[Command, None, Container | None]:
    """CreateContainer and StartContainer; returns how the container stands then, or None where it cannot be made."""
    world, name = pod.world, spec["name"]
    if retry.waits(world, pod.node, pod.key, configuring(name)):
        return None
    before = newest(pod, name)
    yield from retry.forget(world, pod.node, pod.key, name)
    made = _made(pod, sandbox, spec, before, init)
    yield from _pulled(pod, spec, init)
    if why := environment.missing(world, pod.obj, spec):
        yield pod.say("Failed", f"Error: {why}", "Warning", name, init)
        yield from retry.later(world, pod.node, pod.key, configuring(name), world.clock + retry.SANDBOX_DELAY)
        return None
    yield from retry.forget(world, pod.node, pod.key, configuring(name))
    yield pod.call("CreateContainer", sandbox=sandbox.id[:13], name=name, image=made.image, attempt=made.attempt)
    yield Put(cri.container_key(pod.node, made), made)
    yield pod.say("Created", pod.dial.created.format(name=name), container=name, init=init)
    yield pod.call("StartContainer", id=made.id[:13])
    yield pod.say("Started", pod.dial.started.format(name=name), container=name, init=init)
    running = yield from listen(pod, sandbox, spec, replace(made, state=cri.RUNNING, started=world.clock))
    yield Put(cri.container_key(pod.node, running), running)
    if before is not None:
        yield from _collect(pod, name)
    return running


def configuring(name: str) -> str:
    """The timer of a container that cannot be made because its configuration is not complete."""
    return f"{name} configuration"


def unconfigured(pod: Pod, spec: Obj) -> str:
    """What a container that waits for its configuration lacks (CreateContainerConfigError), or nothing."""
    waits = pod.world.get(retry.key(pod.node, pod.key, configuring(spec["name"]))) is not None
    return environment.missing(pod.world, pod.obj, spec) if waits else ""


def _made(pod: Pod, sandbox: Sandbox, spec: Obj, before: Container | None, init: bool) -> Container:
    attempt = 0 if before is None else before.attempt + 1
    image = spec.get("image", "")
    return Container(
        digest("container", sandbox.id, spec["name"], attempt, length=64),
        pod.key,
        spec["name"],
        sandbox.id,
        image,
        "sha256:" + digest("image", programs.full_name(image), length=64),
        attempt,
        created=pod.world.clock,
        init=init,
        program=programs.program(spec),
        backoff=_next_backoff(before),
        services=environment.services(pod.world, pod.obj),
    )


def _next_backoff(before: Container | None) -> float:
    if before is None:
        return 0.0
    if before.backoff == 0 or before.finished - before.started >= FORGIVEN:
        return FIRST_BACKOFF
    return min(2 * before.backoff, LONGEST_BACKOFF)


def _pulled(pod: Pod, spec: Obj, init: bool) -> Commands:
    image, name = spec.get("image", ""), spec["name"]
    if spec.get("imagePullPolicy") == "Always":
        yield pod.call("PullImage", image=image)
        yield pod.say("Pulling", f'Pulling image "{image}"', container=name, init=init)
        took = f'Successfully pulled image "{image}" in 0s (0s including waiting)'
        yield pod.say("Pulled", took, container=name, init=init)
    else:
        yield pod.say("Pulled", pod.dial.present.format(image=image), container=name, init=init)


def listen(pod: Pod, sandbox: Sandbox, spec: Obj, running: Container) -> Generator[Command, None, Container]:
    """The program runs: it ends at once, fails to bind, or holds its sockets."""
    done = yield from tools.run(pod, spec)
    if isinstance(done, Result):
        return replace(ended(pod.world, running, done.exit_code), log=done.stdout + done.stderr)
    running = replace(running, log=done or "")
    code = programs.ending(spec)
    if running.init and not is_sidecar(spec):
        code = code or 0
    if code is not None:
        return ended(pod.world, running, code)
    wanted = programs.ports(spec)
    taken = {(row.proto, row.port) for row in pod.world.table(sandbox.netns, "socket").values()}
    clash = next((port for port in wanted if port in taken), None)
    if clash is not None:
        return replace(ended(pod.world, running, 1), log=programs.in_use(running.program, clash))
    hostname = pod.node.removeprefix("node:") if sandbox.host_network else pod.spec.get("hostname") or pod.name
    own = BOTH if inet6.speaks(pod.world, sandbox.netns) else ANY
    greeting = programs.greeting(spec, hostname)
    for proto, port in wanted:
        row = Socket(proto, own, port, running.program, pod.key, hostname, greeting=greeting)
        yield Put((sandbox.netns, "socket", (proto, own, port)), row)
    return replace(running, sockets=tuple((proto, own, port) for proto, port in wanted))


def is_sidecar(spec: Obj) -> bool:
    """An init container that stays: ``restartPolicy: Always``."""
    return spec.get("restartPolicy") == "Always"


def ended(world: World, container: Container, code: int) -> Container:
    """The container as it is once its process has ended."""
    reason = "Completed" if code == 0 else "Error"
    return replace(container, state=cri.EXITED, finished=world.clock, exit_code=code, reason=reason)


def bury(pod: Pod, sandbox: Sandbox, dead: Container) -> Generator[Command, None, Container]:
    """The kernel closes a dead process' sockets; the record says when it ended and why."""
    stops = retry.key(pod.node, pod.key, f"{dead.name} stops")
    if pod.world.get(stops) is not None:
        yield Remove(stops)
    for name in dead.sockets:
        yield Remove((sandbox.netns, "socket", name))
    if not dead.sockets and dead.reason:
        return dead
    reason = dead.reason or ("Completed" if dead.exit_code == 0 else "Error")
    finished = dead.finished if dead.finished >= dead.started and dead.finished else pod.world.clock
    buried = replace(dead, sockets=(), reason=reason, finished=finished)
    yield Put(cri.container_key(pod.node, buried), buried)
    return buried


def waits_until(dead: Container) -> float:
    """The second at which a dead container may be started again."""
    if dead.finished - dead.started >= FORGIVEN:
        return dead.finished
    return dead.finished + dead.backoff


def back_off(pod: Pod, dead: Container) -> Commands:
    """Not yet: say so, and set the timer."""
    message = f"Back-off restarting failed container {dead.name} in pod {pod.full_name}"
    yield from pod.warn_once("BackOff", message, dead.name, dead.init)
    yield from retry.later(pod.world, pod.node, pod.key, dead.name, waits_until(dead))


def stop(pod: Pod, container: Container, message: str, grace: float) -> Generator[Command, None, bool]:
    """StopContainer: preStop, SIGTERM, and after `grace` seconds in all SIGKILL. Has the container ended by now?"""
    if not container.ends:
        yield pod.say("Killing", message, container=container.name, init=container.init)
        yield pod.call("StopContainer", id=container.id[:13], timeout=f"{grace:g}")
        seconds, code = _stopping(pod, container, grace)
        container = replace(container, ends=pod.world.clock + seconds, ends_with=code)
        if seconds:
            yield Put(cri.container_key(pod.node, container), container)
            yield from retry.later(pod.world, pod.node, pod.key, f"{container.name} stops", container.ends)
    if container.ends > pod.world.clock:
        return False
    yield from retry.forget(pod.world, pod.node, pod.key, f"{container.name} stops")
    yield from die(pod.world, pod.node, container, container.ends_with)
    return True


def _stopping(pod: Pod, container: Container, grace: float) -> tuple[float, int]:
    """(seconds, exit code): how long this container takes to stop. A hook that takes all the time leaves 2 s more."""
    hook: Obj = (pod.container(container.name).get("lifecycle") or {}).get("preStop") or {}
    asked = commands.seconds((hook.get("exec") or {}).get("command") or ())
    asked = float((hook.get("sleep") or {}).get("seconds") or 0) or asked
    waited, code = min(asked, grace), programs.on_sigterm(container.program)
    if code is None and (pod.spec.get("shareProcessNamespace") or pod.spec.get("hostPID")):
        code = TERMINATED  # it is not process 1 of its namespace: the kernel shields it no more
    if code is not None:
        return waited, code
    return max(grace, waited + LEAST if waited >= grace and grace else grace), KILLED


def die(world: World, node: str, container: Container, code: int) -> Commands:
    """The container's process ends, whoever brought that about; the kubelet finds it so when it looks."""
    yield from _close(world, node, container)
    dead = replace(ended(world, container, code), sockets=())
    yield Put(cri.container_key(node, container), dead)


def _close(world: World, node: str, container: Container) -> Commands:
    """The kernel closes an ended process' sockets."""
    scopes = {sandbox.id: sandbox.netns for sandbox in cri.sandboxes(world, node, container.pod)}
    for name in container.sockets:
        yield Remove((scopes.get(container.sandbox, node), "socket", name))


def kill_all(world: World, node: str, key: str, pod: Pod | None) -> Commands:
    """Every running container of a pod is killed, at once. The pod itself may be gone already."""
    for container in list(cri.containers(world, node, key)):
        if container.state != cri.RUNNING and not container.sockets:
            continue
        if pod is not None and container.state == cri.RUNNING:
            message = f"Stopping container {container.name}"
            yield pod.say("Killing", message, container=container.name, init=container.init)
        if container.state == cri.RUNNING:
            yield dial.of(world).call(world, node, key, "StopContainer", id=container.id[:13])
        yield from _close(world, node, container)
        killed = ended(world, container, KILLED) if container.state == cri.RUNNING else container
        yield Put(cri.container_key(node, container), replace(killed, sockets=()))


def _collect(pod: Pod, name: str) -> Commands:
    """The kubelet keeps the last dead container of each name beside the living one; older ones go."""
    mine = [c for c in cri.containers(pod.world, pod.node, pod.key) if c.name == name]
    for old in mine[:-2]:
        yield Remove(cri.container_key(pod.node, old))
