"""ICMP: how machines tell each other that something did not work, and ping.

An error quotes the packet that it is about; only so does the sender know which connection to fail, and what to say
(type/code, in IPv4 and IPv6)::

    message             IPv4   IPv6   says                     a UDP socket
    net-unreachable     3/0    ─      Network is unreachable   goes on waiting
    host-unreachable    3/1    ─      No route to host         goes on waiting
    proto-unreachable   3/2    ─      Protocol not available   fails
    port-unreachable    3/3    1/4    Connection refused       fails
    frag-needed         3/4    ─      Message too long         fails
    net-prohibited      3/9    ─      Network is unreachable   fails
    host-prohibited     3/10   ─      No route to host         fails
    admin-prohibited    3/13   ─      No route to host         fails
    time-exceeded       11/0   3/0    No route to host         goes on waiting
    no-route            ─      1/0    Network is unreachable   goes on waiting
    adm-prohibited      ─      1/1    Permission denied        fails
    beyond-scope        ─      1/2    No route to host         goes on waiting
    addr-unreachable    ─      1/3    No route to host         goes on waiting
    policy-fail         ─      1/5    Permission denied        fails
    reject-route        ─      1/6    Permission denied        fails
    packet-too-big      ─      2/0    Message too long         fails

"Too long" TCP takes as advice: it cuts its segments smaller. Who may make an error is strict, lest errors breed errors:
never about an error, a later fragment, a broadcast or a multicast packet (RFC 1122, RFC 4443; `icmp.c: __icmp_send`,
`icmp6_send`). An error comes from the packet's own destination where that is the machine's address, else from the
address by which the machine reaches the sender.

Left out: redirects (`send_redirects=0` everywhere), rate limits (`icmp_ratelimit`, the burst of `error_cost`),
``icmp_errors_use_inbound_ifaddr``, parameter problems other than an unknown IPv6 header, time stamps.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slearn.linux import fib, ip
from k8slearn.linux.skb import Net, Outgoing, Skb, Tracked
from k8slearn.packet import Packet
from k8slearn.trace import Step

NUMBERS = {
    "echo-reply": (0, 0),
    "net-unreachable": (3, 0),
    "host-unreachable": (3, 1),
    "proto-unreachable": (3, 2),
    "port-unreachable": (3, 3),
    "frag-needed": (3, 4),
    "net-prohibited": (3, 9),
    "host-prohibited": (3, 10),
    "admin-prohibited": (3, 13),
    "echo-request": (8, 0),
    "time-exceeded": (11, 0),
    "reassembly-time-exceeded": (11, 1),
}
"""Message -> (type, code)."""

NUMBERS6 = {
    "no-route": (1, 0),
    "adm-prohibited": (1, 1),
    "beyond-scope": (1, 2),
    "addr-unreachable": (1, 3),
    "port-unreachable": (1, 4),
    "policy-fail": (1, 5),
    "reject-route": (1, 6),
    "packet-too-big": (2, 0),
    "time-exceeded": (3, 0),
    "reassembly-time-exceeded": (3, 1),
    "unknown-header": (4, 1),
    "echo-request": (128, 0),
    "echo-reply": (129, 0),
    "router-solicitation": (133, 0),
    "router-advertisement": (134, 0),
    "neighbour-solicitation": (135, 0),
    "neighbour-advertisement": (136, 0),
}
"""Message -> (type, code) in IPv6."""


def numbers(packet: Packet) -> tuple[int, int]:
    """An ICMP packet's type and code."""
    return (NUMBERS6 if packet.proto == "icmp6" else NUMBERS)[packet.flags]


ERRORS = {
    "net-unreachable": ("unreachable", "Network is unreachable"),
    "host-unreachable": ("unreachable", "No route to host"),
    "proto-unreachable": ("unreachable", "Protocol not available"),
    "port-unreachable": ("refused", "Connection refused"),
    "frag-needed": ("unreachable", "Message too long"),
    "net-prohibited": ("unreachable", "Network is unreachable"),
    "host-prohibited": ("unreachable", "No route to host"),
    "admin-prohibited": ("unreachable", "No route to host"),
    "time-exceeded": ("unreachable", "No route to host"),
    "no-route": ("unreachable", "Network is unreachable"),
    "adm-prohibited": ("unreachable", "Permission denied"),
    "beyond-scope": ("unreachable", "No route to host"),
    "addr-unreachable": ("unreachable", "No route to host"),
    "policy-fail": ("unreachable", "Permission denied"),
    "reject-route": ("unreachable", "Permission denied"),
    "packet-too-big": ("unreachable", "Message too long"),
}
"""Message -> (a Trace's outcome, the errno's words) for a socket that is connecting (`icmp_err_convert`,
`icmpv6_err_convert`)."""

SOFT = (
    *("net-unreachable", "host-unreachable", "time-exceeded", "reassembly-time-exceeded"),
    *("no-route", "beyond-scope", "addr-unreachable"),
)
"""Not fatal (`icmp.c: icmp_err_convert`): a UDP socket does not fail over these, it goes on waiting."""

IN_IPV6 = {
    "net-unreachable": "no-route",
    "host-unreachable": "addr-unreachable",
    "admin-prohibited": "adm-prohibited",
    "frag-needed": "packet-too-big",
    "proto-unreachable": "unknown-header",
}
"""What IPv6 calls an IPv4 message, where the names differ."""

