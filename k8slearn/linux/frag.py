"""Fragments: a packet that is too long for a link is cut up, and put together again where it ends.

::

    bytes 0 to 1480      more follow
    bytes 1480 to 2960   more follow
    bytes 2960 to 2980   the last

These are the three pieces of a packet of 3000 bytes (20 are its header) on a link of MTU 1500.

Every fragment is routed by itself. Only the first has the ports, so a firewall that looks at ports must see the whole
packet: where conntrack works, PREROUTING (and a bridge that shows its frames to iptables) puts the pieces together
first, and the way out cuts the packet up again, no piece longer than the longest that came (`nf_defrag_ipv4.c`,
`ip_output.c: ip_do_fragment`). IPv6 is fragmented by its sender alone.

Left out: overlapping fragments, the limits of the memory for those that wait, and what the receiver tells the sender
after 30 seconds (``reassembly-time-exceeded``: no client here waits so long).
"""

from __future__ import annotations

from zlib import crc32

from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Fragment, Packet
from k8slearn.trace import Step

HEADER = {"ip": 20, "ip6": 40}
"""Bytes of an IP header; a fragment of IPv6 has a header of 8 more."""
REASSEMBLY_TIMEOUT = 30


def split(packet: Packet, mtu: int, ident: int) -> list[Packet]:
    """The fragments of a packet, none longer than `mtu`; each but the last carries a multiple of 8 bytes."""
    header = HEADER[packet.family]
    extra = 8 if packet.family == "ip6" else 0
    before = packet.fragment
    start = before.offset if before is not None else 0
    more_after = before is not None and before.more
    whole = before.whole if before is not None else packet
    room = mtu - header - extra
    length, offset = packet.size - header - (extra if before is not None else 0), 0
    if length <= room and before is None:
        return [packet]
    pieces = []
    while offset < length:
        size = length - offset if length - offset <= room else max(8, room & ~7)
        last = offset + size == length
        part = Fragment(before.ident if before else ident, start + offset, more_after or not last, whole)
        piece = packet._replace(size=header + extra + size, fragment=part)
        if part.offset:
            piece = piece._replace(sport=0, dport=0, flags="", payload="", inner=None)
        pieces.append(piece)
        offset += size
    return pieces


def cut(net: Net, skb: Skb, mtu: int) -> list[Packet]:
    """Cut the packet up for a link of this MTU (`ip_output.c: ip_do_fragment`)."""
    packet = skb.packet
    pieces = split(packet, mtu, crc32(f"{packet.src} {packet.dst} {packet.sport} {net.attempt}".encode()) & 0xFFFF)
    says = f"{packet.size} bytes are too long for {skb.oif}: goes as {len(pieces)} fragments"
    net.say(Step(skb.netns, "fragment", says, packet, pieces[0], None, skb.oif))
    prefix = "Ip6" if packet.family == "ip6" else "Ip"
    net.stat(skb.netns, f"{prefix}FragOKs", *[f"{prefix}FragCreates"] * len(pieces))
    return pieces


def gather(net: Net, skb: Skb) -> bool:
    """A fragment has come: False while others are missing, else the whole packet is in `skb` (`ip_fragment.c`)."""
    piece, part = skb.packet, skb.packet.fragment
    assert part is not None
    prefix = "Ip6" if piece.family == "ip6" else "Ip"
    net.stat(skb.netns, f"{prefix}ReasmReqds")
    place = (skb.netns, skb.iif, piece.src, piece.dst, piece.proto, str(part.ident))
    pieces = net.pieces.setdefault(place, [])
    pieces.append(piece)
    if not is_complete(pieces):
        return False
    del net.pieces[place]
    first = min(pieces, key=_offset)
    skb.longest = max(piece.size for piece in pieces)
    skb.packet = first._replace(size=part.whole.size, fragment=None, eth_src=piece.eth_src, eth_dst=piece.eth_dst)
    net.stat(skb.netns, f"{prefix}ReasmOKs")
    says = f"{len(pieces)} fragments are one packet of {skb.packet.size} bytes again"
    net.say(Step(skb.netns, "fragment", says, piece, skb.packet, None, skb.iif))
    return True


def _offset(piece: Packet) -> int:
    return piece.fragment.offset if piece.fragment is not None else 0


def is_complete(pieces: list[Packet]) -> bool:
    """Do these fragments of one packet leave nothing out?"""
    header, reached = HEADER[pieces[0].family] + (8 if pieces[0].family == "ip6" else 0), 0
    for piece in sorted(pieces, key=_offset):
        if _offset(piece) > reached:
            return False
        reached = max(reached, _offset(piece) + piece.size - header)
        if piece.fragment is not None and not piece.fragment.more:
            return True
    return False


def give_up(net: Net) -> None:
    """What is still missing never comes: after 30 seconds the rest is forgotten (`ip_fragment.c: ip_expire`)."""
    for place, pieces in net.pieces.items():
        netns, dev = place[:2]
        says = f"a fragment is missing: the other {len(pieces)} are forgotten after {REASSEMBLY_TIMEOUT} s"
        net.say(Step(netns, "drop", says, pieces[0], pieces[0], None, dev, reason="FRAG_REASM_TIMEOUT"))
    net.pieces.clear()
