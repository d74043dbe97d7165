"""A network card lets in frames for its own MAC, and for those in its filter (``bridge fdb add MAC dev eth0 self``).

What stands on a card with a MAC of its own (a macvlan, a hypervisor's guest) needs its MAC in there; a card that cannot
filter takes everything then (promiscuous). It changes nothing for IP: a frame for another MAC than the device's own is
for another host, whoever let it in. A device remembers what people added in `Link.macs`.

Left out: taking away the groups that the kernel itself joined, and what a macvlan adds to the card below (`stack`).
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.journal import Commands, Put, World
from k8slearn.linux.device import error, find, refused
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Link


def add(world: World, netns: str, dev: str, mac: str, how: str = "add") -> Commands:
    """``bridge fdb add|append|replace MAC dev DEV self`` (rtnetlink.c: ndo_dflt_fdb_add)."""
    link = _ethernet(world, netns, dev, "add")
    if mac not in link.macs:
        yield Put((netns, "link", dev), replace(link, macs=(*link.macs, mac)))
    elif how == "add":
        raise refused("File exists")


def delete(world: World, netns: str, dev: str, mac: str) -> Commands:
    """``bridge fdb del MAC dev DEV self`` (rtnetlink.c: ndo_dflt_fdb_del)."""
    link = _ethernet(world, netns, dev, "delete")
    if mac not in link.macs:
        raise refused("No such file or directory")
    yield Put((netns, "link", dev), replace(link, macs=tuple(other for other in link.macs if other != mac)))


def _ethernet(world: World, netns: str, dev: str, what: str) -> Link:
    link = find(world, netns, dev)
    if DRIVERS[link.kind].link_type != "ether":
        raise error(f"FDB {what} only supported for Ethernet devices.")
    return link
