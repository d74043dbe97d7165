"""A line for the shell, taken apart: what is a word, what an operator, what belongs to which command.

This is the grammar (POSIX XCU 2.10) as far as people type it at a cluster::

    list     = chain (";" | newline) ...
    chain    = pipeline (("&&" | "||") pipeline) ...
    pipeline = ["!"] command ("|" command) ...
    command  = NAME=VALUE ... WORD ... [N]> FILE ...
             | for NAME in WORD ...; do list done
             | if list; then list [else list] fi

A word is a row of parts, because ``"$a"b`` is two things at once; whether a part was quoted decides if it is split.

Left out: ``while``, ``case``, functions, subshells, ``&``, here-documents, arithmetic,
``${NAME:-WORD}`` and its kin: each is refused in a sentence.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from k8slearn.errors import CommandError

NOT_HERE = (
    "sh: {what}: this shell knows ; && || | and ! between commands, > >> < 2>&1, $NAME and $(COMMAND), "
    "for ... in ...; do ...; done and if ...; then ...; fi. What is more than that, do in Python\n"
)
BLANK = re.compile(r"(?:[ \t]|\\\n)+")
OPERATOR = re.compile(r"&&|\|\||;;|<<|>>|>&|<&|[;&|<>()\n]")
PLAIN = re.compile(r"[^\s'\"\\$`;&|<>()]+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*|[?0-9])|\{([A-Za-z_][A-Za-z0-9_]*)\})")
ESCAPED = re.compile(r"\\([$`\"\\])|\\\n()")
RESERVED = {"for", "in", "do", "done", "if", "then", "elif", "else", "fi", "!"}
REFUSED = {"while", "until", "case", "esac", "function", "{", "}", "select", "[["}
DIRECTIONS = (">", ">>", "<", ">&")


class Part(NamedTuple):
    """A piece of a word: ``text``, the name of a ``variable``, or the script of a ``command``; quoted or not."""

    kind: str
    text: str
    quoted: bool = False


Word = tuple[Part, ...]


class Redirection(NamedTuple):
    """``2>&1``: which stream, how, and whither."""

    stream: int
    how: str
    target: Word


class Simple(NamedTuple):
    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]


class Loop(NamedTuple):
    name: str
    words: tuple[Word, ...]
    body: tuple[Chain, ...]


class Choice(NamedTuple):
    branches: tuple[tuple[tuple[Chain, ...], tuple[Chain, ...]], ...]
    """(the condition, what is done when it holds); the last one's condition is empty for ``else``."""


class Pipeline(NamedTuple):
    stages: tuple[Simple | Loop | Choice, ...]
    negated: bool


class Chain(NamedTuple):
    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...]


def parse(text: str) -> tuple[Chain, ...]:
    """What a script says. Raises `CommandError` in the shell's words."""
    found = _Parser(_tokens(text))
    chains = found.chains(())
    if found.tokens:
        unexpected(found.tokens[0])
    return chains


def unexpected(token: str | Word, expecting: str = "") -> NoReturn:
    name = "end of file" if token == "" else "newline" if token == "\n" else f'"{_shown(token)}"'
    hint = f' (expecting "{expecting}")' if expecting else ""
    raise CommandError(f"sh: 1: Syntax error: {name} unexpected{hint}\n", 2)


def refused(what: str) -> NoReturn:
    raise CommandError(NOT_HERE.format(what=what), 2)


def _shown(token: str | Word) -> str:
    return token if isinstance(token, str) else "".join(part.text for part in token)


# -- words and operators -----------------------------------------------------------------------------------------------


def _tokens(text: str) -> list[str | Word]:
    """Operators as text, words as tuples of parts; ``2>`` is the operator with its number: ``2>``."""
    found: list[str | Word] = []
    at = 0
    while at < len(text):
        if blank := BLANK.match(text, at):
            at = blank.end()
        elif text[at] == "#":
            at = (text + "\n").index("\n", at)
        elif number := re.match(r"([0-9])(?=[<>])", text[at:]):
            at += 1
            found.append(number[1])
        elif operator := OPERATOR.match(text, at):
            found.append(operator.group())
            at = operator.end()
        else:
            word, at = _word(text, at)
            found.append(word)
    return found


