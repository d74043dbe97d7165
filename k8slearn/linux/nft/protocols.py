"""Which protocols are certain while a rule is read: ``tcp dport`` is there only in a TCP packet.

A field needs its header, and nft knows from the conditions before whether it is there. Where it is not certain nft adds
the condition (``meta l4proto tcp`` before ``tcp dport``, ``meta nfproto ipv4`` before ``ip daddr`` in a table of both
families), and it refuses what contradicts itself.

Left out: link layers, extension headers, headers inside tunnels.
"""

from __future__ import annotations

from k8slearn.linux.nft.expressions import Where
from k8slearn.linux.nft.selectors import PAYLOAD
from k8slearn.linux.nft.types import TYPES
from k8slearn.linux.nft.values import Anonymous, Const, Match, Right, Selector, Statement

TRANSPORTS = {"tcp": "tcp", "udp": "udp", "sctp": "sctp", "icmp": "icmp", "icmpv6": "ipv6-icmp"}
"""A header -> the protocol number that says it is there."""
PARENTS = {"ip": "ipv4", "ip6": "ipv6"}


class Known:
    """What is known while one rule is read."""

    def __init__(self, where: Where) -> None:
        self.where, self.cursor = where, where.cursor
        self.statements: list[Statement] = []
        self.network = where.family if where.family != "inet" else ""
        self.transport = ""
        self.several: tuple[str, ...] = ()
        """The transport protocols that it may be (``meta l4proto { tcp, udp }``)."""
        self.told = False
        """Has the rule said anything about the transport protocol (``meta l4proto { tcp, udp }``)?"""

    def note(self, selector: Selector, start: int) -> Selector:
        """A field needs its header: add the condition for it where it is not certain yet."""
        if selector.words not in PAYLOAD:
            return selector
        header = selector.words.partition(" ")[0]
        if header in PARENTS:
            self.needs_network(header, start)
        elif header == "th":
            if self.transport in ("tcp", "udp", "sctp"):
                return Selector(selector.words.replace("th", self.transport, 1), selector.type)
        else:
            self.needs_transport(header, start)
        return selector

    def certain(self, match: Match, start: int, end: int) -> Match:
        """What a condition makes certain for the fields that follow."""
        left, right = match.left, match.right
        words = left.words if isinstance(left, Selector) else ""
        certain = str(right.value) if isinstance(right, Const) and match.op in ("", "==") else ""
        if words == "meta nfproto":
            if self.where.family != "inet":
                raise self.cursor.source.complain(start, end, "meta nfproto is only useful in the inet family")
            self.network = {"ipv4": "ip", "ipv6": "ip6"}.get(certain, self.network)
        if words in ("meta l4proto", "ip protocol", "ip6 nexthdr", "ct protocol"):
            self.told = True
            if words != "ct protocol":
                self.transport = certain or self.transport
                self.several = _names(right) if not match.op else ()
        return match

    def needs_network(self, header: str, start: int) -> None:
        if not self.network:
            self.network = header
            self.statements.append(
                Match(Selector("meta nfproto", TYPES["nf_proto"]), "", Const(TYPES["nf_proto"], PARENTS[header]))
            )
        elif self.network != header:
            self.cursor.fail(start, f"conflicting protocols specified: {self.network} vs. {header}")

    def needs_transport(self, header: str, start: int) -> None:
        protocol = TRANSPORTS[header]
        other = next((name for name in self.several if name != protocol), "")
        if other and not self.transport:
            self.cursor.fail(start, f"conflicting protocols specified: {other} vs. {header}")
        if not self.transport:
            self.transport, self.told = protocol, True
            self.statements.append(
                Match(Selector("meta l4proto", TYPES["inet_proto"]), "", Const(TYPES["inet_proto"], protocol))
            )
        elif self.transport != protocol:
            self.cursor.fail(start, f"conflicting protocols specified: {self.transport} vs. {header}")


def _names(right: Right) -> tuple[str, ...]:
    return tuple(str(e.name) for e in right.elements) if isinstance(right, Anonymous) else ()
