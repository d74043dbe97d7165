"""The engine: one journal, and the components that run after each input until nobody has anything left to do.

A real cluster never rests because its parts run side by side: each watches some tables of the API and is woken by a
change. Here the same parts take turns. An input (`Engine.do`) is one entry of the journal; whatever it changed wakes
the components that watch those tables, each for the keys that it names; what they write wakes others; at rest, `do`
returns. The order is fixed: the components of the roster one after the other, round and round, each with its keys in
the order of their waking.

Time stands still between inputs. ``do("advance", {"seconds": 5})`` moves the logical clock, and stops at every timer
on the way.

Left out: components that race each other (real ones do), and work that is put off until somebody looks (design.md,
"From 3 pods to 150,000"): each reconcile is already written per key, so that it can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from k8slearn import ground, roster
from k8slearn.components import Component, Settings, Together
from k8slearn.errors import Refused
from k8slearn.journal import ANSWERS, CLOCK, Change, Command, Commands, Input, Journal, Put, World, drive

TURNS = 200
"""How often one component may come back to one key while the cluster settles: more is a loop of ours."""
LONGEST = 366 * 24 * 3600.0


class Verb(NamedTuple):
    """One kind of input: what it does, and under whose name the journal keeps what it wrote."""

    run: Callable[[World, Mapping[str, Any]], Generator[Command, None, Any]]
    author: Callable[[Mapping[str, Any]], str]


class Outside:
    """Whom a program asks what no row of the world says: a learner's own code. What it answers is part of the input.

    An input that is done again (a replay, `redo`, a file, a grader) brings its answers along, and nobody is called."""

    def __init__(self, learned: Mapping[str, Callable[[Any], Mapping[str, Any]]], known: Iterable[Any]) -> None:
        self.learned = learned
        self.known = list(known)
        self.given: list[Mapping[str, Any]] = []

    def __call__(self, name: str, question: Any) -> Mapping[str, Any]:
        """The answer of this learner's function; an empty one where the function is not here."""
        known = self.known[len(self.given)] if len(self.given) < len(self.known) else {}
        if known.get("by") == name:
            answer = known
        else:
            answer = {"by": name, **(self.learned[name](question) if name in self.learned else {})}
        self.given.append(answer)
        return answer


class Timer(NamedTuple):
    """A component wants to look at a key at this second of the logical clock."""

    when: float
    component: int
    key: str


@dataclass(frozen=True, slots=True)
class Undone:
    """An input that was taken back, and may be done again."""

    kind: str
    arguments: Mapping[str, Any]


