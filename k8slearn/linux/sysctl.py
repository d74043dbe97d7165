"""The kernel's settings change what its network does: what ``sysctl -a`` lists of them, with the kernel's own defaults.

The world holds only the settings that somebody wrote. The rest is answered as the kernel would: a device that was not
written to has what ``conf.default`` has, and that has the kernel's own default (`CONF`). ``net.ipv4.ip_forward`` and
``net.ipv4.conf.all.forwarding`` are one variable. What follows from writing a setting is in `setting`. A device's own
settings, with their defaults::

    net.ipv4.conf.DEV.   accept_local=0  arp_announce=0  arp_ignore=0  forwarding=0  promote_secondaries=0
                         proxy_arp=0  route_localnet=0  rp_filter=0  src_valid_mark=0
    net.ipv6.conf.DEV.   accept_dad=0  addr_gen_mode=0  disable_ipv6=0  forwarding=0  hop_limit=64
                         keep_addr_on_down=0  proxy_ndp=0

How ``all`` and the device's own value make one decision differs by setting (include/linux/inetdevice.h): `either` for
``route_localnet`` and the like, `highest` for ``rp_filter`` and ``arp_ignore``, the device alone for ``forwarding``.

Left out: every sysctl that no decision of this engine reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from k8slearn.journal import Remove, Table, World

DEFAULTS = {
    "net.ipv4.ip_forward": "0",
    "net.bridge.bridge-nf-call-ip6tables": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.all.route_localnet": "0",
    "net.ipv4.conf.all.proxy_arp": "0",
    "net.ipv4.ip_default_ttl": "64",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv4.ip_nonlocal_bind": "0",
    "net.ipv4.tcp_syn_linear_timeouts": "4",
    "net.ipv4.tcp_syn_retries": "6",
}

_SECONDS = {
    **{"generic_timeout": 600, "gre_timeout": 30, "gre_timeout_stream": 180, "icmp_timeout": 30, "icmpv6_timeout": 30},
    **{"udp_timeout": 30, "udp_timeout_stream": 120, "tcp_timeout_syn_sent": 120, "tcp_timeout_syn_recv": 60},
    **{"tcp_timeout_established": 432000, "tcp_timeout_fin_wait": 120, "tcp_timeout_close_wait": 60},
    **{"tcp_timeout_last_ack": 30, "tcp_timeout_time_wait": 120, "tcp_timeout_close": 10},
    **{"tcp_timeout_unacknowledged": 300, "sctp_timeout_closed": 10, "sctp_timeout_cookie_wait": 3},
    **{"sctp_timeout_cookie_echoed": 3, "sctp_timeout_established": 210, "sctp_timeout_shutdown_sent": 3},
    **{"sctp_timeout_shutdown_recd": 3, "sctp_timeout_shutdown_ack_sent": 3, "sctp_timeout_heartbeat_sent": 30},
}
CONNTRACK = {
    **{f"net.netfilter.nf_conntrack_{name}": str(value) for name, value in _SECONDS.items()},
    "net.netfilter.nf_conntrack_tcp_be_liberal": "0",
    "net.netfilter.nf_conntrack_tcp_loose": "1",
    "net.netfilter.nf_conntrack_max": "262144",
    "net.netfilter.nf_conntrack_buckets": "262144",
}
"""conntrack's own settings: every namespace begins with these, whatever its machine has."""
DEFAULTS |= CONNTRACK

CONF = {
    "net.ipv4.conf.": {
        "accept_local": "0",
        "arp_announce": "0",
        "arp_ignore": "0",
        "forwarding": "0",
        "promote_secondaries": "0",
        "proxy_arp": "0",
        "route_localnet": "0",
        "rp_filter": "0",
        "src_valid_mark": "0",
    },
    "net.ipv6.conf.": {
        "accept_dad": "0",
        "addr_gen_mode": "0",
        "disable_ipv6": "0",
        "forwarding": "0",
        "hop_limit": "64",
        "keep_addr_on_down": "0",
        "proxy_ndp": "0",
    },
}
"""What every device has a setting of, by family, with the kernel's default."""

