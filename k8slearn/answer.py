"""What became of an HTTP request: status, the rules that a proxy compared, and each connection on the way as a `Trace`.

A request through an Ingress or a Gateway is two connections: from the client to the proxy's pod, and from that pod to a
pod behind. Each may fail for reasons of its own, and only the proxy knows why a request went where it did. `Answer` has
all of it, and `explain()` says it in sentences: what was compared with what, who saw whom, and for a failure what
would have to be otherwise (tried on a copy before it is said).

Left out: a smallest change for a Service or a port that is not there (they are named, and not mended).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

from k8slearn.engine import Engine
from k8slearn.errors import Refused
from k8slearn.explain import ASKED
from k8slearn.linux import frontend, listen
from k8slearn.trace import Attempt, Compared, Served, Trace
from k8slearn.verbs import Asked, Question

Tracing = Callable[[Asked], Trace]
GROUP = "gateway.networking.k8s.io"
GRANT = re.compile(r"Backend ref to (\S+) ([^/\s]+)/(\S+) not permitted")
NAMES = {"nginx": "nginx", "envoy": "Envoy"}


class RequestFate(NamedTuple):
    """One possible end of a request, with its exact probability (a Fraction; they add up to 1)."""

    probability: Fraction
    status: str
    answered_by: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What a client heard of its request, and why."""

    question: Mapping[str, Any]
    attempt: Attempt
    first: Trace
    """The client's own connection."""
    second: Trace | None
    """The proxy's connection to whom it asked (the last one, where it tried several times)."""
    engine: Engine = field(repr=False, compare=False)

    @property
    def outcome(self) -> str:
        """How the client's own connection went: ``connected``, ``refused``, ``timeout``, ..."""
        return self.first.outcome

    @property
    def status(self) -> int:
        """The HTTP status that the client got; 0 where it got none."""
        return int(self.reason.split(" ")[0]) if self.reason else 0

    @property
    def reason(self) -> str:
        """``404 Not Found``; empty where there was no answer."""
        return listen.status(self.attempt.ending.payload) if self.outcome == "connected" else ""

    @property
    def body(self) -> str:
        text = self.attempt.ending.payload
        return text.partition("\r\n\r\n")[2] if text.startswith(listen.HTTP) else text

    @property
    def served(self) -> tuple[Served, ...]:
        """What each proxy on the way did, the one that is nearest to the client first."""
        return tuple(_chain(self.attempt))

    @property
    def rules(self) -> tuple[Compared, ...]:
        """Every rule that the first proxy had: was it taken, and why or why not."""
        return self.served[0].compared if self.served else ()

    @property
    def location(self) -> str:
        """Where a redirect sends the client, or empty."""
        return self.served[0].location if self.served else ""

    @property
    def answered_by(self) -> str | None:
        """Whose words the client read: a pod behind the proxy, or the proxy itself."""
        return _answered_by(self.attempt)

    @property
    def source_seen(self) -> str | None:
        """The client address that the last answerer saw."""
        return self.second.source_seen if _through(self.attempt) and self.second is not None else self.first.source_seen

    def fates(self) -> list[RequestFate]:
        """Every possible end with its exact probability, the likeliest first."""
        total: dict[tuple[str, str | None], Fraction] = {}
        for probability, attempt in _every(self.engine, self.question):
            connected = attempt.ending.outcome == "connected"
            status = listen.status(attempt.ending.payload) if connected else attempt.ending.outcome
            end = (status, _answered_by(attempt))
            total[end] = total.get(end, Fraction(0)) + probability
        found = [RequestFate(p, status, who) for (status, who), p in total.items()]
        return sorted(found, key=lambda fate: (-fate.probability, fate.status, fate.answered_by or ""))

    def explain(self) -> str:
        """In sentences: both connections, the rules one by one, and for a failure what would have to change."""
        return "\n".join(_explained(self))

    def __str__(self) -> str:
        return self.explain()

    def __repr__(self) -> str:
        return self.explain()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """The sentences, and a picture of each connection."""
        said = self.explain()
        pictures = [connection.svg() for connection in (self.first, self.second) if connection is not None]
        return {"text/plain": said, "text/html": "".join([f"<pre>{html.escape(said)}</pre>", *pictures])}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "request": dict(self.question),
            **{name: getattr(self, name) for name in ("outcome", "status", "answered_by", "source_seen", "location")},
            "rules": [{"rule": c.because.text, "taken": c.taken, "why": c.why} for c in self.rules],
            "first": self.first.to_dict(),
            "second": self.second.to_dict() if self.second is not None else None,
        }


