"""Probes: the kubelet asks a running container, again and again, whether it has started, lives and is ready.

Each probe has a worker that ticks every ``periodSeconds`` from the pod's start on; a tick before
``initialDelaySeconds`` of the container's life is skipped. What counts is not one answer but several in a row
(``successThreshold``, ``failureThreshold``)::

    startup    not passed: the others wait          failed: the container is killed
    liveness   passed until it is not               failed: the container is killed, restartPolicy decides
    readiness  not passed until it is               failed: the pod is not Ready, its Services leave it out

A readiness probe is tried once more as soon as its container has started (prober_manager.go: UpdatePodStatus), by a
worker of its own: a network plugin's agent, which heard of the pod earlier, has done its part by then. After
a container was killed its probes hold until there is a new one (worker.go: doProbe, on hold).

What the kubelet remembers is a row of the node, ``("node:node-1", "probe", (pod, container, kind)) -> Probe``.

Left out: the random share of a period by which a restarted kubelet waits, and the time that one try takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components.kubelet import probing
from k8slearn.components.kubelet.commands import ERRORED
from k8slearn.components.kubelet.pod import Pod, machines
from k8slearn.journal import Commands, Key, Put, Remove, World

STARTUP, LIVENESS, READINESS = "startup", "liveness", "readiness"
KINDS = (STARTUP, LIVENESS, READINESS)
INITIALLY = {STARTUP: None, LIVENESS: True, READINESS: False}
"""What holds before the first answers are in."""
Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of one container, as the kubelet remembers it."""

    container: str
    """The id of the container that was asked."""
    born: float
    """Its ticks are this second and every `period` after it."""
    period: float
    first: float
    """No try before this second: the container's start and ``initialDelaySeconds``."""
    passed: bool | None
    """What the kubelet goes by; None: not known yet (startup)."""
    last: bool | None = None
    """What came of the last try."""
    streak: int = 0
    """How many tries in a row came out so, counted as far as it matters."""
    enough: int = 1
    """``successThreshold``."""

    @property
    def steady(self) -> bool:
        """Would another success change nothing?"""
        return bool(self.passed and self.last and self.streak >= self.enough)


def key(node: str, pod: str, container: str, kind: str) -> Key:
    """Where the world keeps what is known of a probe."""
    return (node, "probe", (pod, container, kind))


def specs(container: Obj) -> Iterator[tuple[str, Obj]]:
    """(kind, its spec) of each probe that a container has."""
    for kind in KINDS:
        if container.get(f"{kind}Probe"):
            yield kind, container[f"{kind}Probe"]


def known(pod: Pod, container: Container, kind: str) -> Probe | None:
    """What is known of this very container's probe."""
    found: Probe | None = pod.world.get(key(pod.node, pod.key, container.name, kind))
    return found if found is not None and found.container == container.id else None


def started(pod: Pod, spec: Obj, container: Container) -> bool:
    """Does the container run, and has its startup probe (if it has one) passed?"""
    if container.state != cri.RUNNING or not spec.get("startupProbe"):
        return container.state == cri.RUNNING
    probe = known(pod, container, STARTUP)
    return probe is not None and probe.passed is True


def ready(pod: Pod, spec: Obj, container: Container) -> bool:
    """Has it started, and does its readiness probe (if it has one) pass?"""
    if not started(pod, spec, container) or not spec.get("readinessProbe"):
        return started(pod, spec, container)
    probe = known(pod, container, READINESS)
    return probe is not None and probe.passed is True


def failed(pod: Pod, container: Container) -> str:
    """The kind of the probe for which this container has to die, or nothing."""
    found = ((kind, known(pod, container, kind)) for kind in (STARTUP, LIVENESS))
    return next((kind for kind, probe in found if probe is not None and probe.passed is False), "")


def grace(pod: Pod, container: Container, kind: str) -> float:
    """Seconds that a container gets to end when this probe has failed: the probe's own, or the pod's."""
    own = pod.container(container.name)[f"{kind}Probe"].get("terminationGracePeriodSeconds")
    return float(pod.spec.get("terminationGracePeriodSeconds", 30) if own is None else own)


def attend(pod: Pod, sandbox: Sandbox, spec: Obj, container: Container) -> Commands:
    """Workers for a container that runs."""
    for kind, wanted in specs(spec):
        if kind != STARTUP and not started(pod, spec, container):
            return
        if known(pod, container, kind) is None:
            yield Put(key(pod.node, pod.key, container.name, kind), _worker(sandbox, container, kind, wanted))


