"""Printing tables, chains and sets exactly as ``nft list`` does.

Left out: the switches of the output but ``-a`` (``-j`` is `as_json.py`'s).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from k8slearn.linux.nft import intervals
from k8slearn.linux.nft.expressions import order_of
from k8slearn.linux.nft.store import Store
from k8slearn.linux.nft.text import element_text, rule_text, time_text
from k8slearn.linux.nft.types import Type
from k8slearn.linux.nft.values import Chain, Counter, Element, Object, Rule, Set

PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
"""The names of priorities (`rule.c: std_prios`)."""
WHERE = {"dstnat": ("prerouting",), "srcnat": ("postrouting",)}
"""At which hooks only a name is known."""
LINE = ",\n\t\t\t     "


def ruleset(store: Store, handles: bool, family: str = "") -> str:
    """``nft list ruleset``."""
    return "".join(table(store, *name, handles) for name in store.tables(family))


def document(entries: str) -> str:
    return entries


def table(store: Store, family: str, name: str, handles: bool) -> str:
    """``nft list table FAMILY NAME``."""
    row = store.table(family, name)
    assert row is not None
    lines = ["\tflags dormant\n"] if row.dormant else []
    lines += [f'\tcomment "{row.comment}"\n'] if row.comment else []
    blocks = [counter(store, family, name, n, o, handles) for n, o in store.objects(family, name).items()]
    blocks += [set_block(store, family, name, n, s, handles) for n, s in store.sets(family, name).items()]
    blocks += [chain(store, family, name, n, c, handles) for n, c in store.chains(family, name).items()]
    return wrapped(f"{family} {name}", "".join(lines) + "\n".join(blocks), row.handle if handles else 0)


def table_line(store: Store, family: str, name: str, handles: bool) -> str:
    """A line of ``nft list tables``."""
    row = store.table(family, name)
    assert row is not None
    return f"table {family} {name}{_handle(row.handle if handles else 0)}\n"


def wrapped(name: str, inside: str, handle: int = 0) -> str:
    return f"table {name} {{{_handle(handle)}\n{inside}}}\n"


def _handle(handle: int) -> str:
    return f" # handle {handle}" if handle else ""


# --- chains --------------------------------------------------------------------------------------


def chain(store: Store, family: str, table_name: str, name: str, row: Chain, handles: bool, rules: bool = True) -> str:
    lines = [f"\tchain {name} {{{_handle(row.handle if handles else 0)}"]
    lines += [f'\t\tcomment "{row.comment}"'] if row.comment else []
    lines += [f"\t\t{base_text(row)}"] if row.hook else []
    for rule in row.rules if rules else ():
        shown = with_counts(store, (family, table_name, name), rule)
        lines.append(f"\t\t{rule_text(shown)}{_handle(rule.handle if handles else 0)}")
    return "\n".join([*lines, "\t}\n"])


def base_text(row: Chain) -> str:
    priority = priority_text(row.priority, row.hook)
    return f"type {row.type} hook {row.hook} priority {priority}; policy {row.policy};"


def priority_text(priority: int, hook: str) -> str:
    """The nearest name and how far it is, as far as ten; else the number."""
    for name, standard in PRIORITIES.items():
        offset = priority - standard
        if abs(offset) <= 10 and hook in WHERE.get(name, (hook,)):
            return f"{name} {'+' if offset > 0 else '-'} {abs(offset)}" if offset else name
    return str(priority)


def with_counts(store: Store, place: tuple[str, str, str], rule: Rule) -> Rule:
    """The rule with what its counter has counted."""
    if not any(isinstance(s, Counter) and not s.name for s in rule.statements):
        return rule
    packets, size = store.counted(*place, rule.handle)
    statements = tuple(
        Counter(s.packets + packets, s.size + size) if isinstance(s, Counter) and not s.name else s
        for s in rule.statements
    )
    return replace(rule, statements=statements)


# --- sets and objects ----------------------------------------------------------------------------


def counter(store: Store, family: str, table_name: str, name: str, row: Object, handles: bool) -> str:
    packets, size = store.counted(family, table_name, name)
    lines = [f"\tcounter {name} {{{_handle(row.handle if handles else 0)}"]
    lines += [f'\t\tcomment "{row.comment}"'] if row.comment else []
    return "\n".join([*lines, f"\t\tpackets {row.packets + packets} bytes {row.size + size}", "\t}\n"])


def set_block(
    store: Store,
    family: str,
    table_name: str,
    name: str,
    row: Set,
    handles: bool,
    elements: list[Element] | None = None,
) -> str:
    """A set or map. `elements` None: all of them."""
    found = list(store.elements(family, table_name, name).values()) if elements is None else elements
    lines = [f"\t{'map' if row.data else 'set'} {name} {{{_handle(row.handle if handles else 0)}"]
    lines += [f"\t\t{line}" for line in declaration(row)]
    if found:
        texts = [element_text(e, row.data, store.world.clock) for e in listed(row, found)]
        lines.append(f"\t\telements = {{ {_wrapped(row, texts)} }}")
    return "\n".join([*lines, "\t}\n"])


def listed(row: Set, elements: list[Element]) -> list[Element]:
    """Elements in the order of a listing."""
    if row.interval:
        return sorted(elements, key=lambda e: intervals.stretch(e.key[0]))
    return sorted(elements, key=lambda e: order_of(row.kinds, e))


def declaration(row: Set) -> Iterator[str]:
    """The lines that say what a set is (`rule.c: set_print_declaration`)."""
    what = f"typeof {row.typeof}" if row.typeof else f"type {type_text(row.kinds)}"
    data = row.typeof and " : " in row.typeof
    yield f"{what} : {type_text(row.data)}" if row.data and not data else what
    if row.policy == "memory":
        yield "policy memory"
    if row.size:
        yield f"size {row.size}"
    flags = [f for f in ("constant", "dynamic", "interval", "timeout") if f in row.flags]
    if flags and (flags != ["timeout"] or not row.timeout):
        yield f"flags {','.join(flags)}"
    if row.timeout:
        yield f"timeout {time_text(row.timeout)}"
    if row.gc:
        yield f"gc-interval {time_text(row.gc)}"
    if row.merge:
        yield "auto-merge"
    if row.comment:
        yield f'comment "{row.comment}"'


def type_text(kinds: tuple[Type, ...]) -> str:
    return " . ".join(kind.name for kind in kinds)


def _wrapped(row: Set, texts: list[str]) -> str:
    """So many to a line as their type allows (`expression.c: calculate_delim`)."""
    per_line = row.kinds[0].row if len(row.kinds) == 1 else 1
    lines = [", ".join(texts[at : at + per_line]) for at in range(0, len(texts), per_line)]
    return LINE.join(lines)
