"""A filter can send what comes in by a device elsewhere, before anybody else looks at it (``tc filter``).

A device can hold back only what it sends: what it receives is here already. Who wants to slow down what comes in
sends it through a device that can queue, an ifb: a ``u32`` filter under the ``ingress`` qdisc redirects every frame to
the ifb, the frame waits there as if it were being sent, and then goes on as if it had just come in by the first one.
So the bandwidth plugin limits both directions of a pod::

    to the pod      host ── tbf on its veth ──────────────────────> pod
    from the pod    host <── (veth again) ── tbf on ifb <── filter ── veth <── pod

Filters are asked in the order of their preference, the first that takes the frame decides (`act_api.c`,
`act_mirred.c`). An ifb that is down swallows what it is given.

A program (`bpf.py`) that hangs here is asked before the filters.

Left out: conditions (``match u32 0 0`` takes all), classifiers other than ``u32`` and programs (flower), filters on the
way out, classes, actions other than ``mirred egress redirect``.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8slearn.journal import Commands, Key, Put, Remove, Table, World
from k8slearn.linux import bpf, fib, ifb, path, qdisc
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

FIRST = 0xC000
"""The preference of a filter for which nobody chose one; each further one gets one less (`cls_api.c`)."""
NODE = 0x800
PROTOCOLS = {"all": None, "ip": "ip", "ipv6": "ip6", "arp": "arp"}
"""The word -> what a frame has to be; None: anything."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A u32 filter that takes every frame of its protocol and redirects it."""

    dev: str
    pref: int
    protocol: str
    to: str
    flowid: str
    table: int
    """The number of its hash table: all filters of one preference share one."""
    node: int
    """Its number in there, from 0x800."""
    index: int
    """The number of its action, from 1 in each namespace."""

    def __str__(self) -> str:
        return f"protocol {self.protocol} pref {self.pref} u32 match all action mirred egress redirect dev {self.to}"


def key(netns: str, row: Filter) -> Key:
    """Where the world keeps a filter."""
    return (netns, "tcfilter", (row.dev, row.pref, row.node))


def on(table: Table, dev: str) -> list[Filter]:
    """A device's filters in the order in which they are asked."""
    return sorted((row for row in table.values() if row.dev == dev), key=lambda row: (row.pref, row.node))


def add(world: World, netns: str, dev: str, pref: int, protocol: str, to: str, flowid: str = "") -> Commands:
    """``tc filter add dev DEV parent ffff: ...``; a preference of 0 lets the kernel choose."""
    if world.get(qdisc.key(netns, dev, "ingress")) is None:
        raise qdisc.error("Parent Qdisc doesn't exists.\nWe have an error talking to the kernel")
    here: list[Filter] = on(world.table(netns, "tcfilter"), dev)
    pref = pref or next((row.pref - 1 for row in here if row.pref >= 0x8000), FIRST)
    same = [row for row in here if row.pref == pref]
    if same and same[0].protocol != protocol:
        words = "Protocol mismatch for filter with specified priority."
        raise qdisc.error(f"{words}\nWe have an error talking to the kernel")
    table = same[0].table if same else max((row.table + 1 for row in here), default=NODE)
    node = same[-1].node + 1 if same else NODE
    taken = {row.index for row in world.table(netns, "tcfilter").values()}
    index = next(number for number in range(1, len(taken) + 2) if number not in taken)
    row = Filter(dev, pref, protocol, to, flowid, table, node, index)
    yield Put(key(netns, row), row)


def delete(world: World, netns: str, dev: str, pref: int = 0) -> Commands:
    """``tc filter del dev DEV parent ffff: [prio N]``: those of one preference, or all."""
    if world.get(qdisc.key(netns, dev, "ingress")) is None:
        raise qdisc.error("Parent Qdisc doesn't exists.\nWe have an error talking to the kernel")
    rows = [row for row in on(world.table(netns, "tcfilter"), dev) if pref in (0, row.pref)]
    if pref and not rows:
        words = "Filter with specified priority/protocol not found."
        raise qdisc.error(f"{words}\nWe have an error talking to the kernel")
    for row in rows:
        yield Remove(key(netns, row))


def receive(net: Net, skb: Skb, link: Link) -> None:
    """A frame has come in by a device under filters (`dev.c: sch_handle_ingress`)."""
    if not bpf.passes(net, skb, link, "ingress"):
        return
    netns, frame = skb.netns, skb.packet
    if net.world.get(qdisc.key(netns, link.name, "ingress")) is not None:
        net.count((netns, "counter", ("qdisc", link.name, "ingress", "sent")), frame.size)
    found = next((row for row in _asked(net, netns, link.name) if _takes(row, frame)), None)
    if found is None:
        path.received(net, skb, link)
        return
    why = Because(key(netns, found), f"filter {found} dev {link.name}")
    device = fib.link(net.world, netns, found.to)
    if device is None or not device.up:
        net.count((netns, "counter", ("qdisc", link.name, "ingress", "dropped")))
        state = "is down" if device is not None else "is gone"
        says = f"{link.name} redirects it to {found.to}, which {state}"
        net.say(Step(netns, "drop", says, frame, frame, why, link.name, reason="TC_INGRESS"))
        return
    net.say(Step(netns, "transmit", f"{link.name} redirects it to {found.to}", frame, frame, why, link.name))
    if device.kind == "ifb":
        ifb.redirect(net, netns, device, frame, lambda: path.received(net, skb, link))
    else:
        path.hand_over(net, netns, device, frame)


def _asked(net: Net, netns: str, dev: str) -> list[Filter]:
    found: dict[str, list[Filter]] = net.world.table(netns, "tcfilter").index(_by_device)
    return found.get(dev, [])


def _by_device(table: Table) -> dict[str, list[Filter]]:
    return {dev: on(table, dev) for dev in {row.dev for row in table.values()}}


def _takes(row: Filter, frame: Packet) -> bool:
    wanted = PROTOCOLS[row.protocol]
    return wanted is None or wanted == ("arp" if frame.proto == "arp" else frame.family)
