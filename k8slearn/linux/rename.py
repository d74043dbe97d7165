"""``ip link set OLD name NEW``: a device gets another name, and every row that speaks of it follows.

dev.c: dev_change_name(). The kernel knows devices by index, so routes, addresses and neighbours stay where they are;
here their rows carry the name, and are written again under the new one. Firewall rules keep the old name, as they do on
Linux: they match text.

Left out: alternative names (``altname``).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from k8slearn.journal import Commands, Put, Remove, World
from k8slearn.linux import stack
from k8slearn.linux.device import error, find, ports, refused
from k8slearn.linux.rows import Link


def rename(world: World, netns: str, name: str, new: str) -> Commands:
    """Rename a device. Raises CommandError when the name is taken or is none."""
    link = find(world, netns, name)
    if new == name:
        return
    if world.get((netns, "link", new)) is not None:
        raise refused("File exists")
    if not new or len(new) > 15 or "/" in new:
        raise error("Attribute failed policy validation.")
    yield from _row(netns, link, new)
    yield from stack.carried(world, netns, name, (netns, new))
    for port in ports(world, netns, name):
        yield Put((netns, "link", port.name), replace(port, master=new))
    for table in ("addr", "inet6", "route", "neigh", "proxy", "fdb", "vxfdb"):
        for key, row in list(world.table(netns, table).items()):
            yield from _follow(netns, table, key, row, name, new)
    yield from _queues(world, netns, name, new)
    if link.peer is not None:
        far: Link | None = world.get((link.peer[0], "link", link.peer[1]))
        if far is not None:
            yield Put((link.peer[0], "link", far.name), replace(far, peer=(netns, new)))


def _row(netns: str, link: Link, new: str) -> Commands:
    renamed = replace(link, name=new)
    yield Remove((netns, "link", link.name))
    yield from stack.leave(netns, link)
    yield Put((netns, "link", new), renamed)
    yield from stack.stand(netns, renamed)


def _queues(world: World, netns: str, name: str, new: str) -> Commands:
    """Its queues and filters; filters elsewhere that lead to it know it by its index."""
    for parent in ("root", "ingress"):
        row = world.get((netns, "qdisc", (name, parent)))
        if row is not None:
            yield Remove((netns, "qdisc", (name, parent)))
            yield Put((netns, "qdisc", (new, parent)), row)
    for hook in ("ingress", "egress"):
        program = world.get((netns, "bpf", (name, hook)))
        if program is not None:
            yield Remove((netns, "bpf", (name, hook)))
            yield Put((netns, "bpf", (new, hook)), program)
    for key, row in list(world.table(netns, "tcfilter").items()):
        if name in (row.dev, row.to):
            dev, to = (new if word == name else word for word in (row.dev, row.to))
            yield Remove((netns, "tcfilter", key))
            yield Put((netns, "tcfilter", (dev, row.pref, row.node)), replace(row, dev=dev, to=to))


def _follow(netns: str, table: str, key: Hashable, row: Any, name: str, new: str) -> Commands:
    """A row whose key or fields name the device."""
    fields = ("port", "bridge") if table == "fdb" else ("dev",)
    told = {field: new for field in fields if getattr(row, field) == name}
    if told:
        yield Remove((netns, table, key))
        words = key if isinstance(key, tuple) else (key,)
        place = tuple(new if word == name else word for word in words)
        yield Put((netns, table, place), replace(row, **told))
