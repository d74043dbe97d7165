"""What kube-proxy takes away of another mode's rules when it starts: they would go on translating beside its own.

In nftables mode it deletes the jumps and chains of iptables mode and all that ipvs mode has left; in both of these it
deletes the table ``kube-proxy`` (server_linux.go: platformCleanup; iptables/cleanup.go, ipvs/cleanup.go).

Between iptables and ipvs nobody cleans up. They share the names of their chains, and what only the other one has stays:
``kube-ipvs0`` with the addresses of Services, for one, until a person runs ``kube-proxy --cleanup`` or reboots the
node.

KUBE-FIREWALL stays, with its jumps: the real one leaves it, since a kubelet may have written it.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from k8slearn.components.kube_proxy import balancer, ipvs, rules
from k8slearn.journal import Commands, Put, Remove, World
from k8slearn.linux.iptables import parse_rule

KUBELETS = "KUBE-FIREWALL"
GONE = {
    "mangle": (rules.CANARY,),
    "nat": (rules.CANARY, *rules.SHARED_CHAINS["nat"], *ipvs.CHAINS["nat"]),
    "filter": (rules.CANARY, *(c for c in rules.SHARED_CHAINS["filter"] if c != KUBELETS), *ipvs.CHAINS["filter"]),
}
JUMPS = (*rules.JUMPS, *ipvs.JUMPS)
OF_SERVICES = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-SEP-")


def iptables(world: World, scope: str, families: Iterable[str]) -> Commands:
    """Delete the jumps that lead to kube-proxy's chains, then the chains, then what ipvs mode has beside them."""
    families = tuple(families)
    for family in families:
        sources = {(table, source) for table, source, target, _ in JUMPS if target != KUBELETS}
        for table, source in sorted(sources):
            key = (scope, "chain", (family, table, source))
            chain = world.get(key)
            jumps = {
                parse_rule(f"{matches}-j {target}", "kube-proxy", family)
                for t, s, target, matches in JUMPS
                if (t, s) == (table, source) and target != KUBELETS
            }
            if chain is not None and jumps & {*chain.rules}:
                yield Put(key, replace(chain, rules=tuple(rule for rule in chain.rules if rule not in jumps)))
        chains: Mapping[Any, object] = world.table(scope, "chain")
        for _, table, name in [k for k in chains if isinstance(k, tuple) and k[0] == family]:
            if name in GONE.get(table, ()) or (table == "nat" and name.startswith(OF_SERVICES)):
                yield Remove((scope, "chain", (family, table, name)))
    yield from balancer.remove(world, scope, families)
