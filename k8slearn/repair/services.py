"""What might be typed where a Service leads nowhere: its selector, a target port, a traffic policy, a pod's label.

`addressed.py` says what the address is and names one line of YAML or another question; here are the others that would
do as well.

Left out: EndpointSlices that a person wrote; a health check of a pod that is not ready.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple

from k8slearn import addressed
from k8slearn.addressed import Finding, Proposal
from k8slearn.api import conditions, selectors
from k8slearn.journal import World
from k8slearn.repair.edit import Candidate, Case, Typed
from k8slearn.repair.typed import saying
from k8slearn.verbs import Question

Obj = dict[str, Any]
FREE_NODE_PORT = 30080


class Door(NamedTuple):
    """A way into a Service: which one, by which of its ports, and what kind of address was asked for."""

    service: Obj
    port: Obj
    kind: str
    """``clusterIP``, ``external`` (a load balancer's or an external address) or ``nodePort``."""


def candidates(case: Case) -> Iterator[Candidate]:
    """What the address is says what might be typed."""
    found = finding(case)
    if found.proposal is not None:
        yield _of(case.question, found.proposal)
    for door in doors(case.world, case.question):
        yield from _policies(door)
        yield from _ranges(case, door)
        yield from _unready(case.world, door)
        yield from _labels(case.world, door)
        if door.kind == "clusterIP" and not case.question.netns.startswith("node:"):
            yield from _opened(case, door)


def finding(case: Case) -> Finding:
    """Whose address was asked for, and what is wrong with that. A node port is asked about as its Service's own."""
    question, address = case.question, case.question.address or ""
    node, steps = question.netns.partition("/")[0], case.attempt.steps
    other = next((door for door in doors(case.world, question) if door.kind != "clusterIP"), None)
    if other is not None and other.service["spec"].get("clusterIP") not in (None, "", "None"):
        own, port = other.service["spec"]["clusterIP"], other.port["port"]
        return addressed.look_up(case.world, addressed.Asked(own, port, question.protocol, case.step, True, node, True))
    translated = any(s.what == "nat" and s.before.dst == address != s.after.dst for s in steps)
    inside = node.startswith("node:")
    asked = addressed.Asked(address, question.port, question.protocol, case.step, inside, node, translated)
    return addressed.look_up(case.world, asked)


def _of(question: Question, said: Proposal) -> Candidate:
    """A proposal of `addressed.py`: a command, or another question."""
    if said.command:
        return Candidate(said.says, (Typed(said.command),))
    asked = replace(question, destination=said.address or question.destination, port=said.port or question.port)
    return Candidate(said.says, (), 1, replace(asked, protocol=said.protocol or question.protocol))


def doors(world: World, question: Question) -> list[Door]:
    """The Services that this address and port lead into."""
    found = []
    for _, service in sorted(world.table("api", "services").items(), key=lambda row: str(row[0])):
        spec, ingress = service["spec"], (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        external = [*spec.get("externalIPs", ()), *(i.get("ip") for i in ingress)]
        for port in spec.get("ports") or ():
            if port.get("protocol", "TCP") != question.protocol:
                continue
            if (
                question.address in (spec.get("clusterIPs") or [spec.get("clusterIP")])
                and port["port"] == question.port
            ):
                found.append(Door(service, port, "clusterIP"))
            elif question.address in external and port["port"] == question.port:
                found.append(Door(service, port, "external"))
            elif port.get("nodePort") == question.port:
                found.append(Door(service, port, "nodePort"))
    return found


def name_of(service: Obj) -> str:
    """``web -n default``: how kubectl is told of it."""
    return f"{service['metadata']['name']} -n {service['metadata']['namespace']}"


def patched(service: Obj, spec: Obj, size: int = 1) -> Candidate:
    """Fields of its spec that are otherwise."""
    typed = (Typed(f"kubectl patch service {name_of(service)} -p '{json.dumps({'spec': spec})}'"),)
    return Candidate(saying(typed), typed, size)


def _policies(door: Door) -> Iterator[Candidate]:
    """``Local`` drops what has no endpoint on the node."""
    for field in ("internalTrafficPolicy", "externalTrafficPolicy"):
        if door.service["spec"].get(field) == "Local":
            yield patched(door.service, {field: "Cluster"})


def _ranges(case: Case, door: Door) -> Iterator[Candidate]:
    ranges = door.service["spec"].get("loadBalancerSourceRanges")
    if ranges and case.sent:
        own = f"{case.sent}/{128 if ':' in case.sent else 32}"
        yield patched(door.service, {"loadBalancerSourceRanges": [*ranges, own]})


def _unready(world: World, door: Door) -> Iterator[Candidate]:
    """Pods that are selected, and not Ready."""
    selector, namespace = door.service["spec"].get("selector"), door.service["metadata"]["namespace"]
    rows = world.table("api", "pods").items()
    mine = [pod for name, pod in rows if str(name).startswith(f"{namespace}/")]
    chosen = [pod for pod in mine if selectors.equal(selector, selectors.labels(pod))]
    if chosen and not all(conditions.holds(pod, "Ready") for pod in chosen):
        yield patched(door.service, {"publishNotReadyAddresses": True})


def _labels(world: World, door: Door) -> Iterator[Candidate]:
    """Pods that nearly carry what the Service selects."""
    selector, namespace = door.service["spec"].get("selector") or {}, door.service["metadata"]["namespace"]
    for key, pod in sorted(world.table("api", "pods").items(), key=lambda row: str(row[0])):
        having = selectors.labels(pod)
        lacking = {k: v for k, v in selector.items() if having.get(k) != v}
        if str(key).startswith(f"{namespace}/") and lacking and all(_near(k, v, having) for k, v in lacking.items()):
            words = " ".join(f"{k}={v}" for k, v in lacking.items())
            typed = (Typed(f"kubectl label pod {pod['metadata']['name']} -n {namespace} {words} --overwrite"),)
            yield Candidate(saying(typed), typed, len(lacking))


def _near(key: str, value: str, having: selectors.Labels) -> bool:
    """Did somebody mean this label: nearly the same value, or the value under another key?"""
    return bool(get_close_matches(value, [having.get(key, "")], 1)) or value in having.values()


def _opened(case: Case, door: Door) -> Iterator[Candidate]:
    """From outside a cluster IP is nowhere: a node port is a way in."""
    if any(port.get("nodePort") for port in door.service["spec"]["ports"]):
        return
    node = case.world.get(("cluster", "settings", "")).nodes[0][1]
    name = {"name": door.port["name"]} if door.port.get("name") else {}
    port = {**name, "port": door.port["port"], "protocol": door.port["protocol"], "nodePort": FREE_NODE_PORT}
    change = patched(door.service, {"type": "NodePort", "ports": [port]}, 2)
    asked = replace(case.question, destination=node, port=FREE_NODE_PORT)
    yield change._replace(says=f"{change.says}, and ask for {node}:{FREE_NODE_PORT}", ask=asked)
