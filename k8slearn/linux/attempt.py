"""An attempt to connect is a conversation of packets: it is answered, refused, told that there is no way, or times out.

A TCP attempt is SYN, SYN-ACK, ACK, a request and its answer; each is one `Leg` through every hook. The client sends
its SYN at 0, 1, 2, 3 and 4 seconds, as Linux does (``net.ipv4.tcp_syn_linear_timeouts``), and gives up after 4.5. A
UDP attempt is one datagram and its answer. The asking end is in `client.py`, the answering end in `listen.py`, what
chance can make of it in `fates.py`.

Time passes only where a sender waits before it tries again, and where a queue keeps a packet (`qdisc.py`, which also
says when chance lets a packet through at last). Each packet leaves when what caused it arrived.

Left out: retransmission of what something other than chance lost, while both ends stand: it would be lost again;
congestion windows: all segments of an answer leave at once and wait where the way is narrow.
"""

from __future__ import annotations

from collections.abc import Generator

from k8slearn.journal import Command, Key, Put, World
from k8slearn.linux import bpf, fib, flow, path, pmtu, qdisc, sysctl
from k8slearn.linux.client import FAREWELL, FIRST, Client
from k8slearn.linux.connection import PINGS, inverse
from k8slearn.linux.listen import speaks_ipv6
from k8slearn.linux.rows import Tuple
from k8slearn.linux.skb import Net, Outgoing
from k8slearn.linux.transport import mss_of
from k8slearn.packet import Packet
from k8slearn.trace import ENDS, Attempt, Ending, Leg, Step

SYN_TIMES = (0.0, 1.0, 2.0, 3.0, 4.0)
"""When a client sends its SYN, with the kernel's defaults."""
INIT_TIMES = (0.0, 3.0)
"""When it sends an SCTP INIT (RTO.Initial is 3 s)."""
PATIENCE = 4.5
"""Seconds that a client waits before it calls it a timeout."""
NEIGHBOUR_TIMEOUT = 3.0
UNREACHABLE = "Network is unreachable"
NO_PACKET = ""
"""The reason where ``connect()`` itself fails: the kernel made no packet, so it drops none."""
NOBODY = "0.0.0.0"
CAPTURED: Key = ("capture", "last", "")
"""Where the world keeps the frames of the last conversation that was recorded: what ``tcpdump`` reads."""


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
    padding: int = 0,
    patience: float = PATIENCE,
    half_open: bool = False,
    request: str = "",
    within: Net | None = None,
    stands: bool = False,
    nth: int = 0,
) -> Generator[Command, None, Attempt]:
    """One whole attempt from a socket in `netns`; yields what the kernels learn, returns how it went.

    The packets travel in a fork of the world, and write into it what the kernels learn. A scratch world is one itself.

    `recording`: the kernels' counters go up too, the attempt has every frame that crossed a device, and the client
    hangs up at its end. `size`: the length of each of its packets, in bytes with the IP header. `padding`: bytes
    that the request is longer than its line; the page ``/bytes/4000`` makes the answer long. `discover`: ``ping
    -M``. `half_open`: of TCP only the SYN is sent, and a SYN-ACK is answered with RST. `patience`: the seconds
    after which nothing that arrives counts any more; only queues and proxies make that much time pass. `request`: all
    that is said (`http.py`), in place of a line for `path`. `within`: another conversation's walk (`Net.within`).
    `stands`: the request goes out over a TCP connection that `sport` has already. `nth`: how many conversations a
    program has had before: port and luck are others.
    """
    net = within or Net(_fork(world), forced=forced, recording=recording, deadline=world.clock + patience, nth=nth)
    world = net.world
    proto = "icmp6" if proto == "icmp" and ":" in dst else proto
    legs: list[Leg] = []
    told = bpf.instead(net, netns, dst, port, proto) if world.rows[netns.partition("/")[0], "bpf"] else None
    if isinstance(told, bpf.Refusal):
        return _refused(netns, proto, dst, port, told)
    if told is not None:
        net.write(*told.learned)
        yield from _handed_over(net)
        legs, dst, port = [_redirected(netns, proto, dst, port, told)], told.dst, told.port
    found, src = _origin(world, netns, dst, source)
    if not src or (":" in dst and not speaks_ipv6(world, netns)):
        return (yield from _no_way(net, netns, dst, port, proto, found))
    mine = _tuple(net, netns, (proto, src, dst, port), sport)
    mtu, net.standing = pmtu.mtu(world, netns, found, dst), stands
    client = Client(netns, mine, path, None, stands, ttl, size, discover, net.recording, mtu)
    client.padding, client.half_open, client.asking = padding, half_open, request
    net.ends[netns, inverse(mine)] = client
    yield from _try(net, client, legs, syn_times(world, netns, proto)[:attempts])
    if recording:
        yield from count(net)
    return _told(net, client, legs)


