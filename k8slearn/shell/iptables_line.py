"""The command line of ``iptables`` taken apart: what to do, in which table and chain, and the words of the rule.

A rule's words are left as they are: `linux/iptables` reads them. Here it only matters how many words stand behind each
option, so that a comment that looks like a command is none.

Left out: ``-h``, ``-M``, ``-W``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.linux.iptables import MATCHES, TARGETS, fail
from k8slearn.linux.iptables.plain import LONG as PLAIN
from k8slearn.linux.iptables.words import HINT

LONG = {
    **{"--append": "-A", "--check": "-C", "--delete": "-D", "--insert": "-I", "--replace": "-R", "--list": "-L"},
    **{"--list-rules": "-S", "--flush": "-F", "--zero": "-Z", "--new": "-N", "--new-chain": "-N", "--policy": "-P"},
    **{"--delete-chain": "-X", "--rename-chain": "-E", "--table": "-t", "--numeric": "-n", "--verbose": "-v"},
    **{"--wait": "-w", "--exact": "-x", "--ipv4": "-4", "--ipv6": "-6", "--set-counters": "-c", "--version": "-V"},
    "--line-numbers": "-0",
}
COMMANDS = "ACDIRLSFZNXEP"
FLAGS = "nvx046V"
BEHIND = {
    **dict.fromkeys(("-s", "-d", "-i", "-o", "-p", "-j", "-g", "-m"), 1),
    **{option: 1 for option, short in PLAIN.items() if short != "-f"},
    **{
        name: option.words
        for extension in (*MATCHES.values(), *TARGETS.values())
        for name, option in (
            *extension.options.items(),
            *((alias, extension.options[real]) for alias, real in extension.aliases.items()),
        )
    },
}
"""An option of a rule -> how many words stand behind it, whatever they look like."""
ARGUMENTS = {
    **{"A": (1, 1), "C": (1, 1), "D": (1, 2), "I": (1, 2), "R": (2, 2), "L": (0, 2), "S": (0, 2)},
    **{"F": (0, 1), "Z": (0, 2), "N": (1, 1), "X": (0, 1), "E": (2, 2), "P": (2, 2)},
}
"""Each command: how many words it needs, and how many it may have."""
LACKING = {
    "R": "-R requires a chain and a rule number",
    "E": "-E requires old-chain-name and new-chain-name",
    "P": "-P requires a chain and a policy",
}
ORDER = "nsdpjvxio0cf"
"""The order in which iptables looks for options that a command does not take."""
TAKES = {
    **dict.fromkeys("AIR", "sdpjviocf"),
    **dict.fromkeys("DC", "sdpjviof"),
    **{"L": "nvx0", "P": "vc"},
}
"""A command -> the options that it takes; ``-v`` alone where it is not here."""


@dataclass(slots=True)
class Line:
    """A command line, taken apart."""

    command: str = ""
    table: str = "filter"
    chain: str = ""
    extra: str = ""
    """A rule's number, a policy or a new name: what stands behind the chain."""
    flags: set[str] = field(default_factory=set)
    rule: list[str] = field(default_factory=list)
    counters: tuple[int, int] = (0, 0)
    zero: bool = False
    """``-L -Z``: list, then set the counters to zero."""
    said: set[str] = field(default_factory=set)
    """The letters of the rule's own options: ``s``, ``j``, ..."""


def read_line(argv: tuple[str, ...]) -> Line:
    """Take a command line apart."""
    line, words, behind = Line(), _split(argv), 0
    while words:
        word = words.pop(0)
        if behind:
            behind -= 1
            line.rule.append(word)
        elif len(word) == 2 and word[0] == "-" and word[1] in COMMANDS:
            _command(line, word, words)
        elif word in OPTIONS:
            _option(line, word, words)
        else:
            behind = BEHIND.get(word, 0)
            line.rule.append(word)
            short = PLAIN.get(word, word)
            if len(short) == 2 and short[0] == "-":
                line.said.add("j" if short == "-g" else short[1])
    return line


