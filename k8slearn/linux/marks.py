"""Marks: numbers that the kernel keeps beside a packet (``-j MARK``) and beside its connection (``-j CONNMARK``).

A packet's mark lives while the packet is in one namespace; routing (``ip rule ... fwmark``) and later rules can ask for
it. A connection's mark lives as long as the connection: ``--save-mark`` copies the packet's there, ``--restore-mark``
brings it back for the packets that follow.

Left out: nothing.
"""

from __future__ import annotations

from k8slearn.journal import Put
from k8slearn.linux.rules import Rule
from k8slearn.linux.skb import Net, Skb, Tracked

ALL_BITS = 0xFFFFFFFF


def _pair(value: str) -> tuple[int, int]:
    number, _, mask = value.partition("/")
    return int(number, 0), int(mask or "0xffffffff", 0)


def mark(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """``--set-xmark VALUE/MASK``: the mask's bits go to zero, then VALUE is xored in (`xt_mark.c`)."""
    value, mask = _pair(dict(rule.options)["--set-xmark"])
    skb.mark = skb.mark & ~mask & ALL_BITS ^ value
    return ""


def connmark(net: Net, skb: Skb, rule: Rule, hook: str) -> str:
    """`xt_connmark.c`: a packet without a connection goes on unchanged."""
    said, tracked = dict(rule.options), skb.tracked
    if tracked is None:
        return ""
    if "--set-xmark" in said:
        value, mask = _pair(said["--set-xmark"])
        _keep(net, skb, tracked, tracked.row.mark & ~mask & ALL_BITS ^ value)
        return ""
    ours, theirs = int(said["--nfmask"], 0), int(said["--ctmask"], 0)
    if "--save-mark" in said:
        _keep(net, skb, tracked, tracked.row.mark & ~theirs & ALL_BITS ^ skb.mark & ours)
    else:
        skb.mark = skb.mark & ~ours & ALL_BITS ^ tracked.row.mark & theirs
    return ""


def _keep(net: Net, skb: Skb, tracked: Tracked, value: int) -> None:
    """The connection has this mark from now on; one that is not confirmed yet is written then."""
    if value == tracked.row.mark:
        return
    tracked.row = tracked.row._replace(mark=value)
    if tracked.confirmed:
        net.write(Put((skb.netns, "conntrack", tracked.row.original), tracked.row))
        net.write(Put((skb.netns, "conntrack", tracked.row.reply), tracked.row))