def _fork(world: World) -> World:
    return world if world.scratch else world.fork()


def _tuple(net: Net, netns: str, way: tuple[str, str, str, int], sport: int | None) -> Tuple:
    """The connection's own tuple, from a port that was asked for or is free."""
    proto, src, dst, port = way
    sport = sport or _free_port(net.world, netns, proto, src, dst, port, net.nth)
    return Tuple(proto, src, dst, sport, sport if proto in PINGS else port)


def _told(net: Net, client: Client, legs: list[Leg]) -> Attempt:
    """How it went; times are counted from when it began."""
    began = net.world.clock if net.began is None else net.began
    return Attempt(
        tuple(leg for leg in legs if leg.name not in FAREWELL),
        client.ending or Ending("timeout", error="Connection timed out"),
        tuple(net.draws),
        net.compared,
        tuple(net.frames),
        round(client.last - began, 9) if client.last else 0.0,
        client.arrived - client.ahead,
        len(net.answer),
        round(client.stood - began, 9) if client.stood else 0.0 if client.established else None,
        round(client.heard - began, 9) if client.heard else 0.0,
        tuple(net.served),
        tuple(net.asides),
    )


def ping(world: World, netns: str, dst: str) -> Generator[Command, None, Attempt]:
    """One ICMP echo request and what comes back."""
    return (yield from connect(world, netns, dst, 0, "icmp"))


def count(net: Net) -> Generator[Command, None, None]:
    """The counters of the kernels go up by what this walk counted (rows ``(packets, bytes)``); captures can be read."""
    net.frames.sort(key=lambda frame: frame.time)
    yield Put(CAPTURED, tuple(net.frames))
    for key, (packets, size) in net.counted.items():
        before = net.world.get(key) or (0, 0)
        yield Put(key, (before[0] + packets, before[1] + size))


def syn_times(world: World, netns: str, proto: str = "tcp") -> tuple[float, ...]:
    """The seconds at which a client knocks within its patience: some knocks a second apart, then each pause twice as
    long as the one before (`tcp_timer.c: tcp_retransmit_timer`)."""
    if proto != "tcp":
        return INIT_TIMES if proto == "sctp" else (0.0,)
    linear = int(sysctl.read(world, netns, "net.ipv4.tcp_syn_linear_timeouts") or 0)
    if linear >= len(SYN_TIMES) - 1:
        return SYN_TIMES
    times, pause = [0.0], 1.0
    while times[-1] + pause < PATIENCE:
        times.append(times[-1] + pause)
        pause *= 1 if len(times) - 1 <= linear else 2
    return tuple(times)


def _redirected(netns: str, proto: str, dst: str, port: int, told: bpf.Instead) -> Leg:
    """The socket is given another address before there is any packet (`BPF_CGROUP_RUN_PROG_INET4_CONNECT`)."""
    asked = Packet(proto, NOBODY, dst, 0, port)
    says = f"asked for {dst}:{port}, the socket is told {told.dst}:{told.port}"
    step = Step(netns, "nat", says, asked, asked._replace(dst=told.dst, dport=told.port), told.because, "", "connect()")
    return Leg("connect", "request", 0.0, 0, (step,))


def _refused(netns: str, proto: str, dst: str, port: int, told: bpf.Refusal) -> Attempt:
    """The program at ``connect()`` says no."""
    asked = Packet(proto, NOBODY, dst, 0, port)
    says = f"asked for {dst}:{port}, the socket is told: {told.errno}"
    step = Step(netns, "drop", says, asked, asked, told.because, "", "connect()", reason=NO_PACKET)
    return Attempt((Leg("connect", "request", 0.0, 0, (step,)),), Ending("unreachable", error=told.errno), ())


def _origin(world: World, netns: str, dst: str, source: str) -> tuple[fib.Found, str]:
    """The way that a connection takes and the address that it comes from ("" = there is none)."""
    found = fib.lookup(world, netns, dst)
    src = fib.source_for(world, netns, found, dst) if found.kind in ("unicast", "local") or found.discards else ""
    src = source if src and source else src
    if not src and found.kind == "unicast" and ":" not in dst:
        src = NOBODY  # a machine without an address asks all the same (`inet_select_addr` gives 0)
    if src and ":" not in dst and world.table(netns, "rule"):
        found = fib.lookup(world, netns, dst, src=src)  # once more with the source (`route.h: ip_route_connect`)
        src = src if found.kind in ("unicast", "local") else ""
    return found, src


