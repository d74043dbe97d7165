"""The world and its journal: the module that *is* the idea. Read this one first.

etcd, under every Kubernetes cluster, is a flat table from key to value with a revision that
only grows. So is the **world** here: ``(scope, table, name) -> frozen value``. A scope is
``"api"`` or a network namespace such as ``"node:node-1"``; a table is ``"pods"`` or ``"route"``.

Nothing edits the world but the **journal**. An `Input` is what came from outside (a command, a
fault, a packet sent, an answer, the clock moved). A `Change` is one consequence: the row that
somebody put or removed, with its author and the key that caused it. Only inputs are saved,
shared, undone and graded; consequences are computed again (law: same inputs, same consequences).

Left out: compaction (a journal is as long as the learner's session) and transactions across keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar, cast

Key = tuple[str, str, Hashable]
"""``(scope, table, name)``: ``("api", "pods", "default/web")``, ``("node:node-1", "link", "eth0")``."""
CLOCK: Key = ("clock", "now", "")

T = TypeVar("T")


def digest(*words: object, length: int = 8) -> str:
    """Hex digits that depend on these words alone: where the real thing draws a name, we derive it."""
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:length]


class Put(NamedTuple):
    """A command: this key now has this (frozen) value. `cause` names the key that made it so."""

    key: Key
    value: Any
    cause: Key | None = None


class Remove(NamedTuple):
    """A command: this key is gone. Removing what is absent changes nothing."""

    key: Key
    cause: Key | None = None


Command = Put | Remove
Commands = Iterator[Command]
"""What a component or a tool yields. Each command is applied before the next is asked for, so
a generator sees its own writes in the world it was given."""


def drive(commands: Generator[Command, None, T], write: Callable[[Command], object]) -> T:
    """Run a generator of commands to its end, each written before the next is asked for; returns what it returns."""
    while True:
        try:
            command = next(commands)
        except StopIteration as end:
            return cast(T, end.value)
        write(command)


Belongs = Callable[[Any], Iterable[Hashable]]
Groups = dict[Hashable, dict[Hashable, Any]]


class Kept(Protocol):
    """What is derived from a table's rows and follows each of them as it changes."""

    def moved(self, name: Hashable, before: Any, value: Any) -> None:
        """This row was `before`, and is `value` now (None: there is none)."""


K = TypeVar("K", bound=Kept)


class Grouped:
    """Group -> its rows by name."""

    def __init__(self, rows: Table, belongs: Belongs) -> None:
        self.belongs = belongs
        self.groups: Groups = {}
        for name, value in rows.items():
            self.moved(name, None, value)

    def moved(self, name: Hashable, before: Any, value: Any) -> None:
        for group in () if before is None else self.belongs(before):
            self.groups[group].pop(name, None)
        for group in () if value is None else self.belongs(value):
            self.groups.setdefault(group, {})[name] = value


class Table(dict[Hashable, Any]):
    """The rows of one table of one scope, with the indexes that were derived from them."""

    __slots__ = ("derived", "kept")

    def __init__(self, rows: Mapping[Hashable, Any] = {}) -> None:
        super().__init__(rows)
        self.derived: dict[Hashable, Any] = {}
        self.kept: dict[Hashable, Any] = {}

    def index(self, build: Callable[[Table], T]) -> T:
        """`build(self)`, computed once and remembered until a row changes."""
        found: T
        try:
            found = self.derived[build]
        except KeyError:
            found = self.derived[build] = build(self)
        return found

    def keep(self, build: Callable[[Table], K]) -> K:
        """`build(self)`, computed once; where `index` begins anew when a row changes, this is told of the one row."""
        found: K
        try:
            found = self.kept[build]
        except KeyError:
            found = self.kept[build] = build(self)
        return found

    def by(self, belongs: Belongs) -> Mapping[Hashable, Mapping[Hashable, Any]]:
        """Group -> its rows by name, in no order. `belongs` says which groups a row is in, from the row alone."""
        found = self.kept.get(belongs)
        if found is None:
            found = self.kept[belongs] = Grouped(self, belongs)
        groups: Groups = found.groups
        return groups


_NOTHING = Table()


