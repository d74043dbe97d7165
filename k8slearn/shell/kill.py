"""``kill PID``: end a process on a node: a container's, or the pause container that holds a pod's network namespace.

``crictl inspect`` and ``crictl inspectp`` say which process is whose. The kubelet notices when it looks.

Inside a container, process 1 is the container's own program: ``kubectl exec POD -- kill 1`` ends it (a kernel
shields it from SIGKILL sent from within, so ``kill -9 1`` does nothing there).

Left out: signals other than the deadly ones, processes that are no container's, programs that ignore SIGTERM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8slearn.cni import cri
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, World
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

SIGNALS = {"TERM": 15, "KILL": 9, "INT": 2, "QUIT": 3}


def program(process: Process) -> Running:
    """Run ``kill [-SIGNAL] PID...``."""
    signal, pids = _understood(process.argv)
    for pid in pids:
        yield from _kill(process, pid, signal)
    return Result()


def within(world: World, node: str, container: cri.Container, argv: Sequence[str]) -> Running:
    """``kill`` as a container's shell runs it: its process 1 is the container."""
    signal, pids = _understood(argv)
    for pid in pids:
        if pid != 1:
            raise CommandError("sh: 1: kill: No such process\n\n", 1)
        if signal != SIGNALS["KILL"]:
            yield Put(cri.container_key(node, container), _ended(container, world.clock, signal))
    return Result()


def _understood(argv: Sequence[str]) -> tuple[int, list[int]]:
    """The signal, and the processes that are to get it."""
    words, signal = list(argv), 15
    if words and words[0].startswith("-"):
        name = words.pop(0).removeprefix("-").removeprefix("SIG")
        signal = SIGNALS.get(name, int(name) if name.isdigit() else 0)
        if signal not in SIGNALS.values():
            raise CommandError(f"sh: 1: kill: Illegal option -{name}\n", 2)
    if not words:
        raise CommandError("Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]...\n", 2)
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 10):
            raise CommandError(f"sh: 1: kill: Illegal number: {word}\n", 2)
    return signal, [int(word) for word in words]


def _ended(container: cri.Container, clock: float, signal: int) -> cri.Container:
    return replace(container, state=cri.EXITED, exit_code=128 + signal, finished=clock, reason="Error")


def _kill(process: Process, pid: int, signal: int) -> Commands:
    """A dead pause container takes its sandbox with it; a dead container is only itself."""
    node = process.machine
    for box in list(process.world.table(node, "sandbox").values()):
        if box.pid == pid and box.state == cri.READY and process.on_machine:
            yield Put(cri.sandbox_key(node, box), replace(box, state=cri.NOTREADY))
            return
    for row in list(process.world.table(node, "container").values()):
        if cri.process_id(row.id) == pid and row.state == cri.RUNNING and process.on_machine:
            yield Put(cri.container_key(node, row), _ended(row, process.world.clock, signal))
            return
    raise CommandError("sh: 1: kill: No such process\n\n", 1)
