"""eBPF: small programs of somebody else's that the kernel runs at its hooks.

A program that a person loads may look at a packet where it passes, rewrite it, throw it away, or send it somewhere
else, past all that would have come. What it knows it reads from **maps**, tables that an agent fills. So a network
can be built without a bridge, without iptables, and nearly without routes::

    connect() ── cgroup/connect4 ── the socket is told another address ── packets
    packet ── device ── tc ingress ──┬─ ok: to the stack, as ever
                                     ├─ redirect: out of another device
                                     ├─ redirect peer: in by the other end of a veth, in its namespace
                                     └─ drop
    stack ── tc egress ── device

A loaded program is a value here as there: `Program` names it and has its function, which is a walk of its own and says
what becomes of the packet. It stands in the namespace's table ``bpf``, under ``(device, "ingress")``, ``(device,
"egress")``, or, for every socket of a machine, ``("cgroup", "connect4")``. A device with programs has the qdisc
``clsact``, which is where Linux hangs them (`act_bpf`, `cls_bpf`, `sch_ingress.c`).

Sources: bpf(2), tc-bpf(8), `net/core/filter.c` (bpf_redirect, bpf_redirect_peer), `net/ipv4/af_inet.c`
(BPF_CGROUP_RUN_PROG_INET4_CONNECT).

Left out: the byte code and its verifier; XDP; programs on sockets other than at ``connect()``; loading one by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import kinds, path, qdisc
from k8slearn.linux.rows import Link
from k8slearn.linux.skb import Net, Skb, TunnelKey
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

OK, TAKEN = True, False
"""What a program says of a packet: it goes on as ever (TC_ACT_OK); it is somewhere else, or gone."""
HOOKS = ("ingress", "egress")
CONNECT = ("cgroup", "connect4")
"""Where the program hangs that every ``connect()`` of a machine asks first."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program for packets: ``cil_from_container``."""

    name: str
    run: Callable[[Net, Skb, Link], bool]


class Refusal(NamedTuple):
    """``connect()`` fails with an errno, and no packet is made; and what decided."""

    errno: str
    because: Because


class Instead(NamedTuple):
    """The address that a socket connects to in place of the one that it was told, and what decided."""

    dst: str
    port: int
    because: Because
    learned: tuple[Put, ...] = ()
    """What the program writes into its maps."""


@dataclass(frozen=True, slots=True)
class Connect:
    """A program for sockets, such as ``cil_sock4_connect``: it gives another address, an errno, or nothing."""

    name: str
    run: Callable[[Net, str, str, int, str], Instead | Refusal | None]


def attach(netns: str, dev: str, hook: str, program: Program) -> Commands:
    """Hang a program to a device (``tc filter add dev DEV ingress bpf da obj ...``); it gets its ``clsact``."""
    yield Put(qdisc.key(netns, dev, "ingress"), qdisc.Ingress("ffff:", "clsact"))
    yield Put(_key(netns, dev, hook), program)


def detach(world: World, netns: str, dev: str) -> Commands:
    """The device loses its programs and its ``clsact``."""
    for hook in HOOKS:
        if world.get(_key(netns, dev, hook)) is not None:
            yield Remove(_key(netns, dev, hook))
    if world.get(qdisc.key(netns, dev, "ingress")) is not None:
        yield Remove(qdisc.key(netns, dev, "ingress"))


def attach_sockets(machine: str, program: Connect) -> Commands:
    """Hang a program to the machine's root cgroup: every socket of its processes asks it."""
    yield Put((machine, "bpf", CONNECT), program)


def _key(netns: str, dev: str, hook: str) -> Key:
    return (netns, "bpf", (dev, hook))


def passes(net: Net, skb: Skb, link: Link, hook: str) -> bool:
    """Does the packet go on after the program at this hook, if there is one?"""
    program: Program | None = net.world.rows[skb.netns, "bpf"].get((link.name, hook))
    if program is None:
        return True
    before, skb.program = skb.packet, program.name
    done = program.run(net, skb, link)
    if done and skb.packet != before:
        net.say(
            Step(skb.netns, "rule", f"{program.name} rewrites it", before, skb.packet, _why(skb, link, hook), link.name)
        )
    return done


def _why(skb: Skb, link: Link, hook: str) -> Because:
    return Because(_key(skb.netns, link.name, hook), f"bpf program on {link.name} {hook}")


def instead(net: Net, netns: str, dst: str, port: int, proto: str) -> Instead | Refusal | None:
    """What a ``connect()`` in this namespace is told to connect to; None: what it asked for."""
    program: Connect | None = net.world.rows[netns.partition("/")[0], "bpf"].get(CONNECT)
    return program.run(net, netns, dst, port, proto) if program is not None else None


# --- what a program may do with a packet ---------------------------------------------------------------------------


def drop(net: Net, skb: Skb, says: str, why: Because | None, dev: str) -> bool:
    """TC_ACT_SHOT: the packet ends here."""
    net.say(Step(skb.netns, "drop", says, skb.packet, skb.packet, why, dev, skb.program, "TC_INGRESS"))
    return TAKEN


def redirect(net: Net, skb: Skb, dev: str, frame: Packet, says: str, why: Because) -> bool:
    """`bpf_redirect`: out of another device of this namespace."""
    link: Link | None = net.world.rows[skb.netns, "link"].get(dev)
    if link is None:
        return drop(net, skb, f"redirected to a device that is gone: {dev}", why, dev)
    net.say(Step(skb.netns, "transmit", says, skb.packet, frame, why, dev, skb.program))
    if link.kind in kinds.BARE:
        path.enter(net, skb.like(frame, skb.iif, dev), link)
        return TAKEN
    net.mark = skb.mark
    path.hand_over(net, skb.netns, link, frame)
    net.mark, net.tunnel = 0, None
    return TAKEN


def encapsulate(net: Net, skb: Skb, dev: str, key: TunnelKey, says: str, why: Because) -> bool:
    """`bpf_skb_set_tunnel_key`, then out of an ``external`` tunnel, which does as it is told."""
    net.tunnel = (key, why)
    return redirect(net, skb, dev, skb.packet, says, why)


def answer_arp(net: Net, skb: Skb, link: Link, says: str, why: Because) -> bool:
    """A question for a MAC is turned round and sent back: with the MAC of the device that it came in by."""
    asked = skb.packet
    answer = Packet("arp", asked.dst, asked.src, flags="is-at", eth_src=link.mac, eth_dst=asked.eth_src, size=28)
    net.say(Step(skb.netns, "arp", says, asked, answer, why, link.name, skb.program))
    path.hand_over(net, skb.netns, link, answer)
    return TAKEN


def redirect_peer(net: Net, skb: Skb, dev: str, frame: Packet, says: str, why: Because) -> bool:
    """`bpf_redirect_peer`: in by the other end of a veth, without its queue and without the stack in between."""
    link: Link | None = net.world.rows[skb.netns, "link"].get(dev)
    if link is None or link.peer is None:
        return drop(net, skb, f"redirected to a device that is gone: {dev}", why, dev)
    net.say(Step(skb.netns, "transmit", says, skb.packet, frame, why, dev, skb.program))
    net.wire.append((*link.peer, frame))
    return TAKEN
