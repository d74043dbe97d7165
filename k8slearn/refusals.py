"""A policy's part in a connection, in sentences: who refused, which rule came nearest, and what of it missed.

A packet that a policy's rules drop ends in a chain of the agent's, and the rule says no more than "none of the policies
allowed this". Here the text is asked about the same connection: in which direction, by which policies, which rule came
nearest, and which label or port of it missed. Where the text refuses and the packet arrives all the same, it is said
that nobody enforces it. Cilium's programs judge by identity, and can refuse what the text allows: then that is said.
What would mend it is proposed elsewhere (`repair/policies.py`).

Left out: more than one of the rules that came nearest.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.api.policy import Asked, Miss, Verdict, allows, nearest, party
from k8slearn.api.policy.judge import is_peer, side
from k8slearn.api.policy.selected import pods
from k8slearn.cni.cilium import identity, maps
from k8slearn.cni.cilium.policy import INGRESS, PolicyKey
from k8slearn.cni.enforcer import enforcer
from k8slearn.journal import World
from k8slearn.packet import Packet
from k8slearn.trace import Step, Trace

CHAINS = ("cali-fw-", "cali-tw-", "cali-pi-", "cali-po-", "cali-gi-", "cali-go-")
"""What the chains of an agent's begin with in which a policy drops a packet."""


def by_policy(step: Step) -> bool:
    """Did a rule that an agent wrote for a policy end the packet's life?"""
    key = step.because.key if step.because is not None else ("", "", "")
    if key[1] == maps.POLICY:
        return step.what == "drop"
    name = key[2][-1] if isinstance(key[2], tuple) else ""
    return step.what == "drop" and key[1] == "chain" and str(name).startswith(CHAINS)


def of_step(world: World, step: Step) -> tuple[str, ...]:
    """What the policies' text says about the packet that a rule dropped."""
    question = asked(world, step.before)
    verdict = allows(world, question)
    if isinstance(by := step.because.key[2] if step.because is not None else None, PolicyKey):
        verdict = side(world, question, by.direction)
        if verdict.allowed:
            return tuple(_by_identity(world, question, verdict, by))
    if verdict.allowed:
        return ("The policies' text would allow this: the agent's rules are not what it would write.",)
    return (*_refusal(question, verdict), *_nearest(verdict, nearest(world, question, verdict)))


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
    node, kind = pods(world).nodes.get(subject.pod, ""), verdict.policies[0].kind
    if enforcer(world, f"node:{node}", kind):
        return [f"{verdict.says}. It went through all the same: the rules of {node}'s agent do not refuse it."]
    why = f"{', '.join(p.title for p in verdict.policies)} would refuse it ({verdict.direction} of {subject.pod})"
    agent = enforcer(world, f"node:{node}")
    if agent:
        return [f"{why}, but {agent} on {node} does not read a {kind}: Cilium does so since 1.20, and this is 1.19."]
    return [f"{why}, but there is no enforcer on this node: nothing on {node} makes rules of policies."]


def asked(world: World, packet: Packet) -> Asked:
    """The connection that a packet begins, as the policies see it."""
    protocol = "ICMP" if packet.proto.startswith("icmp") else packet.proto.upper()
    return Asked(party(world, packet.src), party(world, packet.dst), packet.dport, protocol)


def _by_identity(world: World, asked: Asked, verdict: Verdict, key: PolicyKey) -> Iterator[str]:
    """Why Cilium's programs refuse what the text allows."""
    other = asked.source if key.direction == INGRESS else asked.destination
    who = f"{other.address} is {other}, {identity.name(key.identity)}"
    fitting = [
        (policy, peer)
        for policy in verdict.policies
        for peer in (verdict.rule.peers if verdict.rule is not None else ())
        if is_peer(world, policy, peer, other)
    ]
    yield f"Policy, {key.direction}: the text would allow this ({verdict.says}), and Cilium does not."
    for policy, peer in fitting[:1]:
        if peer.by_address:
            block = f"{policy.title}, {peer.part} is an ipBlock ({', '.join(peer.blocks)}) and holds the address"
            yield f"{block}. But Cilium judges by identity: {who}."
            yield "There an ipBlock means networks outside of the cluster; it means no pod and no node."
            return
    yield (
        f"Cilium judges by identity: {who}, whose labels are {', '.join(identity.labels_of(world, key.identity))}. A "
        "label that makes no identity (pod-template-hash, ...) selects nobody, and a port's name for which pods have "
        "several numbers opens none."
    )


def _refusal(asked: Asked, verdict: Verdict) -> Iterator[str]:
    what = f"{asked.source} to {asked.destination}, {asked.protocol} {asked.port or ''}".rstrip()
    yield f"Policy, {verdict.direction}: {what}. {verdict.says}."


def _nearest(verdict: Verdict, miss: Miss | None) -> Iterator[str]:
    if miss is not None:
        yield f"The rule that came nearest is {miss.policy.title}, {miss.rule.part}: {'; '.join(miss.lacks)}."
    elif verdict.rule is None:
        yield f"No policy that selects the pod has a rule under spec.{verdict.direction}: together they allow nothing."
