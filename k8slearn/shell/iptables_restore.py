"""``iptables-restore`` and ``ip6tables-restore``: whole tables from standard input, each all at once (1.8.9).

A line is ``*TABLE``, ``:CHAIN POLICY [PACKETS:BYTES]``, a rule as on iptables' own command line, or ``COMMIT``. Nothing
of a table is true before its COMMIT, and nothing at all when one line is wrong: so the lines work on a fork of the
world, and COMMIT writes what is different there. Without ``--noflush`` a table starts out empty; with ``--counters``
the numbers in brackets count, without it every counter starts at zero.

Left out: ``-T``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, Remove, World, drive
from k8slearn.linux.iptables import VERSION, fail
from k8slearn.linux.iptables.words import split
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rules import BUILT_IN, Chain, Rule
from k8slearn.shell.iptables import as_ip6tables, perform
from k8slearn.shell.iptables_check import check_chain_name, jumps, objection_to_jumps
from k8slearn.shell.iptables_line import read_line
from k8slearn.shell.iptables_tables import NOTHING, Counter, Tables, forget_lists
from k8slearn.shell.process import Process

FLAGS = {"-n", "--noflush", "-t", "--test", "-w", "--wait", "-v", "--verbose", "-c", "--counters"}
HINT = "Try `iptables-restore -h' or 'iptables-restore --help' for more information.\n"
DOING = {"A": "RULE_APPEND", "I": "RULE_INSERT", "R": "RULE_REPLACE"}
BRACKETS = re.compile(r"\[(\d+):(\d+)\] ?")


def program(process: Process) -> Running:
    """Run ``iptables-restore [--noflush] [--counters] [--test] [FILE]``."""
    return (yield from restore(process, "ip"))


def program6(process: Process) -> Running:
    """Run ``ip6tables-restore``."""
    return (yield from as_ip6tables(restore(process, "ip6")))


def restore(process: Process, family: str) -> Running:
    words = [word.partition("=")[0] for word in process.argv]
    paths = [word for word in words if not word.startswith("-") and not word.isdigit()]
    unknown = [word for word in words if word.startswith("-") and word not in FLAGS]
    if unknown:
        raise CommandError(f"iptables-restore: {unknown[0]}: not modelled here\n", 1)
    text, said = _text(process, paths), set(words)
    keep, counters = bool({"-n", "--noflush"} & said), bool({"-c", "--counters"} & said)
    work = Restoring(process.world, process.world.fork(), process.netns, family, keep, counters)
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        for command in work.read(number, line):
            if not {"-t", "--test"} & said:
                yield command
    if work.table:
        raise CommandError(f"iptables-restore: COMMIT expected at line {len(text.splitlines()) + 1}\n", 1)
    return Result("".join(work.printed))


def _text(process: Process, paths: list[str]) -> str:
    if not paths:
        return process.stdin
    found: str | None = process.world.get((process.files, "file", paths[0]))
    if found is None:
        raise CommandError(f"Can't open {paths[0]}: No such file or directory\n", 1)
    return found


@dataclass(slots=True)
class Restoring:
    """The state between two lines."""

    world: World
    draft: World
    """The tables as they will be."""
    netns: str
    family: str
    keep: bool
    counters: bool
    table: str = ""
    printed: list[str] = field(default_factory=list)
    written: list[tuple[int, str, str, tuple[Rule, ...]]] = field(default_factory=list)
    """Each rule that was written: the line's number, netlink's word for it, the chain and its rules from then on."""

    def read(self, number: int, line: str) -> Commands:
        """Take one line; COMMIT is the one that yields something."""
        if line in ("\n", "") or line.startswith("#"):
            return
        if line == "COMMIT\n" and self.table:
            yield from self.commit(number)
        elif not self.table or line.startswith("*"):
            self.start(number, line)
        else:
            try:
                self.chain(number, line) if line.startswith(":") else self.rule(number, line)
            except CommandError as error:
                raise located(error, number) from None

    def start(self, number: int, line: str) -> None:
        """``*TABLE``."""
        if not line.startswith("*") or self.table:
            raise CommandError(f"iptables-restore: line {number} failed\n", 1)
        self.table = "".join(line[1:].split()[:1])
        if self.table not in BUILT_IN:
            raise located(fail(f"iptables-restore: line {number} table name '{self.table}' invalid"), number)
        for name in [] if self.keep else self.tables.names():
            if self.draft.get(self.tables.key(name)) is not None:
                self.apply(self.tables.remove(name))

    @property
    def tables(self) -> Tables:
        return Tables(self.draft, self.netns, self.table, self.family, later=True)

    def apply(self, commands: Commands) -> None:
        for command in commands:
            self.draft.apply(command)

    def chain(self, number: int, line: str) -> None:
        """``:CHAIN POLICY``: a person's own chain is emptied, a built-in one gets its policy."""
        name, policy, brackets, *_ = [*line[1:].split(), "", "", ""]
        if not name or not policy:
            what = "policy" if name else "chain name"
            raise fail(f"iptables-restore: line {number} {what} invalid")
        check_chain_name(name, self.family, restored=True)
        found = BRACKETS.match(brackets) if self.counters else None
        counter: Counter = (int(found[1]), int(found[2])) if found else NOTHING
        if name not in BUILT_IN[self.table]:
            self.apply(self.tables.put(name, (), []))
            return
        if policy not in ("ACCEPT", "DROP", "-"):
            raise CommandError("iptables: Bad policy name.\n")
        before = self.tables.get(name)
        kept = before.policy if policy == "-" else policy
        self.apply(self.tables.put(name, before.rules, [counter, *self.tables.counters(name)[1:]], kept))

    def rule(self, number: int, text: str) -> None:
        """A line of iptables' own, without its name."""
        before = BRACKETS.match(text)
        if text.startswith("[") and before is None:
            raise fail(f"Bad line {number}: need {']' if ':' not in text.partition(']')[0] else ':'}")
        words = split(text[before.end() :] if before else text)
        if {"-t", "--table"} & set(words):
            raise fail("The -t option cannot be used in iptables-restore.\n")
        line = read_line(tuple(words))
        if "-w" in line.flags:
            raise fail("You cannot use `-w' from iptables-restore")
        if ("-6" if self.family == "ip" else "-4") in line.flags:
            return
        if not line.command:
            raise CommandError(f"Bad argument `{words[0].strip()}'\n{HINT}", 2)
        if before and self.counters:
            line.counters = (int(before[1]), int(before[2]))
        self.printed.append(drive(perform(self.tables, line), self.draft.apply))
        if line.command in DOING:
            self.written.append((number, DOING[line.command], line.chain, self.tables.get(line.chain).rules))

    def commit(self, number: int) -> Commands:
        """Every jump must lead somewhere, and none in a circle; then the table is written."""
        tables = self.tables
        for name in tables.names():
            for rule in tables.get(name).rules:
                if jumps(rule) and tables.find(rule.target) is None:
                    raise located(fail(f"Chain '{rule.target}' does not exist"), number)
        self.reach()
        table, self.table = self.table, ""
        self.written = []
        for rows in ("chain", "counter", "xt"):
            before, after = self.world.table(self.netns, rows), self.draft.table(self.netns, rows)
            mine = [k for k in (*before, *after) if isinstance(k, tuple) and k[:2] == (self.family, table)]
            for key in dict.fromkeys(mine):
                if key not in after:
                    yield Remove((self.netns, rows, key))
                elif before.get(key) != after[key]:
                    yield Put((self.netns, rows, key), after[key])

        yield from forget_lists(self.world, self.netns)

    def reach(self) -> None:
        """What the kernel finds when it follows every jump: from the first wrong rule on it refuses each one."""
        tables = self.tables
        words = objection_to_jumps(tables, {})
        if not words:
            return
        new: dict[str, tuple[Rule, ...]] = {}
        before = Tables(self.world, self.netns, self.table, self.family)
        for name in tables.names():
            new[name] = (before.find(name) or Chain()).rules if self.keep else ()
        refused: list[str] = []
        for number, doing, chain, rules in self.written:
            new[chain] = rules
            if words := objection_to_jumps(tables, new):
                refused.append(f"line {number}: {doing} failed ({words}): rule in chain {chain}\n")
        raise CommandError(f"iptables-restore {VERSION}: \n{''.join(refused)}", 4)


def located(error: CommandError, number: int) -> CommandError:
    """iptables' complaint as iptables-restore says it: with the number of the line."""
    if error.exit_code == 4:
        words = error.stderr.partition(":  ")[2]
        return CommandError(f"iptables-restore {VERSION}: \nline {number}: {words}", 4)
    if error.exit_code == 2:
        words = error.stderr.partition("\nTry `")[0].replace("iptables v", "iptables-restore v", 1)
        return CommandError(f"{words}\nError occurred at line: {number}\n{HINT}", 2)
    words = error.stderr.removeprefix("iptables: ").partition(" Run `dmesg'")[0].rstrip("\n")
    return CommandError(f"iptables-restore: line {number} failed: {words}\n", 1)
