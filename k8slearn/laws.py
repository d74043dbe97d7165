"""The network model as laws that can be checked, with a witness for each that is broken.

Kubernetes does not say how a cluster network is built, only what must hold of it (kubernetes.io, "The Kubernetes
network model"): every pod reaches every pod on all nodes, agents on a node reach that node's pods, and between pods
nobody translates addresses. Each law is tried with packets: one for every pair that it speaks of. The first packet
that shows it broken is its witness, and the last row that decided anything about that packet is named. In a dual-stack
cluster each pair is tried with its addresses of both families.

Left out: laws about Services and policies (they are no part of the model), and pods that have no address yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from k8slearn import endpoints
from k8slearn.journal import World, drive
from k8slearn.linux import socket
from k8slearn.linux.listen import place
from k8slearn.linux.rows import Socket
from k8slearn.trace import Attempt, Because, Step

ECHO = 0
"""The port of a probe that is a ping: the pod listens nowhere."""


class Probe(NamedTuple):
    """One packet that a law sends: from whom, to whom."""

    source: str
    netns: str
    address: str
    """The source's own address."""
    destination: str
    target: str
    port: int
    on_node_network: bool = False
    """One of the two runs with ``hostNetwork``: it has no address of its own, so no law forbids to translate it."""


@dataclass(frozen=True, slots=True)
class Witness:
    """The probe that shows a law broken, and what became of it."""

    source: str
    destination: str
    port: int
    protocol: str
    outcome: str
    says: str
    where: str
    """The network namespace in which it was decided, in a person's words: ``node-1``, ``default/web``."""
    address: str
    """The destination's address that was asked for."""
    step: Step | None = field(repr=False)
    """The step that decided: where the packet ended, or the rule that had it translated."""

    @property
    def because(self) -> Because | None:
        """The deciding row; None where one is missing (no route, say): then `step` says which."""
        return self.step.because if self.step is not None else None


@dataclass(frozen=True, slots=True)
class Law:
    """One rule of the network model. `witness` is None where it holds; `probes` packets were sent to find out."""

    name: str
    text: str
    probes: int
    witness: Witness | None

    @property
    def holds(self) -> bool:
        return self.witness is None

    def __str__(self) -> str:
        if self.witness is None:
            return f"holds   {self.name}: {self.text} ({self.probes} probes)"
        w = self.witness
        port = f" port {w.port}/{w.protocol}" if w.port != ECHO else " (ping)"
        port = f"'s {w.address}{port}" if ":" in w.address else port
        lines = [f"broken  {self.name}: {self.text}", f"witness: {w.source} to {w.destination}{port}: {w.says}"]
        if w.step is not None:
            lines.append(f"decided on {w.where}: {w.step.because.text if w.step.because is not None else w.step.says}")
        return "\n        ".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        w = self.witness
        names = ("source", "destination", "address", "port", "protocol", "outcome", "says", "where")
        found = None if w is None else {name: getattr(w, name) for name in names}
        return {"name": self.name, "text": self.text, "holds": self.holds, "probes": self.probes, "witness": found}


Judge = Callable[[Probe, Attempt], str]
"""Why this attempt breaks the law, or nothing."""


def laws(world: World) -> list[Law]:
    """Check every law; each is a `Law` that holds or has a witness."""
    tried = [(probe, _attempt(world, probe)) for probes in (_between_pods, _from_agents) for probe in probes(world)]
    return [_law(world, name, tried) for name in RULES]


def _law(world: World, name: str, tried: list[tuple[Probe, Attempt]]) -> Law:
    text, of_agents, judge = RULES[name]
    mine = [(probe, attempt) for probe, attempt in tried if probe.source.startswith("node:") == of_agents]
    for probe, attempt in mine:
        says = judge(probe, attempt)
        if says:
            return Law(name, text, len(mine), _witness(world, probe, attempt, says))
    return Law(name, text, len(mine), None)


def _answered(probe: Probe, attempt: Attempt) -> str:
    end = attempt.ending
    if end.outcome != "connected":
        return f"{end.outcome} ({end.error})" if end.error else end.outcome
    if (
        probe.port != ECHO
        and end.answered_by != probe.destination
        and end.destination_seen != place(probe.target, probe.port)
    ):
        return f"answered by {end.answered_by} instead"
    return ""


