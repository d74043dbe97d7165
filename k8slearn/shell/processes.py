"""``ps`` and ``kill``: the processes that one sees from where one stands, and what a signal does to each.

A container is a process of its node with namespaces around it. The node sees them all, by its own numbers; a
container sees only what is in its process namespace::

    each container its own (default)   1 is the container's program, and there is nothing else
    shareProcessNamespace: true        1 is /pause, behind it every container of the pod
    hostPID: true                      all of the node

Process 1 of a namespace is special (kernel, SIGNAL_UNKILLABLE): a signal that it has no handler for does not reach it,
nor does SIGKILL from inside. So ``kill 1`` in a container ends nginx and does nothing to ``sleep``, which dies at once
where pause is process 1. /pause itself ends on SIGTERM: the pod loses its sandbox. The kubelet notices when it looks.

Left out: every other process of a node, threads and workers, signals that change a program (but SIGHUP, on which
servers read their configuration again), users of processes. A container's process has a number of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from k8slearn.api import EPOCH
from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components import runs
from k8slearn.components.kubelet import containers, log, programs
from k8slearn.components.kubelet.pod import OWN
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, World
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "TERM": 15}
RELOADS = ("nginx", "httpd", "apache2", "caddy", "coredns", "node-cache", "mysqld", "mariadbd", "postgres")
"""Programs that read their configuration again on SIGHUP."""
BUSYBOX = "PID   USER     TIME  COMMAND\n"
SHORT = "    PID TTY          TIME CMD\n"
FULL = "UID          PID    PPID  C STIME TTY          TIME CMD\n"
GONE = "sh: 1: kill: No such process\n\n"


@dataclass(frozen=True, slots=True)
class Task:
    """A process: its number where one stands, its command line, and whose it is (`row`; None: the node's own)."""

    pid: int
    line: str
    parent: int = 1
    row: Sandbox | Container | None = None
    first: bool = False
    """Is it process 1 of its namespace?"""
    started: float = 0.0


def visible(process: Process) -> list[Task]:
    """The processes that `process` sees."""
    found = container_of(process)
    if found is None:
        return list(_of_node(process.world, process.machine))
    row, box = found
    if box.pids == "NODE":
        return list(_of_node(process.world, process.machine))
    if box.pids == "CONTAINER":
        return [Task(1, _line(process.world, process.machine, row), 0, row, True, row.started)]
    mates = [c for c in _running(process.world, process.machine) if c.sandbox == box.id]
    inner = [Task(7 * n, _line(process.world, process.machine, c), 0, c) for n, c in enumerate(mates, 1)]
    return [Task(1, "/pause", 0, box, True), *inner]


def container_of(process: Process) -> tuple[Container, Sandbox] | None:
    """The container that a process runs in, and its sandbox; None: it runs on the machine."""
    boxes = process.world.table(process.machine, "sandbox")
    for row in _running(process.world, process.machine):
        box = boxes.get(row.sandbox)
        here = process.container == row.id if process.container else box is not None and box.netns == process.files
        if here and box is not None and (process.container or not process.on_machine):
            return row, box
    return None


def _running(world: World, node: str) -> list[Container]:
    rows = [row for row in world.table(node, "container").values() if row.state == cri.RUNNING]
    return sorted(rows, key=lambda row: (row.started, row.pod, _place(world, node, row), row.name))


def _place(world: World, node: str, row: Container) -> int:
    """Where a container stands in its pod: the kubelet starts them in that order."""
    names = [c["name"] for c in _pod(world, node, row)["spec"]["containers"]]
    return names.index(row.name) if row.name in names else -1


def _pod(world: World, node: str, row: Container) -> Mapping[str, Any]:
    """The pod of a container as its kubelet knows it, or as the API has it."""
    return world.get((node, OWN, row.pod)) or world.get(("api", "pods", row.pod)) or {"spec": {"containers": []}}


def _of_node(world: World, node: str) -> list[Task]:
    tasks = [Task(1, "/sbin/init", 0)]
    if runs(world, node, "containerd"):
        tasks.append(Task(cri.process_id(f"{node}/containerd") % 4000 + 500, "/usr/bin/containerd"))
    if runs(world, node, "kubelet"):
        tasks.append(Task(log.process(node), "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml"))
    boxes = [box for box in world.table(node, "sandbox").values() if box.state == cri.READY]
    for box in sorted(boxes, key=lambda box: (box.created, box.pod)):
        shim = cri.process_id(f"{box.id}/shim")
        tasks.append(Task(shim, f"/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id {box.id}", 1, None))
        tasks.append(Task(box.pid, "/pause", shim, box, True, box.created))
        for row in (row for row in _running(world, node) if row.sandbox == box.id):
            first = box.pids == "CONTAINER"
            tasks.append(Task(cri.process_id(row.id), _line(world, node, row), shim, row, first, row.started))
    return tasks


def _line(world: World, node: str, row: Container) -> str:
    """The command line of a container's process: its pod's words, or the name of its program."""
    made = world.get((node, "config", row.id))
    pod = _pod(world, node, row)
    specs = [made] if made is not None else [c for c in pod["spec"]["containers"] if c["name"] == row.name]
    return " ".join(programs.command_line(specs[0]) if specs else ()) or row.program or row.name


def ps(process: Process) -> Running:
    """``ps``: in a container as BusyBox prints it, on a node ``ps -e`` and ``ps -ef``."""
    yield from ()
    tasks, options = visible(process), "".join(process.argv)
    if container_of(process) is not None:
        last = Task(max(task.pid for task in tasks) + 8, " ".join(("ps", *process.argv)))
        rows = (f"{task.pid:5d} {_user(task):<8} {'0:00':>5} {task.line}\n" for task in (*tasks, last))
        return Result(BUSYBOX + "".join(rows))
    if not set(options) <= set("-eAfx"):
        raise CommandError("ps: only ps -e and ps -ef are modelled on a node\n", 1)
    if "f" in options:
        return Result(FULL + "".join(map(_full, tasks)))
    return Result(SHORT + "".join(f"{t.pid:7d} {'?':<8} 00:00:00 {_name(t)}\n" for t in tasks))


def _user(task: Task) -> str:
    return "65535" if isinstance(task.row, Sandbox) else "root"


def _full(task: Task) -> str:
    began = f"{EPOCH + timedelta(seconds=task.started):%H:%M}"
    return f"{_user(task):<8} {task.pid:7d} {task.parent:7d}  0 {began} {'?':<8} 00:00:00 {task.line}\n"


def _name(task: Task) -> str:
    """What the kernel calls it: 15 characters of the program's name."""
    if task.line == "/sbin/init":
        return "systemd"
    return task.line.split()[0].rpartition("/")[2][:15]


def kill(process: Process) -> Running:
    """``kill [-SIGNAL] PID...``."""
    signal, pids = _understood(process.argv)
    inside = container_of(process) is not None
    for pid in pids:
        task = next((task for task in visible(process) if task.pid == pid), None)
        if task is None:
            raise CommandError(GONE, 1)
        if task.row is None:
            raise CommandError(f"kill: {pid} is no process of a container: use systemctl for the node's own\n", 1)
        yield from _signalled(process, task, signal, inside)
    return Result()


def _understood(argv: Sequence[str]) -> tuple[int, list[int]]:
    """The signal, and the processes that are to get it."""
    words, signal = list(argv), SIGNALS["TERM"]
    if words[:1] == ["-s"] and len(words) > 1:
        words[:2] = [f"-{words[1]}"]
    if words and words[0].startswith("-"):
        name = words.pop(0).removeprefix("-").removeprefix("SIG")
        signal = SIGNALS.get(name, int(name) if name.isascii() and name.isdigit() and len(name) < 4 else -1)
        if signal not in SIGNALS.values():
            raise CommandError(f"sh: 1: kill: Illegal option -{name}\n", 2)
    if not words:
        raise CommandError("Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]...\n", 2)
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 10):
            raise CommandError(f"sh: 1: kill: Illegal number: {word}\n", 2)
    return signal, [int(word) for word in words]


def _signalled(process: Process, task: Task, signal: int, inside: bool) -> Commands:
    """A dead pause container takes its sandbox with it; a dead container is only itself."""
    shielded = task.first and inside and signal == SIGNALS["KILL"]
    if isinstance(task.row, Sandbox):
        if signal in (SIGNALS["TERM"], SIGNALS["INT"]) or (signal == SIGNALS["KILL"] and not shielded):
            yield Put(cri.sandbox_key(process.machine, task.row), replace(task.row, state=cri.NOTREADY))
    elif isinstance(task.row, Container) and not shielded:
        code = ending(task.row.program, signal, task.first)
        if code is not None:
            yield from containers.die(process.world, process.machine, task.row, code)


def ending(program: str, signal: int, first: bool) -> int | None:
    """The exit code with which a program ends on a signal; None: it does not end."""
    if signal == SIGNALS["KILL"]:
        return 128 + signal
    if signal == SIGNALS["HUP"] and program in RELOADS:
        return None
    handled = programs.on_sigterm(program)
    if signal != SIGNALS["HUP"] and handled is not None:
        return handled
    return None if first else 128 + signal
