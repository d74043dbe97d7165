"""A node's machine goes off and comes on again: what dies with it, what is still there, and what starts.

::

    lost      every namespace, link, address, route, rule, neighbour, connection and setting: a kernel's memory;
              processes; /run and /var/run (tmpfs)
    kept      the disk: /etc, /var/lib (CNI's leases and cached results), the runtime's own records
    at boot   ground as the installer laid it, then the kubelet; a sandbox whose pause process is gone is NotReady,
              a container without a process has exited (containerd: exit code 255, reason Unknown)

Nobody else is told: that a node has fallen silent is noticed by the node controller, when no sign of life came for
long enough.

Left out: the seconds that a boot takes, disks that do not survive, the control plane's machine being off.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn import ground
from k8slearn.cni import cri
from k8slearn.components import Settings
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import link, netns

DISK = ("file", "binary", "sandbox", "container", "boot", "call", "log", "own", "config")
"""Tables of a machine that are on its disk. (A kubelet reads its manifests before it does anything else: `own`.)"""
TMPFS = ("/run/", "/var/run/")
UNKNOWN_EXIT, UNKNOWN = 255, "Unknown"
CONTROL_PLANE_OFF = (
    "{name} runs the control plane: while it is off there is no API server, and nobody could ask this cluster "
    "anything. Reboot it, or shut down another node"
)


def is_on(world: World, name: str) -> bool:
    """Does this node's machine run?"""
    return netns.exists(world, f"node:{name}")


def boots(name: str) -> Key:
    """Where the world counts how often this machine has been booted again."""
    return (f"node:{name}", "boot", "")


def reboot(world: World, name: str) -> Commands:
    """Off and on again, in no time."""
    yield from _off(world, _known(world, name, on=True))
    yield from boot(world, name)


def shutdown(world: World, name: str) -> Commands:
    """The machine goes off. Raises Refused for the control plane's."""
    settings: Settings = world.get(ground.SETTINGS)
    if _known(world, name, on=True) == settings.nodes[0][0]:
        raise Refused(CONTROL_PLANE_OFF.format(name=name))
    yield from _off(world, name)


def boot(world: World, name: str) -> Commands:
    """The machine comes on: its kernel, its network as the installer configured it, its daemons."""
    _known(world, name, on=False)
    yield Put(boots(name), int(world.get(boots(name)) or 0) + 1)
    yield from ground.boot(world, name)


def _known(world: World, name: str, on: bool) -> str:
    settings: Settings = world.get(ground.SETTINGS)
    names = [node for node, _ in settings.nodes]
    if name not in names:
        raise Refused(f"there is no node {name!r}: this cluster has {', '.join(names)}")
    if is_on(world, name) is not on:
        raise Refused(f"{name} is {'off: boot it first' if on else 'on already'}")
    return name


def _off(world: World, name: str) -> Commands:
    machine = f"node:{name}"
    for scope in [s for s in world.scopes("netns") if s.startswith(f"{machine}/")]:
        yield from netns.delete(world, machine, scope.partition("/")[2])
    for row in list(world.table(machine, "link").values()):
        if row.kind != "loopback" and world.get(link.key(machine, row.name)) is not None:
            yield from link.delete(world, machine, row.name)
    for scope, table in [place for place in world.tables() if place[0] == machine and place[1] not in DISK]:
        for left in list(world.table(scope, table)):
            yield Remove((scope, table, left))
    for path in [path for path in world.table(machine, "file") if str(path).startswith(TMPFS)]:
        yield Remove((machine, "file", path))
    yield from _processes(world, machine)


def _processes(world: World, machine: str) -> Commands:
    """Every process ends; the runtime will find its records without them."""
    for box in list(world.table(machine, "sandbox").values()):
        yield Put(cri.sandbox_key(machine, box), replace(box, state=cri.NOTREADY))
    for row in list(world.table(machine, "container").values()):
        if row.state == cri.RUNNING:
            ended = replace(row, state=cri.EXITED, exit_code=UNKNOWN_EXIT, reason=UNKNOWN, finished=world.clock)
            yield Put(cri.container_key(machine, row), replace(ended, sockets=()))
