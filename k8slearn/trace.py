"""What a walk says: `Step` by `Step`, and the `Trace` of one whole attempt.

A *walk* is a generator. It yields a `Step` for each line that a Linux engineer would want in a log, and a
`Put` or `Remove` for each thing that a kernel learns on the way (an effect). It changes nothing itself.

Left out: timing below the seconds of TCP's and ARP's retries.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from k8slearn.journal import Command, Key
from k8slearn.packet import Packet

T = TypeVar("T")


class Because(NamedTuple):
    """The row that decided: its key, its text as the real tool prints it, and where in a chain it stands."""

    key: Key
    text: str
    position: int = 0
    """For a netfilter rule: its number in the chain, from 1, as ``iptables -L --line-numbers`` counts."""


class Step(NamedTuple):
    """One line of a packet's life.

    `what` is a word of a closed vocabulary (`WORDS`), `says` the kernel's sentence, `because` the row
    that decided (None where nothing was looked up).
    """

    where: str
    """The network namespace, as a scope of the world: ``node:node-1``."""
    what: str
    says: str
    before: Packet
    after: Packet
    because: Because | None = None
    dev: str = ""
    hook: str = ""


WORDS = {
    "send": "a socket hands a packet to the stack",
    "route": "the routing table is asked",
    "neighbour": "the neighbour table is asked for a MAC address",
    "arp": "an ARP question or answer",
    "transmit": "a link takes the packet out of a namespace",
    "receive": "a link brings the packet into a namespace",
    "bridge": "a bridge forwards, floods or keeps a frame",
    "rule": "a netfilter rule matches",
    "policy": "a chain's default policy decides",
    "nat": "conntrack rewrites an address or a port",
    "conntrack": "conntrack makes, finds or confirms a connection",
    "deliver": "a socket receives the packet",
    "icmp": "the kernel makes an ICMP message",
    "refuse": "the kernel answers with RST",
    "drop": "the packet ends here",
}

Walk = Generator[Step | Command, None, T]
"""A generator that yields steps and effects and returns a T."""


class Draw(NamedTuple):
    """One throw of chance: the rule that drew, what came out, and how likely that was."""

    key: Key
    rule: str
    hit: bool
    probability: Fraction


class Fate(NamedTuple):
    """One possible end of an attempt, with its exact probability (a Fraction; fates add up to 1)."""

    probability: Fraction
    outcome: str
    answered_by: str | None
    source_seen: str | None
    destination_seen: str | None


OUTCOMES = ("connected", "refused", "unreachable", "timeout", "unresolved")


class Ending(NamedTuple):
    """How an attempt ended, as `linux/socket.py` reports it. `error` is the errno's words, if any."""

    outcome: str
    answered_by: str | None = None
    source_seen: str | None = None
    destination_seen: str | None = None
    error: str = ""
    payload: str = ""
    """What the server answered."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One packet of the conversation: ``SYN``, ``SYN-ACK``, ``ACK``, ``request``, ``answer``, ...

    `time` is in seconds from the start of the attempt; `attempt` counts the retransmissions from 0.
    """

    name: str
    direction: str
    """``request`` (away from the client) or ``reply``."""
    time: float
    attempt: int
    steps: tuple[Step, ...] = field(repr=False)


class Attempt(NamedTuple):
    """What `linux/socket.py` returns: the packets of one attempt, its end, and what chance said."""

    legs: tuple[Leg, ...]
    ending: Ending
    draws: tuple[Draw, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for leg in self.legs for step in leg.steps)
