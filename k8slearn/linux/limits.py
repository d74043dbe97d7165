"""A rule can count packets: ``-m limit`` lets so many through in a time, ``-m statistic --mode nth`` every nth.

A limit is a bucket of time: a packet costs the time that one packet of the rate takes, the bucket fills as the clock
goes, and it never holds more than `burst` packets (`nft_limit.c`). Every nth packet matches by counting them all
(`xt_statistic.c`). Both remember in a row of their own, ``(netns, "xt", (family, table, chain, rule))``.

Left out: two equal rules in one chain share their memory here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.journal import Key
from k8slearn.linux.rules import Match
from k8slearn.linux.skb import Net, Skb

Test = Callable[[Net, Skb, Key], bool]
SECONDS = {"sec": 1, "min": 60, "hour": 3600, "day": 86400}
BURST = "5"


def limit(told: Mapping[str, Match], text: str) -> Test:
    """``-m limit --limit 5/min --limit-burst 10``; `text` tells this rule's memory from others'."""
    rate, _, unit = told["--limit"].value.partition("/")
    cost = SECONDS[unit] * 1_000_000_000 // int(rate)
    full = cost * int(told["--limit-burst"].value if "--limit-burst" in told else BURST)

    def test(net: Net, skb: Skb, key: Key) -> bool:
        place = _place(key, text)
        now = round((net.time) * 1_000_000_000)
        tokens, last = net.recall(place) or (full, now)
        tokens = min(full, tokens + now - last)
        enough: bool = tokens >= cost
        net.learned[place] = (tokens - cost if enough else tokens, now)
        return enough

    return test


def nth(told: Mapping[str, Match], text: str) -> Test:
    """``--mode nth --every 3 --packet 0``: the first of each three."""
    every, wanted = int(told["--every"].value), int(told["--packet"].value)
    negated = told["--every"].negated

    def test(net: Net, skb: Skb, key: Key) -> bool:
        place = _place(key, text)
        count: int = net.recall(place) or 0
        net.learned[place] = (count + 1) % every
        return (count == wanted) != negated

    return test


def _place(key: Key, text: str) -> Key:
    """Where a rule of this chain keeps what it remembers."""
    scope, _, chain = key
    assert isinstance(chain, tuple)
    return (scope, "xt", (*chain, text))
