"""Learners' work, done by the fixture exercise's own reference and wrong answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from k8slearn import open_exercise
from k8slearn.grading.checks import run_file

TINY = Path(__file__).parent / "fixture_exercises" / "01-tiny"


def record_of(learner: str, solution: str = "reference.py") -> dict[str, Any]:
    """The record of a learner who solved the tiny exercise as this file does; "" did nothing."""
    exercise = open_exercise("01-tiny", learner=learner, autosave=False)
    if solution:
        run_file(TINY / solution)["solve"](exercise)
    return exercise.record()


def with_inputs(record: dict[str, Any], *inputs: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """The record with these inputs after its own, at revisions that come later."""
    last = max((entry["revision"] for entry in [*record["inputs"], *record["answers"]]), default=10_000)
    more = [{"kind": k, "arguments": a, "revision": last + n} for n, (k, a) in enumerate(inputs, 1)]
    return {**record, "inputs": [*record["inputs"], *more]}
