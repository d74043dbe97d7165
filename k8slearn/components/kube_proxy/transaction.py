"""One sync in nftables mode: what is to change in the table, as one transaction of ``nft -f``.

The real one flushes the chains of what has changed and writes them anew, adds and deletes the elements that differ, and
leaves the rest (proxier.go: syncProxyRules). All happens at once: no packet meets half a Service. A set that remembers
clients (``affinity-…``) stays with what it remembers as long as its endpoint does.

Left out: chains that nobody needs any more go with the same transaction; the real one empties them and deletes them
with a sync that is at least a second later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from k8slearn.components.kube_proxy.nftables import TABLE, Entry, Part
from k8slearn.journal import Commands, Key, World
from k8slearn.linux import nft
from k8slearn.linux.nft.values import Element, Verdict, elements_table

Parts = list[tuple[str, Part]]
"""(Service, or empty for what all share; its part)."""
OWNER = re.compile(r"[a-z]+-[A-Z2-7]{8}-([^/]+/[^/]+)/")
"""In the name of a chain or set: whose it is."""


def is_there(world: World, scope: str, family: str) -> bool:
    return world.get((scope, "nfttable", (family, TABLE))) is not None


def remove(world: World, scope: str, families: Iterable[str]) -> Commands:
    """The whole table of each family, as kube-proxy deletes it when it starts in another mode."""
    for family in families:
        if is_there(world, scope, family):
            yield from nft.load(world, scope, f"delete table {family} {TABLE}", "kube-proxy")


def sync(world: World, scope: str, family: str, parts: Parts, about: Callable[[str], bool], cause: Key) -> Commands:
    """Bring the table to `parts`; of the chains only those that this sync is `about` are written anew.

    Another Service's may have changed, too, and wait for its turn: it is written now where a chain of it is missing,
    and what it needs no more stays until then."""
    fresh = [part for owner, part in parts if about(owner) or _lacks_a_chain(world, scope, family, part)]
    lines = [f'add table {family} {TABLE} {{ comment "rules for kube-proxy" ; }}']
    lines += declared(family, fresh)
    lines += [f"flush chain {family} {TABLE} {chain.name}" for part in fresh for chain in part.chains]
    lines += ruled(family, fresh)
    lines += _differing(world, scope, family, {(e.set, e.key): e for _, part in parts for e in part.elements})
    lines += _gone(world, scope, family, parts, about)
    because = {chain.name: chain.because for part in fresh for chain in part.chains}
    store = nft.Store(world, scope)
    nft.run(store, "\n".join(lines) + "\n", because=because)
    owners = _owners(family, parts)
    for command in store.commit():
        table: str = command.key[1]
        name: Any = command.key[2]
        owner = owners.get(str(name[3]) if table == "chain" else (table, name), "")
        yield command._replace(cause=("api", "services", owner) if owner else cause)


def declared(family: str, parts: Iterable[Part]) -> Iterator[str]:
    """``add set``, ``add map`` and ``add chain``."""
    for part in parts:
        yield from (f"add set {family} {TABLE} {name} {{ {body} }}" for name, body in part.sets)
        yield from (f"add map {family} {TABLE} {name} {{ {body} }}" for name, body in part.maps)
        for chain in part.chains:
            header = f" {{ {chain.header} }}" if chain.header else ""
            yield f"add chain {family} {TABLE} {chain.name}{header}"


def ruled(family: str, parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        for chain in part.chains:
            yield from (f"add rule {family} {TABLE} {chain.name} {rule}" for rule in chain.rules)


def _lacks_a_chain(world: World, scope: str, family: str, part: Part) -> bool:
    chains = world.table(scope, "chain")
    return any(("nft", family, TABLE, chain.name) not in chains for chain in part.chains)


def _differing(world: World, scope: str, family: str, wanted: Mapping[Any, Entry]) -> Iterator[str]:
    """Elements that are gone or lead elsewhere now are deleted, then those that are not there are added."""
    there: dict[Any, tuple[str, str]] = {}
    for name in (name for name in _sets(world, scope, family) if not _owner(name)):
        rows: Mapping[Any, Element] = world.table(scope, elements_table(family, TABLE, name))
        there |= {(name, key if isinstance(key, tuple) else (key,)): _said(row) for key, row in rows.items()}
    same = {key for key, said in there.items() if key in wanted and said == (wanted[key].leads, wanted[key].comment)}
    for set_name, key in there:
        if (set_name, key) not in same:
            yield f"delete element {family} {TABLE} {set_name} {{ {' . '.join(map(str, key))} }}"
    for entry in (entry for key, entry in wanted.items() if key not in same):
        yield f"add element {family} {TABLE} {entry.set} {{ {entry} }}"


def _said(row: Element) -> tuple[str, str]:
    leads = f"{row.data.kind} {row.data.chain}".strip() if isinstance(row.data, Verdict) else ""
    return leads, row.comment


def _gone(world: World, scope: str, family: str, parts: Parts, about: Callable[[str], bool]) -> Iterator[str]:
    """Chains and sets that nobody needs: emptied first, since they lead to one another."""
    chains = {chain.name for _, part in parts for chain in part.chains}
    sets = {name for _, part in parts for name, _ in (*part.sets, *part.maps)}
    ours = ("nft", family, TABLE)
    keys: Mapping[Any, object] = world.table(scope, "chain")
    there = [str(k[3]) for k in keys if isinstance(k, tuple) and k[:3] == ours]
    old = [name for name in there if name not in chains and about(_owner(name))]
    yield from (f"flush chain {family} {TABLE} {name}" for name in old)
    yield from (f"delete chain {family} {TABLE} {name}" for name in old)
    for name in _sets(world, scope, family):
        if name not in sets and about(_owner(name)):
            yield f"delete set {family} {TABLE} {name}"


def _sets(world: World, scope: str, family: str) -> list[str]:
    rows: Mapping[Any, object] = world.table(scope, "nftset")
    return [str(name) for kept, table, name in rows if (kept, table) == (family, TABLE)]


def _owner(name: str) -> str:
    found = OWNER.match(name)
    return found[1] if found else ""


def _owners(family: str, parts: Parts) -> dict[Any, str]:
    """Chain, or (world table, row) of an element -> the Service that it is for."""
    found: dict[Any, str] = {}
    for owner, part in parts:
        found |= {chain.name: owner for chain in part.chains}
        for entry in part.elements:
            key = entry.key if len(entry.key) > 1 else entry.key[0]
            found[elements_table(family, TABLE, entry.set), key] = owner
    return found
