"""From a name to an address, as getaddrinfo() does it: numbers, then /etc/hosts, then DNS.

The queries are sent from the program's own network namespace, as its /etc/resolv.conf says (`k8slearn.names`).

Left out: the second address of a name, where the first one does not answer.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from k8slearn import dns, names
from k8slearn.cni.cri import Sandbox
from k8slearn.journal import Command
from k8slearn.linux import ip
from k8slearn.linux.resolver import BOTH, NOT_KNOWN, Lookup
from k8slearn.shell.process import Process
from k8slearn.shell.processes import container_of
from k8slearn.trace import Frame


class Resolved(NamedTuple):
    """What a host name came to: its first address, or None and getaddrinfo's words."""

    address: str | None
    error: str = ""
    frames: tuple[Frame, ...] = ()
    """What captures saw of the queries."""


def resolve(process: Process, name: str) -> Generator[Command, None, Resolved]:
    """The address of a host name (of either family where it is a number)."""
    if ip.is_address(name):
        return Resolved(ip.canonical(name))
    if name == "localhost":
        return Resolved("127.0.0.1")
    found = yield from look_up(process, name)
    seen = names.frames(found)
    return Resolved(found.addresses[0], frames=seen) if found.addresses else Resolved(None, found.error, seen)


def look_up(process: Process, name: str, kinds: tuple[str, ...] = BOTH) -> Generator[Command, None, Lookup]:
    """The whole lookup, as the C library of the container (or machine) makes it."""
    box = box_of(process)
    if not dns.is_name(name):
        return Lookup(name, names.config(process.world, process.netns, box), error=NOT_KNOWN)
    return (
        yield from names.lookup(process.world, process.netns, name, box, kinds, recording=True, image=image(process))
    )


def box_of(process: Process) -> Sandbox | None:
    """The sandbox of the pod that a program runs in; None: it runs on a machine."""
    found = container_of(process)
    if found is not None:
        return found[1]
    return None if process.on_machine else names.box_at(process.world, process.files)


def image(process: Process) -> str:
    """The image of the container that it runs in; empty: none."""
    found = container_of(process) if not process.on_machine or process.container else None
    return found[0].image if found is not None else ""
