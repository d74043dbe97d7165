"""Rules into a chain: at its end, at its front, beside another rule, instead of one.

Left out: handles within one transaction (``rule N`` of what the same text adds).
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.linux.nft.batch import KERNEL, NO_FILE, Batch
from k8slearn.linux.nft.rule import parse_rule
from k8slearn.linux.nft.values import Anonymous, Chain, Counter, Mapped, Match, Nat, Rule, SetMark, Statement, Vmap


def add_rule(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    family, table, token, chain = batch.chain_spec()
    at: int | None = None
    before = verb == "insert"
    if cursor.text in ("handle", "position", "index"):
        at = rule_place(batch, chain)
    rule = parse_rule(batch.where(family, table))
    place_rule(batch, family, table, token.text, rule, at, before, (start, cursor.before))


def insert(batch: Batch, verb: str, start: int) -> None:
    batch.cursor.eat("rule")
    add_rule(batch, "insert", start)


def rule_place(batch: Batch, chain: Chain) -> int:
    """``handle N`` or ``index N``: the place of that rule in the chain, from 0."""
    cursor, start = batch.cursor, batch.cursor.place
    word, token = cursor.take().text, cursor.token
    number = cursor.number()
    if word == "index":
        if number >= len(chain.rules):
            cursor.fail(start, f"{KERNEL}{NO_FILE}")
        return number
    place = next((at for at, rule in enumerate(chain.rules) if rule.handle == number), None)
    if place is None:
        raise cursor.source.complain(start if word == "position" else token.start, token.end, f"{KERNEL}{NO_FILE}")
    return place


def place_rule(
    batch: Batch, family: str, table: str, chain: str, rule: Rule, at: int | None, before: bool, span: tuple[int, int]
) -> None:
    """Put a rule at the end, at the front, or before or after another one."""
    check_objects(batch, family, table, rule, span)
    row = batch.store.chain(family, table, chain)
    assert row is not None
    sets_in_braces = sum(_braces(statement) for statement in rule.statements)
    handle = batch.store.handle(family, table, 1 + sets_in_braces)
    because = batch.because if isinstance(batch.because, str) else batch.because.get(chain, "")
    rule = replace(rule, handle=handle, because=because)
    place = (0 if before else len(row.rules)) if at is None else at if before else at + 1
    rules = (*row.rules[:place], rule, *row.rules[place:])
    batch.store.put(batch.store.chain_key(family, table, chain), replace(row, rules=rules))
    batch.touched[family, table] = span


def check_objects(batch: Batch, family: str, table: str, rule: Rule, span: tuple[int, int]) -> None:
    for statement in rule.statements:
        named = statement.name if isinstance(statement, Counter) else ""
        if named and named not in batch.store.objects(family, table):
            raise batch.cursor.source.complain(*span, f"{KERNEL}{NO_FILE}")


def replace_rule(batch: Batch, verb: str, start: int) -> None:
    cursor = batch.cursor
    cursor.need("rule")
    family, table, token, chain = batch.chain_spec()
    if cursor.text != "handle":
        cursor.unexpected("handle")
    at = rule_place(batch, chain)
    rule = parse_rule(batch.where(family, table))
    place_rule(batch, family, table, token.text, rule, at, True, (start, cursor.before))
    take_rule(batch, family, table, token.text, chain.rules[at].handle)


def take_rule(batch: Batch, family: str, table: str, chain: str, handle: int) -> None:
    row = batch.store.chain(family, table, chain)
    assert row is not None
    rules = tuple(rule for rule in row.rules if rule.handle != handle)
    batch.store.put(batch.store.chain_key(family, table, chain), replace(row, rules=rules))
    batch.store.forget(family, table, chain, handle)


def _braces(statement: Statement) -> bool:
    match statement:
        case Match(right=right) | Vmap(right=right):
            return isinstance(right, Anonymous)
        case Nat(address=Mapped(right=right)) | SetMark(source=Mapped(right=right)):
            return isinstance(right, Anonymous)
    return False
