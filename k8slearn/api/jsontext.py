"""JSON text to plain values: what ``kubectl get -o json`` prints, and what programs write.

JSON is almost YAML, so a text that turns out not to be JSON is left to `yamltext`.

Left out: several JSON documents one after the other without ``---``.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from k8slearn.api.yamltext import DEEPEST, BadYaml


def document(text: str) -> list[Any] | None:
    """The one document of a JSON text, or None if it is no JSON; raises `BadYaml` for JSON that kubectl refuses."""
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except BadYaml:
        raise
    except (ValueError, RecursionError):
        return None
    _bounded(value)
    return [value]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [k for k, _ in pairs]
        twice = next(k for k in names if names.count(k) > 1)
        raise BadYaml(f'key "{twice}" already set in map')
    return found


def _constant(name: str) -> NoReturn:
    raise BadYaml(f"unsupported value: {name}")


def _bounded(value: Any) -> None:
    """No deeper than YAML may be, no number that is none, no half characters."""
    level = [value]
    for _ in range(DEEPEST):
        if not level:
            return
        level = [inner for v in level for inner in _inside(v)]
    if level:
        raise BadYaml(f"nested more than {DEEPEST} deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise BadYaml("unsupported value: +Inf")
    if isinstance(value, str) and not value.isascii():
        _encodable(value)
    return []


def _encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadYaml("the text is not valid Unicode") from None
