"""``iptables`` and ``iptables-save`` (1.8.9, nf_tables): chains and rules, as a person changes them.

The language of one rule is in `linux/iptables.py`, what a rule does to a packet in `linux/netfilter.py`; here a command
line finds its chain and writes it anew. Listing is in `iptables_list.py`, the kernel's own objections in
`iptables_check.py`.

Left out: counters (they are always 0), ``-6`` and ip6tables, ``nft``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from k8slearn.errors import CommandError
from k8slearn.journal import Command, Key, Put, Remove, World
from k8slearn.linux import iptables as language
from k8slearn.linux.iptables import VERSION, fail
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rules import BUILT_IN, Chain, Rule
from k8slearn.shell.iptables_check import check_chain_name, check_rule
from k8slearn.shell.iptables_list import Listing, chain_list, listing, specification
from k8slearn.shell.process import Process

LONG = {
    **{"--append": "-A", "--check": "-C", "--delete": "-D", "--insert": "-I", "--replace": "-R", "--list": "-L"},
    **{"--list-rules": "-S", "--flush": "-F", "--zero": "-Z", "--new": "-N", "--new-chain": "-N", "--policy": "-P"},
    **{"--delete-chain": "-X", "--rename-chain": "-E", "--table": "-t", "--numeric": "-n", "--verbose": "-v"},
    **{"--wait": "-w", "--exact": "-x", "--ipv4": "-4", "--ipv6": "-6", "--set-counters": "-c", "--version": "-V"},
}
COMMANDS = "ACDIRLSFZNXEP"
NO_CHAIN = "iptables: No chain/target/match by that name.\n"
NO_RULE = "iptables: Bad rule (does a matching rule exist in that chain?).\n"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


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
    jumps: bool = False
    """Has the rule a target?"""


def program(process: Process) -> Running:
    """Run ``iptables``."""
    line = read_line(process.argv)
    if "-V" in line.flags:
        return Result(f"iptables {VERSION}\n")
    if not line.command:
        raise fail("no command specified")
    if line.table not in BUILT_IN:
        missing = f"iptables {VERSION}: table '{line.table}' does not exist\n"
        raise CommandError(missing + "Perhaps iptables or your kernel needs to be upgraded.\n", 3)
    return Result((yield from perform(Tables(process.world, process.netns, line.table), line)))


def perform(tables: Tables, line: Line) -> Doing:
    """Do what a command line asks of one table; returns what it prints."""
    if line.rule and line.command not in "ACDIR":
        stray = line.rule[0]
        option = f"iptables {VERSION}: Illegal option `{stray}' with this command"
        complaint = option if stray.startswith("-") else f"Bad argument `{stray}'"
        raise CommandError(f"{complaint}\nTry `iptables -h' or 'iptables --help' for more information.\n", 2)
    return (yield from ACTIONS[line.command](tables, line))


def read_line(argv: tuple[str, ...]) -> Line:
    """Take a command line apart."""
    return _read(_split(argv))


def _split(argv: tuple[str, ...]) -> list[str]:
    """Long commands become short, and ``-nvL`` becomes ``-n -v -L``."""
    words: list[str] = []
    for word in argv:
        letters = word[1:] if len(word) > 2 and word[0] == "-" and word[1] != "-" else ""
        if letters and set(letters) <= set("nvx" + COMMANDS):
            words += [f"-{letter}" for letter in letters]
        else:
            words.append(LONG.get(word, word))
    return words


def _read(words: list[str]) -> Line:
    line, value_expected = Line(), False
    while words:
        word = words.pop(0)
        if value_expected or word not in OPTIONS:
            line.rule.append(word)
            if word in ("-j", "-g", "--jump", "--goto") and not value_expected and line.jumps:
                raise fail(f"multiple {word} flags not allowed")
            line.jumps |= word in ("-j", "-g", "--jump", "--goto") and not value_expected
            value_expected = word in BEFORE_A_VALUE
        elif len(word) == 2 and word[1] in COMMANDS:
            _command(line, word, words)
        else:
            _option(line, word, words)
    return line


OPTIONS = {*(f"-{letter}" for letter in COMMANDS + "tnvxwc46V"), "--line-numbers"}
BEFORE_A_VALUE = {"-m", "-j", "-g", "-s", "-d", "-i", "-o", "-p", "--comment", "--log-prefix"}
"""Behind these a word is a value, whatever it looks like."""


def _command(line: Line, word: str, words: list[str]) -> None:
    if line.command:
        raise fail(f"Cannot use {word} with -{line.command}")
    line.command = word[1]
    needed, possible = ARGUMENTS[line.command]
    given: list[str] = []
    while words and len(given) < possible and (not words[0].startswith(("-", "!")) or len(given) < needed):
        given.append(words.pop(0))
    if len(given) < needed:
        option = f"-{line.command}" if not given else None
        raise fail(f'option "{option}" requires an argument' if option else f"{word} requires a chain and more")
    line.chain, line.extra = [*given, "", ""][:2]
    if line.command in "DI" and line.extra and not line.extra.isdigit():
        words.insert(0, line.extra)
        line.extra = ""


ARGUMENTS = {
    **{"A": (1, 1), "C": (1, 1), "D": (1, 2), "I": (1, 2), "R": (2, 2), "L": (0, 2), "S": (0, 2)},
    **{"F": (0, 1), "Z": (0, 2), "N": (1, 1), "X": (0, 1), "E": (2, 2), "P": (2, 2)},
}
"""Each command: how many words it needs, and how many it may have."""


def _option(line: Line, word: str, words: list[str]) -> None:
    if word == "-t":
        if not words:
            raise fail('option "-t" requires an argument')
        line.table = words.pop(0)
    elif word == "-w":
        del words[: 1 if words and words[0].isdigit() else 0]
    elif word == "-c":
        del words[:2]
    elif word == "-6":
        raise CommandError("Try `iptables -h' or 'iptables --help' for more information.\n", 2)
    else:
        line.flags.add(word)


@dataclass(frozen=True, slots=True)
class Tables:
    """One table of one namespace."""

    world: World
    netns: str
    table: str
    later: bool = False
    """May a rule jump to a chain that comes later (as in iptables-restore)?"""

    def key(self, chain: str) -> Key:
        return (self.netns, "chain", ("ip", self.table, chain))

    def find(self, name: str) -> Chain | None:
        """The chain; a built-in one is there before anybody writes it."""
        found: Chain | None = self.world.get(self.key(name))
        return Chain(policy="ACCEPT") if found is None and name in BUILT_IN[self.table] else found

    def get(self, name: str) -> Chain:
        found = self.find(name)
        if found is None:
            raise CommandError(NO_CHAIN)
        return found

    def names(self) -> list[str]:
        """The built-in chains, then a person's own by name."""
        return chain_list(self.world, self.netns, self.table)

    def put(self, name: str, rules: tuple[Rule, ...]) -> Put:
        return Put(self.key(name), Chain(rules, self.get(name).policy))

    def references(self, name: str) -> int:
        return sum(rule.target == name for other in self.names() for rule in self.get(other).rules)


