"""The course where there is no server: the site is built, served as plain files, and worked through with no network.

A packet is sent in lesson 1, an exercise is solved and saved in the browser's own storage, and stands there still after
a reload. Every request that is not for one of the site's own files fails the test.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from k8slearn import open_exercise, site
from k8slearn.errors import Refused
from k8slearn.grading.definition import load
from k8slearn.grading.laws import solutions

EXERCISE, LEARNER = "01-predict", "your-name"
pytestmark = pytest.mark.slow


class Files(http.server.SimpleHTTPRequestHandler):
    """Files and nothing else, quietly."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served: a folder of files on this machine."""
    missing = [tool for tool in site.TOOLS if importlib.util.find_spec(tool.replace("-", "_")) is None]
    if missing or shutil.which("npm") is None:
        pytest.skip(f"{(*missing, 'npm')[0]} is not installed, and the site is built with it")
    folder = tmp_path_factory.mktemp("site") / "site"
    try:
        site.build(folder)
    except Refused as refused:
        if os.environ.get("K8SLEARN_CI"):
            raise
        pytest.skip(f"the site cannot be built here: {refused}")
    handler = functools.partial(Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Tab:
    """A browser that has no network but the site."""

    def __init__(self, browser: Any, address: str) -> None:
        self.address = address
        self.outside: list[str] = []
        self.context = browser.new_context(viewport={"width": 1360, "height": 950}, reduced_motion="reduce")
        self.context.route("**/*", self._asked)
        self.page = self.context.new_page()

    def _asked(self, route: Any) -> None:
        own = route.request.url.startswith((self.address, "data:", "blob:"))
        if not own:
            self.outside.append(route.request.url)
        route.continue_() if own else route.abort()

    def open(self, notebook: str) -> None:
        self.page.goto(f"{self.address}/lab/index.html?path={notebook}")
        self.ready()

    def ready(self) -> None:
        panel = ".jp-NotebookPanel:not(.lm-mod-hidden)"
        self.page.wait_for_selector(panel, timeout=60_000)
        self.page.wait_for_selector(f"{panel} .jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=120_000)

    def run_all(self) -> None:
        """Run every cell, and wait until the kernel has done the last one.

        Before the kernel has a session JupyterLab forgets the wish, whatever its indicator says: it is said again."""
        late = pytest.importorskip("playwright.sync_api").TimeoutError
        for _ in range(20):
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.locator('[data-command="runmenu:run-all"]').click()
            with suppress(late):
                self.page.wait_for_function(
                    """() => [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-InputPrompt')]
                         .some((prompt) => /^\\[[*\\d]+\\]:$/.test(prompt.innerText.trim()))""",
                    timeout=10_000,
                )
                break
        self.page.wait_for_function(
            """() => [...document.querySelectorAll('.jp-CodeCell')].every((cell) =>
                 /^\\[\\d+\\]:$/.test(cell.querySelector('.jp-InputPrompt')?.innerText.trim() ?? '')
                 || !(cell.querySelector('.cm-content')?.innerText ?? '').trim())""",
            timeout=240_000,
        )


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Tab]:
    opened = Tab(browser, address)
    yield opened
    opened.context.close()
    assert opened.outside == []


WRONG = ", ".join(
    f".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.{kind}']" for kind in ("error", "stderr")
)


def test_lesson_1_runs_in_a_tab_with_no_server_and_its_player_plays(tab: Tab, look: Callable[[Any, str], None]) -> None:
    tab.open("01-the-network-model.ipynb")
    tab.run_all()
    assert tab.page.locator(WRONG).all_inner_texts() == []
    player = tab.page.locator(".ks-root").first
    player.scroll_into_view_if_needed()
    player.get_by_label("connected", exact=True).click()
    player.get_by_role("button", name="Send").click()
    player.get_by_text("✓ As you predicted: connected.").wait_for()
    tab.page.keyboard.press("ArrowDown")
    tab.page.wait_for_function("document.querySelector('.ks-root .ks-where').innerText === 'node-1'")
    look(tab.page, "lite-lesson-1")


def test_an_exercise_is_solved_there_and_stands_there_after_a_reload(
    tab: Tab, look: Callable[[Any, str], None]
) -> None:
    full = f"done: {load(EXERCISE).max_points:g} of {load(EXERCISE).max_points:g} points"
    tab.open(f"exercises/{EXERCISE}.ipynb")
    typed(tab.page, "# exercise.answer", "\n".join(reference()))
    tab.run_all()
    tab.page.get_by_text(full).first.wait_for()
    tab.page.keyboard.press("Control+s")
    tab.page.wait_for_function("!document.querySelector('.jp-mod-current.jp-mod-dirty, .lm-mod-current .jp-mod-dirty')")
    look(tab.page, "lite-exercise")
    tab.page.reload()
    tab.ready()
    tab.page.get_by_text(full).first.wait_for()
    tab.open("98-progress.ipynb")
    tab.run_all()
    tab.page.locator(".ks-root").get_by_text(f"{LEARNER}: 1 of").wait_for()
    look(tab.page, "lite-progress")


def reference() -> list[str]:
    """What the reference answers for this learner, as lines of a cell."""
    exercise = open_exercise(EXERCISE, LEARNER, autosave=False)
    next(iter(solutions(load(EXERCISE).folder / "reference.py").values()))(exercise)
    return [f"exercise.answer({name!r}, {given.value!r})" for name, given in exercise.answers.items()]


def typed(page: Any, begins: str, code: str) -> None:
    """Type into the cell that begins so, in place of what is there."""
    page.locator(".jp-CodeCell").filter(has_text=begins).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
