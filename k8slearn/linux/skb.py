"""What kernels keep while packets are under way: the socket buffer, and the wires between them.

Linux hands a packet through its stack as a ``struct sk_buff``: the bytes, and beside them the mark, the connection,
the device it came by. It lives only while a packet is in one namespace; crossing a veth washes mark and connection
off (`skb_scrub_packet`). Ours is the one object of this floor that changes, and it never outlives a walk.

Left out: queues and their lengths: a wire takes every packet, in order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from zlib import crc32

from k8slearn.journal import Command, Key, Put, Remove, World
from k8slearn.linux.drivers import DRIVERS
from k8slearn.linux.rows import Connection, Link, Tuple
from k8slearn.packet import Packet
from k8slearn.trace import Attempt, Because, Draw, Frame, Served, Step


@dataclass(slots=True)
class Tracked:
    """The connection a packet belongs to, while it is handled. `new` until conntrack confirms it."""

    row: Connection
    reply: bool = False
    """Does the packet travel against the first packet's direction?"""
    info: str = "NEW"
    """NEW, ESTABLISHED or RELATED, as ``-m conntrack --ctstate`` names it."""
    confirmed: bool = False
    dst_done: bool = False
    src_done: bool = False


class TunnelKey(NamedTuple):
    """What a program and an ``external`` tunnel tell each other about a packet (``struct bpf_tunnel_key``)."""

    id: int
    """The VNI."""
    remote: str
    """The machine that it goes to, or came from."""


class Skb:
    """One packet inside one namespace. What most packets never have is not an argument: it is set where it happens."""

    def __init__(self, netns: str, packet: Packet, iif: str = "", oif: str = "") -> None:
        self.netns = netns
        self.packet = packet
        self.iif = iif
        self.oif = oif

    mark: int = 0
    tracked: Tracked | None = None
    state: str = ""
    """``INVALID`` or ``UNTRACKED`` where there is no connection."""
    via: str = ""
    """The next hop that routing chose."""
    physin: str = ""
    """The bridge port it came by, while bridge-netfilter shows it to iptables."""
    physout: str = ""
    prerouted: bool = False
    """Has bridge-netfilter shown it to PREROUTING already (`br_netfilter_hooks.c: ip_sabotage_in`)?"""
    bridged: bool = False
    """Translated to a neighbour on its own bridge: it goes on as a frame, not through routing."""
    mtu: int = 0
    """How long a packet may be on the way that routing chose; 0: as long as the device takes."""
    longest: int = 0
    """It came in fragments and was put together: the longest of them (the kernel's `frag_max_size`)."""
    program: str = ""
    """The program that is looking at it (`bpf.py`)."""
    tunnel: TunnelKey | None = None
    """It came in by an ``external`` tunnel: what the outer packet said."""
    host: bool = False
    """It came in with a MAC of this machine (PACKET_HOST), whatever its header says by now."""

    def like(self, packet: Packet, iif: str = "", oif: str = "") -> Skb:
        """Another packet with this one's mark and connection (`skb_clone`, `ip_copy_metadata`)."""
        other = Skb(self.netns, packet, iif, oif)
        other.mark, other.tracked, other.state = self.mark, self.tracked, self.state
        return other


@dataclass(slots=True)
class Outgoing:
    """A packet that a machine itself sends next, with the leg's name that people see."""

    netns: str
    packet: Packet
    name: str
    tracked: Tracked | None = None
    state: str = ""
    discover: str = "want"
    """Path MTU discovery, as ``ping -M`` names it: `do` never fragments, `want` fragments what is longer than the path
    is known to take, `dont` lets every router fragment (the kernel's own ICMP)."""
    dev: str = ""
    """IPv6: the device that what it answers came in by; some answers would rather go back there."""
    mark: int = 0
    """The mark that it is born with (WireGuard's fwmark; a tunnel hands the inner packet's on)."""
    at: float = -1.0
    """When it leaves, on the logical clock; negative: nobody has said so yet."""


@dataclass(slots=True)
class Accepted:
    """The answering end of a connection that a listener has accepted."""

    mss: int = 0
    """What the client said that it takes in one segment."""
    dev: str = ""
    """The device that its SYN came in by: a link-local client means that link (`tcp_ipv6.c: tcp_v6_init_req`)."""
    request: str = ""
    closing: bool = False


class End(Protocol):
    """A socket that this conversation opened."""

    def receive(self, net: Net, packet: Packet) -> None:
        """A packet has arrived for it; what it answers goes to `net.outbox`."""


def _unheard(step: Step) -> None:
    """Nobody keeps the log."""


