"""The ends of a conversation: listeners that answer, clients that ask, and the attempt as a whole.

A TCP attempt is SYN, SYN-ACK, ACK, a request and its answer; each is one `Leg` through every hook. The client sends
its SYN at 0, 1, 2, 3 and 4 seconds, as Linux does (`tcp_syn_linear_timeouts`), and gives up after 4.5. A UDP attempt
is one datagram and its answer.

Left out: windows, sequence numbers, retransmitted data, closing a connection, SO_REUSEPORT.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from k8slearn.journal import Command, Key, Put, World, drive
from k8slearn.linux import fib, icmp, path
from k8slearn.linux.conntrack import inverse, tuple_of
from k8slearn.linux.rows import Socket, Tuple
from k8slearn.linux.skb import Net, Outgoing, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Attempt, Because, Draw, Ending, Fate, Leg, Step, T, Walk

SYN_TIMES = (0.0, 1.0, 2.0, 3.0, 4.0)
PATIENCE = 4.5
"""Seconds that a client waits before it calls it a timeout."""
NEIGHBOUR_TIMEOUT = 3.0


# --- what arrives at a machine's own sockets ---------------------------------------------------


def receive(net: Net, skb: Skb) -> Walk[None]:
    """Hand a packet to the socket it is for, or answer as the kernel does where there is none."""
    packet = skb.packet
    if packet.proto == "icmp":
        yield from _receive_icmp(net, skb)
        return
    client = net.ends.get((skb.netns, tuple_of(packet)))
    if client is not None:
        yield Step(skb.netns, "deliver", f"the client's socket takes {packet}", packet, packet, None, skb.iif)
        client.receive(net, packet)
    elif packet.proto == "tcp":
        yield from _receive_tcp(net, skb)
    else:
        yield from _receive_udp(net, skb)


def listener(world: World, netns: str, proto: str, address: str, port: int) -> Socket | None:
    """The listening socket for this address and port; one bound to the address itself wins."""
    rows = world.table(netns, "socket")
    found: Socket | None = rows.get((proto, address, port)) or rows.get((proto, "0.0.0.0", port))
    return found


def _deliver(skb: Skb, found: Socket) -> Step:
    key = (skb.netns, "socket", (found.proto, found.address, found.port))
    why = Because(key, f"LISTEN {found.address}:{found.port} {found.program}")
    return Step(skb.netns, "deliver", f"{found.program} takes {skb.packet}", skb.packet, skb.packet, why, skb.iif)


def _receive_tcp(net: Net, skb: Skb) -> Walk[None]:
    packet, here = skb.packet, (skb.netns, tuple_of(skb.packet))
    found = listener(net.world, skb.netns, "tcp", packet.dst, packet.dport)
    if packet.flags.startswith("RST"):
        net.servers.discard(here)
    elif found is not None and packet.flags == "SYN":
        yield _deliver(skb, found)
        net.servers.add(here)
        net.outbox.append(Outgoing(skb.netns, _back(packet, "SYN-ACK"), "SYN-ACK"))
    elif found is not None and here in net.servers:
        yield _deliver(skb, found)
        if packet.payload:
            answer = _answer(net, found, packet)
            net.outbox.append(Outgoing(skb.netns, _back(packet, "PSH-ACK", answer), "answer"))
    else:
        answer_packet = _back(packet, "RST-ACK" if packet.flags == "SYN" else "RST")
        nobody = "no connection" if found is not None else "nobody listens"
        says = f"{nobody} on {packet.dst}:{packet.dport}: answers RST"
        yield Step(skb.netns, "refuse", says, packet, answer_packet, None, skb.iif)
        net.outbox.append(Outgoing(skb.netns, answer_packet, "RST"))


def _receive_udp(net: Net, skb: Skb) -> Walk[None]:
    packet = skb.packet
    found = listener(net.world, skb.netns, "udp", packet.dst, packet.dport)
    if found is None:
        says = f"nobody listens on {packet.dst}:{packet.dport}/udp"
        yield Step(skb.netns, "refuse", says, packet, packet, None, skb.iif)
        yield from icmp.error(net, skb, "port-unreachable")
        return
    yield _deliver(skb, found)
    net.outbox.append(Outgoing(skb.netns, _back(packet, "", _answer(net, found, packet)), "answer"))


def _back(packet: Packet, flags: str, payload: str = "") -> Packet:
    return Packet(
        packet.proto, packet.dst, packet.src, packet.dport, packet.sport, flags, payload, size=60 + len(payload)
    )


def _answer(net: Net, found: Socket, packet: Packet) -> str:
    """What agnhost's netexec would say: ``/`` hello, ``/hostname`` its name, ``/clientip`` whom it sees."""
    net.answered = (found.answers_as, packet.src, f"{packet.dst}:{packet.dport}")
    name = found.hostname or found.answers_as
    pages = {"/clientip": f"{packet.src}:{packet.sport}", "/hostname": name}
    return pages.get(packet.payload.partition(" ")[2], f"Hello from {name}!")


