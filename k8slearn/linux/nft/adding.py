"""``add`` and ``create``: tables, chains, sets, elements, counters, and whole tables in braces.

In a table's braces chains come first, then counters and sets, then rules, whatever their order in the text: so they
may name one another.

Left out: flowtables, quotas, limits, helpers and other objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from k8slearn.linux.nft import sets
from k8slearn.linux.nft.batch import EXISTS, KERNEL, OTHER_FAMILIES, UNSUPPORTED, Batch
from k8slearn.linux.nft.declare import CHAIN_TYPES, Body, chain_body, counter_body, set_body
from k8slearn.linux.nft.placing import add_rule, place_rule
from k8slearn.linux.nft.rule import parse_rule
from k8slearn.linux.nft.scan import Cursor, Token
from k8slearn.linux.nft.values import FAMILIES, Chain, Set


@dataclass(slots=True)
class Block:
    """What stood in a table's braces."""

    chains: list[tuple[Token, Body]] = field(default_factory=list)
    sets: list[tuple[Token, Body]] = field(default_factory=list)
    counters: list[tuple[Token, int]] = field(default_factory=list)
    dormant: bool = False
    fresh: bool = True
    """Is the table new? Only then it takes a comment."""


def add(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    kind = cursor.text
    if kind in FAMILIES or kind in OTHER_FAMILIES or kind not in OBJECTS:
        kind = "rule"
        if verb == "add" and cursor.token.kind != "word":
            cursor.unexpected("string")
    else:
        cursor.take()
    if kind not in ADD:
        raise cursor.source.complain(start, cursor.before, f"`{verb} {kind}` is not modelled here")
    ADD[kind](batch, verb, start)


def add_table(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    family, token = batch.spec()
    name = token.text
    exists = batch.store.table(family, name)
    fresh = exists is None
    if exists is not None and verb == "create":
        batch.fail(token, f"{KERNEL}{EXISTS}")
    if exists is None:
        batch.store.new_table(family, name, "", False)
    dormant = table_block(batch, family, name, start, fresh) if cursor.text == "{" else False
    batch.store.sleep(family, name, dormant)


def table_block(batch: Batch, family: str, name: str, start: int, fresh: bool) -> bool:
    """Everything between a table's braces; is the table to be dormant?"""
    cursor, later = batch.cursor, Block(fresh=fresh)
    cursor.need("{")
    cursor.skip_lines()
    while not cursor.eat("}"):
        block_line(batch, family, name, later)
        cursor.skip_lines()
    for chain, body in later.chains:
        new_chain(batch, family, name, chain, body, "add", start)
    for token, at in later.counters:
        new_counter(batch, family, name, token, Cursor(cursor.source, cursor.tokens, at, cursor.stop), "add")
    for token, body in later.sets:
        new_set(batch, family, name, token, body, "add")
    for chain, body in later.chains:
        chain_rules(batch, family, name, chain.text, body)
    return later.dormant


def block_line(batch: Batch, family: str, name: str, later: Block) -> None:
    cursor = batch.cursor
    word = cursor.take()
    if word.text in ("chain", "set", "map", "counter"):
        token = cursor.word()
        if word.text == "chain":
            later.chains.append((token, chain_body(cursor)))
        elif word.text == "counter":
            later.counters.append((token, cursor.at))
            counter_body(cursor)
        else:
            later.sets.append((token, set_body(batch.where(family, name), word.text == "map")))
        return
    row = batch.store.table(family, name)
    assert row is not None
    key = (batch.store.netns, "nfttable", (family, name))
    if word.text == "comment":
        comment = cursor.word().text.strip('"')
        batch.store.put(key, replace(row, comment=comment if later.fresh else row.comment))
    elif word.text == "flags":
        cursor.need("dormant")
        later.dormant = True
    else:
        cursor.at -= 1
        cursor.unexpected()


def add_chain(batch: Batch, verb: str, start: int) -> None:
    family, table = batch.spec()
    token = batch.cursor.word()
    body = chain_body(batch.cursor) if batch.cursor.text == "{" else Body(Chain())
    batch.need_table(family, table)
    new_chain(batch, family, table.text, token, body, verb, start)
    chain_rules(batch, family, table.text, token.text, body)


def new_chain(batch: Batch, family: str, table: str, token: Token, body: Body, verb: str, start: int) -> None:
    """Make a chain, or change the policy of one that is there."""
    row, name = body.row, token.text
    assert isinstance(row, Chain)
    before = batch.store.chain(family, table, name)
    key = batch.store.chain_key(family, table, name)
    wrong = row.hook and (row.hook not in CHAIN_TYPES[row.type] or (row.type == "nat" and row.priority <= -200))
    if before is not None and verb == "create":
        batch.fail(token, f"{KERNEL}{EXISTS}")
    if wrong or (before and row.hook and (before.type, before.hook, before.priority) != _base(row)):
        batch.cursor.fail_whole(start, f"{KERNEL}{UNSUPPORTED}")
    if before is not None:
        if before.hook and row.policy:
            batch.store.put(key, replace(before, policy=row.policy))
        return
    if row.hook:
        asleep = table_row.dormant if (table_row := batch.store.table(family, table)) is not None else False
        row = replace(row, policy=row.policy or "accept", asleep=asleep)
    batch.store.put(key, replace(row, handle=batch.store.handle(family, table)))


def chain_rules(batch: Batch, family: str, table: str, chain: str, body: Body) -> None:
    for at, stop in body.rules:
        cursor = Cursor(batch.cursor.source, batch.cursor.tokens, at, stop)
        rule = parse_rule(batch.where(family, table, cursor))
        place_rule(batch, family, table, chain, rule, None, False, (cursor.tokens[at].start, cursor.before))


def add_set(batch: Batch, verb: str, start: int, is_map: bool = False) -> None:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table)
    body = set_body(batch.where(family, table.text), is_map)
    new_set(batch, family, table.text, token, body, verb)


def new_set(batch: Batch, family: str, table: str, token: Token, body: Body, verb: str) -> None:
    row, name = body.row, token.text
    assert isinstance(row, Set)
    before = batch.store.set(family, table, name)
    if before is not None and (verb == "create" or (before.kinds, before.data) != (row.kinds, row.data)):
        batch.fail(token, f"{KERNEL}{EXISTS}")
    if before is None:
        row = replace(row, handle=batch.store.handle(family, table))
        batch.store.put((batch.store.netns, "nftset", (family, table, name)), row)
    if body.elements >= 0:
        cursor = Cursor(batch.cursor.source, batch.cursor.tokens, body.elements, batch.cursor.stop)
        sets.add(batch.store, batch.where(family, table, cursor), name, "add")


def add_element(batch: Batch, verb: str, start: int) -> None:
    family, table, token, _ = batch.set_spec()
    sets.add(batch.store, batch.where(family, table), token.text, verb)
    batch.touched.setdefault((family, table), (start, batch.cursor.before))


def add_counter(batch: Batch, verb: str, start: int) -> None:
    family, table = batch.spec()
    token = batch.cursor.word()
    batch.need_table(family, table)
    new_counter(batch, family, table.text, token, batch.cursor, verb)


def new_counter(batch: Batch, family: str, table: str, token: Token, cursor: Cursor, verb: str) -> None:
    row, exists = counter_body(cursor), token.text in batch.store.objects(family, table)
    if exists and verb == "create":
        batch.fail(token, f"{KERNEL}{EXISTS}")
    if not exists:
        key = (batch.store.netns, "nftobject", (family, table, token.text))
        batch.store.put(key, replace(row, handle=batch.store.handle(family, table)))


def _base(row: Chain) -> tuple[str, str, int]:
    return row.type, row.hook, row.priority


OBJECTS = ("table", "chain", "rule", "set", "map", "element", "counter", "flowtable", "quota", "limit", "ct",
           "secmark", "synproxy")  # fmt: skip
ADD: Mapping[str, Callable[[Batch, str, int], None]] = {
    "table": add_table,
    "chain": add_chain,
    "rule": add_rule,
    "set": add_set,
    "map": lambda batch, verb, start: add_set(batch, verb, start, True),
    "element": add_element,
    "counter": add_counter,
}