class Engine:
    """A cluster that is at rest between two inputs. `verbs` says which kinds of inputs it takes."""

    def __init__(
        self,
        settings: Settings,
        verbs: Mapping[str, Verb],
        components: Sequence[Component] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.settings = settings
        self.verbs = dict(verbs)
        self.learned: dict[str, Callable[[Any], Mapping[str, Any]]] = {}
        """The learner's own functions, by name. They are no part of the world: what they answer is (`Outside`)."""
        self.listeners: list[Callable[[Mapping[str, Any]], None]] = []
        """Each is told of every input, undo and redo, once it is done: ``{"kind": ..., "arguments": ...}``."""
        self._own = components
        self.components = tuple(roster.components(settings) if components is None else components)
        self._watchers = _watchers(self.components)
        self._waiting: list[dict[str, None]] = [{} for _ in self.components]
        self.undone: list[Undone] = []
        """What `redo` would do again, the next one last."""
        self._resting = True
        self.journal = self._started() if journal is None else journal
        self.start = self.journal.revision
        """The revision at which the cluster stood, ready, before anybody touched it."""
        self.floor = self.start
        self.remedies = True
        """May `explain` propose what to change? An exercise that asks for it says no."""
        """Undo goes back to here: the cluster's start, or that of the exercise that it is the cluster of."""

    @property
    def world(self) -> World:
        return self.journal.world

    def do(self, kind: str, arguments: Mapping[str, Any]) -> Any:
        """Journal an input, run it and all that follows from it; returns what its verb returns.

        An input that fails leaves no entry; nor does one that changes nothing.
        """
        if not self._resting:
            return self._look(kind, arguments)
        before = self.journal.revision
        value = self._enter(kind, arguments)
        if self.journal.revision > before:
            self.undone.clear()
            entry = self.journal.entries[before]
            assert isinstance(entry, Input)
            self._tell({"kind": kind, "arguments": dict(entry.arguments)})
        return value

    def ask(self, kind: str, arguments: Mapping[str, Any]) -> Any:
        """What `do` would return, without doing it: the verb runs on a fork of the world that is thrown away."""
        world = self.world.fork(scratch=True)
        return drive(self._verb(kind).run(world, arguments), world.apply)

    def _look(self, kind: str, arguments: Mapping[str, Any]) -> Any:
        """Between two consequences of an input, what only looks (``kubectl get``, ``ip route``) is answered."""
        world = self.world.fork()
        changes = []

        def write(command: Command) -> None:
            before = world.apply(command)
            if before != (command.value if isinstance(command, Put) else None):
                changes.append(command)

        value = None if kind == "advance" else drive(self._verb(kind).run(world, arguments), write)
        if changes or kind == "advance":
            self._at_rest()
        return value

    def undo(self) -> Input:
        """Take the last input back, with everything that followed from it."""
        self._at_rest()
        last = next(entry for entry in reversed(self.journal.entries) if isinstance(entry, Input))
        if last.revision <= self.floor:
            raise Refused("there is nothing to undo: this is how the cluster started")
        self.journal.rewind(last.revision - 1)
        self.undone.append(Undone(last.kind, last.arguments))
        self._tell({"kind": "undo"})
        return last

    def redo(self) -> Undone:
        """Do again what was undone last. Its consequences are computed again: the same ones (a law)."""
        if not self.undone:
            raise Refused("there is nothing to redo: no input was undone since the last new one")
        entry = self.undone[-1]
        self._enter(entry.kind, entry.arguments)
        self.undone.pop()
        self._tell({"kind": "redo"})
        return entry

    def at(self, revision: int) -> Engine:
        """An engine of its own that stands where this one stood after the entry with this revision."""
        if not isinstance(revision, int) or not 0 < revision <= self.journal.revision:
            raise Refused(f"there is no revision {revision!r}: the journal goes from 1 to {self.journal.revision}")
        entries, started = self.journal.entries, self._remembered()
        journal = started.fork() if started is not None and started.revision <= revision else Journal()
        journal.adopt(entries[journal.revision : revision])
        other = self._copy(journal)
        if revision < len(entries):
            other._resting = isinstance(entries[revision], Input)
        return other

    def fork(self) -> Engine:
        """An engine of its own that goes on from here: what is done to it is tried. This one must rest meanwhile."""
        other = self._copy(self.journal.fork())
        other._resting = True
        return other

    def _copy(self, journal: Journal) -> Engine:
        other = Engine(self.settings, self.verbs, self._own, journal)
        other.start = min(self.start, journal.revision)
        other.floor = min(self.floor, journal.revision)
        other.remedies = self.remedies
        other.learned = self.learned
        other._resting = self._resting
        return other

    def replay(self, inputs: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Do these inputs one after the other."""
        for kind, arguments in inputs:
            self.do(kind, arguments)

    def restore(self, done: Iterable[Mapping[str, Any]], undone: Iterable[Mapping[str, Any]]) -> list[str]:
        """Do what a file says was done, and remember what it says was undone (last one first).

        Returns a sentence for each input that this engine refuses: it was written by another one, or by hand.
        """
        odd = []
        for number, line in enumerate(done, 1):
            try:
                self.do(line["kind"], line["arguments"])
            except Refused as error:
                odd.append(f"input {number} ({line['kind']}) is refused now, and left out: {error}")
        self.undone = [Undone(line["kind"], line["arguments"]) for line in reversed(list(undone))]
        return odd

    def inputs(self) -> list[Input]:
        """What came from outside since the start."""
        return [entry for entry in self.journal.entries[self.start :] if isinstance(entry, Input)]

    # -- one input -------------------------------------------------------------------------------------------------

    def _enter(self, kind: str, arguments: Mapping[str, Any]) -> Any:
        self._at_rest()
        before = self.journal.revision
        told = {name: value for name, value in arguments.items() if name != ANSWERS}
        self.world.outside = outside = Outside(self.learned, arguments.get(ANSWERS, ()))
        try:
            self.journal.begin(kind, told)
            value = self._perform(kind, told)
            self._settle()
        except BaseException:
            self._forget()
            self.journal.rewind(before)
            raise
        finally:
            self.world.outside = None
        if outside.given:
            self.journal.answered(outside.given)
        if self.journal.revision == before + 1:
            self.journal.rewind(before)
        return value

    def _perform(self, kind: str, arguments: Mapping[str, Any]) -> Any:
        if kind == "advance":
            return self._advance(arguments.get("seconds"))
        verb = self._verb(kind)
        author = verb.author(arguments)
        return drive(verb.run(self.world, arguments), lambda command: self._write(command, author))

    def _verb(self, kind: str) -> Verb:
        found = self.verbs.get(kind)
        if found is None:
            raise Refused(f"no such kind of input: {kind!r} (there are {', '.join(sorted({*self.verbs, 'advance'}))})")
        return found

    def _write(self, command: Command, author: str) -> None:
        change = self.journal.commit(command, author)
        if change is None:
            return
        for index in self._watchers.get(change.key[1], ()):
            for key in self.components[index].keys(self.world, change.key):
                self._waiting[index][key] = None

    def _settle(self) -> None:
        """Go round the components until nobody has work: each does all of its own before the next one's turn."""
        turns: Counter[tuple[int, str]] = Counter()
        while any(self._waiting):
            for component, keys in zip(self.components, self._waiting, strict=True):
                while keys:
                    key = self._next(component, keys)
                    turns[id(component), key] += 1
                    assert turns[id(component), key] <= TURNS, f"{component.name} cannot come to rest over {key}"
                    self._reconcile(component, key)

    def _next(self, component: Component, keys: dict[str, None]) -> str:
        """The key that is next, and no longer waits."""
        together: Together | None = getattr(component, "together", None)
        if together is None:
            del keys[key := next(iter(keys))]
            return key
        done, key = together(keys)
        for each in done:
            del keys[each]
        return key

    def _reconcile(self, component: Component, key: str) -> None:
        for command in component.reconcile(self.world, key):
            self._write(command, component.name)

    # -- time ------------------------------------------------------------------------------------------------------

    def _advance(self, seconds: Any) -> None:
        if not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST:
            raise Refused(f"advance takes a number of seconds from 0 to {LONGEST:.0f}, not {seconds!r}")
        until = self.world.clock + seconds
        fired: Counter[Timer] = Counter()
        while (timers := self._next_timers()) and timers[0].when <= until:
            self._move_clock(max(timers[0].when, self.world.clock))
            for timer in timers:
                fired[timer] += 1
                assert fired[timer] <= TURNS, f"a timer of {self.components[timer.component].name} never moves: {timer}"
                self._waiting[timer.component][timer.key] = None
            self._settle()
        self._move_clock(until)

    def _move_clock(self, when: float) -> None:
        """A moment at which nobody had anything to write leaves no entry."""
        last = self.journal.entries[-1]
        if isinstance(last, Change) and last.key == CLOCK:
            self.journal.rewind(self.journal.revision - 1)
        self._write(Put(CLOCK, when), "clock")

    def _next_timers(self) -> list[Timer]:
        """All that come due at the next moment at which any does: none may move the clock past another."""
        running = sorted(
            Timer(when, index, key)
            for index, component in enumerate(self.components)
            for when, key in component.due(self.world)
        )
        return [
            timer for timer in running if max(timer.when, self.world.clock) <= max(running[0].when, self.world.clock)
        ]

    # -- the start, and the rest -----------------------------------------------------------------------------------

    def _started(self) -> Journal:
        """The journal of the finished start. Equal settings have equal starts, so it is computed once."""
        started = self._remembered()
        if started is None:
            self.journal = Journal()
            self.journal.begin("cluster", asdict(self.settings))
            for author, commands in roster.start(self.world, self.settings):
                self._play(commands, author)
            for machine, line in self.settings.topology.commands:
                self._set_up(machine, line)
            self._settle()
            started = self.journal
            if self._own is None:
                _remember(self.settings, started)
        return started.fork()

    def _set_up(self, machine: str, line: str) -> None:
        """What somebody typed on a machine when it was set up."""
        on = ground.endpoint(self.settings, machine)
        try:
            done = self._perform("run", {"on": on, "command": line, "stdin": "", "env": {}})
        except Refused as error:
            raise Refused(f"topology: `{line}` on {machine}: {error}") from None
        if done.exit_code:
            said = " ".join(done.stderr.split()) or f"exit status {done.exit_code}"
            raise Refused(f"topology: `{line}` on {machine} fails: {said}")

    def _remembered(self) -> Journal | None:
        return _STARTS.get(self.settings) if self._own is None else None

    def _play(self, commands: Commands, author: str) -> None:
        for command in commands:
            self._write(command, author)

    def _at_rest(self) -> None:
        """Inputs are taken at rest only: a view into the middle of an input's consequences is for looking."""
        if not self._resting:
            raise Refused(
                f"revision {self.journal.revision} lies within the consequences of an input: look and trace here, "
                "but change things at a revision where the cluster had come to rest"
            )

    def _forget(self) -> None:
        for keys in self._waiting:
            keys.clear()

    def _tell(self, line: Mapping[str, Any]) -> None:
        for listener in self.listeners:
            listener(line)


_STARTS: dict[Settings, Journal] = {}


def _remember(settings: Settings, started: Journal) -> None:
    for oldest in list(_STARTS)[:-31]:  # threads may do this at once: each step is whole in itself
        _STARTS.pop(oldest, None)
    _STARTS[settings] = started


def _watchers(components: Sequence[Component]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for index, component in enumerate(components):
        for table in component.watches():
            found[table] = (*found.get(table, ()), index)
    return found
