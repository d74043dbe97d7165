"""nftables: tables that people name themselves, with sets and maps, beside or instead of iptables.

``nft`` replaced four tools by one language. A table belongs to a family (``ip``, ``ip6``, ``inet`` for both) and has
chains; a *base chain* says itself at which hook and with which priority packets come in. What iptables needs a rule
for each Service for, nftables does with one rule and a map: ``ip daddr . meta l4proto . th dport vmap @service-ips``
finds one of 10,000 elements by a hash.

::

    text ── scan ── commands ──┬── declare, sets (what a chain, a set is, and its elements)
                               └── rule (statements, expressions, nat) ── settle ── a Rule
    rows of the world ── listing, text ── text          a packet ── stages ── evaluate ── acts ── outcomes

`run` does a text's commands as one transaction on a `Store`; `load` is the same as commands for the journal.
`values.py` says which rows there are.

iptables' own tables (which iptables-nft keeps as nftables tables) are `rules.py`'s and are not listed here.

Left out: bridge, arp and netdev families, flowtables, quotas, named limits, helpers, meters, raw payload, ranges in
concatenations. Each is refused in a sentence.
"""

from collections.abc import Generator

from k8slearn.journal import Command, World
from k8slearn.linux.nft.commands import run
from k8slearn.linux.nft.evaluate import traverse
from k8slearn.linux.nft.stages import Stage, joined, tracks
from k8slearn.linux.nft.store import Store, tables_of


def load(world: World, netns: str, text: str, because: str = "") -> Generator[Command, None, str]:
    """Do a text's commands, all or none (``nft -f``); yields what changes, returns what was listed.

    CommandError says in nft's words what is wrong."""
    store = Store(world, netns)
    printed = run(store, text, "/dev/stdin", because=because)
    yield from store.commit()
    return printed


__all__ = ["Stage", "Store", "joined", "load", "run", "tables_of", "tracks", "traverse"]
