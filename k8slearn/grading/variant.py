"""Each learner's own version of an exercise: the same question with other names, addresses and places.

A variant is drawn, parameter by parameter, from the names of the exercise and the learner, so that a grader can
draw it again and a record that was copied from a neighbour does not fit. A parameter, in ``[variant]``, is

====================================  =================================================
``app = ["web", "shop"]``             one of a list
``octet = {from = 20, to = 90}``      a whole number, both ends included
``place = [{near = "node-1", …}, …]`` one of a list of rows: ``{{place.near}}``
``host = "{{app}}.{{space}}"``        text made of parameters that stand above it
====================================  =================================================

Where the course signs its variants (`token`), the token is drawn from as well, and is a parameter itself.

A template holds ``{{name}}`` and nothing cleverer. Left out: variants that depend on what a learner did before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from k8slearn.errors import Refused
from k8slearn.journal import digest

Variant = dict[str, Any]
"""Parameter -> text or number, ready for JSON; a row's fields stand as ``place.near``."""

_DRAWN = re.compile(
    r"\b\d+\.\d+\.\d+\.\d+(?:/\d+)?\b|\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b|\b(?:veth|cali|lxc|eni)[0-9a-f]+\b"
)
"""Addresses and made-up names."""
_HOLE = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")


def draw(parameters: Mapping[str, Any], exercise: str, learner: str, token: str = "") -> Variant:
    """The variant of one learner: every parameter drawn by a hash of exercise, learner, its own name and the token."""
    signed = (token,) if token else ()
    drawn: Variant = {"token": token} if token else {}
    for name, choices in parameters.items():
        throw = int(digest("variant", exercise, learner, name, *signed, length=16), 16)
        drawn.update(_pick(name, choices, throw, drawn))
    return drawn


def _pick(name: str, choices: Any, throw: int, above: Variant) -> Variant:
    if isinstance(choices, Mapping):
        low, high = int(choices["from"]), int(choices["to"])
        return {name: low + throw % (high - low + 1)}
    value = choices[throw % len(choices)] if isinstance(choices, list) else choices
    if isinstance(value, Mapping):
        return {f"{name}.{field}": fill(part, above) for field, part in value.items()}
    return {name: fill(value, above)}


def fill(template: Any, variant: Mapping[str, Any]) -> Any:
    """The template with every ``{{name}}`` filled in; a string that is one hole becomes the value itself."""
    if isinstance(template, str):
        whole = _HOLE.fullmatch(template)
        if whole:
            return _value(whole.group(1), variant)
        return _HOLE.sub(lambda hole: str(_value(hole.group(1), variant)), template)
    if isinstance(template, Mapping):
        return {str(fill(key, variant)): fill(value, variant) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(part, variant) for part in template]
    return template


def _value(name: str, variant: Mapping[str, Any]) -> Any:
    if name not in variant:
        raise Refused(f"the template asks for {{{{{name}}}}}; the variant has: {', '.join(variant) or '(nothing)'}")
    return variant[name]


def nameless(text: str, variant: Mapping[str, Any]) -> str:
    """The text with ``{{name}}`` where a value of the variant stands, and ``…`` for what an engine draws."""
    values = sorted(((str(v), name) for name, v in variant.items() if name != "token"), key=lambda v: (-len(v[0]), v))
    names = dict(reversed(values))
    if names:
        one_of = "|".join(re.escape(value) for value, _ in values)
        text = re.sub(rf"(?<![\w.])(?:{one_of})(?![\w])", lambda found: f"{{{{{names[found[0]]}}}}}", text)
    return _DRAWN.sub("…", text)


def learner_name(name: str) -> str:
    """A learner's name as it is recorded: NFC, trimmed, one line of at most 80 characters."""
    tidy = unicodedata.normalize("NFC", str(name)).strip()
    if not 0 < len(tidy) <= 80 or not tidy.isprintable():
        raise Refused("a learner's name is one line of 1 to 80 printable characters")
    return tidy
