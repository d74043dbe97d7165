"""What befalls a new user: a page that is loaded again, a kernel that is restarted, a folder that may only be read, and
a machine without a network. Nothing is lost, and what to do is said in a sentence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slearn.lab import copy_course
from k8slearn.lab import course as where

from .conftest import ROOT, serving

EXERCISE = """\
from k8slearn import open_exercise
from k8slearn.widgets import exercise_card

exercise = open_exercise("01-predict", learner="{learner}")
exercise_card(exercise)"""
LESSON = """\
from k8slearn import Cluster
from k8slearn.widgets import player

cluster = Cluster(nodes=2)
player(cluster)"""
ASKED = "cluster.node('node-1').run('ip -br link show cni0')"
IDLE = ".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]"
TRACEBACK = "Traceback (most recent call last)"


def answer_one(card: Any) -> str:
    """Answer the first question of a card; returns what the card says then."""
    form = card.locator("form").first
    choice = form.locator("label").first
    choice.click()
    form.get_by_role("button", name="Answer").click()
    given = f"Your answer: {choice.inner_text()}"
    form.get_by_text(given).wait_for()
    return given


def run_next(page: Any, number: int) -> Any:
    """Run one cell with the keyboard; returns it once it has its number."""
    page.wait_for_selector(IDLE)
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    cell.locator(".cm-focused").wait_for()
    page.keyboard.press("Shift+Enter")
    cell.locator(".jp-InputPrompt").filter(has_text="]:").wait_for()
    return cell


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what happens outside the browser."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.2)


def test_a_page_loaded_again_in_mid_exercise_holds_what_was_answered_and_typed(
    lab: Any, write_notebook: Callable[..., str], look: Any
) -> None:
    page = lab.open(write_notebook("reload.ipynb", EXERCISE.format(learner="reload"), "exercise.check()"))
    page.on("dialog", lambda dialog: dialog.accept())
    lab.run_all(page)
    given = answer_one(page.locator(".ks-root"))
    page.locator(".jp-CodeCell .cm-content").last.click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("  # half a thought")

    until(lambda: "half a thought" in (lab.folder / "reload.ipynb").read_text(encoding="utf-8"))
    page.reload()
    lab.ready(page)
    page.locator(".ks-root").get_by_text(given).wait_for()
    page.get_by_text("# half a thought").first.wait_for()
    run_next(page, 1).get_by_text("not done: ").first.wait_for()
    look(page, "reloaded")
    page.context.close()


def restart(page: Any) -> None:
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator('[data-command="kernelmenu:restart"]').click()
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    page.wait_for_selector(IDLE)


def test_after_a_restart_of_the_kernel_the_next_cell_says_what_to_run(
    lab: Any, write_notebook: Callable[..., str], look: Any
) -> None:
    saved = lab.folder.resolve() / ".k8slearn" / "restart-cluster.jsonl"
    again = f"from k8slearn import Cluster; cluster = Cluster.load({str(saved)!r})"
    name = write_notebook("restart.ipynb", LESSON, ASKED, "!kubectl get nodes", again + "\n" + ASKED)
    page = lab.open(name)
    lab.run_all(page)
    restart(page)
    player = page.locator(".ks-root")
    player.get_by_label("timeout", exact=True).click()
    player.get_by_role("button", name="Send", exact=True).click()
    player.get_by_text("if it was restarted, run the cells above").wait_for()
    told = run_next(page, 1)
    told.get_by_text("there is no `cluster` here").first.wait_for()
    assert again in told.inner_text()
    run_next(page, 2).get_by_text("there is no cluster in this notebook yet; run the cells above").first.wait_for()
    look(page, "restarted")
    assert TRACEBACK not in page.locator(".jp-Notebook").inner_text()
    run_next(page, 3).get_by_text("cni0").last.wait_for()
    page.context.close()


BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
"""Root may write everywhere; without these capabilities root is a person like any other."""


@pytest.fixture
def read_only(browser: Any, tmp_path: Path, write_notebook: Callable[..., str]) -> Iterator[Any]:
    """The course in a folder that nobody may write."""
    if os.name != "posix" or (os.geteuid() == 0 and not shutil.which("setpriv")):
        pytest.skip("there is no way to take the right to write away")
    folder, home = tmp_path / "course", tmp_path / "home"
    copy_course(where(), folder)
    home.mkdir()
    write_notebook("mine.ipynb", EXERCISE.format(learner="reader"), "exercise.check()", LESSON, ASKED, folder=folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with serving(browser, folder, home, *(BOUND if os.geteuid() == 0 else ())) as running:
        yield running
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o755)


def test_a_course_that_can_only_be_read_runs_and_keeps_the_work_in_the_home_folder(read_only: Any, look: Any) -> None:
    page = read_only.open("mine.ipynb")
    read_only.run_all(page)
    answer_one(page.locator(".ks-root").first)
    run_next(page, 1).get_by_text("not done: ").first.wait_for()
    look(page, "read-only")
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    kept = read_only.folder.parent / "home" / ".k8slearn"
    assert sorted(path.name for path in kept.glob("*.jsonl")) == ["01-predict-reader.jsonl", "mine-cluster.jsonl"]
    assert "answer" in (kept / "01-predict-reader.jsonl").read_text(encoding="utf-8")
    log = (read_only.folder.parent / "home" / "log").read_text(encoding="utf-8")
    assert f"{read_only.folder} can only be read" in log
    page.context.close()


def test_a_machine_without_a_network_runs_a_lesson_and_grades_an_exercise() -> None:
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root on Linux can take the network away")
    wanted = "lesson_1_runs or turns_from_not_done"
    tests = f"{sys.executable} -m pytest -q -n 0 -p no:cacheprovider -k '{wanted}' tests/browser/test_course.py"
    command = ["unshare", "--net", "sh", "-c", f"ip link set lo up && exec {tests}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
