"""NetworkPolicies become rows of ``cilium_policy_v2``: for each endpoint of the node, who may be whom to it.

::

    NetworkPolicy          podSelector       the endpoints whose identity's labels meet it
      ingress from         podSelector ...   every identity whose labels meet it          a row for each, and each port
                           ipBlock           every network in it (and in none of except)  a row for each, and each port
                           (nothing)         anybody: one row with the identity 0

Every agent knows every policy. A selector is asked about **identities**, not about pods: a thousand pods with the same
labels are one row, and a new one among them is none. A network that a policy names gets an identity of this machine's
own (its number is above 2**24), and a row in the ipcache; the longest prefix there decides who an address is, so a
pod's own row comes before any network's.

A direction for which no policy selects the endpoint has one row: anybody, any port. The machine itself may always
enter its own pods (``allow-localhost: auto`` under Kubernetes). A port's name means, for ingress, the endpoint's own
port; for egress, the one number that all pods of the cluster who have the name agree about, and nothing where they
do not (pkg/policy: ErrDuplicateNamedPorts).

ClusterNetworkPolicies are not read: Cilium reads them since 1.20 (``enable-k8s-cluster-network-policy``), and this is
1.19.

Sources: pkg/k8s/network_policy.go, pkg/policy (l4.go, mapstate.go, selectorcache.go), pkg/identity/cache/local.go.

Left out: CiliumNetworkPolicies, IPv6 networks, ``policy-cidr-match-mode: nodes``, networks that are exactly a node's
range of pods (the ipcache has it already), garbage collection of identities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from k8slearn.api.policy.compiled import MIDDLE, NETWORK, Peer, Policy, Ports, Rule, policies
from k8slearn.api.policy.judge import named_ports
from k8slearn.api.policy.selected import LabelIndex
from k8slearn.cni.cilium import agent, identity, maps
from k8slearn.cni.cilium.policy import ANYBODY, EGRESS, EXACT, INGRESS, PolicyEntry, PolicyKey
from k8slearn.journal import Commands, Key, Put, Remove, Table, World
from k8slearn.linux import ip

OWNER = "policy"
"""For whom a network is in the ipcache."""
PortKey = tuple[str, int, int]
"""Protocol, number, bits."""


def ensure(world: World, node: str, _: str = "") -> Commands:
    """Networks first, since rows name their identities; then each endpoint's rows, where they differ."""
    known = [policy for policy in policies(world) if policy.tier == MIDDLE]
    yield from _networks(world, node, known)
    wanted = dict(_rows(world, node, known))
    there = world.table(node, maps.POLICY)
    for key in [key for key in there if key not in wanted]:
        yield Remove((node, maps.POLICY, key))
    for key, (row, cause) in wanted.items():
        if there.get(key) != row:
            yield Put((node, maps.POLICY, key), row, cause)


def _rows(world: World, node: str, known: list[Policy]) -> Iterator[tuple[PolicyKey, tuple[PolicyEntry, Key]]]:
    found: dict[PolicyKey, tuple[list[str], Key]] = {}
    for endpoint in agent.endpoints(world, node):
        pod: Key = ("api", "pods", endpoint.pod)
        mine = [policy for policy in known if endpoint.identity in _meant(world, policy, policy.subject)]
        for direction in (INGRESS, EGRESS):
            concerned = [policy for policy in mine if policy.rules(direction) is not None]
            if not concerned:
                yield PolicyKey(endpoint.id, direction), (PolicyEntry(), pod)
            for policy in concerned:
                for key, part in _of_policy(world, node, endpoint, policy, direction):
                    said, _ = found.setdefault(key, ([], ("api", NETWORK, policy.name)))
                    said.append(f"{policy.title}, {part}")
        yield PolicyKey(endpoint.id, INGRESS, identity.HOST), (PolicyEntry(), pod)
    for key, (said, cause) in found.items():
        if key[1:] != (INGRESS, identity.HOST, "", 0, 0):
            yield key, (PolicyEntry(tuple(dict.fromkeys(said))), cause)


def _of_policy(
    world: World, node: str, endpoint: agent.Known, policy: Policy, direction: str
) -> Iterator[tuple[PolicyKey, str]]:
    """Each row that a policy asks for, and the part of its text that does."""
    for rule in policy.rules(direction) or ():
        ports = list(_ports(world, endpoint, rule, direction))
        for number, part in _others(world, node, policy, rule):
            for protocol, port, bits in ports:
                yield PolicyKey(endpoint.id, direction, number, protocol, port, bits), part


# --- who -----------------------------------------------------------------------------------------


