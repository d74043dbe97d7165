"""iptables as the CNI plugins use it: chains made when first needed, each rule in them once.

The reference plugins run ``iptables -N``, ``-C``, ``-A``, ``-I``, ``-D`` and ``-X``, one after the other (go-iptables,
pkg/utils/iptables.go); here it is the same steps on the rows of a `Table`. Rules are words, in the plugins' own order.
What iptables refuses, the plugins pass on: the command line, its exit status, its words.

Left out: counters, and the plugins' nftables backend (1.6.0).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World
from k8slearn.linux import iptables
from k8slearn.linux.rules import BUILT_IN, Chain, Rule

Words = tuple[str, ...]
"""A rule as a plugin says it, without ``-A CHAIN``: ``("-s", "10.1.0.2", "-j", "CNI-39f8...")``."""


class Table(NamedTuple):
    """A table of iptables (`family` ``ip``) or ip6tables (``ip6``) in a namespace."""

    netns: str
    family: str = "ip"
    name: str = "nat"

    def key(self, chain: str) -> Key:
        """Where the world keeps a chain of it."""
        return (self.netns, "chain", (self.family, self.name, chain))


def family_of(address: str) -> str:
    """``ip`` or ``ip6``: whose iptables speaks of this address."""
    return "ip6" if ":" in address else "ip"


def name_of(prefix: str, network: str, container_id: str, length: int = 28) -> str:
    """A name of one container's own: a chain's has 28 characters, as many as iptables allows (utils.go)."""
    digits = hashlib.sha512(f"{network}{container_id}".encode()).hexdigest()
    return prefix + digits[: length - len(prefix)]


def exists(world: World, table: Table, chain: str, rule: Words) -> bool:
    """``iptables -C CHAIN RULE``."""
    there: Chain | None = world.get(table.key(chain))
    return there is not None and read(table, chain, rule) in there.rules


def ensure(world: World, table: Table, chain: str, rules: Iterable[Words] = (), first: bool = False) -> Commands:
    """The chain is there, and so are the rules; each new one goes to its end, or `first` to its top. Raises CniError
    for the first rule that iptables refuses, when those before are in."""
    where = table.key(chain)
    there: Chain | None = world.get(where)
    kept = there.rules if there is not None else ()
    refused: CniError | None = None
    try:
        for words in rules:
            rule = read(table, chain, words)
            if rule not in kept:
                _check_target(world, table, chain, rule, words)
                kept = (rule, *kept) if first else (*kept, rule)
    except CniError as error:
        refused = error
    if there is None or kept != there.rules:
        policy = there.policy if there is not None else "ACCEPT" if chain in BUILT_IN[table.name] else ""
        yield Put(where, Chain(kept, policy))
    if refused is not None:
        raise refused


def remove(world: World, table: Table, chain: str, rules: Iterable[Words]) -> Commands:
    """``iptables -D CHAIN RULE``: the first that is the same; none is well, too, but not a target that is gone."""
    there: Chain | None = world.get(table.key(chain))
    kept = list(there.rules) if there is not None else []
    for words in rules:
        rule = read(table, chain, words)
        _check_target(world, table, chain, rule, words, "-D")
        if rule in kept:
            kept.remove(rule)
    if there is not None and len(kept) < len(there.rules):
        yield Put(table.key(chain), Chain(tuple(kept), there.policy))


def drop(world: World, table: Table, chain: str, parents: Iterable[str]) -> Commands:
    """The chain goes, and before it every jump to it out of `parents`; no such chain is well, too."""
    for parent in parents:
        there: Chain | None = world.get(table.key(parent))
        kept = tuple(rule for rule in there.rules if rule.target != chain) if there is not None else ()
        if there is not None and kept != there.rules:
            yield Put(table.key(parent), Chain(kept, there.policy))
    if world.get(table.key(chain)) is not None:
        yield Remove(table.key(chain))


def read(table: Table, chain: str, words: Words) -> Rule:
    """The rule that the words make. Raises CniError in go-iptables' words."""
    try:
        return iptables.parse_words(words, family=table.family)
    except CommandError as error:
        said = error.stderr.replace("iptables", _program(table))
        raise _refused(table, chain, words, error.exit_code, said) from None


def _check_target(world: World, table: Table, chain: str, rule: Rule, words: Words, doing: str = "-C") -> None:
    """A jump leads to a target that iptables knows or to a chain of the table."""
    if rule.target and rule.target not in iptables.TARGETS and world.get(table.key(rule.target)) is None:
        said = f"{_program(table)} {iptables.VERSION}: Chain '{rule.target}' does not exist\n"
        hint = f"Try `{_program(table)} -h' or '{_program(table)} --help' for more information.\n"
        raise _refused(table, chain, words, 2, said + hint, doing)


def _program(table: Table) -> str:
    return "ip6tables" if table.family == "ip6" else "iptables"


def _refused(table: Table, chain: str, words: Words, code: int, said: str, doing: str = "-C") -> CniError:
    line = " ".join((f"/usr/sbin/{_program(table)}", "-t", table.name, doing, chain, *words, "--wait"))
    return CniError(f"running [{line}]: exit status {code}: {said}")
