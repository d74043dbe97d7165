"""A scenario is data: what a person would type, box by box, and what is asked afterwards.

Left out: lines that follow a probe: everything is typed first, then everything is asked.
"""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One command line. `box` is where it is typed; empty: on the machine that holds the boxes (``ip netns add a``).

    Other words than a shell's own: ``listen tcp 0.0.0.0 80`` starts a program that answers there.
    """

    box: str
    text: str

    def __str__(self) -> str:
        return f"{self.box or '-':2} {self.text}"


class Probe(NamedTuple):
    """One question: from which box, to which address and port, by ``tcp``, ``udp`` or ``icmp`` (port 0)."""

    box: str
    address: str
    port: int
    proto: str

    def __str__(self) -> str:
        return f"{self.box} -> {self.address} {self.port}/{self.proto}"


class Answer(NamedTuple):
    """What a client sees, in the words of a Trace."""

    outcome: str
    answered_by: str | None = None
    source_seen: str | None = None


class Scenario(NamedTuple):
    """Everything that is typed, in order, and everything that is asked."""

    lines: tuple[Line, ...]
    probes: tuple[Probe, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.lines, *self.probes)))

    @property
    def boxes(self) -> list[str]:
        """The boxes that are made, by name."""
        return [line.text.split()[3] for line in self.lines if line.text.startswith("ip netns add ")]