def _word(text: str, at: int) -> tuple[Word, int]:
    parts: list[Part] = []
    while at < len(text) and not text[at].isspace() and not OPERATOR.match(text, at):
        if text[at] == "'":
            end = _closing(text, at + 1, "'")
            parts.append(Part("text", text[at + 1 : end], True))
            at = end + 1
        elif text[at] == '"':
            quoted, at = _double(text, at + 1)
            parts += quoted
        elif text[at] == "\\":
            parts.append(Part("text", text[at + 1 : at + 2], True))
            at += 2
        elif text[at] in "$`":
            part, at = _dollar(text, at, False)
            parts.append(part)
        elif plain := PLAIN.match(text, at):
            parts.append(Part("text", plain.group()))
            at = plain.end()
    return tuple(parts), at


def _double(text: str, at: int) -> tuple[list[Part], int]:
    """What stands between double quotes: variables and commands still count there."""
    parts = [Part("text", "", True)]
    while at < len(text) and text[at] != '"':
        if escaped := ESCAPED.match(text, at):
            parts.append(Part("text", escaped[1] or "", True))
            at = escaped.end()
        elif text[at] in "$`":
            part, at = _dollar(text, at, True)
            parts.append(part)
        else:
            parts.append(Part("text", text[at], True))
            at += 1
    if at >= len(text):
        _unterminated()
    return parts, at + 1


def _dollar(text: str, at: int, quoted: bool) -> tuple[Part, int]:
    """``$NAME``, ``$(COMMAND)`` or a lonely ``$``."""
    if text[at] == "`":
        end = _closing(text, at + 1, "`")
        return Part("command", text[at + 1 : end], quoted), end + 1
    if text.startswith("$((", at):
        refused("$((")
    if text.startswith("$(", at):
        end = _balanced(text, at + 2)
        return Part("command", text[at + 2 : end], quoted), end + 1
    if variable := VARIABLE.match(text, at):
        return Part("variable", variable[1] or variable[2], quoted), variable.end()
    if text.startswith("${", at):
        refused(text[at : at + 12].split()[0])
    return Part("text", "$", True), at + 1


def _closing(text: str, at: int, mark: str) -> int:
    end = text.find(mark, at)
    return end if end >= 0 else _unterminated()


def _balanced(text: str, at: int) -> int:
    """Where the parenthesis that was opened before `at` is closed; quotes hide others."""
    depth = 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in "'\"":
            at = _closing(text, at + 1, text[at])
        else:
            depth += (text[at] == "(") - (text[at] == ")")
        if not depth:
            return at
        at += 1
    return _unterminated()


def _unterminated() -> NoReturn:
    raise CommandError("sh: 1: Syntax error: Unterminated quoted string\n", 2)


# -- commands ----------------------------------------------------------------------------------------------------------


