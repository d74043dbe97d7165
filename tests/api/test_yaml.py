"""YAML means here what it means to kubectl: MEANINGS is what ``kubectl label --local -o yaml`` (1.32) printed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn import api
from k8slearn.api import yamltext
from k8slearn.errors import Refused

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
MEANINGS: dict[str, Any] = {
    "2026-01-01": "2026-01-01",
    "2001-12-14t21:59:43.10-05:00": "2001-12-14t21:59:43.10-05:00",
    "12:30:45": "12:30:45",
    "1e3": 1000,
    "0o17": 15,
    "017": 15,
    "089": 89,
    "1_000": 1000,
    "1__0": 10,
    "0x1F": 31,
    "0x": "0x",
    "0b11": 3,
    "-0b11": -3,
    "+12": 12,
    "1.50": 1.5,
    "1.0": 1,
    "1.": 1,
    ".5": 0.5,
    "1e": "1e",
    "99999999999999999999": 1e20,
    "18446744073709551615": 18446744073709551615.0,
    "0.00000001": 1e-08,
    "6.8523015e+5": 685230.15,
    "~": None,
    "Null": None,
    "off": False,
    "N": False,
    "y": True,
    "=": "=",
    '"yes"': "yes",
    "!!str 12": "12",
    "!foo 12": "12",
    '!!int "3"': 3,
    "!!float 3": 3,
    "!!binary aGVsbG8=": "hello",
}


@pytest.mark.parametrize("written", MEANINGS)
def test_a_word_means_what_it_means_to_kubectl(written: str) -> None:
    (value,) = yamltext.documents(f"a: {written}")
    assert value == {"a": MEANINGS[written]}
    assert type(value["a"]) is type(MEANINGS[written])


@pytest.mark.parametrize(("key", "name"), [("2", "2"), ("true", "true"), ("n", "false"), ("1.5", "1.5"), ("012", "10")])
def test_a_key_is_always_text(key: str, name: str) -> None:
    assert yamltext.documents(f"{key}: x") == [{name: "x"}]


REFUSED = {
    "a: [": "line 2: did not find expected node content",
    "a: b: c": "line 1: mapping values are not allowed in this context",
    "a:\n\tb: 1": "line 2: found character that cannot start any token",
    "a: 1\nb: 2\na: 3": 'line 3: key "a" already set in map',
    "a: &x [*x]": "line 1: anchor 'x' value contains itself",
    "a: *x": "line 1: unknown anchor 'x' referenced",
    "a: .inf": "line 1: unsupported value: .inf",
    "? [a]\n: b": "line 1: invalid map key: a key must be one plain word",
    "~: a": "line 1: invalid map key: a key must be one plain word",
    "a: \ud800": "the text is not valid Unicode",
    "<<: 3": "line 1: map merge requires map or sequence of maps as the value",
    '{"a": 1, "a": 2}': 'key "a" already set in map',
    '{"a": NaN}': "unsupported value: NaN",
    '{"a": "\\ud800"}': "the text is not valid Unicode",
}


@pytest.mark.parametrize("text", REFUSED)
def test_bad_yaml_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(Refused) as refused:
        api.load(text)
    assert str(refused.value) == f"error parsing the YAML: {REFUSED[text]}"


def test_merged_keys_give_way_to_those_that_stand_there() -> None:
    text = "a: &a {p: 1, q: 2}\nb: &b {q: 3, r: 4}\nc: {<<: [*a, *b], p: 0}"
    assert yamltext.documents(text)[0]["c"] == {"p": 0, "q": 2, "r": 4}


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 5000, "{a: " * 5000, '{"a":' * 5000 + "1" + "}" * 5000])
def test_deep_nesting_is_one_sentence(text: str) -> None:
    with pytest.raises(Refused, match="nested more than 100 deep"):
        api.load(text)


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    with pytest.raises(Refused, match="excessive aliasing"):
        api.load("\n".join(levels))
    merges = ["a0: &a0 {x: 1}"] + [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 30)]
    with pytest.raises(Refused, match="excessive aliasing"):
        api.load("\n".join(merges))


def test_a_hundred_megabytes_of_rubbish_are_one_sentence(tmp_path: Path) -> None:
    for rubbish in ("x" * 100_000_000, Path(tmp_path / "rubbish.yaml")):
        if isinstance(rubbish, Path):
            with rubbish.open("wb") as file:
                file.truncate(100_000_000)
        with pytest.raises(Refused, match="more than the 16777216 that a manifest may have"):
            api.load(rubbish)


@pytest.mark.parametrize(
    "source", [3, None, {1, 2}, {"kind": {1}}, [object()], b"\xff", Path("/"), Path("\0"), "web.yaml"]
)
def test_what_is_no_manifest_is_refused_in_one_line(source: Any) -> None:
    with pytest.raises(Refused) as refused:
        api.load(source)
    assert "\n" not in str(refused.value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.sampled_from("abc<~y1 :#"), max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values)
def test_json_text_comes_back_as_it_was(value: Any) -> None:
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {}, "it": value}
    assert api.load(json.dumps(obj)) == [obj]
    assert api.load(obj) == [obj]


@given(st.text(st.sampled_from("0123456789+-._xobeEnyY~T: ")))
def test_an_unquoted_word_is_text_or_a_number_that_json_can_say(word: str) -> None:
    value = yamltext.plain(word)
    assert value is None or isinstance(value, (str, bool, int, float))
    if isinstance(value, float):
        assert math.isfinite(value)
