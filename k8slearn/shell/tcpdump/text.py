"""One frame as a line of ``tcpdump -n``: who sends what to whom.

Left out: what ``-v`` adds, and protocols above TCP and UDP, but HTTP's first line and VXLAN's inner frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from k8slearn import dns
from k8slearn.linux import icmp, wire
from k8slearn.linux.wire import Segment, Wire
from k8slearn.packet import Packet
from k8slearn.trace import Frame

DIRECTIONS = {"in": "In", "out": "Out", "broadcast": "B", "multicast": "M"}
ETHERTYPES = {"ip": "IPv4 (0x0800)", "ip6": "IPv6 (0x86dd)", "arp": "ARP (0x0806)"}
OTV = 8472
"""Flannel's VXLAN port: tcpdump takes it for OTV, which looks the same."""
UNREACHABLE: Mapping[str, str] = {
    "net-unreachable": "net {d} unreachable",
    "host-unreachable": "host {d} unreachable",
    "proto-unreachable": "{d} protocol {p} unreachable",
    "port-unreachable": "{d} {l} port {o} unreachable",
    "frag-needed": "{d} unreachable - need to frag (mtu {m})",
    "net-prohibited": "net {d} unreachable - admin prohibited",
    "host-prohibited": "host {d} unreachable - admin prohibited",
    "admin-prohibited": "host {d} unreachable - admin prohibited filter",
    "time-exceeded": "time exceeded in-transit",
    "reassembly-time-exceeded": "ip reassembly time exceeded",
}
UNREACHABLE6: Mapping[str, str] = {
    "no-route": "destination unreachable, unreachable route {d}",
    "adm-prohibited": "destination unreachable, unreachable prohibited {d}",
    "beyond-scope": "destination unreachable, beyond scope {d}",
    "addr-unreachable": "destination unreachable, unreachable address {d}",
    "port-unreachable": "destination unreachable, unreachable port, {d} {l} port {o}",
    "policy-fail": "destination unreachable, unknown unreach code (5)",
    "reject-route": "destination unreachable, unknown unreach code (6)",
    "packet-too-big": "packet too big, mtu {m}",
    "time-exceeded": "time exceeded in-transit for {d}",
}


def direction(frame: Frame) -> str:
    """In, out, or in for everybody: what ``-i any`` says."""
    if frame.direction == "in" and frame.packet.eth_dst == "ff:ff:ff:ff:ff:ff":
        return "broadcast"
    if frame.direction == "in" and frame.packet.eth_dst.startswith("33:33"):
        return "multicast"
    return frame.direction


@dataclass(slots=True)
class Text:
    """Writes lines. It remembers each conversation's first numbers, as tcpdump does, to count from there."""

    link_layer: bool
    flows: dict[tuple[tuple[str, int], tuple[str, int]], int]

    def line(self, frame: Frame, wire: Wire, cooked: int = 0) -> str:
        packet = frame.packet
        before = wire.copy()
        says = self._packet(packet, frame, wire)
        if not self.link_layer or not packet.eth_dst:
            return says
        if cooked:
            return self._cooked(packet, says, len(before.encode(frame)), cooked)
        return self._ethernet(packet, frame, before, says)

    def _cooked(self, packet: Packet, says: str, length: int, index: int) -> str:
        kind = ETHERTYPES["arp" if packet.proto == "arp" else packet.family]
        says = says.partition(" ")[2]
        return f"ifindex {index} {packet.eth_src} ethertype {kind}, length {length + 6}: {says}"

    def _ethernet(self, packet: Packet, frame: Frame, counted: Wire, says: str) -> str:
        length = len(counted.copy().encode(frame))
        kind = ETHERTYPES["arp" if packet.proto == "arp" else packet.family]
        tag = f"802.1Q (0x8100), length {length}: vlan {packet.tag}, p 0, ethertype {kind}" if packet.tag else kind
        says = says.partition(" ")[2]
        middle = ", " if packet.tag else f", length {length}: "
        return f"{packet.eth_src} > {packet.eth_dst}, ethertype {tag}{middle}{says}"

    def _packet(self, packet: Packet, frame: Frame, wire: Wire) -> str:
        if packet.proto == "arp":
            return _arp(packet)
        family = "IP6" if packet.family == "ip6" else "IP"
        if packet.fragment is not None and packet.fragment.offset:
            protocol = packet.proto
            return f"{family} {packet.src} > {packet.dst}: {protocol}"
        if packet.proto in ("tcp", "udp", "sctp"):
            says = {"tcp": self._tcp, "udp": self._udp, "sctp": _sctp}[packet.proto](packet, frame, wire)
            return f"{family} {packet.src}.{packet.sport} > {packet.dst}.{packet.dport}: {says}"
        if packet.proto == "ipip":
            assert packet.inner is not None
            return f"{family} {packet.src} > {packet.dst}: {self._packet(packet.inner, frame, wire)}"
        name = "ICMP6" if packet.proto == "icmp6" else "ICMP"
        return f"{family} {packet.src} > {packet.dst}: {name}{',' if name == 'ICMP6' else ''} {_icmp(packet)}"

    def _tcp(self, packet: Packet, frame: Frame, wire: Wire) -> str:
        part = wire.segment(packet, frame)
        seq, ack = self._relative(packet, part)
        letters = {"SYN": "S", "FIN": "F", "PSH": "P", "RST": "R"}
        named = packet.flags.split("-")
        flags = "".join(letter for name, letter in letters.items() if name in named) + ("." if "ACK" in named else "")
        words = [f"Flags [{flags}]"]
        size = len(part.data)
        if size or {"SYN", "FIN", "RST"} & set(named):
            words.append(f"seq {seq}:{seq + size}" if size else f"seq {seq}")
        words += [f"ack {ack}"] if "ACK" in named else []
        words.append(f"win {part.window}")
        if part.stamps is not None:
            stamps = "TS val {} ecr {}".format(*part.stamps)
            syn = f"mss {part.mss},sackOK,{stamps},nop,wscale 7"
            words.append(f"options [{syn if 'SYN' in named else f'nop,nop,{stamps}'}]")
        words.append(f"length {size}")
        return ", ".join(words) + _http(packet, part.data)

    def _relative(self, packet: Packet, part: Segment) -> tuple[int, int]:
        """The first packet that acknowledges anything is told as it is; those after it count from there."""
        mine, other = (packet.src, packet.sport), (packet.dst, packet.dport)
        if "ACK" not in packet.flags:
            return part.seq, part.ack
        if (mine, other) not in self.flows or "SYN" in packet.flags:
            self.flows[mine, other], self.flows[other, mine] = part.seq, part.ack - 1
            return part.seq, part.ack
        seq, ack = part.seq - self.flows[mine, other], part.ack - self.flows[other, mine]
        return seq & 0xFFFFFFFF, ack & 0xFFFFFFFF

    def _udp(self, packet: Packet, frame: Frame, wire: Wire) -> str:
        if packet.inner is not None and not packet.cipher:
            form = (
                "OTV, flags [I] (0x08), overlay 0, instance {}"
                if packet.dport == OTV
                else "VXLAN, flags [I] (0x08), vni {}"
            )
            return form.format(packet.vni) + "\n" + self._inner(packet.inner, frame, wire)
        told = dns.decode(packet.payload) if 53 in (packet.sport, packet.dport) and not packet.cipher else None
        return f"UDP, length {wire.length(packet, frame)}" if told is None else _dns(told, len(packet.payload))

    def _inner(self, packet: Packet, frame: Frame, wire: Wire) -> str:
        says = self._packet(packet, frame, wire)
        return self._ethernet(packet, frame._replace(packet=packet), wire, says) if self.link_layer else says


