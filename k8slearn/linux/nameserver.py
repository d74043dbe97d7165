"""A name server is a program behind UDP and TCP port 53: bytes of a question in, bytes of an answer out.

::

    question ── socket ── row (namespace, "dns", 53) ── a function ── answer
                                                     └─ none in time: the asker waits

Whoever runs one keeps its function in that row (`NameServer`); what it knows is its own matter. It is called in the
middle of the walk that brought the question, and may hold conversations of its own before it answers (`asks`). What is
no question but a request for a page, as this engine sends when only a port is asked for, is greeted.

Left out: dynamic updates, zone transfers.
"""

from __future__ import annotations

from typing import Protocol

from k8slearn.journal import Command, drive
from k8slearn.linux import attempt, listen
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Attempt

TABLE = "dns"
PAGE = "GET /"
"""How a request for a page begins."""


class NameServer(Protocol):
    """What stands in a row."""

    name: str

    def __call__(self, net: Net, netns: str, packet: Packet, request: str) -> str | None:
        """The answer to a question; None: there is none in time."""


def serve(net: Net, skb: Skb, row: NameServer, request: str) -> str | None:
    """What the server behind this row answers."""
    if request.startswith(PAGE):
        return f"Hello from {row.name}!"
    return row(net, skb.netns, skb.packet, request)


def asks(net: Net, netns: str, place: tuple[str, int], proto: str, request: str, patience: float) -> Attempt:
    """A question that the server itself puts to another one: a conversation inside a conversation."""
    inner = net.within(net.time + patience)
    inner.nth, inner.depth_of_asking = net.nth + 1000 * (1 + len(net.asides)), net.depth_of_asking + 1
    learned: list[Command] = []
    walk = attempt.connect(net.world, netns, *place, proto, request=request, within=inner)
    found: Attempt = drive(walk, learned.append)
    net.effects += learned
    net.compared += inner.compared
    net.asides.append(found)
    return found


listen.SERVERS[TABLE] = serve
