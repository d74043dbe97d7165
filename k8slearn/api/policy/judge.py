"""The first judge of policies: what their text alone says about a connection.

A connection from one pod to another is asked about twice: may the source send it (**egress**), may the destination
receive it (**ingress**)? Both must say yes. Each time the policies that select that pod are asked, tier by tier::

    Admin          ClusterNetworkPolicies by priority: the first rule that fits decides: Accept, Deny, or Pass (go on)
    NetworkPolicy  if any selects the pod in this direction, the pod is isolated: one rule of any of them must fit
    Baseline       ClusterNetworkPolicies again
    otherwise      everything is allowed

Only pods with addresses of their own have policies; what comes from the pod's own node is always let in, and a pod
always reaches itself. A connection is judged once, at its beginning, by the addresses after the Service's translation;
answers belong to it.

Nothing here looks at a node, a rule or a packet: whether anybody *enforces* the text is the other judge's matter, the
walk through the rules that an agent wrote. The two must agree wherever an agent works (a law).

Left out: domain names as peers, and implementations that differ from the text where it allows them to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from k8slearn.api.policy import selected
from k8slearn.api.policy.compiled import MIDDLE, TIERS, Peer, Policy, Ports, Rule, policies
from k8slearn.journal import Table, World

Subjects = Mapping[tuple[str, str], tuple[Policy, ...]]
CHOICES = {"Accept": True, "Deny": False}


class Party(NamedTuple):
    """One end of a connection."""

    address: str
    pod: str = ""
    """``namespace/name``, where the address is a pod's own."""
    node: str = ""
    """The node's name, where the address is a node's."""

    def __str__(self) -> str:
        return self.pod or self.node or self.address


class Asked(NamedTuple):
    """One connection, as it is after the Service's translation."""

    source: Party
    destination: Party
    port: int
    protocol: str
    """``TCP``, ``UDP``, ``SCTP``; ``ICMP`` has no ports."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the text says, and by which part of it."""

    allowed: bool
    says: str
    """The reason, a sentence."""
    direction: str = ""
    """``egress`` or ``ingress``, where that direction decided."""
    policies: tuple[Policy, ...] = ()
    """Those that had a say: one whose rule fitted, or all that isolate the pod."""
    rule: Rule | None = None
    """The rule that fitted."""


def party(world: World, address: str) -> Party:
    """Whose address this is."""
    pod = selected.pods(world).holders.get(address, "")
    return Party(address, pod, "" if pod else world.table("api", "nodes").index(_by_address).get(address, ""))


def _by_address(nodes: Table) -> dict[str, str]:
    """Every address of a node's that the API knows."""
    every = ((str(n), entry) for n, obj in nodes.items() for entry in (obj.get("status") or {}).get("addresses") or ())
    return {entry["address"]: name for name, entry in every if entry["type"] != "Hostname"}


def allows(world: World, asked: Asked) -> Verdict:
    """May this connection be? Egress of the source is asked first, then ingress of the destination."""
    if asked.source.pod and asked.source.pod == asked.destination.pod:
        return Verdict(True, f"{asked.source.pod} reaches itself, whatever the policies say")
    sends = side(world, asked, "egress")
    if not sends.allowed:
        return sends
    receives = side(world, asked, "ingress")
    return receives if not receives.allowed or receives.rule is not None else sends


def side(world: World, asked: Asked, direction: str) -> Verdict:
    """What is said about one direction, of the pod that it is about."""
    subject, peer = (asked.destination, asked.source) if direction == "ingress" else (asked.source, asked.destination)
    if not subject.pod:
        return Verdict(True, f"{subject} has no policies: it is no pod with an address of its own", direction)
    if direction == "ingress" and peer.node and peer.node == selected.pods(world).nodes.get(subject.pod):
        return Verdict(True, f"{peer.node} always reaches the pods that run on it", direction)
    concerned = concerning(world, subject.pod, direction)
    for tier in TIERS:
        found = _tier(world, asked, direction, tier, [policy for policy in concerned if policy.tier == tier])
        if found is not None:
            return found
    return Verdict(True, f"no policy isolates {subject.pod} for {direction}", direction)


