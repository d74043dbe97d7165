"""``-o go-template=…``: a template in Go's language, as the documentation's pages use it.

``{{.status.podIP}}`` is a field, ``{{range .items}}…{{end}}`` repeats for each element (`.` is the element then),
``{{if .x}}…{{else}}…{{end}}`` chooses, ``{{"\\n"}}`` is text, ``{{printf "%s\\n" .}}`` fits values into a form and
``{{index .a 0}}`` takes an element or a key. A field that is not there is ``<no value>``.

Left out: variables, pipelines, comparisons and templates in files: each is refused in a sentence.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from k8slearn.errors import Refused

ACTION = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)
OPERAND = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`|\$?(?:\.[\w-]+)+|\.|-?\d+')
MISSING = "<no value>"


class Block(NamedTuple):
    """``range``, ``if``, text or an expression, with what is inside and what is after ``else``."""

    kind: str
    text: str
    inner: tuple[Block, ...] = ()
    otherwise: tuple[Block, ...] = ()


def render(template: str, whole: Any) -> str:
    """The template filled in with an object. Raises `Refused` in kubectl's words."""
    tokens = _tokens(template)
    blocks, end = _parse(tokens)
    if end:
        _bad(template, f"unexpected {{{{{end}}}}}")
    return "".join(_shown(blocks, whole, whole))


def _bad(what: str, why: str) -> NoReturn:
    raise Refused(f"error: error parsing template {what}, template: output: {why}")


def _tokens(template: str) -> list[tuple[str, str]]:
    """(kind, text): ``text`` or ``action``; a dash at a brace eats the blanks beside it."""
    found: list[tuple[str, str]] = []
    at = 0
    for action in ACTION.finditer(template):
        before = template[at : action.start()]
        found.append(("text", before.rstrip() if action[1] else before))
        found.append(("action", action[2]))
        at = action.end()
        if action[3]:
            at += len(template[at:]) - len(template[at:].lstrip())
    return [*found, ("text", template[at:])]


def _parse(tokens: list[tuple[str, str]]) -> tuple[list[Block], str]:
    """Blocks up to ``end`` or ``else`` (which one it was), taken from the front."""
    blocks: list[Block] = []
    while tokens:
        kind, text = tokens.pop(0)
        word, _, rest = text.partition(" ")
        if kind == "text":
            blocks.append(Block("text", text))
        elif word in ("end", "else"):
            return blocks, word
        elif word in ("range", "if"):
            inner, end = _parse(tokens)
            otherwise, end = _parse(tokens) if end == "else" else ([], end)
            if end != "end":
                _bad(text, "unexpected EOF")
            blocks.append(Block(word, rest, tuple(inner), tuple(otherwise)))
        else:
            blocks.append(Block("value", text))
    return blocks, ""


def _shown(blocks: Iterable[Block], dot: Any, whole: Any) -> Iterator[str]:
    for block in blocks:
        if block.kind == "text":
            yield block.text
        elif block.kind == "value":
            yield _text(_value(block.text, dot, whole))
        else:
            found = _value(block.text, dot, whole)
            if not found:
                yield from _shown(block.otherwise, dot, whole)
            elif block.kind == "if":
                yield from _shown(block.inner, dot, whole)
            else:
                for element in found.values() if isinstance(found, dict) else found:
                    yield from _shown(block.inner, element, whole)


def _value(text: str, dot: Any, whole: Any) -> Any:
    """What an expression comes to; None: no value."""
    function, _, rest = text.partition(" ")
    if function in ("printf", "index", "len", "print", "println"):
        return FUNCTIONS[function]([_operand(word, dot, whole) for word in _operands(rest)])
    words = _operands(text)
    if len(words) != 1:
        _bad(text, f"{{{{{text}}}}} is not modelled: use -o jsonpath")
    return _operand(words[0], dot, whole)


def _operands(text: str) -> list[str]:
    words = OPERAND.findall(text)
    if "".join(words) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text):
        _bad(text, f"{{{{{text}}}}} is not modelled: use -o jsonpath")
    return words


def _operand(word: str, dot: Any, whole: Any) -> Any:
    if word[0] in '"`':
        return ast.literal_eval(word) if word[0] == '"' else word[1:-1]
    if word.lstrip("-").isdigit():
        return int(word)
    found = whole if word.startswith("$") else dot
    for field in word.lstrip("$").split(".")[1:]:
        found = found if not field else found.get(field) if isinstance(found, dict) else None
    return found


def _printf(values: list[Any]) -> str:
    """``%s``, ``%d``, ``%v`` and ``%%``."""
    shape, *rest = values

    def fitted(verb: re.Match[str]) -> str:
        if verb[0] == "%%":
            return "%"
        return _text(rest.pop(0)) if rest else f"%!{verb[0][1]}(MISSING)"

    return re.sub(r"%[sdv%]", fitted, shape)


def _index(values: list[Any]) -> Any:
    found, *keys = values
    for key in keys:
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and isinstance(key, int) and key < len(found):
            found = found[key]
        else:
            raise Refused(f"error: error executing template: error calling index: index out of range: {key}")
    return found


def _beside(values: list[Any]) -> str:
    """fmt.Sprint: a blank between two values of which neither is text."""
    out = ""
    for before, value in zip([None, *values], values, strict=False):
        gap = " " if out and not isinstance(before, str) and not isinstance(value, str) else ""
        out += gap + _text(value)
    return out


def _text(value: Any) -> str:
    return MISSING if value is None else go(value)


def go(value: Any) -> str:
    """A value as Go prints it with %v: ``[a b]``, ``map[ip:10.244.0.5]``."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


FUNCTIONS: Mapping[str, Callable[[list[Any]], Any]] = {
    "printf": _printf,
    "index": _index,
    "len": lambda values: len(values[0] or ()),
    "print": _beside,
    "println": lambda values: " ".join(map(_text, values)) + "\n",
}
