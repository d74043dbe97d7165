"""A packet's bytes, as a cable would carry them, and the file that captures are kept in (pcap).

::

    Ethernet ─ [802.1Q] ─ IPv4 | IPv6 ─┬─ TCP | UDP | SCTP | ICMP ─ payload
                                       ├─ UDP ─ VXLAN ─ Ethernet ─ …        (the whole inner frame)
                                       ├─ UDP ─ WireGuard ─ cipher           (nobody sees inside)
                                       └─ IPv4 ─ …                           (IP in IP)

A `Packet` is what decides; here it becomes what tcpdump and Wireshark read. What a packet does not say is made up in
the way of Linux and always alike: TCP's sequence numbers count each conversation's bytes on each device from a first
number that its addresses give, windows and options are those of a fresh connection, checksums are right.

Sources: RFC 791, 8200, 9293, 768, 792, 4443, 826, 7348, 9260; the pcap format of tcpdump.org.

Left out: IP options, the payload's real bytes beyond the text that the engine has (zeros follow).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from socket import inet_aton
from typing import NamedTuple
from zlib import crc32

from k8slearn.linux import icmp, ip
from k8slearn.packet import Packet
from k8slearn.trace import Frame

ETHERNET, RAW, COOKED = 1, 101, 276
"""pcap's link types: with an Ethernet header, without one, and ``-i any`` (Linux cooked v2)."""
ETHERTYPE = {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806}
PROTOCOL = {"icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "icmp6": 58, "sctp": 132}
FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16}
CHUNKS = {"DATA": 0, "INIT": 1, "INIT-ACK": 2, "ABORT": 6, "SHUTDOWN": 7, "COOKIE-ECHO": 10, "COOKIE-ACK": 11}
WINDOW = 64240
EPOCH = 1767225600 * 1_000_000
"""The logical clock's second 0, 2026-01-01, in microseconds."""

Flow = tuple[str, str, str, str, int, int]


