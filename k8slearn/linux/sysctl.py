"""Kernel settings: what ``sysctl -a`` lists of the network, with the kernel's own defaults.

The world holds only the settings that somebody wrote; the rest have the default below.

Left out: every sysctl that no decision of this engine reads.
"""

from __future__ import annotations

from k8slearn.journal import World

DEFAULTS = {
    "net.ipv4.ip_forward": "0",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.all.route_localnet": "0",
    "net.ipv4.conf.all.proxy_arp": "0",
    "net.ipv4.ip_default_ttl": "64",
    "net.ipv4.ip_local_port_range": "32768\t60999",
}


def read(world: World, netns: str, name: str) -> str | None:
    """The setting's value in this namespace, or None where the kernel has no such setting."""
    written = world.table(netns, "sysctl").get(name)
    return DEFAULTS.get(name) if written is None else str(written)


def is_on(world: World, netns: str, name: str) -> bool:
    """Is this switch set (not ``0``)?"""
    return read(world, netns, name) not in (None, "0")