def _http(packet: Packet, data: bytes) -> str:
    """A request's first line; one that does not end is marked as cut off."""
    if not data or 80 not in (packet.sport, packet.dport):
        return ""
    line, ended, _ = data.rstrip(b"\0").partition(b"\r\n")
    return f": HTTP: {line.decode()}{'' if ended else ' [|http]'}" if line.startswith(b"GET ") else ": HTTP"


def _dns(told: dns.Message, length: int) -> str:
    """``4711+ A? web.default.svc.cluster.local. (47)``, and its answer (tcpdump's `print-domain.c`)."""
    if not told.response:
        more = " [1au]" if told.edns else ""
        return f"{told.id}{'+' * told.recursion_desired}{more} {told.type}? {told.name} ({length})"
    marks = "*" * told.authoritative + "-" * (not told.recursion_available) + "|" * told.truncated
    rcode = {"NOERROR": "", "NXDOMAIN": " NXDomain", "SERVFAIL": " ServFail", "REFUSED": " Refused"}.get(told.rcode, "")
    counts = f" {len(told.answer)}/{len(told.authority)}/{len(told.additional) + bool(told.edns)}"
    records = ", ".join(f"{record.type} {_data(record)}" for record in told.answer)
    return f"{told.id}{rcode}{marks}{counts}{' ' * bool(records)}{records} ({length})"


def _data(record: dns.Record) -> str:
    """A record's data as tcpdump has it: of an SOA nothing, of an SRV target, port, priority and weight."""
    if record.type == "SRV":
        priority, weight, port, target = record.data.split()
        return f"{target}:{port} {priority} {weight}"
    return "" if record.type == "SOA" else record.data


def _arp(packet: Packet) -> str:
    if packet.flags == "is-at":
        return f"ARP, Reply {packet.src} is-at {packet.eth_src}, length 28"
    return f"ARP, Request who-has {packet.dst} tell {packet.src}, length 28"


def _sctp(packet: Packet, frame: Frame, wire: Wire) -> str:
    return f"sctp (1) [{packet.flags.replace('-', ' ')}]"


def _icmp(packet: Packet) -> str:
    length = packet.size - (40 if packet.family == "ip6" else 20)
    if packet.inner is None:
        return f"{_echo(packet)}, length {length}"
    about, six = packet.inner, packet.proto == "icmp6"
    form = (UNREACHABLE6 if six else UNREACHABLE)[packet.flags]
    said = form.format(d=about.dst, l=about.proto, o=about.dport, m=packet.mtu, p=wire.PROTOCOL[about.proto])
    return f"{said}, length {length}"


_ECHO: Mapping[str, Callable[[Packet], str]] = {
    "echo-request": lambda p: f"echo request, id {p.sport}, seq {p.sequence or 1}",
    "echo-reply": lambda p: f"echo reply, id {p.sport}, seq {p.sequence or 1}",
    "neighbour-solicitation": lambda p: f"neighbor solicitation, who has {p.payload}",
    "neighbour-advertisement": lambda p: f"neighbor advertisement, tgt is {p.payload}",
}


def _echo(packet: Packet) -> str:
    form = _ECHO.get(packet.flags)
    return form(packet) if form is not None else f"type {icmp.numbers(packet)[0]}"
