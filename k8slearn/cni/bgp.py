"""A BGP session as its node sees it: what ``calicoctl node status`` and ``birdcl show protocols`` list.

Two machines that talk BGP (TCP port 179) tell each other which networks lead to them. The row is ``(node, "bgp",
ADDRESS OF THE PEER)``; the agent that keeps it is `components.calico_node`.

Left out: what is in a BGP message; autonomous systems other than one.
"""

from __future__ import annotations

from dataclasses import dataclass

PORT = 179
HOLD, RESTART = 240.0, 120.0
"""Seconds that a silent peer is believed in, and that a restarting one is waited for."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session. `info` is BGP's word for how far it is: ``Established``, ``Connect``, ``Active``, ``Passive``."""

    peer: str
    state: str
    """BIRD's: ``up``, or ``start`` while it tries."""
    info: str
    since: float
    """The second of the logical clock at which it came to this state."""
    until: float = 0.0
    """The second at which the routes of a silent or restarting peer are given up; 0: there is nothing to wait for."""

    @property
    def counts(self) -> bool:
        """Are the peer's routes used?"""
        return self.state == "up" or self.until > 0
