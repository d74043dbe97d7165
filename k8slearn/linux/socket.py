"""Sockets: what programs hold the network by. This module gathers the rooms in which they are made.

`attempt.py` is a whole attempt to reach somebody; its two ends are `client.py` (it asks) and `listen.py` (it answers,
or the kernel answers for it); `proxy.py` is a listener that asks others, `transport.py` says how long packets are, and
`fates.py` what chance can make of it all.

Left out: what those modules leave out.
"""

from __future__ import annotations

from k8slearn.linux import proxy
from k8slearn.linux.attempt import CAPTURED, NEIGHBOUR_TIMEOUT, PATIENCE, SYN_TIMES, connect, count, ping, syn_times
from k8slearn.linux.fates import certain, fates
from k8slearn.linux.listen import bind, close, listener, receive

__all__ = [
    "CAPTURED",
    "NEIGHBOUR_TIMEOUT",
    "PATIENCE",
    "SYN_TIMES",
    "bind",
    "certain",
    "close",
    "connect",
    "count",
    "fates",
    "listener",
    "ping",
    "proxy",
    "receive",
    "syn_times",
]
