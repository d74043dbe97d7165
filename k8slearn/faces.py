"""What a trace shows of itself, and where each of its faces comes from.

A `Trace` is a value from the lower floors; to explain and draw itself it needs rooms that stand above it. Here they are
handed to it. A trace belongs to a revision: what is asked of it later is answered as of then.

Left out: traces of a history that was undone (they say so).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from k8slearn import endpoints, named, verbs
from k8slearn.api.policy.compiled import CLUSTER
from k8slearn.engine import Engine
from k8slearn.errors import Refused
from k8slearn.journal import Change, Input, Key, World, drive
from k8slearn.linux import fib, resolver, socket
from k8slearn.linux.resolver import Sent
from k8slearn.linux.rules import Chain, Rule
from k8slearn.linux.wire import Capture
from k8slearn.shell import tcpdump
from k8slearn.trace import Cause, Faces, Fate, Trace
from k8slearn.verbs import Asked, Question

KINDS = {
    "endpointslices": "EndpointSlice",
    "configmaps": "ConfigMap",
    "networkpolicies": "NetworkPolicy",
    "ciliumnodes.cilium.io": "CiliumNode",
    "ciliumendpoints.cilium.io": "CiliumEndpoint",
    "ciliumidentities.cilium.io": "CiliumIdentity",
    CLUSTER: "ClusterNetworkPolicy",
}


def faces(engine: Engine, asked: Asked) -> Faces:
    """The faces of one trace of this engine."""
    then = _Then(engine, asked.revision)
    return Faces(
        place=lambda scope: place(then.world(), scope),
        cause=then.cause,
        fates=lambda: _fates(then.world(), asked),
        explain=lambda trace: _explain(then, asked, trace),
        repairs=lambda: _repairs(then, asked),
        draw=_lazily("draw_trace", then),
        svg=_lazily("svg_trace", then),
        text=_lazily("text_trace", then),
        mimebundle=_lazily("mimebundle_trace", then),
        capture=lambda trace, where, dev: _capture(then, asked, where, dev),
        story=lambda trace, idea, leg: _story(then.world(), trace, idea, leg),
        named=lambda trace: {"lookup": named.to_dict(trace.lookup)},
    )


def standing(engine: Engine) -> Callable[[], Engine]:
    """What finds, later, the engine as it is now; it raises `Refused` if that has been undone meanwhile."""
    return _Then(engine, engine.journal.revision).standing


class _Then:
    """The engine's world as it was when a trace was made."""

    def __init__(self, engine: Engine, revision: int) -> None:
        self.engine = engine
        self.revision = revision
        self.entry = engine.journal.entries[revision - 1]

    def world(self) -> World:
        return self.standing().world

    def standing(self) -> Engine:
        """The engine itself, or one that stands where it stood."""
        entries = self.engine.journal.entries
        if len(entries) < self.revision or entries[self.revision - 1] is not self.entry:
            raise Refused(f"this was asked at revision {self.revision}, which has been undone: ask again")
        return self.engine if len(entries) == self.revision else self.engine.at(self.revision)

    def cause(self, key: Key, position: int = 0) -> Cause | None:
        """Who had written this row, at that time; with a position, who had put that rule into the chain."""
        change = self.engine.journal.origin(key)
        while change is not None and change.revision > self.revision:
            change = change.previous
        reason = ""
        if change is not None and position and isinstance(change.value, Chain) and position <= len(change.value.rules):
            rule = change.value.rules[position - 1]
            change, reason = _first_with(change, rule), rule.because
        if change is None:
            return None
        return Cause(change.author, reason if reason.startswith("Service ") else self._why(change), change.revision)

    def _why(self, change: Change) -> str:
        if change.cause is not None:
            return words(change.cause)
        source = self.engine.journal.entries[change.source - 1]
        assert isinstance(source, Input)
        return typed(source)


def _first_with(change: Change, rule: Rule) -> Change:
    """The change that put this rule into its chain; later ones wrote the chain anew and left the rule there."""
    before = change.previous
    while before is not None and isinstance(before.value, Chain) and rule in before.value.rules:
        change, before = before, before.previous
    return change


def place(world: World, scope: str) -> str:
    """A scope in a person's words: ``node:node-1/cni-…`` is ``default/web``."""
    netns = world.get((scope, "netns", ""))
    return scope if netns is None or scope == f"outside:{netns.name}" else str(netns.name)


