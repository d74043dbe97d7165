"""iptables chains as the CNI plugins keep them: made when first needed, each rule in them once.

The reference plugins run ``iptables -N``, ``-C`` and ``-A``; here it is the same three steps on one row.

Left out: ip6tables and the plugins' nftables backend.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import iptables
from k8slearn.linux.rules import BUILT_IN, Chain

TABLE = "nat"


def name_of(prefix: str, network: str, container_id: str) -> str:
    """A chain of one container: 28 characters, as long as iptables allows (utils.go)."""
    digits = hashlib.sha512(f"{network}{container_id}".encode()).hexdigest()
    return prefix + digits[: 28 - len(prefix)]


def key(netns: str, name: str) -> Key:
    """Where the world keeps a chain of the nat table."""
    return (netns, "chain", ("ip", TABLE, name))


def ensure(world: World, netns: str, name: str, rules: Iterable[str] = (), first: bool = False) -> Commands:
    """The chain is there, and so are the rules (text without ``-A``); new ones go to its end, or `first` to its top."""
    where = key(netns, name)
    chain: Chain = world.get(where) or Chain(policy="ACCEPT" if name in BUILT_IN[TABLE] else "")
    new = tuple(rule for rule in map(iptables.parse_rule, rules) if rule not in chain.rules)
    if new or world.get(where) is None:
        yield Put(where, Chain((*new, *chain.rules) if first else (*chain.rules, *new), chain.policy))


def drop(world: World, netns: str, name: str, parents: Iterable[str]) -> Commands:
    """The chain goes, and before it every jump to it out of `parents`."""
    for parent in parents:
        chain: Chain | None = world.get(key(netns, parent))
        kept = tuple(rule for rule in chain.rules if rule.target != name) if chain is not None else ()
        if chain is not None and kept != chain.rules:
            yield Put(key(netns, parent), Chain(kept, chain.policy))
    yield Remove(key(netns, name))
