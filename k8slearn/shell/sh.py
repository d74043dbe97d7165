"""``sh``: commands one after the other, the output of one as the input of the next, and the same for each of several.

What people type at a cluster is seldom one command: ``for ep in ...; do wget -qO- $ep; done``. A shell splits it into
commands (`grammar`), puts values in the place of names, starts each program and joins their streams. Programs here run
to their end at one instant, so a pipeline runs from left to right, and each stage gets all of the output before it.

Left out: what `grammar` refuses, jobs, ``set``, ``read``, ``cd`` and other commands of the shell's own; a list of
commands does not share its standard input: each command finds all of it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux.program import Result
from k8slearn.shell import files
from k8slearn.shell.grammar import Chain, Choice, Loop, Part, Pipeline, Redirection, Simple, Word, parse, refused
from k8slearn.shell.process import Process, execute

MOST_COMMANDS = 1000
"""So many commands may one line start: a loop over more is a mistake here."""
OWN = {"alias", "bg", "break", "cd", "continue", "eval", "exec", "fg", "getopts", "jobs", "local", "read", "return",
       "set", "shift", "source", ".", "trap", "type", "ulimit", "umask", "unalias", "unset", "wait"}  # fmt: skip
"""Commands that only a shell itself can do."""
Doing = Generator[Command, None, Result]


class _Exit(Exception):
    """``exit``: what was printed until then stays printed."""


def script(process: Process, text: str) -> Doing:
    """Run a script here; yields what its programs write, returns what they printed and how the last one ended."""
    shell = _Shell(process)
    try:
        chains = parse(text)
    except CommandError as error:
        return Result("", error.stderr, error.exit_code)
    try:
        yield from shell.chains(chains, process.stdin)
    except _Exit:
        pass
    except CommandError as error:
        shell.told("", error.stderr)
        shell.status = error.exit_code
    return Result("".join(shell.out), "".join(shell.err), shell.status)


class _Shell:
    """One shell that runs: its variables, what its commands have printed, and how the last one ended."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.variables = dict(process.env)
        self.exported = set(process.env)
        self.status = 0
        self.started = 0
        self.out: list[str] = []
        self.err: list[str] = []

    def told(self, out: str, err: str) -> None:
        self.out.append(out)
        self.err.append(err)

    def chains(self, chains: Sequence[Chain], stdin: str) -> Generator[Command]:
        for chain in chains:
            yield from self.pipeline(chain.first, stdin)
            for operator, pipeline in chain.rest:
                if (operator == "&&") == (self.status == 0):
                    yield from self.pipeline(pipeline, stdin)

    def pipeline(self, pipeline: Pipeline, stdin: str) -> Generator[Command]:
        """Each stage's output is the next one's input; what the last one prints is printed."""
        if len(pipeline.stages) == 1:
            yield from self.command(pipeline.stages[0], stdin)
        else:
            yield from self.piped(pipeline, stdin)
        if pipeline.negated:
            self.status = int(self.status == 0)

    def piped(self, pipeline: Pipeline, stdin: str) -> Generator[Command]:
        """Each stage runs in a shell of its own: what it sets, or that it exits, stays there."""
        variables, exported = dict(self.variables), set(self.exported)
        for stage in pipeline.stages:
            mark = len(self.out)
            with suppress(_Exit):
                yield from self.command(stage, stdin)
            self.variables, self.exported = dict(variables), set(exported)
            if stage is not pipeline.stages[-1]:
                stdin = "".join(self.out[mark:])
                del self.out[mark:]

    def command(self, command: Simple | Loop | Choice, stdin: str) -> Generator[Command]:
        if isinstance(command, Simple):
            yield from self.simple(command, stdin)
        elif isinstance(command, Loop):
            self.status = 0
            values = yield from self.expanded(command.words)
            for value in values:
                self.variables[command.name] = value
                yield from self.chains(command.body, stdin)
        else:
            yield from self.choice(command, stdin)

    def choice(self, choice: Choice, stdin: str) -> Generator[Command]:
        for condition, body in choice.branches:
            yield from self.chains(condition, stdin)
            if not condition or self.status == 0:
                yield from self.chains(body, stdin)
                return
        self.status = 0

    def simple(self, command: Simple, stdin: str) -> Generator[Command]:
        self.started += 1
        if self.started > MOST_COMMANDS:
            raise CommandError(f"sh: one line may start {MOST_COMMANDS} commands here, and this one starts more\n", 2)
        words = yield from self.expanded(command.words)
        assigned = {}
        for name, word in command.assignments:
            assigned[name] = yield from self.text(word)
        if not words:
            self.variables |= assigned
            result = Result(exit_code=0 if not command.assignments else self.status if _has_command(command) else 0)
        else:
            result = yield from self.started_with(words, assigned, command.redirections, stdin)
        out, err = yield from self.redirected(result, command.redirections)
        self.told(out, err)
        self.status = result.exit_code

    def started_with(self, words: list[str], assigned: dict[str, str], to: Sequence[Redirection], stdin: str) -> Doing:
        """One program (or one of the few commands that only the shell can do)."""
        if words[0] == "exit":
            self.status = int(words[1]) if words[1:] and words[1].isdigit() else self.status
            raise _Exit
        if words[0] == "export":
            return self.export(words[1:])
        if words[0] in OWN:
            refused(words[0])
        for redirection in to:
            if redirection.how == "<":
                path = yield from self.text(redirection.target)
                found = "" if path == "/dev/null" else files.read(self.process, path)
                if found is None:
                    return Result("", f"sh: 1: cannot open {path}: No such file\n", 2)
                stdin = found
        env = {name: self.variables[name] for name in sorted(self.exported) if name in self.variables} | assigned
        return (yield from execute(replace(self.process, stdin=stdin, env=env), words))

    def export(self, words: list[str]) -> Result:
        for word in words:
            name, equals, value = word.partition("=")
            self.exported.add(name)
            if equals:
                self.variables[name] = value
        return Result()

    def redirected(self, result: Result, to: Sequence[Redirection]) -> Generator[Command, None, tuple[str, str]]:
        """What is left for the screen, (standard output, standard error), after files got their part."""
        where, appends = {1: "&1", 2: "&2"}, set()
        for redirection in to:
            name = yield from self.text(redirection.target)
            if redirection.how == ">&" and name in ("1", "2"):
                where[redirection.stream] = where[int(name)]
            elif redirection.how != "<":
                where[redirection.stream] = name
                appends |= {name} if redirection.how == ">>" else set()
        told = {"&1": "", "&2": "", **dict.fromkeys(where.values(), "")}
        told[where[1]] += result.stdout
        told[where[2]] += result.stderr
        for path in set(told) - {"&1", "&2", "/dev/null"}:
            yield from files.write(self.process, path, told[path], path in appends)
        return told["&1"], told["&2"]

    # -- words ---------------------------------------------------------------------------------------------------------

    def expanded(self, words: Sequence[Word]) -> Generator[Command, None, list[str]]:
        """The words with their values: what was not quoted is split at blanks, or stands for the files that it fits."""
        found: list[str] = []
        for word in words:
            values = []
            for part in word:
                values.append(((yield from self.value(part)), part.quoted or part.kind == "text"))
            pattern = any(mark in part.text for part in word if not part.quoted for mark in "*?[")
            fields = _fields(values)
            found += [path for field in fields for path in self.fitting(field)] if pattern else fields
        return found

    def fitting(self, field: str) -> list[str]:
        """The files that a pattern fits; the pattern itself where there is none."""
        if "/" not in field:
            return [field]
        paths = (path for path in files.everything(self.process) if path.count("/") == field.count("/"))
        return sorted(path for path in paths if fnmatch.fnmatchcase(path, field)) or [field]

    def text(self, word: Word) -> Generator[Command, None, str]:
        """A word that is never split: a value, a file's name."""
        parts = []
        for part in word:
            parts.append((yield from self.value(part)))
        return "".join(parts)

    def value(self, part: Part) -> Generator[Command, None, str]:
        if part.kind == "text":
            return part.text
        if part.kind == "variable":
            return str(self.status) if part.text == "?" else self.variables.get(part.text, "")
        env = {name: self.variables[name] for name in self.variables}
        result = yield from script(replace(self.process, env=env), part.text)
        self.status = result.exit_code
        self.told("", result.stderr)
        return result.stdout.rstrip("\n")


def _has_command(command: Simple) -> bool:
    return any(part.kind == "command" for _, word in command.assignments for part in word)


def _fields(values: Sequence[tuple[str, bool]]) -> list[str]:
    """Words out of values; a `whole` value is never split, another one at its blanks."""
    found: list[str] = []
    last: str | None = None
    for value, whole in values:
        pieces = [value] if whole else value.split()
        if last is not None and not whole and value[:1].isspace():
            found.append(last)
            last = None
        if pieces:
            *before, last = [(last or "") + pieces[0], *pieces[1:]]
            found += before
        if last is not None and not whole and value[-1:].isspace():
            found.append(last)
            last = None
    return found if last is None else [*found, last]
