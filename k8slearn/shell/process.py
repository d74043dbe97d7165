"""A command line becomes a running program, as a machine's shell would start it.

The shell (`sh`) splits the line, looks the first word up in $PATH and hands the rest to that program. Here the path is
`PROGRAMS`, and a program is a generator (`linux/program.py`). A `Process` is a `Call` with what a child inherits from
its parent: whose files it sees (``ip netns exec`` changes the network and not the files) and how long it may run.

Left out: job control; images: a pod's container has every network tool here.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from k8slearn.cni.skel import program_at
from k8slearn.errors import CommandError, Refused
from k8slearn.journal import World
from k8slearn.linux.program import Call, Result, Running


@dataclass(frozen=True, slots=True)
class Process(Call):
    """One program that runs: a `Call`, and what it inherited."""

    files: str = ""
    """The scope whose files it sees: a machine's, or a container's own."""
    limit: float = math.inf
    """Seconds until ``timeout`` ends it."""
    container: str = ""
    """The id of the container that it runs in, where somebody said so (``kubectl exec``)."""

    @property
    def machine(self) -> str:
        """The scope of the machine that it runs on."""
        netns = self.world.get((self.netns, "netns", ""))
        return netns.machine if netns is not None else self.netns.partition("/")[0]

    @property
    def on_machine(self) -> bool:
        """Does it see the machine's own files (a container sees its own)?"""
        return self.files == self.machine


PROGRAMS: Mapping[str, str] = {
    **{name: f"filters:{name}" for name in ("cut", "grep", "head", "seq", "sort", "tail", "tr", "uniq", "wc")},
    "test": "small:test",
    "[": "small:test",
    ":": "small:true",
    "printf": "small:printf",
    "sleep": "small:sleep",
    "arp": "neighbours:arp",
    "bridge": "bridge:program",
    "brctl": "brctl:program",
    "cat": "files:cat",
    "cnitool": "cnitool:program",
    "conntrack": "conntrack:program",
    "birdcl": "calicoctl:birdcl",
    "calicoctl": "calicoctl:program",
    "cilium-dbg": "cilium_dbg:program",
    "crictl": "crictl:program",
    "curl": "curl:program",
    "dig": "dig:program",
    "echo": "small:echo",
    "env": "small:env",
    "false": "small:false",
    "getent": "getent:program",
    "host": "getent:host",
    "hostname": "small:hostname",
    "ip": "ip:program",
    **{f"iptables{nft}": "iptables:program" for nft in ("", "-nft")},
    **{f"iptables{nft}-restore": "iptables_restore:program" for nft in ("", "-nft")},
    **{f"iptables{nft}-save": "iptables_save:program" for nft in ("", "-nft")},
    **{f"ip6tables{nft}": "iptables:program6" for nft in ("", "-nft")},
    **{f"ip6tables{nft}-restore": "iptables_restore:program6" for nft in ("", "-nft")},
    **{f"ip6tables{nft}-save": "iptables_save:program6" for nft in ("", "-nft")},
    "ipset": "ipset:program",
    "ipvsadm": "ipvsadm:program",
    "journalctl": "power:journalctl",
    "kill": "processes:kill",
    "kubectl": "kubectl:program",
    "kubelet": "power:kubelet",
    "ls": "files:ls",
    "nc": "nc:program",
    "netstat": "nstat:netstat",
    "nft": "nft:program",
    "nomad": "nomad:program",
    "nsenter": "wrappers:nsenter",
    "nslookup": "nslookup:program",
    "nstat": "nstat:program",
    "ping": "ping:program",
    "poweroff": "power:poweroff",
    "printenv": "small:env",
    "ps": "processes:ps",
    "reboot": "power:reboot",
    "rm": "files:rm",
    "sh": "wrappers:sh",
    "bash": "wrappers:sh",
    "shutdown": "power:shutdown",
    "ss": "ss:program",
    "sysctl": "sysctl:program",
    "systemctl": "power:systemctl",
    "tc": "tc:program",
    "tcpdump": "tcpdump:program",
    "tee": "files:tee",
    "timeout": "wrappers:timeout",
    "tracepath": "small:tracepath",
    "traceroute": "traceroute:program",
    "true": "small:true",
    "wg": "wg:program",
    "wget": "wget:program",
}
"""Every program -> the module of this room and its function; loaded when first called."""
NODE_ONLY = {"birdcl", "calicoctl", "cnitool", "crictl", "journalctl", "kubectl", "nomad"}
NODE_ONLY |= {"kubelet", "poweroff", "reboot", "shutdown", "systemctl"}
HOMES = re.compile(r"(/usr)?(/local)?/s?bin/(?=[^/]+$)")
QUOTED = re.compile(r"""'[^']*'|"(?:\\.|(?!\$\()[^"\\])*\"""")
JOINT = re.compile(r"(?<=\s)(?:\|\|?|&&)(?=\s)|;(?=\s)|\$\(")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def run(
    world: World,
    scope: str,
    command: str | Sequence[str],
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    container: str = "",
) -> Running:
    """Run one command line (or its words) in a scope; yields what it writes, returns the `Result`."""
    from k8slearn.shell.sh import script

    process = Process(world, scope, (), stdin, env or {}, scope, container=container)
    if isinstance(command, str):
        return (yield from script(process, command))
    return (yield from execute(process, tuple(map(str, command))))


def joined(line: str) -> int:
    """Where in a kubectl line another command begins (``… | grep web``); 0: it is one command.

    What kubectl takes without quotes (``-o jsonpath={.items[0]}``) is not for the shell, so only operators that stand
    alone count, and ``$(``.
    """
    found = JOINT.search(QUOTED.sub(lambda quoted: "x" * len(quoted.group()), line))
    return found.start() if found else 0


def execute(process: Process, words: Sequence[str]) -> Running:
    """Start the program that `words` name, as a child of `process`: same netns, files, input and environment."""
    env = dict(process.env)
    while words and ASSIGNMENT.match(words[0]):
        name, _, value = words[0].partition("=")
        env[name] = value
        words = words[1:]
    if not words:
        return Result()
    program = find(process, words[0])
    if program is None:
        return Result("", f"sh: 1: {words[0]}: not found\n", 127)
    try:
        return (yield from program(replace(process, argv=tuple(words[1:]), env=env)))
    except CommandError as error:
        return Result(error.stdout, error.stderr, error.exit_code)
    except Refused as error:
        return Result("", f"{error}\n", 1)


def find(process: Process, name: str) -> Callable[[Process], Running] | None:
    """The program that a name stands for here, or None."""
    if process.on_machine and "/" in name:
        importlib.import_module("k8slearn.cni.plugins")  # makes those known that every node has
        plugin = program_at(process.world, process.machine, name)
        if plugin is not None:
            return plugin
    name = HOMES.sub("", name, count=1)
    if name not in PROGRAMS or (name in NODE_ONLY and not (process.on_machine and process.machine.startswith("node:"))):
        return None
    module, _, function = PROGRAMS[name].partition(":")
    return cast("Callable[[Process], Running]", getattr(importlib.import_module(f"k8slearn.shell.{module}"), function))
