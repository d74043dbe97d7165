"""YAML text to plain values, in the YAML that kubectl speaks.

kubectl turns YAML into JSON with go-yaml: YAML 1.1's words for booleans (``yes``, ``off``, ``n``), octal ``017``, dates
that stay text, keys that become text. Ours reads the parser's events (libyaml, if PyYAML has it) and
builds the values itself, so that depth, size and the unfolding of aliases are bounded before anything grows.

Left out: tags other than the core ones (the value stays text), and comments.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from k8slearn.errors import Refused

MOST_VALUES = 1_000_000
DEEPEST = 100
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INTEGER = re.compile(r"[-+]?(0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CORE = "tag:yaml.org,2002:"


class BadYaml(Refused):
    """Text that is no YAML. `line` counts from 1 (0: unknown); `go_line` is what kubectl would print."""

    def __init__(self, problem: str, line: int = 0, go_line: int | None = None) -> None:
        self.problem = problem
        self.line = line
        self.go_line = line if go_line is None else go_line
        super().__init__(f"error parsing the YAML: {f'line {line}: ' if line else ''}{problem}")

    def said(self, source: str = "STDIN") -> str:
        """In kubectl's words."""
        where = f"line {self.go_line}: " if self.go_line else ""
        return f"error: error parsing {source}: error converting YAML to JSON: yaml: {where}{self.problem}"


def documents(text: str) -> list[Any]:
    """Every document of a YAML text as plain values; raises `BadYaml`."""
    try:
        return list(_Builder().build(yaml.parse(text, Loader=_Loader)))
    except yaml.MarkedYAMLError as error:
        raise _marked(error) from None
    except yaml.YAMLError as error:
        raise BadYaml(" ".join(str(error).split())) from None
    except UnicodeEncodeError:
        raise BadYaml("the text is not valid Unicode") from None


def _marked(error: yaml.MarkedYAMLError) -> BadYaml:
    """go-yaml counts the lines of a parser's error from 0, and leaves out a 0."""
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    if error.problem == "exceeded maximum nesting depth":  # libyaml's own limit, far above ours
        return BadYaml(f"nested more than {DEEPEST} deep", line + 1)
    scanner = isinstance(error, yaml.scanner.ScannerError) and line
    return BadYaml(str(error.problem or error.context), line + 1, line + 1 if scanner else line)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not come yet."""

    value: Any
    anchor: str | None
    line: int
    size: int = 1
    height: int = 1
    key: Any = None
    has_key: bool = False
    merged: list[Any] = field(default_factory=list)


class _Builder:
    def __init__(self) -> None:
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        self.total = 0

    def build(self, events: Iterator[Any]) -> Iterator[Any]:
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.ScalarEvent):
                yield from self.put(_scalar(event, line), 1, 0, line, event.anchor)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self.open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor, line)
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self.stack.pop()
                yield from self.put(_closed(done), done.size, done.height, done.line, done.anchor)
            elif isinstance(event, yaml.AliasEvent):
                value, size, height = self.alias(event.anchor, line)
                self.total += size
                yield from self.put(value, size, height, line, None)
            elif isinstance(event, yaml.DocumentStartEvent):
                self.anchors.clear()

    def open(self, value: Any, anchor: str | None, line: int) -> None:
        if len(self.stack) >= DEEPEST:
            raise BadYaml(f"nested more than {DEEPEST} deep", line)
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and not top.has_key:
            raise BadYaml("invalid map key: a key must be one plain word", line)
        if anchor:
            self.anchors.pop(anchor, None)
        self.stack.append(_Open(value, anchor, line))

    def alias(self, name: str | None, line: int) -> tuple[Any, int, int]:
        if any(o.anchor == name for o in self.stack):
            raise BadYaml(f"anchor '{name}' value contains itself", line, 0)
        if name is None or name not in self.anchors:
            raise BadYaml(f"unknown anchor '{name}' referenced", line, 0)
        return self.anchors[name]

    def put(self, value: Any, size: int, height: int, line: int, anchor: str | None) -> Iterator[Any]:
        """A value is complete: give it to the collection around it, or out as a document."""
        if anchor:
            self.anchors[anchor] = (value, size, height)
        self.total += 1
        if self.total > MOST_VALUES:
            raise BadYaml("document contains excessive aliasing", line)
        if not self.stack:
            yield value
            return
        top = self.stack[-1]
        top.size += size
        top.height = max(top.height, height + 1)
        if len(self.stack) + height > DEEPEST:
            raise BadYaml(f"nested more than {DEEPEST} deep", line)
        _place(top, value, line)


def _place(top: _Open, value: Any, line: int) -> None:
    if isinstance(top.value, list):
        top.value.append(value)
    elif not top.has_key:
        top.key, top.has_key = _key(value, line), True
        if top.key in top.value:
            raise BadYaml(f'key "{top.key}" already set in map', line)
    else:
        top.has_key = False
        if top.key == "<<":
            top.merged += _merged(value, line)
        else:
            top.value[top.key] = value


def _merged(value: Any, line: int) -> list[Any]:
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(p, dict) for p in parts):
        raise BadYaml("map merge requires map or sequence of maps as the value", line)
    return parts


def _closed(done: _Open) -> Any:
    """What the mapping itself says wins over what is merged in; the first merged one wins over the next."""
    if not done.merged:
        return done.value
    value: dict[str, Any] = {}
    for part in reversed(done.merged):
        value.update(part)
    return {**value, **done.value}


def _key(value: Any, line: int) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (dict, list)):
        raise BadYaml("invalid map key: a key must be one plain word", line)
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _scalar(event: Any, line: int) -> Any:
    text, tag = event.value, event.tag
    if tag is None:
        value = plain(text) if event.implicit[0] else text
    else:
        value = _tagged(text, tag.removeprefix(_CORE), line)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadYaml(f"unsupported value: {text}", line)
    return value


def _tagged(text: str, tag: str, line: int) -> Any:
    if tag == "binary":
        try:
            return base64.b64decode(text).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BadYaml("!!binary value contains invalid base64 data", line) from None
    wanted = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}.get(tag)
    if wanted is None:
        return text
    value = plain(text)
    if not isinstance(value, wanted):
        _wrong_tag(text, tag, line)
    return value


def _wrong_tag(text: str, tag: str, line: int) -> NoReturn:
    raise BadYaml(f"cannot decode !!str `{text[:20]}` as a !!{tag}", line)


def plain(text: str) -> Any:
    """What an unquoted word means: ``yes`` is True, ``017`` is 15, ``2026-01-01`` is text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > 400:
        return text
    digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits) and len(digits) < 70:
        number = _integer(digits)
        if -(2**63) <= number < 2**63:
            return number
    if not _FLOAT.fullmatch(digits):
        return text
    value = float(digits)
    if not math.isfinite(value):
        return text
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _integer(digits: str) -> int:
    sign, body = (-1 if digits[0] == "-" else 1), digits.lstrip("+-")
    octal = len(body) > 1 and body[0] == "0" and body[1] in "01234567"
    return sign * (int(body, 8) if octal else int(body, 0))
