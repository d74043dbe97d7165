"""What a record's inputs may be: a closed list of kinds, each argument with a type and a bound.

An input is a command as a person could have typed it, so there is no kind that runs code, reads a file or opens a
connection of this machine's. Whatever is not on this list is refused before any of it is done.

Left out: kinds that only a teacher's tools use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from k8slearn.errors import Refused

MOST_TEXT = 200_000
MOST_SECONDS = 366 * 24 * 3600.0

Bound = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_TEXT


def _word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 512


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= MOST_SECONDS


def _port(value: Any) -> bool:
    return _word(value) or (isinstance(value, int) and 0 <= value < 65536)


def _environment(value: Any) -> bool:
    return isinstance(value, dict) and len(value) <= 100 and all(_word(k) and _text(v) for k, v in value.items())


def _answers(value: Any) -> bool:
    """What a learner's own plugin answered: it was called then, and is not called here."""
    return isinstance(value, list) and len(value) <= 10_000 and all(isinstance(answer, dict) for answer in value)


class Kind(NamedTuple):
    """One kind of input: the arguments that it must have, and those that it may have."""

    must: Mapping[str, Bound]
    may: Mapping[str, Bound] = {}


KINDS: dict[str, Kind] = {
    "apply": Kind({"source": _text, "namespace": _word}),
    "delete": Kind({"resource": _word, "name": _word, "namespace": _word}),
    "kubectl": Kind({"command": _text}, {"stdin": _text}),
    "run": Kind({"on": _word, "command": _text}, {"stdin": _text, "env": _environment, "container": _word}),
    "send": Kind({"source": _word, "destination": _word, "port": _port, "protocol": _word}),
    "outside": Kind({"address": _word}),
    "advance": Kind({"seconds": _seconds}),
    "install-plugin": Kind({"name": _word}),
}
EVERY: Mapping[str, Bound] = {"answers": _answers}
"""What any kind of input may have beside its own arguments."""


def checked(kind: str, arguments: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The arguments, if this kind of input may have them; raises `Refused` with one sentence."""
    known = KINDS.get(kind)
    if known is None:
        raise Refused(f"{what} is of the kind {kind[:40]!r}; there are: {', '.join(sorted(KINDS))}")
    bounds = {**known.must, **known.may, **EVERY}
    for name in [*known.must, *arguments]:
        if name not in arguments or name not in bounds:
            raise Refused(
                f"{what} ({kind}) {'lacks' if name in bounds else 'must not have'} the argument {name[:40]!r}"
            )
        if not bounds[name](arguments[name]):
            raise Refused(f"{what} ({kind}) has an argument {name!r} of the wrong type or size")
    return dict(arguments)
