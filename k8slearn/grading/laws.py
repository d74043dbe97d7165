"""The five laws of exercises, for authors: what makes an exercise fair.

1. The untouched start fails. 2. Every reference passes. 3. Every wrong answer fails exactly the check that it names.
4. Every check is caught failing by at least one wrong answer. 5. No hint is empty and no file is stray.

Each is tried for the variants of a few learners, because what holds for one address may not hold for another.

Left out: that a text can be understood; only a learner can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from k8slearn.errors import Refused
from k8slearn.grading.checks import run_file
from k8slearn.grading.definition import Definition, load
from k8slearn.grading.exercise import Exercise
from k8slearn.grading.judge import Judgement, judge
from k8slearn.grading.record import read_record
from k8slearn.grading.skeleton import unfinished

LEARNERS = ("alice", "bob", "chandra")
FILES = {"exercise.toml", "task.md", "start.yaml", "checks.py", "reference.py", "wrong"}


def broken_laws(exercise: str) -> list[str]:
    """One sentence for each law that does not hold; raises `Refused` if the exercise cannot be read.

    The laws wait for the author: while anything in it is still to do, that is what is said.
    """
    definition = load(exercise)
    if to_do := [f"{exercise}: {told}" for told in unfinished(exercise)]:
        return to_do
    return [f"{exercise}: {told}" for law in LAWS for told in law(definition)]


def untouched_fails(definition: Definition) -> Iterator[str]:
    for learner in LEARNERS:
        if judged(definition, learner, lambda exercise: None).done:
            yield f"the untouched start passes for {learner}"


def references_pass(definition: Definition) -> Iterator[str]:
    found = solutions(definition.folder / "reference.py")
    if not found:
        yield "reference.py has no function solve"
    for name, solve in found.items():
        for learner in LEARNERS:
            for verdict in judged(definition, learner, solve).verdicts:
                if not verdict.holds:
                    yield f"reference.py: {name} fails the check {verdict.check} for {learner}: {verdict.says}"


def wrongs_fail(definition: Definition) -> Iterator[str]:
    for path in wrong_files(definition):
        check, found = expected(path), solutions(path)
        if not check or "solve" not in found:
            yield f"wrong/{path.name} needs '# expect: CHECK' as its first line, and a function solve"
            continue
        for learner in LEARNERS:
            missed = {v.check for v in judged(definition, learner, found["solve"]).verdicts if not v.holds}
            if missed != {check}:
                yield f"wrong/{path.name} fails {_names(missed)} for {learner}, not {check}"


def checks_are_caught(definition: Definition) -> Iterator[str]:
    caught = {expected(path) for path in wrong_files(definition)}
    for check in definition.checks:
        if check.id not in caught:
            yield f"no wrong answer fails the check {check.id}"


def nothing_is_stray(definition: Definition) -> Iterator[str]:
    for path in sorted(definition.folder.iterdir()):
        if path.name not in FILES and path.name != "__pycache__":
            yield f"{path.name} is a stray file"
    for path in sorted((definition.folder / "wrong").glob("*")):
        if path.suffix != ".py" and path.name != "__pycache__":
            yield f"wrong/{path.name} is a stray file"
    if not definition.hints or not all(hint.strip() for hint in definition.hints):
        yield "a hint is empty, or there is none"
    yield from _hints_that_see_nothing(definition)
    for question in definition.questions:
        if not all(choice.explains.strip() for choice in question.choices):
            yield f"a choice of the question {question.id} explains nothing"
    if not definition.checks:
        yield "checks.py has no check"


def _hints_that_see_nothing(definition: Definition) -> Iterator[str]:
    for learner in LEARNERS if definition.looks else ():
        exercise = Exercise(definition, learner)
        told = [str(exercise.hint()) for _ in range(len(definition.hints) + len(definition.looks))]
        if not all(hint.partition(": ")[2].strip() for hint in told):
            yield f"a hint has nothing to say at {learner}'s start"


LAWS: tuple[Callable[[Definition], Iterator[str]], ...] = (
    untouched_fails,
    references_pass,
    wrongs_fail,
    checks_are_caught,
    nothing_is_stray,
)


def judged(definition: Definition, learner: str, solve: Callable[[Exercise], Any]) -> Judgement:
    """The judgement of a solution; one that the engine refuses half-way is judged by what it did until then."""
    exercise = Exercise(definition, learner)
    try:
        solve(exercise)
    except Refused as refused:
        raise Refused(f"exercise {definition.id}: a solution is refused for {learner}: {refused}") from refused
    return judge(definition, read_record(exercise.record()), learner)


def solutions(path: Path) -> dict[str, Callable[[Exercise], Any]]:
    if not path.exists():
        return {}
    return {name: f for name, f in run_file(path).items() if name == "solve" or name.startswith("solve_")}


def wrong_files(definition: Definition) -> list[Path]:
    return sorted((definition.folder / "wrong").glob("*.py"))


def expected(path: Path) -> str:
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("# expect:").strip() if first.startswith("# expect:") else ""


def _names(checks: set[str]) -> str:
    return ", ".join(sorted(checks)) or "no check"