@dataclass(slots=True)
class Net:
    """One walk over all machines: what is on the wires, who waits for a neighbour, what chance said."""

    world: World
    """A fork that this walk alone writes into."""
    wire: deque[tuple[str, str, Packet]] = field(default_factory=deque)
    """(namespace, device, frame): arriving there next."""
    outbox: deque[Outgoing] = field(default_factory=deque)
    late: deque[Callable[[], None]] = field(default_factory=deque)
    """Answers in the name of others, which kernels put off for a moment (``proxy_delay``)."""
    held: dict[tuple[str, str, str], list[Skb]] = field(default_factory=dict)
    """Packets that wait for the MAC of (namespace, device, address)."""
    given_up: set[tuple[int, str, str, str]] = field(default_factory=set)
    """(attempt, namespace, device, address) that did not answer: nobody asks again before the next attempt, or a box
    that rejects the very answers would ask for ever."""
    pieces: dict[tuple[str, ...], list[Packet]] = field(default_factory=dict)
    """Fragments that wait for the rest of their packet, by place and identification."""
    plans: dict[str, Any] = field(default_factory=dict)
    """namespace -> what its chains have to do at each hook (`netfilter.Plan`)."""
    named: dict[tuple[str, Tuple, Tuple], Because] = field(default_factory=dict)
    """Connections as reasons, by namespace and tuples."""
    met: list[tuple[str, Tuple, Connection]] = field(default_factory=list)
    """The connections that the packet under way has met: the namespace, the packet's tuple there, the entry then."""
    ways: dict[tuple[object, ...], Any] = field(default_factory=dict)
    """The ways of packets whose next one goes the same (`flow.Way`)."""
    rooms: dict[str, int] = field(default_factory=dict)
    """namespace -> how long a packet may be that goes such a way through it."""
    staged: dict[tuple[str, str, str], list[Packet]] = field(default_factory=dict)
    """Packets that wait for a WireGuard handshake of (namespace, device, peer)."""
    pending: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """The session that such a handshake will make."""
    depth: int = 0
    """How many devices are sending by one another just now."""
    errno: str = ""
    """What a device said to the socket whose packet it would not send."""
    attempt: int = 0
    nth: int = 0
    """Which conversation of its program this is; chance throws anew for each."""
    asides: list[Attempt] = field(default_factory=list)
    """What a name server had to ask others before it could answer."""
    depth_of_asking: int = 0
    """How many name servers wait for one another just now."""
    forced: tuple[bool, ...] | None = None
    """When all fates are explored: what chance has to say, in order; beyond its end: no."""
    time: float = 0.0
    """The logical clock, in seconds: when what is happening right now happens."""
    began: float | None = None
    """When this conversation began, on the same clock; None: when it was asked for."""
    deadline: float = math.inf
    """When the client's patience ends, on the same clock."""
    buckets: dict[Key, tuple[float, float]] = field(default_factory=dict)
    """Token buckets of this conversation: a qdisc -> (bytes in it, when that was so)."""
    recording: bool = False
    """Are frames kept and packets counted? Nothing decides by them, so who only asks leaves it off."""
    frames: list[Frame] = field(default_factory=list)
    """Every frame that crossed a device, in order: what captures see."""
    draws: list[Draw] = field(default_factory=list)
    ends: dict[tuple[str, Tuple], End] = field(default_factory=dict)
    """Sockets that this conversation opened: (namespace, the tuple of packets that arrive there)."""
    servers: dict[tuple[str, Tuple], Accepted] = field(default_factory=dict)
    """Connections that a listener has accepted."""
    standing: bool = False
    """Did the connection stand before this conversation began? Then a listener knows it."""
    answered: tuple[str, str, str] | None = None
    """(who answered last, the client address it saw, the IP:port it was reached on)."""
    asked: int = 0
    """How many bytes the client's request has."""
    answer: str = ""
    """All that the listener has to say, however many packets it takes."""

    served: list[Served] = field(default_factory=list)
    """What proxies did that this conversation came to."""

    compared: int = 0
    """How many netfilter rules Linux would have compared packets with: one after the other, to the one that matched."""
    counted: dict[Key, list[int]] = field(default_factory=dict)
    """What this walk adds to the kernels' counters: key -> [packets, bytes]. A key's table is ``counter`` (a rule:
    (family, table, chain, position); position 0: the policy), ``nstat`` or ``drops`` (the name)."""

    def within(self, deadline: float) -> Net:
        """The walk of a conversation that somebody holds inside this one: the same world, dice and counters."""
        inner = Net(self.world, forced=self.forced, deadline=deadline, recording=self.recording, began=self.time)
        inner.draws, inner.frames, inner.counted, inner.buckets = self.draws, self.frames, self.counted, self.buckets
        return inner

    def stat(self, netns: str, *names: str) -> None:
        """One more of each of these in ``nstat``."""
        if self.recording:
            for name in names:
                self.count((netns, "nstat", name))

    mark: int = 0
    """The mark of the frame that a device is given right now: a tunnel's outer packet takes it over."""
    tunnel: tuple[TunnelKey, Because] | None = None
    """What a program has said of the frame that an ``external`` tunnel is given right now, and why."""
    seen: dict[tuple[str, str], list[Packet]] = field(default_factory=dict)
    """(namespace, bridge port) -> its frames since the wires were last quiet: a loop of bridges shows here."""
    redirected: dict[tuple[str, str, Packet], Callable[[], None]] = field(default_factory=dict)
    """(namespace, ifb, frame) -> what to do with it once the ifb lets it go."""

    say: Callable[[Step], None] = field(default=_unheard)
    """Where a step goes: the log of the packet that is under way."""
    effects: list[Command] = field(default_factory=list)
    """What the kernels have learned; it stands in `world` already."""

    def write(self, *commands: Command) -> None:
        """A kernel learns something."""
        for command in commands:
            self.world.apply(command)
        self.effects += commands

    learned: dict[Key, Any] = field(default_factory=dict)
    """What a rule's conditions remember next (a recent list, a bucket, a set): key -> row, None where it goes."""

    def recall(self, key: Key) -> Any:
        """The row as the conditions left it, or None."""
        return self.learned[key] if key in self.learned else self.world.get(key)

    def learn(self) -> None:
        """What the conditions remembered becomes an effect of the walk."""
        rows, self.learned = self.learned, {}
        for key, row in rows.items():
            self.write(Put(key, row) if row is not None else Remove(key))

    def ip_stat(self, skb: Skb, name: str, name6: str = "") -> None:
        """One more of what ``nstat`` calls ``IpNAME`` in IPv4 and ``Ip6NAME`` in IPv6 (`name6` where that differs)."""
        if self.recording:
            self.count((skb.netns, "nstat", f"Ip6{name6 or name}" if ":" in skb.packet.dst else f"Ip{name}"))

    def record(self, netns: str, link: Link, direction: str, frame: Packet) -> None:
        """A frame crosses a device: captures see it, and the device counts it (``ip -s link``)."""
        self.frames.append(Frame(netns, link.name, direction, self.time, frame))
        ways = ("tx", "rx") if link.kind == "loopback" else ("rx",) if direction == "in" else ("tx",)
        for way in ways:
            self.count((netns, "counter", ("link", link.name, way)), frame.size + getattr(DRIVERS[link.kind], way))

    def count(self, key: Key, size: int = 0) -> None:
        """One packet of `size` bytes more."""
        if not self.recording:
            return
        sums = self.counted.get(key)
        if sums is None:
            self.counted[key] = [1, size]
        else:
            sums[0] += 1
            sums[1] += size

    def stamp(self) -> None:
        """What was made since the last stamp leaves now."""
        for out in reversed(self.outbox):
            if out.at >= 0:
                return
            out.at = self.time

    def tries(self, key: Key, rule: str, chance: Fraction, times: int) -> int:
        """How many of so many tries miss one after the other, each with this chance, in one throw: it hits where all
        of them miss."""
        every, at = chance**times, len(self.draws)
        if self.forced is not None:
            missed = times if at < len(self.forced) and self.forced[at] else 0
        else:
            thrown = self._throw(key, at)
            missed = sum(thrown * (chance**n).denominator < (chance**n).numerator << 31 for n in range(1, times + 1))
        self.draws.append(Draw(key, rule, missed == times, every))
        return missed

    def draw(self, key: Key, rule: str, chance: Fraction) -> bool:
        """Does this throw hit? A hash of seed, revision, attempt, place and rule: the same for ever."""
        at = len(self.draws)
        if self.forced is not None:
            hit = at < len(self.forced) and self.forced[at]
        else:
            hit = self._throw(key, at) * chance.denominator < chance.numerator << 31
        self.draws.append(Draw(key, rule, hit, chance))
        return hit

    def _throw(self, key: Key, at: int) -> int:
        """31 bits."""
        seed = self.world.get(("chance", "seed", "")) or 0
        return _mixed((seed, self.world.revision, self.attempt + (self.nth << 8), at, _number(key)))


@lru_cache(maxsize=1 << 14)
def _number(key: Key) -> int:
    return crc32(repr(key).encode())


def _mixed(words: tuple[int, ...]) -> int:
    """31 bits that depend on all of these numbers (the finaliser of SplitMix64, one round a word)."""
    state = 0
    for word in words:
        state = (state ^ word) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 33