def words(key: Key) -> str:
    """A key in a person's words: ``("api", "services", "default/web")`` is ``Service default/web``."""
    scope, table, name = key
    if scope == "api":
        return f"{KINDS.get(table) or table.removesuffix('s').capitalize()} {name}"
    return f"{table} {name} of {scope.removeprefix('node:')}"


def typed(source: Input) -> str:
    """An input in a person's words: ``node-1: ip route del 10.244.1.0/24``."""
    said = source.arguments
    forms: dict[str, Callable[[], str]] = {
        "cluster": lambda: "the cluster's installation",
        "run": lambda: f"{str(said['on']).removeprefix('node:')}: {said['command']}",
        "kubectl": lambda: f"kubectl {str(said['command']).removeprefix('kubectl ')}",
        "apply": lambda: "an applied manifest",
        "delete": lambda: f"kubectl delete {said['resource']} {said['name']}",
        "send": lambda: f"a packet from {said['source']} to {said['destination']}",
        "fault": lambda: f"{said['on']}: the fault {said['fault']}",
        "power": lambda: f"{said['to']} of {said['node']}",
        "lift": lambda: f"{said['name']}, lifted",
        "outside": lambda: f"the outside host {said['address']}",
        "advance": lambda: f"{said['seconds']} s on the clock",
    }
    return forms.get(source.kind, lambda: source.kind)()


def _fates(world: World, asked: Asked) -> list[Fate]:
    question = asked.question
    if question.address is None or not asked.attempt.draws:
        return socket.certain(asked.attempt.ending)
    fork = world.fork()
    for endpoint in (question.source, question.destination):
        for command in verbs.outside_host(fork, endpoint):
            fork.apply(command)
    return socket.fates(fork, question.netns, question.address, question.port, question.proto, **question.asking)


def _capture(then: _Then, asked: Asked, where: str, dev: str) -> Captured:
    """The same walk again, recorded: it is the same walk (a law)."""
    world, question = then.world().fork(), asked.question
    netns = endpoints.resolve_source(world, where)
    link = fib.link(world, netns, dev)
    if link is None and dev != "any":
        there = ", ".join(map(str, world.table(netns, "link")))
        raise Refused(f"there is no link {dev!r} in {where}: there is {there}, or any for all of them")
    asking = {"source": question.source, "destination": question.destination}
    again = drive(verbs.send(world, {**asking, "port": question.port, "protocol": question.protocol}), world.apply)
    return Captured(tcpdump.of(again.attempt.frames, netns, link, tcpdump.ports_of(world, netns, link)))


class Captured:
    """What a capture has seen: prints as tcpdump prints it, saves as a pcap file."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def pcap(self) -> bytes:
        """The bytes of a file that tcpdump and Wireshark read."""
        return self._capture.pcap()

    def save(self, path: str | Path) -> Path:
        """Write that file; returns where it is."""
        Path(path).write_bytes(self.pcap())
        return Path(path)

    def __str__(self) -> str:
        return "\n".join(tcpdump.lines(self._capture)) or "nothing of this conversation crossed it"

    __repr__ = __str__


def _explain(then: _Then, asked: Asked, trace: Trace) -> str:
    from k8slearn.explain import explain

    hidden = 0 if then.engine.remedies else then.engine.floor
    lines = explain(trace, then.standing(), asked.question, hidden)
    silent = named.unanswered(asked.lookup) if asked.lookup is not None and not asked.lookup.addresses else None
    return lines if silent is None else f"{lines}\nThe last query: {_query(then, asked, silent).explain()}"


def _query(then: _Then, asked: Asked, sent: Sent) -> Trace:
    """The trace of one query of a lookup."""
    who, proto = asked.question, sent.protocol.upper()
    question = Question(who.source, sent.server, resolver.PORT, proto, who.netns, sent.server)
    own = Asked(question, sent.attempt, asked.revision)
    return Trace(who.source, sent.server, resolver.PORT, proto, asked.revision, sent.attempt, faces(then.engine, own))


def _repairs(then: _Then, asked: Asked) -> list[Any]:
    """None where an exercise asks for them."""
    from k8slearn.repair import edits

    return list(edits(then.standing(), asked.question)) if then.engine.remedies else []


def _story(world: World, trace: Trace, idea: str, leg: str) -> Any:
    from k8slearn.widgets.stories import rules, tables

    return {"rules": rules.walked, "tables": tables.asked}[idea](trace, world, leg)


def _lazily(name: str, then: _Then) -> Callable[[Trace], Any]:
    def face(trace: Trace) -> Any:
        from k8slearn.widgets import picture

        return getattr(picture, name)(then.world(), trace)

    return face