class Segment(NamedTuple):
    """What a TCP header says beside the packet's own fields."""

    seq: int
    ack: int
    window: int
    mss: int
    stamps: tuple[int, int] | None
    """TCP's time stamp, and the last one of the other side; None in a reset."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """What a capture on one device (or on ``any``) has seen; `bytes` is its pcap file."""

    frames: tuple[Frame, ...]
    linktype: int
    device: str

    def pcap(self) -> bytes:
        """The file as the real tcpdump and Wireshark read it."""
        devices = list(dict.fromkeys(frame.dev for frame in self.frames))
        return pcap(self.frames, self.linktype, lambda frame: devices.index(frame.dev) + 1)

    def __str__(self) -> str:
        return self.pcap().decode("latin-1")


@dataclass(slots=True)
class Wire:
    """Turns frames into bytes. It counts the conversations that pass, so that sequence numbers fit together."""

    sent: dict[Flow, int] = field(default_factory=dict)
    """(namespace, device, src, dst, sport, dport) -> how far this side has counted."""
    stamps: dict[Flow, int] = field(default_factory=dict)
    """Each side's last time stamp: milliseconds of the logical clock."""

    def copy(self) -> Wire:
        return Wire(dict(self.sent), dict(self.stamps))

    def encode(self, frame: Frame) -> bytes:
        """The bytes of a frame from its Ethernet header on (or its IP header, where its device has no other)."""
        return _framed(frame.packet, self._layer3(frame.packet, frame))

    def _layer3(self, packet: Packet, frame: Frame) -> bytes:
        if packet.proto == "arp":
            return _arp(packet)
        if packet.fragment is not None:
            whole = self._layer4(packet.fragment.whole, frame)
            at = packet.fragment.offset
            return _ip(packet, whole[at : at + packet.size - _header(packet)])
        return _ip(packet, self._layer4(packet, frame))

    def _layer4(self, packet: Packet, frame: Frame) -> bytes:
        room = max(packet.size - _header(packet), 0)
        build = {"tcp": self._tcp, "udp": self._udp, "sctp": _sctp, "ipip": self._ipip}.get(packet.proto)
        return build(packet, frame, room) if build is not None else self._icmp(packet, frame, room)

    def _tcp(self, packet: Packet, frame: Frame, room: int) -> bytes:
        part = self.segment(packet, frame)
        bits = _bits(packet)
        stamps = struct.pack("!BBII", 8, 10, *part.stamps) if part.stamps else b""
        options = b"\1\1" + stamps if stamps else b""
        if bits & FLAGS["SYN"]:
            options = struct.pack("!BBHBB", 2, 4, part.mss, 4, 2) + stamps + b"\1\3\3\7"
        head = (20 + len(options)) << 10
        fields = (packet.sport, packet.dport, part.seq, part.ack, head | bits, part.window, 0, 0)
        return _summed(packet, struct.pack("!HHIIHHHH", *fields) + options + part.data, 16)

    def segment(self, packet: Packet, frame: Frame) -> Segment:
        """Where a TCP segment stands in its own stream, and how far the other one is known; it counts as passed."""
        here, bits = (frame.netns, frame.dev), _bits(packet)
        mine: Flow = (*here, packet.src, packet.dst, packet.sport, packet.dport)
        other: Flow = (*here, packet.dst, packet.src, packet.dport, packet.sport)
        data = _payload(packet, packet.size - _header(packet) - 32 if "PSH" in packet.flags else 0)
        seq = _first(mine) if bits & FLAGS["SYN"] else self.sent.get(mine, _first(mine))
        self.sent[mine] = seq + len(data) + bool(bits & (FLAGS["SYN"] | FLAGS["FIN"])) & 0xFFFFFFFF
        ack = self.sent.get(other, _first(other)) if bits & FLAGS["ACK"] else 0
        if bits & FLAGS["RST"]:
            return Segment(seq, ack, 0, 0, None, data)
        self.stamps[mine] = stamp = round(frame.time * 1000) + 1 & 0xFFFFFFFF
        return Segment(seq, ack, WINDOW, _mss(packet), (stamp, self.stamps.get(other, 0)), data)

    def length(self, packet: Packet, frame: Frame) -> int:
        """How many bytes a datagram carries."""
        return len(self._inside(packet, frame, packet.size - _header(packet) - 8))

    def _udp(self, packet: Packet, frame: Frame, room: int) -> bytes:
        data = self._inside(packet, frame, room - 8)
        return _summed(packet, struct.pack("!HHHH", packet.sport, packet.dport, 8 + len(data), 0) + data, 6)

    def _inside(self, packet: Packet, frame: Frame, room: int) -> bytes:
        if packet.inner is None:
            return _payload(packet, room)
        if packet.cipher:
            return _wireguard(packet, room)
        inner = packet.inner
        header = struct.pack("!BxxxI", 0x08, packet.vni << 8)
        return header + _framed(inner, self._layer3(inner, frame))

    def _ipip(self, packet: Packet, frame: Frame, room: int) -> bytes:
        assert packet.inner is not None
        return self._layer3(packet.inner, frame)

    def _icmp(self, packet: Packet, frame: Frame, room: int) -> bytes:
        kind, code = icmp.numbers(packet)
        rest = struct.pack("!HH", packet.sport & 0xFFFF, packet.sequence or 1)
        data = bytes(range(256)) * (room // 256 + 1)
        if packet.inner is not None:
            quoted = self._layer3(packet.inner, frame)
            rest = struct.pack("!I", packet.mtu) if packet.proto == "icmp6" else struct.pack("!HH", 0, packet.mtu)
            data = quoted
        elif packet.flags.startswith("neighbour-"):
            rest, data = _discovery(packet)
        return _summed(packet, struct.pack("!BBH", kind, code, 0) + rest + data[: max(room - 8, 0)], 2)


def _framed(packet: Packet, layer3: bytes) -> bytes:
    """The frame around a packet; a packet without MACs crossed a device that needs none."""
    if not packet.eth_dst:
        return layer3
    tag = struct.pack("!HH", 0x8100, packet.tag) if packet.tag else b""
    kind = ETHERTYPE["arp" if packet.proto == "arp" else packet.family]
    return mac(packet.eth_dst) + mac(packet.eth_src) + tag + struct.pack("!H", kind) + layer3


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _address(text: str) -> bytes:
    return ip.number(text).to_bytes(16) if ":" in text else inet_aton(text)


def _header(packet: Packet) -> int:
    return 40 if packet.family == "ip6" else 20


def _arp(packet: Packet) -> bytes:
    """RFC 826: hardware and protocol, question or answer, then who asks and who is asked."""
    target = b"\0" * 6 if packet.flags == "who-has" else mac(packet.eth_dst)
    operation = 1 if packet.flags == "who-has" else 2
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return head + mac(packet.eth_src) + inet_aton(packet.src) + target + inet_aton(packet.dst)


def _ip(packet: Packet, data: bytes) -> bytes:
    part, protocol = packet.fragment, PROTOCOL[packet.proto]
    addresses = _address(packet.src) + _address(packet.dst)
    if packet.family == "ip6":
        if part is not None:
            place = part.offset & ~7 | part.more
            data = struct.pack("!BBHI", protocol, 0, place, part.ident) + data[: len(data) - 8]
            protocol = 44
        return struct.pack("!IHBB", 6 << 28, len(data), protocol, packet.ttl) + addresses + data
    ident, place = (0, 0x4000 if packet.df else 0) if part is None else (part.ident, part.offset >> 3 | part.more << 13)
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(data), ident & 0xFFFF, place, packet.ttl, protocol)
    return head + struct.pack("!H", _sum(head + b"\0\0" + addresses)) + addresses + data


def _mss(packet: Packet) -> int:
    return packet.mss or 1500 - _header(packet) - 20


