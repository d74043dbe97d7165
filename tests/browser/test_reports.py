"""A learner's feedback and the class report in a browser: readable in both themes, at any width, without a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn import open_exercise
from k8slearn.cli import main
from k8slearn.grading import shelf
from k8slearn.grading.checks import run_file
from tests.grading.conftest import notebook

EXERCISES = ("01-predict", "04-unplugged", "09-nobody-behind-it", "11-and-or-or")
LEARNERS = 6


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a class that solved exercises of the course, well and not; one handed in a text."""
    folder = tmp_path_factory.mktemp("class")
    for number in range(LEARNERS):
        theirs = folder / "submissions" / f"learner-{number}"
        theirs.mkdir(parents=True)
        for exercise in EXERCISES:
            found = [shelf.find(exercise) / "reference.py", *sorted((shelf.find(exercise) / "wrong").glob("*.py"))]
            opened = open_exercise(exercise, learner=theirs.name, autosave=False)
            if number:
                run_file(found[number % len(found)])["solve"](opened)
            (theirs / f"{exercise}.ipynb").write_text(json.dumps(notebook(opened.record())), encoding="utf-8")
    (folder / "submissions" / "learner-5" / "01-predict.ipynb").write_text("my answer is yes", encoding="utf-8")
    assert main(["grade", str(folder / "submissions"), "--out", str(folder / "report"), "--jobs", "2"]) == 0
    return folder / "report"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["class.html", "feedback/learner-2.html", "feedback/learner-5.html"])
def test_axe_finds_nothing_in_a_report(
    browser: Any, axe: str, look: Callable[..., None], report: Path, name: str, theme: str
) -> None:
    context = browser.new_context(viewport={"width": 1100, "height": 900}, color_scheme=theme, bypass_csp=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((report / name).as_uri())
    look(page, f"report-{Path(name).stem}-{theme}")
    page.add_script_tag(content=axe)
    found = page.evaluate("axe.run()")
    wrong = [
        (v["id"], v["impact"], [(n["html"][:200], n["failureSummary"]) for n in v["nodes"]])
        for v in found["violations"]
    ]
    assert wrong == []
    assert "color-contrast" in {passed["id"] for passed in found["passes"]}
    page.set_viewport_size({"width": 390, "height": 800})
    look(page, f"report-{Path(name).stem}-{theme}-narrow")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing to scroll sideways"
    assert asked == [(report / name).as_uri()], "a page asks for itself and nothing else"
    context.close()


def test_a_report_is_whole_where_scripts_are_off(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((report / "class.html").as_uri())
    for number in range(LEARNERS):
        assert (report / "feedback" / f"learner-{number}.html").is_file()
    told = page.locator("main").inner_text()
    assert all(exercise in told for exercise in EXERCISES)
    page.goto((report / "feedback" / "learner-2.html").as_uri())
    assert page.locator("h2").count() == len(EXERCISES)
    context.close()
