"""A policy's part in a connection, in sentences: who refused, which rule came nearest, and what would change it.

A packet that a policy's rules drop ends in a chain of the agent's, and the rule says no more than "none of the policies
allowed this". Here the text is asked about the same connection: in which direction, by which policies, which rule came
nearest, and which label or port of it missed. One label, one port or one rule is then proposed; whether it mends is
tried by the caller. Where the text refuses and the packet arrives all the same, it is said that nobody enforces it.

Left out: proposals that change more than one object, or a ClusterNetworkPolicy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from k8slearn.addressed import Finding, Proposal
from k8slearn.api.policy import Asked, Miss, Party, Policy, Verdict, allows, nearest, party
from k8slearn.api.policy.judge import is_peer, opens
from k8slearn.api.policy.selected import Selector, pods
from k8slearn.cni.enforcer import enforcer
from k8slearn.journal import World
from k8slearn.packet import Packet
from k8slearn.trace import Step, Trace

CHAINS = ("cali-fw-", "cali-tw-", "cali-pi-", "cali-po-", "cali-gi-", "cali-go-")
"""What the chains of an agent's begin with in which a policy drops a packet."""
ASKS = {"egress": "to", "ingress": "from"}


def by_policy(step: Step) -> bool:
    """Did a rule that an agent wrote for a policy end the packet's life?"""
    key = step.because.key if step.because is not None else ("", "", "")
    name = key[2][-1] if isinstance(key[2], tuple) else ""
    return step.what == "drop" and key[1] == "chain" and str(name).startswith(CHAINS)


def of_step(world: World, step: Step) -> Finding:
    """What the policies' text says about the packet that a rule dropped, and what would change it."""
    asked = _asked(world, step.before)
    verdict = allows(world, asked)
    if verdict.allowed:
        return Finding(("The policies' text would allow this: the agent's rules are not what it would write.",))
    miss = nearest(world, asked, verdict)
    return Finding((*_refusal(asked, verdict), *_nearest(verdict, miss)), _proposal(world, asked, verdict, miss))


def unenforced(world: World, trace: Trace) -> list[str]:
    """What is said of a connection that the text refuses and that was made all the same."""
    first, seen = next((s for s in trace.steps if s.what == "send"), None), trace.destination_seen
    if first is None or not seen or trace.outcome != "connected":
        return []
    address, _, port = seen.rpartition(":")
    asked = Asked(party(world, first.before.src), party(world, address), int(port), trace.protocol)
    verdict = allows(world, asked)
    if verdict.allowed:
        return []
    subject = asked.destination if verdict.direction == "ingress" else asked.source
    node = pods(world).nodes.get(subject.pod, "")
    if enforcer(world, f"node:{node}"):
        return [f"{verdict.says}. It went through all the same: the rules of {node}'s agent do not refuse it."]
    why = f"{', '.join(p.title for p in verdict.policies)} would refuse it ({verdict.direction} of {subject.pod})"
    return [f"{why}, but there is no enforcer on this node: nothing on {node} makes rules of policies."]


def _asked(world: World, packet: Packet) -> Asked:
    protocol = "ICMP" if packet.proto.startswith("icmp") else packet.proto.upper()
    return Asked(party(world, packet.src), party(world, packet.dst), packet.dport, protocol)


def _refusal(asked: Asked, verdict: Verdict) -> Iterator[str]:
    what = f"{asked.source} to {asked.destination}, {asked.protocol} {asked.port or ''}".rstrip()
    yield f"Policy, {verdict.direction}: {what}. {verdict.says}."


def _nearest(verdict: Verdict, miss: Miss | None) -> Iterator[str]:
    if miss is not None:
        yield f"The rule that came nearest is {miss.policy.title}, {miss.rule.part}: {'; '.join(miss.lacks)}."
    elif verdict.rule is None:
        yield f"No policy that selects the pod has a rule under spec.{verdict.direction}: together they allow nothing."


# --- what would change it ----------------------------------------------------------------------