def _refusal(world: World, netns: str, dst: str, found: fib.Found) -> str:
    if ":" in dst and not speaks_ipv6(world, netns):
        return "Address family not supported by protocol"
    return path.LOCAL_ERRORS.get(found.kind, UNREACHABLE)


def _no_way(
    net: Net, netns: str, dst: str, port: int, proto: str, found: fib.Found
) -> Generator[Command, None, Attempt]:
    """``connect()`` itself fails; of an address without any route the kernel keeps count."""
    words = _refusal(net.world, netns, dst, found)
    if net.recording and net.began is None and words == UNREACHABLE:
        net.stat(netns, "Ip6OutNoRoutes" if ":" in dst else "IpOutNoRoutes")
        yield from count(net)
    packet = Packet(proto, "::" if ":" in dst else "0.0.0.0", dst, 0, port, FIRST[proto][0])
    says = f"connect to {dst}: {words}"
    step = Step(netns, "drop", says, packet, packet, found.because, reason=NO_PACKET)
    return Attempt((Leg(FIRST[proto][1], "request", 0.0, 0, (step,)),), Ending("unreachable", error=words), ())


def _free_port(world: World, netns: str, proto: str, src: str, dst: str, port: int, nth: int = 0) -> int:
    """Each new connection takes a new source port out of 32768-60999."""
    rows = world.table(netns, "conntrack")
    candidate = 32768 + ((world.revision + nth) * 2) % 28232
    while Tuple(proto, src, dst, candidate, port) in rows:
        candidate = 32768 + (candidate - 32766) % 28232
    return candidate


def _first(net: Net, client: Client) -> Packet:
    """What the client sends of itself."""
    proto = client.mine.proto
    if net.standing:
        return client.packet("PSH-ACK", client.request)
    packet = client.packet(FIRST[proto][0], client.request if proto == "udp" else "")
    return packet._replace(mss=mss_of(client.mtu, client.mine.dst)) if proto == "tcp" else packet


def _try(net: Net, client: Client, legs: list[Leg], times: tuple[float, ...]) -> Generator[Command, None, None]:
    """Send, and send again while nothing came back; stop early where nothing could come out differently."""
    name, packet = FIRST[client.mine.proto][1], _first(net, client)
    if net.standing:
        name, net.asked = "request", len(client.request)
    for attempt, time in enumerate(times):
        start = net.world.clock if net.began is None else net.began
        drawn, learned, net.attempt = len(net.draws), 0, attempt
        net.outbox.append(Outgoing(client.netns, packet, name, discover=client.discover, at=start + time))
        while net.outbox or client.speaks_again(net):
            out = net.outbox.popleft()
            if out.at > net.deadline:
                continue
            steps: list[Step] = []
            net.say, net.time = steps.append, out.at
            told, words = flow.repeat(net, out, steps), ""
            if told is None:
                words = _walk(net, out, steps)
            net.stamp()
            _count_drops(net, steps)
            learned += len(net.effects)
            yield from _handed_over(net)
            if words and out.name == name and client.mine.proto != "tcp":
                client.fail("unreachable", words)
            way = "request" if out.netns == client.netns else "reply"
            legs.append(Leg(out.name, way, round(out.at - start, 9), attempt, told or tuple(steps)))
        hopeless = drawn == len(net.draws) and not learned
        if client.ending is not None or client.established or hopeless or qdisc.gave_up(net.draws[drawn:]):
            return


def _walk(net: Net, out: Outgoing, steps: list[Step]) -> str:
    """One packet and all that becomes of it; returns an errno's words where it cannot even leave."""
    compared, drawn, net.met = net.compared, len(net.draws), []
    words = path.send_local(net, out)
    net.stamp()
    path.run(net)
    if drawn == len(net.draws) and not net.recording:
        flow.remember(net, out, steps, compared)
    return words


def _handed_over(net: Net) -> list[Command]:
    """What the kernels learned since it was asked last, for whoever keeps it: nobody does in a scratch world."""
    effects, net.effects = net.effects, []
    return [] if net.world.scratch else effects


def _count_drops(net: Net, steps: list[Step]) -> None:
    """What a drop monitor would count (tracepoint ``skb:kfree_skb``): table ``drops``, the reason's name."""
    if net.recording:
        for step in steps:
            if step.what in ENDS and step.reason:
                net.count((step.where, "drops", step.reason), step.before.size)
