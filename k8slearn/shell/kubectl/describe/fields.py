"""A page for an object that kubectl has no page for: its fields, one by one, under names that it makes up.

``creationTimestamp`` becomes ``Creation Timestamp``, and ``clusterIPs`` becomes ``Cluster I Ps``, in life as here.

Left out: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from k8slearn.shell.kubectl.command import Request
from k8slearn.shell.kubectl.describe import words

Obj = dict[str, Any]
_PLAIN = re.compile(r"[A-Za-z-]+")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|-")
_ACRONYMS = {"API", "URL", "UID", "OSB", "GUID"}
_SHOWN_ABOVE = {"name", "namespace", "labels", "annotations", "managedFields"}


def page(request: Request, obj: Obj) -> Iterator[str]:
    yield from words.heading(obj)
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _SHOWN_ABOVE}
    yield from _fields({**obj, "metadata": metadata}, 0)
    yield from words.events(request, obj)


def _fields(value: Obj, level: int) -> Iterator[str]:
    for field in sorted(value):
        inner = value[field]
        name = "  " * level + label(field)
        if isinstance(inner, dict):
            yield f"{name}:"
            yield from _fields(inner, level + 1)
        elif isinstance(inner, list):
            yield f"{name}:"
            yield from _items(inner, level + 1)
        else:
            yield f"{name}:\t{_scalar(inner)}"


def _items(items: list[Any], level: int) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict):
            yield from _fields(item, level)
        elif isinstance(item, list):
            yield from _items(item, level)
        else:
            yield "  " * level + _scalar(item)


def _scalar(value: Any) -> str:
    return "<nil>" if value is None else words.yes(value) if isinstance(value, bool) else str(value)


def label(field: str) -> str:
    """A field's name for people: ``label("creationTimestamp")`` is ``Creation Timestamp``."""
    if not _PLAIN.fullmatch(field):
        return field
    parts = _PARTS.findall(field)
    return " ".join(p.upper() if p.upper() in _ACRONYMS else p[:1].upper() + p[1:] for p in parts)