Doing = Generator[Command, None, str]
Action = Callable[[Tables, Line], Doing]


def _rule(tables: Tables, line: Line, doing: str = "") -> Rule:
    """The rule that stands on the command line; `doing` is the kernel's word for what is done with it."""
    rule = _parse(line.rule)
    known = tables.later or rule.target in ("", *language.TARGETS) or tables.find(rule.target) is not None
    if not known:
        raise fail(f"Chain '{rule.target}' does not exist")
    check_rule(rule, tables.table, line.chain, doing)
    return rule


def _parse(words: list[str]) -> Rule:
    """The words as a rule; a word that is no option at all has a complaint of its own."""
    try:
        return language.parse_words(tuple(words))
    except CommandError as error:
        stray = next((word for word in words if f'unknown option "{word}"' in error.stderr), "-")
        if stray.startswith("-"):
            raise
        hint = error.stderr.partition("\n")[2]
        raise CommandError(f"Bad argument `{stray}'\n{hint}", 2) from None


def _append(tables: Tables, line: Line) -> Doing:
    chain = tables.get(line.chain)
    rule = _rule(tables, line, "RULE_APPEND")
    yield tables.put(line.chain, (*chain.rules, rule))
    return ""


def _insert(tables: Tables, line: Line) -> Doing:
    rules, at = tables.get(line.chain).rules, _number(line.extra or "1")
    rule = _rule(tables, line, "RULE_INSERT")
    if at > len(rules) + 1:
        raise CommandError("iptables: Index of insertion too big.\n")
    yield tables.put(line.chain, (*rules[: at - 1], rule, *rules[at - 1 :]))
    return ""


def _replace(tables: Tables, line: Line) -> Doing:
    rules, at = tables.get(line.chain).rules, _number(line.extra)
    rule = _rule(tables, line, "RULE_REPLACE")
    if at > len(rules):
        raise CommandError("iptables: Index of replacement too big.\n")
    yield tables.put(line.chain, (*rules[: at - 1], rule, *rules[at:]))
    return ""


