"""Every exercise stands in the course, and its reference is worth full marks: notebook, nbval, command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from k8slearn import open_exercise, weave
from k8slearn.grading.definition import KINDS, load
from k8slearn.grading.shelf import find, ids

COURSE = Path(__file__).resolve().parents[2] / "course"
SHEET = """```{{code-cell}}
%load_ext k8slearn
```
```{{code-cell}}
from k8slearn import open_exercise

exercise = open_exercise("{exercise}", learner="alice")
exercise
```
```{{code-cell}}
{reference}
```
```{{code-cell}}
solve(exercise)
```
```{{code-cell}}
exercise.check()
```
"""


def test_there_is_an_exercise_of_every_kind() -> None:
    assert {load(exercise).kind for exercise in ids()} == set(KINDS)


def test_every_lesson_has_three_exercises_and_the_course_sixty() -> None:
    assert len(ids()) >= 60
    lessons = Counter(load(exercise).lesson for exercise in ids())
    taught = {lesson.name[:2] for lesson in (COURSE / "text").glob("[01]*.md")} - {"00"}
    assert {lesson: lessons[lesson] for lesson in taught if lessons[lesson] < 3} == {}


def test_every_exercise_has_a_hint_that_looks_at_the_learners_own_cluster() -> None:
    assert [exercise for exercise in ids() if not load(exercise).looks] == []


@pytest.mark.parametrize("exercise", ids())
def test_every_exercise_has_a_sheet_in_the_course_and_three_misconceptions(exercise: str) -> None:
    assert (COURSE / "text" / "exercises" / f"{exercise}.md").is_file()
    assert len(list((find(exercise) / "wrong").glob("*.py"))) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("exercise", ids())
def test_a_reference_runs_alike_twice_and_grades_to_full_marks(exercise: str, tmp_path: Path) -> None:
    reference = (find(exercise) / "reference.py").read_text(encoding="utf-8")
    notebook = tmp_path / "submissions" / "alice" / f"{exercise}.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text(weave.weave(SHEET.format(exercise=exercise, reference=reference)), encoding="utf-8")

    nbval = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider", "-c"]
    done = subprocess.run([*nbval, "/dev/null", str(notebook)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

    grade = [
        sys.executable,
        "-m",
        "k8slearn.cli",
        "grade",
        str(tmp_path / "submissions"),
        "--out",
        str(tmp_path / "report"),
    ]
    subprocess.run(grade, check=True, capture_output=True)
    grades = json.loads((tmp_path / "report" / "grades.json").read_text(encoding="utf-8"))["grades"]
    (row,) = [grade for grade in grades if grade["exercise"] == exercise]
    assert row["points"] == row["max_points"] == load(exercise).max_points


def test_an_exercise_that_asks_for_a_mend_does_not_tell_it() -> None:
    exercise = open_exercise("05-mend-the-route", learner="alice")
    names = exercise.variant
    said = exercise.cluster.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"]).explain()
    assert "smallest change" not in said
    assert "ip route del" not in said
    assert "ip route replace" not in said
    assert said.splitlines()[-1] == "Which change would make it connect? That is what this exercise asks you."


def test_a_hint_may_look_at_the_cluster_as_it_is_and_leaves_it_so() -> None:
    exercise = open_exercise("14-break-one", learner="alice")
    before = exercise.cluster.journal.revision
    exercise.hint()
    assert str(exercise.hint()).startswith("Hint 2 of 4: As things stand these do not connect on port")
    assert exercise.cluster.journal.revision == before
