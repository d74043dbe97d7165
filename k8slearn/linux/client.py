"""A client's socket knocks, asks and waits; what comes back decides how its conversation ends.

::

    tcp    SYN ─ SYN-ACK ─ ACK ─ request ─ answer ─ (FIN ─ FIN-ACK ─ last ACK)
    sctp   INIT ─ INIT-ACK ─ COOKIE-ECHO ─ COOKIE-ACK ─ request ─ answer ─ (SHUTDOWN ─ SHUTDOWN-ACK ─ SHUTDOWN-COMPLETE)
    udp    request ─ answer
    icmp   echo-request ─ echo-reply

What stands in brackets is said where the conversation is really held, not where it is only asked how it would go.

A request that nobody acknowledges is said again after 0.2 s. That makes a difference where the other end is gone (a
RST reached it that this end never sent: a router in between translated half of the conversation): it answers RST.

An ICMP error fails a TCP socket that is still connecting; once it is connected only "too long" makes a difference: it
cuts its segments again. A UDP socket goes on waiting over errors that may pass (`icmp.SOFT`).

A connection that stands may be talked over again (`attempt.connect`, `stands`): the request goes out at once.

Left out: more than one connection of a program at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8slearn.linux import icmp, pmtu
from k8slearn.linux.rows import Tuple
from k8slearn.linux.skb import Net, Outgoing
from k8slearn.linux.transport import mtu_towards, segments, size_of
from k8slearn.packet import Packet
from k8slearn.trace import Ending

RTO_MIN = 0.2
"""Seconds after which TCP says again what was not acknowledged, on a way as quick as ours (`tcp.h: TCP_RTO_MIN`)."""

FIRST = {
    "tcp": ("SYN", "SYN"),
    "udp": ("", "request"),
    "icmp": ("echo-request", "echo-request"),
    "icmp6": ("echo-request", "echo-request"),
    "sctp": ("INIT", "INIT"),
}
"""Protocol -> (flags, leg) of the first packet."""

FAREWELL = ("FIN", "FIN-ACK", "last ACK", "SHUTDOWN", "SHUTDOWN-ACK", "SHUTDOWN-COMPLETE")
"""The legs by which a connection is closed, after its story is told."""


@dataclass(slots=True)
class Client:
    """A socket that connects, asks for a page and waits for the answer. `closes`: it hangs up afterwards, as every
    program does at its end; who only asks what would happen leaves that out."""

    netns: str
    mine: Tuple
    page: str
    ending: Ending | None = None
    established: bool = False
    ttl: int = 64
    size: int = 0
    """How long its packets are, in bytes with the IP header; 0: as long as what they say."""
    discover: str = "want"
    """Path MTU discovery, as ``ping -M`` names it."""
    closes: bool = False
    mtu: int = 1500
    """How long a packet may be on the way to the other end, as far as this machine knows."""
    mss: int = 0
    """What the other end said that it takes in one segment."""
    padding: int = 0
    """Bytes that the request is longer than its line."""
    half_open: bool = False
    """It only knocks (``traceroute -T``): the kernel knows of no socket, and answers a SYN-ACK with RST."""
    arrived: int = 0
    """Bytes of the answer that are here."""
    ahead: int = 0
    """Of these the last piece, where it came before others: a program reads in order, and waits for them."""
    stood: float = 0.0
    """When the connection stood, on the logical clock."""
    heard: float = 0.0
    """When the first packet came that was for it, on the logical clock."""
    last: float = 0.0
    """When the last piece of the answer came, on the logical clock."""
    asking: str = ""
    """All that it says, where that is more than a line (`http.py`)."""
    repeated: bool = False
    """Has it said its request twice?"""

    @property
    def request(self) -> str:
        return self.asking or f"GET {self.page}" + (" " + "x" * (self.padding - 1) if self.padding else "")

    def receive(self, net: Net, packet: Packet) -> None:
        if net.time > net.deadline:
            return
        self.heard = self.heard or net.time
        if packet.proto in ("icmp", "icmp6") and packet.inner is not None:
            self._error(net, packet, packet.inner)
        elif packet.proto == "tcp":
            self._tcp(net, packet)
        elif packet.proto == "sctp":
            self._sctp(net, packet)
        else:
            self._answered(net, packet)

    def fail(self, outcome: str, words: str) -> None:
        if self.ending is None and not self.established:
            self.ending = Ending(outcome, error=words)

    def _error(self, net: Net, packet: Packet, about: Packet) -> None:
        if packet.flags in pmtu.COMPLAINTS and self.mine.proto == "tcp":
            self.mtu = mtu_towards(net.world, self.netns, self.mine.dst)
            if self.established and about.payload and about.size > self.mtu:
                self._send(net, about._replace(eth_src="", eth_dst="", ttl=self.ttl))
            return
        if self.mine.proto == "udp" and packet.flags in icmp.SOFT:
            return
        self.fail(*icmp.ERRORS.get(packet.flags, ("unreachable", "No route to host")))

    def _tcp(self, net: Net, packet: Packet) -> None:
        if packet.flags.startswith("RST"):
            self.fail("refused", "Connection refused")
            self.ending = self.ending or Ending("unreachable", error="Connection reset by peer")
        elif packet.flags == "SYN-ACK" and self.half_open:
            self.ending = Ending("connected")
            self._say(net, "RST", "RST")
        elif packet.flags == "SYN-ACK" and not self.established:
            self.established, self.mss, self.stood = True, packet.mss, net.time
            self._say(net, "ACK", "ACK")
            net.asked = len(self.request)
            self._send(net, self.packet("PSH-ACK", self.request))
        elif packet.payload:
            self._answered(net, packet)
            if self.closes and self.ending is not None:
                self._say(net, "FIN-ACK", "FIN")
        elif packet.flags == "FIN-ACK":
            self._say(net, "ACK", "last ACK")

    def _sctp(self, net: Net, packet: Packet) -> None:
        if packet.flags == "ABORT":
            self.fail("refused", "Connection refused")
            self.ending = self.ending or Ending("unreachable", error="Connection reset by peer")
        elif packet.flags == "INIT-ACK":
            self._say(net, "COOKIE-ECHO", "COOKIE-ECHO")
        elif packet.flags == "COOKIE-ACK":
            self.established = True
            net.outbox.append(Outgoing(self.netns, self.packet("DATA", self.request), "request"))
        elif packet.payload:
            self._answered(net, packet)
            if self.closes:
                self._say(net, "SHUTDOWN", "SHUTDOWN")
        elif packet.flags == "SHUTDOWN-ACK":
            self._say(net, "SHUTDOWN-COMPLETE", "SHUTDOWN-COMPLETE")

    def _answered(self, net: Net, packet: Packet) -> None:
        """A piece of the answer; the conversation has its end when all of it is here."""
        assert net.answered is not None
        self.arrived, self.last = self.arrived + len(packet.payload), max(self.last, net.time)
        self.ahead = len(packet.payload) if packet.flags == "PSH-ACK" and self.arrived < len(net.answer) else 0
        if self.arrived >= len(net.answer) and self.ending is None:
            who, saw, reached = net.answered
            self.ending = Ending("connected", who or None, saw, reached, payload=net.answer)

    def _say(self, net: Net, flags: str, name: str) -> None:
        net.outbox.append(Outgoing(self.netns, self.packet(flags), name))

    def speaks_again(self, net: Net) -> bool:
        """The connection stood, the other end is gone, and nobody said so: the request goes out once more."""
        if (
            net.servers
            or self.repeated
            or self.ending is not None
            or not (self.established and self.mine.proto == "tcp")
        ):
            return False
        self.repeated = True
        self._send(net, self.packet("PSH-ACK", self.request))
        for out in net.outbox:
            out.at = net.time + RTO_MIN
        return True

    def _send(self, net: Net, packet: Packet) -> None:
        for piece in segments(packet, self.mtu, self.mss):
            net.outbox.append(Outgoing(self.netns, piece, "request"))

    def packet(self, flags: str, payload: str = "") -> Packet:
        """A packet from this socket."""
        t = self.mine
        size = self.size or size_of(t.proto, t.dst, flags, len(payload))
        return Packet(t.proto, t.src, t.dst, t.sport, t.dport, flags, payload, self.ttl, size=size)
