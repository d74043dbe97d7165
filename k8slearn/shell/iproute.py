"""What every iproute2 command shares: options, words that may be cut short, complaints, and JSON.

iproute2 takes any prefix of a command (``ip a s``), reads its arguments as pairs of a keyword and a value, and prints
either text or JSON out of the same fields. So do we: a tool makes dicts in iproute2's JSON form, and the text is
written from those.

Left out: ``-batch``, colours, and the long usage texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from k8slearn.errors import CommandError
from k8slearn.linux import ip
from k8slearn.linux.program import Result

T = TypeVar("T")
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What stands before the object: ``ip -4 -j addr``."""

    family: str = ""
    """``4``, ``6`` or empty: any."""
    brief: bool = False
    details: bool = False
    json: bool = False
    oneline: bool = False
    pretty: bool = False
    color: bool = False
    netns: str = ""
    statistics: int = 0
    """How often ``-s`` was said."""


class Words:
    """The arguments that are left. Taking one that is not there ends the command as iproute2 does."""

    def __init__(self, words: Sequence[str]) -> None:
        self.left = list(words)
        self.notes = ""
        """What the tool says on its standard error though all goes well."""

    def __bool__(self) -> bool:
        return bool(self.left)

    def take(self) -> str:
        if not self.left:
            raise CommandError('Command line is not complete. Try option "help"\n', 255)
        return self.left.pop(0)

    def number(self, complaint: str, end: str = "\n\n") -> int:
        """The next word as a number; `complaint` is iproute2's: ``"metric" value is invalid``."""
        word = self.take()
        try:
            return int(word, 0)
        except ValueError:
            wrong(word, complaint, end)


def wrong(word: str, complaint: str, end: str = "\n\n") -> NoReturn:
    """``Error: argument "foo" is wrong: ...``."""
    raise CommandError(f'Error: argument "{word}" is wrong: {complaint}{end}', 255)


def garbage(keyword: str, word: str) -> NoReturn:
    """A word that stands where nothing can stand."""
    raise CommandError(f'Error: either "{keyword}" is duplicate, or "{word}" is a garbage.\n', 255)


def not_modelled(what: str) -> NoReturn:
    """iproute2 knows it, this machine does not."""
    raise CommandError(f"{what}: this is not modelled here\n", 1)


def expected(what: str, word: str) -> NoReturn:
    """``Error: any valid prefix is expected rather than "foo".``"""
    raise CommandError(f'Error: {what} is expected rather than "{word}".\n', 1)


def prefix(word: str, what: str) -> str:
    """An address or a network, as it was typed; `what` is what the tool would have liked instead."""
    try:
        ip.network(word)
    except ValueError:
        expected(what, word)
    return word


def match(word: str, table: Mapping[str, T]) -> T | None:
    """The first row whose name begins with `word`: iproute2's ``matches()``."""
    return next((row for name, row in table.items() if name.startswith(word)), None)


def choose(words: Words, table: Mapping[str, T], default: str, tool: str) -> T:
    """The command that the next word asks for; without one, the default."""
    word = words.take() if words else default
    found = match(word, table)
    if found is None:
        stop = "" if tool == "ip tunnel" else "."
        raise CommandError(f'Command "{word}" is unknown, try "{tool} help"{stop}\n', 255)
    return found


FLAGS = {
    "-4": ("family", "4"),
    "-6": ("family", "6"),
    "-details": ("details", True),
    "-oneline": ("oneline", True),
    "-brief": ("brief", True),
    "-json": ("json", True),
    "-color": ("color", True),
    "-netns": ("netns", None),
    "-pretty": ("pretty", True),
    "-statistics": ("statistics", 1),
}
REFUSED = {
    "-family": "",
    "-batch": "",
    "-force": "",
    "-all": "",
    "-resolve": "",
    "-human": "",
}
ALIASES = {
    "-stats": "-statistics",
    "-br": "-brief",
    "-n": "-netns",
    "-p": "-pretty",
    "-s": "-statistics",
    "-c": "-color",
    "-a": "-all",
}


def parse_options(words: Words, tool: str) -> Options:
    """Take the options off the front."""
    found: dict[str, Any] = {}
    while words and words.left[0].startswith("-"):
        word = words.take()
        name = ALIASES.get(word, word.removeprefix("-") if word.startswith("--") else word)
        row = match(name, FLAGS) if len(name) > 1 else None
        if row is None and match(name, REFUSED) is not None:
            not_modelled(f"{tool} {word}")
        if row is None:
            raise CommandError(f'Option "{word}" is unknown, try "{tool} -help".\n', 255)
        field, value = row
        if field == "statistics":
            value = found.get(field, 0) + 1
        found[field] = value if value is not None else (words.left.pop(0) if words else "(null)")
    return Options(**found)


def answer(options: Options, rows: Sequence[Fields], text: Callable[[Fields], str]) -> Result:
    """Print rows as text (each ends its own lines) or as JSON."""
    if options.json:
        return Result((_pretty(list(rows)) if options.pretty else compact(list(rows))) + "\n")
    return Result("".join(one_line(options, text(row)) for row in rows))


def one_line(options: Options, text: str) -> str:
    r"""With ``-oneline`` a record is one line, and a backslash stands where a line ended."""
    return text[:-1].replace("\n", "\\") + text[-1:] if options.oneline else text


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _pretty(value: Any, depth: int = 0) -> str:
    if isinstance(value, list):
        return f"[ {','.join(_pretty(v, depth + 1) for v in value)} ]" if value else "[ ]"
    if isinstance(value, dict):
        indent = "    " * (depth + 1)
        inside = ",".join(f"\n{indent}{json.dumps(k)}: {_pretty(v, depth + 1)}" for k, v in value.items())
        return f"{{{inside}\n{'    ' * depth}}}"
    return json.dumps(value)
