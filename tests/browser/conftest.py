"""A real browser on a real `k8slearn lab`: one server and one Chromium for the whole run, in a folder whose name has
spaces and letters beyond ASCII.

Skipped, with the reason, where Chromium or Playwright is missing. Nothing outside this machine is asked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TOKEN = "k8slearn"
LAB = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.port_retries=0",
    f"--IdentityProvider.token={TOKEN}",
    "--LabApp.collaborative=False",
    "--LabApp.expose_app_in_browser=True",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)


def _chromium() -> str:
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, through Playwright, with a fresh profile."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not _chromium():
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=_chromium(), args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, and axe-core comes from there")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", "axe-core@4"]
    if subprocess.run(command, capture_output=True, check=False, timeout=120).returncode:
        pytest.skip("npm could not fetch axe-core")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


class Lab:
    """A JupyterLab server in a folder of its own, and what a test does with it."""

    def __init__(self, browser: Any, folder: Path, settings: Path, port: int) -> None:
        self.browser = browser
        self.settings = settings
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.asked: set[str | None] = set()
        """Every machine that a page of this lab asked for something."""

    def open(self, name: str, theme: str = "light", motion: str = "reduce") -> Any:
        """The notebook in a page, its kernel there and idle."""
        self._settings(theme)
        context = self.browser.new_context(viewport={"width": 1360, "height": 950}, reduced_motion=motion)
        context.on("request", lambda request: self.asked.add(urlsplit(request.url).hostname))
        page = context.new_page()
        page.goto(f"{self.url}/lab/tree/{name}?token={TOKEN}&reset")
        self.ready(page)
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(theme == 'light').lower()}'")
        return page

    def ready(self, page: Any) -> None:
        """The notebook is there, and its kernel idle."""
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden)", timeout=60_000)
        page.wait_for_function(
            "() => { const k = document.querySelector('.jp-NotebookPanel .jp-KernelName');"
            " return k && !/No Kernel/.test(k.innerText) }",
            timeout=60_000,
        )
        page.wait_for_selector(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]", timeout=60_000)

    def theme(self, page: Any, theme: str) -> None:
        """Choose another theme, by the command that the menu has."""
        page.evaluate(
            f"jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme.capitalize()}'}})"
        )
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(theme == 'light').lower()}'")
        page.wait_for_selector("#jupyterlab-splash", state="detached")

    def _settings(self, theme: str) -> None:
        """What a person would choose in the settings: the theme, no question about news, every cell in the page."""
        wishes = {
            "apputils-extension/themes": {"theme": f"JupyterLab {theme.capitalize()}"},
            "apputils-extension/notification": {"fetchNews": "false"},
            "notebook-extension/tracker": {"windowingMode": "none"},
        }
        for name, wish in wishes.items():
            path = self.settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(wish), encoding="utf-8")

    def run_all(self, page: Any, seconds: float = 240) -> None:
        """Run every cell, and wait until the last one has its number."""
        begun = page.locator(".jp-CodeCell .jp-InputPrompt").filter(has_text=re.compile(r"\d|\*"))
        for _ in range(5):
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.locator('[data-command="runmenu:run-all"]').click()
            page.wait_for_timeout(2000)
            if begun.count():
                break
        page.wait_for_function(
            """() => [...document.querySelectorAll('.jp-CodeCell')].every((cell) =>
                 /^\\[\\d+\\]:$/.test(cell.querySelector('.jp-InputPrompt').innerText.trim())
                 || !cell.querySelector('.cm-content')?.innerText.trim())""",
            timeout=seconds * 1000,
        )

    def save(self, page: Any) -> None:
        """Save, and wait until the file is newer than the wish."""
        page.locator(
            '.jp-NotebookPanel [data-command="docmanager:save"], .jp-NotebookPanel jp-button[title^="Save"]'
        ).first.click()
        page.wait_for_function("!document.querySelector('.jp-mod-current.jp-mod-dirty, .lm-mod-current .jp-mod-dirty')")
        page.wait_for_timeout(500)


@pytest.fixture(scope="session")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The server, with the course in `lab.folder`; other notebooks go there, too."""
    folder = tmp_path_factory.mktemp("lab") / "Zoë Müller" / "My Course"
    with serving(browser, folder, tmp_path_factory.mktemp("home")) as running:
        yield running


@contextmanager
def serving(browser: Any, folder: Path, home: Path, *before: str) -> Iterator[Lab]:
    """`k8slearn lab FOLDER`, as a learner starts it whose home folder is `home`; `before` goes before the command."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    port = _free_port()
    own = {name: str(home / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    environment = {**os.environ, **own, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    options = [*LAB, f"--ServerApp.port={port}"]
    command = [*before, sys.executable, "-m", "k8slearn.cli", "lab", str(folder), *options]
    with (
        open(home / "log", "w", encoding="utf-8") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            _wait(f"http://127.0.0.1:{port}/api/status?token={TOKEN}")
            yield Lab(browser, folder, home / "jupyter_config_dir" / "lab" / "user-settings", port)
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="session")
def write_notebook(lab: Lab) -> Callable[..., str]:
    """Put a notebook of these cells into the lab's folder, or another; returns its name."""

    def write(name: str, *cells: str, folder: Path = lab.folder) -> str:
        listed = [
            {
                "cell_type": "code",
                "id": f"c{i}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for i, source in enumerate(cells)
        ]
        spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
        content = {"cells": listed, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
        return name

    return write


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go (``K8SLEARN_SCREENSHOTS``); None: nobody wants to look."""
    wish = os.environ.get("K8SLEARN_SCREENSHOTS")
    if not wish:
        return None
    Path(wish).mkdir(parents=True, exist_ok=True)
    return Path(wish)


@pytest.fixture
def look(pictures: Path | None) -> Callable[[Any, str], None]:
    """Keep a screenshot of a page or an element under a name, for a person to look at."""

    def keep(seen: Any, name: str) -> None:
        if pictures is not None:
            seen.screenshot(path=str(pictures / f"{name}.png"))

    return keep
