"""Felix makes the kernel enforce the policies: chains for the node's own pods, sets of everybody's addresses.

Of all policies a node needs those that select one of its pods. Their rules ask for sets of addresses, and the pods in
these sets can be anywhere: so a label that changes on one node changes a set on every other one, and no rule.

What a node should have is worked out as a whole, and only what differs is written: a new policy is a chain and a jump
in the chains of the pods that it selects.

Left out: what it costs Felix to find out what changed (its index of labels is ours, `k8slearn.api.policy.selected`);
IPv6 (every function takes the family, and nobody asks for the second one).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from k8slearn.api.policy import Policy, policies, selected
from k8slearn.api.policy.compiled import CLUSTER, NETWORK
from k8slearn.api.policy.judge import concerning, named_ports
from k8slearn.components.calico_node import filtering, names, rendering, startup
from k8slearn.components.calico_node.filtering import Workload
from k8slearn.components.calico_node.hashes import APPENDS, hashed
from k8slearn.components.calico_node.rendering import Line, Rendered, Wanted
from k8slearn.journal import Commands, Key, Put, Remove, Table, World
from k8slearn.linux.ipset import IpSet, Member
from k8slearn.linux.rules import Chain, Rule

WATCHED = {
    "pods": "whose addresses are in the sets",
    "namespaces": "their labels",
    NETWORK: "who may talk to whom",
    CLUSTER: "who may talk to whom, first and last",
}
PREFIX = "cali-"
Parts = tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """What the kernel of a node should have for its policies."""

    chains: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    causes: dict[str, Key] = field(default_factory=dict)
    """Chain or set -> the object because of which it is there."""
    sets: dict[str, tuple[str, frozenset[Parts]]] = field(default_factory=dict)
    """Name -> type and elements."""


def ensure(world: World, node: str, family: str = "ip") -> Commands:
    """Sets first, since rules ask them; then chains; then what nobody asks any more goes."""
    every = policies(world)
    found = selected.derived(world, ("felix", node, family), (every,), lambda: plan(world, node, family))
    hosts = names.set_name(filtering.HOSTS, family)
    wanted = {**found.sets, hosts: ("hash:net", frozenset((f"{address}/32",) for address in startup.mesh(world)))}
    for name, (kind, parts) in wanted.items():
        yield from _set(world, node, name, kind, parts, found.causes.get(name))
    chains = {**filtering.static(startup.tunnelled(world), family), **found.chains}
    for name, lines in chains.items():
        rules, key = hashed(name, lines), (node, "chain", (family, "filter", name))
        if (world.get(key) or Chain()).rules != rules or world.get(key) is None:
            yield Put(key, Chain(rules), found.causes.get(name))
    yield from _entries(world, node, family)
    yield from _gone(world, node, family, set(chains), set(wanted))


def _entries(world: World, node: str, family: str) -> Commands:
    """The jumps stand first in the kernel's own chains; the last rules of FORWARD accept."""
    for name, target in filtering.ENTRIES.items():
        key: Key = (node, "chain", (family, "filter", name))
        there: Chain = world.get(key) or Chain(policy="ACCEPT")
        last = hashed(f"{name}{APPENDS}", filtering.APPENDED) if name == "FORWARD" else ()
        first = hashed(name, (Line(f"--jump {target}"),))
        others = tuple(rule for rule in there.rules if not _ours(rule))
        if there.rules[:1] != first or (last and there.rules[-2:] != last):
            yield Put(key, Chain((*first, *others, *last), there.policy))


def _ours(rule: Rule) -> bool:
    return any(m.option == "--comment" and m.value.startswith("cali:") for m in rule.matches)


def _set(world: World, node: str, name: str, kind: str, parts: frozenset[Parts], cause: Key | None) -> Commands:
    if world.get((node, "ipset", name)) is None:
        yield Put((node, "ipset", name), IpSet(kind, maxelem=1048576), cause)
    there = _elements(world, node).get(name) or set()
    for one in sorted(parts - there):
        yield Put((node, "ipset-member", (name, one)), Member(one), cause)
    for one in sorted(there - parts):
        yield Remove((node, "ipset-member", (name, one)), cause)


def _elements(world: World, node: str) -> dict[str, set[Parts]]:
    return world.table(node, "ipset-member").index(_by_set)


