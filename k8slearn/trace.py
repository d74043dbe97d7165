"""What a walk says: `Step` by `Step`, and the `Trace` of one whole attempt.

A *walk* is a packet's way through functions. They say a `Step` for each line that a Linux engineer would want in a log
(`skb.Net.say`), and write a `Put` or `Remove` for each thing that a kernel learns on the way (an effect) into a fork of
the world (`skb.Net.write`).

Left out: timing below the seconds of TCP's and ARP's retries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, TypeVar, final

from k8slearn.journal import Key
from k8slearn.packet import Packet

T = TypeVar("T")


class Because(NamedTuple):
    """The row that decided: its key, its text as the real tool prints it, and where in a chain it stands."""

    key: Key
    text: str
    position: int = 0
    """For a netfilter rule: its number in the chain, from 1, as ``iptables -L --line-numbers`` counts."""


@final
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
    reason: str = ""
    """For a drop: the kernel's own name for it without ``SKB_DROP_REASON_`` (``NETFILTER_DROP``), or empty."""


step: Callable[[tuple[str, str, str, Packet, Packet, Because | None, str, str, str]], Step] = partial(
    tuple.__new__, Step
)
"""A step from all its fields at once, in half the time: for what every packet meets."""

WORDS = {
    "send": "a socket hands a packet to the stack",
    "route": "the routing table is asked",
    "neighbour": "the neighbour table is asked for a MAC address",
    "arp": "a question for a neighbour or its answer (ARP, in IPv6 neighbour discovery)",
    "encapsulate": "a tunnel puts the packet into another one, or a tag on the frame",
    "decapsulate": "a tunnel takes the packet out of another one, or a tag off the frame",
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

ENDS = ("drop", "refuse")
"""The words of a step at which a packet ends."""


class Draw(NamedTuple):
    """One throw of chance: the rule that drew, whether it hit, and how likely a hit was."""

    key: Key
    rule: str
    hit: bool
    chance: Fraction

    @property
    def probability(self) -> Fraction:
        """How likely what came out was."""
        return self.chance if self.hit else 1 - self.chance


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


class Leg:
    """One packet of the conversation: ``SYN``, ``SYN-ACK``, ``ACK``, ``request``, ``answer``, ...

    `time` is in seconds from the start of the attempt; `attempt` counts the retransmissions from 0. Who gives a
    function for the steps has them made when somebody reads them first.
    """

    __slots__ = ("_steps", "attempt", "direction", "name", "time")

    def __init__(
        self,
        name: str,
        direction: str,
        time: float,
        attempt: int,
        steps: tuple[Step, ...] | Callable[[], tuple[Step, ...]],
    ) -> None:
        self.name = name
        self.direction = direction
        """``request`` (away from the client) or ``reply``."""
        self.time = time
        self.attempt = attempt
        self._steps = steps

    @property
    def steps(self) -> tuple[Step, ...]:
        if not isinstance(self._steps, tuple):
            self._steps = self._steps()
        return self._steps

    def _all(self) -> tuple[Any, ...]:
        return self.name, self.direction, self.time, self.attempt, self.steps

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Leg) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return f"Leg(name={self.name!r}, direction={self.direction!r}, time={self.time!r}, attempt={self.attempt!r})"


class Frame(NamedTuple):
    """A frame as a capture on a device sees it (``tcpdump -i DEV``)."""

    netns: str
    dev: str
    direction: str
    """``in`` or ``out``, seen from the device's namespace."""
    time: float
    """Seconds since the conversation began."""
    packet: Packet


class Compared(NamedTuple):
    """One rule of a proxy's routing table beside a request: was it taken, and why or why not."""

    because: Because
    taken: bool
    why: str


class Served(NamedTuple):
    """What a reverse proxy did with one request: the rules that it compared, and its own connections."""

    where: str
    """The proxy's network namespace."""
    port: int
    request: str
    """``GET http://shop.example/cart``"""
    compared: tuple[Compared, ...]
    status: str
    """``200 OK``; of what is passed on unread ``passed on`` or ``hung up``."""
    chosen: str = ""
    """Where the rule stands that it went by, or empty."""
    backend: str = ""
    problem: str = ""
    """Why the rule's backend cannot be asked at all, or empty."""
    location: str = ""
    """Where a redirect sends the client."""
    attempts: tuple[Attempt, ...] = ()
    """Its own connections to the backend, the last one last."""