def answer(engine: Engine, question: Mapping[str, Any], trace: Tracing) -> Answer:
    """Ask; `trace` makes a `Trace` of a connection."""
    asked: Asked = engine.ask("request", question)
    return Answer(question, asked.attempt, trace(asked), _second(engine, asked, trace), engine)


def _second(engine: Engine, asked: Asked, trace: Tracing) -> Trace | None:
    served = list(_chain(asked.attempt))
    if not served or not served[-1].attempts:
        return None
    last, attempt = served[-1], served[-1].attempts[-1]
    first = attempt.legs[0].steps[0].before
    netns = engine.world.get((last.where, "netns", ""))
    place = netns.name if netns is not None and "/" in last.where else last.where
    question = Question(place, first.dst, first.dport, "TCP", last.where, first.dst)
    return trace(replace(asked, question=question, attempt=attempt))


def _chain(attempt: Attempt) -> Iterator[Served]:
    for served in attempt.served[-1:]:
        yield served
        for inner in served.attempts[-1:]:
            yield from _chain(inner)


def _through(attempt: Attempt) -> bool:
    """Did the answer come from behind a proxy?"""
    served = list(_chain(attempt))
    return bool(served) and bool(served[-1].attempts) and served[-1].attempts[-1].ending.outcome == "connected"


def _answered_by(attempt: Attempt) -> str | None:
    served = list(_chain(attempt))
    return served[-1].attempts[-1].ending.answered_by if _through(attempt) else attempt.ending.answered_by


def _every(engine: Engine, question: Mapping[str, Any]) -> Iterator[tuple[Fraction, Attempt]]:
    """Each way in which chance can fall, and how likely it is."""
    todo: list[tuple[bool, ...]] = [()]
    while todo:
        forced = todo.pop()
        attempt: Attempt = engine.ask("request", {**question, "forced": forced}).attempt
        probability = Fraction(1)
        for draw in attempt.draws:
            probability *= draw.probability
        said = [draw.hit for draw in attempt.draws]
        todo += [(*said[:n], True) for n in range(len(forced), len(said)) if attempt.draws[n].probability < 1]
        yield probability, attempt


# --- in sentences ------------------------------------------------------------------------------


def _explained(found: Answer) -> Iterator[str]:
    said = found.question
    to = f" through {said['connect_to']}" if said["connect_to"] else ""
    what = found.reason or found.outcome
    by = f", answered by {found.answered_by}" if found.answered_by else ""
    yield f"{said['source']} -> {said['method']} {said['url']}{to}: {what}{by}."
    if found.outcome != "connected" or not found.served:
        yield from found.first.explain().split("\n")
    for served in found.served:
        yield from _at_proxy(found, served)
    if found.second is not None:
        yield from _behind(found, found.second)
    yield from _hints(found)


def _at_proxy(found: Answer, served: Served) -> Iterator[str]:
    world = found.engine.world
    front: frontend.Frontend = world.get((served.where, frontend.TABLE, served.port))
    netns = world.get((served.where, "netns", ""))
    place = netns.name if netns is not None else served.where
    seen = found.first.source_seen if served is found.served[0] else None
    whom = f", which saw the client as {seen}" if seen else ""
    yield f"The first connection ends at {NAMES[front.dialect]} in {place}, port {served.port}{whom}."
    many = f"{len(served.compared)} rule{'' if len(served.compared) == 1 else 's'}"
    yield f"It compared {served.request} with its {many}:"
    for one in served.compared:
        yield f"  {'+' if one.taken else '-'} {one.because.text}: {one.why}"
    if not served.compared:
        yield "  (it has none)"
    if served.location:
        yield f"The rule sends the client elsewhere: {served.status}, Location: {served.location}"
    if served.problem:
        yield f"The rule's backend cannot be asked: {served.problem}."


