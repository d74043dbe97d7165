"""Small programs: ``echo``, ``env``, ``hostname``, ``true``, ``false``; and one that says why it is not here.

Left out: whatever a network does not need.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.linux import ip
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import ASSIGNMENT, Process, execute


def true(process: Process) -> Running:
    """``true``: nothing, successfully."""
    yield from ()
    return Result()


def false(process: Process) -> Running:
    """``false``: nothing, unsuccessfully."""
    yield from ()
    return Result("", "", 1)


def echo(process: Process) -> Running:
    """``echo [-n] WORD...``."""
    yield from ()
    words = list(process.argv)
    end = "" if words[:1] == ["-n"] else "\n"
    return Result(" ".join(words if end else words[1:]) + end)


def env(process: Process) -> Running:
    """``env [-i] [NAME=VALUE...] [COMMAND...]``."""
    words, values = list(process.argv), dict(process.env)
    if words[:1] == ["-i"]:
        words, values = words[1:], {}
    while words and ASSIGNMENT.match(words[0]):
        name, _, values[name] = words.pop(0).partition("=")
    if words:
        result = yield from execute(replace(process, env=values), words)
        return result
    return Result("".join(f"{name}={value}\n" for name, value in values.items()))


def hostname(process: Process) -> Running:
    """``hostname`` and ``hostname -I|-i``: what this machine or container is called, and its addresses."""
    yield from ()
    if process.argv[:1] in (("-I",), ("-i",)):
        rows = process.world.table(process.netns, "addr").values()
        return Result("".join(f"{row.address} " for row in rows if not ip.is_loopback(row.address)) + "\n")
    if process.argv and not process.argv[0].startswith("-"):
        raise CommandError("hostname: you must be root to change the host name\n", 1)
    scope = process.files or process.netns
    row = process.world.get((scope, "netns", ""))
    name = row.name if row is not None else scope
    return Result(f"{str(name).rpartition('/')[2]}\n")


def tracepath(process: Process) -> Running:
    """``tracepath`` is not here."""
    yield from ()
    words = (
        "`traceroute -n ADDRESS` shows the routers on the way, `ping -M do -s SIZE ADDRESS` how long a packet may be"
    )
    raise CommandError(f"tracepath: not modelled here; {words}\n", 1)
