"""Felix: what a node needs so that pods' packets may travel by it.

The tunnel ``tunl0``, where a pool uses IP-in-IP; chains of its own in the nat table, jumped to from the top of the
kernel's; and two ipsets of the pools' ranges: a packet from a pool with ``natOutgoing`` to an address outside all
pools leaves with the node's address. What it writes for policies is in `policy`, in the filter table.

Left out: the mangle and raw tables, floating addresses, routes and settings of pods' cables that
somebody takes away (the CNI plugin has written them).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from k8slearn.cni import blocks
from k8slearn.components.calico_node import policy, startup
from k8slearn.components.calico_node.hashes import APPENDS, hashed
from k8slearn.components.calico_node.rendering import Line
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import addr, ipip, link
from k8slearn.linux.ipset import IpSet, Member
from k8slearn.linux.rows import Link
from k8slearn.linux.rules import Chain, Rule

TUNNEL = ipip.FALLBACK
MASQ, ALL = "cali40masq-ipam-pools", "cali40all-ipam-pools"
TO_OUTSIDE = f"-m set --match-set {MASQ} src -m set ! --match-set {ALL} dst --jump MASQUERADE --random-fully"
BY_TUNNEL = (
    f"--out-interface {TUNNEL} -m addrtype ! --src-type LOCAL --limit-iface-out "
    "-m addrtype --src-type LOCAL --jump MASQUERADE --random-fully"
)
"""A packet of the node's own that was given another source than the tunnel's (to a Service) could not be answered."""
ENTRIES = {"PREROUTING": "cali-PREROUTING", "OUTPUT": "cali-OUTPUT", "POSTROUTING": "cali-POSTROUTING"}


def ensure(world: World, node: str) -> Commands:
    """Whatever is not as it should be is made so."""
    if startup.tunnelled(world):
        yield from _tunnel(world, node)
    yield from _sets(world, node)
    for name, rules in chains(startup.tunnelled(world), any(True for _ in _masqueraded(world))).items():
        there: Chain | None = world.get(_key(node, name))
        if there is None or there.rules != rules:
            yield Put(_key(node, name), Chain(rules))
    for name, target in ENTRIES.items():
        yield from _entry(world, node, name, target)
    yield from policy.ensure(world, node)


def _tunnel(world: World, node: str) -> Commands:
    wanted, mtu = startup.annotation(world, node, startup.TUNNEL), startup.pod_mtu(world, node)
    if not wanted:
        return
    yield from ipip.load(world, node)
    device: Link | None = world.get(link.key(node, TUNNEL))
    if device is None:
        return
    if device.mtu != mtu:
        yield from link.set_mtu(world, node, TUNNEL, mtu)
    for row in addr.on(world, node, TUNNEL):
        if row.address != wanted:
            yield from addr.delete(world, node, TUNNEL, f"{row.address}/{row.prefix}")
    if wanted not in [row.address for row in addr.on(world, node, TUNNEL)]:
        yield from addr.add(world, node, TUNNEL, f"{wanted}/32")
    if not device.up:
        yield from link.set_up(world, node, TUNNEL)


def _masqueraded(world: World) -> list[str]:
    pools = world.table("api", blocks.POOLS).values()
    return sorted(pool["spec"]["cidr"] for pool in pools if pool["spec"].get("natOutgoing"))


def _sets(world: World, node: str) -> Commands:
    every = sorted(cidr for cidr, _ in startup.modes(world))
    for name, networks in ((ALL, every), (MASQ, _masqueraded(world))):
        if world.get((node, "ipset", name)) is None:
            yield Put((node, "ipset", name), IpSet("hash:net", maxelem=1048576))
        there = {key for key in world.table(node, "ipset-member") if isinstance(key, tuple) and key[0] == name}
        wanted = {(name, (network,)) for network in networks}
        for key in sorted(wanted - there):
            yield Put((node, "ipset-member", key), Member(key[1]))
        for key in sorted(there - wanted):
            yield Remove((node, "ipset-member", key))


@lru_cache(maxsize=4)
def chains(tunnelled: bool, masquerading: bool) -> Mapping[str, tuple[Rule, ...]]:
    """Felix's chains of the nat table, as it renders them (felix/rules/static.go, nat.go)."""
    texts = {
        "cali-PREROUTING": ["--jump cali-fip-dnat"],
        "cali-OUTPUT": ["--jump cali-fip-dnat"],
        "cali-POSTROUTING": ["--jump cali-fip-snat", "--jump cali-nat-outgoing", *[BY_TUNNEL] * tunnelled],
        "cali-fip-dnat": [],
        "cali-fip-snat": [],
        "cali-nat-outgoing": [TO_OUTSIDE] * masquerading,
    }
    return {name: hashed(name, tuple(map(Line, rules))) for name, rules in texts.items()}


def _entry(world: World, node: str, name: str, target: str) -> Commands:
    """The jump stands first in the kernel's chain (``chainInsertMode: Insert``); only in POSTROUTING it stands last,
    behind kube-proxy's masquerading (dataplane/linux/int_dataplane.go)."""
    there: Chain = world.get(_key(node, name)) or Chain(policy="ACCEPT")
    last = name == "POSTROUTING"
    jump = hashed(name + APPENDS * last, (Line(f"--jump {target}"),))
    if (there.rules[-1:] if last else there.rules[:1]) != jump:
        others = tuple(rule for rule in there.rules if rule.target != target)
        yield Put(_key(node, name), Chain((*others, *jump) if last else (*jump, *others), there.policy))


def _key(node: str, name: str) -> Key:
    return (node, "chain", ("ip", "nat", name))