def _receive_icmp(net: Net, skb: Skb) -> Walk[None]:
    packet = skb.packet
    about = packet.inner if packet.inner is not None else packet
    key = inverse(tuple_of(about)) if packet.inner is not None else tuple_of(packet)
    if packet.flags == "echo-request":
        yield Step(skb.netns, "deliver", f"the kernel answers ping from {packet.src}", packet, packet, None, skb.iif)
        net.answered = ("", packet.src, packet.dst)
        answer = packet._replace(src=packet.dst, dst=packet.src, flags="echo-reply", ttl=64, eth_src="", eth_dst="")
        answer = answer._replace(df=False)
        net.outbox.append(Outgoing(skb.netns, answer, "echo-reply", discover="dont"))
        return
    client = net.ends.get((skb.netns, key))
    yield Step(skb.netns, "deliver", f"ICMP {packet.flags} about {about}", packet, packet, None, skb.iif)
    if client is not None:
        client.receive(net, packet)


# --- the client --------------------------------------------------------------------------------


@dataclass(slots=True)
class Client:
    """The asking end. TCP: connect, request, wait for the answer. UDP and ping: one packet, wait."""

    netns: str
    mine: Tuple
    page: str
    ending: Ending | None = None
    established: bool = False
    ttl: int = 64
    size: int = 0
    """How long its packets are, in bytes with the IP header; 0: as long as what they say."""
    discover: str = "want"

    def receive(self, net: Net, packet: Packet) -> None:
        if packet.proto == "icmp" and packet.inner is not None:
            if self.mine.proto == "udp" and packet.flags in icmp.SOFT:
                return
            self.fail(*icmp.ERRORS.get(packet.flags, ("unreachable", "No route to host")))
        elif packet.proto == "tcp":
            self._tcp(net, packet)
        else:
            self._answered(net, packet)

    def fail(self, outcome: str, words: str) -> None:
        if self.ending is None and not self.established:
            self.ending = Ending(outcome, error=words)

    def _tcp(self, net: Net, packet: Packet) -> None:
        if packet.flags.startswith("RST"):
            self.fail("refused", "Connection refused")
            self.ending = self.ending or Ending("unreachable", error="Connection reset by peer")
        elif packet.flags == "SYN-ACK" and not self.established:
            self.established = True
            net.outbox.append(Outgoing(self.netns, self.packet("ACK"), "ACK"))
            net.outbox.append(Outgoing(self.netns, self.packet("PSH-ACK", f"GET {self.page}"), "request"))
        elif packet.payload:
            self._answered(net, packet)

    def _answered(self, net: Net, packet: Packet) -> None:
        assert net.answered is not None
        who, saw, reached = net.answered
        self.ending = Ending("connected", who or None, saw, reached, payload=packet.payload)

    def packet(self, flags: str, payload: str = "") -> Packet:
        t = self.mine
        return Packet(
            t.proto, t.src, t.dst, t.sport, t.dport, flags, payload, self.ttl, size=self.size or 60 + len(payload)
        )


