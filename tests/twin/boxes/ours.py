"""The scenario told to the engine: one machine whose named namespaces are the boxes."""

from __future__ import annotations

import shlex
from typing import Any

from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, World, drive
from k8slearn.linux import link, socket
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rows import Netns, Socket
from k8slearn.shell.process import Process, execute
from k8slearn.trace import Attempt

from .scenario import Answer, Line, Probe, Scenario

MACHINE = "node:boxes"


class Ours:
    """A world in which every line of a scenario was typed. `refused`: the lines that it would not take, and why."""

    def __init__(self, scenario: Scenario) -> None:
        self.world = World()
        self.world.apply(Put((MACHINE, "netns", ""), Netns("boxes", MACHINE, ipv6=True)))
        drive(link.add_loopback(MACHINE), self.world.apply)
        self.refused: dict[int, str] = {}
        for number, line in enumerate(scenario.lines):
            result = drive(self._typed(line), self.world.apply)
            if result.exit_code:
                self.refused[number] = result.stderr.strip()

    def _typed(self, line: Line) -> Running:
        scope = scope_of(line.box)
        if self.world.get((scope, "netns", "")) is None:
            return Result("", f"there is no box {line.box}", 1)
        words = shlex.split(line.text)
        if words[0] == "listen":
            try:
                yield from _listen(self.world, scope, line.box, *words[1:])
            except CommandError as error:
                return Result("", error.stderr, 1)
            return Result()
        return (yield from execute(Process(self.world, scope, (), "", {}, MACHINE), words))

    def ask(self, probe: Probe) -> set[Answer]:
        """Every answer that this probe can get."""
        scope = scope_of(probe.box)
        if self.world.get((scope, "netns", "")) is None:
            return {Answer("unreachable")}
        attempt = self.attempt(probe)
        if not attempt.draws:
            end = attempt.ending
            who = end.answered_by if probe.proto != "icmp" else _pinged(attempt)
            return {Answer(end.outcome, who, end.source_seen)}
        found = socket.fates(self.world, scope, probe.address, probe.port, probe.proto)
        return {Answer(fate.outcome, fate.answered_by, fate.source_seen) for fate in found}

    def attempt(self, probe: Probe) -> Attempt:
        """One attempt on a fork of the world, with all its steps."""
        fork = self.world.fork()
        walk = socket.connect(fork, scope_of(probe.box), probe.address, probe.port, probe.proto)
        return drive(walk, fork.apply)


def _pinged(attempt: Attempt) -> str | None:
    """Which box answered the ping: the place of the step that says so."""
    if attempt.ending.outcome != "connected":
        return None
    steps: list[Any] = [step for leg in attempt.legs for step in leg.steps if step.what == "deliver"]
    asked = [step.where for step in steps if step.before.flags == "echo-request"]
    return str(asked[0]).partition("/")[2] if asked else None


def scope_of(box: str) -> str:
    return f"{MACHINE}/{box}" if box else MACHINE


def _listen(world: World, scope: str, box: str, proto: str, address: str, port: str) -> Commands:
    """A program that listens, as bind(2) would let it."""
    yield from socket.bind(world, scope, Socket(proto, address, int(port), "listen", box))
