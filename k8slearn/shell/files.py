"""``cat``, ``ls``, ``tee`` and ``rm``: the files that matter to a network, on a machine or in a container.

A machine's files are rows (``file`` table): CNI configuration, results that the runtime caches, /etc/hosts. The
kernel's own "files" under /proc/sys are its settings, always those of the namespace that the program runs in;
/var/run/netns lists namespaces.

A person writes a file with ``tee FILE`` and standard input; CNI plugins lie in /opt/cni/bin of every node.

Left out: every other file, permissions, sizes and times; folders are there while something is in them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from k8slearn import names as resolving
from k8slearn.cni import skel
from k8slearn.errors import CommandError
from k8slearn.journal import Put, Remove
from k8slearn.linux.program import Result, Running
from k8slearn.shell import sysctl
from k8slearn.shell.process import Process
from k8slearn.shell.resolve import box_of

PROC = "/proc/sys/"
RUN = {"/var/run/netns": "/run/netns"}


def cat(process: Process) -> Running:
    """``cat FILE...``; without a file, standard input."""
    yield from ()
    out, complaints = "", ""
    paths = [word for word in process.argv if not word.startswith("-") or word == "-"]
    for path in paths or ["-"]:
        text = process.stdin if path == "-" else read(process, path)
        if text is None:
            words = "Is a directory" if is_directory(process, path) else "No such file or directory"
            complaints += f"cat: {path}: {words}\n"
        out += text or ""
    return Result(out, complaints, 1 if complaints else 0)


def read(process: Process, path: str) -> str | None:
    """A file's text, or None."""
    path = posixpath.normpath(posixpath.join("/", path))
    if path.startswith(PROC):
        value = sysctl.value_of(process, path.removeprefix(PROC).replace("/", "."))
        return None if value is None else f"{value}\n"
    text: str | None = process.world.get((process.files, "file", path))
    return text if text is not None else _about_names(process).get(path)


def _about_names(process: Process) -> dict[str, str]:
    """/etc/hosts and /etc/resolv.conf, which are there though nobody wrote them by hand."""
    return resolving.files(process.world, process.files, box_of(process))


def tee(process: Process) -> Running:
    """``tee [-a] FILE...``: standard input into files, and onto the screen."""
    options = [word for word in process.argv if word.startswith("-")]
    if set(options) - {"-a", "--append"}:
        raise CommandError(f"tee: invalid option -- '{options[0].lstrip('-')}'\n", 1)
    for word in process.argv:
        if word not in options and word != "/dev/null":
            yield from write(process, word, process.stdin, bool(options), "tee")
    return Result(process.stdin)


def write(process: Process, name: str, text: str, append: bool, who: str = "sh") -> Iterator[Put]:
    """Put a text into a file, at its end where `append`."""
    path = posixpath.normpath(posixpath.join("/", name))
    if path.startswith("/proc/"):
        raise CommandError(f"{who}: {name}: write settings with sysctl -w here\n", 1)
    before = (read(process, path) or "") if append else ""
    yield Put((process.files, "file", path), before + text)


def rm(process: Process) -> Running:
    """``rm [-f] FILE...``."""
    complaints, forced = "", any(word in ("-f", "--force") for word in process.argv)
    for word in process.argv:
        path = posixpath.normpath(posixpath.join("/", word))
        key = (process.files, "file", path)
        if word.startswith("-"):
            if word not in ("-f", "--force"):
                raise CommandError(f"rm: {word}: only -f is modelled\n", 1)
        elif process.world.get(key) is not None:
            yield Remove(key)
        elif path in _binaries(process):
            yield Put((process.machine, "binary", path), skel.Binary())
        elif is_directory(process, word):
            complaints += f"rm: cannot remove '{word}': Is a directory\n"
        elif not forced:
            complaints += f"rm: cannot remove '{word}': No such file or directory\n"
    return Result("", complaints, 1 if complaints else 0)


def everything(process: Process) -> set[str]:
    """Every path there is."""
    mine = {*map(str, process.world.table(process.files, "file")), *_about_names(process)}
    settings = {PROC + name.replace(".", "/") for name in sysctl.names(process)}
    machine = f"{process.machine}/"
    scopes = process.world.scopes("netns") if process.on_machine else []
    mine |= _binaries(process)
    return mine | settings | {f"/run/netns/{s.removeprefix(machine)}" for s in scopes if s.startswith(machine)}


def _binaries(process: Process) -> set[str]:
    """The CNI plugins of a node."""
    if not (process.on_machine and process.machine.startswith("node:")):
        return set()
    own = process.world.table(process.machine, "binary")
    paths = {*map(str, own), *(f"{skel.BINARIES}/{name}" for name in skel.PROGRAMS)}
    return {path for path in paths if path not in own or own[path].program is not None}


def is_directory(process: Process, path: str) -> bool:
    """Is there anything below this path?"""
    path = _real(path)
    return path in ("/", "/etc", "/run/netns") or any(name.startswith(f"{path}/") for name in everything(process))


def _real(path: str) -> str:
    path = posixpath.normpath(posixpath.join("/", path))
    return RUN.get(path, path)


def ls(process: Process) -> Running:
    """``ls [PATH...]``: names only."""
    yield from ()
    single, out, complaints = "", [], ""
    paths = [word for word in process.argv if not word.startswith("-")] or ["/"]
    for path in paths:
        names = _names(process, path)
        if names is None:
            complaints += f"ls: cannot access '{path}': No such file or directory\n"
        elif not is_directory(process, path):
            single += f"{path}\n"
        else:
            out.append((f"{path}:\n" if len(paths) > 1 else "") + "".join(f"{name}\n" for name in names))
    return Result("\n".join([*([single] if single else []), *out]), complaints, 2 if complaints else 0)


def _names(process: Process, path: str) -> list[str] | None:
    real = _real(path)
    if not is_directory(process, real):
        return [path] if real in everything(process) else None
    below = real.rstrip("/") + "/"
    return sorted(
        {name.removeprefix(below).partition("/")[0] for name in everything(process) if name.startswith(below)}
    )
