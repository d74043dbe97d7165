"""An edit: what a person would type to make a question come out otherwise, and the copy on which it is tried.

Left out: edits of files on a node, and of what runs in a container.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

from k8slearn import endpoints, names, verbs
from k8slearn.engine import Engine
from k8slearn.errors import Refused
from k8slearn.journal import World, drive
from k8slearn.linux import socket
from k8slearn.trace import Attempt, Ending, Step
from k8slearn.verbs import Question

Pair = tuple[str, str]


class Typed(NamedTuple):
    """One command, and where it is typed: an endpoint (``node:node-1``, ``default/web``), or nowhere for kubectl."""

    command: str
    on: str = ""
    stdin: str = ""


class Candidate(NamedTuple):
    """A change that might do it. `size` is how many fields it changes; `ask` is another question instead."""

    says: str
    typed: tuple[Typed, ...] = ()
    size: int = 1
    ask: Question | None = None
    restores: bool = False
    """Does it take back what somebody typed?"""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that flips the outcome: it was typed on a copy of the cluster, and the question was asked again.

    `opens` and `closes` are the other pairs of pods, ``(source, destination)``, whose outcome at the same port it
    changes: those that connect only with it, and those that connect only without it.
    """

    says: str
    """What to type where, in words."""
    typed: tuple[Typed, ...]
    """The commands, in their order; none where another question is the answer."""
    size: int
    """How many fields, rows or rules it changes."""
    outcome: str
    """What the question comes to with it."""
    opens: tuple[Pair, ...] = ()
    closes: tuple[Pair, ...] = ()
    limited: str = ""
    """Why other pairs were not counted; empty: they were, all of them."""
    port: str = ""
    """At which port they were: ``80/TCP``."""
    restores: bool = False
    """Does it take back what somebody typed, or a fault did?"""

    def __str__(self) -> str:
        return self.says

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        typed = [step._asdict() for step in self.typed]
        pairs = {"opens": [list(p) for p in self.opens], "closes": [list(p) for p in self.closes]}
        told = {"says": self.says, "typed": typed, "size": self.size, "outcome": self.outcome}
        return {**told, **pairs, "limited": self.limited, "port": self.port}


@dataclass(frozen=True, slots=True)
class Case:
    """A cluster and a question: what becomes of it there. Typing something makes another case."""

    engine: Engine
    question: Question
    attempt: Attempt
    connects: Fraction
    """How likely it connects, all that chance can do counted."""
    done: tuple[Candidate, ...] = ()

    @property
    def world(self) -> World:
        return self.engine.world

    @property
    def step(self) -> Step | None:
        """The step at which it ended."""
        return self.attempt.decisive

    @property
    def end(self) -> tuple[Any, ...]:
        """What tells two failures apart."""
        step = self.step
        return (self.attempt.ending.outcome, step and (step.where, step.dev, step.hook, step.says))

    @property
    def sent(self) -> str:
        """The address that the client sent from; empty where it never did."""
        return next((s.before.src for s in self.attempt.steps if s.before.src and not s.before.is_errand), "")

    @property
    def proto(self) -> str:
        return self.question.proto

    def typing(self, candidate: Candidate) -> Case | None:
        """The same question after a change, on a copy; None where the change cannot be typed."""
        engine = self.engine.fork()
        try:
            for typed in candidate.typed:
                if _type(engine, typed):
                    return None
            return asked(engine, candidate.ask or self.question, (*self.done, candidate))
        except Refused:
            return None


def _type(engine: Engine, typed: Typed) -> int:
    if not typed.on:
        return int(engine.do("kubectl", {"command": typed.command, "stdin": typed.stdin}).exit_code)
    told = {"on": typed.on, "command": typed.command, "stdin": typed.stdin, "env": {}}
    return int(engine.do("run", told).exit_code)


def asked(engine: Engine, question: Question, done: tuple[Candidate, ...] = ()) -> Case:
    """Ask in this cluster. Where chance decides, the attempt is one that fails, if there is one."""
    world = engine.world.fork()
    for endpoint in (question.source, question.destination):
        for command in verbs.outside_host(world, endpoint):
            world.apply(command)
    netns = endpoints.resolve_source(world, question.source)
    address = endpoints.resolve_destination(world, question.destination, netns)
    if address is None:
        box = names.box_of(world, question.source, netns)
        found = drive(names.lookup(world, netns, question.destination, box), world.apply)
        address = next(iter(found.addresses), None)
    question = replace(question, netns=netns, address=address)
    if address is None:
        return Case(engine, question, Attempt((), Ending("unresolved"), ()), Fraction(0), done)
    attempt = _attempt(world, question)
    if not attempt.draws:
        return Case(engine, question, attempt, Fraction(attempt.ending.outcome == "connected"), done)
    fates = socket.fates(world, netns, address, question.port, question.proto, **question.asking)
    connects = sum((f.probability for f in fates if f.outcome == "connected"), Fraction(0))
    if attempt.ending.outcome == "connected" and connects < 1:
        attempt = next(_other(world, question, attempt), attempt)
    return Case(engine, question, attempt, connects, done)


def _attempt(world: World, question: Question, forced: tuple[bool, ...] | None = None) -> Attempt:
    assert question.address is not None
    fork = world.fork()
    to = (question.netns, question.address, question.port, question.proto)
    return drive(socket.connect(fork, *to, forced=forced, **question.asking), fork.apply)


def _other(world: World, question: Question, attempt: Attempt) -> Iterator[Attempt]:
    """Attempts that draw otherwise and fail."""
    said = [draw.hit for draw in attempt.draws]
    for n, hit in enumerate(said):
        other = _attempt(world, question, (*said[:n], not hit))
        if other.ending.outcome != "connected":
            yield other
