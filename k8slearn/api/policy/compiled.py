"""Policies as their text means them: whom they are about, and rules of peers and ports.

::

    NetworkPolicy                        Policy
      podSelector: ...            ->       subject
      policyTypes: [Ingress]      ->       ingress: rules, or None where it says nothing about that direction
      ingress:
      - from:                     ->         Rule.peers    one of them must fit; none written: anybody
        - namespaceSelector:      ->           Peer        both selectors of one entry must fit (AND) ...
          podSelector:
        - ipBlock:                ->           Peer        ... two entries are two ways (OR)
        ports:                    ->         Rule.ports    one of them must fit; none written: every port

Each part knows where in the YAML it stands (``spec.ingress[0].from[1]``): a refusal points at it. Both judges work
from these values: the text evaluated directly (`judge`), and the agent that makes rules for a kernel of them.

Left out: policies of other API groups (Calico's and Cilium's own); the experimental peers ``nodes`` and ``domainNames``
of ClusterNetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8slearn.api.policy.selected import Selector, derived, requirements
from k8slearn.journal import Table, World

NETWORK, CLUSTER = "networkpolicies", "clusternetworkpolicies.policy.networking.k8s.io"
"""The tables where NetworkPolicies and ClusterNetworkPolicies live."""
ADMIN, MIDDLE, BASELINE = "Admin", "NetworkPolicy", "Baseline"
TIERS = (ADMIN, MIDDLE, BASELINE)
"""In the order in which they are asked."""
Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """One entry of ``from`` or ``to``: pods by selectors, or addresses by ranges."""

    part: str
    namespaces: Selector | None = None
    """None: the policy's own namespace."""
    pods: Selector = ()
    blocks: tuple[str, ...] = ()
    excepts: tuple[str, ...] = ()
    whole: bool = False
    """All pods of the namespaces: the text has no pod selector."""

    @property
    def by_address(self) -> bool:
        return bool(self.blocks)


@dataclass(frozen=True, slots=True)
class Ports:
    """One entry of ``ports``: a protocol, and a number, a range, a container port's name, or nothing more."""

    part: str
    protocol: str
    """``TCP``, ``UDP``, ``SCTP``; empty: whichever protocol the named port has."""
    first: int = 0
    last: int = 0
    name: str = ""

    @property
    def text(self) -> str:
        number = self.name or (f"{self.first}-{self.last}" if self.last > self.first else str(self.first or "any"))
        return f"{self.protocol} {number}".strip()


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``ingress`` or ``egress``."""

    part: str
    action: str = "Accept"
    peers: tuple[Peer, ...] = ()
    ports: tuple[Ports, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of either kind."""

    kind: str
    name: str
    """``namespace/name``, or a ClusterNetworkPolicy's name."""
    tier: str
    priority: int
    subject: Peer
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    @property
    def namespace(self) -> str:
        return self.name.partition("/")[0] if self.kind == "NetworkPolicy" else ""

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"

    def rules(self, direction: str) -> tuple[Rule, ...] | None:
        """The rules of ``ingress`` or ``egress``; None: nothing is said about that direction."""
        return self.ingress if direction == "ingress" else self.egress


def policies(world: World) -> tuple[Policy, ...]:
    """Every policy: tier by tier, then by priority, then by name."""
    first = world.table("api", CLUSTER).index(_clustered)
    own = world.table("api", NETWORK).index(_networked)
    return derived(world, "policies", (first, own), lambda: (*first[ADMIN], *own, *first[BASELINE]))


def _networked(rows: Table) -> tuple[Policy, ...]:
    return tuple(network_policy(str(name), rows[name]["spec"]) for name in sorted(rows, key=str))


def _clustered(rows: Table) -> dict[str, tuple[Policy, ...]]:
    every = sorted((cluster_policy(str(name), obj["spec"]) for name, obj in rows.items()), key=_precedence)
    return {tier: tuple(policy for policy in every if policy.tier == tier) for tier in (ADMIN, BASELINE)}