OPTIONS = {f"-{letter}" for letter in FLAGS + "twc"}


def _split(argv: tuple[str, ...]) -> list[str]:
    """Long commands become short, ``-nvL`` becomes ``-n -v -L``, ``-tnat`` becomes ``-t nat``."""
    words: list[str] = []
    behind = 0
    for word in argv:
        if behind:
            behind -= 1
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        if name in LONG:
            words += [LONG[name], value] if equals else [LONG[name]]
        elif len(word) > 2 and word[0] == "-" and word[1] != "-":
            words += _cluster(word)
        else:
            behind = BEHIND.get(word, 0)
            words.append(word)
    return words


def _cluster(word: str) -> list[str]:
    words: list[str] = []
    letters = word[1:]
    while letters and letters[0] in FLAGS:
        words.append(f"-{letters[0]}")
        letters = letters[1:]
    if letters and letters[0] in COMMANDS + "twmj":
        value = word if letters[0] == "j" else letters[1:]
        return [*words, f"-{letters[0]}", *([value] if letters[1:] else [])]
    if letters and letters[0] in "sdiop" and letters[1:]:
        return [*words, f"-{letters[0]}", word]
    return [*words, f"-{letters}"] if letters else words


def _command(line: Line, word: str, words: list[str]) -> None:
    if line.command:
        if {line.command, word[1]} not in ({"L", "Z"}, {"S", "Z"}):
            raise fail(f"Cannot use {word} with -{line.command}")
        line.zero = True
    needed, possible = ARGUMENTS[word[1]]
    given: list[str] = []
    while words and len(given) < possible and (not words[0].startswith(("-", "!")) or len(given) < needed):
        given.append(words.pop(0))
    if line.command and word[1] == "Z":
        line.chain = line.chain or "".join(given)
        return
    line.command = word[1]
    if len(given) < needed:
        raise fail(LACKING[line.command] if given else f'option "-{line.command}" requires an argument')
    line.chain, line.extra = [*given, "", ""][:2]
    if line.command in "DI" and line.extra and not line.extra.isdigit() and line.command == "I":
        words.insert(0, line.extra)
        line.extra = ""


def _option(line: Line, word: str, words: list[str]) -> None:
    if word == "-t":
        if not words:
            raise fail('option "-t" requires an argument')
        line.table = words.pop(0)
    elif word == "-w":
        if words and not words[0].startswith(("-", "!")) and not words.pop(0).isdigit():
            raise fail("wait seconds not numeric")
        line.flags.add("-w")
    elif word == "-c":
        line.counters = _counters(words)
        line.said.add("c")
    else:
        line.flags.add(word)


def _counters(words: list[str]) -> tuple[int, int]:
    """``-c PACKETS BYTES``."""
    given = words[:2]
    if len(given) < 2 or given[1].startswith(("-", "!")):
        raise fail("-c requires packet and byte counter")
    del words[:2]
    for name, value in zip(("packet", "byte"), given, strict=True):
        if not value.isdigit():
            raise fail(f"-c {name} counter not numeric")
    return int(given[0]), int(given[1])


def check_options(line: Line) -> None:
    """Raise CommandError for an option that the command does not take (``xshared.c: commands_v_options``)."""
    said = line.said | {flag[1] for flag in line.flags}
    takes = TAKES.get(line.command, "v")
    if line.command == "D" and line.extra.isdigit():
        takes = "v"
    for letter in ORDER:
        if letter in said and letter not in takes:
            raise fail(f"Illegal option `-{letter}' with this command")
    stray = line.rule[0] if line.rule else ""
    if stray and (line.command not in "ACDIR" or takes == "v"):
        if not stray.startswith("-"):
            raise CommandError(f"Bad argument `{stray}'\n{HINT}", 2)
        raise fail(f'unknown option "{stray}"')
