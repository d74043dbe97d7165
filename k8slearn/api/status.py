"""How the API server says no, and how kubectl prints it.

The server answers with a *Status*: a reason (``NotFound``), a message, and for an invalid object its causes, each
with the path of the field. kubectl prints ``Error from server (NotFound): …``, except for an invalid object,
which it prints as ``The Pod "web" is invalid: …``.

Left out: HTTP codes and retry hints.
"""

from __future__ import annotations

import json
from typing import Any

from k8slearn.errors import Refused


class ApiError(Refused):
    """The API server refused. `reason` and `message` are the Status's; ``str()`` is what kubectl prints."""

    def __init__(self, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        self.reason = reason
        self.message = message
        self.causes = causes
        super().__init__(self.said())

    def said(self, doing: str = "", source: str = "STDIN") -> str:
        """kubectl's words. `doing` is ``error when creating "STDIN"``: what a client adds for a file."""
        if self.reason == "NoMatch":
            return "error: " + self.message.replace("{source}", source)
        if self.causes:
            many = len(self.causes) > 1
            return f"{self.message}: " + ("".join(f"\n* {c}" for c in self.causes) if many else self.causes[0])
        return f"Error from server ({self.reason}): {doing + ': ' if doing else ''}{self.message}"


def invalid(kind: str, name: str, causes: list[str]) -> ApiError:
    return ApiError("Invalid", f'The {kind} "{name}" is invalid', tuple(causes))


def not_found(resource: str, name: str) -> ApiError:
    return ApiError("NotFound", f'{resource} "{name}" not found')


def no_such_resource(word: str) -> Refused:
    return Refused(f'error: the server doesn\'t have a resource type "{word}"')


def already_exists(resource: str, name: str) -> ApiError:
    return ApiError("AlreadyExists", f'{resource} "{name}" already exists')


def forbidden(resource: str, name: str, why: str) -> ApiError:
    return ApiError("Forbidden", f'{resource} "{name}" is forbidden: {why}')


def shown(value: Any) -> str:
    """A bad value as the server shows it in ``Invalid value: …``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def bad(path: str, value: Any, why: str) -> str:
    return f"{path}: Invalid value: {shown(value)}: {why}"


def required(path: str, why: str = "") -> str:
    return f"{path}: Required value" + (f": {why}" if why else "")


def unsupported(path: str, value: Any, supported: tuple[str, ...], in_order: bool = False) -> str:
    """`in_order`: the server lists the words as they stand here, not as the alphabet has them."""
    known = ", ".join(f'"{s}"' for s in (supported if in_order else sorted(supported)))
    return f"{path}: Unsupported value: {shown(value)}: supported values: {known}"


def too_many(path: str, count: int, most: int) -> str:
    return f"{path}: Too many: {count}: must have at most {most} items"


def duplicate(path: str, value: Any) -> str:
    return f"{path}: Duplicate value: {shown(value)}"


def banned(path: str, why: str) -> str:
    return f"{path}: Forbidden: {why}"
