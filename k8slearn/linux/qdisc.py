"""Queueing disciplines: what waits, and what is thrown away, between the stack and a device (``tc qdisc``).

::

    ip_output ─ qdisc ─ (captures) ─ device ═ cable ═ device ─ (captures) ─ ingress ─ receive
                 │
                 ├─ netem: later, or never
                 └─ tbf:   as many bytes a second as the bucket has tokens for

A packet that has to wait moves the conversation's clock on (`skb.Net.time`): so the logical clock says how long N
bytes take. Chance comes from the same hash as every other draw, so `fates()` knows each way it can fall.

TCP sends again what was lost, so one loss in ten seldom breaks a connection; so do some others (`RESENT`)::

    lost                      sent again after (seconds)
    SYN                       1, 2, 3, 4
    SYN-ACK                   1, 3
    data                      0.2, 0.6, 1.4, 3
    arp                       1, 2
    neighbour-solicitation    1, 2
    neighbour-advertisement   1, 2
    INIT                      3
    sctp                      1, 3

All tries of one packet at one device are one draw: it is lost for good with the chance that all of them are, and else
arrives as late as the tries that failed. So several lossy devices on one way are taken one by one, and answers to
repeated packets are not drawn again: nearly what happens, and each packet has two fates instead of thirty.

This is the network's quality of service. What Kubernetes calls QoS (a pod's requests and limits) has nothing to do
with it.

Sources: tc-netem(8), tc-tbf(8), `sch_tbf.c`, `sch_netem.c`.

Left out: every other qdisc (htb, fq_codel, prio), classes and filters on the way out, reordering, duplication,
corruption and jitter; queues that overflow (what does not fit into `limit` waits all the same); other conversations in
the same queue; copies of one frame, which wait one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux.skb import Net
from k8slearn.packet import Packet
from k8slearn.trace import Because, Draw, Step

ETHERNET_HEADER = 14


@dataclass(frozen=True, slots=True)
class Netem:
    """``netem``: delays packets (`delay` in seconds) and loses some (`loss` in percent)."""

    handle: str
    delay: float = 0.0
    loss: float = 0.0

    def __str__(self) -> str:
        words = [f"delay {self.delay * 1000:g}ms"] if self.delay else []
        return " ".join(["netem", *words, *([f"loss {self.loss:g}%"] if self.loss else [])])


@dataclass(frozen=True, slots=True)
class Tbf:
    """``tbf``: a token bucket of `burst` bytes that fills with `rate` bits a second; who finds none waits."""

    handle: str
    rate: int
    burst: int
    limit: int
    """How many bytes may wait."""
    fill: int
    """Microseconds that an empty bucket takes to fill, as the kernel counts them."""

    def __str__(self) -> str:
        return f"tbf rate {self.rate}bit burst {self.burst}b"


@dataclass(frozen=True, slots=True)
class Ingress:
    """``ingress``: no queue, but the place where filters look at what comes in (`ingress.py`); ``clsact`` is the same
    for both directions, and there programs hang (`bpf.py`)."""

    handle: str = "ffff:"
    kind: str = "ingress"


Qdisc = Netem | Tbf


def name(row: Qdisc | Ingress) -> str:
    """What the tools call it."""
    return row.kind if isinstance(row, Ingress) else "tbf" if isinstance(row, Tbf) else "netem"


ADD, REPLACE, CHANGE = ("create", "exclusive"), ("create", "replace"), ()
"""What netlink is told by ``tc qdisc add``, ``replace`` and ``change``."""


def key(netns: str, dev: str, parent: str = "root") -> Key:
    """Where the world keeps a device's qdisc; `parent` is ``root`` or ``ingress``."""
    return (netns, "qdisc", (dev, parent))


