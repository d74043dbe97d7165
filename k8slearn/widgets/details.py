"""A namespace's tables, in the real tools' words: what a learner sees who points at a box of the picture.

The commands run on a fork of the world that is thrown away, so that looking changes nothing and leaves no entry.

Left out: files and processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from k8slearn import shell
from k8slearn.journal import World, drive


class Printed(NamedTuple):
    """One table: what it is called, the command that prints it, what it prints."""

    title: str
    command: str
    text: str


INSIDE = (
    ("Addresses", "ip addr"),
    ("Routes", "ip route"),
    ("Neighbours", "ip neigh"),
    ("Listening sockets", "ss -tuln"),
)
MACHINE = (
    *INSIDE,
    ("Forwarding table of the bridges", "bridge fdb"),
    ("Netfilter rules", "iptables-save"),
    ("Connections", "conntrack -L"),
)
SWITCH = (("Links", "ip link"), ("Forwarding table", "bridge fdb"))
KINDS = {"node": MACHINE, "switch": SWITCH, "router": MACHINE[:-2]}


def tables(world: World, scope: str) -> list[dict[str, str]]:
    """The tables of one namespace, JSON-ready; a command that prints nothing is kept, and says so."""
    kind = "inside" if "/" in scope else scope.partition(":")[0]
    return [printed._asdict() for printed in _printed(world, scope, KINDS.get(kind, INSIDE))]


def _printed(world: World, scope: str, commands: Iterable[tuple[str, str]]) -> Iterable[Printed]:
    for title, command in commands:
        fork = world.fork()
        result = drive(shell.run(fork, scope, command), fork.apply)
        if result.exit_code == 0:
            yield Printed(title, command, result.stdout.rstrip() or "(nothing)")
