"""Thousands of mutated records: no uncaught exception, and never more points than the work has earned."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slearn.grading.run import STATUSES, Task, grade

from .conftest import notebook
from .work import record_of

pytestmark = pytest.mark.usefixtures("shelf")

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**60, 1.5, 80, 65536, [], {}, [[]], {"": None}, {"a": {"b": ["c"]}}),
    *("", "x", "node-1", "default", "alice", "bob", "0.0.0.0/0", "::", "{", "- -", "kind: Pod", "\x00", "é" * 50),
    *("apply", "run", "kubectl", "timeout"),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*path, key))


def mutate(record: Any, chance: random.Random) -> Any:
    """The record with one part replaced, removed, doubled or renamed."""
    record = copy.deepcopy(record)
    *way, last = chance.choice([p for p in places(record) if p])
    holder = record
    for key in way:
        holder = holder[key]
    kind = chance.randrange(5)
    if kind == 0:
        del holder[last]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(holder[last]))
    elif kind == 1:
        holder[str(chance.choice(VALUES))] = holder.pop(last)
    elif kind == 2 and isinstance(holder[last], str) and holder[last]:
        at = chance.randrange(len(holder[last]))
        holder[last] = (
            holder[last][:at] + chance.choice(["", "\n", "'", "{", "*", "é", "9" * 40]) + holder[last][at + 1 :]
        )
    else:
        holder[last] = copy.deepcopy(chance.choice(VALUES))
    return record


@pytest.fixture
def graded(hand_in: Callable[..., Path]) -> Callable[[Any], float]:
    """The points of a record that alice hands in; anything but a row of the report is an error."""

    def points(record: Any) -> float:
        row = grade(Task("alice", "01-tiny", hand_in("alice", notebook(record))))
        assert row.status in STATUSES
        assert 0 <= row.points <= row.max_points == 4
        assert "\n" not in row.message or row.judgement is not None
        return row.points

    return points


@pytest.mark.parametrize(("solution", "earned"), [("", 0), ("wrong/timeout.py", 3), ("wrong/other-port.py", 2)])
def test_no_mutation_earns_more(solution: str, earned: float, graded: Callable[[Any], float]) -> None:
    chance = random.Random(f"mutations of {solution}")
    record = record_of("alice", solution)
    assert graded(record) == earned
    for _ in range(700):
        mutated = record
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            mutated = mutate(mutated, chance)
        assert graded(mutated) <= earned, json.dumps(mutated)


def test_no_mutation_of_the_file_is_an_error(hand_in: Callable[..., Path]) -> None:
    chance = random.Random("bytes")
    raw = json.dumps(notebook(record_of("alice", "wrong/timeout.py"))).encode()
    for _ in range(500):
        damaged = bytearray(raw)
        for _ in range(chance.choice([1, 3, 30])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        cut = chance.choice([len(damaged), chance.randrange(len(damaged))])
        row = grade(Task("alice", "01-tiny", hand_in("alice", bytes(damaged[:cut]))))
        assert row.points <= 3
        assert row.status in STATUSES
