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


def read(world: World, netns: str, name: str) -> str | None:
    """The setting's value in this namespace, or None where the kernel has no such setting."""
    written = world.table(netns, "sysctl").get(name)
    return DEFAULTS.get(name) if written is None else str(written)


def is_on(world: World, netns: str, name: str) -> bool:
    """Is this switch set (not ``0``)?"""
    return read(world, netns, name) not in (None, "0")
