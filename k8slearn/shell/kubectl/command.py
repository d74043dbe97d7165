"""A kubectl command line, taken apart: positional words and flags, with what each command allows.

Flags follow pflag's rules: ``-n kube-system``, ``-nkube-system``, ``--namespace=kube-system``; they may stand anywhere
before ``--``. A flag is read by its command, or it is refused with what to do `instead`, or it is `idle`, and its
table says why it changes nothing here. Those that choose a cluster or a user are idle: there is one cluster, and
everybody is its administrator.

Left out: plugins, ``kubectl config``, aliases.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from k8slearn.errors import CommandError
from k8slearn.journal import Command, World
from k8slearn.linux.program import Result
from k8slearn.shell.process import Process

Obj = dict[str, Any]
Doing = Generator[Command, None, Result]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `takes`: does it need a value? `bare` is its value when none is given; `many`: may it be repeated?

    `instead` says what to do where it is refused, unless its value is among `taken`; `idle` why it changes nothing.
    """

    short: str = ""
    takes: bool = True
    default: Any = ""
    bare: str = "true"
    many: bool = False
    instead: str = ""
    taken: tuple[str, ...] = ()
    idle: str = ""


def switch(short: str = "", *, instead: str = "", idle: str = "") -> Flag:
    """A flag without a value: ``--all-namespaces``."""
    return Flag(short, False, False, instead=instead, idle=idle)


_ONE = "there is one cluster, and everybody is its administrator"
_AT_ONCE = "the API server answers at once"
EVERYWHERE: dict[str, Flag] = {
    "namespace": Flag("n"),
    "help": switch("h"),
    **{name: Flag(idle=_ONE) for name in ("context", "kubeconfig", "cluster", "user", "server", "token", "as")},
    **{name: Flag(idle=_AT_ONCE) for name in ("request-timeout", "chunk-size", "tls-server-name")},
    "field-manager": Flag(idle="nobody asks who owns a field"),
    "validate": Flag(instead="every field is checked, as with --validate=true", taken=("true", "strict"), bare="true"),
    "v": Flag("v", idle="the requests are not shown"),
    "insecure-skip-tls-verify": switch(idle=_ONE),
    "warnings-as-errors": switch(),
    "record": switch(instead="it is deprecated; kubectl annotate writes kubernetes.io/change-cause"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One command, understood."""

    process: Process
    command: str
    words: tuple[str, ...]
    flags: Mapping[str, Any]
    after: tuple[str, ...] = ()
    """What stands behind ``--``."""
    given: frozenset[str] = field(default_factory=frozenset)

    @property
    def world(self) -> World:
        return self.process.world

    @property
    def namespace(self) -> str:
        return self.flags["namespace"] or "default"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One of kubectl's commands: its flags, and what it does."""

    run: Callable[[Request], Doing]
    flags: Mapping[str, Flag] = field(default_factory=dict)
    dashes: bool = False
    """Do the words behind ``--`` belong to somebody else (``exec``, ``run``)?"""


def fail(sentence: str, exit_code: int = 1) -> NoReturn:
    """End the command with kubectl's words on standard error."""
    raise CommandError(sentence + "\n", exit_code)


def invalid(flag: str, value: str, parser: str = "ParseInt") -> NoReturn:
    """A flag's value that is no number (or no boolean), in Go's words."""
    fail(f'error: invalid argument "{value}" for "--{flag}" flag: strconv.{parser}: parsing "{value}": invalid syntax')


def usage(sentence: str, command: str) -> NoReturn:
    fail(f"error: {sentence}\nSee 'kubectl {command} -h' for help and examples")


def read(process: Process, name: str, command: Kubectl, argv: Sequence[str]) -> Request:
    """Take a command line apart; ends with kubectl's words for a flag that it does not know."""
    known = {**EVERYWHERE, **command.flags}
    short = {flag.short: name for name, flag in known.items() if flag.short}
    flags: dict[str, Any] = {n: [] if f.many else f.default for n, f in known.items()}
    words: list[str] = []
    given: set[str] = set()
    rest = list(argv)
    after: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            after, rest = rest, []
        elif word.startswith("--") or (word.startswith("-") and len(word) > 1):
            for flag, value in _flag(name, word, rest, known, short):
                _store(flags, flag, value, known[flag])
                _modelled(flag, value, known[flag])
                given.add(flag)
        else:
            words.append(word)
    if not command.dashes:
        words, after = words + after, []
    return Request(process, name, tuple(words), flags, tuple(after), frozenset(given))


def _flag(
    command: str, word: str, rest: list[str], known: Mapping[str, Flag], short: Mapping[str, str]
) -> list[tuple[str, str]]:
    if not word.startswith("--"):
        return _shorts(command, word[1:], rest, known, short)
    name, equals, value = word[2:].partition("=")
    if name not in known:
        fail(f"error: unknown flag: --{name}\nSee 'kubectl {command} --help' for usage.")
    if equals:
        return [(name, value)]
    if not known[name].takes:
        return [(name, known[name].bare)]
    if not rest:
        fail(f"error: flag needs an argument: --{name}\nSee 'kubectl {command} --help' for usage.")
    return [(name, rest.pop(0))]


def _shorts(
    command: str, letters: str, rest: list[str], known: Mapping[str, Flag], short: Mapping[str, str]
) -> list[tuple[str, str]]:
    """``-it``: several switches in one word; ``-nkube-system``: the value right behind the letter."""
    found = []
    left = letters
    while left:
        letter, left = left[0], left[1:]
        if letter not in short:
            fail(f"error: unknown shorthand flag: {letter!r} in -{letters}\nSee 'kubectl {command} --help' for usage.")
        name = short[letter]
        if not known[name].takes and not left.startswith("="):
            found.append((name, known[name].bare))
            continue
        if not left and not rest:
            fail(f"error: flag needs an argument: {letter!r} in -{letters}\nSee 'kubectl {command} --help' for usage.")
        found.append((name, left.removeprefix("=") if left else rest.pop(0)))
        left = ""
    return found


def _modelled(name: str, value: str, flag: Flag) -> None:
    """Ends with a sentence for what no cluster here does."""
    if flag.instead and value not in flag.taken and not (flag.default is False and value == "false"):
        fail(f"error: --{name}{f'={value}' if flag.taken else ''} is not modelled: {flag.instead}")


def _store(flags: dict[str, Any], name: str, value: str, flag: Flag) -> None:
    if flag.many:
        flags[name] = [*flags[name], value]
    elif flag.default is False:
        if value not in ("true", "false"):
            invalid(name, value, "ParseBool")
        flags[name] = value == "true"
    else:
        flags[name] = value
