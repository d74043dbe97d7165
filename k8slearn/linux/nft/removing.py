"""``delete``, ``flush`` and ``rename``: what is still in use is refused.

Left out: ``destroy`` (newer than 1.0.6), deleting sets and tables by their handle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from k8slearn.linux.nft import sets, validate
from k8slearn.linux.nft.batch import BUSY, EXISTS, KERNEL, NO_FILE, Batch
from k8slearn.linux.nft.placing import rule_place, take_rule
from k8slearn.linux.nft.values import Counter, Mapped, Match, Nat, SetMark, SetRef, Statement, Update, Vmap


def delete(batch: Batch, verb: str, start: int) -> None:
    _by_kind(batch, DELETE)


def _by_kind(batch: Batch, kinds: Mapping[str, Callable[[Batch], None]]) -> None:
    """What the next word names is done."""
    cursor = batch.cursor
    kind = cursor.text
    if kind not in kinds:
        cursor.unexpected()
    cursor.take()
    kinds[kind](batch)


def delete_table(batch: Batch) -> None:
    family, token = batch.spec()
    batch.need_table(family, token, KERNEL)
    batch.store.drop_table(family, token.text)
    batch.touched.pop((family, token.text), None)


def delete_chain(batch: Batch) -> None:
    family, table, token, _ = batch.kernel_chain()
    if validate.leads_to(batch.store, family, table, token.text) or sets.leads_to(
        batch.store, family, table, token.text
    ):
        batch.fail(token, f"{KERNEL}{BUSY}")
    batch.store.drop_chain(family, table, token.text)


def delete_rule(batch: Batch) -> None:
    cursor = batch.cursor
    family, table = batch.spec()
    token = cursor.word()
    if cursor.text != "handle":
        cursor.unexpected("handle")
    batch.need_table(family, table, KERNEL)
    chain = batch.store.chain(family, table.text, token.text)
    if chain is None:
        batch.fail(token, f"{KERNEL}{NO_FILE}")
    at = rule_place(batch, chain)
    take_rule(batch, family, table.text, token.text, chain.rules[at].handle)


def delete_set(batch: Batch, is_map: bool = False) -> None:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table, KERNEL)
    found = batch.store.set(family, table.text, token.text)
    if found is None:
        batch.fail(token, f"{KERNEL}{NO_FILE}")
    chains = batch.store.chains(family, table.text).values()
    if any(token.text in _sets_of(s) for c in chains for r in c.rules for s in r.statements):
        batch.fail(token, f"{KERNEL}{BUSY}")
    batch.store.drop_set(family, table.text, token.text)


def delete_element(batch: Batch) -> None:
    family, table, token, _ = batch.set_spec()
    sets.delete(batch.store, batch.where(family, table), token.text)


def delete_counter(batch: Batch) -> None:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table, KERNEL)
    if token.text not in batch.store.objects(family, table.text):
        batch.fail(token, f"{KERNEL}{NO_FILE}")
    used = (s for c in batch.store.chains(family, table.text).values() for r in c.rules for s in r.statements)
    if any(isinstance(s, Counter) and s.name == token.text for s in used):
        batch.fail(token, f"{KERNEL}{BUSY}")
    batch.store.remove((batch.store.netns, "nftobject", (family, table.text, token.text)))


def flush(batch: Batch, verb: str, start: int) -> None:
    _by_kind(batch, FLUSH)


def flush_ruleset(batch: Batch) -> None:
    family = batch.family("")
    for name in batch.store.tables(family):
        batch.store.drop_table(*name)


def flush_table(batch: Batch) -> None:
    family, token = batch.spec()
    batch.need_table(family, token, KERNEL)
    for chain in batch.store.chains(family, token.text):
        empty(batch, family, token.text, chain)


def flush_chain(batch: Batch) -> None:
    family, table, token, _ = batch.kernel_chain()
    empty(batch, family, table, token.text)


def empty(batch: Batch, family: str, table: str, chain: str) -> None:
    row = batch.store.chain(family, table, chain)
    assert row is not None
    batch.store.forget(family, table, chain, *(rule.handle for rule in row.rules))
    batch.store.put(batch.store.chain_key(family, table, chain), replace(row, rules=()))


def flush_set(batch: Batch) -> None:
    family, table, token, _ = batch.set_spec()
    batch.store.drop_elements(family, table, token.text)


def rename(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    cursor.need("chain")
    family, table = batch.spec()
    token, new = cursor.word(), cursor.word()
    batch.need_table(family, table)
    row = batch.store.chain(family, table.text, token.text)
    if row is None:
        batch.fail(token, NO_FILE)
    if batch.store.chain(family, table.text, new.text) is not None:
        cursor.fail_whole(start, f"{KERNEL}{EXISTS}")
    sets.rename_targets(batch.store, family, table.text, token.text, new.text)
    row = batch.store.chain(family, table.text, token.text)
    batch.store.remove(batch.store.chain_key(family, table.text, token.text))
    batch.store.put(batch.store.chain_key(family, table.text, new.text), row)


def _sets_of(statement: Statement) -> tuple[str, ...]:
    """The named sets that a statement looks at."""
    match statement:
        case Match(right=SetRef(name=name)) | Vmap(right=SetRef(name=name)) | Update(set=SetRef(name=name)):
            return (name,)
        case Nat(address=Mapped(right=SetRef(name=name))) | SetMark(source=Mapped(right=SetRef(name=name))):
            return (name,)
    return ()


DELETE: Mapping[str, Callable[[Batch], None]] = {
    "table": delete_table,
    "chain": delete_chain,
    "rule": delete_rule,
    "set": delete_set,
    "map": delete_set,
    "element": delete_element,
    "counter": delete_counter,
}
FLUSH: Mapping[str, Callable[[Batch], None]] = {
    "ruleset": flush_ruleset,
    "table": flush_table,
    "chain": flush_chain,
    "set": flush_set,
    "map": flush_set,
}
