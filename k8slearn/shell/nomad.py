"""``nomad``: jobs of another orchestrator on this node, whose client is its own server (``nomad agent -dev``).

A job is the JSON that Nomad's API takes (``-json``), from a file of the node or, with ``-``, from standard input::

    {"ID": "web", "TaskGroups": [{"Name": "web", "Networks": [{"Mode": "bridge", "DynamicPorts": [{"Label": "http",
     "To": 80}]}], "Tasks": [{"Name": "web", "Driver": "exec"}]}]}

``nomad job run -json FILE``, ``nomad job status [JOB]``, ``nomad job stop JOB``, ``nomad alloc status ALLOC``. What
happens to the network is in `k8slearn.cni.nomad`.

Left out: jobs in HCL, updates of a running job, everything about CPU, memory, tasks and drivers, and real time (the
monitor of an evaluation tells its end at once).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from k8slearn.cni import nomad
from k8slearn.cni.nomad import FAILED, RUNNING, Alloc, Port
from k8slearn.errors import CommandError
from k8slearn.linux.program import Result, Running
from k8slearn.shell.files import read
from k8slearn.shell.process import Process

USAGE = "Usage: nomad [-version] [-help] [-autocomplete-(un)install] <command> [args]\n"
MODES = "bridge or cni/NAME"


def program(process: Process) -> Running:
    """Run ``nomad job run|status|stop`` or ``nomad alloc status``."""
    words = [word for word in process.argv if not word.startswith("-") or word == "-"]
    command = COMMANDS.get(" ".join(words[:2]))
    if command is None:
        return Result("", USAGE + "Here are: nomad " + ", nomad ".join(COMMANDS) + "\n", 127)
    return (yield from command(process, words[2:]))


def _host_ip(process: Process) -> str:
    """The client's address: that of its default route's device."""
    rows = process.world.table(process.machine, "addr").values()
    found = (row.address for row in rows if row.dev == "eth0" and ":" not in row.address)
    return next(found, "127.0.0.1")


def _run(process: Process, words: list[str]) -> Running:
    if "-json" not in process.argv or len(words) != 1:
        raise CommandError("This command takes one argument: <path>, here after -json\n", 1)
    job = _job(process, words[0])
    lines, failed = "", False
    old = [a for a in nomad.allocs(process.world, process.machine, job["ID"]) if a.status == RUNNING]
    for alloc in old:
        yield from nomad.stop(process.world, process.machine, alloc, _host_ip(process))
    for group in job["TaskGroups"]:
        for index in range(group.get("Count", 1)):
            alloc = _alloc(process, job, group, index)
            done = yield from nomad.start(process.world, process.machine, alloc, _host_ip(process))
            failed |= done.status == FAILED
            where = f'node "{nomad.identity(process.machine)[:8]}", group "{done.group}"'
            lines += f'    Allocation "{done.id[:8]}" created: {where}\n'
            if done.status == FAILED:
                lines += f'    Allocation "{done.id[:8]}" status changed: "pending" -> "failed" ({done.description})\n'
    evaluation = nomad.identity(process.machine, job["ID"], process.world.revision)[:8]
    head = f'==> Monitoring evaluation "{evaluation}"\n    Evaluation triggered by job "{job["ID"]}"\n'
    tail = f'    Evaluation status changed: "pending" -> "complete"\n==> Evaluation "{evaluation}" finished'
    return Result(f'{head}{lines}{tail} with status "complete"\n', "", 2 if failed else 0)


def _job(process: Process, path: str) -> dict[str, Any]:
    """The job of a file, with the fields that are read here. Raises CommandError."""
    text = process.stdin if path == "-" else read(process, path)
    if text is None:
        raise CommandError(f"Error getting job struct: Error opening file: open {path}: no such file or directory\n", 1)
    try:
        found = json.loads(text)
        job = found.get("Job", found)
        for group in job["TaskGroups"]:
            _check_group(group)
        return {**job, "ID": str(job["ID"])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise CommandError(f"Error getting job struct: Failed to parse JSON job: {said}\n", 1) from None


def _check_group(group: dict[str, Any]) -> None:
    networks = group["Networks"]
    if len(networks) != 1 or not (networks[0]["Mode"] == "bridge" or str(networks[0]["Mode"]).startswith("cni/")):
        raise ValueError(f"group {group['Name']!r}: one network of mode {MODES} is what is modelled here")
    ports = [*(networks[0].get("DynamicPorts") or ()), *(networks[0].get("ReservedPorts") or ())]
    for port in ports:
        for name in ("To", "Value"):
            if not isinstance(port.get(name, 0), int) or not 0 <= port.get(name, 0) < 65536:
                raise ValueError(f"port {port['Label']!r}: {name} is a number from 0 to 65535")
    if not isinstance(group.get("Count", 1), int) or not 0 <= group.get("Count", 1) <= 100:
        raise ValueError(f"group {group['Name']!r}: Count is a number from 0 to 100 here")


def _alloc(process: Process, job: dict[str, Any], group: dict[str, Any], index: int) -> Alloc:
    """An allocation that is to run here, with its ports chosen."""
    world, node, network = process.world, process.machine, group["Networks"][0]
    count = len(world.table(node, "alloc"))
    ports = [_port(port, int(port["Value"]), False) for port in network.get("ReservedPorts") or ()]
    for port in network.get("DynamicPorts") or ():
        ports.append(_port(port, nomad.free_port(world, node, job["ID"], group["Name"], port["Label"], count), True))
    identity = nomad.identity(node, job["ID"], group["Name"], index, count)
    namespace = str(job.get("Namespace") or "default")
    made = Alloc(identity, job["ID"], str(group["Name"]), index, network["Mode"], tuple(ports), namespace)
    return replace(made, created=world.clock)


def _port(port: dict[str, Any], host: int, dynamic: bool) -> Port:
    return Port(str(port["Label"]), host, int(port.get("To", 0)) or host, dynamic)


def _stop(process: Process, words: list[str]) -> Running:
    if len(words) != 1:
        raise CommandError("This command takes one argument: <job>\n", 1)
    found = nomad.allocs(process.world, process.machine, words[0])
    if not found:
        raise CommandError(f'No job(s) with prefix or ID "{words[0]}" found\n', 1)
    for alloc in found:
        if alloc.status == RUNNING:
            yield from nomad.stop(process.world, process.machine, alloc, _host_ip(process))
    evaluation = nomad.identity(process.machine, words[0], process.world.revision)[:8]
    return Result(
        f'==> Monitoring evaluation "{evaluation}"\n==> Evaluation "{evaluation}" finished with status "complete"\n'
    )


def _job_status(process: Process, words: list[str]) -> Running:
    """The jobs, or one job's allocations."""
    yield from ()
    found = nomad.allocs(process.world, process.machine, words[0] if words else "")
    if not words:
        jobs = {alloc.job: any(a.status == RUNNING for a in found if a.job == alloc.job) for alloc in found}
        listed = [(job, "service", "50", "running" if up else "dead") for job, up in jobs.items()]
        return Result(_columns(("ID", "Type", "Priority", "Status"), listed) if listed else "No running jobs\n")
    if not found:
        raise CommandError(f'No job(s) with prefix or ID "{words[0]}" found\n', 1)
    head = ("ID", "Node ID", "Task Group", "Version", "Desired", "Status", "Created", "Modified")
    node = nomad.identity(process.machine)[:8]
    rows = [(a.id[:8], node, a.group, "0", _desired(a), a.status, _ago(process, a), _ago(process, a)) for a in found]
    return Result("Allocations\n" + _columns(head, rows))