class Attempt(NamedTuple):
    """What `linux/socket.py` returns: the packets of one attempt, its end, and what chance said."""

    legs: tuple[Leg, ...]
    ending: Ending
    draws: tuple[Draw, ...]
    compared: int = 0
    """How many netfilter rules Linux would have compared the packets with, one after the other."""
    frames: tuple[Frame, ...] = ()
    """Every frame that crossed a device, where the attempt was recorded."""
    seconds: float = 0.0
    """From its beginning until the client had its answer; 0 where it never had one, or nothing took time."""
    arrived: int = 0
    """Bytes of the answer that the client could read in time: what comes ahead of its turn waits."""
    expected: int = 0
    """Bytes that the answer has."""
    handshake: float | None = None
    """Seconds until the connection stood; None: it never did."""
    heard: float = 0.0
    """Seconds until the first packet came back, whatever it said; 0 where none did, or nothing took time."""
    served: tuple[Served, ...] = ()
    """What proxies did on the way: their own connections are attempts inside this one."""
    asides: tuple[Attempt, ...] = ()
    """What a name server had to ask others before it could answer."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for leg in self.legs for step in leg.steps)

    @property
    def decisive(self) -> Step | None:
        """The step at which the last try came to its end, or None where it did not."""
        last = self.legs[-1].attempt if self.legs else 0
        steps = (step for leg in self.legs if leg.attempt == last for step in leg.steps)
        return next((step for step in steps if step.what in ENDS and not _was_not_meant(step)), None)


def _was_not_meant(step: Step) -> bool:
    """Did a machine of the link hear a question for a neighbour that was another's to answer (or of another VLAN)?"""
    to_all = step.before.eth_dst[:5] in ("ff:ff", "33:33")
    reasons = ("NOT_SPECIFIED", "IPV6_NDISC_NS_OTHERHOST", *(("OTHERHOST",) if to_all else ()))
    return step.before.is_errand and step.reason in reasons


class Cause(NamedTuple):
    """Who wrote a row, because of what, and at which revision of the journal."""

    author: str
    cause: str
    """In a person's words: ``Service default/web``, ``node-1: ip route del 10.244.1.0/24``."""
    revision: int


