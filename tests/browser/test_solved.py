"""One exercise of each lesson, solved in the browser as a person solves it: a name, cells typed and run, full points.

What is typed is what the exercise's own reference does, read off its journal: `!kubectl`, `%%node`, `%%yaml`, an
answer. The grader judges; here a person finds the cell, types, runs and reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8slearn import open_exercise
from k8slearn.grading.checks import run_file
from k8slearn.grading.start import done_in

from .test_course import not_run

ROOT = Path(__file__).parents[2]
CHOSEN = (
    "01-which-law", "02-whose-address", "03-two-ports", "04-unplugged", "05-mend-the-route", "06-write-a-conflist",
    "07-what-kubenet-does", "08-the-left-over", "09-cluster-ip", "10-fewer-questions", "11-be-the-enforcer",
    "12-who-is-in-the-log", "13-black-hole", "14-two-at-once", "15-every-decision",
)  # fmt: skip
LEARNER = "zoë"


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_an_exercise_is_solved_in_the_browser(lab: Any, name: str, look: Any) -> None:
    points, lines = solution(name)
    not_run(lab.folder / "exercises" / f"{name}.ipynb")
    page = lab.open(f"exercises/{name}.ipynb")
    type_into(
        page,
        opening(page),
        f'exercise = open_exercise("{name}", learner="{LEARNER}")\ncluster = exercise.cluster\nexercise',
    )
    lab.run_all(page)
    check = page.locator(".jp-CodeCell").last
    check.get_by_text("not done: ").first.wait_for()
    check.locator(".jp-InputPrompt").click()
    page.keyboard.press("a")
    for line in lines:
        page.keyboard.press("Enter")
        page.keyboard.insert_text(line)
        page.keyboard.press("Alt+Enter")
    check.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    check.get_by_text(f"done: {points} of {points} points").first.wait_for()
    look(page, f"solved-{name}")
    page.context.close()


def opening(page: Any) -> Any:
    """The cell that opens the exercise."""
    return page.locator(".jp-CodeCell").filter(has_text="from k8slearn import open_exercise")


def type_into(page: Any, cell: Any, text: str) -> None:
    """Replace what stands in a cell, as one does who selects all of it and types."""
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("from k8slearn import open_exercise\n\n" + text)


def solution(name: str) -> tuple[str, list[str]]:
    """Full points, and the cells that a person types who does what the reference does."""
    exercise = open_exercise(name, learner=LEARNER, autosave=False)
    run_file(ROOT / "exercises" / name / "reference.py")["solve"](exercise)
    said = repr(exercise.check())
    points = said.partition("- done: ")[2].partition(" of ")[0]
    return points, [typed(entry.kind, dict(entry.arguments)) for entry in done_in(exercise.cluster)]


def typed(kind: str, given: dict[str, Any]) -> str:
    """One entry of a journal, as the cell that makes it."""
    return TYPED[kind](given)


def _command(given: dict[str, Any]) -> str:
    where, command = given["on"], given["command"]
    if given["stdin"]:
        return f"cluster.node({where.removeprefix('node:')!r}).run({command!r}, stdin={given['stdin']!r})"
    if where in ("switch", "router"):
        return f"cluster.{where}().run({command!r})"
    return (
        f"%%node {where.removeprefix('node:')}\n{command}" if where.startswith("node:") else f"%%pod {where}\n{command}"
    )


TYPED = {
    "answer": lambda given: f"exercise.answer({given['question']!r}, {given['value']!r})",
    "run": _command,
    "kubectl": lambda given: f"!kubectl {given['command']}",
    "apply": lambda given: f"%%yaml -n {given['namespace']}\n{given['source']}",
    "advance": lambda given: f"cluster.advance(seconds={given['seconds']})",
    "delete": lambda given: f"!kubectl delete {given['resource']} {given['name']} -n {given['namespace']}",
}
