"""What might be typed where a policy's text refuses: labels, ports, peers, rules, or the policy itself.

For each rule of the policies that isolate the pod: what of it does not fit (`api/policy/missed.py`), and for each of
these what would make it fit. A label is put on who lacks it, or the rule is told of what it does not mean yet.

Left out: a label taken from the pod, so that the policy is not about it any more (its Services would lose it, too).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from k8slearn import refusals
from k8slearn.api.policy import Asked, Party, Policy, Verdict, allows
from k8slearn.api.policy.compiled import CLUSTER, NETWORK, Peer, Rule
from k8slearn.api.policy.judge import in_blocks, is_peer, opens
from k8slearn.api.policy.selected import Selector
from k8slearn.api.selectors import holds, labels
from k8slearn.journal import World
from k8slearn.repair.edit import Candidate, Case, Typed
from k8slearn.repair.typed import saying

ASKS = {"egress": "to", "ingress": "from"}
RESOURCES = {"NetworkPolicy": ("networkpolicy", NETWORK), "ClusterNetworkPolicy": ("clusternetworkpolicy", CLUSTER)}
MOST = 12
"""So many rules are looked at."""
Obj = dict[str, Any]


class Part(NamedTuple):
    """One thing that makes a rule fit: labels of somebody, or another text of the rule."""

    size: int
    typed: tuple[Typed, ...] = ()
    rule: Mapping[str, Any] = MappingProxyType({})
    """The fields of the rule that are otherwise."""


def candidates(case: Case) -> Iterator[Candidate]:
    """What might be typed so that the text allows the packet that was dropped."""
    step = case.step
    if step is None or step.what != "drop" or not (_any(case.world, NETWORK) or _any(case.world, CLUSTER)):
        return
    asked = refusals.asked(case.world, step.before)
    verdict = allows(case.world, asked)
    if verdict.allowed:
        return
    if verdict.rule is not None:
        yield from _denied(case.world, verdict)
    else:
        yield from _not_allowed(case.world, asked, verdict)
    if len(verdict.policies) == 1:
        policy = verdict.policies[0]
        spec = _object(case.world, policy)["spec"]
        typed = (Typed(f"kubectl delete {RESOURCES[policy.kind][0]} {_named(policy)}"),)
        yield Candidate(saying(typed), typed, 1 + leaves(spec))


def _any(world: World, table: str) -> bool:
    return bool(world.table("api", table))


def leaves(value: Any) -> int:
    """How many fields a piece of YAML has."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(sum(map(leaves, inner)), 1)


def _denied(world: World, verdict: Verdict) -> Iterator[Candidate]:
    """A rule that says Deny: let it say otherwise."""
    (policy,), rule = verdict.policies, verdict.rule
    assert rule is not None
    rules, at = rules_of(world, policy, verdict.direction), place_of(policy, verdict.direction, rule)
    for action in ("Accept", "Pass"):
        changed = [*rules[:at], {**rules[at], "action": action}, *rules[at + 1 :]]
        typed = (patch(policy, {verdict.direction: changed}),)
        yield Candidate(saying(typed), typed)


def _not_allowed(world: World, asked: Asked, verdict: Verdict) -> Iterator[Candidate]:
    """Rules that do not fit, made to fit; and a rule of its own."""
    every = [(policy, rule) for policy in verdict.policies for rule in policy.rules(verdict.direction) or ()]
    for policy, rule in every[:MOST]:
        rules, at = rules_of(world, policy, verdict.direction), place_of(policy, verdict.direction, rule)
        peers = _for_peer(world, asked, verdict.direction, policy, rule, rules[at])
        ports = _for_port(world, asked, rule, rules[at])
        for parts in product(peers, ports):
            fields = {name: value for part in parts for name, value in part.rule.items()}
            typed = tuple(step for part in parts for step in part.typed)
            if fields:
                changed = [*rules[:at], {**rules[at], **fields}, *rules[at + 1 :]]
                typed += (patch(policy, {verdict.direction: changed}),)
            yield Candidate(saying(typed), typed, sum(part.size for part in parts))
    for policy in verdict.policies[:1]:
        rule_of_its_own = _rule(world, asked, verdict.direction, policy)
        typed = (patch(policy, {verdict.direction: [*rules_of(world, policy, verdict.direction), rule_of_its_own]}),)
        yield Candidate(saying(typed), typed, leaves(rule_of_its_own))


# --- the peer ----------------------------------------------------------------------------------


