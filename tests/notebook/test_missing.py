"""A cell that asks for a name that is not there: after a restart, or misspelt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from k8slearn.notebook import startup

Cell = Callable[[str], tuple[str, str, bool]]
AGAIN = "Run the cells above first (Run, then Run All Above Selected Cell), and then this one again."


def said(cell: Cell, source: str) -> str:
    out, err, good = cell(source)
    assert not good
    assert "Traceback" not in out + err
    return (out + err).strip()


def test_a_name_that_no_cell_has_made_yet(cell: Cell) -> None:
    text = f"there is no `broken` here: the cell that makes it has not run since the kernel started. {AGAIN}"
    assert said(cell, "print(broken.explain())").endswith(text)


def test_a_name_that_is_almost_there(lab: Cell) -> None:
    assert said(lab, "clutser.laws()").endswith("there is no `clutser` here; did you mean `cluster`?")


def test_an_exercise_says_that_its_work_is_saved(cell: Cell) -> None:
    assert said(cell, "exercise.check()").endswith("What you did in a saved exercise is there again then.")


def test_a_cluster_that_a_file_follows_can_be_had_back(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8SLEARN_AUTOSAVE", str(tmp_path))
    cell("from k8slearn import Cluster\nshop = Cluster(nodes=1)")
    cell("!kubectl run web --image=nginx")
    cell("del shop")
    text = said(cell, "shop.laws()")
    assert "Or get it back as you left it: from k8slearn import Cluster; shop = Cluster.load(" in text
    cell(text.partition("as you left it: ")[2])
    assert cell("print(shop.kubectl('get pods -o name'))")[0] == "pod/web\n\n"


def test_a_name_missing_inside_a_library_is_that_librarys_fault(cell: Cell) -> None:
    inside = "exec('def f(): return nowhere', library.__dict__)\nlibrary.f()"
    source = f"import types\nlibrary = types.ModuleType('library')\n{inside}"
    out, err, good = cell(source)
    assert not good
    assert "Traceback" in out + err
    assert "Run the cells above" not in out + err


@pytest.mark.parametrize("program", ["print(1)", "import IPython; print(1)"])
def test_a_program_that_is_no_notebook_starts_as_ever(program: str) -> None:
    environment = {**os.environ, "PYTHONSTARTUP": str(startup.__file__)}
    done = subprocess.run(
        [sys.executable, "-i", "-c", program], input="", env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n")
