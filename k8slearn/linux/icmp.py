"""ICMP: how machines tell each other that something did not work, and ping.

An error quotes the packet that it is about; only so does the sender know which connection to fail.

Left out: redirects (`send_redirects=0` everywhere), rate limits (`icmp_ratelimit=0`), IPv6's messages.
"""

from __future__ import annotations

from k8slearn.linux import fib, ip
from k8slearn.linux.skb import Net, Outgoing, Skb, Tracked
from k8slearn.packet import Packet
from k8slearn.trace import Step, Walk

NUMBERS = {
    "echo-reply": (0, 0),
    "net-unreachable": (3, 0),
    "host-unreachable": (3, 1),
    "proto-unreachable": (3, 2),
    "port-unreachable": (3, 3),
    "net-prohibited": (3, 9),
    "host-prohibited": (3, 10),
    "admin-prohibited": (3, 13),
    "echo-request": (8, 0),
    "time-exceeded": (11, 0),
}
"""Message -> (type, code)."""


def numbers(packet: Packet) -> tuple[int, int]:
    """An ICMP packet's type and code."""
    return NUMBERS[packet.flags]


ERRORS = {
    "net-unreachable": ("unreachable", "Network is unreachable"),
    "host-unreachable": ("unreachable", "No route to host"),
    "proto-unreachable": ("unreachable", "Protocol not available"),
    "port-unreachable": ("refused", "Connection refused"),
    "net-prohibited": ("unreachable", "Network is unreachable"),
    "host-prohibited": ("unreachable", "No route to host"),
    "admin-prohibited": ("unreachable", "No route to host"),
}
"""Message -> (a Trace's outcome, the errno's words) for a socket that is connecting (`icmp_err_convert`)."""

SOFT = ("net-unreachable", "host-unreachable", "time-exceeded")
"""Not fatal (`icmp.c: icmp_err_convert`): a UDP socket does not fail over these, it goes on waiting."""


def error(net: Net, skb: Skb, message: str) -> Walk[None]:
    """Tell the packet's sender, unless the packet was an error itself (`icmp.c: __icmp_send`)."""
    packet = skb.packet
    if packet.proto == "icmp" and packet.inner is not None:
        return
    if (
        packet.eth_dst == "ff:ff:ff:ff:ff:ff"
        or ip.is_multicast(packet.dst)
        or fib.lookup(net.world, skb.netns, packet.dst).kind == "broadcast"
    ):
        return
    back = fib.lookup(net.world, skb.netns, packet.src)
    own = fib.local_address(net.world, skb.netns, packet.dst) is not None
    src = packet.dst if own else fib.source_for(net.world, skb.netns, back, packet.src)
    if back.kind not in ("unicast", "local") or not src:
        return
    quoted = packet._replace(eth_src="", eth_dst="")
    answer = Packet("icmp", src, packet.src, flags=message, inner=quoted, size=min(packet.size + 28, 576))
    tracked, state = skb.tracked, skb.state
    if tracked is not None:
        tracked = Tracked(tracked.row, not tracked.reply, "RELATED", True, True, True)
    yield Step(skb.netns, "icmp", f"tells {packet.src}: ICMP {message}", packet, answer, None, skb.iif or skb.oif)
    net.outbox.append(Outgoing(skb.netns, answer, f"ICMP {message}", tracked, state))


def reject(net: Net, skb: Skb, how: str) -> Walk[None]:
    """What the target REJECT answers: an ICMP error, or RST with ``--reject-with tcp-reset``."""
    packet = skb.packet
    if how != "tcp-reset":
        yield from error(net, skb, how.removeprefix("icmp-"))
    elif packet.proto == "tcp" and not packet.flags.startswith("RST"):
        answer = Packet("tcp", packet.dst, packet.src, packet.dport, packet.sport, "RST-ACK")
        yield Step(skb.netns, "refuse", f"answers {packet.src} with RST", packet, answer, None, skb.iif)
        tracked = skb.tracked
        if tracked is not None:
            tracked = Tracked(tracked.row, not tracked.reply, "ESTABLISHED", True, True, True)
        net.outbox.append(Outgoing(skb.netns, answer, "RST", tracked))