class Identities:
    """The identities of pods, by their pods' labels and by their namespaces'."""

    def __init__(self, rows: Table) -> None:
        own: dict[str, dict[str, str]] = {}
        spaces: dict[str, dict[str, str]] = {}
        self._within: dict[str, set[str]] = {}
        for number, row in rows.items():
            labels = {name.removeprefix("k8s:"): value for name, value in row["security-labels"].items()}
            name, prefix = str(number), identity.OF_NAMESPACE
            spaces[name] = {k.removeprefix(prefix): v for k, v in labels.items() if k.startswith(prefix)}
            own[name] = {k: v for k, v in labels.items() if not k.startswith(prefix)}
            self._within.setdefault(labels.get(identity.NAMESPACE, ""), set()).add(name)
        self._own, self._spaces = LabelIndex(own), LabelIndex(spaces)
        self._found: dict[tuple[Any, ...], frozenset[int]] = {}

    def meant(self, peer: Peer, namespace: str) -> frozenset[int]:
        """Those that a pair of selectors means."""
        key = (peer.namespaces, peer.pods, namespace if peer.namespaces is None else "")
        if key not in self._found:
            where = self._within.get(namespace, set()) if peer.namespaces is None else self._spaces.of(peer.namespaces)
            self._found[key] = frozenset(int(name) for name in self._own.of(peer.pods) & where)
        return self._found[key]


def _meant(world: World, policy: Policy, peer: Peer) -> frozenset[int]:
    return world.table("api", identity.IDENTITIES).index(Identities).meant(peer, policy.namespace)


def _others(world: World, node: str, policy: Policy, rule: Rule) -> Iterator[tuple[int, str]]:
    """The identities that a rule means, each with the part of the text."""
    if not rule.peers:
        yield ANYBODY, rule.part
    for peer in rule.peers:
        found = _of_networks(world, node, peer) if peer.by_address else _meant(world, policy, peer)
        yield from ((number, peer.part) for number in sorted(found))


def _of_networks(world: World, node: str, peer: Peer) -> Iterator[int]:
    """The identities of the networks that are in an ipBlock, and not in what it excepts."""
    if any(ip.network(block)[1] == 0 for block in peer.blocks if ":" not in block):
        yield identity.WORLD
    for cidr, row in world.table(node, maps.IPCACHE).items():
        if row.of == OWNER and _inside(str(cidr), peer.blocks) and not _inside(str(cidr), peer.excepts):
            yield row.identity


def _inside(cidr: str, blocks: Iterable[str]) -> bool:
    base, prefix = cidr.split("/")
    near = (block for block in blocks if ":" not in block)
    return any(ip.network(block)[1] <= int(prefix) and ip.within(base, block) for block in near)


def _networks(world: World, node: str, known: list[Policy]) -> Commands:
    """Every network that a policy names is in the ipcache, under an identity of its own."""
    wanted: dict[str, Key] = {}
    for policy in known:
        for rule in (*(policy.ingress or ()), *(policy.egress or ())):
            for block in (block for peer in rule.peers for block in (*peer.blocks, *peer.excepts)):
                base, prefix = ip.network(block)
                if ":" not in block and prefix:
                    wanted.setdefault(f"{ip.text(base)}/{prefix}", ("api", NETWORK, policy.name))
    rows = world.table(node, maps.IPCACHE)
    for cidr in [cidr for cidr, row in rows.items() if row.of == OWNER and cidr not in wanted]:
        yield Remove((node, maps.IPCACHE, cidr))
    for cidr, cause in wanted.items():
        if cidr not in rows:
            taken = {row.identity for row in world.table(node, maps.IPCACHE).values()}
            number = next(n for n in range(identity.LOCAL + 1, identity.LOCAL + len(taken) + 2) if n not in taken)
            yield Put((node, maps.IPCACHE, cidr), maps.Remote(number, of=OWNER), cause)


# --- ports ---------------------------------------------------------------------------------------


def _ports(world: World, endpoint: agent.Known, rule: Rule, direction: str) -> Iterator[PortKey]:
    if not rule.ports:
        yield "", 0, 0
    for ports in rule.ports:
        protocol = ports.protocol.lower()
        if ports.name:
            yield from ((protocol, number, EXACT) for number in _named(world, endpoint, ports, direction))
        elif not ports.first:
            yield protocol, 0, 0
        else:
            yield from ((protocol, number, bits) for number, bits in blocks(ports.first, ports.last))


def _named(world: World, endpoint: agent.Known, ports: Ports, direction: str) -> list[int]:
    """The numbers behind a port's name."""
    if direction == INGRESS:
        return [n for protocol, n in named_ports(world, endpoint.pod, ports.name) if protocol == ports.protocol]
    every = world.table("api", "pods").index(_by_name).get((ports.name, ports.protocol), set())
    return sorted(every) if len(every) == 1 else []


def _by_name(pods: Table) -> dict[tuple[str, str], set[int]]:
    """(a port's name, protocol) -> the numbers that pods have for it."""
    found: dict[tuple[str, str], set[int]] = {}
    for pod in pods.values():
        for container in pod["spec"].get("containers") or ():
            for port in container.get("ports") or ():
                if port.get("name"):
                    key = (port["name"], port.get("protocol", "TCP"))
                    found.setdefault(key, set()).add(port["containerPort"])
    return found


def blocks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """A range of ports as (number, bits): the fewest blocks that a prefix can name."""
    while first <= last:
        size = first & -first or 1 << EXACT
        while size > last - first + 1:
            size >>= 1
        yield first, EXACT - size.bit_length() + 1
        first += size
