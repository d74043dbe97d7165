"""The agent's iptables chains: what pods send to the world leaves with the node's address (``enable-ipv4-masquerade``).

Programs could do that too (``enable-bpf-masquerade``), but the chart's default is iptables; then the kernel's stack
routes what leaves the pods' world (``Host Routing: Legacy``). Each chain is jumped to from the top of the kernel's
(``cilium-feeder``).

In tunnel mode everything is masqueraded that leaves the node other than by Cilium's own devices, also towards other
nodes; with native routing only what is outside ``ipv4-native-routing-cidr`` and no node (ipset ``cilium_node_set_v4``).

Source: pkg/datapath/iptables/iptables.go.

Left out: the tables raw and mangle and all rules for the L7 proxy, ``egress-masquerade-interfaces``, ip-masq-agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from k8slearn.cni.cilium import agent, maps
from k8slearn.components.cilium import config
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux.ipset import IpSet, Member
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rules import Chain, Rule

NODES = "cilium_node_set_v4"
FEEDERS = {
    ("nat", "PREROUTING"): "CILIUM_PRE_nat",
    ("nat", "OUTPUT"): "CILIUM_OUTPUT_nat",
    ("nat", "POSTROUTING"): "CILIUM_POST_nat",
    ("filter", "INPUT"): "CILIUM_INPUT",
    ("filter", "OUTPUT"): "CILIUM_OUTPUT",
    ("filter", "FORWARD"): "CILIUM_FORWARD",
}
FORWARD = (
    '-o cilium_host -m comment --comment "cilium: any->cluster on cilium_host forward accept" -j ACCEPT',
    '-i cilium_host -m comment --comment "cilium: cluster->any on cilium_host forward accept (nodeport)" -j ACCEPT',
    '-i lxc+ -m comment --comment "cilium: cluster->any on lxc+ forward accept" -j ACCEPT',
    '-i cilium_net -m comment --comment "cilium: cluster->any on cilium_net forward accept (nodeport)" -j ACCEPT',
)
TO_NODES = (
    f"-s {{own}} -m set --match-set {NODES} dst -m comment --comment "
    '"exclude traffic to cluster nodes from masquerade" -j ACCEPT'
)
TO_WORLD = '-s {own} ! -d {excluded} ! -o cilium_+ -m comment --comment "cilium masquerade non-cluster" -j MASQUERADE'
OF_PROXY = '-m mark --mark 0xa00/0xe00 -m comment --comment "exclude proxy return traffic from masquerade" -j ACCEPT'
OF_HOST = (
    '! -s {own} ! -d {own} -o cilium_host -m comment --comment "cilium host->cluster masquerade" '
    "-j SNAT --to-source {router}"
)
OF_LOOPBACK = (
    '-s 127.0.0.1/32 -o cilium_host -m comment --comment "cilium host->cluster from 127.0.0.1 masquerade" '
    "-j SNAT --to-source {router}"
)
HAIRPIN = (
    "-o cilium_host -m mark --mark 0xf00/0xf00 -m conntrack --ctstate DNAT "
    '-m comment --comment "hairpin traffic that originated from a local pod" -j SNAT --to-source {router}'
)


def ensure(world: World, node: str, wanted: maps.Config) -> Commands:
    """The chains and the set are as they should be."""
    on = config.is_on(world, "enable-ipv4-masquerade", True)
    if on and not wanted.tunnel:
        yield from nodes(world, node)
    for (table, name), rules in chains(wanted, on).items():
        there: Chain | None = world.get(_key(node, table, name))
        if there is None or there.rules != rules:
            yield Put(_key(node, table, name), Chain(rules))
    for (table, name), target in FEEDERS.items():
        yield from _feeder(world, node, table, name, target)


@lru_cache(maxsize=512)
def chains(wanted: maps.Config, masquerading: bool) -> Mapping[tuple[str, str], tuple[Rule, ...]]:
    """Cilium's chains: (table, name) -> rules."""
    here = (TO_WORLD, OF_PROXY, OF_HOST) if wanted.tunnel else (TO_NODES, TO_WORLD, OF_PROXY)
    words = {"own": wanted.pod_cidr, "excluded": wanted.native_cidr or wanted.pod_cidr, "router": wanted.router}
    texts = [text.format(**words) for text in (*here, OF_LOOPBACK, HAIRPIN)] if masquerading else []
    found = {(table, target): () for (table, _), target in FEEDERS.items()}
    return found | {
        ("nat", "CILIUM_POST_nat"): tuple(map(parse_rule, texts)),
        ("filter", "CILIUM_FORWARD"): tuple(map(parse_rule, FORWARD)),
    }


def nodes(world: World, node: str) -> Commands:
    """The addresses of all nodes."""
    if world.get((node, "ipset", NODES)) is None:
        yield Put((node, "ipset", NODES), IpSet("hash:ip"))
    rows = world.table("api", agent.CILIUM_NODES).values()
    wanted = {a["ip"] for row in rows for a in row["spec"].get("addresses") or () if a["type"] == "InternalIP"}
    there = {name for name in world.table(node, "ipset-member") if isinstance(name, tuple) and name[0] == NODES}
    for address in sorted(wanted):
        if (NODES, (address,)) not in there:
            yield Put((node, "ipset-member", (NODES, (address,))), Member((address,)))
    for name in there - {(NODES, (address,)) for address in wanted}:
        yield Remove((node, "ipset-member", name))


def _feeder(world: World, node: str, table: str, name: str, target: str) -> Commands:
    """The jump stands first (``prepend-iptables-chains``)."""
    jump = parse_rule(f'-m comment --comment "cilium-feeder: {target}" -j {target}')
    there: Chain = world.get(_key(node, table, name)) or Chain(policy="ACCEPT")
    if there.rules[:1] != (jump,):
        others = tuple(rule for rule in there.rules if rule.target != target)
        yield Put(_key(node, table, name), Chain((jump, *others), there.policy))


def _key(node: str, table: str, name: str) -> Key:
    return (node, "chain", ("ip", table, name))
