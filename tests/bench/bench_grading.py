"""How many submissions are graded per second and core, beside running the same notebooks with nbclient.

    python tests/bench/bench_grading.py [SUBMISSIONS] [NOTEBOOKS RUN]

Every learner hands in every exercise of the shelf in turn, solved as its references and wrong answers solve it.
The submissions are written first; what is timed is the whole of `k8slearn grade`, reports included. It reports, it does
not gate.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from k8slearn import open_exercise
from k8slearn.grading import shelf
from k8slearn.grading.checks import run_file
from k8slearn.grading.record import MIME
from k8slearn.grading.report import write_reports
from k8slearn.grading.run import grade_run

TEXT = """\
from pathlib import Path
from k8slearn import open_exercise
from k8slearn.grading.checks import run_file
exercise = open_exercise({exercise!r}, learner={learner!r})
run_file(Path({solution!r}))["solve"](exercise)
exercise.check()"""


def solutions() -> Iterator[tuple[str, Path]]:
    """(exercise, how it is solved), over and over."""
    found = [
        (e, p) for e in shelf.ids() for p in (shelf.find(e) / "reference.py", *(shelf.find(e) / "wrong").glob("*.py"))
    ]
    return itertools.cycle(found)


def write(submissions: Path, count: int) -> None:
    """`count` notebooks as learners would have saved them."""
    for number, (exercise, solution) in enumerate(itertools.islice(solutions(), count)):
        learner = f"learner-{number:04}"
        opened = open_exercise(exercise, learner=learner, autosave=False)
        run_file(solution)["solve"](opened)
        output = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "", MIME: opened.record()}}
        source = TEXT.format(exercise=exercise, learner=learner, solution=str(solution))
        cell = {
            "cell_type": "code",
            "execution_count": 1,
            "id": "check",
            "metadata": {},
            "outputs": [output],
            "source": source,
        }
        notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        path = submissions / learner / f"{exercise}.ipynb"
        path.parent.mkdir()
        path.write_text(json.dumps(notebook), encoding="utf-8")


def graded(submissions: Path, out: Path, jobs: int) -> float:
    """Seconds for the whole run."""
    started = time.perf_counter()
    write_reports(grade_run(submissions, jobs=jobs), out)
    return time.perf_counter() - started


def executed(submissions: Path, count: int) -> float:
    """Seconds per notebook for nbclient, on the same notebooks."""
    import nbformat
    from nbclient import NotebookClient

    paths = sorted(submissions.glob("*/*.ipynb"))[:count]
    started = time.perf_counter()
    for path in paths:
        NotebookClient(nbformat.read(path, as_version=4), timeout=120, kernel_name="python3").execute()
    return (time.perf_counter() - started) / len(paths)


def main(count: int = 200, run: int = 4) -> None:
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        submissions = Path(folder, "submissions")
        submissions.mkdir()
        apart = multiprocessing.get_context("spawn").Process(target=write, args=(submissions, count))
        apart.start()  # in a process of its own: what it remembers of each variant must not help the grader
        apart.join()
        alone = count / graded(submissions, Path(folder, "one"), 1)
        together = count / graded(submissions, Path(folder, "all"), cores) / cores
        beside = 1 / executed(submissions, run)
    print(f"k8slearn grade, 1 worker:       {alone:8.1f} submissions per second")
    print(f"k8slearn grade, {cores} workers:      {together:8.1f} submissions per second per core")
    print(f"nbclient, the same notebooks:   {beside:8.2f} submissions per second")
    print(f"ratio, one core each:           {alone / beside:8.0f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
