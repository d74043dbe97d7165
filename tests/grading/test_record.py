"""A record is judged by its form before anything acts on it: what is refused is refused with one sentence."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn.errors import Refused
from k8slearn.grading.notebook import MOST_BYTES, newest_record
from k8slearn.grading.record import LIMITS, canonical, read_record

from .conftest import notebook

GOOD: dict[str, Any] = {
    "format": 1,
    "engine": "0.1.0",
    "exercise": "01-tiny",
    "learner": "alice",
    "variant": {"app": "web"},
    "inputs": [
        {"revision": 10, "kind": "apply", "arguments": {"source": "kind: Pod", "namespace": "default"}},
        {"revision": 20, "kind": "advance", "arguments": {"seconds": 1}},
    ],
    "answers": [{"question": "outcome", "value": "connected", "revision": 15}],
}


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = [value]
    return value


def with_input(**fields: Any) -> dict[str, Any]:
    return {**GOOD, "inputs": [{**GOOD["inputs"][0], **fields}]}


REFUSED = {
    "not an object": ([], "not a JSON object"),
    "nothing": (None, "not a JSON object"),
    "a field missing": ({k: v for k, v in GOOD.items() if k != "inputs"}, "lacks 'inputs'"),
    "a field too many": ({**GOOD, "points": 100}, "has a field 'points'"),
    "a later format": ({**GOOD, "format": 2}, "format 2"),
    "true is not 1": ({**GOOD, "format": True}, "'format' of the record is a bool"),
    "the wrong type": ({**GOOD, "inputs": {}}, "'inputs' of the record is a dict"),
    "an unknown kind": (with_input(kind="python"), "the kind 'python'"),
    "an argument too many": (with_input(arguments={**GOOD["inputs"][0]["arguments"], "path": "/x"}), "'path'"),
    "an argument missing": (with_input(arguments={"source": ""}), "lacks the argument 'namespace'"),
    "an argument of the wrong type": (with_input(arguments={"source": 3, "namespace": ""}), "'source'"),
    "text that is too long": (with_input(arguments={"source": "x" * 300_000, "namespace": ""}), "'source'"),
    "a revision that is negative": (with_input(revision=-1), "out of range"),
    "revisions in no order": ({**GOOD, "inputs": GOOD["inputs"][::-1]}, "not in the order"),
    "one question twice": ({**GOOD, "answers": GOOD["answers"] * 2}, "answers one question twice"),
    "not a number": ({**GOOD, "variant": {"x": float("nan")}}, "not finite"),
    "a number without end": ({**GOOD, "variant": {"x": float("inf")}}, "not finite"),
    "a huge number": ({**GOOD, "variant": {"x": 10**400}}, "more than 15 digits"),
    "half a character": ({**GOOD, "learner": "\ud800"}, "not Unicode"),
    "too deep": ({**GOOD, "variant": {"x": nested(100_000)}}, "levels deep"),
    "too large": ({**GOOD, "variant": {"x": "x" * 3_000_000}}, "too large"),
    "too many parts": ({**GOOD, "variant": {"x": [0] * 300_000}}, "too large"),
    "too many inputs": ({**GOOD, "inputs": GOOD["inputs"][:1] * (LIMITS.inputs + 1)}, "at most 5000"),
    "too many answers": ({**GOOD, "answers": GOOD["answers"] * 201}, "at most 200"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_record_of_the_wrong_form_is_refused_with_one_sentence(name: str) -> None:
    found, says = REFUSED[name]
    with pytest.raises(Refused, match=r"(?s)^[^\n]{1,300}$") as refused:
        read_record(found)
    assert says in str(refused.value)


def test_an_honest_record_reads_and_writes_the_same_bytes() -> None:
    assert canonical(read_record(GOOD).to_dict()) == canonical(GOOD)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_a_record_or_refused(found: Any) -> None:
    with pytest.raises(Refused):
        read_record(found)


@given(st.sampled_from(sorted(GOOD)), json_values)
def test_any_field_may_be_anything(field: str, value: Any) -> None:
    with suppress(Refused):
        assert read_record({**GOOD, field: value}).to_dict() == {**GOOD, field: value}


# -- the notebook around it ------------------------------------------------------------------------------------------


def test_the_newest_record_is_the_last_of_the_last_cell(hand_in: Any) -> None:
    assert newest_record(hand_in("alice", notebook({"n": 1}, {"n": 2}))) == {"n": 2}
    assert newest_record(hand_in("alice", notebook())) is None


RUBBISH: dict[str, bytes] = {
    "an empty file": b"",
    "white space": b" \n\n ",
    "not JSON": b"hello",
    "half a notebook": json.dumps(notebook(GOOD)).encode()[:-40],
    "a list": b"[]",
    "cells that are no list": b'{"cells": {"a": 1}}',
    "no cells": b"{}",
    "UTF-16": json.dumps(notebook(GOOD)).encode("utf-16"),
    "Latin-1": '{"cells": "é"}'.encode("latin-1"),
    "zeros": b"\0" * 1000,
    "a zip": b"PK\x03\x04" + bytes(range(256)),
    "brackets without end": b"[" * 200_000,
    "objects without end": b'{"cells":[' + b'{"a":' * 200_000,
    "a number without end": b'{"cells":[' + b"9" * 10_000 + b"]}",
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_refused_with_one_sentence(name: str, hand_in: Any) -> None:
    with pytest.raises(Refused, match=r"^the (notebook|file)") as refused:
        newest_record(hand_in("alice", RUBBISH[name]))
    assert "\n" not in str(refused.value)


ODD_NOTEBOOKS: list[Any] = [
    {"cells": [None, 1, "x", [], {}]},
    {
        "cells": [
            {"outputs": None},
            {"outputs": 3},
            {"outputs": {}},
            {"outputs": [None, 1, {"data": None}, {"data": 7}]},
        ]
    },
    {"cells": [{"cell_type": "code", "metadata": float("nan"), "outputs": []}], "nbformat": "x"},
]


@pytest.mark.parametrize("odd", ODD_NOTEBOOKS)
def test_an_odd_notebook_without_a_record_holds_none(odd: Any, hand_in: Any) -> None:
    assert newest_record(hand_in("alice", odd)) is None


def test_a_hundred_megabytes_are_refused_by_their_size(hand_in: Any) -> None:
    path = hand_in("alice", b"")
    with path.open("r+b") as file:
        file.truncate(100_000_000)
    with pytest.raises(Refused, match=f"100 MB; at most {MOST_BYTES // 1_000_000}"):
        newest_record(path)


def test_a_key_that_stands_twice_is_refused_inside_a_record_alone(hand_in: Any) -> None:
    text = json.dumps(notebook(GOOD))
    twice = text.replace('"learner": "alice"', '"learner": "alice", "learner": "bob"')
    with pytest.raises(Refused, match="same key twice"):
        read_record(newest_record(hand_in("alice", twice.encode())))
    elsewhere = text.replace('"nbformat": 4', '"nbformat": 4, "nbformat": 4')
    assert read_record(newest_record(hand_in("alice", elsewhere.encode())))


def test_no_link_is_followed(hand_in: Any, tmp_path: Path) -> None:
    real = hand_in("alice", notebook(GOOD))
    link = tmp_path / "link.ipynb"
    link.symlink_to(real)
    with pytest.raises(Refused, match="cannot be opened"):
        newest_record(link)
    with pytest.raises(Refused, match="not a regular file"):
        newest_record(tmp_path)
