"""A running CoreDNS: the function behind its sockets. A question comes in as bytes and goes out as bytes.

It stands in a row beside its sockets (`linux/nameserver.py`), so a query is answered in the middle of its own walk.
What the server has to ask others (``forward``) is a conversation of its own, from its own network namespace: a policy
or a lost route on that way is met like any other. An answer that it remembers is a row, too: who only asks what would
happen warms no cache. An upstream that is silent leaves the asker without an answer.

Left out: how long anything takes, queries in other classes than IN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from k8slearn.components.coredns import corefile
from k8slearn.components.coredns.files import PROGRAM, text_of
from k8slearn.components.coredns.plugins import CACHED
from k8slearn.components.coredns.query import Query, serve
from k8slearn.dns import CLASSIC, LONGEST, Message, decode, encode, fit
from k8slearn.journal import Key, Put
from k8slearn.linux import nameserver
from k8slearn.linux.skb import Net
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

PATIENCE = 2.0
"""Seconds that an upstream is waited for (plugin/pkg/proxy: readTimeout)."""
DEEPEST = 8
"""So many servers that wait for one another are a loop."""


class Silent(Exception):
    """No upstream has answered in time."""


@dataclass(frozen=True, slots=True)
class Server:
    """One container's CoreDNS as it was loaded."""

    name: str
    node: str
    container: str
    pod: str
    corefile: str
    """The text that it goes by."""
    local: tuple[str, ...]
    resolv_conf: str
    synced: bool
    program: str = PROGRAM

    def __call__(self, net: Net, netns: str, packet: Packet, request: str) -> str | None:
        asked = decode(request)
        if asked is None or asked.response:
            return None
        try:
            told = serve(self._query(net, netns, packet, asked))
        except Silent:
            return None
        answer = replace(told, id=asked.id, recursion_desired=asked.recursion_desired, edns=asked.edns)
        return fit(answer, max(CLASSIC, asked.edns) if packet.proto == "udp" else LONGEST)

    def _query(self, net: Net, netns: str, packet: Packet, asked: Message) -> Query:
        def key(name: Any) -> Key:
            return (netns, CACHED, (self.container, *name))

        return Query(
            net.world,
            corefile.parse(self.corefile),
            asked.name,
            asked.type,
            packet.src,
            packet.dport,
            self.local,
            self.resolv_conf,
            lambda path: text_of(net.world, self.node, self.pod, path),
            self._asks(net, netns, asked.edns),
            lambda name: net.world.get(key(name)),
            lambda name, row: net.write(Put(key(name), row)),
            net.world.revision + net.nth,
            self.synced,
            address=packet.dst,
            proto=packet.proto,
            hit=lambda name, until: net.say(self._remembers(key(name), asked, packet, until)),
        )

    def _remembers(self, key: Key, asked: Message, packet: Packet, until: float) -> Step:
        """The step that says that nobody else is asked."""
        why = Because(key, f"{asked.name} {asked.type}, kept until second {until:g}")
        return Step(key[0], "deliver", f"{self.program} asks nobody: its cache has {why.text}", packet, packet, why)

    def _asks(self, net: Net, netns: str, edns: int) -> Callable[[str, int, Message, str], Message | None]:
        def ask(address: str, port: int, asked: Message, proto: str) -> Message | None:
            if net.depth_of_asking >= DEEPEST:
                raise Silent
            question = encode(replace(asked, edns=edns))
            told = nameserver.asks(net, netns, (address, port), proto, question, PATIENCE)
            if told.ending.outcome == "timeout":
                raise Silent
            return decode(told.ending.payload) if told.ending.outcome == "connected" else None

        return ask
