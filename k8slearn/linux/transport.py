"""What TCP, UDP, SCTP and ping put on the wire: how long each packet is, and how a long answer is cut into segments.

::

    SYN 60   SYN-ACK 60   RST 40   ACK 52   data 52 + n   echo 84   datagram 28 + n    bytes over IPv4; IPv6 has 20 more

Both ends of a TCP connection say in their SYN how much fits into one segment (the MSS: the MTU of their own link less
40 bytes of headers, over IPv6 less 60), and each keeps to what the other said. A segment carries don't-fragment; a
router for which it is too long says so in ICMP, and the sender cuts again. Where that message gets lost, small answers
pass and long ones hang: the MTU black hole.

Left out: windows, sequence numbers, retransmission of what was lost silently, Nagle, slow start.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.journal import World
from k8slearn.linux import fib, pmtu
from k8slearn.packet import Packet

TIMESTAMPS = 12
"""Bytes of a segment that the timestamp option takes (`tcp_output.c: TCPOLEN_TSTAMP_ALIGNED`)."""
HEADERS = {"tcp": 32, "udp": 8, "sctp": 28, "icmp": 64, "icmp6": 64}
"""Bytes between the IP header and the payload; a ping brings 56 bytes of its own."""
LONGER = {"SYN": 40, "SYN-ACK": 40, "RST": 20, "RST-ACK": 20}
"""TCP packets whose header is of another length: a SYN's options, and a reset without any."""
LEAST_MSS = 536
MOST = 65535


def ip_header(address: str) -> int:
    """20 bytes, or 40 for IPv6."""
    return 40 if ":" in address else 20


def size_of(proto: str, dst: str, flags: str, payload: int) -> int:
    """The length of a packet in bytes, from its IP header on."""
    own = LONGER.get(flags, 32) if proto == "tcp" else HEADERS.get(proto, 0)
    return ip_header(dst) + own + payload


def mtu_towards(world: World, netns: str, dst: str) -> int:
    """How long a packet to `dst` may be, as far as this machine knows."""
    return pmtu.mtu(world, netns, fib.lookup(world, netns, dst), dst)


def mss_of(mtu: int, dst: str) -> int:
    """What a SYN announces on a link of this MTU (`ipv4_default_advmss`, `ip6_default_advmss`)."""
    return max(min(mtu, MOST + (1 if ":" in dst else 0)) - ip_header(dst) - 20, 256)


def segments(packet: Packet, mtu: int, mss: int) -> Iterator[Packet]:
    """One long TCP packet as the segments that fit both the path and the other end; the last one is pushed."""
    room = max(min(mss or LEAST_MSS, mtu - ip_header(packet.dst) - 20) - TIMESTAMPS, 8)
    text, base = packet.payload, packet.size - len(packet.payload)
    for start in range(0, len(text), room):
        piece = text[start : start + room]
        flags = packet.flags if start + room >= len(text) else "ACK"
        yield packet._replace(payload=piece, size=base + len(piece), flags=flags)
