"""The README's workflows, step by step, in a course's repository with thirty submissions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8slearn.grading.inert import as_command
from k8slearn.grading.report import annotations_txt
from k8slearn.grading.row import Row

from .conftest import FIXTURES, notebook
from .work import record_of

README = Path(__file__).parents[2] / "README.md"
SOLUTIONS = ("reference.py", "wrong/timeout.py", "wrong/other-port.py", "")
LEARNERS = [f"learner-{number:02}" for number in range(30)]
COMMAND = re.compile(r"::warning title=[^:\n]*::[^\n]*\n")


@pytest.fixture(scope="module")
def workflows() -> tuple[dict[str, Any], dict[str, Any]]:
    """GitHub's and GitLab's, as they stand in the README."""
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    github, gitlab = (yaml.safe_load(block) for block in blocks[-2:])
    return github["jobs"]["grade"], gitlab["grade"]


@pytest.fixture
def repository(tmp_path: Path, shelf: Path) -> Path:
    """A course's repository: thirty learners, one notebook that is none, one who is not in the class."""
    for number, learner in enumerate(LEARNERS):
        folder = tmp_path / "submissions" / learner
        folder.mkdir(parents=True)
        made = notebook(record_of(learner, SOLUTIONS[number % len(SOLUTIONS)]))
        (folder / "01-tiny.ipynb").write_text(json.dumps(made), encoding="utf-8")
    (tmp_path / "submissions" / LEARNERS[3] / "01-tiny.ipynb").write_text("::error::owned", encoding="utf-8")
    (tmp_path / "class.csv").write_text("\n".join(LEARNERS) + "\n", encoding="utf-8")
    return tmp_path


def steps(commands: list[str], folder: Path) -> str:
    """Run each step as a runner does, in a shell that stops at the first failure; what was printed."""
    own = {"GITHUB_STEP_SUMMARY": str(folder / "step-summary.md"), "K8SLEARN_EXERCISES": str(FIXTURES)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    printed = ""
    for command in commands:
        if not command.startswith("pip install "):  # it is installed
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
            done = subprocess.run(
                shell, cwd=folder, env={**os.environ, **own, "PATH": path}, capture_output=True, text=True, check=True
            )
            printed += done.stdout
    return printed


@pytest.mark.slow
def test_the_steps_of_each_workflow_grade_a_class(
    workflows: tuple[dict[str, Any], dict[str, Any]], repository: Path
) -> None:
    github, gitlab = workflows
    printed = steps([step["run"] for step in github["steps"] if "run" in step], repository)
    summary = (repository / "step-summary.md").read_text(encoding="utf-8")
    first = (repository / "report" / "grades.json").read_bytes()
    rows = json.loads(first)["grades"]
    assert [row["learner"] for row in rows] == LEARNERS
    assert "| 01-tiny | 8 | 21 | 0 | 1 | 0 |" in summary.replace("&#45;", "-")
    assert len(COMMAND.findall(printed)) == 1
    assert "owned" not in printed
    assert all((repository / path).exists() for path in (github["steps"][-1]["with"]["path"], "report/junit.xml"))

    steps(gitlab["script"], repository)
    assert (repository / "report" / "grades.json").read_bytes() == first, "graded again, the same bytes"
    assert (repository / gitlab["artifacts"]["reports"]["junit"]).exists()

    said = steps([f"k8slearn grade submissions --explain {LEARNERS[1]} 01-tiny"], repository)
    assert "Misconception: timeout" in said


@pytest.mark.parametrize("text", ["x\n::error::y", "a, b: c%0A::error::d", "\x1b[2J", "::stop-commands::x", "é"])
def test_an_annotation_is_one_command_whatever_a_submission_says(text: str) -> None:
    told = annotations_txt([Row(text, text, 0, 1, "refused", text)])
    assert COMMAND.fullmatch(told)
    assert "\x1b" not in told
    assert not set(as_command(text)) & set(":,\n\r")
