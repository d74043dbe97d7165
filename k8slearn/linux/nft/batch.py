"""One transaction while its text is read: the draft, where one is in the text, and how names are found.

Left out: families bridge, arp and netdev.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import NoReturn, Protocol

from k8slearn.linux.nft import listing
from k8slearn.linux.nft.expressions import Where
from k8slearn.linux.nft.scan import Cursor, Token
from k8slearn.linux.nft.store import Store
from k8slearn.linux.nft.values import FAMILIES, Chain, Element, Object, Set

NO_FILE, EXISTS, BUSY = "No such file or directory", "File exists", "Device or resource busy"
UNSUPPORTED = "Operation not supported"
KERNEL = "Could not process rule: "
"""What nft puts before the kernel's own words."""
OTHER_FAMILIES = ("bridge", "arp", "netdev")


Because = str | Mapping[str, str]
"""Why rules are made, in a person's words: of all of them, or by their chains."""


class Form(Protocol):
    """A module that prints: `listing`, `as_json`."""

    def ruleset(self, store: Store, handles: bool, family: str = "") -> str: ...
    def table(self, store: Store, family: str, name: str, handles: bool) -> str: ...
    def table_line(self, store: Store, family: str, name: str, handles: bool) -> str: ...
    def wrapped(self, name: str, inside: str, handle: int = 0) -> str: ...
    def document(self, entries: str) -> str: ...
    def chain(
        self, store: Store, family: str, table_name: str, name: str, row: Chain, handles: bool, rules: bool = True
    ) -> str: ...
    def counter(self, store: Store, family: str, table_name: str, name: str, row: Object, handles: bool) -> str: ...
    def set_block(
        self,
        store: Store,
        family: str,
        table_name: str,
        name: str,
        row: Set,
        handles: bool,
        elements: list[Element] | None = None,
    ) -> str: ...


@dataclass(slots=True)
class Batch:
    """One transaction while it is read."""

    store: Store
    cursor: Cursor
    handles: bool
    because: Because = ""
    form: Form = listing
    """How it is printed: as text, or as JSON."""
    printed: list[str] = field(default_factory=list)
    touched: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """The tables whose rules changed, and the characters of the command that did it last."""

    def family(self, otherwise: str = "ip") -> str:
        cursor = self.cursor
        if cursor.text in OTHER_FAMILIES:
            raise cursor.source.complain(
                cursor.place, cursor.token.end, f"family {cursor.text} is not modelled here: ip, ip6 and inet are"
            )
        return cursor.take().text if cursor.text in FAMILIES else otherwise

    def spec(self) -> tuple[str, Token]:
        """``[FAMILY] TABLE``."""
        return self.family(), self.cursor.word()

    def fail(self, token: Token, says: str) -> NoReturn:
        raise self.cursor.source.complain(token.start, token.end, says)

    def need_table(self, family: str, token: Token, prefix: str = "") -> None:
        if self.store.table(family, token.text.strip('"')) is None:
            near = self.near(token.text, (name for _, name in self.store.tables(family)))
            self.fail(token, NO_FILE if near else f"{prefix}{NO_FILE}")

    def where(self, family: str, table: str, cursor: Cursor | None = None) -> Where:
        store = self.store
        return Where(
            cursor or self.cursor,
            family,
            table,
            lambda name: store.set(family, table, name),
            lambda name: store.chain(family, table, name) is not None,
            lambda name, timeout: store.open_set(family, table, name, timeout),
        )

    def chain_spec(self) -> tuple[str, str, Token, Chain]:
        family, table = self.spec()
        token = self.cursor.word()
        found = self.store.chain(family, table.text, token.text)
        if found is None:
            asks = self.cursor.text in ("index", "handle", "position") or self.names_a_set()
            self.need_table(family, table, "" if self.cursor.ended or asks else KERNEL)
            near = asks or self.near(token.text, self.store.chains(family, table.text))
            self.fail(token, NO_FILE if near else f"{KERNEL}{NO_FILE}")
        return family, table.text, token, found

    def names_a_set(self) -> bool:
        """Does the rule name a set? nft looks that up before it asks the kernel."""
        tokens = islice(self.cursor.tokens, self.cursor.at, self.cursor.stop)
        line = takewhile(lambda token: token.text != "\n", tokens)
        return any(token.text == "@" for token in line)

    def near(self, name: str, others: Iterable[str]) -> bool:
        """Is there a name that nft would take for the one that was meant?"""
        return any(_distance(name, other) <= max(2, -(-max(len(name), len(other)) // 3)) for other in others)

    def set_spec(self) -> tuple[str, str, Token, Set]:
        family, table = self.spec()
        token = self.cursor.word()
        self.need_table(family, table)
        found = self.store.set(family, table.text, token.text)
        if found is None:
            self.fail(token, NO_FILE)
        return family, table.text, token, found

    def kernel_chain(self) -> tuple[str, str, Token, Chain]:
        """A chain of which only the kernel says that it is not there."""
        family, table = self.spec()
        token = self.cursor.word()
        self.need_table(family, table, KERNEL)
        found = self.store.chain(family, table.text, token.text)
        if found is None:
            self.fail(token, f"{KERNEL}{NO_FILE}")
        return family, table.text, token, found


def _distance(one: str, other: str) -> int:
    """How many letters must be added, taken or changed (Levenshtein)."""
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, row[0] = row[0], at
        for n, other_letter in enumerate(other, 1):
            before, row[n] = row[n], min(row[n] + 1, row[n - 1] + 1, before + (letter != other_letter))
    return row[-1]
