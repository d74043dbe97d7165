"""Every pod to every pod as a value: read it, filter it, hold it against an earlier one, open a cell's trace.

::

    before = cluster.reachability()
    cluster.apply(policy)
    after = cluster.reachability()
    after.only("default/*", "ops/admin")        # fewer rows and columns
    after.since(before)                         # which pairs were opened, which closed
    after.trace("ops/admin", "default/db")      # why, as of then
    after.walk(before)                          # all of it as a widget

How the cells are found out is `reach`'s matter.

Left out: rows and columns that are not the same pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from html import escape
from typing import Any, NamedTuple

from k8slearn import endpoints
from k8slearn.errors import Refused

SHORT = {"connected": ".", "refused": "R", "unreachable": "U", "timeout": "T", "mixed": "?"}
"""A cell of the table; ``?``: chance decides."""


class Faces(NamedTuple):
    """What a matrix shows of itself; whoever stands above this floor hands it in."""

    html: Callable[[Matrix], str]
    """A drawing."""
    walk: Callable[[Matrix, Matrix | None], Any]
    """A widget, which may compare it with an earlier one."""
    then: Callable[[], Any]
    """The cluster as it was when it was asked; raises `Refused` if that has been undone."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every pod to every pod, at one port. `cells` says for each (source, destination) which outcomes are possible."""

    pods: tuple[str, ...]
    port: int
    protocol: str
    cells: Mapping[tuple[str, str], tuple[str, ...]] = field(repr=False)
    family: int = 4
    """Of which addresses: IPv4's, or 6 for IPv6's."""
    whole: bool = True
    """Does it have every pod, or only some (`only`)?"""
    faces: Faces | None = field(default=None, repr=False, compare=False)

    def allowed(self, source: str, destination: str) -> bool:
        """Does every possible fate of this connection connect? Pods are ``namespace/name``."""
        return self._cell(source, destination) == ("connected",)

    def outcome(self, source: str, destination: str) -> str:
        """The outcome of this connection; ``mixed`` when chance decides."""
        outcomes = self._cell(source, destination)
        return outcomes[0] if len(outcomes) == 1 else "mixed"

    def only(self, *patterns: str, outcome: str = "") -> Matrix:
        """The pods whose ``namespace/name`` fits a pattern (``default/*``; plain text is looked for in it), and, with
        `outcome`, those of them that have such a cell. Raises `Refused` if there is no such outcome."""
        if outcome and outcome not in SHORT:
            raise Refused(f"no cell says {outcome!r:.40}; they say {', '.join(SHORT)}")
        pods = [pod for pod in self.pods if not patterns or any(fits(pod, pattern) for pattern in patterns)]
        if outcome:
            having = {pod for a in pods for b in pods if self.outcome(a, b) == outcome for pod in (a, b)}
            pods = [pod for pod in pods if pod in having]
        return self.of(pods)

    def of(self, pods: Iterable[str]) -> Matrix:
        """The matrix of exactly these of its pods, in this order."""
        kept = tuple(pods)
        cells = {(a, b): self.cells[a, b] for a in kept for b in kept}
        return replace(self, pods=kept, cells=cells, whole=self.whole and len(kept) == len(self.pods))

    def since(self, before: Matrix) -> Changes:
        """What has become otherwise, of the pods that are in both."""
        if (before.port, before.protocol, before.family) != (self.port, self.protocol, self.family):
            asked = f"port {before.port}/{before.protocol} (IPv{before.family})"
            raise Refused(f"that matrix is of {asked}: ask both for one port, protocol and family")
        held = set(before.pods)
        both = [pod for pod in self.pods if pod in held]
        pairs = ((a, b) for a in both for b in both if before.cells[a, b] != self.cells[a, b])
        found = tuple(Changed(a, b, before.outcome(a, b), self.outcome(a, b)) for a, b in pairs)
        if not (self.whole and before.whole):
            return Changes(found, of=len(both) ** 2)
        here = set(self.pods)
        came, gone = (pod for pod in self.pods if pod not in held), (pod for pod in before.pods if pod not in here)
        return Changes(found, tuple(came), tuple(gone), len(both) ** 2)

    def trace(self, source: str, destination: str) -> Any:
        """The trace of a cell, in the cluster as it was when the matrix was made."""
        self._cell(source, destination)
        cluster = self.cluster()
        to = destination if self.family == 4 else endpoints.pods(cluster.world, 6)[destination][1]
        return cluster.trace(source, to, self.port, self.protocol)

    def cluster(self) -> Any:
        """The cluster as it was when it was asked; raises `Refused` if that has been undone."""
        return self._faces().then()

    def walk(self, before: Matrix | None = None) -> Any:
        """The matrix as a widget: filter it, choose a cell, read why beside the policies' YAML; with `before`, every
        cell that has changed since says so."""
        return self._faces().walk(self, before)

    def _faces(self) -> Faces:
        if self.faces is None:
            raise Refused("this matrix does not know its cluster: cluster.reachability() makes one that does")
        return self.faces

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the pods, and for each source and destination the outcome."""
        rows = {source: {to: self.outcome(source, to) for to in self.pods} for source in self.pods}
        six = {"family": self.family} if self.family == 6 else {}
        return {"pods": list(self.pods), "port": self.port, "protocol": self.protocol, **six, "outcomes": rows}

    def text(self) -> str:
        """A table: rows send, columns are sent to."""
        if not self.pods:
            return "no pod has an IPv6 address" if self.family == 6 else "no pod has an address"
        width = max(len(pod) for pod in self.pods)
        heads = [str(number) for number, _ in enumerate(self.pods, 1)]
        gap = len(heads[-1]) + 1
        lines = [" " * (width + gap + 1) + "".join(head.rjust(gap) for head in heads)]
        for head, source in zip(heads, self.pods, strict=True):
            marks = "".join(SHORT[self.outcome(source, to)].rjust(gap) for to in self.pods)
            lines.append(f"{head.rjust(gap)} {source.ljust(width)}{marks}")
        count = Counter(self.outcome(*pair) for pair in self.cells)
        legend = ", ".join(f"{SHORT[word]} {word}: {count[word]}" for word in SHORT if count[word])
        over = " over IPv6" if self.family == 6 else ""
        return "\n".join([*lines, f"port {self.port}/{self.protocol}{over}; {legend}"])

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        drawn = {"text/html": self.faces.html(self)} if self.faces is not None else {}
        return {"text/plain": self.text(), **drawn}

    def _cell(self, source: str, destination: str) -> tuple[str, ...]:
        found = self.cells.get((source, destination))
        if found is None:
            unknown = source if source not in self.pods else destination
            raise Refused(f"{unknown!r} is no pod of this matrix: it has {', '.join(self.pods) or 'none'}")
        return found


def fits(pod: str, pattern: str) -> bool:
    """Does a pod's ``namespace/name`` fit a shell's pattern, or a part of it the plain text?"""
    return fnmatchcase(pod, pattern) if any(letter in pattern for letter in "*?[") else pattern in pod


class Changed(NamedTuple):
    """A cell that has become otherwise."""

    source: str
    destination: str
    was: str
    is_now: str

    @property
    def word(self) -> str:
        """``opened``, ``closed``, or ``other`` where it failed before and fails otherwise now."""
        return "opened" if self.is_now == "connected" else "closed" if self.was == "connected" else "other"

    def __str__(self) -> str:
        return f"{self.word:6}  {self.source} -> {self.destination}: {self.was}, now {self.is_now}"


@dataclass(frozen=True, slots=True)
class Changes:
    """What two matrices differ in: pairs, and pods that only one of them has. Prints a line for each."""

    pairs: tuple[Changed, ...]
    came: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    of: int = 0
    """So many pairs are in both."""

    @property
    def opened(self) -> tuple[tuple[str, str], ...]:
        """The pairs that connect now and did not always before."""
        return tuple((c.source, c.destination) for c in self.pairs if c.word == "opened")

    @property
    def closed(self) -> tuple[tuple[str, str], ...]:
        """The pairs that connected before and do not always now."""
        return tuple((c.source, c.destination) for c in self.pairs if c.word == "closed")

    def text(self) -> str:
        """A line for each pair, and the count."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from map(str, sorted(self.pairs, key=lambda c: ("opened", "closed", "other").index(c.word)))
        count = Counter(c.word for c in self.pairs)
        told = ", ".join(f"{count[word]} {word}" for word in ("opened", "closed", "other") if count[word])
        yield f"{len(self.pairs)} of {self.of} pairs have changed" + (f": {told}" if told else "")
        for pods, what in ((self.came, "new"), (self.gone, "no longer there")):
            if pods:
                yield f"{what}: {', '.join(pods)}"

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        rows = "".join(_row(c.word, c.source, c.destination, c.was, c.is_now) for c in self.pairs)
        heads = "".join(f"<th scope=col>{head}</th>" for head in ("", "source", "destination", "was", "now"))
        last = "<br>".join(escape(line) for line in list(self._lines())[len(self.pairs) :])
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        return {"text/plain": self.text(), "text/html": f"{table}<p>{last}</p>"}


def _row(*words: str) -> str:
    return f"<tr>{''.join(f'<td>{escape(word)}</td>' for word in words)}</tr>"
