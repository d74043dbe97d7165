"""Programs that do something when a container runs them: they copy files from its image and volumes to others.

Network plugins come to a node this way: an init container copies the plugin's binary to /opt/cni/bin and a
configuration to /etc/cni/net.d (`mounts` says where its paths lead). Each row of `TOOLS` is a program of that kind,
found by the first word of the container's command; all other programs are `programs`' matter.

Left out: scripts, options other than those that change nothing here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Generator, Mapping
from typing import Any

from k8slearn.components.kubelet import install_multus, mounts
from k8slearn.components.kubelet.install_cni import install
from k8slearn.components.kubelet.pod import Pod
from k8slearn.components.kubelet.programs import command_line
from k8slearn.journal import Command
from k8slearn.linux.program import Result

Obj = dict[str, Any]
Running = Generator[Command, None, Result]
Tool = Callable[[Pod, Obj, list[str]], Generator[Command, None, Result | str]]
"""(the pod, the container, the words after the program's name) -> how it ended, or what it printed so far: it stays."""


def run(pod: Pod, spec: Obj) -> Generator[Command, None, Result | str | None]:
    """Run the container's program; None: it is none of these."""
    words = command_line(spec)
    tool = TOOLS.get(posixpath.basename(words[0])) if words else None
    return None if tool is None else (yield from tool(pod, spec, words[1:]))


def cp(pod: Pod, spec: Obj, words: list[str]) -> Running:
    """``cp [-f] FILE... TO`` as BusyBox has it; `TO` is a folder where several files or a mount's own path say so."""
    paths = [word for word in words if not word.startswith("-")]
    if len(paths) < 2:
        return Result("", "BusyBox: cp: missing file operand\n", 1)
    *files, to = paths
    folder = len(files) > 1 or to.endswith("/") or _is_mount(spec, to)
    for path in files:
        file = mounts.read(pod, spec, path)
        if file is None:
            return Result("", f"cp: can't stat '{path}': No such file or directory\n", 1)
        yield from mounts.write(pod, spec, posixpath.join(to, posixpath.basename(path)) if folder else to, file)
    return Result()


def _is_mount(spec: Obj, path: str) -> bool:
    return any(posixpath.normpath(m["mountPath"]) == path for m in spec.get("volumeMounts") or ())


def install_conf(pod: Pod, spec: Obj, words: list[str]) -> Running:
    """flannel's own ``install-conf FROM TO`` (flannel-io/flannel cmd/install_conf)."""
    if len(words) != 2:
        return Result("", f"usage: {command_line(spec)[0]} <src> <dest>\n", 1)
    file = mounts.read(pod, spec, words[0])
    if file is None:
        said = f"open {words[0]}: no such file or directory"
        return Result("", f'error installing "{words[0]}": {said}\n', 1)
    yield from mounts.write(pod, spec, words[1], file)
    return Result()


def install_plugin(pod: Pod, spec: Obj, words: list[str]) -> Running:
    """Cilium's ``/install-plugin.sh`` (plugins/cilium-cni/install-plugin.sh): its plugin comes to the node."""
    file = mounts.read(pod, spec, "/opt/cni/bin/cilium-cni")
    if file is None:
        return Result("", "cp: cannot stat '/opt/cni/bin/cilium-cni': No such file or directory\n", 1)
    yield from mounts.write(pod, spec, "/host/opt/cni/bin/cilium-cni", file)
    return Result("Installing cilium-cni to /host/opt/cni/bin/ ...\nwrote /host/opt/cni/bin/cilium-cni\n")


TOOLS: Mapping[str, Tool] = {
    "cp": cp,
    "install-plugin.sh": install_plugin,
    "install": install,
    "install-conf": install_conf,
    "install_multus": install_multus.install,
    "thin_entrypoint": install_multus.entrypoint,
}