class _Empty(dict[tuple[str, str], Table]):
    """Below the lowest world."""

    def __missing__(self, place: tuple[str, str]) -> Table:
        return _NOTHING


_NOBODY = _Empty()


class _View(dict[tuple[str, str], Table]):
    """The tables that were looked up before: a world's own (all of them) and those below it."""

    __slots__ = ("below",)

    def __init__(self, base: World | None) -> None:
        self.below: Mapping[tuple[str, str], Table] = base.rows if base is not None else _NOBODY

    def __missing__(self, place: tuple[str, str]) -> Table:
        found = self[place] = self.below[place]
        return found


class World:
    """Every row there is. Read with `get` and `table`; only a journal (or a walk's fork) writes."""

    __slots__ = ("_base", "_tables", "clock", "outside", "revision", "rows", "scratch")

    def __init__(self, base: World | None = None) -> None:
        self._base = base
        self.revision: int = base.revision if base is not None else 0
        self.clock: float = base.clock if base is not None else 0.0
        """Seconds on the logical clock: what the row `CLOCK` says."""
        self._tables: dict[tuple[str, str], Table] = {}
        self.rows = _View(base)
        """The one door to rows, ``(scope, table)`` -> its rows: do not change what it returns."""
        self.scratch = False
        """Is it a fork that is thrown away? Then a walk writes into it, and needs no fork of its own."""
        self.outside: Callable[[str, Any], Mapping[str, Any]] | None = None
        """While an input is done: whom to ask what no row says, a learner's own code (`engine.Outside`)."""

    def table(self, scope: str, table: str) -> Table:
        """The same door with a handle: `rows[scope, table]`."""
        return self.rows[scope, table]

    def get(self, key: Key) -> Any:
        """The value of a key, or None."""
        scope, table, name = key
        return self.rows[scope, table].get(name)

    def scopes(self, table: str) -> list[str]:
        """Every scope that has rows in this table, sorted."""
        found = set(self._base.scopes(table)) if self._base is not None else set()
        for (scope, name), rows in self._tables.items():
            if name == table:
                (found.add if rows else found.discard)(scope)
        return sorted(found)

    def tables(self) -> dict[tuple[str, str], Table]:
        """Every non-empty table, by (scope, table)."""
        below = self._base.tables() if self._base is not None else {}
        return {k: v for k, v in {**below, **self._tables}.items() if v}

    def fork(self, scratch: bool = False) -> World:
        """A world laid over this one: writes stay in the fork (a walk's effects, a what-if).

        While the fork is in use nobody writes to this one.
        """
        fork = World(self)
        fork.scratch = scratch
        return fork

    def reorder(self, scope: str, table: str, names: Iterable[Hashable]) -> None:
        """The same rows in this order."""
        rows = self.table(scope, table)
        self._tables[scope, table] = self.rows[scope, table] = Table({name: rows[name] for name in names})

    def apply(self, command: Command) -> Any:
        """Do one command; return the value that was there before (or None)."""
        scope, table, name = command.key
        rows = self._tables.get((scope, table))
        if rows is None:
            rows = Table(self._base.table(scope, table)) if self._base is not None else Table()
            self._tables[scope, table] = self.rows[scope, table] = rows
        rows.derived.clear()
        if command.key == CLOCK:
            self.clock = float(command.value) if isinstance(command, Put) else 0.0
        if isinstance(command, Put):
            before = rows.get(name)
            rows[name] = command.value
        else:
            before = rows.pop(name, None)
        for kept in rows.kept.values():
            kept.moved(name, before, command.value if isinstance(command, Put) else None)
        return before


@dataclass(frozen=True, slots=True)
class Input:
    """What came from outside. `arguments` is JSON-ready; `kind` is one of the engine's verbs."""

    revision: int
    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One consequence: `value` None means that the row went away."""

    revision: int
    key: Key
    before: Any
    value: Any
    author: str
    cause: Key | None
    source: int
    """The revision of the input that set this in motion."""
    previous: Change | None = field(default=None, repr=False, compare=False)
    """What had written this row before; undo needs it."""


Entry = Input | Change
ANSWERS = "answers"
"""The argument of an input that holds what a learner's own code returned while the input was done."""


