"""Every exercise stands in the course, and its reference is worth full marks: notebook, nbval, command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook of every exercise, solved as its reference solves it, run and saved by one learner."""
    folder = tmp_path_factory.mktemp("course") / "submissions" / "alice"
    folder.mkdir(parents=True)

    def write(exercise: str) -> None:
        reference = (find(exercise) / "reference.py").read_text(encoding="utf-8")
        woven = weave.weave(SHEET.format(exercise=exercise, reference=reference))
        (folder / f"{exercise}.ipynb").write_text(woven, encoding="utf-8")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, ids()))
    return folder


@pytest.mark.slow
def test_every_reference_runs_alike_twice(handed_in: Path) -> None:
    nbval = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider", "-c"]
    done = subprocess.run([*nbval, "/dev/null", str(handed_in)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(ids()) * 5} passed" in done.stdout


@pytest.mark.slow
def test_every_reference_grades_to_full_marks(handed_in: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "k8slearn.cli", "grade", str(handed_in.parent), "--out", str(tmp_path / "report")]
    subprocess.run(command, check=True, capture_output=True)
    grades = json.loads((tmp_path / "report" / "grades.json").read_text(encoding="utf-8"))["grades"]
    assert {row["exercise"]: row["points"] for row in grades} == {one: load(one).max_points for one in ids()}


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