def _worker(sandbox: Sandbox, container: Container, kind: str, wanted: Obj) -> Probe:
    first = container.started + float(wanted.get("initialDelaySeconds") or 0)
    period = float(wanted.get("periodSeconds") or 10)
    enough = int(wanted.get("successThreshold") or 1)
    return Probe(container.id, sandbox.created, period, first, INITIALLY[kind], enough=enough)


def is_new(kind: str, probe: Probe, now: float) -> bool:
    """A readiness that nobody has asked for, and may."""
    return kind == READINESS and probe.last is None and probe.first <= now


def begin(pod: Pod, sandbox: Sandbox) -> Commands:
    """Try the readiness of every container of the pod that has just started."""
    yield from _each(pod, sandbox, is_new)


def tick(pod: Pod, sandbox: Sandbox) -> Commands:
    """Try every probe of the pod whose worker ticks now."""
    yield from _each(pod, sandbox, lambda kind, probe, now: _ticks(probe, now) and not _rests(kind, probe))


def _each(pod: Pod, sandbox: Sandbox, wanted: Callable[[str, Probe, float], bool]) -> Commands:
    for spec in (*(pod.spec.get("initContainers") or ()), *pod.spec["containers"]):
        running = [c for c in cri.containers(pod.world, pod.node, pod.key) if c.name == spec["name"]][-1:]
        for kind, _ in specs(spec) if running and running[0].state == cri.RUNNING else ():
            probe = known(pod, running[0], kind)
            if probe is not None and wanted(kind, probe, pod.world.clock):
                yield from _try(pod, sandbox, spec, running[0], kind)


def _ticks(probe: Probe, now: float) -> bool:
    return now >= probe.first and now > probe.born and (now - probe.born) % probe.period == 0


def _rests(kind: str, probe: Probe) -> bool:
    """Startup has passed, or the container is about to be killed: nobody asks any more."""
    return (kind == STARTUP and probe.passed is True) or (kind != READINESS and probe.passed is False)


def _try(pod: Pod, sandbox: Sandbox, spec: Obj, container: Container, kind: str) -> Commands:
    """One try: what came of it is told (if it failed) and counted."""
    wanted, where = spec[f"{kind}Probe"], key(pod.node, pod.key, container.name, kind)
    before: Probe = pod.world.get(where)
    told = probing.remembered(pod.world, pod.node, (pod.key, container.name, kind))
    told = told or probing.ask(pod, sandbox, spec, container, kind)
    if told.warning:
        yield from _say(pod, container, "ProbeWarning", f"{kind.capitalize()} probe warning: {told.says}")
    if not told.passed:
        verb = pod.dial.errored if told.verb == ERRORED else told.verb
        yield from _say(pod, container, "Unhealthy", f"{kind.capitalize()} probe {verb}: {told.says}")
    if told.verb == ERRORED:
        return
    needed = before.enough if told.passed else int(wanted.get("failureThreshold") or 3)
    streak = min(before.streak + 1, needed) if before.last is told.passed else 1
    passed = told.passed if streak >= needed else before.passed
    yield Put(where, replace(before, last=told.passed, streak=streak, passed=passed))


def _say(pod: Pod, container: Container, reason: str, message: str) -> Commands:
    yield pod.say(reason, message, "Warning", container.name, container.init)


def timers(world: World) -> Iterator[tuple[float, str]]:
    """(second, pod) of each probe's next tick. A probe that passes needs none while nothing that it met has changed."""
    for node in machines(world):
        for name, probe in world.table(node, "probe").items():
            assert isinstance(name, tuple)
            if _rests(name[2], probe) or (probe.steady and probing.remembered(world, node, name) is not None):
                continue
            yield next_tick(probe, world.clock), name[0]


def next_tick(probe: Probe, now: float) -> float:
    """The first tick after this second that is not skipped."""
    ticks = max(math.floor((now - probe.born) / probe.period) + 1, math.ceil((probe.first - probe.born) / probe.period))
    return probe.born + max(ticks, 1) * probe.period


def forget(world: World, node: str, pod: str) -> Commands:
    """The pod is gone: its workers stop."""
    for name in [n for n in world.table(node, "probe") if isinstance(n, tuple) and n[0] == pod]:
        yield Remove((node, "probe", name))
