"""A table's groups are what they would be if they were made anew, whatever was written, removed, undone or forked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from k8slearn.journal import Journal, Put, Remove, Table

NAMES = st.sampled_from("abcd")
STEPS = st.lists(st.tuples(NAMES, st.one_of(st.none(), st.frozensets(st.integers(0, 3), max_size=2))), max_size=30)
KEY = ("api", "things")


def belongs(value: frozenset[int]) -> frozenset[int]:
    return value


def groups(table: Table) -> dict[object, dict[object, object]]:
    return {group: dict(rows) for group, rows in table.by(belongs).items() if rows}


@given(STEPS, st.integers(0, 30))
def test_a_row_that_changes_moves_between_its_groups(steps: list[tuple[str, frozenset[int] | None]], back: int) -> None:
    journal = Journal()
    journal.begin("test", {})
    for name, value in steps:
        key = (*KEY, name)
        journal.commit(Remove(key) if value is None else Put(key, value), "test")
        assert groups(journal.world.table(*KEY)) == groups(Table(journal.world.table(*KEY)))
    fork = journal.world.fork()
    fork.apply(Put((*KEY, "a"), frozenset({7})))
    assert groups(fork.table(*KEY)) == groups(Table(fork.table(*KEY)))
    journal.rewind(max(1, journal.revision - back))
    assert groups(journal.world.table(*KEY)) == groups(Table(journal.world.table(*KEY)))
