"""``sysctl``: read and write the kernel's settings (procps 4.0), and the files under /proc/sys that they are.

`linux/sysctl.py` holds the settings that a decision of this engine reads; there are no others here, so ``sysctl -a``
is short. A setting per device (``net.ipv4.conf.eth0.rp_filter``) exists while the device does, and those of IPv6 while
the device can carry it.

Left out: /etc/sysctl.d, ``-p`` and ``--system``.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.journal import Command, World
from k8slearn.linux import inet6, setting, sysctl
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

USAGE = "Usage:\n sysctl [-n] [-w] [-q] [-a] [-N] [-r PATTERN] [variable[=value] ...]\n"
NO_SUCH = "sysctl: cannot stat /proc/sys/{}: No such file or directory\n"
INVALID = 'sysctl: setting key "{}": Invalid argument\n'
SYNTAX = "sysctl: command line(0): invalid syntax, continuing...\n"
NOT_MODELLED = {"accept_dad": ("0", "-1"), "addr_gen_mode": ("0", "1")}
"""Of these settings only some values are known here."""
OPTIONS = {
    "--all": "a",
    "--values": "n",
    "--names": "N",
    "--write": "w",
    "--quiet": "q",
    "--ignore": "e",
    "--pattern": "r",
}


@dataclass(slots=True)
class Asked:
    """What the command line asks for."""

    flags: set[str] = field(default_factory=set)
    pattern: str = ""
    words: list[str] = field(default_factory=list)


def program(process: Process) -> Running:
    """Run ``sysctl``: variables without a value are read, the others are written."""
    asked = _read(process)
    if {"a", "A", "X"} & asked.flags:
        return Result("".join(_line(process, asked, name) for name in names(process) if re.search(asked.pattern, name)))
    if not asked.words:
        raise CommandError("\n" + USAGE, 1)
    out, complaints = "", ""
    for word in asked.words:
        name, assigned, value = word.partition("=")
        name = name.strip().replace("/", ".")
        if "w" in asked.flags and not (assigned and name):
            return Result(out, complaints + SYNTAX, 1)
        if assigned:
            complaint = yield from _write(process, name, value.strip())
            out += "" if complaint or "q" in asked.flags else _said(asked, name, value.strip())
        else:
            found, complaint = _show(process, asked, name)
            out += found
        complaints += complaint
    return Result(out, complaints, 1 if complaints else 0)


def _read(process: Process) -> Asked:
    asked, words = Asked(), list(process.argv)
    while words:
        word = words.pop(0)
        letters = OPTIONS.get(word, word[1:]) if word.startswith("-") else ""
        if not letters:
            asked.words.append(word)
        unknown = set(letters) - set("aAXnNwqer")
        if unknown:
            raise CommandError(f"sysctl: invalid option -- '{sorted(unknown)[0]}'\n\n{USAGE}", 1)
        asked.flags |= set(letters)
        if "r" in letters and words:
            asked.pattern = _pattern(words.pop(0))
    return asked


def _pattern(word: str) -> str:
    try:
        re.compile(word)
    except re.error as error:
        raise CommandError(f"sysctl: {word}: {error}\n", 1) from None
    return word


def names(process: Process) -> list[str]:
    """Every setting of this namespace, in the order of ``sysctl -a``."""
    world, netns = process.world, process.netns
    written = {str(name) for name in world.table(netns, "sysctl")}
    own = {f"{tree}{dev}.{name}" for tree, dev in _trees(world, netns) for name in sysctl.CONF[tree]}
    gone = {name for name in written if sysctl.place(name)[0]} - own
    return sorted({*sysctl.DEFAULTS, *own, *written} - gone, key=lambda name: name.split("."))


def _trees(world: World, netns: str) -> Iterator[tuple[str, str]]:
    """The directories of a device's settings: (``net.ipv4.conf.``, device)."""
    links = world.table(netns, "link").values()
    yield from (("net.ipv4.conf.", dev) for dev in ("all", "default", *(link.name for link in links)))
    if inet6.speaks(world, netns):
        able = (link.name for link in links if link.mtu >= inet6.LEAST_MTU)
        yield from (("net.ipv6.conf.", dev) for dev in ("all", "default", *able))


def value_of(process: Process, name: str) -> str | None:
    """A setting's value, or None where there is no such setting."""
    found = sysctl.read(process.world, process.netns, name)
    return (found or "0") if name in names(process) else None


def _show(process: Process, asked: Asked, name: str) -> tuple[str, str]:
    """A setting, or all settings in a directory."""
    below = [n for n in names(process) if n == name or n.startswith(f"{name}.")]
    if below:
        return "".join(_line(process, asked, n) for n in below), ""
    return "", "" if "e" in asked.flags else NO_SUCH.format(name.replace(".", "/"))


def _line(process: Process, asked: Asked, name: str) -> str:
    return _said(asked, name, value_of(process, name) or "")


def _said(asked: Asked, name: str, value: str) -> str:
    if "N" in asked.flags:
        return f"{name}\n"
    return f"{value}\n" if "n" in asked.flags else f"{name} = {value}\n"


def _write(process: Process, name: str, value: str) -> Generator[Command, None, str]:
    """Write one setting; returns the complaint, if any."""
    if name not in names(process):
        return NO_SUCH.format(name.replace(".", "/"))
    kept = setting.checked(name, value)
    if not value:
        return SYNTAX
    if kept is None:
        return INVALID.format(name)
    if sysctl.place(name)[2] in NOT_MODELLED and kept not in NOT_MODELLED[sysctl.place(name)[2]]:
        return f"sysctl: {name}={kept}: this is not modelled here\n"
    yield from setting.write(process.world, process.netns, name, kept)
    return ""


def directory(process: Process, path: str) -> Iterator[str]:
    """The settings below a directory of /proc/sys."""
    prefix = path.removeprefix("/proc/sys").strip("/").replace("/", ".")
    return (name for name in names(process) if not prefix or name.startswith(f"{prefix}."))
