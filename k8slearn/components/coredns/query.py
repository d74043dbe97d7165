"""One query at a CoreDNS, and its way through the plugins of the server block that its name belongs to.

Each plugin answers, or hands the query to the next one; the one that comes last and does not know either gives
SERVFAIL. A name that lies in no zone of any block is REFUSED.

Left out: what leaves no mark on an answer: logs, metrics, timeouts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from k8slearn.components.coredns.corefile import Corefile, Directive
from k8slearn.dns import Message, absolute, pointed
from k8slearn.journal import World

Upstream = Callable[[str, int, Message, str], Message | None]
"""(address, port, question, ``udp`` or ``tcp``) -> the answer of that server, or None: it gave none."""
Next = Callable[["Query"], Message]
Plugin = Callable[["Query", Directive, Next], Message]


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked, by whom and where. `name` is in the case in which it was asked, with the final dot."""

    world: World
    corefile: Corefile
    name: str
    type: str
    client: str = ""
    """The asker's address, as this server sees it."""
    port: int = 53
    local: tuple[str, ...] = ()
    """The server's own addresses."""
    resolv_conf: str = ""
    """The server's own /etc/resolv.conf."""
    files: Callable[[str], str] = field(default=lambda path: "", compare=False)
    """What a file of its container says."""
    upstream: Upstream = field(default=lambda address, port, asked, proto: None, compare=False)
    """How it asks another server."""
    recall: Callable[[Any], Any] = field(default=lambda key: None, compare=False)
    remember: Callable[[Any, Any], None] = field(default=lambda key, row: None, compare=False)
    """Its cache."""
    turn: int = 0
    """What chance says, where it has a say: the order of several addresses."""
    synced: bool = True
    """Has it heard of the API server by now?"""
    depth: int = 0
    """How often it has asked itself by now."""
    address: str = ""
    """The address that it was asked at; empty: any of its own."""
    proto: str = "udp"
    hit: Callable[[Any, float], None] = field(default=lambda key, until: None, compare=False)
    """Says that the cache has it, until this second."""

    @property
    def low(self) -> str:
        return self.name.lower()

    @property
    def question(self) -> Message:
        return Message(self.name, self.type)

    @property
    def reversed(self) -> str:
        """The address whose name is asked for; empty: it is another question."""
        return pointed(self.name)

    def about(self, name: str, kind: str = "") -> Query:
        """The same query about another name."""
        return replace(self, name=absolute(name), type=kind or self.type)


def serve(query: Query) -> Message:
    """What this CoreDNS answers."""
    block = query.corefile.block(query.name, query.port, query.address)
    if block is None:
        return query.question.reply("REFUSED")
    return _pass(query, block.plugins)


def _pass(query: Query, plugins: tuple[Directive, ...]) -> Message:
    from k8slearn.components.coredns.plugins import PLUGINS

    for at, directive in enumerate(plugins):
        plugin = PLUGINS.get(directive.name)
        if plugin is not None:
            rest = plugins[at + 1 :]
            return plugin(query, directive, lambda asked, rest=rest: _pass(asked, rest))  # type: ignore[misc]
    return query.question.reply("SERVFAIL")


def ask_itself(query: Query, name: str) -> Message:
    """A query of the server's own, for the target of a CNAME: it passes all plugins anew."""
    if query.depth > 8:
        return query.question.reply("SERVFAIL")
    return serve(replace(query.about(name), depth=query.depth + 1))