def _number(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise fail(f"Invalid rule number `{word}'")
    return int(word)


def _delete(tables: Tables, line: Line) -> Doing:
    rules = tables.get(line.chain).rules
    if line.extra:
        at = _number(line.extra)
        if at > len(rules):
            raise CommandError("iptables: Index of deletion too big.\n")
    else:
        at = _place(tables, line)
    yield tables.put(line.chain, (*rules[: at - 1], *rules[at:]))
    return ""


def _place(tables: Tables, line: Line) -> int:
    """The number of the first rule that is the one on the command line."""
    rules, wanted = tables.get(line.chain).rules, _rule(tables, line)
    if wanted not in rules:
        raise CommandError(NO_RULE)
    return rules.index(wanted) + 1


def _check(tables: Tables, line: Line) -> Doing:
    yield from ()
    _place(tables, line)
    return ""


def _new_chain(tables: Tables, line: Line) -> Doing:
    check_chain_name(line.chain)
    if tables.find(line.chain) is not None:
        raise CommandError("iptables: Chain already exists.\n")
    yield Put(tables.key(line.chain), Chain())
    return ""


def _delete_chain(tables: Tables, line: Line) -> Doing:
    mine = [name for name in tables.names() if name not in BUILT_IN[tables.table]]
    names = [line.chain] if line.chain else list(reversed(mine))
    for name in names:
        chain = tables.get(name)
        if chain.rules or tables.references(name) or name in BUILT_IN[tables.table]:
            busy = f"iptables {VERSION}:  CHAIN_DEL failed (Device or resource busy): chain {name}\n"
            raise CommandError(busy, 4)
    for name in names:
        yield Remove(tables.key(name))
    return ""


def _flush(tables: Tables, line: Line) -> Doing:
    for name in [line.chain] if line.chain else tables.names():
        if tables.get(name).rules:
            yield tables.put(name, ())
    return ""


def _rename(tables: Tables, line: Line) -> Doing:
    check_chain_name(line.extra)
    if tables.find(line.extra) is not None:
        raise CommandError("iptables: File exists.\n")
    chain = tables.find(line.chain)
    if chain is None or line.chain in BUILT_IN[tables.table]:
        raise CommandError(NO_CHAIN)
    yield Put(tables.key(line.extra), chain)
    for name in tables.names():
        rules = tables.get(name).rules
        if any(rule.target == line.chain for rule in rules):
            yield tables.put(name, tuple(_retargeted(rule, line.chain, line.extra) for rule in rules))
    yield Remove(tables.key(line.chain))
    return ""


def _retargeted(rule: Rule, old: str, new: str) -> Rule:
    return Rule(rule.matches, new, rule.options, rule.goto, rule.because) if rule.target == old else rule


def _policy(tables: Tables, line: Line) -> Doing:
    if line.chain not in BUILT_IN[tables.table]:
        raise CommandError("iptables: Bad built-in chain name.\n")
    if line.extra not in ("ACCEPT", "DROP"):
        raise CommandError("iptables: Bad policy name. Run `dmesg' for more information.\n")
    if tables.table == "nat" and line.extra == "DROP":
        raise fail('\nThe "nat" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n')
    yield Put(tables.key(line.chain), Chain(tables.get(line.chain).rules, line.extra))
    return ""


def _zero(tables: Tables, line: Line) -> Doing:
    yield from ()
    if line.chain:
        tables.get(line.chain)
    return ""


def _list(tables: Tables, line: Line) -> Doing:
    yield from ()
    how = Listing(
        "-n" in line.flags,
        "-v" in line.flags,
        "--line-numbers" in line.flags,
        _only(line),
    )
    names = _named(tables, line)
    return listing([(name, tables.get(name), tables.references(name)) for name in names], how)


def _only(line: Line) -> int:
    """The number of the one rule that is wanted, or 0: all."""
    return _number(line.extra) if line.extra else 0


def _print(tables: Tables, line: Line) -> Doing:
    yield from ()
    names = _named(tables, line)
    return specification(
        [(name, tables.get(name)) for name in names],
        "-v" in line.flags,
        _only(line),
    )


def _named(tables: Tables, line: Line) -> list[str]:
    if line.chain and tables.find(line.chain) is None:
        strange = f"chain `{line.chain}' in table `{tables.table}' is incompatible, use 'nft' tool."
        raise CommandError(f"iptables {VERSION}: {strange}\n", 1)
    return [line.chain] if line.chain else tables.names()


ACTIONS: Mapping[str, Action] = {
    **{"A": _append, "I": _insert, "R": _replace, "D": _delete, "C": _check, "N": _new_chain, "X": _delete_chain},
    **{"F": _flush, "E": _rename, "P": _policy, "Z": _zero, "L": _list, "S": _print},
}


def save(process: Process) -> Running:
    """``iptables-save [-t TABLE]``: dated by the logical clock."""
    yield from ()
    words = [LONG.get(word, word) for word in process.argv if word not in ("-c", "--counters")]
    wanted = words[1:2] if words[:1] == ["-t"] else ["mangle", "raw", "filter", "nat"]
    if words and words[0] != "-t":
        raise CommandError(f"iptables-save: {words[0]}: not modelled here\n", 1)
    if not wanted or wanted[0] not in BUILT_IN:
        raise CommandError(f"Table `{''.join(wanted)}' does not exist\n", 1)
    when = (EPOCH + timedelta(seconds=process.world.clock)).strftime("%a %b %e %H:%M:%S %Y")
    texts = [language.save(process.world, process.netns, (table,)) for table in wanted]
    if words and not texts[0]:
        texts = [f"*{wanted[0]}\n" + "".join(f":{name} ACCEPT [0:0]\n" for name in BUILT_IN[wanted[0]]) + "COMMIT\n"]
    head, foot = f"# Generated by iptables-save {VERSION} on {when}\n", f"# Completed on {when}\n"
    return Result("".join(head + text + foot for text in texts if text))
