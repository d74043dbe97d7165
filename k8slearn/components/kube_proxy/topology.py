"""Which endpoints may one node send to for one port of a Service? The decision that all modes of kube-proxy share.

The traffic policies ask it, a mode's rules are then written from the answer (`CategorizeEndpoints` in upstream's
pkg/proxy/topology.go)::

    policy Cluster   the ready ones; with topology hints only those that are hinted for this node, or for its zone
    policy Local     the ready ones on this node; hints do not count
    either, and none of its own is ready: those that terminate but still serve (KEP-1669), each policy for itself

Hints count only where every ready endpoint has one and at least one of them is for us; else they are ignored, since
sending far is better than sending nowhere (KEP-2433, KEP-3015).

Left out: the feature gates of versions in which hints for nodes were not read (before 1.34).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from k8slearn.components.kube_proxy.service import Endpoint, Port

Allowed = Callable[[Endpoint], bool]


class Place(NamedTuple):
    """Where kube-proxy runs: its node, and the zone that the node's label names (empty: none)."""

    node: str
    zone: str = ""


class Usable(NamedTuple):
    """The endpoints of one port that one node may send to."""

    cluster: tuple[Endpoint, ...]
    """For a policy of ``Cluster``."""
    local: tuple[Endpoint, ...]
    """For a policy of ``Local``."""
    anywhere: bool
    """Is there any usable endpoint in the cluster?"""

    @property
    def reachable(self) -> tuple[Endpoint, ...]:
        """All of them, in the string order of ``address:port``."""
        return tuple(sorted({*self.cluster, *self.local}, key=str))

    def verdict(self, local: bool) -> str:
        """Nobody anywhere: say so (REJECT). Somebody, but not here under a Local policy: keep silent (DROP)."""
        if not self.anywhere:
            return "REJECT"
        return "DROP" if local and not self.local else ""


@lru_cache(maxsize=1 << 15)
def usable(port: Port, endpoints: tuple[Endpoint, ...], place: Place) -> Usable:
    """Sort the endpoints of a port by what its two traffic policies allow on this node."""
    uses_cluster = not port.internal_local or port.externally_accessible
    uses_local = port.internal_local or (port.external_local and port.externally_accessible)
    here = tuple(e for e in endpoints if e.node == place.node) if uses_local else ()
    hinted = tuple(filter(_near(endpoints, place), endpoints))
    anywhere = bool(ready_or_draining(endpoints))
    return Usable(ready_or_draining(hinted) if uses_cluster else (), ready_or_draining(here), anywhere)


def ready_or_draining(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """The ready ones; where none is, those that are terminating and still serve."""
    ready = tuple(e for e in endpoints if e.ready)
    return ready or tuple(e for e in endpoints if e.serving and e.terminating)


def _near(endpoints: tuple[Endpoint, ...], place: Place) -> Allowed:
    """The condition that the hints of all ready endpoints make: this node, this zone, or none."""
    ready = [e for e in endpoints if e.ready]
    asked: tuple[Allowed, Allowed] = (lambda e: place.node in e.for_nodes, lambda e: place.zone in e.for_zones)
    for near, all_have in zip(asked, (all(e.for_nodes for e in ready), all(e.for_zones for e in ready)), strict=True):
        if all_have and any(map(near, ready)):
            return near
    return lambda endpoint: True
