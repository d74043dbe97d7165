"""Every module of Linux and of its tools begins by teaching, and says what it leaves out."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import k8slearn
from k8slearn.linux import netfilter

ROOT = Path(k8slearn.__file__).parent
MODULES = sorted(path for room in ("linux", "shell") for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_what_it_leaves_out(path: Path) -> None:
    opening = ast.get_docstring(ast.parse(path.read_text())) or ""
    first, _, rest = opening.partition("\n\n")
    assert first
    assert "Left out: " in rest


def test_the_picture_of_the_hooks_is_the_table_of_the_hooks() -> None:
    assert netfilter.__doc__ is not None
    lines = [line.split(maxsplit=1) for line in netfilter.__doc__.splitlines() if line.startswith("    ")]
    drawn = {words[0]: words[1] for words in lines if words[0] in netfilter.HOOKS and "," in words[1]}
    assert drawn == {hook: ", ".join(tables) for hook, tables in netfilter.HOOKS.items()}