class _Parser:
    """Takes tokens from the front, one rule of the grammar for each method."""

    def __init__(self, tokens: list[str | Word]) -> None:
        self.tokens = tokens

    def peek(self) -> str | Word:
        return self.tokens[0] if self.tokens else ""

    def reserved(self) -> str:
        """The reserved word that comes next, if one does."""
        token = self.peek()
        if isinstance(token, str) or len(token) != 1 or token[0].kind != "text" or token[0].quoted:
            return ""
        return token[0].text if token[0].text in RESERVED | REFUSED else ""

    def expect(self, word: str) -> None:
        if self.reserved() != word:
            unexpected(self.peek(), word)
        self.tokens.pop(0)

    def blank(self) -> None:
        while self.peek() == "\n":
            self.tokens.pop(0)

    def chains(self, ends: tuple[str, ...]) -> tuple[Chain, ...]:
        """Commands up to one of the reserved words `ends`."""
        found = []
        self.blank()
        while self.tokens and self.reserved() not in (ends or (None,)):
            found.append(self.chain())
            if self.peek() in (";", "\n"):
                self.tokens.pop(0)
                self.blank()
            elif self.tokens and self.reserved() not in (ends or (None,)):
                refused("&") if self.peek() == "&" else unexpected(self.peek())
        if ends and not found:
            unexpected(self.peek())
        return tuple(found)

    def chain(self) -> Chain:
        first, rest = self.pipeline(), []
        while self.peek() in ("&&", "||"):
            operator = str(self.tokens.pop(0))
            self.blank()
            rest.append((operator, self.pipeline()))
        return Chain(first, tuple(rest))

    def pipeline(self) -> Pipeline:
        negated = self.reserved() == "!"
        if negated:
            self.tokens.pop(0)
        stages = [self.command()]
        while self.peek() == "|":
            self.tokens.pop(0)
            self.blank()
            stages.append(self.command())
        return Pipeline(tuple(stages), negated)

    def command(self) -> Simple | Loop | Choice:
        word = self.reserved()
        if word in REFUSED:
            refused(word)
        if word == "for":
            return self.loop()
        if word == "if":
            return self.choice()
        return unexpected(self.peek()) if word else self.simple()

    def loop(self) -> Loop:
        self.expect("for")
        name = self.tokens.pop(0) if self.tokens else ""
        if isinstance(name, str) or not NAME.fullmatch(_shown(name)):
            raise CommandError("sh: 1: Syntax error: Bad for loop variable\n", 2)
        self.blank()
        self.expect("in")
        words = []
        while (token := self.peek()) and not isinstance(token, str):
            words.append(token)
            self.tokens.pop(0)
        if self.peek() not in (";", "\n"):
            unexpected(self.peek())
        self.tokens.pop(0)
        self.blank()
        self.expect("do")
        body = self.chains(("done",))
        self.expect("done")
        return Loop(_shown(name), tuple(words), body)

    def choice(self) -> Choice:
        branches = []
        self.expect("if")
        while True:
            condition = self.chains(("then",))
            self.expect("then")
            branches.append((condition, self.chains(("elif", "else", "fi"))))
            if self.reserved() != "elif":
                break
            self.tokens.pop(0)
        if self.reserved() == "else":
            self.tokens.pop(0)
            branches.append(((), self.chains(("fi",))))
        self.expect("fi")
        return Choice(tuple(branches))

    def simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        while token := self.peek():
            if isinstance(token, str):
                if not self.redirection(token, redirections):
                    break
            elif not words and (assigned := _assignment(token)):
                assignments.append(assigned)
                self.tokens.pop(0)
            else:
                words.append(token)
                self.tokens.pop(0)
        if not (assignments or words or redirections):
            unexpected(self.peek())
        return Simple(tuple(assignments), tuple(words), tuple(redirections))

    def redirection(self, token: str, found: list[Redirection]) -> bool:
        """Take one, if one comes next."""
        stream = int(self.tokens.pop(0)) if token.isdigit() else -1  # type: ignore[arg-type]  # an operator is text
        how = self.peek()
        if how in ("<<", "<&", "(") or (how == "&" and self.tokens[1:2] == [">"]):
            refused(str(how))
        if how not in DIRECTIONS:
            return False
        self.tokens.pop(0)
        target = self.tokens.pop(0) if self.tokens else ""
        if target in ("1", "2"):
            target = (Part("text", str(target)),)
        if isinstance(target, str):
            unexpected(target)
        found.append(Redirection(stream if stream >= 0 else int(how != "<"), str(how), target))
        return True


def _assignment(word: Word) -> tuple[str, Word] | None:
    name, equals, rest = word[0].text.partition("=")
    if word[0].kind != "text" or word[0].quoted or not equals or not NAME.fullmatch(name):
        return None
    return name, (Part("text", rest, True), *word[1:])
