"""A learner's first hour: lesson 1 in JupyterLab, a packet sent in it, an exercise solved, saved and graded."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LESSON = "01-the-network-model.ipynb"
LEARNER = "alice"


@pytest.fixture(scope="module")
def course(lab: Any) -> Path:
    """The course, copied as `k8slearn lab` copies it."""
    folder: Path = lab.folder
    return folder


def test_lesson_1_runs_from_top_to_bottom_and_its_player_plays(
    lab: Any, course: Path, look: Callable[[Any, str], None]
) -> None:
    not_run(course / LESSON)
    page = lab.open(LESSON)
    lab.run_all(page)
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    player = page.locator(".ks-root").first
    player.wait_for()
    player.get_by_label("connected", exact=True).click()
    player.get_by_role("button", name="Send").click()
    player.get_by_text("✓ As you predicted: connected.").wait_for()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelector('.ks-root .ks-where').innerText === 'node-1'")
    look(page, "lesson-1")
    page.context.close()


@pytest.fixture
def handed_in(course: Path) -> Path:
    """The exercise's notebook with a name in it and a card where the answers go."""
    card = "from k8slearn.widgets import exercise_card\nexercise_card(exercise)"

    def filled(source: str) -> str:
        return card if source.startswith("# exercise.answer") else source.replace("your-name", LEARNER)

    return not_run(course / "exercises" / "01-predict.ipynb", filled)


def not_run(path: Path, edit: Callable[[str], str] = str) -> Path:
    """The notebook as if nobody had run it, its cells edited: what is seen in it afterwards was run here."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = edit("".join(cell["source"]))
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def answers() -> dict[str, str]:
    """What the reference answers for this learner."""
    from k8slearn import open_exercise
    from k8slearn.grading.checks import run_file

    exercise = open_exercise("01-predict", learner=LEARNER, autosave=False)
    folder = Path(__file__).parents[2] / "exercises" / "01-predict"
    run_file(folder / "reference.py")["solve"](exercise)
    return {q.asks: str(exercise.answers[q.id].value) for q in exercise.questions}


def test_an_exercise_turns_from_not_done_to_done_and_the_saved_notebook_grades_to_full_marks(
    lab: Any, handed_in: Path, tmp_path: Path, look: Callable[[Any, str], None]
) -> None:
    page = lab.open("exercises/01-predict.ipynb")
    lab.run_all(page)
    card = page.locator(".ks-root").first
    card.get_by_text("○ not done").wait_for()
    for asks, value in answers().items():
        form = card.get_by_role("group", name=asks)
        form.get_by_label(value, exact=True).click()
        form.get_by_role("button", name="Answer").click()
        form.get_by_text(f"Your answer: {value}").wait_for()
    card.get_by_role("button", name="Check").click()
    card.get_by_text("✓ done").wait_for()
    look(card, "card-done")
    cell = page.locator(".jp-CodeCell").last
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    cell.get_by_text("done: 5 of 5 points").first.wait_for()
    lab.save(page)
    page.context.close()
    assert graded(handed_in, tmp_path) == [("done", "5", "5")]


def graded(notebook: Path, folder: Path) -> list[tuple[str, str, str]]:
    (folder / "in" / LEARNER).mkdir(parents=True)
    (folder / "in" / LEARNER / notebook.name).write_bytes(notebook.read_bytes())
    command = [
        sys.executable,
        "-m",
        "k8slearn.cli",
        "grade",
        str(folder / "in"),
        "--out",
        str(folder / "out"),
        "--jobs",
        "1",
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    with open(folder / "out" / "grades.csv", encoding="utf-8", newline="") as grades:
        rows = [row for row in csv.DictReader(grades) if row["exercise"] == "01-predict"]
    return [(row["status"], row["points"], row["max_points"]) for row in rows]
