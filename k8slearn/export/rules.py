"""A namespace's netfilter rules as the texts that put them back: ``iptables-restore``, ``nft -f`` …

Every tool prints what it reads, so a whole firewall is a few texts. Sets come first, because rules name them; of two
base chains with one priority the kernel asks the younger one first, so the tool whose chains are older goes first.

Left out: what packets have written (counters, elements that rules put into sets): a new kernel has forgotten it.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.journal import Remove, World, drive
from k8slearn.linux import iptables
from k8slearn.linux.nft import Store, listing
from k8slearn.shell import run

READERS = {"ip": "iptables-restore", "ip6": "ip6tables-restore", "nft": "nft -f -"}
"""What a chain's name begins with -> the tool that reads its rules."""


def texts(world: World, scope: str) -> Iterator[tuple[str, str]]:
    """(command, its standard input), in the order in which they are to be run."""
    sets = drive(run(world, scope, "ipset save"), lambda command: None).stdout
    if sets:
        yield "ipset restore", sets
    saved = {family: iptables.save(world, scope, family=family) for family in ("ip", "ip6")}
    saved["nft"] = listing.ruleset(Store(_forgetful(world, scope), scope), False)
    older = next((key[0] for key in world.table(scope, "chain") if isinstance(key, tuple)), "ip")
    for tool in sorted(READERS, key=lambda tool: tool != older):
        if saved[tool]:
            yield READERS[tool], saved[tool]


def _forgetful(world: World, scope: str) -> World:
    """The world without what packets have counted and written in nftables."""
    fork = world.fork()
    for name in list(fork.table(scope, "counter")):
        if isinstance(name, tuple) and name[0] == "nft":
            fork.apply(Remove((scope, "counter", name)))
    store = Store(fork, scope)
    for family, table in store.tables():
        for name, row in store.sets(family, table).items():
            for key, element in store.elements(family, table, name).items() if "dynamic" in row.flags else ():
                if element.until is not None:
                    fork.apply(Remove(store.element_key(family, table, name, key)))
    return fork
