"""conntrack held against the kernel: the same packets through a real router and through ours, the same entries."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from k8slearn.journal import Put, World
from k8slearn.linux import conntrack
from k8slearn.linux.rows import Netns
from k8slearn.linux.skb import Net, Skb
from k8slearn.packet import Packet
from k8slearn.shell.conntrack_text import text_of
from tests.linux.boxes import CHUNKS, ROUTER, Boxes, boxes, entries, sctp_packet, tcp_packet

pytestmark = pytest.mark.root

C, S, R = "10.1.0.2", "10.2.0.2", "node:r"
FULL = {"S": "SYN", "SA": "SYN-ACK", "A": "ACK", "PA": "PSH-ACK", "FA": "FIN-ACK", "R": "RST", "RA": "RST-ACK"}


@pytest.fixture(scope="module")
def router() -> Iterator[Boxes]:
    with boxes("c", "r", "s") as there:
        there.script(ROUTER)
        yield there


class Ours:
    """A router of which only conntrack exists."""

    def __init__(self) -> None:
        self.world = World()
        self.world.apply(Put((R, "netns", ""), Netns("r", R)))

    def forward(self, packet: Packet) -> str:
        """A packet passes both hooks; its ctstate."""
        net, skb = Net(self.world), Skb(R, packet, "c0")
        conntrack.find(net, skb, "PREROUTING")
        conntrack.confirm(net, skb, "POSTROUTING")
        return skb.tracked.info if skb.tracked is not None else skb.state

    def lines(self) -> list[str]:
        return [" ".join(text_of(row, self.world.clock).split()) for row in conntrack.entries(self.world, R)]


def seeds(count: int) -> list[Any]:
    return [pytest.param(n, marks=[pytest.mark.slow] if n >= 20 else []) for n in range(count)]


def _sensible(rng: Random, sent: list[tuple[str, str]]) -> tuple[str, str]:
    """No three acknowledgements alike (a retransmission to conntrack), no SYN from both sides at once, and no answer
    of the client's to what it cannot have heard."""
    while True:
        side, flags = rng.choice("cs"), rng.choice([*FULL])
        again = any(one == side and "A" in old for one, old in sent[-3:])
        early = (side, flags) == ("c", "RA")
        if not (again and flags in ("A", "PA")) and (side, flags) != ("s", "S") and not early:
            return side, flags


@pytest.mark.parametrize("seed", seeds(300))
def test_any_tcp_packets_lead_to_the_state_that_the_kernel_has(router: Boxes, seed: int) -> None:
    """Random flags from both sides, with sequence numbers that fit; after each packet the entries are the same."""
    rng, ours, port = Random(seed), Ours(), 20000 + seed
    raw = {name: router.socket(name, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) for name in "cs"}
    for one in raw.values():
        one.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
    seq, syn, sent = {"c": 1000, "s": 5000}, dict[str, int](), list[tuple[str, str]]()
    script = rng.choice((("cS", "sSA", "cA"), ("cS", "sSA"), ("cS",), ("cA", "sA"), ()))
    for n in range(8):
        side, flags = (script[n][0], script[n][1:]) if n < len(script) else _sensible(rng, sent)
        other = "s" if side == "c" else "c"
        ends = (C, S, port, 80) if side == "c" else (S, C, 80, port)
        again = flags == "S" and any("SYN_RECV" in line for line in ours.lines())
        seq[side] -= again
        ack = syn.get(other, seq[other]) if flags == "SA" else seq[other]
        raw[side].sendto(tcp_packet(*ends, flags, seq[side], ack), (ends[1], 0))
        syn |= {side: seq[side] + 1} if flags == "S" else {}
        before = ours.lines()
        ours.forward(Packet("tcp", *ends, FULL[flags]))
        seq[side] += again or (("S" in flags or "F" in flags) and ours.lines() != before)
        sent.append((side, flags))
        real = entries(router, "r", f"-p tcp --orig-port-src {port}") + entries(router, "r", f"-p tcp --dport {port}")
        assert ours.lines() == [" ".join(one.split()) for one in real], " ".join(a + b for a, b in sent)


@pytest.mark.parametrize("seed", seeds(200))
def test_any_sctp_chunks_lead_to_the_state_that_the_kernel_has(router: Boxes, seed: int) -> None:
    """This kernel cannot speak SCTP, but its conntrack can track it."""
    rng, ours, port, sent = Random(seed), Ours(), 25000 + seed, list[str]()
    raw = {name: router.socket(name, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) for name in "cs"}
    router.run("r", "sysctl -qw net.netfilter.nf_conntrack_checksum=0")
    script = ("cINIT", "sINIT-ACK", "cCOOKIE-ECHO", "sCOOKIE-ACK")[: rng.choice((1, 2, 3, 4, 4, 4))]
    for n in range(8):
        word = script[n] if n < len(script) else rng.choice("cs") + rng.choice([*CHUNKS])
        ends = (C, S, port, 80) if word[0] == "c" else (S, C, 80, port)
        raw[word[0]].sendto(sctp_packet(*ends, word[1:]), (ends[1], 0))
        ours.forward(Packet("sctp", *ends, word[1:]))
        sent.append(word)
        real = entries(router, "r", f"-p sctp --orig-port-src {port}") + entries(router, "r", f"-p sctp --dport {port}")
        assert ours.lines() == [" ".join(one.split()) for one in real], " ".join(sent)
