"""``brctl``: the old tool for bridges, which many tutorials still show (bridge-utils 1.7).

Left out: spanning tree and timers.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import link
from k8slearn.linux.device import ports
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Fdb, Link
from k8slearn.shell.process import Process

HEAD = "bridge name\tbridge id\t\tSTP enabled\tinterfaces\n"
MACS = "port no\tmac addr\t\tis local?\tageing timer\n"
USAGE = "Usage: brctl { addbr BRIDGE | delbr BRIDGE | addif BRIDGE DEV | delif BRIDGE DEV | show | showmacs BRIDGE }\n"
COUNT = {"addbr": 1, "delbr": 1, "addif": 2, "delif": 2, "show": 0, "showmacs": 1}


def program(process: Process) -> Running:
    """Run ``brctl``."""
    command, *names = process.argv or ("",)
    if command not in COUNT:
        raise CommandError(f"never heard of command [{command}]\n{USAGE}" if command else USAGE, 1)
    if len(names) < COUNT[command]:
        raise CommandError("Incorrect number of arguments for command\n" + USAGE, 1)
    if command == "show":
        rows = "".join(_row(process, bridge) for bridge in _bridges(process))
        return Result(HEAD + rows if rows else "")
    if command == "showmacs":
        return Result(MACS + _macs(process, _bridge(process, names[0]).name))
    yield from _change(process, command, *names[: COUNT[command]])
    return Result()


def _change(process: Process, command: str, bridge: str, port: str = "") -> Commands:
    world, netns = process.world, process.netns
    if command == "addbr":
        if world.get((netns, "link", bridge)) is not None:
            raise CommandError(f"device {bridge} already exists; can't create bridge with the same name\n", 1)
        yield from link.add_bridge(world, netns, bridge)
        return
    if command == "delbr" and world.get((netns, "link", bridge)) is None:
        raise CommandError(f"bridge {bridge} doesn't exist; can't delete it\n", 1)
    _bridge(process, bridge)
    if command == "delbr":
        yield from link.delete(world, netns, bridge)
        return
    found: Link | None = world.get((netns, "link", port))
    if found is None:
        raise CommandError(f"interface {port} does not exist!\n", 1)
    if command == "addif":
        if found.master:
            raise CommandError(f"device {port} is already a member of a bridge; can't add it to bridge {bridge}.\n", 1)
        yield from link.set_master(world, netns, port, bridge)
    elif found.master != bridge:
        raise CommandError(f"device {port} is not a port of {bridge}\n", 1)
    else:
        yield from link.set_nomaster(world, netns, port)


def _bridges(process: Process) -> list[Link]:
    links: list[Link] = sorted(process.world.table(process.netns, "link").values(), key=lambda row: row.name)
    return [row for row in links if row.kind == "bridge"]


def _bridge(process: Process, name: str) -> Link:
    found: Link | None = process.world.get((process.netns, "link", name))
    if found is None or found.kind != "bridge":
        raise CommandError(f"bridge {name} does not exist!\n", 1)
    return found


def _row(process: Process, bridge: Link) -> str:
    names = sorted(port.name for port in ports(process.world, process.netns, bridge.name))
    head = f"{bridge.name}\t\t8000.{bridge.mac.replace(':', '')}\tno\t\t"
    return head + "\n\t\t\t\t\t\t\t".join(names or [""]) + "\n"


def _macs(process: Process, bridge: str) -> str:
    found = ports(process.world, process.netns, bridge)
    rows: list[Fdb] = [row for row in process.world.table(process.netns, "fdb").values() if row.bridge == bridge]
    numbers = {port.name: port.port.number for port in found}
    lines = [(numbers[port.name], port.mac, "yes") for port in found]
    lines += [(numbers[row.port], row.mac, "no") for row in rows if row.port in numbers]
    return "".join(f"{number:>3}\t{mac}\t{local}\t\t{0:>7.2f}\n" for number, mac, local in sorted(lines))
