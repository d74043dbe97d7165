"""Queueing disciplines: what waits, and what is thrown away, between the stack and a device (``tc qdisc``).

::

    ip_output ─ qdisc ─ (captures) ─ device ═ cable ═ device ─ (captures) ─ ingress ─ receive
                 │
                 ├─ netem: later, or never
                 └─ tbf:   as many bytes a second as the bucket has tokens for

A packet that has to wait moves the conversation's clock on (`skb.Net.time`): so the logical clock says how long N
bytes take. Chance comes from the same hash as every other draw, so `fates()` knows each way it can fall.

This is the network's quality of service. What Kubernetes calls QoS (a pod's requests and limits) has nothing to do
with it.

Sources: tc-netem(8), tc-tbf(8), `sch_tbf.c`, `sch_netem.c`.

Left out: classes and filters by packet, reordering, duplication, corruption and jitter; queues that overflow (packets
of one conversation wait one after the other).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from k8slearn.journal import Key
from k8slearn.linux.skb import Net
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step, Walk

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
    latency: float
    """For how long a packet may wait, in seconds."""

    def __str__(self) -> str:
        return f"tbf rate {self.rate}bit burst {self.burst}b"


Qdisc = Netem | Tbf


def dequeue(net: Net, netns: str, dev: str, frame: Packet) -> Walk[bool]:
    """A device's own queue lets a frame go, at once or later; False where it is lost."""
    key: Key = (netns, "qdisc", (dev, "root"))
    row: Qdisc | None = net.world.get(key)
    if row is None:
        return True
    because = Because(key, f"qdisc {row} dev {dev}")
    if isinstance(row, Tbf):
        return (yield from _tbf(net, key, row, (netns, dev), frame, because))
    if row.loss and net.draw(key, f"loss {row.loss:g}%", Fraction(str(row.loss)) / 100):
        yield Step(netns, "drop", f"netem on {dev} loses it", frame, frame, because, dev, reason="QDISC_DROP")
        return False
    if row.delay:
        yield from _waits(net, row.delay, netns, dev, frame, because)
    return True


def _tbf(net: Net, key: Key, row: Tbf, at: tuple[str, str], frame: Packet, because: Because) -> Walk[bool]:
    """`sch_tbf.c: tbf_dequeue`: tokens are bytes; the bucket is full when a conversation begins."""
    (netns, dev), size = at, frame.size + ETHERNET_HEADER
    if size > row.burst:
        says = f"{size} bytes never fit into a bucket of {row.burst}"
        yield Step(netns, "drop", says, frame, frame, because, dev, reason="QDISC_DROP")
        return False
    tokens, when = net.buckets.get(key, (float(row.burst), net.time))
    tokens = min(float(row.burst), tokens + (net.time - when) * row.rate / 8)
    wait = max(0.0, (size - tokens) * 8 / row.rate)
    if wait:
        yield from _waits(net, wait, netns, dev, frame, because)
    net.buckets[key] = (max(0.0, tokens - size), net.time)
    return True


def _waits(net: Net, seconds: float, netns: str, dev: str, frame: Packet, because: Because) -> Walk[None]:
    net.time += seconds
    says = f"waits {seconds * 1000:.3g} ms in the queue of {dev}"
    yield Step(netns, "transmit", says, frame, frame, because, dev)
