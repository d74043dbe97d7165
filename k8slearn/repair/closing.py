"""What might be typed so that a connection is made no more: a rule less, a policy more, a firewall's rule.

Left out: what breaks a machine (a link down, forwarding off, no default route): it closes this connection and
everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from k8slearn import refusals
from k8slearn.api.policy import Asked, Policy, Rule
from k8slearn.api.policy.compiled import MIDDLE
from k8slearn.api.policy.judge import concerning, fits, is_peer, opens
from k8slearn.api.policy.selected import pods
from k8slearn.api.selectors import labels
from k8slearn.cni.enforcer import enforcer
from k8slearn.journal import World
from k8slearn.linux import fib, ip
from k8slearn.linux.rows import Route
from k8slearn.repair import policies, services
from k8slearn.repair.edit import Candidate, Case, Typed
from k8slearn.repair.kernel import kept, one
from k8slearn.repair.typed import saying
from k8slearn.trace import Step

Obj = dict[str, Any]


def candidates(case: Case) -> Iterator[Candidate]:
    """What would close it."""
    arrived = next((s for s in case.attempt.steps if s.what == "deliver" and not s.before.is_errand), None)
    if arrived is None:
        return
    asked = refusals.asked(case.world, arrived.before)
    for direction in ("egress", "ingress"):
        yield from _less(case.world, asked, direction)
        yield from _more(case.world, asked, direction)
    yield from _firewall(case, arrived)
    for door in services.doors(case.world, case.question):
        command = f"kubectl delete service {services.name_of(door.service)}"
        yield _candidate(1 + policies.leaves(door.service["spec"]), Typed(command))
    yield from _routes(case)


# --- policies ----------------------------------------------------------------------------------


def _less(world: World, asked: Asked, direction: str) -> Iterator[Candidate]:
    """The one rule that allows it: without its peer, its port, or altogether; or the peer without its label."""
    subject = asked.destination if direction == "ingress" else asked.source
    concerned = [p for p in concerning(world, subject.pod, direction) if p.tier == MIDDLE] if subject.pod else []
    allowing = [(p, r) for p in concerned for r in p.rules(direction) or () if fits(world, asked, direction, p, r)]
    if len(allowing) != 1:
        return
    policy, rule = allowing[0]
    yield from _shorter(world, asked, direction, policy, rule)
    who = asked.source if direction == "ingress" else asked.destination
    namespace, _, name = who.pod.partition("/")
    for key in sorted({key for peer in rule.peers for key, operator, _ in peer.pods if operator != "NotIn"}):
        if who.pod and key in labels(world.get(("api", "pods", who.pod)) or {}):
            yield _candidate(1, Typed(f"kubectl label pod {name} -n {namespace} {key}-"))


def _shorter(world: World, asked: Asked, direction: str, policy: Policy, rule: Rule) -> Iterator[Candidate]:
    rules, word = policies.rules_of(world, policy, direction), policies.ASKS[direction]
    at = policies.place_of(policy, direction, rule)
    who = asked.source if direction == "ingress" else asked.destination
    met = {
        word: [is_peer(world, policy, peer, who) for peer in rule.peers],
        "ports": [opens(world, port, asked) for port in rule.ports],
    }
    for field, fitting in met.items():
        if len(fitting) > 1 and sum(fitting) < len(fitting):
            left = [entry for entry, fits_too in zip(rules[at][field], fitting, strict=True) if not fits_too]
            gone = [entry for entry, fits_too in zip(rules[at][field], fitting, strict=True) if fits_too]
            changed = [*rules[:at], {**rules[at], field: left}, *rules[at + 1 :]]
            yield _candidate(policies.leaves(gone), policies.patch(policy, {direction: changed}))
    yield _candidate(policies.leaves(rules[at]), policies.patch(policy, {direction: [*rules[:at], *rules[at + 1 :]]}))


def _more(world: World, asked: Asked, direction: str) -> Iterator[Candidate]:
    """A policy that isolates one end: altogether, or for everybody but the other end."""
    subject, peer = (asked.destination, asked.source) if direction == "ingress" else (asked.source, asked.destination)
    if not subject.pod or not enforcer(world, f"node:{pods(world).nodes.get(subject.pod, '')}"):
        return
    spec = {"podSelector": _means(world, subject.pod), "policyTypes": [direction.capitalize()]}
    yield _applied(subject.pod, direction, spec)
    its = labels(world.get(("api", "pods", peer.pod)) or {}) if peer.pod else {}
    for key, value in sorted(its.items())[:2]:
        but = {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]}
        rule = {policies.ASKS[direction]: [{"namespaceSelector": {}, "podSelector": but}]}
        yield _applied(subject.pod, direction, {**spec, direction: [rule]})


def _means(world: World, pod: str) -> Obj:
    its = dict(labels(world.get(("api", "pods", pod)) or {}))
    return {"matchLabels": its} if its else {}


def _applied(pod: str, direction: str, spec: Obj) -> Candidate:
    namespace, _, name = pod.partition("/")
    metadata = {"name": f"{name}-{direction}", "namespace": namespace}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    text = yaml.safe_dump(policy, sort_keys=False)
    return _candidate(policies.leaves(spec), Typed("kubectl apply -f -", "", text))


def _candidate(size: int, *typed: Typed) -> Candidate:
    return Candidate(saying(typed), typed, size)


# --- the kernel --------------------------------------------------------------------------------


def _firewall(case: Case, arrived: Step) -> Iterator[Candidate]:
    """A rule for this client, server and port, on the machine that the server runs on; or at the client, who asks for
    an address that is not translated yet."""
    packet, scope = arrived.before, arrived.where
    machine, chain = (scope.partition("/")[0], "FORWARD") if "/" in scope else (scope, "INPUT")
    tool = "ip6tables" if ":" in packet.dst else "iptables"
    for source in dict.fromkeys((packet.src, case.sent)):
        port = f" --dport {packet.dport}" if packet.dport else ""
        words = f"-s {source} -d {packet.dst} -p {packet.proto}{port} -j DROP"
        yield one(case, machine, f"{tool} -I {chain} {words}", size=4)
    asked = case.question
    words = f"-d {asked.address} -p {asked.proto} --dport {asked.port} -j DROP"
    yield one(case, asked.netns, f"{tool} -t raw -I OUTPUT {words}", size=3)


def _routes(case: Case) -> Iterator[Candidate]:
    led = {s.because.key: s.because for s in case.attempt.steps if s.because and s.because.key[1] == "route"}
    for key in led:
        row: Route | None = case.world.get(key)
        if row is not None and row.proto != "kernel" and row.dst not in (ip.ANY, ip.ANY6) and not kept(case, key):
            yield one(case, key[0], f"ip route del {fib.route_text(row)}")
