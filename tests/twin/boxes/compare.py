"""One scenario told to both, and what they do not agree about.

Probes that are asked side by side share a kernel's memory (connections, neighbours, tokens of rate limits); the engine
asks each in a world of its own. So what differs is asked again, alone, in boxes just built.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import NamedTuple

from .ours import Ours
from .real import Real
from .scenario import Answer, Probe, Scenario

SIDE_BY_SIDE = 16
"""Scenarios that stand at the same time: mostly they wait for time-outs."""
BUILDERS = Semaphore(3)
"""How many are being built at a time."""
TRIES = 2
"""How often the kernel must say the same, alone, before the engine is called wrong."""


class Difference(NamedTuple):
    """What the kernel does and what the engine says: of one line, or of one probe."""

    about: str
    kernel: str
    engine: str
    number: int = -1
    """The line's place in the scenario, or -1."""
    probe: Probe | None = None

    def __str__(self) -> str:
        return f"{self.about}\n    kernel: {self.kernel}\n    engine: {self.engine}"

    def same_kind(self, other: Difference) -> bool:
        """Is it about the same line or probe, with the same two answers? (Who, and whom they saw, may change.)"""
        return (self.about, self.kernel.split()[0], self.engine) == (other.about, other.kernel.split()[0], other.engine)


def differences(scenario: Scenario) -> list[Difference]:
    """Everything that the two do not agree about."""
    ours = Ours(scenario)
    with BUILDERS:
        real = Real(scenario)
        real.begin()
    with real:
        found = _of_lines(scenario, real.refused, ours.refused)
        if found or not scenario.probes:
            return found
        said = {probe: ours.ask(probe) for probe in scenario.probes}
        answers = real.ask(scenario.probes)
    differing = [
        probe for probe, answer in zip(scenario.probes, answers, strict=True) if not _among(answer, said[probe])
    ]
    with ThreadPoolExecutor(max(len(differing), 1)) as threads:
        return [one for one in threads.map(lambda probe: _alone(scenario, probe, said[probe]), differing) if one]


def _of_lines(scenario: Scenario, real: dict[int, str], ours: dict[int, str]) -> list[Difference]:
    """Lines that one took and the other refused."""
    return [
        Difference(f"line: {scenario.lines[n]}", real.get(n, "takes it").strip(), ours.get(n, "takes it"), n)
        for n in sorted(real.keys() ^ ours.keys())
    ]


def _among(answer: Answer, possible: set[Answer]) -> bool:
    """Who answered a ping is not known where chance has a part in it."""
    return answer in possible or answer._replace(answered_by=None) in possible


def _alone(scenario: Scenario, probe: Probe, possible: set[Answer]) -> Difference | None:
    found: Difference | None = None
    for _ in range(TRIES):
        found = once(scenario, probe, possible)
        if found is None:
            return None
    return found


def once(scenario: Scenario, probe: Probe, possible: set[Answer]) -> Difference | None:
    """Ask one probe alone, once; None where the kernel's answer is among the possible ones."""
    with BUILDERS:
        real = Real(scenario._replace(probes=(probe,)))
        real.begin()
    with real:
        (answer,) = real.ask([probe])
    if _among(answer, possible):
        return None
    return Difference(f"probe: {probe}", said(answer), in_words(possible), probe=probe)


def still(scenario: Scenario, difference: Difference) -> bool:
    """Has this (smaller) scenario the same difference?"""
    if answer_of_engine(scenario, difference) != difference.engine:
        return False
    if difference.probe is None:
        return any(one.same_kind(difference) for one in differences(scenario))
    found = once(scenario, difference.probe, Ours(scenario).ask(difference.probe))
    return found is not None and found.same_kind(difference)


def said(answer: Answer) -> str:
    """An answer in a line."""
    who = f" by {answer.answered_by}, which saw {answer.source_seen}" if answer.source_seen else ""
    return answer.outcome + who


def answer_of_engine(scenario: Scenario, difference: Difference) -> str:
    """What the engine says now about the line or the probe of a difference."""
    ours = Ours(scenario)
    if difference.probe is not None:
        return in_words(ours.ask(difference.probe))
    number = next((n for n, line in enumerate(scenario.lines) if difference.about == f"line: {line}"), -1)
    return ours.refused.get(number, "takes it") if number >= 0 else ""


def in_words(possible: set[Answer]) -> str:
    return " or ".join(sorted(map(said, possible)))


def steps(scenario: Scenario, difference: Difference) -> str:
    """Every step of the engine's walk."""
    if difference.probe is None:
        return ""
    lines: list[str] = []
    for leg in Ours(scenario).attempt(difference.probe).legs:
        lines.append(f"    {leg.time:g}s {leg.name} ({leg.direction})")
        lines += [f"      {s.where[11:]:3} {s.hook:11} {s.dev:6} {s.what:10} {s.says} | {s.after}" for s in leg.steps]
    return "\n".join(lines)
