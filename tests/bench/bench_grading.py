"""How many submissions are graded per second and core, beside nbgrader on the same notebooks in the same run.

    python tests/bench/bench_grading.py [LEARNERS] [STUDENTS OF NBGRADER]

A class hands in every exercise of the course, solved as its references and wrong answers solve it; the class that
nbgrader autogrades is its beginning. The submissions are written first; what is timed is the whole of `k8slearn grade`,
reports included, and the whole of ``nbgrader autograde``, which runs each notebook. Where nbgrader is not installed
nbclient runs them. It reports, it does not gate.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from k8slearn import open_exercise
from k8slearn.grading import shelf
from k8slearn.grading.checks import run_file
from k8slearn.grading.record import MIME
from k8slearn.grading.release import ASSIGNMENT, write_release
from k8slearn.grading.report import write_reports
from k8slearn.grading.run import grade_run


def solutions(exercise: str) -> list[Path]:
    folder = shelf.find(exercise)
    return [folder / "reference.py", *sorted((folder / "wrong").glob("*.py"))]


def write(course: Path, submissions: Path, learners: int) -> None:
    """The notebooks of a class as learners would have saved them, filled into what the course released."""
    for number in range(learners):
        for exercise in shelf.ids():
            found = solutions(exercise)
            hand_in(course, submissions / f"learner-{number:04}", exercise, found[number % len(found)])


def hand_in(course: Path, folder: Path, exercise: str, solution: Path) -> None:
    opened = open_exercise(exercise, learner=folder.name, autosave=False)
    run_file(solution)["solve"](opened)
    notebook = json.loads((course / "source" / ASSIGNMENT / f"{exercise}.ipynb").read_text())
    for cell in notebook["cells"]:
        if "".join(cell["source"]).startswith("LEARNER ="):
            cell["source"] = f"LEARNER = {folder.name!r}"
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = f"{solution.read_text()}\nsolve(exercise)"
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "", MIME: opened.record()}}
    notebook["cells"][-1]["outputs"] = [output]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{exercise}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def graded(submissions: Path, out: Path, jobs: int) -> float:
    """Seconds for the whole run."""
    started = time.perf_counter()
    write_reports(grade_run(submissions, jobs=jobs), out)
    return time.perf_counter() - started


def autograded(course: Path, submissions: Path, students: int) -> float:
    """Seconds per notebook for nbgrader."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.course_id = str(course), ASSIGNMENT
    api = NbGraderAPI(config=config)
    assert api.generate_assignment(ASSIGNMENT)["success"]
    theirs = sorted(submissions.iterdir())[:students]
    for folder in theirs:
        (course / "submitted" / folder.name).mkdir(parents=True)
        (course / "submitted" / folder.name / ASSIGNMENT).symlink_to(folder)
    started = time.perf_counter()
    for folder in theirs:
        assert api.autograde(ASSIGNMENT, folder.name)["success"]
    return (time.perf_counter() - started) / (len(theirs) * len(shelf.ids()))


def executed(submissions: Path, students: int) -> float:
    """Seconds per notebook for nbclient."""
    import nbformat
    from nbclient import NotebookClient

    paths = [path for folder in sorted(submissions.iterdir())[:students] for path in sorted(folder.iterdir())]
    started = time.perf_counter()
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    return (time.perf_counter() - started) / len(paths)


def main(learners: int = 200, students: int = 1) -> None:
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        course, submissions = Path(folder, "course"), Path(folder, "submissions")
        write_release(course, nbgrader=True)
        # in a process of its own: what it remembers of each variant must not help the grader
        apart = multiprocessing.get_context("spawn").Process(target=write, args=(course, submissions, learners))
        apart.start()
        apart.join()
        count = learners * len(shelf.ids())
        alone = count / graded(submissions, Path(folder, "one"), 1)
        together = count / graded(submissions, Path(folder, "all"), cores) / cores
        peer = "nbgrader" if find_spec("nbgrader") else "nbclient"
        beside = 1 / (
            autograded(course, submissions, students) if peer == "nbgrader" else executed(submissions, students)
        )
    print(f"{count} submissions of {learners} learners")
    print(f"k8slearn grade, 1 worker:       {alone:8.1f} submissions per second")
    print(f"k8slearn grade, {cores} workers:      {together:8.1f} submissions per second per core")
    print(f"{peer}, the same notebooks:   {beside:8.2f} submissions per second")
    print(f"ratio, one core each:           {alone / beside:8.0f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
