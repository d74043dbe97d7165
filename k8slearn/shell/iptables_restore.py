"""``iptables-restore``: whole tables from standard input, each all at once (1.8.9, nf_tables).

A line is ``*TABLE``, ``:CHAIN POLICY``, a rule as on iptables' own command line, or ``COMMIT``. Nothing of a table is
true before its COMMIT, and nothing at all when one line is wrong: so the lines work on a fork of the world, and COMMIT
writes what is different there. Without ``--noflush`` a table starts out empty.

Left out: counters (read and forgotten), ``-T``.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, Remove, World, drive
from k8slearn.linux.iptables import TARGETS, VERSION, fail
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rules import BUILT_IN, Chain
from k8slearn.shell.iptables import Line, Tables, perform, read_line
from k8slearn.shell.iptables_check import check_chain_name
from k8slearn.shell.process import Process

FLAGS = {"-n", "--noflush", "-t", "--test", "-w", "--wait", "-v", "--verbose", "-c", "--counters"}
HINT = "Try `iptables-restore -h' or 'iptables-restore --help' for more information.\n"


def program(process: Process) -> Running:
    """Run ``iptables-restore [--noflush] [--test] [FILE]``."""
    words = [word.partition("=")[0] for word in process.argv]
    paths = [word for word in words if not word.startswith("-") and not word.isdigit()]
    unknown = [word for word in words if word.startswith("-") and word not in FLAGS]
    if unknown:
        raise CommandError(f"iptables-restore: {unknown[0]}: not modelled here\n", 1)
    text = process.stdin
    if paths:
        found: str | None = process.world.get((process.files, "file", paths[0]))
        if found is None:
            raise CommandError(f"Can't open {paths[0]}: No such file or directory\n", 1)
        text = found
    work = Restoring(process.world, process.world.fork(), process.netns, bool({"-n", "--noflush"} & set(words)))
    for number, line in enumerate(text.splitlines(), 1):
        for command in work.read(number, line.strip()):
            if not {"-t", "--test"} & set(words):
                yield command
    if work.table:
        raise CommandError(f"iptables-restore: COMMIT expected at line {len(text.splitlines()) + 1}\n", 1)
    return Result("".join(work.printed))


@dataclass(slots=True)
class Restoring:
    """The state between two lines."""

    world: World
    draft: World
    """The tables as they will be."""
    netns: str
    keep: bool
    table: str = ""
    printed: list[str] = field(default_factory=list)

    def read(self, number: int, line: str) -> Commands:
        """Take one line; COMMIT is the one that yields something."""
        if not line or line.startswith("#"):
            return
        if not self.table:
            self.start(number, line)
        elif line == "COMMIT":
            yield from self.commit(number)
        else:
            try:
                self.chain(line) if line.startswith(":") else self.rule(line)
            except CommandError as error:
                raise located(error, number) from None

    def start(self, number: int, line: str) -> None:
        """``*TABLE``."""
        if not line.startswith("*"):
            raise CommandError(f"iptables-restore: line {number} failed\n", 1)
        self.table = line[1:]
        if self.table not in BUILT_IN:
            raise located(fail(f"iptables-restore: line {number} table name '{self.table}' invalid"), number)
        for name in [] if self.keep else self.tables.names():
            key = self.tables.key(name)
            self.draft.apply(Put(key, Chain(policy="ACCEPT")) if name in BUILT_IN[self.table] else Remove(key))

    @property
    def tables(self) -> Tables:
        return Tables(self.draft, self.netns, self.table, later=True)

    def chain(self, line: str) -> None:
        """``:CHAIN POLICY [PACKETS:BYTES]``: a person's own chain is emptied, a built-in one gets its policy."""
        name, policy, *_ = [*line[1:].split(), "", ""]
        if not policy:
            raise CommandError("iptables: policy invalid\n")
        check_chain_name(name)
        chain = Chain()
        if name in BUILT_IN[self.table]:
            if policy not in ("ACCEPT", "DROP", "-"):
                raise CommandError("iptables: Bad policy name.\n")
            before = self.tables.get(name)
            chain = Chain(before.rules, before.policy if policy == "-" else policy)
        self.draft.apply(Put(self.tables.key(name), chain))

    def rule(self, text: str) -> None:
        """A line of iptables' own, without its name."""
        try:
            words = shlex.split(re.sub(r"^\[\d+:\d+\] ", "", text))
        except ValueError:
            raise CommandError("iptables: unbalanced quotation mark.\n") from None
        if {"-t", "--table"} & set(words):
            raise fail("The -t option cannot be used in iptables-restore.\n")
        line = read_line(tuple(words))
        if not line.command:
            raise CommandError(f"Bad argument `{words[0]}'\n{HINT}", 2)
        self.printed.append(self._applied(line))

    def _applied(self, line: Line) -> str:
        return drive(perform(self.tables, line), self.draft.apply)

    def commit(self, number: int) -> Commands:
        """Every jump must lead somewhere; then the table is written."""
        for name in self.tables.names():
            for rule in self.tables.get(name).rules:
                if rule.target and rule.target not in TARGETS and self.tables.find(rule.target) is None:
                    raise located(fail(f"Chain '{rule.target}' does not exist"), number)
        before, after = self.world.table(self.netns, "chain"), self.draft.table(self.netns, "chain")
        mine = [key for key in (*before, *after) if isinstance(key, tuple) and key[1] == self.table]
        self.table = ""
        for key in dict.fromkeys(mine):
            if key not in after:
                yield Remove((self.netns, "chain", key))
            elif before.get(key) != after[key]:
                yield Put((self.netns, "chain", key), after[key])


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
