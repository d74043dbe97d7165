"""One line for each connection, as ``conntrack -L`` prints it (libnetfilter_conntrack: ``snprintf_default.c``).

::

    tcp      6 119 TIME_WAIT src=10.1.0.2 dst=10.96.0.1 sport=40000 dport=80 src=10.2.0.2 dst=10.1.0.2 sport=8080 …
    proto    │ │   │         └─ the first packet                            └─ what its reply must look like
             │ │   └─ the state (TCP, SCTP)
             │ └─ seconds until it is forgotten
             └─ the protocol's number

Left out: counters (``nf_conntrack_acct``), time stamps, zones, labels, XML.
"""

from __future__ import annotations

from zlib import crc32

from k8slearn.linux.connection import PINGS, PORTS
from k8slearn.linux.rows import Connection, Tuple

PROTOCOLS = {
    "icmp": ("icmp", 1),
    "tcp": ("tcp", 6),
    "udp": ("udp", 17),
    "gre": ("gre", 47),
    "icmp6": ("icmpv6", 58),
    "sctp": ("sctp", 132),
    "ipip": ("unknown", 4),
    "esp": ("unknown", 50),
}
"""The engine's word for a protocol -> the tool's, and its number."""
ECHO = {"icmp": (8, 0), "icmp6": (128, 129)}
"""The type of a ping and of its answer."""


def text_of(row: Connection, clock: float, output: tuple[str, ...] = ()) -> str:
    """One entry, one line."""
    name, number = PROTOCOLS.get(row.original.proto, ("unknown", 0))
    state = f"{row.state} " if row.state else ""
    head = f"{name:<8} {number} {int(row.until - clock)} {state}"
    if "extended" in output:
        head = f"{'ipv6     10' if ':' in row.original.src else 'ipv4     2'} {head}"
    unreplied = "" if row.replied else " [UNREPLIED]"
    assured = " [ASSURED]" if row.assured else ""
    halves = f"{_half(row.original, False)}{unreplied} {_half(row.reply, True)}"
    return f"{head}{halves}{assured} mark={row.mark} use=1{_id(row) if 'id' in output else ''}\n"


def _half(side: Tuple, reply: bool) -> str:
    addresses = f"src={side.src} dst={side.dst}"
    if side.proto in PINGS:
        return f"{addresses} type={ECHO[side.proto][reply]} code=0 id={side.sport}"
    if side.proto == "gre":
        return f"{addresses} srckey=0x0 dstkey=0x0"
    return f"{addresses} sport={side.sport} dport={side.dport}" if side.proto in PORTS else addresses


def _id(row: Connection) -> str:
    """The kernel hashes an entry with a number drawn at boot (`nf_ct_get_id`); so this is as good as any."""
    return f" id={crc32(repr(row.original).encode())}"
