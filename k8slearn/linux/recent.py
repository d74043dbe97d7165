"""recent: lists of addresses that were seen, and when (``-m recent``, `xt_recent.c`).

kube-proxy keeps a client with its Pod by them: each endpoint's chain *sets* the client's address in a list of its own,
and the Service's chain first asks every list whether it saw the client within the timeout. A list is a row
``(netns, "recent", NAME)``; what a packet changes in it comes back as an effect of its walk. Times are seconds of the
logical clock.

Left out: writing ``/proc/net/xt_recent/NAME``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from k8slearn.journal import Key
from k8slearn.linux import ip
from k8slearn.linux.rules import Match
from k8slearn.linux.skb import Net, Skb

LONGEST = 100
"""Addresses in one list (``ip_list_tot``); the one that was quiet the longest goes first."""
STAMPS = 32
"""How many times are remembered of an address, where no ``--hitcount`` asks for more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An address and the seconds at which it was seen, the oldest first."""

    address: str
    stamps: tuple[float, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class Recent:
    """One list, the address that was quiet the longest first."""

    seen: tuple[Seen, ...] = ()

    def without(self, entry: Seen) -> Recent:
        return Recent(tuple(other for other in self.seen if other is not entry))

    def with_last(self, entry: Seen) -> Recent:
        kept = tuple(other for other in self.seen if other.address != entry.address)
        return Recent((*kept, entry)[-LONGEST:])


def test(told: Mapping[str, Match]) -> Callable[[Net, Skb, Key], bool]:
    """The condition of one ``-m recent``."""
    action = next(option for option in ("--set", "--rcheck", "--update", "--remove") if option in told)
    asked = Asked(
        action,
        told["--name"].value,
        "dst" if "--rdest" in told else "src",
        ip.number(told["--mask"].value),
        float(told["--seconds"].value) if "--seconds" in told else 0.0,
        int(told["--hitcount"].value) if "--hitcount" in told else 0,
        "--rttl" in told,
        "--reap" in told,
    )
    negated = told[action].negated
    return lambda net, skb, key: asked.holds(net, skb) != negated


@dataclass(frozen=True, slots=True)
class Asked:
    """What one ``-m recent`` asks and does."""

    action: str
    name: str
    side: str
    mask: int
    seconds: float
    hits: int
    ttl: bool
    reap: bool

    def holds(self, net: Net, skb: Skb) -> bool:
        """`recent_mt()`: ask the list, and write what the answer changes."""
        key, now = (skb.netns, "recent", self.name), net.time
        listed: Recent = net.recall(key) or Recent()
        address, ttl = self._address(skb), skb.packet.ttl
        entry = next((s for s in listed.seen if s.address == address and (not self.ttl or s.ttl == ttl)), None)
        if entry is None:
            if self.action == "--set":
                net.learned[key] = listed.with_last(Seen(address, (now,), ttl))
            return self.action == "--set"
        after, holds = listed, True
        if self.action == "--remove":
            after = listed.without(entry)
        elif self.action != "--set":
            holds = self._counts(entry, now)
            after = self._reaped(listed, now)
        if self.action == "--set" or (self.action == "--update" and holds):
            size = max(STAMPS, 1 << (self.hits - 1).bit_length()) if self.hits else STAMPS
            after = after.with_last(replace(entry, stamps=(*entry.stamps, now)[-size:], ttl=ttl))
        if after != listed:
            net.learned[key] = after
        return holds

    def _address(self, skb: Skb) -> str:
        packet = skb.packet
        address = packet.src if self.side == "src" else packet.dst
        return ip.text(ip.number(address) & self.mask, ip.bits(address))

    def _counts(self, entry: Seen, now: float) -> bool:
        """Was it seen often enough in the time that counts?"""
        counted = sum(not self.seconds or stamp >= now - self.seconds for stamp in entry.stamps)
        return counted >= max(self.hits, 1)

    def _reaped(self, listed: Recent, now: float) -> Recent:
        """``--reap``: the address that was quiet the longest goes if that was too long."""
        if self.reap and listed.seen and listed.seen[0].stamps[-1] < now - self.seconds:
            return Recent(listed.seen[1:])
        return listed