def _alloc_status(process: Process, words: list[str]) -> Running:
    yield from ()
    found = [a for a in nomad.allocs(process.world, process.machine) if words and a.id.startswith(words[0])]
    if len(found) != 1 or len(words) != 1:
        asked = words[0] if words else ""
        raise CommandError(f'No allocation(s) with prefix or id "{asked}" found\n', 1)
    alloc = found[0]
    fields = {
        "ID": alloc.id,
        "Name": alloc.name,
        "Node ID": nomad.identity(process.machine)[:8],
        "Node Name": process.machine.removeprefix("node:"),
        "Job ID": alloc.job,
        "Client Status": alloc.status,
        "Client Description": alloc.description,
        "Desired Status": _desired(alloc),
        "Created": _ago(process, alloc),
    }
    text = "".join(f"{name:<18} = {value}\n" for name, value in fields.items())
    return Result(text + (_addresses(process, alloc) if alloc.ports else ""))


def _addresses(process: Process, alloc: Alloc) -> str:
    rows = [
        (f"*{port.label}", "yes" if port.dynamic else "no", f"{_host_ip(process)}:{port.host} -> {port.to}")
        for port in alloc.ports
    ]
    return f'\nAllocation Addresses (mode = "{alloc.mode}"):\n' + _columns(("Label", "Dynamic", "Address"), rows)


def _desired(alloc: Alloc) -> str:
    return "run" if alloc.status in (RUNNING, FAILED) else "stop"


def _ago(process: Process, alloc: Alloc) -> str:
    return f"{int(process.world.clock - alloc.created)}s ago"


def _columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in [head, *rows])
    return "".join(line.rstrip() + "\n" for line in lines)


COMMANDS = {"job run": _run, "job stop": _stop, "job status": _job_status, "alloc status": _alloc_status}