def _by_set(rows: Table) -> dict[str, set[Parts]]:
    found: dict[str, set[Parts]] = {}
    for name in rows:
        assert isinstance(name, tuple)
        found.setdefault(name[0], set()).add(name[1])
    return found


def _gone(world: World, node: str, family: str, chains: set[str], sets: set[str]) -> Commands:
    for key in list(world.table(node, "chain")):
        ours = isinstance(key, tuple) and key[:2] == (family, "filter") and key[2].startswith(PREFIX)
        if isinstance(key, tuple) and ours and key[2] not in chains:
            yield Remove((node, "chain", key))
    for name in [str(name) for name in world.table(node, "ipset")]:
        if name.startswith((f"{names.FAMILIES[family]}s:", f"{names.FAMILIES[family]}n:")) and name not in sets:
            for one in _elements(world, node).get(name, ()):
                yield Remove((node, "ipset-member", (name, one)))
            yield Remove((node, "ipset", name))


# --- what there should be ----------------------------------------------------------------------


def plan(world: World, node: str, family: str) -> Plan:
    """The chains and sets of this node's pods."""
    found = Plan()
    pods = list(workloads(world, node.removeprefix("node:"), family))
    found.chains |= filtering.dispatch(pod.interface for pod in pods)
    for pod in pods:
        for direction in filtering.DIRECTIONS:
            mine = filtering.workload(pod, direction)
            found.chains |= mine
            found.causes |= dict.fromkeys(mine, ("api", "pods", pod.pod))
            for profile in filtering.profiles(pod):
                name = filtering.profile_chain(profile, direction)
                found.chains[name] = filtering.profile(profile, direction)
            for policy in pod.policies(direction):
                _policy(world, found, policy, direction, family)
    return found


def workloads(world: World, node: str, family: str) -> Iterator[Workload]:
    """The pods of a node that have an address."""
    there = selected.pods(world)
    for pod in sorted(there.every):
        if there.nodes[pod] == node and _addresses(there.addresses[pod], family):
            account = world.get(("api", "pods", pod))["spec"].get("serviceAccountName") or "default"
            sides = (concerning(world, pod, "ingress"), concerning(world, pod, "egress"))
            yield Workload(pod, interface(pod), account, *sides)


@lru_cache(maxsize=65536)
def interface(pod: str) -> str:
    """The name of the host end of a pod's cable: who knows the pod knows it (k8s/conversion)."""
    return "cali" + hashlib.sha1(pod.replace("/", ".", 1).encode()).hexdigest()[:11]


def _policy(world: World, found: Plan, policy: Policy, direction: str, family: str) -> None:
    name = filtering.policy_chain(policy, direction)
    if name in found.chains:
        return
    cause: Key = ("api", NETWORK if policy.kind == "NetworkPolicy" else CLUSTER, policy.name)
    rendered = _rendered(policy, direction, family)
    found.chains[name] = tuple(rendered.lines)
    found.causes[name] = cause
    for wanted in rendered.sets:
        identity = names.set_name(wanted.identity, family)
        if identity not in found.sets:
            kind = "hash:ip,port" if wanted.port else "hash:net"
            found.sets[identity] = (kind, frozenset(_members(world, wanted, family)))
            found.causes.setdefault(identity, cause)


@lru_cache(maxsize=4096)
def _rendered(policy: Policy, direction: str, family: str) -> Rendered:
    return rendering.policy(policy, direction, family)


def _members(world: World, wanted: Wanted, family: str) -> Iterator[Parts]:
    """The elements of a set, for every pod that its selector means."""
    there, peer = selected.pods(world), wanted.peer
    pods = there.every if peer is None else selected.chosen(world, peer.namespaces, peer.pods, wanted.own)
    for pod in pods:
        for address in _addresses(there.addresses[pod], family):
            if not wanted.port:
                yield (f"{address}/{32 if family == 'ip' else 128}",)
                continue
            for protocol, number in named_ports(world, pod, wanted.port):
                if wanted.protocol in ("", protocol.lower()):
                    yield address, f"{protocol.lower()}:{number}"


def _addresses(held: tuple[str, ...], family: str) -> list[str]:
    return [address for address in held if (":" in address) == (family == "ip6")]
