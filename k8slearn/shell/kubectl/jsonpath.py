"""kubectl's JSONPath: ``{.items[*].metadata.name}``, ``{range .items[*]}…{end}``, ``[?(@.type=="Ready")]``.

A template is text with ``{expressions}`` in it. An expression is a path of fields, indexes, wildcards, slices and
filters; each step maps a list of values to a list of values. Results of one expression are joined by a blank.

Left out: recursive descent combined with filters, unions of quoted names, arithmetic.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from k8slearn.errors import Refused

_STEP = re.compile(
    r"""\.\.(?P<deep>[\w-]+)
    |\.(?P<field>(?:[\w/-]|\\.)+)
    |\.?\[(?P<quoted>'[^']*'|"[^"]*")\]
    |\.?\[\?\((?P<filter>(?:[^()]|\([^()]*\))*)\)\]
    |\.?\[(?P<slice>-?\d*:-?\d*(?::-?\d+)?)\]
    |\.?\[(?P<index>-?\d+(?:,-?\d+)*)\]
    |\.?\[(?P<all>\*)\]
    |(?P<star>\.\*)
    |(?P<dot>\.)""",
    re.VERBOSE,
)
_TEST = re.compile(r"\s*(?P<left>@[^=!<>]*?)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>.+?)\s*)?")
_COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class _Part(NamedTuple):
    """A piece of a template: text, or an expression."""

    text: str
    expression: bool


def render(template: str, obj: Any) -> str:
    """The template filled with the object. Raises `Refused` in kubectl's words."""
    parts = _parts(template)
    out, end = _render(parts, 0, obj, obj, template)
    if end < len(parts):
        raise Refused(f"error: error parsing jsonpath {template}, not in range, nothing to end")
    return out


def _render(parts: list[_Part], at: int, here: Any, root: Any, template: str) -> tuple[str, int]:
    out = ""
    while at < len(parts):
        part = parts[at]
        word = part.text.strip()
        if not part.expression:
            out += part.text
        elif word == "end":
            return out, at
        elif word.startswith("range "):
            values, after = find(word[6:].strip(), here, root), at
            for value in values or [None]:
                piece, after = _render(parts, at + 1, value, root, template)
                out += piece if values else ""
            if after >= len(parts):
                raise Refused(f"error: error parsing jsonpath {template}, unclosed range")
            at = after
        else:
            out += _one(word, here, root)
        at += 1
    return out, at


def _one(word: str, here: Any, root: Any) -> str:
    if word[:1] in "\"'" and word:
        return _unquoted(word)
    return " ".join(text(v) for v in find(word, here, root))


def _unquoted(word: str) -> str:
    body = word[1:-1]
    return body.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\\\", "\\")


def _parts(template: str) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    while at < len(template):
        start = template.find("{", at)
        if start < 0:
            parts.append(_Part(template[at:], False))
            break
        if start > at:
            parts.append(_Part(template[at:start], False))
        end = _closing(template, start)
        parts.append(_Part(template[start + 1 : end], True))
        at = end + 1
    return parts


def _closing(template: str, start: int) -> int:
    quote = ""
    for at in range(start + 1, len(template)):
        letter = template[at]
        if quote:
            quote = "" if letter == quote and template[at - 1] != "\\" else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "}":
            return at
    what = "array" if template.count("[", start) > template.count("]", start) else "action"
    raise Refused(
        f"error: error parsing jsonpath {template}, {'unterminated array' if what == 'array' else 'unclosed action'}"
    )


def find(path: str, here: Any, root: Any = None) -> list[Any]:
    """All values at a path: ``find(".items[*].metadata.name", obj)``."""
    values = [root if path.startswith("$") and root is not None else here]
    rest = path.lstrip("$@")
    if rest and rest[0] not in ".[":
        rest = "." + rest
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None:
            letter = f"U+{ord(rest[at]):04X} '{rest[at]}'"
            raise Refused(f"error: error parsing jsonpath {{{path}}}, unrecognized character in action: {letter}")
        values = [found for value in values for found in _step(step, value)]
        at = step.end()
    return values


def _step(step: re.Match[str], value: Any) -> list[Any]:
    kind = step.lastgroup
    word = step[kind] if kind else ""
    if kind == "field":
        return _field(value, re.sub(r"\\(.)", r"\1", word))
    if kind == "quoted":
        return _field(value, word[1:-1])
    if kind == "deep":
        return _deep(value, word)
    if kind in ("all", "star"):
        return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    if kind == "dot":
        return [value]
    if not isinstance(value, list):
        return []
    if kind == "filter":
        return [v for v in value if _holds(word, v)]
    if kind == "slice":
        return value[slice(*(int(w) if w else None for w in word.split(":")))]
    return [_indexed(value, int(w)) for w in word.split(",")]


def _field(value: Any, name: str) -> list[Any]:
    return [value[name]] if isinstance(value, dict) and name in value else []


def _indexed(value: list[Any], index: int) -> Any:
    if not -len(value) <= index < len(value):
        raise Refused(f"array index out of bounds: index {index}, length {len(value)}")
    return value[index]


def _deep(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return [f for v in value for f in _deep(v, name)]
    if not isinstance(value, dict):
        return []
    return ([value[name]] if name in value else []) + [f for v in value.values() for f in _deep(v, name)]


def _holds(test: str, value: Any) -> bool:
    found = _TEST.fullmatch(test)
    if found is None:
        raise Refused(f"error: error parsing jsonpath, unrecognized filter [?({test})]")
    left = find(found["left"].strip(), value)
    if not found["op"]:
        return bool(left)
    right = found["right"]
    wanted = (
        _unquoted(right) if right[0] in "\"'" else text(find(right, value)[:1]) if right[0] == "@" else _literal(right)
    )
    try:
        return any(_COMPARE[found["op"]](v, wanted) for v in left)
    except TypeError:
        return False


def _literal(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word


def first(path: str, obj: Any) -> Any:
    """The first value at a path, or None."""
    try:
        return next(iter(find(path.strip("{}"), obj)), None)
    except Refused:
        return None


def text(value: Any) -> str:
    """A value as kubectl prints it: text plain, everything else as JSON."""
    if value is None:
        return ""
    return (
        value
        if isinstance(value, str)
        else json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    )