def _tier(world: World, asked: Asked, direction: str, tier: str, concerned: list[Policy]) -> Verdict | None:
    """What the policies of one tier decide; None: nothing, the next tier is asked."""
    for policy in concerned:
        for rule in policy.rules(direction) or ():
            if not fits(world, asked, direction, policy, rule):
                continue
            if rule.action == "Pass":
                return None
            says = f"{policy.title}, {rule.part}: {rule.action}"
            return Verdict(CHOICES[rule.action], says, direction, (policy,), rule)
    if tier != MIDDLE or not concerned:
        return None
    subject = asked.destination if direction == "ingress" else asked.source
    names = ", ".join(policy.name for policy in concerned)
    says = f"{subject.pod} is isolated for {direction} by NetworkPolicy {names}, and no rule allows this"
    return Verdict(False, says, direction, tuple(concerned))


# --- who is concerned --------------------------------------------------------------------------


def concerning(world: World, pod: str, direction: str) -> tuple[Policy, ...]:
    """The policies that select a pod and say something about this direction, in the order in which they are asked."""
    return subjects(world).get((pod, direction), ())


def subjects(world: World) -> Subjects:
    """(pod, direction) -> its policies, for every pod that has any. Remembered until something changes."""
    every = policies(world)
    return selected.derived(world, "subjects", (every,), lambda: _subjects(world, every))


def _subjects(world: World, every: tuple[Policy, ...]) -> Subjects:
    found: dict[tuple[str, str], list[Policy]] = {}
    for policy in every:
        directions = [d for d in ("ingress", "egress") if policy.rules(d) is not None]
        for pod in means(world, policy, policy.subject):
            for direction in directions:
                found.setdefault((pod, direction), []).append(policy)
    return {key: tuple(value) for key, value in found.items()}


# --- does a rule fit ---------------------------------------------------------------------------


def fits(world: World, asked: Asked, direction: str, policy: Policy, rule: Rule) -> bool:
    """Does the rule mean this connection: one of its peers and one of its ports?"""
    peer = asked.source if direction == "ingress" else asked.destination
    if rule.ports and not any(opens(world, port, asked) for port in rule.ports):
        return False
    return not rule.peers or any(is_peer(world, policy, one, peer) for one in rule.peers)


def means(world: World, policy: Policy, peer: Peer) -> frozenset[str]:
    """The pods that a peer or a subject selects."""
    if peer.by_address:
        return frozenset()
    return selected.chosen(world, peer.namespaces, peer.pods, policy.namespace)


def is_peer(world: World, policy: Policy, peer: Peer, party: Party) -> bool:
    """Is this end of a connection what the peer means?"""
    if peer.by_address:
        return in_blocks(peer.blocks, party.address) and not in_blocks(peer.excepts, party.address)
    return bool(party.pod) and party.pod in means(world, policy, peer)


@lru_cache(maxsize=65536)
def in_blocks(blocks: tuple[str, ...], address: str) -> bool:
    """Is the address in one of the ranges? A range of the other family holds none."""
    if not blocks:
        return False
    found = ip_address(address)
    ranges = (ip_network(block, strict=False) for block in blocks)
    return any(found.version == one.version and found in one for one in ranges)


def opens(world: World, ports: Ports, asked: Asked) -> bool:
    """Does an entry of ``ports`` mean this connection's port?"""
    if ports.name:
        named = set(named_ports(world, asked.destination.pod, ports.name))
        return any((word, asked.port) in named for word in _protocols(ports, asked))
    return ports.protocol == asked.protocol and (not ports.first or ports.first <= asked.port <= ports.last)


def _protocols(ports: Ports, asked: Asked) -> Iterable[str]:
    return (asked.protocol,) if ports.protocol in ("", asked.protocol) else ()


def named_ports(world: World, pod: str, name: str) -> Iterator[tuple[str, int]]:
    """(protocol, number) of a pod's container ports of this name; sidecars' ports count too."""
    spec = (world.get(("api", "pods", pod)) or {"spec": {}})["spec"] if pod else {}
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *sidecars):
        for port in container.get("ports") or ():
            if port.get("name") == name:
                yield port.get("protocol", "TCP"), port["containerPort"]
