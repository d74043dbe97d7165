"""The same drawing in IPv6: every address, option and word of an IPv4 line becomes its IPv6 counterpart.

::

    10.0.S.H/24   fd00:0:0:S::H/64        iptables -p icmp          ip6tables -p icmpv6
    172.16.0.H    fd00:172:16::H          --reject-with icmp-...    --reject-with icmp6-...
    127.0.0.1     ::1                     net.ipv4.ip_forward       net.ipv6.conf.all.forwarding

Left out: lines that have no counterpart (rp_filter, proxy_arp, route_localnet): `in_ipv6` gives nothing for them. And
a route's ``src``: an address that was added this instant is no source yet, and when it is one is a matter of chance.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address

ADDRESS = re.compile(r"\b(\d+)\.(\d+)\.(\d+)\.(\d+)(/\d+)?(:\d+)?")
PREFIXES = {"/16": "/48", "/24": "/64", "/25": "/65", "/28": "/124", "/30": "/126", "/31": "/127", "/32": "/128"}
REJECTS = {
    "icmp-host-unreachable": "icmp6-addr-unreachable",
    "icmp-net-unreachable": "icmp6-no-route",
    "icmp-admin-prohibited": "icmp6-adm-prohibited",
    "icmp-host-prohibited": "icmp6-adm-prohibited",
    "icmp-net-prohibited": "icmp6-adm-prohibited",
    "icmp-proto-unreachable": "icmp6-port-unreachable",
    "icmp-port-unreachable": "icmp6-port-unreachable",
}
WORDS = (
    ("ip addr ", "ip -6 addr "),
    ("ip route ", "ip -6 route "),
    ("ip rule ", "ip -6 rule "),
    ("iptables ", "ip6tables "),
    ("-p icmp", "-p icmpv6"),
    ("--icmp-type", "--icmpv6-type"),
    ("--dst-type BROADCAST", "--dst-type MULTICAST"),
    ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"),
    ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"),
    (" brd +", ""),
    *REJECTS.items(),
)


def in_ipv6(line: str) -> str:
    """The line's counterpart, or nothing."""
    if "net.ipv4.conf" in line or "route append" in line:
        return ""
    for four, six in WORDS:
        line = line.replace(four, six)
    return ADDRESS.sub(_address, re.sub(r" src \S+", "", line) if "ip -6 route" in line else line)


def _address(found: re.Match[str]) -> str:
    a, b, c, d = (int(found[n]) for n in range(1, 5))
    special = {"127.0.0.1": "::1", "0.0.0.0": "::"}.get(f"{a}.{b}.{c}.{d}")
    high = 0 if a == 10 else a
    text = special or str(IPv6Address(f"fd00:{high or b}:{b if high else 0}:{c:x}::{d:x}"))
    port = found[6] or ""
    return (f"[{text}]" if port else text) + PREFIXES.get(found[5], found[5] or "") + port