def _bits(packet: Packet) -> int:
    return sum(bit for name, bit in FLAGS.items() if name in packet.flags.split("-"))


def _first(flow: Flow) -> int:
    """A conversation's first sequence number on a device: any number will do, if it is always the same."""
    return crc32(repr(flow).encode())


def _payload(packet: Packet, room: int) -> bytes:
    """The application's text, filled up with zeros to the length that the packet says it has."""
    text = packet.payload.encode("latin-1", "replace")
    return text + bytes(max(room - len(text), 0))


def _sctp(packet: Packet, frame: Frame, room: int) -> bytes:
    """One chunk in one packet (RFC 9260); its checksum is CRC32c."""
    kind = CHUNKS.get(packet.flags, 0)
    body = {0: bytes(12), 1: struct.pack("!IIHHI", 1, 65536, 10, 10, 1), 2: struct.pack("!IIHHI", 1, 65536, 10, 10, 1)}
    data = body.get(kind, b"") + (_payload(packet, 0) if kind == 0 else b"")
    if kind == 0:
        data = struct.pack("!IHHI", 1, 0, 0, 0) + (packet.payload.encode("latin-1", "replace") or b"\0")
    elif kind == 2:
        data += struct.pack("!HH", 7, 8) + b"k8sl"
    elif kind == 10:
        data = b"k8sl"
    flags = 3 if kind == 0 else 0
    chunk = struct.pack("!BBH", kind, flags, 4 + len(data)) + data
    chunk += bytes(-len(chunk) % 4)
    head = struct.pack("!HHI", packet.sport, packet.dport, 0 if kind == 1 else 1)
    return head + struct.pack("<I", _crc32c(head + bytes(4) + chunk)) + chunk


def _wireguard(packet: Packet, room: int) -> bytes:
    """WireGuard's four kinds of message; what is inside is noise to all but its peer."""
    kinds = {"handshake-initiation": (1, 148), "handshake-response": (2, 92)}
    kind, length = kinds.get(packet.flags, (4, max(room, 32)))
    noise = b"".join(struct.pack("!I", crc32(f"{packet}{n}".encode())) for n in range(length // 4 + 1))
    return (struct.pack("<I", kind) + noise)[:length]


def _discovery(packet: Packet) -> tuple[bytes, bytes]:
    """Neighbour discovery (RFC 4861): the flags of an answer, then the address asked for and a MAC."""
    asks = packet.flags == "neighbour-solicitation"
    option = struct.pack("!BB", 1 if asks else 2, 1) + mac(packet.eth_src)
    return (bytes(4) if asks else b"\x60\0\0\0"), _address(packet.payload or packet.dst) + option


# --- checksums ---------------------------------------------------------------------------------


def _sum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1])
    total = sum(words) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _summed(packet: Packet, data: bytes, at: int) -> bytes:
    """The segment with its checksum at this offset; all but ICMP's covers the addresses too."""
    pseudo = b""
    if packet.proto != "icmp":
        pseudo = _address(packet.src) + _address(packet.dst)
        pseudo += struct.pack("!II", len(data), PROTOCOL[packet.proto])
    found = _sum(pseudo + data)
    if packet.proto == "udp" and not found:
        found = 0xFFFF
    return data[:at] + struct.pack("!H", found) + data[at + 2 :]


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# --- files -------------------------------------------------------------------------------------

COOKED_KINDS: Mapping[str, int] = {"in": 0, "broadcast": 1, "multicast": 2, "out": 4}


def pcap(frames: Iterable[Frame], linktype: int, index: Callable[[Frame], int] = lambda frame: 1) -> bytes:
    """A capture as tcpdump and Wireshark read it: microseconds, little-endian. `index` is for ``-i any``: a device's
    number."""
    wire = Wire()
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, linktype)]
    for frame in frames:
        data = wire.encode(frame)
        if linktype == COOKED:
            data = _cooked(frame, index(frame)) + (
                data[18 if frame.packet.tag else 14 :] if frame.packet.eth_dst else data
            )
        seconds, micro = divmod(EPOCH + round(frame.time * 1e6), 1_000_000)
        out.append(struct.pack("<IIII", seconds, micro, len(data), len(data)) + data)
    return b"".join(out)


def _cooked(frame: Frame, index: int) -> bytes:
    packet = frame.packet
    kind = "out" if frame.direction == "out" else "in"
    if kind == "in" and packet.eth_dst == "ff:ff:ff:ff:ff:ff":
        kind = "broadcast"
    elif kind == "in" and packet.eth_dst.startswith("33:33"):
        kind = "multicast"
    ether = ETHERTYPE["arp" if packet.proto == "arp" else packet.family]
    hardware, sender = (1, mac(packet.eth_src)) if packet.eth_src else (768, b"")
    return struct.pack("!HHIHBB", ether, 0, index, hardware, COOKED_KINDS[kind], len(sender)) + sender.ljust(8, b"\0")
