"""The kubelet's own log, as ``journalctl -u kubelet`` shows it.

What a kubelet cannot tell the API server stands here and nowhere else: a manifest that it cannot read, an event that it
cannot send. The row ``("node:node-1", "log", "kubelet")`` is a tuple of lines, the last `LONGEST` of them; the journal
of systemd is on the disk, and outlives a boot. A line is klog's: severity and date, the process, where it was said, a
sentence and its values.

Left out: everything that a kubelet says while all is well.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import NamedTuple

from k8slearn.api import EPOCH
from k8slearn.cni import cri
from k8slearn.journal import Key, Put, World

LOG = "log"
LONGEST = 200


class Line(NamedTuple):
    """One line: when it was written, which process wrote it, and what it says."""

    time: float
    pid: int
    text: str


def key(node: str) -> Key:
    """Where the world keeps a kubelet's log; `node` is the machine's scope."""
    return (node, LOG, "kubelet")


def process(node: str) -> int:
    """The number of the kubelet's process."""
    return cri.process_id(f"{node}/kubelet") % 4000 + 600


def error(world: World, node: str, where: str, says: str, **values: str) -> Put:
    """The command that writes an error: `where` is the line of the kubelet's source that says it."""
    when = EPOCH + timedelta(seconds=world.clock)
    head = f"E{when:%m%d %H:%M:%S.%f} {process(node):7d} {where}]"
    told = "".join(f" {name}={json.dumps(value)}" for name, value in values.items())
    return said(world, node, f"{head} {json.dumps(says)}{told}")


def said(world: World, node: str, text: str) -> Put:
    """The command that writes a line as it is: what a program says before it has a logger."""
    line, before = Line(world.clock, process(node), text), world.get(key(node)) or ()
    return Put(key(node), before if line in before[-9:] else (*before[1 - LONGEST :], line))


def unsent(world: World, node: str, pod: str, reason: str, message: str) -> Put:
    """An event that does not reach the API server (client-go tools/record/event.go, which prints all its fields)."""
    says = "Unable to write event (may retry after sleeping)"
    return error(world, node, "event.go:368", says, object=pod, reason=reason, message=message)