def _behind(found: Answer, second: Trace) -> Iterator[str]:
    served = found.served[-1]
    tries = f", {len(served.attempts)} tries" if len(served.attempts) > 1 else ""
    whole = f"{second.source} -> {second.destination}:{second.port}"
    yield f"The second connection is the proxy's own: {whole} ({served.backend}), past the Service's address{tries}."
    if second.outcome == "connected":
        yield (
            f"{second.answered_by} saw the client as {second.source_seen}: the proxy. Who asked stands in the header "
            f"X-Forwarded-For: {found.first.source_seen}."
        )
        return
    yield from (f"  {line}" for line in second.explain().split("\n"))


def _hints(found: Answer) -> Iterator[str]:
    if not found.served or not found.served[0].status.startswith(("404", "503", "500", "hung up")):
        return
    served = found.served[-1]
    if not found.engine.remedies:
        yield ASKED
    elif not served.chosen:
        yield from _nearest(found, found.served[0])
    elif served.problem:
        yield from _granted(found, served)
    elif not served.attempts and not served.location:
        yield f"{served.backend} has no endpoint that is ready: `kubectl get endpointslices` shows whom it leads to."


def _granted(found: Answer, served: Served) -> Iterator[str]:
    """Where a ReferenceGrant is what lacks, one is applied to a copy, and the request asked again."""
    lacks = GRANT.search(served.problem)
    chosen = next((one.because for one in served.compared if one.taken), None)
    route = found.engine.world.get(chosen.key) if chosen is not None else None
    if lacks is None or route is None:
        return
    source = {"group": GROUP, "kind": route["kind"], "namespace": route["metadata"]["namespace"]}
    spec = {"from": [source], "to": [{"group": "", "kind": lacks[1], "name": lacks[3]}]}
    grant = {"apiVersion": f"{GROUP}/v1beta1", "kind": "ReferenceGrant", "spec": spec}
    grant["metadata"] = {"name": f"from-{source['namespace']}", "namespace": lacks[2]}
    copy = found.engine.at(found.engine.journal.revision)
    copy.do("apply", {"source": json.dumps(grant), "namespace": lacks[2]})
    again: Attempt = copy.ask("request", found.question).attempt
    if _through(again):
        yield (
            f"The smallest change (tried on a copy): a ReferenceGrant in the namespace {lacks[2]} that lets "
            f"{route['kind']} objects of {source['namespace']} refer to {lacks[1]} {lacks[3]}."
        )


def _nearest(found: Answer, served: Served) -> Iterator[str]:
    """The smallest change of the request by which a rule takes it; said only if it really does."""
    for says, changes in _changes(found, served):
        try:
            again: Attempt = found.engine.ask("request", {**found.question, **changes}).attempt
        except Refused:
            continue
        taken = list(_chain(again))
        if taken and taken[0].chosen:
            yield f"The smallest change that a rule takes (tried on a copy): {says}; it goes by {taken[0].chosen} then."
            return


def _changes(found: Answer, served: Served) -> Iterator[tuple[str, dict[str, Any]]]:
    world, url = found.engine.world, str(found.question["url"])
    front: frontend.Frontend = world.get((served.where, frontend.TABLE, served.port))
    matches = [route.match for route in front.routes]
    hosts = dict.fromkeys(_some_host(match.host) for match in matches if match.host)
    paths = dict.fromkeys(match.path for match in matches if match.kind != "regex")
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0]
    told = dict(found.question["headers"])
    for host in hosts:
        yield f"ask for the host {host}", {"headers": {**told, "Host": host}}
    for path in paths:
        yield f"ask for the path {path}", {"url": f"{scheme}://{authority}{path}"}
    for host in hosts:
        for path in paths:
            both = {"headers": {**told, "Host": host}, "url": f"{scheme}://{authority}{path}"}
            yield f"ask for the host {host} and the path {path}", both


def _some_host(pattern: str) -> str:
    return pattern.replace("*", "www", 1)