def _precedence(policy: Policy) -> tuple[int, str]:
    return policy.priority, policy.name


# --- NetworkPolicy -----------------------------------------------------------------------------


def network_policy(name: str, spec: Obj) -> Policy:
    """A NetworkPolicy (networking.k8s.io/v1) from its spec, with the API server's defaults filled in."""
    types = spec.get("policyTypes") or ()
    ingress = _network_rules(spec, "ingress", "from") if "Ingress" in types else None
    egress = _network_rules(spec, "egress", "to") if "Egress" in types else None
    subject = Peer("spec.podSelector", None, requirements(spec.get("podSelector")))
    return Policy("NetworkPolicy", name, MIDDLE, 0, subject, ingress, egress)


def _network_rules(spec: Obj, direction: str, word: str) -> tuple[Rule, ...]:
    found = []
    for i, rule in enumerate(spec.get(direction) or ()):
        here = f"spec.{direction}[{i}]"
        peers = tuple(_network_peer(peer, f"{here}.{word}[{j}]") for j, peer in enumerate(rule.get(word) or ()))
        ports = tuple(_network_port(port, f"{here}.ports[{j}]") for j, port in enumerate(rule.get("ports") or ()))
        found.append(Rule(here, "Accept", peers, ports))
    return tuple(found)


def _network_peer(peer: Obj, part: str) -> Peer:
    block = peer.get("ipBlock")
    if block:
        return Peer(part, blocks=(block["cidr"],), excepts=tuple(block.get("except") or ()))
    where = peer.get("namespaceSelector")
    names = requirements(where) if where is not None else None
    return Peer(part, names, requirements(peer.get("podSelector")))


def _network_port(port: Obj, part: str) -> Ports:
    number, protocol = port.get("port"), port.get("protocol") or "TCP"
    if number is None:
        return Ports(part, protocol)
    if isinstance(number, str):
        return Ports(part, protocol, name=number)
    return Ports(part, protocol, number, port.get("endPort") or number)


# --- ClusterNetworkPolicy ----------------------------------------------------------------------


def cluster_policy(name: str, spec: Obj) -> Policy:
    """A ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2); without rules it says nothing of a direction."""
    ingress = _cluster_rules(spec, "ingress", "from") if spec.get("ingress") else None
    egress = _cluster_rules(spec, "egress", "to") if spec.get("egress") else None
    subject = _cluster_peer(spec["subject"], "spec.subject")
    return Policy("ClusterNetworkPolicy", name, spec["tier"], spec["priority"], subject, ingress, egress)


def _cluster_rules(spec: Obj, direction: str, word: str) -> tuple[Rule, ...]:
    found = []
    for i, rule in enumerate(spec[direction]):
        here = f"spec.{direction}[{i}]"
        peers = tuple(_cluster_peer(peer, f"{here}.{word}[{j}]") for j, peer in enumerate(rule[word]))
        ports = tuple(_protocol(one, f"{here}.protocols[{j}]") for j, one in enumerate(rule.get("protocols") or ()))
        found.append(Rule(here, rule["action"], peers, ports, rule.get("name", "")))
    return tuple(found)


def _cluster_peer(peer: Obj, part: str) -> Peer:
    """A subject or a peer: whole namespaces, pods by both selectors, or networks."""
    if "namespaces" in peer:
        return Peer(part, requirements(peer["namespaces"]), whole=True)
    if "pods" in peer:
        pair = peer["pods"]
        return Peer(part, requirements(pair.get("namespaceSelector")), requirements(pair.get("podSelector")))
    return Peer(part, blocks=tuple(peer.get("networks") or ()))


def _protocol(entry: Obj, part: str) -> Ports:
    if "destinationNamedPort" in entry:
        return Ports(part, "", name=entry["destinationNamedPort"])
    word = next(iter(entry))
    port = (entry[word] or {}).get("destinationPort") or {}
    span = port.get("range") or {}
    first = port.get("number") or span.get("start") or 0
    return Ports(part, word.upper(), first, span.get("end") or first)