def _proposal(world: World, asked: Asked, verdict: Verdict, miss: Miss | None) -> Proposal | None:
    """One label, one port, or one rule more."""
    if verdict.rule is not None or not verdict.policies or verdict.policies[0].kind != "NetworkPolicy":
        return None
    if miss is not None and len(miss.lacks) == 1:
        return _label(world, asked, verdict, miss) or _port(world, asked, verdict, miss) or _rule(world, asked, verdict)
    return _rule(world, asked, verdict)


def _label(world: World, asked: Asked, verdict: Verdict, miss: Miss) -> Proposal | None:
    """The label that the nearest rule wants of the peer."""
    who = asked.source if verdict.direction == "ingress" else asked.destination
    if not who.pod or any(is_peer(world, miss.policy, peer, who) for peer in miss.rule.peers):
        return None
    namespace, _, name = who.pod.partition("/")
    for peer in miss.rule.peers:
        if f"{peer.part}.podSelector" in miss.lacks[0]:
            words = _assignment(peer.pods, miss.lacks[0])
            said = f"kubectl label pod {name} -n {namespace} {words} --overwrite"
            return Proposal(f"`{said}`", said) if words else None
        if f"{peer.part}.namespaceSelector" in miss.lacks[0]:
            words = _assignment(peer.namespaces or (), miss.lacks[0])
            said = f"kubectl label namespace {namespace} {words} --overwrite"
            return Proposal(f"`{said}`", said) if words else None
    return None


def _assignment(selector: Selector, lack: str) -> str:
    """``app=db``, where the requirement that was not met can be met by one label."""
    for key, operator, values in selector:
        if operator in ("==", "In") and f"wants {key}" in lack:
            return f"{key}={values[0]}"
    return ""


def _port(world: World, asked: Asked, verdict: Verdict, miss: Miss) -> Proposal | None:
    """The port among those of the nearest rule."""
    if not asked.port or any(opens(world, port, asked) for port in miss.rule.ports) or not miss.rule.ports:
        return None
    rules = _rules(world, miss.policy, verdict.direction)
    number = (miss.policy.rules(verdict.direction) or ()).index(miss.rule)
    ports = [*rules[number]["ports"], {"port": asked.port, "protocol": asked.protocol}]
    rules[number] = {**rules[number], "ports": ports}
    return _patched(miss.policy, verdict.direction, rules)


def _rule(world: World, asked: Asked, verdict: Verdict) -> Proposal | None:
    """A rule for this peer and port in a policy that isolates the pod."""
    policy, direction = verdict.policies[0], verdict.direction
    who = asked.source if direction == "ingress" else asked.destination
    ports = [{"port": asked.port, "protocol": asked.protocol}] if asked.port else []
    rule = {ASKS[direction]: [_peer(world, policy.namespace, who)], **({"ports": ports} if ports else {})}
    return _patched(policy, direction, [*_rules(world, policy, direction), rule])


def _rules(world: World, policy: Policy, direction: str) -> list[dict[str, Any]]:
    return list(world.get(("api", "networkpolicies", policy.name))["spec"].get(direction) or ())


def _peer(world: World, own: str, who: Party) -> dict[str, object]:
    if not who.pod:
        return {"ipBlock": {"cidr": f"{who.address}/{128 if ':' in who.address else 32}"}}
    namespace = who.pod.partition("/")[0]
    labels = world.get(("api", "pods", who.pod))["metadata"].get("labels") or {}
    named = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    return {**(named if namespace != own else {}), "podSelector": {"matchLabels": labels} if labels else {}}


def _patched(policy: Policy, direction: str, rules: list[dict[str, Any]]) -> Proposal:
    """The policy with these rules for this direction: a merge patch has a list as a whole."""
    namespace, _, name = policy.name.partition("/")
    text = json.dumps({"spec": {direction: rules}})
    said = f"kubectl patch networkpolicy {name} -n {namespace} --type=merge -p '{text}'"
    return Proposal(f"`{said}`", said)