@dataclass(frozen=True, slots=True)
class Faces:
    """What a trace needs from the floors above to explain and draw itself; `Cluster` gives them."""

    place: Callable[[str], str]
    """A scope in a person's words: ``node:node-1/cni-…`` -> ``default/web``."""
    cause: Callable[[Key, int], Cause | None]
    """Who wrote a row; with a rule's position in a chain (from 1; else 0), who put that rule there."""
    fates: Callable[[], list[Fate]]
    explain: Callable[[Trace], str]
    repairs: Callable[[], list[Any]]
    draw: Callable[[Trace], Any]
    svg: Callable[[Trace], str]
    text: Callable[[Trace], str]
    mimebundle: Callable[[Trace], dict[str, Any]]
    capture: Callable[[Trace, str, str], Any]
    story: Callable[[Trace, str, str], Any]
    """Lines of one kind (``rules``, ``tables``) for one packet of the conversation: a `widgets.story.Story`."""
    named: Callable[[Trace], dict[str, Any]] = lambda trace: {}
    """How the destination's name was resolved, JSON-ready."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One whole attempt from a source to a destination, and why it ended as it did (contract.md).

    `outcome` is what the client sees: connected, refused, unreachable, timeout or unresolved. `source_seen` is the
    client's
    address as the answerer saw it, `destination_seen` the ``IP:port`` that it was reached on.
    """

    source: str
    destination: str
    port: int
    protocol: str
    revision: int
    attempt: Attempt
    faces: Faces = field(repr=False, compare=False)
    lookup: Any = field(default=None, repr=False, compare=False)
    """How the destination's name was resolved (`linux.resolver.Lookup`), if it was one."""

    @property
    def outcome(self) -> str:
        return self.attempt.ending.outcome

    @property
    def answered_by(self) -> str | None:
        return self.attempt.ending.answered_by

    @property
    def source_seen(self) -> str | None:
        return self.attempt.ending.source_seen

    @property
    def destination_seen(self) -> str | None:
        return self.attempt.ending.destination_seen

    @property
    def legs(self) -> tuple[Leg, ...]:
        return self.attempt.legs

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.attempt.steps

    @property
    def compared(self) -> int:
        """How many netfilter rules Linux would have compared the packets with, one after the other."""
        return self.attempt.compared

    def fates(self) -> list[Fate]:
        """Every possible fate of this attempt with its exact probability, the likeliest first."""
        return self.faces.fates()

    def explain(self) -> str:
        """In sentences: what happened, which row or rule decided, who wrote it and why, and the smallest
        change that flips it."""
        return self.faces.explain(self)

    def repairs(self) -> list[Any]:
        """What would make it come out otherwise, the smallest change first: each an `Edit` (`k8slearn.repair`) that was
        typed on a copy of the cluster, with the other pairs that it opens and closes. Of a connection: what would
        close it."""
        return self.faces.repairs()

    def draw(self) -> Any:
        """A matplotlib figure of the way."""
        return self.faces.draw(self)

    def svg(self) -> str:
        return self.faces.svg(self)

    def text(self) -> str:
        """The picture's text twin: every hop in words."""
        return self.faces.text(self)

    def rules(self, leg: str = "") -> Any:
        """The chains that a packet met, rule by rule, with the one that decided; ``.walk()`` steps through them.

        `leg` names the packet (``"SYN-ACK"``); else it is the one that came to a bad end, or the first.
        """
        return self.faces.story(self, "rules", leg)

    def tables(self, leg: str = "") -> Any:
        """The routing, forwarding and neighbour tables that a packet asked, with the rows that answered."""
        return self.faces.story(self, "tables", leg)

    def capture(self, where: Any, dev: str = "any") -> Any:
        """What ``tcpdump -ni DEV`` at an endpoint (``"node:node-1"``, ``"default/web"``) sees of this conversation.

        Printed it is tcpdump's lines; `.pcap()` is the bytes of a file for Wireshark, `.save(path)` writes one.
        Raises Refused for an endpoint or a device that is not there.
        """
        return self.faces.capture(self, str(where), dev)

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.faces.mimebundle(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the question, the answer, every step with the row that decided and who wrote it, every fate."""
        steps = [self._step(leg, step) for leg in self.legs for step in leg.steps]
        return {
            **{name: getattr(self, name) for name in ("source", "destination", "port", "protocol", "revision")},
            **{name: getattr(self, name) for name in ("outcome", "answered_by", "source_seen", "destination_seen")},
            **(self.faces.named(self) if self.lookup is not None else {}),
            "steps": [{"n": n, **step} for n, step in enumerate(steps, 1)],
            "fates": [_fate(fate) for fate in self.fates()],
        }

    def _step(self, leg: Leg, step: Step) -> dict[str, Any]:
        because = step.because
        why: Mapping[str, Any] | None = None
        if because is not None:
            cause = self.faces.cause(because.key, because.position)
            why = {
                "key": _plain(because.key),
                "text": because.text,
                "position": because.position,
                **(cause._asdict() if cause is not None else {"author": None, "cause": None, "revision": None}),
            }
        return {
            "leg": leg.name,
            "direction": leg.direction,
            "time": leg.time,
            "where": step.where,
            "place": self.faces.place(step.where),
            "dev": step.dev,
            "hook": step.hook,
            "what": step.what,
            **({"reason": step.reason} if step.what == "drop" else {}),
            "says": step.says,
            "because": why,
            "before": step.before.to_dict(),
            "after": step.after.to_dict(),
        }


def _plain(key: Any) -> Any:
    """A key as JSON has it: tuples become lists."""
    return [_plain(part) for part in key] if isinstance(key, tuple) else key


def _fate(fate: Fate) -> dict[str, Any]:
    return {**fate._asdict(), "probability": float(fate.probability), "fraction": str(fate.probability)}
