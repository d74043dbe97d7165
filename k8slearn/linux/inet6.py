"""A machine speaks IPv6 unless its kernel was booted without, and on each link unless ``disable_ipv6`` says no.

A link must also be wide enough: IPv6 works with 1280 bytes at least, and is switched off below. The row ``inet6`` of a
link says that IPv6 is running on it (the kernel's ``IF_READY``). What then happens there is in `addrconf`.

Left out: link MTUs of IPv6's own (``net.ipv6.conf.DEV.mtu``).
"""

from __future__ import annotations

from k8slearn.journal import World
from k8slearn.linux import sysctl
from k8slearn.linux.rows import Link, Netns

TREE = "net.ipv6.conf."
LEAST_MTU = 1280


def speaks(world: World, netns: str) -> bool:
    """Does the machine's kernel know IPv6 at all?"""
    row: Netns | None = world.get((netns, "netns", ""))
    return row is not None and row.ipv6


def enabled(world: World, netns: str, link: Link) -> bool:
    """May the link carry IPv6: its MTU is large enough, and ``disable_ipv6`` is off?"""
    return link.mtu >= LEAST_MTU and not sysctl.conf(world, netns, link.name, "disable_ipv6", TREE)


def is_ready(world: World, netns: str, dev: str) -> bool:
    """Is IPv6 running on this link?"""
    return (dev in world.table(netns, "inet6")) if dev else False
