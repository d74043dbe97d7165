"""The same objects and the same question under several wirings, side by side.

Each wiring gets a cluster of its own, started alike; what was done to the first is done to it again, and then it is
asked.

Left out: what cannot be done under a wiring (a command about a bridge of another name) is said and passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from k8slearn import settings
from k8slearn.errors import Refused
from k8slearn.trace import Trace

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster

Network = str | Mapping[str, Any] | None
"""A wiring's name, a CNI configuration of one's own, or None."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One trace for each wiring, in the order asked; `clusters` are theirs, to go on with."""

    traces: dict[str, Trace]
    clusters: dict[str, Cluster] = field(repr=False)
    odd: tuple[str, ...] = ()

    def __getitem__(self, network: str) -> Trace:
        return self.traces[network]

    def text(self) -> str:
        """A line for each wiring: the outcome, who answered, which address it saw, and the places on the way there."""
        lines = [f"{network:16} {_line(trace)}" for network, trace in self.traces.items()]
        return "\n".join([*lines, *self.odd])

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        return {network: trace.to_dict() for network, trace in self.traces.items()}


def compare(
    cluster: Cluster, networks: list[Network], source: str, destination: str, port: int, protocol: str
) -> Comparison:
    """Build a cluster like this one under each wiring, and ask it the same."""
    clusters, odd = {}, []
    for network in networks:
        name = network if isinstance(network, str) else _name(network)
        clusters[name], left_out = _under(cluster, network, name)
        odd += left_out
    traces = {network: other.trace(source, destination, port, protocol) for network, other in clusters.items()}
    return Comparison(traces, clusters, tuple(odd))


def _name(network: Network) -> str:
    """A configuration of one's own goes by the name that it gives itself."""
    return str(network.get("name")) if isinstance(network, Mapping) else str(network)


def _under(cluster: Cluster, network: Network, name: str) -> tuple[Cluster, list[str]]:
    own, odd = cluster.settings, []
    other = type(cluster)(
        dict(own.nodes),
        network,
        own.node_cidr,
        own.pod_cidr,
        own.service_cidr,
        proxy=own.proxy,
        kubernetes=own.kubernetes if name == own.wiring else settings.WIRINGS.get(name),
        seed=own.seed,
        topology=own.topology,
    )
    for entry in cluster.engine.inputs():
        try:
            other.engine.do(entry.kind, entry.arguments)
        except Refused as error:
            odd.append(f"{name}: an input ({entry.kind}) was passed over: {error}")
    return other, odd


def _line(trace: Trace) -> str:
    places: list[str] = []
    for leg in trace.legs[:1]:
        for step in leg.steps:
            place = trace.faces.place(step.where)
            if step.before.proto != "arp" and (not places or places[-1] != place):
                places.append(place)
    seen = f", who saw {trace.source_seen}" if trace.source_seen else ""
    by = f" by {trace.answered_by}" if trace.answered_by else ""
    return f"{trace.outcome}{by}{seen}: {' > '.join(places)}"