def set_root(world: World, netns: str, dev: str, row: Qdisc, how: tuple[str, ...] = ADD) -> Commands:
    """Give a device a queue of its own, or change the one it has (`sch_api.c: tc_modify_qdisc`); `row.handle` is
    empty where the kernel may choose."""
    here: Qdisc | None = world.get(key(netns, dev))
    fresh = here is None or row.handle not in ("", here.handle)
    if here is not None and fresh and "replace" not in how:
        raise error("NLM_F_REPLACE needed to override.")
    if here is not None and not fresh and "exclusive" in how:
        raise error("Exclusivity flag on, cannot modify.")
    if fresh and "create" not in how:
        raise error("Qdisc not found. To create specify NLM_F_CREATE flag.")
    if here is not None and not fresh and type(here) is not type(row):
        raise error("Invalid qdisc name.")
    if here is not None and not fresh:
        yield Put(key(netns, dev), replace(row, handle=here.handle))
        return
    yield from forget_counters(world, netns, dev, "root")
    number = (world.get((netns, "qdisc_handle", "")) or 0x8000) + (not row.handle)
    yield Put((netns, "qdisc_handle", ""), number)
    yield Put(key(netns, dev), replace(row, handle=row.handle or f"{number:x}:"))


def add_ingress(world: World, netns: str, dev: str, how: tuple[str, ...] = ADD) -> Commands:
    """``tc qdisc add dev DEV ingress``."""
    here = world.get(key(netns, dev, "ingress"))
    if here is not None and "exclusive" in how:
        raise error("Exclusivity flag on, cannot modify.")
    if here is None and "create" not in how:
        raise error("Qdisc not found. To create specify NLM_F_CREATE flag.")
    if here is None:
        yield Put(key(netns, dev, "ingress"), Ingress())


def delete(world: World, netns: str, dev: str, parent: str = "root", handle: str = "", kind: str = "") -> Commands:
    """``tc qdisc del dev DEV root|ingress``: the kernel's own queue again; an ingress takes its filters along."""
    row = world.get(key(netns, dev, parent))
    if row is None:
        nothing = "Cannot find specified qdisc on specified device."
        raise error("Cannot delete qdisc with handle of zero." if parent == "root" else nothing)
    if handle not in ("", row.handle):
        raise error("Invalid handle.")
    if kind not in ("", name(row)):
        raise error("Invalid qdisc name.")
    yield from _remove(world, netns, dev, parent)


def forget(world: World, netns: str, dev: str) -> Commands:
    """The device goes: so do its queues and filters."""
    for parent in ("root", "ingress"):
        if world.get(key(netns, dev, parent)) is not None:
            yield from _remove(world, netns, dev, parent)


def _remove(world: World, netns: str, dev: str, parent: str) -> Commands:
    for name, row in list(world.rows[netns, "tcfilter"].items()) if parent == "ingress" else ():
        if row.dev == dev:
            yield Remove((netns, "tcfilter", name))
    for hook in ("ingress", "egress") if parent == "ingress" else ():
        if world.get((netns, "bpf", (dev, hook))) is not None:
            yield Remove((netns, "bpf", (dev, hook)))
    yield from forget_counters(world, netns, dev, parent)
    yield Remove(key(netns, dev, parent))


def forget_counters(world: World, netns: str, dev: str, parent: str) -> Commands:
    """A new queue counts from nothing."""
    for what in COUNTED:
        where: Key = (netns, "counter", ("qdisc", dev, parent, what))
        if world.get(where) is not None:
            yield Remove(where)


COUNTED = ("sent", "dropped", "overlimits")
"""What ``tc -s`` tells of a queue; each is a row of the table ``counter``, named ("qdisc", dev, parent, what)."""


def error(words: str) -> CommandError:
    """What the kernel says by its extended acknowledgement."""
    return CommandError(f"Error: {words}\n", 2)


def dequeue(net: Net, netns: str, dev: str, frame: Packet) -> bool:
    """A device's own queue lets a frame go, at once or later; False where it is lost."""
    where = key(netns, dev)
    row: Qdisc | None = net.world.get(where)
    if row is None:
        return True
    because = Because(where, f"qdisc {row} dev {dev}")
    taken = (_tbf if isinstance(row, Tbf) else _netem)(net, where, row, dev, frame, because)
    size = frame.size + ETHERNET_HEADER if taken else 0
    net.count((netns, "counter", ("qdisc", dev, "root", "sent" if taken else "dropped")), size)
    return taken


