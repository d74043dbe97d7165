"""Packets as values: what is on the wire, nothing else.

A changed packet is a new packet (``packet._replace(ttl=63)``). What the kernel keeps beside a packet while
it handles it (mark, connection, the port it came in by) is not part of it: see `linux/path.py`.

A packet that is too long for a link may travel as fragments: each is a packet of its own whose `fragment` says which
bytes of the whole it carries. Only the first has the ports (RFC 791).

Left out: IP options, TCP sequence numbers and checksums: no decision in this network looks at them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

NEIGHBOURLY = ("who-has", "is-at", "neighbour-solicitation", "neighbour-advertisement")
"""The `flags` of a packet by which machines on a link find each other: ARP's, and IPv6's neighbour discovery's."""


class Fragment(NamedTuple):
    """Which part of a packet a fragment carries: `offset` in bytes behind the IP header, `more` where others follow."""

    ident: int
    """The IP identification: the same in all fragments of one packet."""
    offset: int
    more: bool
    whole: Packet
    """The packet that was cut up, as it was then."""


class Packet(NamedTuple):
    """One frame. Addresses are text, ports and TTL are numbers, `payload` is the application's text.

    `proto` is ``tcp``, ``udp``, ``sctp``, ``icmp``, ``icmp6``, ``ipip`` or ``arp``. For ICMP `flags` is the message's
    name (``echo-request``, ``host-unreachable``, ...), `sport` the echo id, and an error's `inner` is the packet that
    it is about. For ARP `flags` is ``who-has`` or ``is-at``. An encapsulated packet
    is the `inner` of the outer one.
    """

    proto: str
    src: str
    dst: str
    sport: int = 0
    dport: int = 0
    flags: str = ""
    payload: str = ""
    ttl: int = 64
    eth_src: str = ""
    eth_dst: str = ""
    inner: Packet | None = None
    size: int = 60
    """Bytes on the wire without the Ethernet header."""
    df: bool = True
    """IPv4's don't-fragment bit; Linux sets it on what it sends itself (path MTU discovery)."""
    mtu: int = 0
    """In ICMP ``frag-needed`` (IPv6 ``packet-too-big``): how much would have fitted."""
    tag: int = 0
    """The 802.1Q tag of the frame; 0 means none."""
    vni: int = 0
    """The VXLAN network that the inner frame belongs to."""
    cipher: bool = False
    """Is what is inside encrypted? Then only WireGuard's other end can read `inner`."""
    mss: int = 0
    """In a SYN: the longest segment that this end takes, in bytes of TCP payload."""
    sequence: int = 0
    """The number of an echo request (ping's ``icmp_seq``), from 1."""
    fragment: Fragment | None = None
    """Which part this is of a packet that was too long for a link; None: all of it."""

    def framed(self, eth_src: str, eth_dst: str) -> Packet:
        """The packet with another Ethernet header: what ``_replace`` would give, in less than half the time."""
        return _with(self, _MACS, (eth_src, eth_dst))

    def between(self, src: str, dst: str, sport: int, dport: int) -> Packet:
        """The packet with other ends, as `framed`."""
        return _with(self, _ENDS, (src, dst, sport, dport))

    def older(self) -> Packet:
        """The packet behind a router, one off its TTL, as `framed`."""
        return _with(self, _TTL, (self.ttl - 1,))

    @property
    def family(self) -> str:
        """``ip`` or ``ip6``, as netfilter calls the two."""
        return "ip6" if ":" in self.dst else "ip"

    @property
    def is_errand(self) -> bool:
        """Does it only ask, or say, who on the link has an address? (Then it is sent for another packet's sake.)"""
        return self.flags in NEIGHBOURLY

    def __str__(self) -> str:
        if self.proto == "arp":
            asks = f"who-has {self.dst} tell {self.src}"
            return f"ARP {asks if self.flags == 'who-has' else f'{self.src} is-at {self.eth_src}'}"
        if self.fragment is not None and self.fragment.offset:
            return f"{self.proto.upper()} {self.src} > {self.dst}: fragment from byte {self.fragment.offset}"
        if self.proto in ("icmp", "icmp6"):
            return f"{'ICMP' if self.proto == 'icmp' else 'ICMP6'} {self.src} > {self.dst}: {self.flags}"
        if self.proto == "ipip":
            return f"IPIP {self.src} > {self.dst}: ({self.inner})"
        flags = f" [{self.flags}]" if self.flags else ""
        if self.cipher:
            flags = f" [WireGuard {self.flags}, cipher]"
        return f"{self.proto.upper()} {self.src}:{self.sport} > {self.dst}:{self.dport}{flags}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with `text` (as tcpdump would put it) beside the fields."""
        fields = {k: v for k, v in self._asdict().items() if v not in ("", None) and k not in (*_NESTED, *_QUIET)}
        fields |= {k: getattr(self, k) for k, usual in _QUIET.items() if getattr(self, k) != usual}
        if self.cipher:
            return {**fields, "cipher": True, "payload": "", "text": str(self)}
        if self.inner is not None:
            fields["inner"] = self.inner.to_dict()
        if self.fragment is not None:
            fields["fragment"] = {k: v for k, v in self.fragment._asdict().items() if k != "whole"}
        return {**fields, "text": str(self)}


_MACS, _TTL, _ENDS = (Packet._fields.index(name) for name in ("eth_src", "ttl", "src"))
_NESTED = ("inner", "fragment")
_QUIET = {"df": True, "mtu": 0, "tag": 0, "vni": 0, "cipher": False, "mss": 0, "sequence": 0}
"""Fields that are said only where they are not as usual."""


def _with(packet: Packet, at: int, fields: tuple[Any, ...]) -> Packet:
    """The packet with these fields from this place on."""
    return tuple.__new__(Packet, packet[:at] + fields + packet[at + len(fields) :])