NOBODY, LOOPBACK = "0.0.0.0", "127.0.0.1"
"""A packet that a machine without an address made: what is said about it stays on lo (`ip_route_output_key`)."""
PROTO = {"ip": "icmp", "ip6": "icmp6"}
QUOTED = {"ip": (28, 576), "ip6": (48, 1280)}
"""Family -> (headers before the quoted packet, the longest error)."""

COUNTED: Mapping[str, str] = {
    "echo-request": "Echos",
    "echo-reply": "EchoReps",
    "time-exceeded": "TimeExcds",
    "reassembly-time-exceeded": "TimeExcds",
}
"""Message -> what ``nstat`` calls it after ``IcmpIn`` or ``IcmpOut``; every other IPv4 error is ``DestUnreachs``."""
COUNTED6: Mapping[str, str] = {
    "echo-request": "Echos",
    "echo-reply": "EchoReplies",
    "time-exceeded": "TimeExcds",
    "reassembly-time-exceeded": "TimeExcds",
    "packet-too-big": "PktTooBigs",
    "unknown-header": "ParmProblems",
    "neighbour-solicitation": "NeighborSolicits",
    "neighbour-advertisement": "NeighborAdvertisements",
}


def is_error(packet: Packet) -> bool:
    """Is it a message about another packet?"""
    return packet.inner is not None and packet.proto in ("icmp", "icmp6")


def count(net: Net, netns: str, packet: Packet, way: str) -> None:
    """One ICMP message more came in (`way` ``In``) or went out (``Out``)."""
    if not net.recording:
        return
    six = packet.proto == "icmp6"
    name = (COUNTED6 if six else COUNTED).get(packet.flags, "DestUnreachs")
    kind = (NUMBERS6 if six else NUMBERS).get(packet.flags, (0, 0))[0]
    prefix = "Icmp6" if six else "Icmp"
    by_type = f"Icmp6{way}Type{kind}" if six else f"IcmpMsg{way}Type{kind}"
    net.stat(netns, f"{prefix}{way}Msgs", f"{prefix}{way}{name}", by_type)


def error(net: Net, skb: Skb, message: str, mtu: int = 0) -> None:
    """Tell the packet's sender (`icmp.c: __icmp_send`). `message` is IPv4's name for it, or IPv6's own."""
    packet, family = skb.packet, skb.packet.family
    src = _speaker(net, skb) if _may_tell(net, skb, message) else ""
    if not src:
        return
    message = IN_IPV6.get(message, message) if family == "ip6" else message
    headers, longest = QUOTED[family]
    quoted, size = packet._replace(eth_src="", eth_dst=""), min(packet.size + headers, longest)
    towards = LOOPBACK if packet.src == NOBODY else packet.src
    answer = Packet(PROTO[family], src, towards, flags=message, inner=quoted, size=size, df=False, mtu=mtu)
    tracked, state = skb.tracked, skb.state
    if tracked is not None:
        tracked = Tracked(tracked.row, not tracked.reply, "RELATED", True, True, True)
    net.say(Step(skb.netns, "icmp", f"tells {packet.src}: ICMP {message}", packet, answer, None, skb.iif or skb.oif))
    net.outbox.append(Outgoing(skb.netns, answer, f"ICMP {message}", tracked, state, "dont", came_by(net, skb)))


def came_by(net: Net, skb: Skb) -> str:
    """The device that counts as the one a packet came in by: what an IPv6 machine tells itself over ``lo`` came by the
    device of the address that it is for (`icmpv6_iif`, `ipv6_rcv`)."""
    own = fib.local_address(net.world, skb.netns, skb.packet.dst) if skb.iif == "lo" else None
    return own.dev if own is not None else skb.iif


def _may_tell(net: Net, skb: Skb, message: str) -> bool:
    packet = skb.packet
    if is_error(packet) or (packet.fragment is not None and packet.fragment.offset):
        return False
    if packet.src == "::" or ip.is_multicast(packet.src):
        return False
    if packet.eth_dst == "ff:ff:ff:ff:ff:ff" or ip.is_multicast(packet.dst):
        return packet.family == "ip6" and message == "packet-too-big"
    return fib.lookup(net.world, skb.netns, packet.dst).kind != "broadcast"


def _speaker(net: Net, skb: Skb) -> str:
    """The address that an error comes from; empty where there is no way back to the sender."""
    packet = skb.packet
    if packet.src == NOBODY:
        return LOOPBACK
    back = fib.lookup(net.world, skb.netns, packet.src)
    if back.kind not in ("unicast", "local", "broadcast"):
        return ""
    if fib.local_address(net.world, skb.netns, packet.dst) is not None:
        return packet.dst
    return fib.source_for(net.world, skb.netns, back, packet.src)


def reject(net: Net, skb: Skb, how: str) -> None:
    """What the target REJECT answers: an ICMP error, or RST with ``--reject-with tcp-reset``."""
    packet = skb.packet
    if how != "tcp-reset":
        error(net, skb, how.removeprefix("icmp6-").removeprefix("icmp-"))
    elif packet.proto == "tcp" and not packet.flags.startswith("RST"):
        size = 60 if packet.family == "ip6" else 40
        answer = Packet("tcp", packet.dst, packet.src, packet.dport, packet.sport, "RST-ACK", size=size)
        net.say(Step(skb.netns, "refuse", f"answers {packet.src} with RST", packet, answer, None, skb.iif))
        tracked = skb.tracked
        if tracked is not None:
            tracked = Tracked(tracked.row, not tracked.reply, "ESTABLISHED", True, True, True)
        net.outbox.append(Outgoing(skb.netns, answer, "RST", tracked))