def _untranslated(probe: Probe, attempt: Attempt) -> str:
    end = attempt.ending
    if end.outcome != "connected" or probe.on_node_network:
        return ""
    if end.source_seen != probe.address:
        return f"{probe.destination} saw {end.source_seen}, but the sender's address is {probe.address}"
    reached = (
        (end.destination_seen or "").rpartition(":")[0].strip("[]") if probe.port != ECHO else end.destination_seen
    )
    return f"it arrived at {reached} instead of {probe.target}" if reached != probe.target else ""


RULES: dict[str, tuple[str, bool, Judge]] = {
    "pod-to-pod": ("all pods can communicate with all pods on all nodes", False, _answered),
    "agent-to-pod": ("agents on a node can communicate with all pods on that node", True, _answered),
    "no-nat": ("pods see each other's real addresses: nobody translates between them", False, _untranslated),
}
"""Each law: its text, whether it speaks of a node's agents (or else of pods), and who judges a probe."""


def _between_pods(world: World) -> Iterator[Probe]:
    for family in (4, 6):
        yield from _pairs(world, endpoints.pods(world, family))


def _pairs(world: World, pods: Mapping[str, tuple[str, str]]) -> Iterator[Probe]:
    for source, (netns, address) in pods.items():
        for destination, (there, target) in pods.items():
            if source != destination:
                hosted = _is_root(netns) or _is_root(there)
                yield Probe(
                    source, netns, address, destination, target, _port(world, there, target, destination), hosted
                )


def _from_agents(world: World) -> Iterator[Probe]:
    """A kubelet probes the pods of its own node, from the node's own network namespace."""
    found = (each for family in (4, 6) for each in endpoints.pods(world, family).items())
    for destination, (there, target) in found:
        node = f"node:{world.get(('api', 'pods', destination))['spec'].get('nodeName', '')}"
        yield Probe(node, node, "", destination, target, _port(world, there, target, destination))


def _is_root(netns: str) -> bool:
    """Is this a machine's own network namespace?"""
    return "/" not in netns


def _port(world: World, netns: str, address: str, pod: str) -> int:
    """A TCP port that the pod itself listens on; a pod that listens nowhere is pinged."""
    rows: list[Socket] = list(world.table(netns, "socket").values())
    own = [r for r in rows if r.proto == "tcp" and r.address in ("0.0.0.0", "::", address) and r.answers_as == pod]
    return min((row.port for row in own), default=ECHO)


def _attempt(world: World, probe: Probe) -> Attempt:
    """Send one probe in a fork of the world, as the first packet that these two ever exchange."""
    fork = world.fork()
    walk = (
        socket.ping(fork, probe.netns, probe.target)
        if probe.port == ECHO
        else socket.connect(fork, probe.netns, probe.target, probe.port, "tcp")
    )
    return drive(walk, fork.apply)


def _witness(world: World, probe: Probe, attempt: Attempt, says: str) -> Witness:
    step = _translating(attempt) if attempt.ending.outcome == "connected" else _ending(attempt)
    protocol = "ICMP" if probe.port == ECHO else "TCP"
    where = "" if step is None else _place(world, step)
    end = attempt.ending.outcome
    return Witness(probe.source, probe.destination, probe.port, protocol, end, says, where, probe.target, step)


def _ending(attempt: Attempt) -> Step | None:
    """The step at which the last packet came to its end."""
    return attempt.decisive or (attempt.steps[-1] if attempt.steps else None)


def _translating(attempt: Attempt) -> Step | None:
    """The rule that had an address translated; conntrack's own step where no rule is to be seen."""
    rule: Step | None = None
    for step in attempt.steps:
        if step.what == "rule":
            rule = step
        if step.what == "nat":
            return rule if rule is not None and rule.where == step.where else step
    return None


def _place(world: World, step: Step) -> str:
    netns = world.get((step.where, "netns", ""))
    return step.where if netns is None else str(netns.name)
