"""nbgrader, which runs a learner's notebook, and `k8slearn grade`, which replays its record, give the same points.

`k8slearn release --nbgrader` writes the course. nbgrader generates the assignment from it, students hand in each
exercise's reference and one of its wrong answers, nbgrader autogrades them in its own kernels (two seconds and more for
a notebook), and the notebooks that it ran are graded here. ``K8SLEARN_ANSWERS=all`` hands in every wrong answer.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from k8slearn.grading import shelf
from k8slearn.grading.release import ASSIGNMENT, write_release
from k8slearn.grading.run import grade_run
from k8slearn.journal import digest


def _answers(exercise: str) -> list[Path]:
    """The reference, and the wrong answer that the exercise's name draws; or all of them."""
    wrong = sorted((shelf.find(exercise) / "wrong").glob("*.py"))
    drawn = int(digest("parity", exercise), 16) % len(wrong)
    every = os.environ.get("K8SLEARN_ANSWERS") == "all"
    return [shelf.find(exercise) / "reference.py", *(wrong if every else [wrong[drawn]])]


SOLUTIONS = {exercise: _answers(exercise) for exercise in shelf.ids()}
MOST = max(map(len, SOLUTIONS.values()))


class Instructor:
    """A course folder as an instructor keeps it, and nbgrader over it."""

    def __init__(self, root: Path) -> None:
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config

        self.root = root
        write_release(root, nbgrader=True)
        config = Config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.course_id = "k8slearn"
        config.ClearSolutions.code_stub = {"python": "# Your entries go here."}
        self.api = NbGraderAPI(config=config)
        self.database = self.api.coursedir.db_url
        made = self.api.generate_assignment(ASSIGNMENT)
        assert made["success"], made

    def hand_in(self, student: str, exercise: str, solution: Path) -> None:
        """The released notebook, with a name and a solution where nbgrader left a stub."""
        notebook = json.loads((self.root / "release" / ASSIGNMENT / f"{exercise}.ipynb").read_text())
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if source.startswith("LEARNER ="):
                cell["source"] = f"LEARNER = {student!r}"
            if cell["metadata"].get("nbgrader", {}).get("solution"):
                assert "Your entries go here" in source
                cell["source"] = f"{solution.read_text()}\nsolve(exercise)"
        path = self.root / "submitted" / student / ASSIGNMENT / f"{exercise}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook))

    def scores(self, student: str) -> dict[str, float]:
        """Exercise -> the points that nbgrader gives."""
        from nbgrader.api import Gradebook

        graded = self.api.autograde(ASSIGNMENT, student)
        assert graded["success"], graded
        with Gradebook(self.database) as book:
            return {n.name: n.score for n in book.find_submission(ASSIGNMENT, student).notebooks if n.max_score}


@pytest.fixture(scope="module")
def instructor(tmp_path_factory: pytest.TempPathFactory) -> Instructor:
    pytest.importorskip("nbgrader", reason="nbgrader is not installed")
    return Instructor(tmp_path_factory.mktemp("nbgrader") / "course")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(MOST))
def test_nbgrader_gives_each_answer_the_same_points(number: int, instructor: Instructor, tmp_path: Path) -> None:
    student = f"student-{number}"
    handed_in = {e: solutions[number] for e, solutions in SOLUTIONS.items() if number < len(solutions)}
    for exercise, solution in handed_in.items():
        instructor.hand_in(student, exercise, solution)
    theirs = instructor.scores(student)
    shutil.copytree(instructor.root / "autograded" / student / ASSIGNMENT, tmp_path / student)
    ours = {row.exercise: row.points for row in grade_run(tmp_path, jobs=1)}
    assert {e: theirs[e] for e in handed_in} == {e: ours[e] for e in handed_in}
    assert number or all(row.points == row.max_points for row in grade_run(tmp_path, jobs=1))