def _for_peer(world: World, asked: Asked, direction: str, policy: Policy, rule: Rule, text: Obj) -> list[Part]:
    """Ways in which the rule would mean the other end; one that changes nothing, where it does."""
    who, word = asked.source if direction == "ingress" else asked.destination, ASKS[direction]
    if not rule.peers or any(is_peer(world, policy, peer, who) for peer in rule.peers):
        return [Part(0)]
    found = [part for peer in rule.peers if (part := _labelled(world, policy, peer, who)) is not None]
    for n, peer in enumerate(rule.peers):
        holes = [hole for hole in peer.excepts if in_blocks((hole,), who.address)]
        if holes and in_blocks(peer.blocks, who.address):
            peers = deepcopy(text[word])
            peers[n]["ipBlock"]["except"] = [e for e in peers[n]["ipBlock"]["except"] if e not in holes]
            found.append(Part(len(holes), (), {word: peers}))
    own = peer_of(world, policy.namespace, who)
    return [*found, Part(leaves(own), (), {word: [*text[word], own]})]


def _labelled(world: World, policy: Policy, peer: Peer, who: Party) -> Part | None:
    """The labels that would make a pod the peer."""
    namespace, _, name = who.pod.partition("/")
    if peer.by_address or not who.pod or (peer.namespaces is None and namespace != policy.namespace):
        return None
    mine, its = world.get(("api", "pods", who.pod)) or {}, world.get(("api", "namespaces", namespace)) or {}
    wanted = _assignments(peer.pods, mine)
    wider = _assignments(peer.namespaces or (), its)
    typed = []
    if wanted:
        typed.append(Typed(f"kubectl label pod {name} -n {namespace} {' '.join(wanted)} --overwrite"))
    if wider:
        typed.append(Typed(f"kubectl label namespace {namespace} {' '.join(wider)} --overwrite"))
    return Part(len(wanted) + len(wider), tuple(typed)) if typed else None


def _assignments(selector: Selector, obj: Obj) -> list[str]:
    """``app=db`` or ``app-``: what kubectl label is told so that the object fits."""
    having, found = labels(obj), []
    for requirement in selector:
        key, operator, values = requirement
        if not holds(requirement, having):
            found.append(
                f"{key}={values[0] if values else 'true'}" if operator in ("==", "In", "Exists") else f"{key}-"
            )
    return found


def peer_of(world: World, own: str, who: Party) -> Obj:
    """Who this is, as a peer of a policy in the namespace `own`."""
    if not who.pod:
        return {"ipBlock": {"cidr": f"{who.address}/{128 if ':' in who.address else 32}"}}
    namespace = who.pod.partition("/")[0]
    every = labels(world.get(("api", "pods", who.pod)) or {})
    carried = {key: value for key, value in every.items() if key != "pod-template-hash"}
    named = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    return {**(named if namespace != own else {}), "podSelector": {"matchLabels": carried} if carried else {}}


# --- the port ----------------------------------------------------------------------------------


def _for_port(world: World, asked: Asked, rule: Rule, text: Obj) -> list[Part]:
    """Ways in which the rule would mean this port."""
    if not rule.ports or any(opens(world, port, asked) for port in rule.ports):
        return [Part(0)]
    if not asked.port:
        return []
    entry = _port(asked)
    return [Part(leaves(entry), (), {"ports": [*text["ports"], entry]})]


def _port(asked: Asked) -> Obj:
    return {"port": asked.port, **({"protocol": asked.protocol} if asked.protocol != "TCP" else {})}


def _rule(world: World, asked: Asked, direction: str, policy: Policy) -> Obj:
    who = asked.source if direction == "ingress" else asked.destination
    ports = {"ports": [_port(asked)]} if asked.port else {}
    return {ASKS[direction]: [peer_of(world, policy.namespace, who)], **ports}


# --- texts -------------------------------------------------------------------------------------


def _object(world: World, policy: Policy) -> Obj:
    found: Obj = world.get(("api", RESOURCES[policy.kind][1], policy.name))
    return found


def rules_of(world: World, policy: Policy, direction: str) -> list[Obj]:
    return list(_object(world, policy)["spec"].get(direction) or ())


def place_of(policy: Policy, direction: str, rule: Rule) -> int:
    return (policy.rules(direction) or ()).index(rule)


def _named(policy: Policy) -> str:
    namespace, _, name = policy.name.rpartition("/")
    return f"{name} -n {namespace}" if namespace else name


def patch(policy: Policy, spec: Obj) -> Typed:
    """A merge patch has a list as a whole."""
    text = json.dumps({"spec": spec})
    return Typed(f"kubectl patch {RESOURCES[policy.kind][0]} {_named(policy)} --type=merge -p '{text}'")