FIRST = {"tcp": ("SYN", "SYN"), "udp": ("", "request"), "icmp": ("echo-request", "echo-request")}
"""Protocol -> (flags, leg) of the first packet."""


def connect(
    world: World,
    netns: str,
    dst: str,
    port: int = 80,
    proto: str = "tcp",
    *,
    path: str = "/",
    sport: int | None = None,
    forced: tuple[bool, ...] | None = None,
    attempts: int = len(SYN_TIMES),
    ttl: int = 64,
    size: int = 0,
    discover: str = "want",
    source: str = "",
    recording: bool = False,
) -> Generator[Command, None, Attempt]:
    """One whole attempt from a socket in `netns`; yields what the kernels learn, returns how it went.

    `recording`: the kernels' counters go up too, and the attempt has every frame that crossed a device.
    """
    net = Net(world, forced=forced, recording=recording)
    found = fib.lookup(world, netns, dst)
    src = fib.source_for(world, netns, found, dst) if found.kind in ("unicast", "local") else ""
    src = source if src and source else src
    if not src:
        words = path_error(found.kind)
        step = _no_way(netns, dst, port, proto, found, words)
        return Attempt((Leg(FIRST[proto][1], "request", 0.0, 0, (step,)),), Ending("unreachable", error=words), ())
    mine = Tuple(proto, src, dst, sport or _free_port(world, netns, proto, src, dst, port), port)
    if proto == "icmp":
        mine = mine._replace(dport=mine.sport)
    client = Client(netns, mine, path, ttl=ttl, size=size, discover=discover)
    net.ends[netns, inverse(mine)] = client
    legs: list[Leg] = []
    yield from _try(net, client, legs, attempts if proto == "tcp" else 1)
    if recording:
        yield from count(net)
    return Attempt(
        tuple(legs),
        client.ending or Ending("timeout", error="Connection timed out"),
        tuple(net.draws),
        net.compared,
        tuple(net.frames),
    )


CAPTURED: Key = ("capture", "last", "")
"""Where the world keeps the frames of the last conversation that was recorded: what ``tcpdump`` reads."""


def count(net: Net) -> Generator[Command, None, None]:
    """The counters of the kernels go up by what this walk counted (rows ``(packets, bytes)``); captures can be read."""
    yield Put(CAPTURED, tuple(net.frames))
    for key, (packets, size) in net.counted.items():
        before = net.world.get(key) or (0, 0)
        yield Put(key, (before[0] + packets, before[1] + size))


def path_error(kind: str) -> str:
    return path.LOCAL_ERRORS.get(kind, "Network is unreachable")


def _no_way(netns: str, dst: str, port: int, proto: str, found: fib.Found, words: str) -> Step:
    packet = Packet(proto, "0.0.0.0", dst, 0, port, FIRST[proto][0])
    return Step(netns, "drop", f"connect to {dst}: {words}", packet, packet, found.because)


def ping(world: World, netns: str, dst: str) -> Generator[Command, None, Attempt]:
    """One ICMP echo request and what comes back."""
    return (yield from connect(world, netns, dst, 0, "icmp"))


def _free_port(world: World, netns: str, proto: str, src: str, dst: str, port: int) -> int:
    """Each new connection takes a new source port out of 32768-60999."""
    rows = world.table(netns, "conntrack")
    candidate = 32768 + (world.revision * 2) % 28232
    while Tuple(proto, src, dst, candidate, port) in rows:
        candidate = 32768 + (candidate - 32766) % 28232
    return candidate


def _try(net: Net, client: Client, legs: list[Leg], attempts: int) -> Generator[Command, None, None]:
    """Send, and send again while nothing came back; stop early where nothing could come out differently."""
    flags, name = FIRST[client.mine.proto]
    payload = f"GET {client.page}" if client.mine.proto == "udp" else ""
    for attempt, time in enumerate(SYN_TIMES[:attempts]):
        net.attempt, net.time, drawn, learned = attempt, net.world.clock + time, len(net.draws), 0
        net.outbox.append(Outgoing(client.netns, client.packet(flags, payload), name, discover=client.discover))
        while net.outbox:
            out = net.outbox.popleft()
            steps: list[Step] = []
            sent, words = yield from _sift(path.send_local(net, out), steps)
            carried, _ = yield from _sift(path.run(net), steps)
            learned += sent + carried
            if words and out.name == name and client.mine.proto != "tcp":
                client.fail("unreachable", words)
            legs.append(Leg(out.name, "request" if out.netns == client.netns else "reply", time, attempt, tuple(steps)))
        if client.ending is not None or client.established or (drawn == len(net.draws) and not learned):
            return


