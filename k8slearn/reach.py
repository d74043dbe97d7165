"""Who can reach whom: one question for every pair of pods, all answered by the same packet walk.

``kubectl`` has no such command, because no real cluster can be asked without sending the packets. Here they are sent in
forks of the world, one for each way that chance can fall, and nothing remembers them.

Left out: pods that have no address of the family (yet): they have no row and no column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from k8slearn import endpoints
from k8slearn.errors import Refused
from k8slearn.journal import World
from k8slearn.linux import socket

SHORT = {"connected": ".", "refused": "R", "unreachable": "U", "timeout": "T", "mixed": "?"}
"""A cell of the table; ``?``: chance decides."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every pod to every pod, at one port. `cells` says for each (source, destination) which outcomes are possible."""

    pods: tuple[str, ...]
    port: int
    protocol: str
    cells: Mapping[tuple[str, str], tuple[str, ...]] = field(repr=False)
    family: int = 4
    """Of which addresses: IPv4's, or 6 for IPv6's."""

    def allowed(self, source: str, destination: str) -> bool:
        """Does every possible fate of this connection connect? Pods are ``namespace/name``."""
        return self._cell(source, destination) == ("connected",)

    def outcome(self, source: str, destination: str) -> str:
        """The outcome of this connection; ``mixed`` when chance decides."""
        outcomes = self._cell(source, destination)
        return outcomes[0] if len(outcomes) == 1 else "mixed"

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

    def _cell(self, source: str, destination: str) -> tuple[str, ...]:
        found = self.cells.get((source, destination))
        if found is None:
            unknown = source if source not in self.pods else destination
            raise Refused(f"{unknown!r} is no pod of this matrix: it has {', '.join(self.pods) or 'none'}")
        return found


def matrix(world: World, port: int = 80, protocol: str = "TCP", family: int = 4) -> Matrix:
    """Ask for every pair of pods, each pod itself included, at their addresses of one family."""
    places = endpoints.pods(world, family)
    cells = {
        (source, to): tuple(
            sorted({fate.outcome for fate in socket.fates(world, netns, address, port, protocol.lower())})
        )
        for source, (netns, _) in places.items()
        for to, (_, address) in places.items()
    }
    return Matrix(tuple(places), port, protocol, cells, family)
