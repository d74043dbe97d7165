"""What `Cluster.lookup` returns: every query of one lookup, each with the trace of its packets.

Left out: lookups of a history that was undone (their traces say so).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from k8slearn import named
from k8slearn.engine import Engine
from k8slearn.faces import faces
from k8slearn.linux.resolver import PORT, Lookup, Sent
from k8slearn.linux.resolver import said as came_back
from k8slearn.trace import Trace
from k8slearn.verbs import Asked, Question

if TYPE_CHECKING:
    from k8slearn.widgets.story import Story


@dataclass(frozen=True)
class Query:
    """One query: `name` in full and `type`, whom it was sent to, who answered and what."""

    name: str
    type: str
    server: str
    protocol: str
    answered_by: str | None
    rcode: str | None
    """``NOERROR``, ``NXDOMAIN``, ... or None: nobody answered."""
    answers: tuple[str, ...]
    """The data of the answer's records, CNAMEs on the way included."""
    trace: Trace = field(repr=False)

    def __str__(self) -> str:
        return f"{self.type}? {self.name}"


@dataclass(frozen=True)
class Looked:
    """One lookup as a program makes it: `queries` in the order in which they were sent, `addresses` at the end."""

    source: str
    name: str
    type: str
    revision: int
    lookup: Lookup = field(repr=False)
    _engine: Engine = field(repr=False, compare=False)
    _netns: str = field(repr=False, compare=False)

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        return tuple(self._query(sent) for sent in self.lookup.queries)

    def _query(self, sent: Sent) -> Query:
        answers = tuple(record.data for record in sent.answer.answer) if sent.answer is not None else ()
        by = sent.attempt.ending.answered_by
        told = (sent.name, sent.type, sent.server, sent.protocol.upper(), by, sent.rcode or None, answers)
        question = Question(self.source, sent.server, PORT, sent.protocol.upper(), self._netns, sent.server)
        asked = Asked(question, sent.attempt, self.revision)
        where = (self.source, sent.server, PORT, sent.protocol.upper(), self.revision)
        return Query(*told, Trace(*where, sent.attempt, faces(self._engine, asked)))

    @property
    def addresses(self) -> tuple[str, ...]:
        """What the name came to, in the order in which a program tries them; none: see `error`."""
        return self.lookup.addresses

    answers = addresses

    @property
    def error(self) -> str:
        """The C library's words where the name was not resolved; empty: it was."""
        return self.lookup.error

    def __len__(self) -> int:
        """How many queries were sent."""
        return len(self.lookup.queries)

    def explain(self) -> str:
        """In sentences: the names that were asked for, who answered each, and where an answer stayed away."""
        lines = [f"{self.source} looks up {self.name}: {named.counted(self.lookup)}.", *named.told(self.lookup)]
        silent = next((q for q in reversed(self.queries) if q.rcode is None), None)
        return "\n".join([*lines, *([f"The last query: {silent.trace.explain()}"] if silent is not None else [])])

    def ladder(self) -> Story:
        """The queries as rungs, name by name; ``.walk()`` climbs them."""
        from k8slearn.widgets.stories import queries

        return queries.ladder(self)

    def __str__(self) -> str:
        lines = [
            f"{query} @{query.server}: {came_back(sent)}"
            for query, sent in zip(self.queries, self.lookup.queries, strict=True)
        ]
        return "\n".join([*lines, f"{self.name}: {', '.join(self.addresses) or self.error}"])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        told = {"source": self.source, "type": self.type or None, "revision": self.revision}
        return {**told, **named.to_dict(self.lookup)}