class Journal:
    """The only writer of a world. Every entry has a revision of its own, from 1."""

    def __init__(self) -> None:
        self.world = World()
        self.entries: list[Entry] = []
        self._origins: dict[Key, Change] = {}
        self._last_input = 0

    @property
    def revision(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def inputs(self) -> list[Input]:
        """What came from outside, in order: all that is saved, shared and graded."""
        return [e for e in self.entries if isinstance(e, Input)]

    def origin(self, key: Key) -> Change | None:
        """The entry that last wrote this row: who, because of what, and after which input."""
        return self._origins.get(key)

    def begin(self, kind: str, arguments: Mapping[str, Any]) -> Input:
        entry = Input(self.revision + 1, kind, arguments)
        self.entries.append(entry)
        self._last_input = self.world.revision = entry.revision
        return entry

    def answered(self, answers: Iterable[Mapping[str, Any]]) -> None:
        """The last input is also what the world outside answered while it was done (it is part of what is saved)."""
        at = self._last_input - 1
        entry = self.entries[at]
        assert isinstance(entry, Input)
        self.entries[at] = Input(entry.revision, entry.kind, {**entry.arguments, ANSWERS: list(answers)})

    def commit(self, command: Command, author: str) -> Change | None:
        """Write one consequence; a command that changes nothing leaves no entry."""
        value = command.value if isinstance(command, Put) else None
        if self.world.get(command.key) == value:
            return None
        before = self.world.apply(command)
        change = Change(
            self.revision + 1,
            command.key,
            before,
            value,
            author,
            command.cause,
            self._last_input,
            self._origins.get(command.key),
        )
        self.entries.append(change)
        self.world.revision = change.revision
        self._origins[command.key] = change
        return change

    def rewind(self, revision: int) -> list[Entry]:
        """Take back every entry after this revision; returns them, oldest first."""
        gone = self.entries[revision:]
        for entry in reversed(gone):
            if isinstance(entry, Change):
                self.world.apply(_reverse(entry))
                if entry.previous is None:
                    del self._origins[entry.key]
                else:
                    self._origins[entry.key] = entry.previous
        del self.entries[revision:]
        self._reorder({entry.key[:2] for entry in gone if isinstance(entry, Change) and entry.value is None})
        self.world.revision = revision
        self._last_input = next((e.revision for e in reversed(self.entries) if isinstance(e, Input)), 0)
        return gone

    def _reorder(self, tables: set[tuple[str, str]]) -> None:
        """A row that comes back stands at the end of its table; put it where it was. (Who reads a table in its
        order must read the same after an undo.)"""
        if not tables:
            return
        order: dict[tuple[str, str], dict[Hashable, None]] = {table: {} for table in tables}
        for entry in self.entries:
            if isinstance(entry, Change) and entry.key[:2] in order:
                if entry.value is None:
                    order[entry.key[:2]].pop(entry.key[2], None)
                else:
                    order[entry.key[:2]][entry.key[2]] = None
        for table, names in order.items():
            self.world.reorder(*table, names)

    def adopt(self, entries: Iterable[Entry]) -> None:
        """Append entries that were computed before, as they were: nothing is run again."""
        for entry in entries:
            self.entries.append(entry)
            self.world.revision = entry.revision
            if isinstance(entry, Input):
                self._last_input = entry.revision
                continue
            self.world.apply(_remake(entry))
            self._origins[entry.key] = entry

    def fork(self) -> Journal:
        """A journal that goes on from here by itself. This one must not be written any more."""
        other = Journal()
        other.world = self.world.fork()
        other.entries = list(self.entries)
        other._origins = dict(self._origins)
        other._last_input = self._last_input
        return other

    def world_at(self, revision: int) -> World:
        """The world as it was after the entry with this revision, as a fork of today's."""
        past = self.world.fork()
        past.revision = revision
        for entry in reversed(self.entries[revision:]):
            if isinstance(entry, Change):
                past.apply(_reverse(entry))
        return past


def _remake(change: Change) -> Command:
    if change.value is None:
        return Remove(change.key, change.cause)
    return Put(change.key, change.value, change.cause)


def _reverse(change: Change) -> Command:
    if change.before is None:
        return Remove(change.key)
    return Put(change.key, change.before)
