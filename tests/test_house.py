"""The house stands as its picture says: floors, independent rooms, and what each package leaves out."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.application.use_cases import lint_imports

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "k8slearn"
CONTRACTS = [c["id"] for c in read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]]
CARD = {"LICENSE", "README.md", "binder", "course", "exercises", "k8slearn", "pyproject.toml", "tests"}
HEAVY = ("matplotlib", "networkx", "numpy", "ipywidgets", "anywidget", "IPython", "http.server", "aiohttp", "tornado")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_room_imports_only_what_the_house_allows(contract: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(limit_to_contracts=(contract,), cache_dir=None) is True


@pytest.mark.parametrize("package", sorted(p.parent.relative_to(ROOT).as_posix() for p in PACKAGE.rglob("__init__.py")))
def test_every_package_says_what_it_leaves_out(package: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or ""
    assert "Left out" in docstring, f"{package}/__init__.py does not say what it leaves out"


@pytest.mark.parametrize("statement", ["import k8slearn", "from k8slearn import Cluster"])
def test_importing_the_engine_loads_no_picture_and_no_server(statement: str) -> None:
    program = f"{statement}\nimport sys; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []


def test_nothing_stands_at_the_root_but_what_the_card_allows() -> None:
    git = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    top = {name.split("/")[0] for name in git.stdout.splitlines()} or {path.name for path in ROOT.iterdir()}
    assert {name for name in top - CARD if not name.startswith(".")} == set()


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long == []
