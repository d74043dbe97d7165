"""The learners' versions: notebooks in which each exercise opens with the learner's own name and token.

With a roster each learner has a folder, ``OUT/LEARNER/EXERCISE.ipynb``, as `collect` takes it back. For nbgrader there
is a course folder, ``OUT/source/k8slearn/EXERCISE.ipynb`` and a configuration: cells carry nbgrader's metadata of
schema version 3 (``nbgrader/nbgraderformat/v3.json``), the reference stands between the marks that
``nbgrader generate_assignment`` empties, and each check is a test cell that is worth the check's points.

Left out: one variant per learner in nbgrader, which releases one notebook to all; a learner writes their name there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from k8slearn.errors import Refused
from k8slearn.grading import shelf
from k8slearn.grading.collect import read_roster
from k8slearn.grading.definition import Definition, load
from k8slearn.grading.token import sign
from k8slearn.grading.variant import learner_name
from k8slearn.journal import digest

Cell = dict[str, Any]
ASSIGNMENT = "k8slearn"
CONFIGURATION = """\
c = get_config()
c.CourseDirectory.course_id = "k8slearn"
c.ClearSolutions.code_stub = {"python": "# Your entries go here."}
"""


def write_release(out: Path, roster: Path | None = None, secret: bytes = b"", nbgrader: bool = False) -> int:
    """Write a notebook for each exercise (and learner) into `out`; returns how many. Nothing is written over."""
    if nbgrader and (roster or secret):
        raise Refused("nbgrader releases one notebook to all: --nbgrader goes without --roster and --secret")
    if secret and not roster:
        raise Refused("--secret signs each learner's variant: give --roster FILE too")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused(f"{out} exists already and is no empty folder; give a new one")
    exercises = [load(name) for name in shelf.ids()]
    if nbgrader:
        return _write_nbgrader(out, exercises)
    names = [learner_name(name) for name in read_roster(roster)] if roster else [""]
    if bad := next((n for n in names if n.startswith(".") or "/" in n or "\\" in n), None):
        raise Refused(f"the learner {bad!r} cannot be the name of a folder")
    for name in names:
        for exercise in exercises:
            token = sign(secret, exercise.id, name) if secret else ""
            _write(out / name / f"{exercise.id}.ipynb", _learners(exercise, name, token))
    return len(names) * len(exercises)


def _write_nbgrader(out: Path, exercises: list[Definition]) -> int:
    for exercise in exercises:
        _write(out / "source" / ASSIGNMENT / f"{exercise.id}.ipynb", _nbgraders(exercise))
    (out / "nbgrader_config.py").write_text(CONFIGURATION, encoding="utf-8")
    return len(exercises)


def _write(path: Path, cells: Iterator[Cell]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
    found = [{**cell, "id": digest("cell", path.stem, n, length=12)} for n, cell in enumerate(cells)]
    notebook = {"cells": found, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _learners(exercise: Definition, learner: str, token: str) -> Iterator[Cell]:
    words = [repr(exercise.id)]
    words += [f"learner={learner or 'your-name'!r}"]
    words += [f"token={token!r}"] if token else []
    whose = f"This is {learner}'s own variant." if learner else "Put your name in the next cell: your grade is for it."
    yield _text(f"# Exercise {exercise.id} · {exercise.title}\n\n{whose}")
    yield _code("%load_ext k8slearn")
    yield _code(f"from k8slearn import open_exercise\nexercise = open_exercise({', '.join(words)})\nexercise")
    yield _code("")
    yield _text("Run the last cell, save the notebook, hand it in.")
    yield _code("exercise.check()")


def _nbgraders(exercise: Definition) -> Iterator[Cell]:
    reference = (exercise.folder / "reference.py").read_text(encoding="utf-8").strip()
    yield _text(f"# Exercise {exercise.id} · {exercise.title}", _marks("title", locked=True))
    yield _code('LEARNER = "your-name"')
    yield _code(
        "from k8slearn import open_exercise\n"
        f"exercise = open_exercise({exercise.id!r}, learner=LEARNER, autosave=False)\nexercise",
        _marks("open", locked=True),
    )
    answer = f"# BEGIN SOLUTION\n{reference}\n\n\nsolve(exercise)\n# END SOLUTION"
    yield _code(answer, _marks("answer", solution=True))
    for number, check in enumerate(exercise.checks):
        yield _code(f"exercise.require({check.id!r})", _marks(f"check-{number}", locked=True, points=check.points))
    yield _code("exercise.check()", _marks("record", locked=True))


def _marks(name: str, locked: bool = False, solution: bool = False, points: float | None = None) -> dict[str, Any]:
    marks: dict[str, Any] = {
        "schema_version": 3,
        "grade": points is not None,
        "grade_id": name,
        "locked": locked,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": marks if points is None else {**marks, "points": points}}


def _text(source: str, metadata: dict[str, Any] | None = None) -> Cell:
    return {"cell_type": "markdown", "metadata": metadata or {}, "source": source}


def _code(source: str, metadata: dict[str, Any] | None = None) -> Cell:
    run: dict[str, Any] = {"execution_count": None, "outputs": []}
    return {"cell_type": "code", "metadata": metadata or {}, "source": source, **run}
