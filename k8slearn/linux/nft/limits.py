"""``limit rate``: a bucket that fills with time; a packet that finds enough in it matches.

The bucket of a rule holds `burst` packets' worth of time (`nft_limit.c`). It is a row of the world, in nanoseconds of
the logical clock, so that asking changes nothing and the clock alone fills it.

Left out: limits as named objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k8slearn.journal import Key, Put
from k8slearn.linux.nft import readers
from k8slearn.linux.nft.statements import SCALES
from k8slearn.linux.nft.values import Limit
from k8slearn.linux.skb import Net, Skb

SPANS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
BUCKETS = "nftlimit"
"""The world table of buckets: (nanoseconds left, second of the last packet) by rule."""


def limit(row: Limit) -> Callable[[Net, Skb, Any], bool | None]:
    """The function of one limit: None where the packet matches, False where not."""
    nanoseconds = SPANS[row.per] * 10**9
    rate, burst = row.rate * SCALES.get(row.unit, 1), row.burst * SCALES.get(row.burst_unit, 1)
    whole = nanoseconds * burst // rate if not row.unit else nanoseconds * (rate + burst) // rate

    def act(net: Net, skb: Skb, here: Any) -> bool | None:
        key: Key = (skb.netns, BUCKETS, (*here.name, here.rule.handle))
        now = readers.now(net)
        left, last = net.world.get(key) or (whole, now)
        filled = min(whole, left + round((now - last) * 10**9))
        cost = nanoseconds * (skb.packet.size if row.unit else 1) // rate
        enough = filled >= cost
        here.learned.append(Put(key, (filled - cost if enough else filled, now)))
        return None if enough != row.over else False

    return act
