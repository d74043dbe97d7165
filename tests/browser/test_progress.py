"""Progress is carried from one machine to another: downloaded here, read in there, as a learner would."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn import open_exercise
from k8slearn.grading.definition import load
from k8slearn.grading.laws import solutions
from k8slearn.lab import copy_course, course

from .test_course import not_run

EXERCISE, LEARNER = "05-mend-the-route", "your-name"


@pytest.mark.slow
def test_progress_is_downloaded_and_read_in_again(lab: Any, tmp_path: Path, look: Callable[[Any, str], None]) -> None:
    copy_course(course(), lab.folder)
    saved: Path = lab.folder / ".k8slearn"
    solve = next(iter(solutions(load(EXERCISE).folder / "reference.py").values()))
    solve(open_exercise(EXERCISE, LEARNER, autosave=saved))
    not_run(lab.folder / "98-progress.ipynb")
    page = lab.open("98-progress.ipynb", "dark")
    lab.run_all(page)
    card = page.locator(".ks-root")
    card.get_by_text(f"{LEARNER}: 1 of").wait_for()
    with page.expect_download() as waiting:
        card.get_by_role("link", name="Download your progress").press("Enter")
    waiting.value.save_as(tmp_path / "p.zip")
    look(page, "progress-dark")

    shutil.rmtree(saved)  # another machine
    lab.run_all(page)
    card.get_by_text(f"{LEARNER}: 0 of").wait_for()
    card.get_by_label("Read in progress from another machine").set_input_files(tmp_path / "p.zip")
    card.get_by_text(f"{EXERCISE}-{LEARNER}.jsonl: taken over").wait_for()
    card.get_by_text(f"{LEARNER}: 1 of").wait_for()
    look(page, "progress-read-in")
    page.context.close()
