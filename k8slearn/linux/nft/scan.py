"""From text to tokens, and from a token back to the line that nft shows with a caret under it.

A rule set is words, numbers, addresses and signs; a newline or ``;`` ends a command. `Cursor` walks over the tokens of
one text and makes nft's complaints: what was found, where, and the line itself.

Left out: ``include``; variables are put in before anything else is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from k8slearn.errors import CommandError

TOKEN = re.compile(
    r"""
      (?P<space>  (?:[ \t\r]+|\\\n|\#[^\n]*)+ )
    | (?P<newline> \n )
    | (?P<quoted> "[^"\n]*" )
    | (?P<address6> (?=[0-9a-fA-F]*:[0-9a-fA-F]*:)(?:[0-9a-fA-F:]*:\d+\.\d+\.\d+\.\d+|[0-9a-fA-F:]+) )
    | (?P<address> \d+\.\d+\.\d+\.\d+ )
    | (?P<time> (?:\d+(?:ms|[dhms]))+(?![A-Za-z0-9]) )
    | (?P<number> 0x[0-9a-fA-F]+(?![\w]) | \d+(?![A-Za-z_]) )
    | (?P<word> [A-Za-z0-9_][A-Za-z0-9_./\\-]*\*? )
    | (?P<sign> == | != | <= | >= | << | >> | [{}()\[\],;:.=<>&|^!/@$*-] )
    | (?P<other> . )
    """,
    re.VERBOSE,
)
SIGNS = {"\n": "newline", ";": "semicolon", ",": "comma", ":": "colon", "": "end of file"}
KEYWORDS = frozenset(
    """
    accept add all at chain chains comment continue counter counters create ct daddr delete dnat drop dport
    dynamic element elements fib flags flush get goto handle hook icmp icmpv6 import inc index inet insert
    interval ip ip6 iif iifname jump limit list log map maps mark masquerade meta name notrack numgen oif
    oifname over packets policy position prefix priority queue random rate redirect reject rename replace
    reset return rule ruleset saddr sctp set sets size snat sport table tables tcp th timeout to type
    typeof udp update vmap with
    """.split()  # noqa: SIM905
)
"""Words that nft names as themselves in ``unexpected ...``; any other word is a ``string``."""


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class Source:
    """One text and what nft calls it in front of a complaint (empty: a command line)."""

    def __init__(self, text: str, name: str = "") -> None:
        self.text, self.name = text, name

    def complain(self, start: int, end: int, says: str, also: tuple[int, int] | None = None) -> CommandError:
        """nft's complaint about these characters, with the line and carets under them."""
        at = self.text.rfind("\n", 0, start) + 1
        stop = self.text.find("\n", at)
        line = self.text[at : len(self.text) if stop < 0 else stop]
        end = max(start + 1, min(end, at + len(line) + 1))
        where = f"{self.name}:{self.text.count(chr(10), 0, start) + 1}:{start - at + 1}-{end - at}: "
        marks = [c if c == "\t" else " " for c in line[: start - at]] + [" "] * (start - at - len(line))
        if also is not None:
            marks[also[0] - at : also[1] - at] = "~" * (also[1] - also[0])
        carets = "".join(marks) + "^" * (end - start)
        return CommandError(f"{where if self.name else ''}Error: {says}\n{line}\n{carets}\n", 1)


def scan(source: Source) -> list[Token]:
    """Every token, then one that is the end."""
    found = [
        Token(match.lastgroup or "", match.group(), match.start(), match.end())
        for match in TOKEN.finditer(source.text)
        if match.lastgroup != "space"
    ]
    return [*found, Token("end", "", len(source.text), len(source.text))]


class Cursor:
    """Where one is in the tokens of a text."""

    def __init__(self, source: Source, tokens: list[Token], at: int = 0, stop: int | None = None) -> None:
        self.source, self.tokens, self.at = source, tokens, at
        self.stop = len(tokens) - 1 if stop is None else stop

    @property
    def token(self) -> Token:
        return self.tokens[min(self.at, self.stop)]

    @property
    def text(self) -> str:
        """The next token's text; empty for a quoted string, so that it is never taken for a keyword."""
        token = self.tokens[self.at] if self.at < self.stop else self.tokens[self.stop]
        return "" if token.kind == "quoted" or self.at >= self.stop else token.text

    @property
    def place(self) -> int:
        return self.token.start

    @property
    def before(self) -> int:
        """Where the token that was taken last ends."""
        return self.tokens[self.at - 1].end

    def peek(self, ahead: int = 1) -> str:
        at = self.at + ahead
        return self.tokens[at].text if at < self.stop and self.tokens[at].kind != "quoted" else ""

    def take(self) -> Token:
        token = self.token
        self.at += 1
        return token

    def eat(self, *texts: str) -> bool:
        """Take these tokens if they are next."""
        for ahead, text in enumerate(texts):
            if (self.text if ahead == 0 else self.peek(ahead)) != text:
                return False
        self.at += len(texts)
        return True

    def need(self, text: str) -> Token:
        if self.text != text:
            self.unexpected(f"'{text}'" if not text.isalpha() else text)
        return self.take()

    def word(self) -> Token:
        """A name: a word, or one that stands in quotes."""
        if self.at >= self.stop or self.token.kind not in ("word", "quoted", "time"):
            self.unexpected("string")
        return self.take()

    def number(self) -> int:
        if self.at >= self.stop or self.token.kind != "number":
            self.unexpected("number")
        return int(self.take().text, 0)

    @property
    def ended(self) -> bool:
        """Is this the end of the command?"""
        return self.at >= self.stop or self.text in ("\n", ";", "}")

    def skip_lines(self) -> None:
        while self.at < self.stop and self.text in ("\n", ";"):
            self.at += 1

    def unexpected(self, expecting: str = "") -> NoReturn:
        token = self.token
        name = SIGNS.get(token.text) or {"quoted": "quoted string", "number": "number", "sign": f"'{token.text}'"}.get(
            token.kind, token.text if token.text in KEYWORDS else "string"
        )
        if not self.source.name and self.at >= self.stop:
            name = "newline"
        also = f", expecting {expecting}" if expecting else ""
        raise self.source.complain(token.start, token.end, f"syntax error, unexpected {name}{also}")

    def fail(self, start: int, says: str, also: tuple[int, int] | None = None) -> NoReturn:
        """A complaint about everything from `start` to the token that was taken last."""
        raise self.source.complain(start, self.before, says, also)

    def fail_whole(self, start: int, says: str) -> NoReturn:
        """A complaint about a whole command: its end is underlined, too."""
        raise self.source.complain(start, self.before + 1, says)


DEFINE = re.compile(r"^[ \t]*define[ \t]+(\w+)[ \t]*=[ \t]*(.+?)[ \t]*;?$", re.MULTILINE)


def substitute(text: str) -> str:
    """``define NAME = VALUE`` taken out (its line stays, empty), and ``$NAME`` replaced by the value."""
    values: dict[str, str] = {}

    def keep(match: re.Match[str]) -> str:
        values[match[1]] = _filled(match[2], values)
        return ""

    return _filled(DEFINE.sub(keep, text), values) if "define" in text else text


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: values.get(match[1], match[0]), text)
