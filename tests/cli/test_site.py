"""The site without a server: what it needs and where it refuses (building it takes pip, npm and half a minute)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8slearn import site
from k8slearn.cli import main


def test_a_site_is_not_built_without_its_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(site, "TOOLS", ("no-such-tool",))
    assert main(["site", str(tmp_path / "out")]) == 2
    assert "pip install no-such-tool" in capsys.readouterr().err


def test_a_notebook_of_the_site_begins_with_the_wheels_that_are_in_it(tmp_path: Path) -> None:
    notebook = tmp_path / "a.ipynb"
    notebook.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    site._begin(notebook)
    made = json.loads(notebook.read_text())
    assert made["cells"][0]["source"] == site.FIRST_CELL
    assert made["metadata"]["kernelspec"]["name"] == "python"


def test_what_is_needed_is_closed_under_depending() -> None:
    packages = {"a": {"depends": ["b_c"]}, "b-c": {"depends": ["d"]}, "d": {"depends": ["a"]}, "e": {"depends": []}}
    assert set(site._closure(packages, ("a",))) == {"a", "b-c", "d"}
