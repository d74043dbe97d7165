"""Programs that start another program: ``sh -c``, ``timeout``, ``nsenter``.

Left out: every namespace of ``nsenter`` but the network's.
"""

from __future__ import annotations

import re
from dataclasses import replace

from k8slearn.cni import cri
from k8slearn.errors import CommandError
from k8slearn.linux.program import Result, Running
from k8slearn.shell import files
from k8slearn.shell.process import Process, execute
from k8slearn.shell.sh import script

NETNS = re.compile(r"(?:/var)?/run/netns/([^/]+)")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def named_netns(process: Process, name: str) -> str | None:
    """The scope of the namespace that ``ip netns add NAME`` made on this machine, or None."""
    scope = f"{process.machine}/{name}"
    exists = process.on_machine and process.world.get((scope, "netns", "")) is not None
    return scope if exists else None


def sh(process: Process) -> Running:
    """``sh -c 'SCRIPT'``, ``sh FILE``; without either, standard input is the script."""
    words = list(process.argv)
    if words[:1] == ["-c"]:
        if len(words) < 2:
            raise CommandError("sh: 0: -c requires an argument\n", 2)
        return (yield from script(process, words[1]))
    if words and words[0].startswith("-"):
        raise CommandError(f"sh: 0: {words[0]}: only -c is modelled\n", 2)
    if words:
        text = files.read(process, words[0])
        if text is None:
            raise CommandError(f"sh: 0: cannot open {words[0]}: No such file\n", 2)
        return (yield from script(process, text))
    return (yield from script(replace(process, stdin=""), process.stdin))


def timeout(process: Process) -> Running:
    """``timeout SECONDS COMMAND...``: exit status 124 when the command was still waiting."""
    words = list(process.argv)
    if len(words) < 2:
        raise CommandError("Try 'timeout --help' for more information.\n", 125)
    amount = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", words[0])
    if amount is None:
        hint = "Try 'timeout --help' for more information.\n"
        raise CommandError(f"timeout: invalid time interval \u2018{words[0]}\u2019\n{hint}", 125)
    limit = float(amount[1]) * SECONDS[amount[2]]
    result = yield from execute(replace(process, limit=min(limit, process.limit)), words[1:])
    if result.exit_code == 127 and result.stderr.startswith("sh: 1: "):
        return Result("", f"timeout: failed to run command \u2018{words[1]}\u2019: No such file or directory\n", 127)
    return result


def netns_of_process(process: Process, pid: str) -> str | None:
    """The scope of the namespace that a container's (or a pause container's) process on this machine is in."""
    boxes = process.world.table(process.machine, "sandbox")
    here = {str(box.pid): box.netns for box in boxes.values() if box.state == cri.READY}
    for row in process.world.table(process.machine, "container").values():
        if row.state == cri.RUNNING and row.sandbox in boxes:
            here[str(cri.process_id(row.id))] = boxes[row.sandbox].netns
    return here.get(pid) if process.on_machine else None


def nsenter(process: Process) -> Running:
    """``nsenter --net=/var/run/netns/X COMMAND...``, ``nsenter -t PID -n COMMAND...``."""
    words, path, pid = list(process.argv), "", ""
    while words and words[0].startswith("-"):
        option, _, value = words.pop(0).partition("=")
        if option in ("-t", "--target"):
            pid = value or (words.pop(0) if words else "")
        elif option in ("--net", "-n"):
            path = value or "of the target"
        else:
            raise CommandError(f"nsenter: {option}: only --net=/var/run/netns/NAME and -t PID -n are modelled\n")
    found = NETNS.fullmatch(path)
    scope = named_netns(process, found[1]) if found else netns_of_process(process, pid) if pid and path else None
    if scope is None:
        where = f"/proc/{pid}/ns/net" if pid else path
        raise CommandError(f"nsenter: cannot open {where}: No such file or directory\n")
    return (yield from execute(replace(process, netns=scope), words))
