"""Why a policy's text refuses: of all rules that could have allowed a connection the one that came nearest.

A rule asks for several things: a port of a protocol, labels of the peer, labels of its namespace, an address in a
range. Here each is looked at by itself, so that it can be said what would have had to be otherwise.

Left out: more than one of several rules that came equally near.
"""

from __future__ import annotations

from typing import NamedTuple

from k8slearn.api.policy.compiled import Peer, Policy, Ports, Rule
from k8slearn.api.policy.judge import Asked, Party, Verdict, in_blocks, is_peer, named_ports, opens
from k8slearn.api.policy.selected import Selector
from k8slearn.api.selectors import Labels, Requirement, holds, labels
from k8slearn.journal import World


class Miss(NamedTuple):
    """One rule that did not fit, and what was missing, each a sentence's end."""

    policy: Policy
    rule: Rule
    lacks: tuple[str, ...]


def nearest(world: World, asked: Asked, verdict: Verdict) -> Miss | None:
    """Of the policies that isolate the pod, the rule of which the least is missing."""
    if verdict.allowed or verdict.rule is not None:
        return None
    every = [
        Miss(policy, rule, lacks(world, asked, verdict.direction, policy, rule))
        for policy in verdict.policies
        for rule in policy.rules(verdict.direction) or ()
    ]
    return min(every, key=lambda miss: len(miss.lacks), default=None)


def lacks(world: World, asked: Asked, direction: str, policy: Policy, rule: Rule) -> tuple[str, ...]:
    """What of this rule does not fit the connection; nothing, where it fits."""
    party = asked.source if direction == "ingress" else asked.destination
    found: list[str] = []
    if rule.peers and not any(is_peer(world, policy, peer, party) for peer in rule.peers):
        every = [_peer(world, policy, peer, party) for peer in rule.peers]
        found += sorted(every, key=len)[0]
    if rule.ports and not any(opens(world, port, asked) for port in rule.ports):
        found.append(_ports(world, rule.ports, asked))
    return tuple(found)


def _peer(world: World, policy: Policy, peer: Peer, party: Party) -> list[str]:
    if peer.by_address:
        hole = next((one for one in peer.excepts if in_blocks((one,), party.address)), None)
        if hole is not None:
            return [f"{peer.part}.ipBlock excepts {hole}, where {party.address} is"]
        return [f"{peer.part} wants an address in {' or '.join(peer.blocks)}, and {party.address} is not"]
    if not party.pod:
        return [f"{peer.part} selects pods, and {party} is no pod with an address of its own"]
    namespace = party.pod.partition("/")[0]
    found = []
    if peer.namespaces is None and namespace != policy.namespace:
        where = f"{peer.part} has no namespaceSelector, so it means pods of namespace {policy.namespace} only"
        found.append(f"{where}, and {party.pod} is in {namespace}")
    place = world.get(("api", "namespaces", namespace)) or {}
    found += _selector(peer.namespaces or (), labels(place), f"{peer.part}.namespaceSelector", f"namespace {namespace}")
    pod = world.get(("api", "pods", party.pod)) or {}
    return found + _selector(peer.pods, labels(pod), f"{peer.part}.podSelector", party.pod)


def _selector(selector: Selector, having: Labels, part: str, who: str) -> list[str]:
    return [
        f"{part} wants {_wish(one)}, and {who} has {_has(one, having)}" for one in selector if not holds(one, having)
    ]


def _wish(requirement: Requirement) -> str:
    key, operator, values = requirement
    if operator in ("Exists", "DoesNotExist"):
        return f"the label {key}" if operator == "Exists" else f"no label {key}"
    if operator in ("==", "In") and len(values) == 1:
        return f"{key}={values[0]}"
    return f"{key} {'in' if operator == 'In' else 'not in'} ({', '.join(values)})"


def _has(requirement: Requirement, having: Labels) -> str:
    key = requirement[0]
    return f"{key}={having[key]}" if key in having else f"no label {key}"


def _ports(world: World, ports: tuple[Ports, ...], asked: Asked) -> str:
    wants = " or ".join(port.text for port in ports)
    here = ports[0].part if len(ports) == 1 else ports[0].part.rpartition("[")[0]
    number = f"{asked.protocol} {asked.port}" if asked.protocol != "ICMP" else "ICMP, which has no ports"
    named = [port for port in ports if port.name and not any(named_ports(world, asked.destination.pod, port.name))]
    names = "".join(f"; {asked.destination} has no port named {port.name}" for port in named)
    return f"{here} wants {wants}, and this is {number}{names}"
