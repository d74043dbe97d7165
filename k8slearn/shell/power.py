"""``reboot``, ``poweroff``, ``shutdown``, and ``systemctl`` for the two daemons that a node's pods hang on;
``journalctl`` for what a kubelet has to say, ``kubelet`` for which one it is and which flags it knows.

A kubelet that is stopped leaves its pods running: nobody looks after them, and the API hears nothing of the node. So
does containerd: containers are children of their shims, and live on while it restarts.

Left out: other units (they are no part of this model), containerd's log, and delays (``shutdown +5``).
"""

from __future__ import annotations

from datetime import timedelta

from k8slearn import power
from k8slearn.api import EPOCH
from k8slearn.components import DAEMON, FAILED, STOPPED
from k8slearn.components.kubelet import dial, flags, log
from k8slearn.errors import CommandError, Refused
from k8slearn.journal import Put, Remove
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

UNITS = ("kubelet", "containerd")
STATES = {
    None: ("active", "(running)"),
    STOPPED: ("inactive", "(dead)"),
    FAILED: ("activating", "(auto-restart) (Result: exit-code)"),
}
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


def journalctl(process: Process) -> Running:
    """``journalctl -u kubelet [-n LINES]``: what the kubelet told nobody else."""
    yield from ()
    words = [word.removesuffix(".service") for word in process.argv]
    if "-u" not in words[:-1]:
        raise CommandError("journalctl: only the units' logs are modelled: journalctl -u kubelet\n", 1)
    lines: tuple[log.Line, ...] = ()
    if words[words.index("-u") + 1] == "kubelet":
        lines = process.world.get(log.key(process.machine)) or ()
    wanted = words[words.index("-n") + 1] if "-n" in words[:-1] else ""
    shown = lines[len(lines) - int(wanted) :] if wanted.isdigit() and int(wanted) < len(lines) else lines
    text = "".join(f"{_date(line.time)} {_name(process)} kubelet[{line.pid}]: {line.text}\n" for line in shown)
    return Result(text or "-- No entries --\n")


def _date(seconds: float) -> str:
    return f"{EPOCH + timedelta(seconds=seconds):%b %d %H:%M:%S}"


def _name(process: Process) -> str:
    return process.machine.removeprefix("node:")


def kubelet(process: Process) -> Running:
    """``kubelet --version``, and what a kubelet of this version says to flags."""
    yield from ()
    version = dial.of(process.world)
    if process.argv == ("--version",):
        return Result(f"Kubernetes {version.version}\n")
    try:
        flags.parse(list(process.argv), version.minor)
    except Refused as error:
        raise CommandError(f"Error: {error}\n", 1) from None
    where = " or ".join(flags.FILES)
    raise CommandError(
        f"kubelet: one runs here already: write its flags into {where}, then systemctl restart kubelet\n", 1
    )


def systemctl(process: Process) -> Running:
    """``systemctl start|stop|restart|is-active|status UNIT``."""
    words = [word.removesuffix(".service") for word in process.argv if not word.startswith("-")]
    if len(words) < 2:
        raise CommandError("Too few arguments.\n", 1)
    doing, unit = words[0], words[1]
    if unit not in UNITS:
        raise CommandError(MISSING.format(doing=doing, unit=unit), 5)
    key = (process.machine, DAEMON, unit)
    if doing in ("is-active", "status"):
        state, more = STATES[process.world.get(key)]
        text = f"{state}\n" if doing == "is-active" else f"● {unit}.service\n     Active: {state} {more}\n"
        return Result(text, "", 0 if state == "active" else 3)
    if doing not in ("start", "stop", "restart"):
        raise CommandError(f"Unknown command verb {doing}.\n", 1)
    if doing == "stop" or doing == "restart":
        yield Put(key, STOPPED)
    if doing != "stop":
        yield Remove(key)
    return Result()