FROM_ALL = ("forwarding", "disable_ipv6")
"""Writing these to ``all`` writes them everywhere."""

SAME = {"net.ipv4.conf.all.forwarding": "net.ipv4.ip_forward"}
"""Two names of one variable: the world knows the second."""


def read(world: World, netns: str, name: str) -> str | None:
    """The setting's value in this namespace, or None where the kernel has no such setting."""
    written = world.rows[netns, "sysctl"].get(SAME.get(name, name))
    if written is not None:
        return str(written)
    return DEFAULTS[name] if name in DEFAULTS else _inherited(world.rows[netns, "sysctl"], name)


def _inherited(written: Table, name: str) -> str | None:
    """What a setting of a device has that nobody wrote to the device itself."""
    tree, dev, setting = place(name)
    usual = CONF.get(tree, {}).get(setting)
    if usual is None or dev == "all":
        return usual
    above = [f"{tree}default.{setting}", *([f"{tree}all.{setting}"] if setting in FROM_ALL else [])]
    found = (written.get(SAME.get(higher, higher)) for higher in above)
    return next((str(value) for value in found if value is not None), usual)


def place(name: str) -> tuple[str, str, str]:
    """``net.ipv4.conf.eth0.rp_filter`` -> (``net.ipv4.conf.``, ``eth0``, ``rp_filter``); empty where it is no such."""
    tree = name[:14]
    dev, _, setting = name[14:].rpartition(".")
    return (tree, dev, setting) if tree in CONF else ("", "", "")


def is_on(world: World, netns: str, name: str) -> bool:
    """Is this switch set (not ``0``)?"""
    return read(world, netns, name) not in (None, "0")


def _remembered(written: Table) -> dict[tuple[str, str, str], int]:
    return {}


def conf(world: World, netns: str, dev: str, setting: str, tree: str = "net.ipv4.conf.") -> int:
    """A device's own setting as a number (`dev` ``all`` and ``default`` are devices here)."""
    known = world.rows[netns, "sysctl"].index(_remembered)
    found = known.get((tree, dev, setting))
    if found is None:
        found = known[tree, dev, setting] = int(read(world, netns, f"{tree}{dev}.{setting}") or 0)
    return found


def either(world: World, netns: str, dev: str, setting: str, tree: str = "net.ipv4.conf.") -> bool:
    """IN_DEV_ORCONF: is it set for all devices, or for this one?"""
    return highest(world, netns, dev, setting, tree) > 0


def highest(world: World, netns: str, dev: str, setting: str, tree: str = "net.ipv4.conf.") -> int:
    """IN_DEV_MAXCONF: the larger of ``all`` and the device's own."""
    known = world.rows[netns, "sysctl"].index(_highest)
    found = known.get((setting, dev, tree))
    if found is None:
        found = max(conf(world, netns, "all", setting, tree), conf(world, netns, dev, setting, tree))
        known[setting, dev, tree] = found
    return found


def _highest(written: Table) -> dict[tuple[str, str, str], int]:
    """What `highest` has found, until a setting is written."""
    return {}


class Beliefs(NamedTuple):
    """Which sources a device's settings let in."""

    rp_filter: int
    accept_local: int
    route_localnet: int
    src_valid_mark: int


def beliefs(world: World, netns: str, dev: str) -> Beliefs:
    """All of them at once, since every packet that comes in asks for them."""
    known = world.rows[netns, "sysctl"].index(_beliefs)
    found = known.get(dev)
    if found is None:
        found = known[dev] = Beliefs(*(highest(world, netns, dev, setting) for setting in Beliefs._fields))
    return found


def _beliefs(written: Table) -> dict[str, Beliefs]:
    return {}


def forget(world: World, netns: str, dev: str) -> Iterator[Remove]:
    """A device is gone, and its settings with it."""
    for name in list(world.rows[netns, "sysctl"]):
        if place(str(name))[1] == dev:
            yield Remove((netns, "sysctl", name))