def _sift(walk: Walk[T], steps: list[Step]) -> Generator[Command, None, tuple[int, T]]:
    """Keep the steps, pass the effects on; returns how many effects there were, and what the walk came to."""
    count = 0
    while True:
        try:
            item = next(walk)
        except StopIteration as end:
            return count, end.value
        if isinstance(item, Step):
            steps.append(item)
        else:
            count += 1
            yield item


# --- every possible fate -----------------------------------------------------------------------


class _Leaf(NamedTuple):
    probability: Fraction
    ending: Ending
    learned: bool


@dataclass(slots=True)
class _Explorer:
    """Runs an attempt once for each way chance can fall (a depth-first walk over the draws)."""

    world: World
    question: tuple[str, str, int, str]

    def explore(self, attempts: int) -> list[_Leaf]:
        leaves: list[_Leaf] = []
        todo: list[tuple[bool, ...]] = [()]
        while todo:
            forced = todo.pop()
            attempt, learned = self.run(forced, attempts)
            said = [d.hit for d in attempt.draws]
            todo += [(*said[:n], True) for n in range(len(forced), len(said)) if attempt.draws[n].probability < 1]
            leaves.append(_Leaf(_product(attempt.draws), attempt.ending, learned))
        return leaves

    def run(self, forced: tuple[bool, ...], attempts: int) -> tuple[Attempt, bool]:
        netns, dst, port, proto = self.question
        fork = self.world.fork()
        walk = connect(fork, netns, dst, port, proto, forced=forced, attempts=attempts)
        tables = set[str]()

        def write(command: Command) -> None:
            tables.add(command.key[1])
            fork.apply(command)

        return drive(walk, write), "conntrack" in tables


def _product(draws: tuple[Draw, ...]) -> Fraction:
    out = Fraction(1)
    for draw in draws:
        out *= draw.probability
    return out


def fates(world: World, netns: str, dst: str, port: int = 80, proto: str = "tcp") -> list[Fate]:
    """Every possible end of an attempt with its exact probability, the likeliest first.

    A first SYN that is lost before any kernel confirmed its connection leaves chance as it was: the next SYN draws
    afresh. So one round of draws is enough to know all five.
    """
    explorer = _Explorer(world, (netns, dst, port, proto))
    first = explorer.explore(1)
    again = sum(
        (leaf.probability for leaf in first if leaf.ending.outcome == "timeout" and not leaf.learned), Fraction(0)
    )
    rounds = sum((again**n for n in range(len(SYN_TIMES) if proto == "tcp" else 1)), Fraction(0))
    total: dict[Ending, Fraction] = {}
    for leaf in first:
        if leaf.ending.outcome == "timeout" and not leaf.learned:
            continue
        ending = leaf.ending._replace(payload="", error="")
        total[ending] = total.get(ending, Fraction(0)) + leaf.probability * rounds
    lost = 1 - sum(total.values(), Fraction(0))
    if lost:
        total[Ending("timeout")] = total.get(Ending("timeout"), Fraction(0)) + lost
    found = [Fate(p, e.outcome, e.answered_by, e.source_seen, e.destination_seen) for e, p in total.items()]
    return sorted(found, key=lambda f: (-f.probability, f.outcome, f.answered_by or ""))


def certain(ending: Ending) -> list[Fate]:
    """The fates of an attempt that chance has no part in."""
    return [Fate(Fraction(1), ending.outcome, ending.answered_by, ending.source_seen, ending.destination_seen)]
