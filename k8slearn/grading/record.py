"""What is handed in: the learner's own entries and answers, as data.

A record is the MIME output ``application/vnd.k8slearn.record+json`` of ``exercise.check()``: `FIELDS` below, the same
bytes for the same work (no times, keys in order). Anybody can write one by hand, so reading one trusts nothing: size,
depth, types, duplicate keys and numbers are looked at before anything acts on them, and what is refused is
refused with one sentence.

Left out: signatures. A record says what was done, not who did it; the variant makes a neighbour's useless.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

from k8slearn.errors import Refused
from k8slearn.grading.checks import Answer
from k8slearn.grading.inputs import checked
from k8slearn.journal import Input

MIME = "application/vnd.k8slearn.record+json"
FORMAT = 1
FIELDS: dict[str, type] = {
    "format": int,
    "engine": str,
    "exercise": str,
    "learner": str,
    "variant": dict,
    "inputs": list,
    "answers": list,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one record may be: far more than any honest one is."""

    characters: int = 2_000_000
    parts: int = 200_000
    depth: int = 40
    inputs: int = 5_000
    answers: int = 200


LIMITS = Limits()


class Doubled(dict[str, Any]):
    """A JSON object in which a key stood twice: only one of the two could be read, so neither is believed."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose form is right. Whether it is honest is for the replay to see."""

    engine: str
    exercise: str
    learner: str
    variant: Mapping[str, Any]
    inputs: tuple[Input, ...]
    answers: tuple[Answer, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, keys in order."""
        inputs = [{"arguments": _plain(i.arguments), "kind": i.kind, "revision": i.revision} for i in self.inputs]
        answers = [{"question": a.question, "revision": a.revision, "value": _plain(a.value)} for a in self.answers]
        return {
            "answers": answers,
            "engine": self.engine,
            "exercise": self.exercise,
            "format": FORMAT,
            "inputs": inputs,
            "learner": self.learner,
            "variant": _plain(self.variant),
        }


def canonical(value: Any) -> str:
    """JSON with keys in order and no spaces: the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    return json.loads(canonical(value))


def read_record(found: Any, limits: Limits = LIMITS) -> Record:
    """The record that this JSON value is; raises `Refused` with one sentence that says why it is none."""
    bounded(found, limits)
    fields = _object(found, FIELDS, "the record")
    if fields["format"] != FORMAT:
        raise Refused(f"the record has format {fields['format']}; this engine reads format {FORMAT}")
    for name, most in (("inputs", limits.inputs), ("answers", limits.answers)):
        if len(fields[name]) > most:
            raise Refused(f"the record has {len(fields[name])} {name}; at most {most} are read")
    inputs = tuple(_input(entry, n) for n, entry in enumerate(fields["inputs"], 1))
    answers = tuple(_answer(entry, n) for n, entry in enumerate(fields["answers"], 1))
    _in_order([i.revision for i in inputs], "inputs")
    if len({a.question for a in answers}) < len(answers):
        raise Refused("the record answers one question twice")
    return Record(fields["engine"], fields["exercise"], fields["learner"], fields["variant"], inputs, answers)


def bounded(found: Any, limits: Limits) -> None:
    """Refuses what is too large, too deep, or no plain JSON; walks it without recursion."""
    parts = characters = 0
    level = [found]
    for _ in range(limits.depth):
        if not level:
            return
        parts += len(level)
        characters += sum(_scalar(value) for value in level)
        if parts > limits.parts or characters > limits.characters:
            raise Refused(f"the record is too large: at most {limits.characters} characters in {limits.parts} parts")
        level = [inner for value in level for inner in _inside(value)]
    raise Refused(f"the record is nested more than {limits.depth} levels deep")


def _scalar(value: Any) -> int:
    """The characters of a plain value; refuses what JSON or Unicode does not have."""
    if isinstance(value, Doubled):
        raise Refused("the record has the same key twice in one object")
    if isinstance(value, str):
        return _characters(value)
    if isinstance(value, float) and not isfinite(value):
        raise Refused("the record holds a number that is not finite")
    if isinstance(value, int) and not -(2**53) < value < 2**53:
        raise Refused("the record holds a number with more than 15 digits")
    if value is None or isinstance(value, bool | int | float | dict | list):
        return 1
    raise Refused(f"the record holds a {type(value).__name__}, which is not JSON")


def _characters(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Refused("the record holds text that is not Unicode") from None


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _object(found: Any, fields: Mapping[str, type], what: str) -> dict[str, Any]:
    """An object with exactly these fields, each of exactly this type."""
    if not isinstance(found, dict):
        raise Refused(f"{what} is not a JSON object")
    for name in [*fields, *found]:
        if name not in found:
            raise Refused(f"{what} lacks {name!r}")
        if name not in fields:
            raise Refused(f"{what} has a field {name[:40]!r} that none has")
        if fields[name] is not object and type(found[name]) is not fields[name]:
            raise Refused(f"{name!r} of {what} is a {type(found[name]).__name__}, not a {fields[name].__name__}")
    return found


def _input(found: Any, number: int) -> Input:
    what = f"input {number} of the record"
    fields = _object(found, {"revision": int, "kind": str, "arguments": dict}, what)
    _number(fields["revision"], what)
    return Input(fields["revision"], fields["kind"], checked(fields["kind"], fields["arguments"], what))


def _answer(found: Any, number: int) -> Answer:
    what = f"answer {number} of the record"
    fields = _object(found, {"question": str, "value": object, "revision": int}, what)
    _number(fields["revision"], what)
    return Answer(fields["question"], fields["value"], fields["revision"])


def _number(revision: int, what: str) -> None:
    if not 0 <= revision < 10**9:
        raise Refused(f"the revision of {what} is out of range")


def _in_order(revisions: list[int], what: str) -> None:
    if any(later <= earlier for earlier, later in pairwise(revisions)):
        raise Refused(f"the {what} of the record are not in the order of their revisions")
