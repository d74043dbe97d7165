"""``reboot``, ``poweroff``, ``shutdown``, and ``systemctl`` for the two daemons that a node's pods hang on.

A kubelet that is stopped leaves its pods running: nobody looks after them, and the API hears nothing of the node. So
does containerd: containers are children of their shims, and live on while it restarts.

Left out: other units (they are no part of this model), and delays (``shutdown +5``).
"""

from __future__ import annotations

from k8slearn import power
from k8slearn.components import DAEMON, STOPPED
from k8slearn.errors import CommandError
from k8slearn.journal import Put, Remove
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

UNITS = ("kubelet", "containerd")
OFF = ("-h", "-P", "--poweroff", "--halt", "-H")
MISSING = "Failed to {doing} {unit}.service: Unit {unit}.service not found.\n"


def reboot(process: Process) -> Running:
    """``reboot``."""
    yield from power.reboot(process.world, _name(process))
    return Result()


def poweroff(process: Process) -> Running:
    """``poweroff``."""
    yield from power.shutdown(process.world, _name(process))
    return Result()


def shutdown(process: Process) -> Running:
    """``shutdown [-h|-r] now``."""
    words = [word for word in process.argv if word.startswith("-")]
    unknown = next((word for word in words if word not in (*OFF, "-r", "--reboot")), None)
    if unknown is not None:
        raise CommandError(f"shutdown: unrecognized option '{unknown}'\n", 1)
    return (yield from (reboot if {"-r", "--reboot"} & set(words) else poweroff)(process))


def _name(process: Process) -> str:
    return process.machine.removeprefix("node:")


def systemctl(process: Process) -> Running:
    """``systemctl start|stop|restart|is-active|status UNIT``."""
    words = [word.removesuffix(".service") for word in process.argv if not word.startswith("-")]
    if len(words) < 2:
        raise CommandError("Too few arguments.\n", 1)
    doing, unit = words[0], words[1]
    if unit not in UNITS:
        raise CommandError(MISSING.format(doing=doing, unit=unit), 5)
    key = (process.machine, DAEMON, unit)
    stopped = process.world.get(key) == STOPPED
    if doing in ("is-active", "status"):
        state = "inactive" if stopped else "active"
        text = f"{state}\n" if doing == "is-active" else f"● {unit}.service\n     Active: {state}\n"
        return Result(text, "", 3 if stopped else 0)
    if doing not in ("start", "stop", "restart"):
        raise CommandError(f"Unknown command verb {doing}.\n", 1)
    if doing == "stop" or doing == "restart":
        yield Put(key, STOPPED)
    if doing != "stop":
        yield Remove(key)
    return Result()
