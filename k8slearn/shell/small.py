"""Small programs: ``echo``, ``printf``, ``test``, ``env``, ``hostname``, ``true``; two only say why they are not here.

Left out: whatever a network does not need.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.linux import ip
from k8slearn.linux.program import Result, Running
from k8slearn.shell import files
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


def printf(process: Process) -> Running:
    """``printf FORMAT [WORD...]``: ``%s``, ``%d`` and ``%%``; the format is used again while words are left."""
    yield from ()
    if not process.argv:
        raise CommandError("printf: usage: printf format [arguments]\n", 2)
    shape, *words = process.argv
    shape = re.sub(r"\\([ntr\\])", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], "\\"), shape)
    if wrong := re.search(r"%(?![sd%])", shape):
        raise CommandError(f"printf: {shape[wrong.start() : wrong.start() + 2]}: only %s, %d and %% are modelled\n", 2)
    out = ""
    while True:
        out += re.sub(
            r"%([sd%])", lambda m: "%" if m[1] == "%" else words.pop(0) if words else "0" * (m[1] == "d"), shape
        )
        if not words or not re.search(r"%[sd]", shape):
            return Result(out)


TEXTS: dict[str, Callable[[str, str], bool]] = {"=": operator.eq, "!=": operator.ne}
NUMBERS: dict[str, Callable[[int, int], bool]] = {
    f"-{name}": getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}


def test(process: Process) -> Running:
    """``test A = B``, ``[ -n WORD ]``, ``[ 1 -lt 2 ]``: 0 where it holds, 1 where it does not."""
    yield from ()
    words = list(process.argv)
    if words[-1:] == ["]"]:
        words.pop()
    negated = len(words) > 1 and words[0] == "!"
    words = words[1:] if negated else words
    return Result(exit_code=int(_holds(process, words) == negated))


def _holds(process: Process, words: list[str]) -> bool:
    if len(words) < 2:
        return bool(words and words[0])
    if len(words) == 2 and words[0] in ("-n", "-z", "-f", "-e"):
        found = files.read(process, words[1]) is not None if words[0] in ("-f", "-e") else bool(words[1])
        return found != (words[0] == "-z")
    if len(words) == 3 and words[1] in TEXTS:
        return TEXTS[words[1]](words[0], words[2])
    if len(words) != 3 or words[1] not in NUMBERS:
        raise CommandError(f"test: {' '.join(words)}: only -n, -z, -f, =, != and -eq, -ne, -lt, -le, -gt, -ge\n", 2)
    if wrong := [word for word in words[::2] if not re.fullmatch(r"-?\d{1,18}", word)]:
        raise CommandError(f"test: Illegal number: {wrong[0]}\n", 2)
    return NUMBERS[words[1]](int(words[0]), int(words[2]))


def sleep(process: Process) -> Running:
    """``sleep`` is not here."""
    yield from ()
    raise CommandError("sleep: a command takes no time here; cluster.advance(SECONDS) moves the clock\n", 1)


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