def _netem(net: Net, key: Key, row: Any, dev: str, frame: Packet, because: Because) -> bool:
    """`sch_netem.c: netem_enqueue`: first it is lost or not, then it waits."""
    pauses = resent(frame)
    times = 1 + len(pauses)
    lost = times if row.loss >= 100 else 0
    if 0 < row.loss < 100:
        lost = net.tries(key, f"loss {row.loss:g}%", Fraction(str(row.loss)) / 100, times)
    if lost == times:
        often = f"all {times} times that it is sent" if times > 1 and row.loss < 100 else ""
        says = f"netem on {dev} loses it {often}".rstrip()
        net.say(Step(key[0], "drop", says, frame, frame, because, dev, reason="QDISC_DROP"))
        return False
    if lost:
        net.time += pauses[lost - 1]
        says = f"netem on {dev} loses it {lost}x: sent again, it is through after {pauses[lost - 1]:g} s"
        net.say(Step(key[0], "transmit", says, frame, frame, because, dev))
    if row.delay:
        net.say(_waits(net, row.delay, key[0], dev, frame, because))
    return True


RESENT: Mapping[str, tuple[float, ...]] = {
    "SYN": (1.0, 2.0, 3.0, 4.0),
    "SYN-ACK": (1.0, 3.0),
    "data": (0.2, 0.6, 1.4, 3.0),
    "arp": (1.0, 2.0),
    "neighbour-solicitation": (1.0, 2.0),
    "neighbour-advertisement": (1.0, 2.0),
    "INIT": (3.0,),
    "sctp": (1.0, 3.0),
}
"""What is sent again while nothing comes back -> the seconds after the first time, within a client's patience: TCP's
RTO is 200 ms at first and doubles, a SYN's is a second; who asks for a neighbour asks three times."""


def resent(frame: Packet) -> tuple[float, ...]:
    """When a lost packet is sent again; a datagram, a ping and a bare ACK are not."""
    while frame.inner is not None and frame.proto not in ("icmp", "icmp6"):
        frame = frame.inner
    if frame.proto == "tcp" and (frame.payload or "FIN" in frame.flags):
        return RESENT["data"]
    if frame.proto in ("arp", "sctp") and frame.flags not in RESENT:
        return RESENT[frame.proto]
    return RESENT.get(frame.flags, ())


def gave_up(draws: Iterable[Draw]) -> bool:
    """Did chance lose a packet as often as its sender tries?"""
    return any(draw.hit and draw.key[1] == "qdisc" for draw in draws)


def _tbf(net: Net, key: Key, row: Any, dev: str, frame: Packet, because: Because) -> bool:
    """`sch_tbf.c: tbf_dequeue`: tokens are bytes; the bucket is full when a conversation begins."""
    netns, size = key[0], frame.size + ETHERNET_HEADER
    if size > row.burst:
        says = f"{size} bytes never fit into a bucket of {row.burst}"
        net.say(Step(netns, "drop", says, frame, frame, because, dev, reason="QDISC_DROP"))
        return False
    tokens, when = net.buckets.get(key, (float(row.burst), net.time))
    behind = max(0.0, when - net.time)
    tokens = min(float(row.burst), tokens + max(0.0, net.time - when) * row.rate / 8)
    wait = behind + max(0.0, (size - tokens) * 8 / row.rate)
    if wait:
        net.count((netns, "counter", ("qdisc", dev, "root", "overlimits")))
        net.say(_waits(net, wait, netns, dev, frame, because))
    net.buckets[key] = (max(0.0, tokens - size), net.time)
    return True


def _waits(net: Net, seconds: float, netns: str, dev: str, frame: Packet, because: Because) -> Step:
    net.time += seconds
    says = f"waits {seconds * 1000:.3g} ms in the queue of {dev}"
    return Step(netns, "transmit", says, frame, frame, because, dev)
